"""Receipts of committed blocks: packed in the family `receipts`, plain in memory while they are new.

Packed means without ids and without what events repeat of the transactions (`hnnode_native.pack_receipts`), so the batches of
the block are needed to read them. Who follows the tip asks for the newest blocks alone, and finds them plain."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from hnnode_native import NativeError, unpack_receipt, unpack_receipts

from hnnode.ports import BatchLocation, CommitRecord, StoredBlock
from hnnode.storage import layout
from hnnode.storage.failure import corrupt

NEW_BYTES_MAX = 16 * 1024 * 1024
"""Plain rows in memory."""
_KEPT_AS_THEY_ARE = b"\x00"

ReadBatch = Callable[[BatchLocation], bytes]
ReadRow = Callable[[int], bytes]


class ReceiptRows:
    """Any thread reads; one thread calls `stored` and `wrote`. Raises FatalError STORAGE_CORRUPT for rows that do not come apart."""

    def __init__(self, read_row: ReadRow, read_batch: ReadBatch) -> None:
        """read_row: what `stored` gave, of a committed height. read_batch: plain bytes."""
        self._read_row = read_row
        self._read_batch = read_batch
        self._lock = Lock()
        self._new: OrderedDict[int, bytes] = OrderedDict()
        self._new_bytes = 0

    @staticmethod
    def stored(record: CommitRecord) -> bytes:
        """The row that the block writes."""
        return record.receipts_stored or _KEPT_AS_THEY_ARE + record.receipts_packed

    def wrote(self, record: CommitRecord) -> None:
        """The block is in the database."""
        with self._lock:
            self._new[record.tip.height] = record.receipts_packed
            self._new_bytes += len(record.receipts_packed)
            while self._new_bytes > NEW_BYTES_MAX:
                self._new_bytes -= len(self._new.popitem(last=False)[1])

    @property
    def new_bytes(self) -> int:
        return self._new_bytes

    def row(self, block: StoredBlock) -> bytes:
        """The plain row (see `layout.pack_receipts`). About 0.5 µs a receipt of a block that is not new; the GIL is free."""
        row = self._new.get(block.height)
        if row is not None:
            return row
        packed = self._read_row(block.height)
        try:
            return unpack_receipts(packed, [self._read_batch(at) for _, _, at in block.batches])
        except NativeError as e:
            raise corrupt(f"receipts of height {block.height}: {e}") from e

    def one(self, block: StoredBlock, index: int) -> bytes | None:
        """Receipt `index`, None past the end. About 0.3 ms for a block that is not new: its batch and a group are unpacked."""
        row = self._new.get(block.height)
        if row is not None:
            return layout.unpack_receipt(row, index)
        counts: list[int] = []
        for _, count, at in block.batches:
            if 0 <= index < count:
                try:
                    return unpack_receipt(self._read_row(block.height), counts, self._read_batch(at), index)
                except NativeError as e:
                    raise corrupt(f"receipts of height {block.height}: {e}") from e
            counts.append(count)
            index -= count
        return None
