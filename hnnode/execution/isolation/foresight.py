"""Rows that a query will most likely ask for, sent along with it: so that it is answered without a question to the node.

    arguments → keys by the plan of its kind → one get_many a round → rows, sent along → what is missing is asked → learn

Each query of an application has a plan: relations that were seen in at least two of its queries. What is sent along is read from
the same state as what is asked, at the same height, so it changes how long a query takes and nothing else. Relations hold of
rows that nobody read before, too: a code that comes back after weeks leads to its batch as one of today does.

Everything is bounded: relations of a query, rows and bytes sent along, what is looked at to learn. Looking becomes rarer, by twos, and
a relation whose rows are used less than every fourth time is given up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from hnnode.execution.isolation.relations import DEPTH_MAX, FAN_MAX, Place, Places, Relation, at, opened
from hnnode.plugin_api.limits import KEY_BYTES_MAX

if TYPE_CHECKING:
    from hnnode.ports import StateReader

ROWS_MAX = 64
"""Keys and scans that are read ahead for one query."""
BYTES_MAX = 128 * 1024
"""Of what is read ahead for one query; the row that fills it is sent."""
PLAN_MAX = 24
"""Relations of one query."""
SEEN_MAX = 128
"""Relations that wait to be seen a second time, and those that were given up, of one query."""
SESSION_MAX = 64
"""Questions of one query that are looked at to learn."""
SKIPPED_MAX = 1 << 10
"""Queries between two that are looked at, at most."""
TRIED_MIN = 64
"""Rows read ahead before a relation is judged."""
USED_SHARE = 4

Rows = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a query: a key with its value, or a scan (limit > 0) with its rows. prefix: the application's."""

    prefix: bytes
    rest: bytes
    limit: int
    value: bytes | None
    rows: Rows


@dataclass(slots=True)
class Foreseen:
    """What is sent along with one query, in the order of the steps that named it: keys, then scans."""

    rows: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    scans: list[tuple[bytes, int, Rows]] = field(default_factory=list)
    plan: Plan | None = None
    by_row: list[int] = field(default_factory=list)
    by_scan: list[int] = field(default_factory=list)
    arguments: dict[str, Any] | None = None
    learns: bool = False
    """Whether what it asks is to be told."""


class Step:
    """A relation of a plan, ready to be gone: parents are steps by their number, -1 for the arguments."""

    __slots__ = ("limit", "looked_into", "parts", "prefix")

    def __init__(self, relation: Relation, numbers: dict[Relation, int]) -> None:
        self.prefix = relation.prefix
        self.limit = relation.limit
        self.looked_into = False
        self.parts: list[bytes | tuple[int, Any, bool]] = [
            (-1 if part.of is None else numbers[part.of], part.path, part.hexadecimal)
            if isinstance(part, Place)
            else part
            for part in relation.parts
        ]


class Plan:
    """Relations of one kind of query, nearest to the arguments first, and how often each was right."""

    def __init__(self, relations: Sequence[Relation]) -> None:
        self.relations = sorted(relations, key=lambda each: each.depth)
        numbers = {relation: number for number, relation in enumerate(self.relations)}
        self.steps = [Step(relation, numbers) for relation in self.relations]
        for step in self.steps:
            for part in step.parts:
                if isinstance(part, tuple) and part[0] >= 0 and part[1] is not None:
                    self.steps[part[0]].looked_into = True
        depths = [(number, relation.depth) for number, relation in enumerate(self.relations)]
        self.rounds = [[number for number, _ in group] for _, group in groupby(depths, key=lambda pair: pair[1])]
        self.tried = [0] * len(self.steps)
        self.used = [0] * len(self.steps)

    def go(self, arguments: dict[str, Any], state: StateReader) -> Foreseen:
        """Errors of `state` pass through."""
        found = Foreseen(plan=self, arguments=arguments)
        values: list[list[Any]] = [[] for _ in self.steps]  # of each step: values or ends of keys
        inside: list[list[Any]] = [[] for _ in self.steps]
        known: set[bytes] = set()
        room = BYTES_MAX
        for numbers in self.rounds:
            keys, owners = [], []
            for number in numbers:
                step = self.steps[number]
                for key in self._keys(step, arguments, values, inside):
                    if len(known) >= ROWS_MAX or room <= 0:
                        break
                    if key in known or len(key) - len(step.prefix) > KEY_BYTES_MAX:
                        continue
                    known.add(key)
                    if not step.limit:
                        keys.append(key)
                        owners.append(number)
                        continue
                    rows = state.scan(key, None, step.limit)
                    values[number] += [row[0][len(key) :] for row in rows[:FAN_MAX]]
                    found.scans.append((key, step.limit, rows))
                    found.by_scan.append(number)
                    room -= sum(len(row[0]) + len(row[1]) for row in rows)
            if not keys:
                continue
            for key, value, number in zip(keys, state.get_many(keys), owners, strict=True):
                found.rows.append((key, value))
                found.by_row.append(number)
                if value is not None:
                    room -= len(value)
                    values[number].append(value)
                    if self.steps[number].looked_into:
                        inside[number].append(opened(value))
        return found

    def _keys(
        self, step: Step, arguments: dict[str, Any], values: list[list[Any]], inside: list[list[Any]]
    ) -> list[bytes]:
        made = [step.prefix]
        for part in step.parts:
            if isinstance(part, bytes):
                made = [start + part for start in made]
                continue
            number, path, hexadecimal = part
            if number < 0:
                ends = at(path, hexadecimal, arguments)
            elif path is None:
                ends = values[number]
            else:
                ends = [text for each in inside[number] for text in at(path, hexadecimal, each)]
            made = [start + end for start in made for end in ends[:FAN_MAX]][:ROWS_MAX]
        return made


