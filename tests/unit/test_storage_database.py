"""Database: one atomic write a block, published only when durable, recent heights frozen, everything closed on
close."""

from __future__ import annotations

import os
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hnnode_native import PageLayer
from hypothesis import given
from hypothesis import strategies as st

from hnnode.config import StorageConfig
from hnnode.errors import CODES, FatalError, Unavailable
from hnnode.ports import BatchLocation, CommitRecord, LoggedBlock, Tip, TxLocation
from hnnode.storage import file_turn, layout
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.database import Database

CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=1 << 20, segment_bytes=1 << 20, tree_cache_bytes=1 << 20, snapshots_max=4
)
AUTHOR = b"\xaa" * 20
CODE_OK, CODE_DUPLICATE = 0, CODES["TX_DUPLICATE"]


def tip_of(height: int) -> Tip:
    word = struct.pack(">Q", height)
    return Tip(height, b"B" + word * 3 + b"_" * 7, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)


def tx_id_of(height: int, index: int) -> bytes:
    return struct.pack(">QI", height, index) + b"T" * 20


def receipt_of(tx_id: bytes, code: int = CODE_OK) -> bytes:
    return b"\x01" + tx_id + struct.pack(">I", code) + b"rest"


def batch_of(height: int, count: int) -> bytes:
    body = b"".join(struct.pack(">I", 4 + i) + b"tx%02d" % i + b"." * i for i in range(count))
    return b"H" * 133 + b"S" * 64 + body


def record_of(height: int, tx_ids: list[bytes], batches: BatchLog, codes: list[int] | None = None) -> CommitRecord:
    """A block whose transactions stand in two batches."""
    split = len(tx_ids) // 2
    sizes = [n for n in (split, len(tx_ids) - split) if n]
    places = batches.append([batch_of(height, n) for n in sizes])
    batches.sync()
    codes = codes or [CODE_OK] * len(tx_ids)
    receipts = [receipt_of(tx_id, code) for tx_id, code in zip(tx_ids, codes, strict=True)]
    return CommitRecord(
        tip=tip_of(height),
        value=b"value %d" % height,
        certificate=b"certificate %d" % height,
        batches=[(b"D" * 32, n, at) for n, at in zip(sizes, places, strict=True)],
        tx_count=len(tx_ids),
        receipts_packed=layout.pack_receipts(receipts),
        writes=[(b"\x01ahead", b"%d" % height), (b"\x01a%08d" % height, b"at %d" % height), (b"\x01agone", None)],
        pages=PageLayer([(b"\x00", b"page %d" % height)]),
        author_seqs=[(AUTHOR, height * 10)],
    )


class Store:
    def __init__(self, root: Path, config: StorageConfig = CONFIG) -> None:
        for name in ("batches", "blocks", "database"):
            (root / name).mkdir(exist_ok=True, parents=True)
        self.root = root
        self.config = config
        self.open()

    def open(self) -> None:
        self.batches = BatchLog(self.root / "batches", self.config.segment_bytes)
        self.blocks = BlockLog(self.root / "blocks")
        self.database = Database(self.root / "database", self.batches, self.blocks, self.config)
        list(self.batches.recover(0, self.database.batches_committed))

    def genesis(self) -> None:
        self.database.write_genesis(
            tip_of(0), b"genesis", b"validators", [(b"\x01ahead", b"0"), (b"\x01agone", b"x")], PageLayer([])
        )

    def commit(
        self, height: int, count: int = 3, codes: list[int] | None = None, ids: list[bytes] | None = None
    ) -> None:
        self.database.write(record_of(height, ids or [tx_id_of(height, i) for i in range(count)], self.batches, codes))
        self.database.flush()
        self.database.publish(height)

    def close(self) -> None:
        self.database.close()
        self.blocks.close()
        self.batches.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.genesis()
    yield store
    store.close()


