"""How the rows that a query reads follow from its arguments and from each other, in a form that the node can go by itself.

A relation says of what a key is put together: fixed bytes, and what stands at a place of the arguments or of a row that another
relation names. It is found by looking at what a query asked, so it is no statement of the plugin, decides no result and
may be wrong: then a row is read for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

TOKEN_BYTES_MIN = 4
"""Shorter texts stand in keys by chance."""
TOKEN_BYTES_MAX = 128
FAN_MAX = 32
"""Items of one list that are gone after, fields of one row that are looked at."""
OPEN_BYTES_MAX = 8 * 1024
"""Longer rows are not looked into."""
PLACES_MAX = 3
"""Places in one key."""
TEXTS_MAX = 512
"""Texts of one query that keys are compared with."""
DEPTH_MAX = 4
"""Relations that follow from one another."""

WHOLE = None
"""The path of a row's value as it stands."""
Path = int | str | None
Row = Any
"""Of a relation: the value of a key, or the end of a key that a scan found behind its prefix."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands. of: whose row, None for the arguments. hexadecimal: it is there as digits."""

    of: Relation | None
    path: Path
    hexadecimal: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """prefix: the application's. limit: of a scan under what the parts make; 0 for a key."""

    prefix: bytes
    parts: tuple[bytes | Place, ...]
    limit: int

    @property
    def parents(self) -> Iterator[Relation]:
        return (part.of for part in self.parts if isinstance(part, Place) and part.of is not None)

    @property
    def depth(self) -> int:
        return 1 + max((parent.depth for parent in self.parents), default=0)


def opened(value: bytes | None) -> list[Any] | dict[Any, Any] | None:
    """What is in a row, when that can be seen: a msgpack or JSON array or object."""
    if value is None or len(value) > OPEN_BYTES_MAX:
        return None
    try:
        found = msgspec.json.decode(value) if value[:1] in (b"{", b"[") else msgspec.msgpack.decode(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (list, dict)) else None


def texts(item: Any, hexadecimal: bool) -> list[bytes]:
    """What an item may put into a key: itself, or each member of a list."""
    found = []
    for each in item[:FAN_MAX] if type(item) is list else (item,):
        kind = type(each)
        if kind is str:
            try:
                found.append(bytes.fromhex(each) if hexadecimal else each.encode())
            except ValueError:
                continue
        elif kind is bytes and not hexadecimal:
            found.append(each)
    return found


def at(path: Path, hexadecimal: bool, inside: list[Any] | dict[Any, Any] | None) -> list[bytes]:
    """What stands at a path of something that was opened."""
    if isinstance(inside, list):
        if type(path) is not int or path >= len(inside):
            return []
        return texts(inside[path], hexadecimal)
    return texts(inside.get(path), hexadecimal) if inside is not None else []


class Places:
    """Everything that a query's keys may be made of, and where it stands; the first place of each text counts."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._places: dict[bytes, Place] = {}
        self._look_into(None, arguments)

    def add_row(self, relation: Relation, value: bytes | None) -> None:
        if value is None or relation.depth >= DEPTH_MAX:
            return
        self._add(Place(relation, WHOLE, False), (value,))
        inside = opened(value)
        if inside is not None:
            self._look_into(relation, inside)

    def add_ends(self, relation: Relation, ends: Iterable[bytes]) -> None:
        if relation.depth < DEPTH_MAX:
            self._add(Place(relation, WHOLE, False), ends)

    def parts(self, rest: bytes) -> tuple[bytes | Place, ...]:
        """A key behind the application's prefix, as places and what stands between them."""
        return tuple(self._parts(rest, sorted(self._places, key=len, reverse=True), PLACES_MAX))

    def _parts(self, rest: bytes, known: Sequence[bytes], places_max: int) -> Iterator[bytes | Place]:
        if places_max:
            for text in known:
                start = rest.find(text)
                if start >= 0:
                    yield from self._parts(rest[:start], known, 0)
                    yield self._places[text]
                    yield from self._parts(rest[start + len(text) :], known, places_max - 1)
                    return
        if rest:
            yield rest

    def _look_into(self, relation: Relation | None, inside: list[Any] | Mapping[str, Any]) -> None:
        items: Iterable[tuple[Any, Any]] = inside.items() if isinstance(inside, Mapping) else enumerate(inside)
        for count, (path, item) in enumerate(items):
            if count == FAN_MAX:
                return
            for hexadecimal in (False, True):
                self._add(Place(relation, path, hexadecimal), texts(item, hexadecimal))

    def _add(self, place: Place, found: Iterable[bytes]) -> None:
        for text in found:
            if TOKEN_BYTES_MIN <= len(text) <= TOKEN_BYTES_MAX and len(self._places) < TEXTS_MAX:
                self._places.setdefault(text, place)
