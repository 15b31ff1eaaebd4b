"""Versioned registry: entities whose every state stays readable.

    create → transition, transition, … ; correct where an entry was wrong; as_of and history at any time

An entity has one current version. What is superseded moves under its number, once, and is never written again; so the
current version costs one read, a change two writes, and an old one as many reads as its number has binary digits.

    prefix ‖ "c" ‖ entity                current version
    prefix ‖ "v" ‖ entity ‖ number8      superseded versions

Invariants:
1. Each entity has exactly one current version, and its number is the count of all its versions.
2. A status changes only along the table; a correction changes the content and never the status.
3. Heights and block times never fall with the number, so `as_of` searches by halves; for a height that has passed its
   answer never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from hnnode.plugin_api.context import Context, Reader
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.records import Records

VERSIONS_MAX = 2**20
"""Versions of one entity; more are refused."""
STATUSES_MAX = 64
CREATED, MOVED, CORRECTED = 1, 2, 3
KIND_NAMES = ("", "created", "moved", "corrected")

_Test = Callable[["Version"], bool]


class StatusTable:
    """Names of the statuses, and which may follow which. A status is kept as its place among the names.

    Args:
        moves: status → those that may follow; every status stands in it, final ones with nothing behind.
        starts: statuses an entity may be created in.
    """

    def __init__(self, moves: Mapping[str, Sequence[str]], starts: Sequence[str]) -> None:
        self.names = tuple(moves)
        if not 0 < len(self.names) <= STATUSES_MAX:
            raise ModelError(f"status table: got {len(self.names)} statuses, want 1 to {STATUSES_MAX}")
        self._places = {name: place for place, name in enumerate(self.names)}
        for name in (*starts, *(after for listed in moves.values() for after in listed)):
            if name not in self._places:
                raise ModelError(f"status table: {name} is not among {', '.join(self.names)}")
        if not starts:
            raise ModelError("status table: no status to start in")
        self.starts = tuple(starts)
        self._allowed = frozenset(
            (self._places[before], self._places[after]) for before, listed in moves.items() for after in listed
        )
        self._starting = frozenset(self._places[name] for name in starts)

    def place(self, name: str) -> int:
        """Number of a status. Raises ModelError for a name that is not in the table."""
        found = self._places.get(name)
        if found is None:
            raise ModelError(f"status table: {name} is not among {', '.join(self.names)}")
        return found

    def allows(self, before: int, after: int) -> bool:
        return (before, after) in self._allowed

    def may_start(self, status: int) -> bool:
        return status in self._starting

    def rows(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(status, those that may follow) in the order of the table, for pages that people read."""
        for place, name in enumerate(self.names):
            yield name, tuple(after for number, after in enumerate(self.names) if self.allows(place, number))


class Version(msgspec.Struct, array_like=True):
    """One state of an entity. `cause`: hash of the document or id of the case behind it; `corrects`: number of the
    version whose content a correction replaces, 0 for every other kind.
    """

    number: int
    kind: int
    status: int
    content: bytes
    height: int
    time_ms: int
    by: bytes
    cause: bytes
    corrects: int = 0


@dataclass(frozen=True, slots=True)
class RegistryRules:
    """Rule ids of the application, by what they refuse. `moved`: a status that may not follow; `full`: too many
    versions.
    """

    exists: str
    unknown: str
    moved: str
    full: str