def test_an_empty_database_says_so_and_answers_not_ready(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.database.is_empty()
    assert store.database.block(0) is None
    assert store.database.receipts(1) == []
    for ask in (store.database.tip, store.database.genesis, store.database.state):
        with pytest.raises(Unavailable, match="NOT_READY"):
            ask()
    store.close()


def test_genesis_is_kept_and_written_once(store: Store) -> None:
    assert store.database.tip() == tip_of(0)
    assert (store.database.genesis(), store.database.validators()) == (b"genesis", b"validators")
    assert store.database.state().get(b"\x01ahead") == b"0"
    with pytest.raises(FatalError, match="once"):
        store.genesis()


def test_a_block_is_read_back_whole(store: Store) -> None:
    store.commit(1, 5)
    block = store.database.block(1)
    assert block is not None
    assert (block.height, block.block_hash, block.tx_count) == (1, tip_of(1).block_hash, 5)
    assert (block.value, block.certificate) == (b"value 1", b"certificate 1")
    assert [count for _, count, _ in block.batches] == [2, 3]
    assert store.database.batch(block.batches[1][2]) == batch_of(1, 3)
    ids = [tx_id_of(1, i) for i in range(5)]
    assert store.database.tx_ids(1) == ids
    assert store.database.receipts(1) == [receipt_of(i) for i in ids]
    assert store.database.receipt(1, 4) == receipt_of(ids[4])
    assert store.database.receipt(1, 5) is None
    assert store.database.receipt(1, -1) is None
    assert store.database.tx_locations([ids[3], b"?" * 32, ids[0]]) == [TxLocation(1, 3), None, TxLocation(1, 0)]
    assert [store.database.tx(TxLocation(1, i)) for i in range(5)] == [b"tx00", b"tx01.", b"tx00", b"tx01.", b"tx02.."]
    for wrong in (TxLocation(1, 5), TxLocation(2, 0), TxLocation(0, 0)):
        with pytest.raises(Unavailable, match="NOT_FOUND"):
            store.database.tx(wrong)
    assert store.database.author_seqs() == {AUTHOR: 10}


def test_an_empty_block_has_no_transactions(store: Store) -> None:
    store.commit(1, 0)
    block = store.database.block(1)
    assert block is not None
    assert (block.tx_count, block.batches, store.database.receipts(1), store.database.tx_ids(1)) == (0, (), [], [])


def test_nothing_is_visible_before_publish_and_nothing_publishable_before_flush(store: Store) -> None:
    ids = [tx_id_of(1, 0)]
    store.database.write(record_of(1, ids, store.batches))
    for _ in range(2):
        assert store.database.tip().height == 0
        assert store.database.block(1) is None
        assert store.database.tx_locations(ids) == [None]
        assert store.database.receipt(1, 0) is None
        assert store.database.state().get(b"\x01ahead") == b"0"
        with pytest.raises(Unavailable, match="1005"):
            store.database.state(1)
        # The writer itself sees it at once.
        pending = store.database.pending_state()
        assert (pending.height, pending.get(b"\x01ahead")) == (1, b"1")
        assert store.database.committed_flags(b"".join(ids) + b"?" * 32) == b"\x01\x00"
    with pytest.raises(FatalError, match="durable is 0"):
        store.database.publish(1)
    assert store.database.flush() == 1
    assert store.database.tip().height == 0
    assert store.database.publish(1) == tip_of(1)
    assert store.database.tx_locations(ids) == [TxLocation(1, 0)]
    with pytest.raises(FatalError, match="publish of height 1"):
        store.database.publish(1)


def test_storage_may_lag_behind_execution_by_several_blocks(store: Store) -> None:
    for height in (1, 2, 3):
        store.database.write(record_of(height, [tx_id_of(height, 0)], store.batches))
    assert store.database.flush() == 3
    for height in (1, 2, 3):
        store.database.publish(height)
        assert store.database.state().get(b"\x01ahead") == b"%d" % height


def test_heights_are_written_in_order(store: Store) -> None:
    with pytest.raises(FatalError, match="write of height 2 after 0"):
        store.database.write(record_of(2, [], store.batches))


def test_a_duplicate_keeps_the_first_location(store: Store) -> None:
    first = tx_id_of(1, 0)
    store.commit(1, ids=[first, tx_id_of(1, 1), first], codes=[CODE_OK, CODE_OK, CODE_DUPLICATE])
    store.commit(2, ids=[first], codes=[CODE_DUPLICATE])
    assert store.database.tx_locations([first]) == [TxLocation(1, 0)]
    assert store.database.tx_ids(2) == [first]


def test_an_unverifiable_transaction_does_not_take_its_id(store: Store) -> None:
    tx_id = tx_id_of(1, 0)
    store.commit(1, ids=[tx_id], codes=[CODES["ACCOUNT_UNKNOWN"]])
    assert store.database.tx_locations([tx_id]) == [None]
    assert store.database.receipt(1, 0) is not None
    store.commit(2, ids=[tx_id])
    assert store.database.tx_locations([tx_id]) == [TxLocation(2, 0)]


def test_recent_heights_are_readable_and_older_ones_are_not(store: Store) -> None:
    for height in range(1, 9):
        store.commit(height)
    for height in range(5, 9):
        reader = store.database.state(height)
        assert (reader.height, reader.get(b"\x01ahead")) == (height, b"%d" % height)
        assert reader.pages([b"\x00", b"\x01\x10"]) == [b"page %d" % height, None]
    for height in (0, 4, 9, -1):
        with pytest.raises(Unavailable, match="1005"):
            store.database.state(height)


def test_a_held_reader_outlives_its_place_in_the_ring(store: Store) -> None:
    reader = store.database.state(0)
    for height in range(1, 9):
        store.commit(height)
    assert reader.get(b"\x01ahead") == b"0"
    assert reader.get(b"\x01agone") == b"x"
    assert store.database.state().get(b"\x01agone") is None


@pytest.mark.parametrize("view", ["frozen", "live"])
def test_scan_walks_a_prefix_in_order_after_a_key(store: Store, view: str) -> None:
    rows = [
        (b"\x01a", b"1"),
        (b"\x01a\x00", b"2"),
        (b"\x01ab", b"3"),
        (b"\x01b", b"4"),
        (b"\xff\xff", b"5"),
        (b"\xff\xffz", b"6"),
    ]
    writes: list[tuple[bytes, bytes | None]] = [(b"\x01ahead", None), (b"\x01agone", None), *rows]
    store.database.write(CommitRecord(tip_of(1), b"", b"", [], 0, layout.pack_receipts([]), writes, PageLayer([])))
    store.database.flush()
    store.database.publish(1)
    reader = store.database.state() if view == "frozen" else store.database.pending_state()
    assert reader.scan(b"\x01a", None, 10) == rows[:3]
    assert reader.scan(b"\x01a", b"\x01a", 10) == rows[1:3]
    assert reader.scan(b"\x01a", b"\x01a", 1) == rows[1:2]
    assert reader.scan(b"\x01a", b"\x01ab", 10) == []
    assert reader.scan(b"\x01a", b"\x00", 10) == rows[:3]
    assert reader.scan(b"\xff\xff", None, 10) == rows[4:]
    assert reader.scan(b"\x02", None, 10) == []
    assert reader.scan(b"", None, 10) == rows
    assert reader.scan(b"", None, 0) == []
    assert reader.get_many([b"\x01ab", b"\x01zz", b"\x01a"]) == [b"3", None, b"1"]
    assert reader.get_many([]) == []


def test_everything_is_there_after_reopening(store: Store) -> None:
    for height in (1, 2, 3):
        store.commit(height)
    store.close()
    store.open()
    assert store.database.tip() == tip_of(3)
    assert store.database.pending_height() == 3
    assert store.database.state().get(b"\x01ahead") == b"3"
    assert store.database.tx_locations([tx_id_of(2, 1)]) == [TxLocation(2, 1)]
    with pytest.raises(Unavailable, match="1005"):
        store.database.state(2)
    store.commit(4)
    assert store.database.tip().height == 4


def test_close_releases_the_database_though_readers_live(store: Store) -> None:
    store.commit(1)
    reader = store.database.state()
    assert reader.get(b"\x01ahead") == b"1"
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        reader.get(b"\x01ahead")
    store.open()
    assert store.database.tip().height == 1


def test_a_second_opener_is_refused(store: Store) -> None:
    with pytest.raises(FatalError, match=r"6001.*lock"):
        Database(store.root / "database", store.batches, store.blocks, CONFIG)


def test_after_a_failed_write_or_flush_nothing_more_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, inner: object, name: str) -> None:
            self.inner, self.name = inner, name

        def __getattr__(self, name: str) -> object:
            if name == self.name:
                raise OSError(28, "No space left on device")
            return getattr(self.inner, name)

    record = record_of(1, [tx_id_of(1, 0)], store.batches)
    families = store.database._families
    real = families._db
    monkeypatch.setattr(families, "_db", Failing(real, "write"))
    with pytest.raises(FatalError, match=r"6001.*No space left"):
        store.database.write(record)
    monkeypatch.setattr(families, "_db", real)
    for again in (lambda: store.database.write(record), store.database.flush):
        with pytest.raises(FatalError, match="earlier"):
            again()
    store.close()
    store.open()
    assert store.database.tip().height == 0
    store.database.write(record)

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(FatalError, match=r"6001.*Input/output"):
        store.database.flush()
    monkeypatch.undo()
    with pytest.raises(FatalError, match="earlier"):
        store.database.flush()
    with pytest.raises(FatalError, match="durable is 0"):
        store.database.publish(1)
    store.database.close()
    store.blocks = BlockLog(store.root / "blocks")


