"""Database: opened again, refused when its families do not fit, closed whole, bounded, stopped by a failed write."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hnnode_native import PageLayer
from rocksdict import Options, Rdict

from hnnode.config import StorageConfig
from hnnode.errors import FatalError, Unavailable
from hnnode.node.block_work import load_tree
from hnnode.ports import TxLocation
from hnnode.storage import file_turn, layout
from hnnode.storage.database import Database
from tests.kit.store import (
    CONFIG,
    Store,
    copy_live,
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
    # Handles of what failed are kept, and the database locked, as long as the process lives.
    again = Store(copied(store))
    assert again.database.tip().height == 0
    again.database.write(record)

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(FatalError, match=r"6001.*Input/output"):
        again.database.flush()
    monkeypatch.undo()
    with pytest.raises(FatalError, match="earlier"):
        again.database.flush()
    with pytest.raises(FatalError, match="durable is 0"):
        again.database.publish(1)
    again.database.close()


def copied(store: Store) -> Path:
    return copy_live(store.root, store.root.with_name(f"{store.root.name}-copy"))


def test_pages_that_could_not_be_written_are_never_left_out(store: Store) -> None:
    """A close after the failure must not bring a height into files whose tree is not whole."""
    pages = store.root / "database" / file_turn.PAGES_DIRECTORY
    records = [record_of(height, [tx_id_of(height, 0)], store.batches) for height in (1, 2, 3)]
    records = [replace(r, pages=PageLayer([(bytes([1, r.tip.height << 4]), b"page")])) for r in records]
    store.database.write(records[0])
    pages.rename(pages.with_name("away"))
    store.database._turn._due_bytes = 0
    store.database.write(records[1])
    store.database._turn._pages.settle()
    pages.with_name("away").rename(pages)
    with pytest.raises(FatalError, match=r"6001.*No such file"):
        store.database.write(records[2])
    store.close()
    again = Store(copied(store))
    assert again.database.tip().height == 0
    again.close()


def test_families_at_different_heights_are_refused(store: Store) -> None:
    store.commit(1)
    store.close()
    store.open()
    store.database._families["state"].put(layout.STAMP_KEY, layout.HEIGHT.pack(7))
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


def test_a_database_with_families_of_another_format_is_refused(store: Store) -> None:
    store.commit(1)
    store.close()
    path = store.root / "database"
    families = {name: Options(raw_mode=True) for name in layout.FAMILIES}
    database = Rdict(str(path), Options(raw_mode=True), families)
    database.create_column_family("tree", Options(raw_mode=True)).close()
    database.close()
    with pytest.raises(FatalError, match=r"6006.*families tree are of another format"):
        Database(path, store.batches, store.blocks, CONFIG)


def test_pages_that_are_gone_are_refused(store: Store) -> None:
    store.commit(1)
    store.close()
    shutil.rmtree(store.root / "database" / file_turn.PAGES_DIRECTORY)
    with pytest.raises(FatalError, match=r"6006.*no pages of the state tree of height 1"):
        store.open()


def test_a_tree_of_another_state_is_refused(store: Store) -> None:
    """Names of files alone would tell of which height they are; here the tree is empty and the tip has another root."""
    with pytest.raises(FatalError, match=r"6006.*state tree: got root"):
        load_tree(1 << 20, store.database)


def test_an_open_database_stays_small(tmp_path: Path) -> None:
    """Two background threads, few files, and no memory for data that is not there."""
    before = len(os.listdir("/proc/self/task"))
    store = Store(tmp_path, StorageConfig())
    store.genesis()
    for height in range(1, 20):
        store.commit(height)
    assert len(os.listdir("/proc/self/task")) - before <= 3
    assert sum(store.database.memory_bytes().values()) < 16 << 20
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


def test_work_beside_the_blocks_is_told_until_it_is_done(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_turn, "REDO_BLOCKS_MAX", 5)
    told = set[bool]()
    for height in range(1, 31):
        store.commit(height)
        told.add(store.database.is_busy())
    assert True in told
    deadline = time.monotonic() + 10
    while store.database.is_busy():
        assert time.monotonic() < deadline
    files = sorted(path for path in store.root.rglob("*.pages"))
    time.sleep(0.05)
    assert sorted(path for path in store.root.rglob("*.pages")) == files
    store.close()
    assert not store.database.is_busy()


def test_blocks_executed_again_are_the_same_blocks(store: Store) -> None:
    for height in (1, 2, 3):
        store.commit(height)
    root = store.root
    (root / "after").mkdir()
    for name in ("database", "batches", "blocks"):
        copy_live(root / name, root / "after" / name)
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
        store.database.check()  # at rest
    with pytest.raises(FatalError, match=r"6001.*could not write its files"):
        store.commit(1)
    monkeypatch.undo()
    store.database.check()
