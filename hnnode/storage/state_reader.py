"""The two views of state and tree: frozen at a height (snapshots), and live for the thread that executes blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from rocksdict import Rdict, Snapshot

from hnnode.errors import Unavailable
from hnnode.storage.failure import STORAGE
from hnnode.storage.layout import STAMP_KEY
from hnnode.storage.pending_pages import PagesView

T = TypeVar("T")

_NOT_FOUND = ("key not found",)


@dataclass(slots=True)
class Frozen:
    """Snapshot of the state and the pages of the tree after one height. `release` lets the database drop them; readers then
    answer Unavailable."""

    height: int
    state: Snapshot | None
    pages: PagesView | None

    def release(self) -> None:
        self.state = self.pages = None


class FrozenReader:
    """ports.StateReader as of one height; thread-safe. A read costs about 3 µs a key."""

    def __init__(self, frozen: Frozen) -> None:
        self.height = frozen.height
        self._frozen = frozen

    def get(self, key: bytes) -> bytes | None:
        with STORAGE:
            return _snapshot_get(self._state(), key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with STORAGE:
            snapshot = self._state()
            return [_snapshot_get(snapshot, key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        with STORAGE:
            return scan_rows(self._state(), prefix, after, limit)

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        with STORAGE:
            return _held(self._frozen.pages).read(page_ids)

    def _state(self) -> Snapshot:
        return _held(self._frozen.state)


class FrozenRing:
    """The last heights, frozen, oldest first; the database holds its lock around every call."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._heights: deque[Frozen] = deque()

    def add(self, frozen: Frozen) -> None:
        self._heights.append(frozen)

    @property
    def oldest(self) -> int:
        """Height; -1 when there is none."""
        return self._heights[0].height if self._heights else -1

    def follow(self, tip_height: int) -> None:
        """Let go of what is too far below the tip. A reader that still holds an older height keeps its snapshot alive
        until it is done."""
        while self._heights and self._heights[0].height <= tip_height - self._count_max:
            self._heights.popleft()

    def reader(self, wanted: int, tip_height: int) -> FrozenReader:
        """Raises Unavailable NOT_FOUND (1005) for a height that is not kept or not published."""
        for frozen in self._heights:
            if frozen.height == wanted <= tip_height:
                return FrozenReader(frozen)
        oldest = self._heights[0].height if self._heights else tip_height
        raise Unavailable("NOT_FOUND", f"state of height {wanted} is not kept: got heights {oldest} to {tip_height}")

    def release(self) -> None:
        """Drop every snapshot; readers answer Unavailable afterwards."""
        while self._heights:
            self._heights.popleft().release()


class LiveReader:
    """ports.StateReader of what was written last, synced or not; for the thread that writes and those that it waits for.
    Reads release the GIL."""

    def __init__(self, height: int, state: Rdict, pages: PagesView) -> None:
        self.height = height
        self._state = state
        self._pages = pages

    def get(self, key: bytes) -> bytes | None:
        with STORAGE:
            value: bytes | None = self._state.get(key)
            return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with STORAGE:
            return rows_of(self._state, keys)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        with STORAGE:
            return scan_rows(self._state, prefix, after, limit)

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        with STORAGE:
            return self._pages.read(page_ids)


def rows_of(family: Rdict, keys: Sequence[bytes]) -> list[bytes | None]:
    """Batched look-up in a family; the GIL is released."""
    return cast("list[bytes | None]", family.get(keys if type(keys) is list else list(keys)))


def _held(part: T | None) -> T:
    if part is None:
        raise Unavailable("NOT_READY", "the database is closed")
    return part


def _snapshot_get(snapshot: Snapshot, key: bytes) -> bytes | None:
    """rocksdict reports an absent key of a snapshot as a plain Exception with this text, and any fault as one with
    another."""
    try:
        value: bytes = snapshot[key]
    except Exception as e:
        if e.args != _NOT_FOUND:
            raise
        return None
    return value


def scan_rows(source: Rdict | Snapshot, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
    """Up to `limit` rows under `prefix` with a key greater than `after`, ascending; height stamps are left out."""
    # No upper bound in ReadOptions: rocksdict frees the bound's bytes with the options object while the iterator uses
    # them.
    cursor = source.iter()
    start = prefix
    if after is not None and after >= prefix:
        start = after + b"\x00"
    found: list[tuple[bytes, bytes]] = []
    cursor.seek(start)
    while len(found) < limit and cursor.valid():
        key: bytes = cursor.key()
        if not key.startswith(prefix):
            break
        if key != STAMP_KEY:
            found.append((key, cursor.value()))
        cursor.next()
    cursor.status()
    return found
