"""Joint handling of a case: departments give opinions on its items while a clock of working time runs.

    open → (start) → opine, opine, … → close
              ⇅ pause, resume          reopen: an opinion is asked for again

A flow names the items of a kind of case: which department answers for each, and which items come first. The clock is a
deadline in block time while it runs, and the working time that is left while it stands. An opinion lies under a key of
its own, so departments work on one case without touching each other's records, and each opinion can be proved alone.

    prefix ‖ "c" ‖ case                 CaseFile
    prefix ‖ "o" ‖ case ‖ item1         Opinion            (item1: place of the item in its flow)
    prefix ‖ "a" ‖ case ‖ item1         account that the item was dispatched to
    prefix ‖ "d" ‖ due8 ‖ case          due index: every running clock

Invariants:
1. Only the item's department gives its opinion, once, when what comes before the item is passed, and while the case is
   open; a dispatched item only the account it went to.
2. Pausing conserves what is left: left(pause) = left(resume); the clock of a case runs or stands, never both.
3. The due index holds exactly the running clocks, each under its deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from hnnode.plugin_api.context import Context, QueryView, Reader
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.records import Records
from hnnode.plugin_api.std.calendar import WorkCalendar

ITEMS_MAX = 64
"""Items of one flow."""
STANDING, RUNNING, CLOSED = 1, 2, 3
PHASE_NAMES = ("", "standing", "running", "closed")


@dataclass(frozen=True, slots=True)
class Item:
    """One question to one department. `department`: role that answers; `after`: items passed before; `exact`: the
    opinion must name what the case is about; `dispatched`: an account is named before anybody of the role may answer.
    """

    name: str
    department: str
    after: tuple[str, ...] = ()
    exact: bool = False
    dispatched: bool = False


class Flow:
    """The items of one kind of case. An item stands behind those it waits for, so the order is one without cycles."""

    def __init__(self, name: str, items: Sequence[Item]) -> None:
        if len(items) > ITEMS_MAX:
            raise ModelError(f"flow {name}: got {len(items)} items, want at most {ITEMS_MAX}")
        self.name = name
        self.items = tuple(items)
        self.places: dict[str, int] = {}
        waits = []
        for place, item in enumerate(items):
            if item.name in self.places:
                raise ModelError(f"flow {name}: item {item.name} stands twice")
            missing = [before for before in item.after if before not in self.places]
            if missing:
                raise ModelError(
                    f"flow {name}: item {item.name} waits for {missing[0]}, which does not stand before it"
                )
            waits.append(tuple(self.places[before] for before in item.after))
            self.places[item.name] = place
        self.waits = tuple(waits)
        """By place: places of the items that come before."""


class CaseFile(msgspec.Struct, array_like=True):
    """A case as its departments see it. `about`: hash of what the case is about; `asked`: bit n = item n is asked
    for. While the clock runs `due_ms` is its deadline and `left_ms` what was left when it started last; while it stands
    or is closed `left_ms` is what is left.
    """

    flow: int
    phase: int
    about: bytes
    asked: int
    opened_ms: int
    left_ms: int
    due_ms: int = 0
    since_ms: int = 0
    pauses: int = 0
    overdue: bool = False


class Opinion(msgspec.Struct, array_like=True):
    """A department's answer. `document`: hash of what it rests on."""

    passed: bool
    by: bytes
    document: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class WorkflowRules:
    """Rule ids of the application, by what they refuse.

    exists, unknown: the case; closed: it is no longer open; running, standing: the clock already runs, or does not;
    item: not an item of the case; department: not the sender's to answer; opined: answered already; early: an item
    before it is not passed; about: the opinion is for something else; not_due: the deadline has not passed.
    """

    exists: str
    unknown: str
    closed: str
    running: str
    standing: str
    item: str
    department: str
    opined: str
    early: str
    about: str
    not_due: str