def test_families_at_different_heights_are_refused(store: Store) -> None:
    store.commit(1)
    store.close()
    store.open()
    store.database._families["tree"].put(layout.STAMP_KEY, layout.HEIGHT.pack(7))
    store.close()
    with pytest.raises(FatalError, match=r"6006.*different heights"):
        store.open()
    # The refused opener let go of the lock: the same complaint again, not DATABASE_LOCKED.
    with pytest.raises(FatalError, match="6006"):
        Database(store.root / "database", store.batches, store.blocks, CONFIG)


@pytest.mark.parametrize("damage", ["tip_gone", "tip_ahead", "block_gone", "format"])
def test_a_head_that_does_not_fit_is_refused(store: Store, damage: str) -> None:
    store.commit(1)
    meta, blocks = store.database._families["meta"], store.database._families["blocks"]
    match damage:
        case "tip_gone":
            meta.delete(layout.TIP_KEY)
        case "tip_ahead":
            meta.put(layout.TIP_KEY, layout.encode_tip(tip_of(2)))
        case "block_gone":
            blocks.delete(layout.HEIGHT.pack(1))
        case "format":
            meta.put(layout.FORMAT_KEY, layout.U32.pack(99))
    store.close()
    with pytest.raises(FatalError, match="6006"):
        Database(store.root / "database", store.batches, store.blocks, CONFIG)


