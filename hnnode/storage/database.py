"""Committed blocks, receipts, index, state and tree in one RocksDB; one writer.

    write(record)  on the execution thread: over all families, in memory, the state by parts; seen by `pending_state`
    flush()        on the storage thread: everything written so far into the block log, one fsync
    publish(h)     the read side (`Chain`) answers for h from here on

Invariants:
1. The read side answers only from what was flushed and then published: RocksDB itself shows every write to every reader.
2. Nothing is written past `write`, `redo` and `write_genesis`. A crash leaves the database at an older height whole; the
   blocks above it are in the block log and are executed again (`redo`).
3. Snapshots are taken by the writer between two writes, so state and tree of one snapshot belong to one height.
4. A height that files hold has its tree in page files: changed pages wait in memory and are written before memtables go
   to the files (`FileTurn`).
5. After a failed write or flush every later one fails too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from hnnode_native import NativeError, PageLayer, unpack_batch
from rocksdict import WriteBatch

from hnnode.config import StorageConfig
from hnnode.errors import FatalError, Unavailable, invariant
from hnnode.ports import BatchLocation, CommitRecord, LoggedBlock, StateReader, StoredBlock, Tip, TxLocation
from hnnode.storage import layout
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.families import Families
from hnnode.storage.file_turn import FileTurn, add_rows
from hnnode.storage.layout import HEIGHT
from hnnode.storage.pending_pages import PagesView
from hnnode.storage.receipt_rows import ReceiptRows
from hnnode.storage.state_reader import Frozen, FrozenRing, LiveReader, rows_of, scan_rows
from hnnode.storage.tip import load_tip
from hnnode.storage.tx_places import SALT_BYTES, TxPlaces

LogPosition = Callable[[], tuple[int, int]]
AUTHOR_COUNT_MAX = 65_536


class Database:
    """Implements ports.Chain, and the write side for the pipeline.

    Metrics: `write_count`, `bytes_written` (uncompressed), `flush_count` (fsyncs asked for), since construction.
    """

    def __init__(self, path: Path, batches: BatchLog, blocks: BlockLog, config: StorageConfig) -> None:
        """Open or create. Raises FatalError STORAGE_FAILED (RocksDB refuses), STORAGE_CORRUPT (families disagree)."""
        self._path = path
        self._batches = batches
        self._blocks = blocks
        self._lock = Lock()
        self._ring = FrozenRing(config.snapshots_max)
        self._unpublished: dict[int, Tip] = {}
        self._unlogged: deque[LoggedBlock] = deque()
        self._log_position: LogPosition = lambda: (0, 0)
        self._failed = False
        self.write_count = 0
        self.bytes_written = 0
        self.flush_count = 0
        self._written = self._durable = self._in_files = -1
        with STORAGE:
            self._families = Families(path, config)
        self._turn = FileTurn(self._families, path, config.write_buffer_bytes)
        self._places: TxPlaces | None = None
        self._receipts = ReceiptRows(lambda height: self._row("receipts", height) or b"", self.batch)
        try:
            with STORAGE:
                self._tip = load_tip(path, self._families)
                self._turn.open(None if self._tip is None else self._tip.height)
                if self._tip is not None:
                    self._places = TxPlaces(self._families, self._meta(layout.SALT_KEY))
                    self._places.catch_up(self._tip.height, self._plain_receipts)
        except BaseException:
            self.close()
            raise
        if (tip := self._tip) is not None:
            self._written = self._durable = self._in_files = tip.height
            self._freeze(tip.height)

    # ------------------------------------------------------------ life
    def close(self) -> None:
        """Bring everything written into files, so that the next start executes nothing again, and close every handle.
        Readers answer Unavailable afterwards."""
        with self._lock:
            self._ring.release()
        with STORAGE:
            if not self._families.is_open:
                return
            try:
                if self._failed:  # what is held may be no whole height: the next start executes it again
                    self._families.abandon()
                    return
                if self._written >= 0:
                    self._turn.drain(self._written)
            except BaseException:
                self._families.abandon()
                raise
            finally:
                self._turn.close()
            self._families.close()

    def check(self) -> None:
        """Raises FatalError for what failed in the background, also when no block comes. Any thread."""
        with STORAGE:
            self._turn.check()

    def is_empty(self) -> bool:
        """True before `write_genesis`."""
        return self._tip is None

    def write_genesis(
        self,
        tip: Tip,
        genesis: bytes,
        validators: bytes,
        writes: Sequence[tuple[bytes, bytes | None]],
        pages: PageLayer,
    ) -> None:
        """Height 0, durable on return: `tip.block_hash` is the chain id, the other bytes are kept as given."""
        invariant(self._tip is None and tip.height == 0, "genesis is written once, at height 0")
        batch = WriteBatch(raw_mode=True)
        meta = self._families.handle("meta")
        batch.put(layout.FORMAT_KEY, layout.U32.pack(layout.FORMAT), meta)
        batch.put(layout.GENESIS_KEY, genesis, meta)
        batch.put(layout.VALIDATORS_KEY, validators, meta)
        batch.put(layout.SALT_KEY, os.urandom(SALT_BYTES), meta)
        self._finish(batch, tip, writes, pages)
        with STORAGE:
            self._turn.drain(self._written)
        self._places = TxPlaces(self._families, self._meta(layout.SALT_KEY))
        self._in_files = self._durable = 0
        self._publish(tip)

    def follow_log(self, position: LogPosition) -> None:
        """Write down with every block how far the consensus log was durable, so that an older copy of it is noticed."""
        self._log_position = position

    def log_position(self) -> tuple[int, int]:
        """How far the consensus log was durable when the last block was written; (0, 0) before the first."""
        return self._position(layout.LOG_KEY)

    def redo_position(self) -> tuple[int, int]:
        """How far the block log was durable when the last block was written; (0, 0) before the first."""
        return self._position(layout.REDO_KEY)

    # ------------------------------------------------------------ write side
    def write(self, record: CommitRecord) -> None:
        """Write the block after the last written one, not yet durable. One thread; holds the GIL about 2 µs a row, for some
        hundred rows at a time. Its batches must be synced in the batch log before `flush`. Raises FatalError STORAGE_FAILED,
        and ever after.
        """
        logged = LoggedBlock(record.tip, layout.stored_block(record), self._log_position())
        self._write(record, logged)
        self._unlogged.append(logged)

    def redo(self, record: CommitRecord, logged: LoggedBlock) -> Tip:
        """Write and publish a block of the block log that was executed again, with the same results. One thread."""
        invariant(record.tip == logged.tip, f"redo of height {logged.tip.height} with other results")
        self._write(record, logged)
        self._durable = record.tip.height
        return self.publish(record.tip.height)

    def _write(self, record: CommitRecord, logged: LoggedBlock) -> None:
        height = record.tip.height
        invariant(height == self._written + 1, f"write of height {height} after {self._written}")
        key, handle = HEIGHT.pack(height), self._families.handle
        batch = WriteBatch(raw_mode=True)
        batch.put(key, layout.encode_block(logged.block), handle("blocks"))
        batch.put(key, self._receipts.stored(record), handle("receipts"))
        for _, _, at in record.batches:
            batch.put(layout.BATCH_KEY.pack(at.segment, at.offset), key, handle("batch_index"))
        for author, seq in record.author_seqs:
            batch.put(layout.AUTHOR_SEQ_PREFIX + author, HEIGHT.pack(seq), handle("meta"))
        batch.put(layout.LOG_KEY, layout.LOG_POSITION.pack(*logged.log_position), handle("meta"))
        batch.put(layout.REDO_KEY, layout.LOG_POSITION.pack(*self._blocks.position()), handle("meta"))
        places = self._tx_places()
        places.put(batch)
        self._finish(batch, record.tip, record.writes, record.pages)
        places.written()
        places.add(height, record.receipts_packed)
        self._receipts.wrote(record)

    def flush(self) -> int:
        """Make everything written so far durable in the block log (one fsync, the GIL is free meanwhile). Returns the
        height now durable.

        May run beside `write`, in one thread. Raises FatalError STORAGE_FAILED, and ever after: an fsync is never tried
        twice."""
        self._check_usable()
        logged = [self._unlogged.popleft() for _ in range(len(self._unlogged))]
        try:
            self._blocks.append(logged)
            self._blocks.sync()
            # What the files hold need not be executed again.
            self._blocks.drop_through(self._in_files)
        except FatalError:
            self._failed = True
            raise
        self.flush_count += 1
        if logged:
            self._durable = max(self._durable, logged[-1].tip.height)
        return self._durable

    def publish(self, height: int) -> Tip:
        """Let the read side see `height`, the one after the last published, which `flush` has made durable."""
        published = -1 if self._tip is None else self._tip.height
        invariant(height == published + 1, f"publish of height {height} after {published}")
        invariant(height <= self._durable, f"publish of height {height}, durable is {self._durable}")
        tip = self._unpublished[height]
        self._publish(tip)
        return tip

    def pending_state(self) -> StateReader:
        """State after the last `write`; for the writing thread, good until its next write."""
        return LiveReader(self._written, self._families["state"], self._turn.view())

    def pending_pages(self) -> PagesView:
        """Pages of the tree after the last `write`; good for ever."""
        return self._turn.view()

    def pending_height(self) -> int:
        """Height of the last `write`; -1 before genesis."""
        return self._written

    def committed_flags(self, tx_ids_packed: bytes) -> bytes:
        """One byte an id of 32: 1 when a written block (published or not) holds it, however old. About 0.2 µs an id, the
        GIL is free meanwhile."""
        return self._tx_places().flags(tx_ids_packed)

    def author_seqs(self) -> dict[bytes, int]:
        """Highest committed batch seq of each author, as of the last write."""
        with STORAGE:
            rows = scan_rows(self._families["meta"], prefix := layout.AUTHOR_SEQ_PREFIX, None, AUTHOR_COUNT_MAX)
        return {key[len(prefix) :]: HEIGHT.unpack(value)[0] for key, value in rows}

    def batches_committed(self, locations: Sequence[BatchLocation]) -> list[bool]:
        """Which locations of the batch log belong to written blocks; what `BatchLog.recover` asks."""
        keys = [layout.BATCH_KEY.pack(at.segment, at.offset) for at in locations]
        with STORAGE:
            return [row is not None for row in rows_of(self._families["batch_index"], keys)]

    # ------------------------------------------------------------ read side: ports.Chain
    def tip(self) -> Tip:
        """Raises Unavailable NOT_READY before genesis."""
        tip = self._tip
        if tip is None:
            raise Unavailable("NOT_READY", "the chain has no genesis yet")
        return tip

    def genesis(self) -> bytes:
        return self._meta(layout.GENESIS_KEY)

    def validators(self) -> bytes:
        """Validator set of the genesis, encoded."""
        return self._meta(layout.VALIDATORS_KEY)

    def block(self, height: int) -> StoredBlock | None:
        """None for height 0 (genesis is no block) and above the tip."""
        return None if (row := self._row("blocks", height)) is None else layout.decode_block(row)

    def batch(self, location: BatchLocation) -> bytes:
        """Plain bytes."""
        try:
            return unpack_batch(self._batches.read(location))
        except NativeError as e:
            raise corrupt(f"{self._path}: batch at {location}: {e}") from e

    def batch_packed(self, location: BatchLocation) -> bytes:
        return self._batches.read(location)

    def receipt(self, height: int, tx_index: int) -> bytes | None:
        return None if (block := self.block(height)) is None else self._receipts.one(block, tx_index)

    def receipts(self, height: int) -> list[bytes]:
        """Empty for a height without block."""
        return [] if (block := self.block(height)) is None else layout.unpack_receipts(self._receipts.row(block))

    def tx(self, location: TxLocation) -> bytes:
        """Signed transaction at a location that `tx_locations` gave; past the tip or block Unavailable NOT_FOUND."""
        block = self.block(location.height)
        index = location.tx_index
        for _, tx_count, at in () if block is None else block.batches:
            if index < tx_count:
                return layout.tx_in_batch(self.batch(at), index)
            index -= tx_count
        raise Unavailable("NOT_FOUND", f"no transaction {location.tx_index} at height {location.height}")

    def tx_ids(self, height: int) -> list[bytes]:
        """In block order, duplicates of earlier ones included; empty for a height without block."""
        return [receipt[layout.RECEIPT_ID] for receipt in self.receipts(height)]

    def tx_locations(self, tx_ids: Sequence[bytes]) -> list[TxLocation | None]:
        """First place of each id on the chain, None where it is not committed."""
        tip_height = self.tip().height
        locations = self._tx_places().locations(tx_ids)
        return [None if at is None or at.height > tip_height else at for at in locations]

    def state(self, height: int | None = None) -> StateReader:
        """Reader at the tip or one of the `snapshots_max` heights up to it, else Unavailable NOT_FOUND (1005)."""
        with self._lock:
            tip_height = self.tip().height
            return self._ring.reader(tip_height if height is None else height, tip_height)

    def memory_bytes(self) -> dict[str, int]:
        """In use by part; memtables and block cache as RocksDB counts them."""
        own = {"receipts": self._receipts.new_bytes, "index_filters": self._places.filter_bytes if self._places else 0}
        with STORAGE:
            return own | {"pages": self._turn.page_bytes} | self._families.memory_bytes()

    def is_busy(self) -> bool:
        """Files are being written or merged beside the blocks. Any thread."""
        with STORAGE:
            return self._families.is_open and self._turn.is_busy

    # ------------------------------------------------------------ inside
    def _finish(
        self, batch: WriteBatch, tip: Tip, writes: Sequence[tuple[bytes, bytes | None]], pages: PageLayer
    ) -> None:
        """Add state, stamps and tip, take up the pages, write, and freeze the height."""
        self._check_usable()
        in_files = max(self._in_files, self._families.persisted)
        with self._lock:
            oldest = self._ring.oldest
        try:
            with STORAGE:
                switch = self._turn.begin()
                self._turn.put_pages(batch, pages, tip.height, tip.height - in_files, oldest)
                batch.put(layout.TIP_KEY, layout.encode_tip(tip), self._families.handle("meta"))
                size = batch.size_in_bytes()
                self._families.write(batch, tip.height, switch=switch)
                size += add_rows(self._families, "state", writes)
        except BaseException:
            self._failed = True
            raise
        self._turn.wrote(size, switched=switch)
        self._freeze(tip.height)
        self._unpublished[tip.height] = tip
        self._written = tip.height
        self._in_files = max(in_files, self._families.persisted)
        self.write_count += 1
        self.bytes_written += size

    def _freeze(self, height: int) -> None:
        with STORAGE:
            frozen = Frozen(height, self._families.snapshot("state"), self._turn.view())
        with self._lock:
            self._ring.add(frozen)

    def _publish(self, tip: Tip) -> None:
        with self._lock:
            self._unpublished.pop(tip.height, None)
            self._tip = tip
            self._ring.follow(tip.height)

    def _tx_places(self) -> TxPlaces:
        if self._places is None:
            raise Unavailable("NOT_READY", "the chain has no genesis yet")
        return self._places

    def _plain_receipts(self, height: int) -> bytes:
        block = self.block(height)
        if block is None:
            raise corrupt(f"{self._path}: block {height} is missing")
        return self._receipts.row(block)

    def _position(self, key: bytes) -> tuple[int, int]:
        with STORAGE:
            row: bytes | None = self._families["meta"].get(key)
        return (0, 0) if row is None else layout.LOG_POSITION.unpack(row)

    def _meta(self, key: bytes) -> bytes:
        with STORAGE:
            value: bytes | None = self._families["meta"].get(key)
        if value is None:
            raise Unavailable("NOT_READY", "the chain has no genesis yet")
        return value

    def _row(self, family: str, height: int) -> bytes | None:
        tip = self._tip
        if tip is None or not 0 < height <= tip.height:
            return None
        with STORAGE:
            row: bytes | None = self._families[family].get(HEIGHT.pack(height))
        if row is None:
            raise corrupt(f"{self._path}: {family} of height {height} are missing, the tip is {tip.height}")
        return row

    def _check_usable(self) -> None:
        if self._failed:
            raise FatalError("STORAGE_FAILED", f"{self._path}: an earlier write or flush failed")