class Workflow:
    """Cases of several flows under `prefix`; a case keeps the place of its flow in `flows`, so that list only grows."""

    __slots__ = ("_assigned", "_calendar", "_cases", "_due", "_flows", "_opinions", "_rules")

    def __init__(self, prefix: bytes, flows: Sequence[Flow], calendar: WorkCalendar, rules: WorkflowRules) -> None:
        self._cases: Records[CaseFile] = Records(prefix + b"c", CaseFile)
        self._opinions: Records[Opinion] = Records(prefix + b"o", Opinion)
        self._assigned = prefix + b"a"
        self._due = prefix + b"d"
        self._flows = tuple(flows)
        self._calendar = calendar
        self._rules = rules

    def key(self, case: bytes) -> bytes:
        """Key of a case, for key functions."""
        return self._cases.prefix + case

    def opinion_key(self, case: bytes, place: int) -> bytes:
        """Key of the opinion on the item at `place`, for key functions."""
        return self._opinions.prefix + case + bytes((place,))

    def due_key(self, case: bytes, due_ms: int) -> bytes:
        return self._due + due_ms.to_bytes(8, "big") + case

    def find(self, reader: Reader, case: bytes) -> CaseFile | None:
        return self._cases.get(reader, case)

    def require(self, tx: Context, case: bytes) -> CaseFile:
        """The case while it is open, or refusal by `unknown` or `closed`."""
        found = self._cases.get(tx, case)
        if found is None:
            tx.fail(self._rules.unknown)
        if found.phase == CLOSED:
            tx.fail(self._rules.closed)
        return found

    def open(
        self, tx: Context, case: bytes, flow: int, about: bytes, work_ms: int, items: Sequence[str] | None = None
    ) -> CaseFile:
        """A new case with its clock standing. `items`: those asked for, all without it."""
        places = self._flows[flow].places
        asked = (1 << len(places)) - 1
        if items is not None:
            asked = 0
            for name in items:
                tx.require(self._rules.item, name in places)
                asked |= 1 << places[name]
        tx.require(self._rules.exists, self._cases.get(tx, case) is None)
        made = CaseFile(flow, STANDING, about, asked, tx.block_time_ms, work_ms)
        self._cases.put(tx, case, made)
        return made

    def dispatch(self, tx: Context, case: bytes, item: str, account: bytes) -> None:
        """Name the account that answers for an item, before it has answered."""
        found = self.require(tx, case)
        place = self._place(tx, found, item)
        tx.require(self._rules.opined, self._opinions.get(tx, case + bytes((place,))) is None)
        tx.put(self._assigned + case + bytes((place,)), account)

    def opine(self, tx: Context, case: bytes, item: str, passed: bool, document: bytes, about: bytes = b"") -> Opinion:
        """The sender's answer on one item. Cost: two reads, one more for each item that comes before; one write."""
        found, rules = self.require(tx, case), self._rules
        place = self._place(tx, found, item)
        flow = self._flows[found.flow]
        asked = flow.items[place]
        if asked.department not in tx.roles:
            tx.fail(rules.department)
        key = case + bytes((place,))
        if asked.dispatched and tx.get(self._assigned + key) != tx.sender:
            tx.fail(rules.department)
        if asked.exact and about != found.about:
            tx.fail(rules.about)
        opinions = self._opinions
        if opinions.get(tx, key) is not None:
            tx.fail(rules.opined)
        for before in flow.waits[place]:
            if found.asked >> before & 1:
                earlier = opinions.get(tx, case + bytes((before,)))
                if earlier is None or not earlier.passed:
                    tx.fail(rules.early)
        made = Opinion(passed, tx.sender, document, tx.block_time_ms)
        opinions.put(tx, key, made)
        return made

    def reopen(self, tx: Context, case: bytes, items: Sequence[str], about: bytes | None = None) -> None:
        """Take the opinions on these items back, so that they can be given again; `about` changes what the case is
        about, for opinions from now on.
        """
        found = self.require(tx, case)
        for name in items:
            tx.delete(self.opinion_key(case, self._place(tx, found, name)))
        if about is not None:
            found.about = about
            self._cases.put(tx, case, found)

    def opinions(self, reader: Reader, case: bytes, found: CaseFile) -> list[tuple[Item, Opinion | None]]:
        """Each item asked for with its opinion, in the order of the flow."""
        items = enumerate(self._flows[found.flow].items)
        return [
            (item, self._opinions.get(reader, case + bytes((place,))))
            for place, item in items
            if found.asked >> place & 1
        ]

    def resume(self, tx: Context, case: bytes) -> CaseFile:
        """Start the clock, or go on where it was paused."""
        found = self.require(tx, case)
        tx.require(self._rules.running, found.phase == STANDING)
        found.phase, found.since_ms = RUNNING, tx.block_time_ms
        found.due_ms = self._calendar.add(tx, tx.block_time_ms, found.left_ms)
        tx.put(self.due_key(case, found.due_ms), b"")
        self._cases.put(tx, case, found)
        return found

    def pause(self, tx: Context, case: bytes) -> CaseFile:
        """Let the clock stand; what is left of it stays."""
        found = self.require(tx, case)
        tx.require(self._rules.standing, found.phase == RUNNING)
        self._stop(tx, case, found)
        found.phase = STANDING
        found.pauses += 1
        self._cases.put(tx, case, found)
        return found

    def close(self, tx: Context, case: bytes) -> CaseFile:
        """End the case, its clock running or not; `overdue` says whether the deadline had passed."""
        found = self.require(tx, case)
        if found.phase == RUNNING:
            self._stop(tx, case, found)
        found.phase = CLOSED
        self._cases.put(tx, case, found)
        return found

    def mark_overdue(self, tx: Context, case: bytes) -> CaseFile:
        """Note that a running clock is past its deadline; anybody may, once. Refused by `standing` or `not_due`."""
        found = self.require(tx, case)
        tx.require(self._rules.standing, found.phase == RUNNING)
        tx.require(self._rules.not_due, not found.overdue and tx.block_time_ms > found.due_ms)
        found.overdue = True
        self._cases.put(tx, case, found)
        return found

    def due(self, view: QueryView, until_ms: int, limit: int, after: bytes = b"") -> list[tuple[int, bytes]]:
        """(deadline, case) of running clocks with a deadline up to `until_ms`, the earliest first. `after`: the last
        pair of the page before, as `due_key` without the prefix.
        """
        rows = view.scan(self._due, limit, self._due + after if after else None)
        cut = len(self._due)
        found = [(int.from_bytes(key[cut : cut + 8], "big"), key[cut + 8 :]) for key, _ in rows]
        return [(due_ms, case) for due_ms, case in found if due_ms <= until_ms]

    def _stop(self, tx: Context, case: bytes, found: CaseFile) -> None:
        tx.delete(self.due_key(case, found.due_ms))
        spent = self._calendar.between(tx, found.since_ms, tx.block_time_ms, found.left_ms)
        found.overdue = found.overdue or tx.block_time_ms > found.due_ms
        found.left_ms -= spent

    def _place(self, tx: Context, found: CaseFile, item: str) -> int:
        place = self._flows[found.flow].places.get(item)
        if place is None or not found.asked >> place & 1:
            tx.fail(self._rules.item)
        return place
