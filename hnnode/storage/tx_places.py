"""Where committed transactions stand: the family `tx_index` and the native index that decides what is in it.

The newest ids are in memory alone; their receipts are in the database, so opening reads them again. All others are rows of
segments, which come and go with the write of a block (`hnnode_native.TxIndex` says how)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from hnnode_native import NativeError, TxIndex, TxSearch
from rocksdict import Rdict, WriteBatch

from hnnode.ports import TxLocation
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.families import Families
from hnnode.storage.state_reader import rows_of

SALT_BYTES = 160
FILTER_BYTES_MAX = 128 * 1024 * 1024
"""Filters in memory: 2–4 bytes an id, so those of some forty million; older ones are read again for each search."""
SEGMENT_IDS = SEGMENT_BLOCKS = 65_536
"""So many ids or blocks become a segment; the receipts of fewer are read at a start."""
_FAMILY = "tx_index"
_ROW_KEY = struct.Struct(">QBI")
_SEGMENT = 3
"""Kind of the one row that a whole segment has."""


class TxPlaces:
    """One thread calls `put`, `written` and `add`; every thread searches. Raises FatalError STORAGE_CORRUPT for rows that
    cannot be right, STORAGE_FAILED."""

    def __init__(self, families: Families, salt: bytes) -> None:
        """salt: `SALT_BYTES` random bytes, the same ever after for this database."""
        self._families = families
        with STORAGE:
            rows = _segment_rows(families[_FAMILY])
        try:
            self._index = TxIndex(salt, rows, FILTER_BYTES_MAX, SEGMENT_IDS, SEGMENT_BLOCKS)
        except NativeError as e:
            raise corrupt(str(e)) from e

    def catch_up(self, tip_height: int, receipts: Callable[[int], bytes]) -> None:
        """Take up the blocks that no segment holds. receipts: the row of a height. Cost: 0.1 µs a transaction, 5 µs a
        block, 65,536 of either at most."""
        if self._index.next_height > tip_height + 1:
            raise corrupt(f"transaction index goes to height {self._index.next_height - 1}, the tip is {tip_height}")
        for height in range(self._index.next_height, tip_height + 1):
            self.add(height, receipts(height))

    @property
    def filter_bytes(self) -> int:
        return self._index.filter_bytes

    # ------------------------------------------------------------ write side
    def put(self, batch: WriteBatch) -> None:
        """Add what the next write must change here."""
        try:
            changes = [self._index.seal()]
            while wanted := self._index.wanted():
                with STORAGE:
                    rows = rows_of(self._families[_FAMILY], wanted)
                changes.append(self._index.merge(rows))
        except NativeError as e:
            raise corrupt(str(e)) from e
        handle = self._families.handle(_FAMILY)
        # Every range before every row: a range may reach over rows of the same write.
        for ranges, _ in changes:
            for begin, end in ranges:
                batch.delete_range(begin, end, handle)
        for _, rows_to_put in changes:
            for key, row in rows_to_put:
                batch.put(key, row, handle)

    def written(self) -> None:
        """What `put` added is in the database."""
        self._index.written()

    def add(self, height: int, receipts_packed: bytes) -> None:
        """The block is in the database."""
        try:
            self._index.add(height, receipts_packed)
        except NativeError as e:
            raise corrupt(str(e)) from e

    # ------------------------------------------------------------ read side
    def flags(self, tx_ids_packed: bytes) -> bytes:
        """One byte an id: 1 when a written block holds it. About 0.2 µs an id; the GIL is free meanwhile."""
        return self._search(tx_ids_packed).flags()

    def locations(self, tx_ids: Sequence[bytes]) -> list[TxLocation | None]:
        """First place of each id in a written block."""
        places = self._search(b"".join(tx_ids)).places()
        return [None if place is None else TxLocation(*place) for place in places]

    def _search(self, tx_ids_packed: bytes) -> TxSearch:
        try:
            search = self._index.search(tx_ids_packed)
            while wanted := search.step():
                with STORAGE:
                    rows = rows_of(self._families[_FAMILY], wanted)
                search.supply(rows)
        except NativeError as e:
            raise corrupt(str(e)) from e
        return search


def _segment_rows(family: Rdict) -> list[tuple[bytes, bytes]]:
    """The rows of kind segment, by one or two seeks each instead of a walk over all their parts."""
    found: list[tuple[bytes, bytes]] = []
    cursor = family.iter()
    number = 0
    cursor.seek(_ROW_KEY.pack(number, _SEGMENT, 0))
    while cursor.valid():
        key: bytes = cursor.key()
        if len(key) != _ROW_KEY.size:
            raise corrupt(f"transaction index: a key of {len(key)} bytes, want {_ROW_KEY.size}")
        number, kind, _ = _ROW_KEY.unpack(key)
        if kind == _SEGMENT:
            found.append((key, cursor.value()))
            number += 1
        cursor.seek(_ROW_KEY.pack(number, _SEGMENT, 0))
    cursor.status()
    return found