class Registry:
    """Entities of one kind under `prefix`. Content is the application's own: bytes, a hash or an encoded record."""

    __slots__ = ("_current", "_past", "rules", "table")

    def __init__(self, prefix: bytes, table: StatusTable, rules: RegistryRules) -> None:
        self.table = table
        self.rules = rules
        self._current: Records[Version] = Records(prefix + b"c", Version)
        self._past: Records[Version] = Records(prefix + b"v", Version)

    def key(self, entity: bytes) -> bytes:
        """Key of the current version, for key functions."""
        return self._current.prefix + entity

    def current(self, reader: Reader, entity: bytes) -> Version | None:
        return self._current.get(reader, entity)

    def require(self, tx: Context, entity: bytes) -> Version:
        """The current version, or refusal by `unknown`."""
        found = self._current.get(tx, entity)
        if found is None:
            tx.fail(self.rules.unknown)
        return found

    def create(self, tx: Context, entity: bytes, status: int, content: bytes, cause: bytes) -> Version:
        """First version of a new entity; refused by `exists` or, for a status that nothing starts in, by `moved`."""
        tx.require(self.rules.exists, self._current.get(tx, entity) is None)
        tx.require(self.rules.moved, self.table.may_start(status))
        made = Version(1, CREATED, status, content, tx.height, tx.block_time_ms, tx.sender, cause)
        self._current.put(tx, entity, made)
        return made

    def transition(
        self, tx: Context, entity: bytes, before: Version, status: int, content: bytes, cause: bytes
    ) -> Version:
        """Next version after `before`, which is the current one as just read."""
        tx.require(self.rules.moved, self.table.allows(before.status, status))
        return self._supersede(tx, entity, before, MOVED, status, content, cause, 0)

    def correct(
        self, tx: Context, entity: bytes, before: Version, content: bytes, cause: bytes, corrects: int = 0
    ) -> Version:
        """Right content in a version of its own; the wrong one stays readable. `corrects` is the number of the version
        that was wrong, the current one without it.
        """
        wrong = corrects or before.number
        tx.require(self.rules.unknown, 1 <= wrong <= before.number)
        return self._supersede(tx, entity, before, CORRECTED, before.status, content, cause, wrong)

    def version(self, reader: Reader, entity: bytes, current: Version, number: int) -> Version:
        """A version by number, 1 to that of the current one. Cost: one read unless it is the current one."""
        if number == current.number:
            return current
        found = self._past.get(reader, _numbered(entity, number))
        if found is None:
            raise LookupError(f"version {number} of {entity.hex()} is not there")
        return found

    def as_of(self, reader: Reader, entity: bytes, height: int) -> Version | None:
        """What held after block `height`; None when the entity was not there yet. Cost: ≤ 21 reads."""
        return self._latest(reader, entity, lambda version: version.height <= height)

    def as_of_time(self, reader: Reader, entity: bytes, time_ms: int) -> Version | None:
        """What held at a block time, the blocks of that time included. Cost: ≤ 21 reads."""
        return self._latest(reader, entity, lambda version: version.time_ms <= time_ms)

    def history(self, reader: Reader, entity: bytes, limit: int, before: int = 0) -> list[Version]:
        """Up to `limit` versions, newest first, of numbers below `before` (0: from the current one on)."""
        current = self._current.get(reader, entity)
        if current is None:
            return []
        newest = min(before - 1, current.number) if before else current.number
        return [self.version(reader, entity, current, number) for number in range(newest, max(0, newest - limit), -1)]

    def _latest(self, reader: Reader, entity: bytes, holds: _Test) -> Version | None:
        current = self._current.get(reader, entity)
        if current is None or holds(current):
            return current
        low, high = 0, current.number  # `low` holds or is 0, `high` does not
        found: Version | None = None
        while high - low > 1:
            middle = (low + high) // 2
            version = self.version(reader, entity, current, middle)
            if holds(version):
                low, found = middle, version
            else:
                high = middle
        return found

    def _supersede(
        self,
        tx: Context,
        entity: bytes,
        before: Version,
        kind: int,
        status: int,
        content: bytes,
        cause: bytes,
        corrects: int,
    ) -> Version:
        number = before.number + 1
        tx.require(self.rules.full, number <= VERSIONS_MAX)
        self._past.put(tx, _numbered(entity, before.number), before)
        made = Version(number, kind, status, content, tx.height, tx.block_time_ms, tx.sender, cause, corrects)
        self._current.put(tx, entity, made)
        return made


def _numbered(entity: bytes, number: int) -> bytes:
    return entity + number.to_bytes(8, "big")