class Kind:
    """What is known of one query of an application."""

    def __init__(self) -> None:
        self.plan = Plan(())
        self.seen: dict[Relation, None] = {}
        self.given_up: dict[Relation, None] = {}
        self.asked = 0
        self.learns_at = 1
        self.looked = 0


class Foresight:
    """Of one application. Thread-safe."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}
        self._lock = threading.Lock()

    def foresee(self, query: str, arguments: bytes, state: StateReader) -> Foreseen:
        """What to send along. query: one that the application has. Errors of `state` pass through."""
        with self._lock:
            kind = self._kinds.get(query)
            if kind is None:
                kind = self._kinds[query] = Kind()
            kind.asked += 1
            learns, plan = kind.asked >= kind.learns_at, kind.plan
        if not plan.steps and not learns:
            return Foreseen()
        try:
            decoded = msgspec.json.decode(arguments)
        except (ValueError, RecursionError):
            return Foreseen()
        if not isinstance(decoded, dict):
            return Foreseen()
        found = plan.go(decoded, state) if plan.steps else Foreseen(arguments=decoded)
        found.learns = learns
        return found

    def answered(self, query: str, found: Foreseen, used: bytes, asked: Sequence[Asked]) -> None:
        """What became of it. used: one byte, not 0 when it was asked for, of each row and scan sent along."""
        with self._lock:
            kind = self._kinds[query]
            if found.plan is kind.plan:
                self._judge(kind, found, used)
            if found.learns and asked:
                self._learn(kind, found, asked)

    def _judge(self, kind: Kind, found: Foreseen, used: bytes) -> None:
        plan = kind.plan
        for number, flag in zip(found.by_row + found.by_scan, used, strict=False):
            plan.tried[number] += 1
            plan.used[number] += flag != 0
        for number, tried in enumerate(plan.tried):
            if tried >= TRIED_MIN:
                if plan.used[number] * USED_SHARE < tried:
                    self._give_up(kind, plan.relations[number])
                    return
                plan.tried[number] //= 2
                plan.used[number] //= 2

    def _give_up(self, kind: Kind, relation: Relation) -> None:
        """With those that follow from it."""
        kept: list[Relation] = []
        for each in kind.plan.relations:  # parents first
            if each != relation and all(parent in kept for parent in each.parents):
                kept.append(each)
        kind.plan = Plan(kept)
        _remember(kind.given_up, relation)

    def _learn(self, kind: Kind, found: Foreseen, asked: Sequence[Asked]) -> None:
        kind.looked += 1
        kind.learns_at = kind.asked + min(1 << kind.looked, SKIPPED_MAX)
        places = Places(found.arguments or {})
        if found.plan is not None:
            relations = found.plan.relations
            for (_, value), number in zip(found.rows, found.by_row, strict=True):
                places.add_row(relations[number], value)
            for (prefix, _, rows), number in zip(found.scans, found.by_scan, strict=True):
                places.add_ends(relations[number], [key[len(prefix) :] for key, _ in rows[:FAN_MAX]])
        relations, before = list(kind.plan.relations), len(kind.plan.relations)
        session: set[Relation] = set()
        for each in asked[:SESSION_MAX]:
            relation = Relation(each.prefix, places.parts(each.rest), each.limit)
            if relation.depth > DEPTH_MAX:
                continue
            if each.limit:
                cut = len(each.rest)
                places.add_ends(relation, [key[cut:] for key, _ in each.rows[:FAN_MAX]])
            else:
                places.add_row(relation, each.value)
            if relation in session or relation in relations or relation in kind.given_up:
                continue
            session.add(relation)
            if relation not in kind.seen:
                _remember(kind.seen, relation)
            elif len(relations) < PLAN_MAX and all(parent in relations for parent in relation.parents):
                del kind.seen[relation]
                relations.append(relation)
        if len(relations) > before:
            kind.plan = Plan(relations)


def _remember(relations: dict[Relation, None], relation: Relation) -> None:
    if len(relations) >= SEEN_MAX:
        del relations[next(iter(relations))]
    relations[relation] = None