def test_readers_in_many_threads_see_whole_blocks_while_blocks_are_written(store: Store) -> None:
    stop = threading.Event()
    faults: list[str] = []

    def read() -> None:
        while not stop.is_set():
            tip = store.database.tip()
            reader = store.database.state()
            if reader.height < tip.height:
                faults.append("reader behind a tip seen before")
            height = reader.height
            if reader.get(b"\x01ahead") != b"%d" % height:
                faults.append(f"state of another height than {height}")
            if height and reader.pages([b"\x00"]) != [b"page %d" % height]:
                faults.append(f"page of another height than {height}")
            if len(store.database.receipts(tip.height)) != (3 if tip.height else 0):
                faults.append("receipts missing")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    flusher_errors: list[BaseException] = []
    for height in range(1, 60):
        store.database.write(record_of(height, [tx_id_of(height, i) for i in range(3)], store.batches))

        def settle(at: int = height) -> None:
            try:
                store.database.flush()
                store.database.publish(at)
            except BaseException as e:
                flusher_errors.append(e)
                raise

        flusher = threading.Thread(target=settle)
        flusher.start()
        flusher.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert (faults, flusher_errors) == ([], [])


def test_counters_rise_with_the_work(store: Store) -> None:
    before = (store.database.write_count, store.database.flush_count, store.database.bytes_written)
    store.commit(1)
    assert store.database.write_count == before[0] + 1
    assert store.database.flush_count == before[1] + 1
    assert store.database.bytes_written > before[2] + 500
    assert store.database.memory_bytes() > 0


def test_an_open_database_stays_small(tmp_path: Path) -> None:
    """Two background threads, few files, and no memory for data that is not there."""
    before = len(os.listdir("/proc/self/task"))
    store = Store(tmp_path, StorageConfig())
    store.genesis()
    for height in range(1, 20):
        store.commit(height)
    assert len(os.listdir("/proc/self/task")) - before <= 3
    assert store.database.memory_bytes() < 16 << 20
    store.close()


