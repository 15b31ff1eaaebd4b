"""Database: one write a block, published only when durable, recent heights frozen, everything closed on
close."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hnnode_native import PageLayer
from rocksdict import WriteBatch

from hnnode.errors import CODES, FatalError, Unavailable
from hnnode.ports import CommitRecord, TxLocation
from hnnode.storage import layout
from hnnode.storage.families import Families
from hnnode.storage.file_turn import ROWS_AT_ONCE
from tests.kit.store import (
    AUTHOR,
    CODE_DUPLICATE,
    CODE_OK,
    Store,
    batch_of,
    copy_live,
    receipt_of,
    record_of,
    tip_of,
    tx_id_of,
)


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
    assert store.database.memory_bytes()["memtables"] > 0


def test_a_large_block_is_written_by_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: one call for all rows held the interpreter for 10 to 70 ms a block, and no vote was read meanwhile."""
    sizes: list[int] = []
    write, add = Families.write, Families.add

    def counted_write(self: Families, batch: WriteBatch, mark: int, *, switch: bool = False) -> None:
        sizes.append(batch.len())
        write(self, batch, mark, switch=switch)

    def counted_add(self: Families, batch: WriteBatch) -> None:
        sizes.append(batch.len())
        add(self, batch)

    monkeypatch.setattr(Families, "write", counted_write)
    monkeypatch.setattr(Families, "add", counted_add)
    rows: list[tuple[bytes, bytes | None]] = [(b"\x01a%08d" % i, b"large %d" % i) for i in range(2 * ROWS_AT_ONCE + 7)]
    store.database.write(replace(record_of(1, [tx_id_of(1, 0)], store.batches), writes=rows))
    assert len(sizes) == 4
    assert max(sizes) <= ROWS_AT_ONCE
    store.database.flush()
    store.database.publish(1)
    assert store.database.state().get_many([key for key, _ in rows]) == [value for _, value in rows]
    copied = Store(copy_live(store.root, store.root.parent / f"{store.root.name}-killed"), store.config)
    assert copied.database.tip() == tip_of(0), "what was written is lost whole with the process"
    assert copied.database.state().get(rows[0][0]) is None
    copied.close()