def test_the_files_follow_within_a_bounded_number_of_blocks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fills the memtables, and yet a start never has more than the bound to execute again."""
    monkeypatch.setattr(file_turn, "REDO_BLOCKS_MAX", 5)
    store.blocks._segment_bytes = 256
    behind = 0
    for height in range(1, 61):
        store.commit(height)
        time.sleep(0.005)
        behind = max(behind, height - store.database._in_files)
    assert 5 <= behind < 40
    assert store.blocks.segment_count < 40


def test_blocks_executed_again_are_the_same_blocks(store: Store) -> None:
    for height in (1, 2, 3):
        store.commit(height)
    root = store.root
    (root / "after").mkdir()
    for name in ("database", "batches", "blocks"):
        shutil.copytree(root / name, root / "after" / name)
    again = Store(root / "after")
    assert again.database.tip() == tip_of(0)
    logged = list(again.blocks.blocks(0))
    assert [block.tip.height for block in logged] == [1, 2, 3]
    with pytest.raises(FatalError, match="other results"):
        again.database.redo(record_of(1, [tx_id_of(1, 0)], again.batches), logged[1])
    for block in logged:
        height = block.tip.height
        again.database.redo(record_of(height, [tx_id_of(height, i) for i in range(3)], again.batches), block)
        assert again.database.tip() == tip_of(height)
        assert again.database.state(height - 1).get(b"\x01ahead") == b"%d" % (height - 1)
    again.commit(4)
    assert [block.tip.height for block in again.blocks.blocks(0)] == [1, 2, 3, 4]
    again.close()


def test_a_background_failure_stops_the_writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Complaining:
        def __init__(self, inner: object) -> None:
            self.inner = inner

        def property_int_value(self, name: str) -> int:
            return 1 if name == "rocksdb.background-errors" else 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    real = store.database._families._db
    monkeypatch.setattr(store.database._families, "_db", Complaining(real))
    with pytest.raises(FatalError, match=r"6001.*could not write its files"):
        store.commit(1)
    monkeypatch.undo()


receipts_strategy = st.lists(st.binary(max_size=60), max_size=40)


@given(receipts_strategy)
def test_packed_receipts_give_each_receipt_back(receipts: list[bytes]) -> None:
    packed = layout.pack_receipts(receipts)
    assert layout.unpack_receipts(packed) == receipts
    assert [layout.unpack_receipt(packed, i) for i in range(len(receipts) + 1)] == [*receipts, None]


@given(receipts_strategy, st.data())
def test_cut_receipts_never_pass(receipts: list[bytes], data: st.DataObject) -> None:
    packed = layout.pack_receipts(receipts)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(FatalError, match="6006"):
        layout.unpack_receipts(packed[:cut])


numbers = st.integers(0, 2**32 - 1)
places = st.builds(BatchLocation, numbers, st.integers(0, 2**64 - 1), numbers)


@given(
    st.binary(max_size=50),
    st.binary(max_size=50),
    st.lists(st.tuples(st.binary(min_size=32, max_size=32), numbers, places)),
)
def test_blocks_round_trip_and_refuse_other_lengths(
    value: bytes, certificate: bytes, batches: list[tuple[bytes, int, BatchLocation]]
) -> None:
    record = CommitRecord(tip_of(9), value, certificate, batches, 2, b"", [], PageLayer([]))
    stored = layout.stored_block(record)
    data = layout.encode_block(stored)
    block = layout.decode_block(data)
    assert (block.height, block.value, block.certificate, block.tx_count) == (9, value, certificate, 2)
    assert list(block.batches) == batches
    for wrong in (data[:-1], data + b"\x00", b""):
        with pytest.raises(FatalError, match="6006"):
            layout.decode_block(wrong)
    logged = LoggedBlock(tip_of(9), stored, (3, 2**40))
    data = layout.encode_logged(logged)
    assert layout.decode_logged(data) == logged
    other_tip = layout.encode_logged(LoggedBlock(tip_of(8), stored, (3, 4)))
    for wrong in (data[:-1], data + b"\x00", b"", b"\x09" + data[1:], other_tip):
        with pytest.raises(FatalError, match="6006"):
            layout.decode_logged(wrong)


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20), st.data())
def test_a_transaction_is_found_by_its_index(txs: list[bytes], data: st.DataObject) -> None:
    batch = b"\x00" * 197 + b"".join(struct.pack(">I", len(tx)) + tx for tx in txs)
    assert [layout.tx_in_batch(batch, i) for i in range(len(txs))] == txs
    with pytest.raises(FatalError, match="no transaction"):
        layout.tx_in_batch(batch, len(txs))
    index = data.draw(st.integers(0, len(txs) - 1))
    with pytest.raises(FatalError, match="no transaction"):
        layout.tx_in_batch(batch[:-1], len(txs) - 1)
    assert layout.tx_in_batch(batch + b"\x00\x00", index) == txs[index]


def test_a_tip_of_another_length_is_refused() -> None:
    assert layout.decode_tip(layout.encode_tip(tip_of(3))) == tip_of(3)
    with pytest.raises(FatalError, match="6006"):
        layout.decode_tip(b"\x00" * 10)
