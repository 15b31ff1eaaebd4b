"""Opening a home: what a crash leaves is taken; what was lost, damaged or restored from an old copy is refused."""

from __future__ import annotations

import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hnnode_native import PageLayer

from hnnode.config import StorageConfig
from hnnode.errors import ConfigError, FatalError
from hnnode.ports import BatchLocation, CommitRecord, Tip
from hnnode.storage import Home, SignState, Storage, layout, open_storage, reset_home, segment_to_recover
from tests.kit.store import copy_live

CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=8 << 20, segment_bytes=1 << 16, tree_cache_bytes=1 << 20, snapshots_max=4
)


def tip_of(height: int) -> Tip:
    return Tip(height, struct.pack(">Q", height) * 4, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)


def record_of(height: int, place: BatchLocation) -> CommitRecord:
    """What the execution of block `height` comes to, the first time and again."""
    receipts = [b"\x01" + struct.pack(">Q", height) * 4 + bytes(4)]
    return CommitRecord(
        tip_of(height),
        b"value %04d" % height,
        b"certificate",
        [(b"D" * 32, 1, place)],
        1,
        layout.pack_receipts(receipts),
        [(b"\x01ah", b"%d" % height)],
        PageLayer([(b"\x00", b"%d" % height)]),
    )


def commit(storage: Storage, height: int, *, sign: bool = True) -> None:
    """A block as a validator makes it: log and batch durable first."""
    storage.consensus_log.append(height, b"inputs of %d" % height)
    storage.consensus_log.sync()
    if sign and height > storage.sign_state.floor():
        storage.sign_state.reserve(height + 15)
    place = storage.batch_log.append([b"batch %d" % height])[0]
    storage.batch_log.sync()
    storage.database.write(record_of(height, place))
    storage.database.flush()
    storage.database.publish(height)
    storage.consensus_log.drop_through(height)


@contextmanager
def opened(home: Home) -> Iterator[Storage]:
    storage = open_storage(home, CONFIG)
    try:
        if storage.database.is_empty():
            storage.database.write_genesis(tip_of(0), b"genesis", b"validators", [], PageLayer([]))
        for logged in storage.redo():
            height = logged.tip.height
            assert storage.database.batch(logged.block.batches[0][2]) == b"batch %d" % height
            storage.database.redo(record_of(height, logged.block.batches[0][2]), logged)
        list(storage.batch_log.recover(0, storage.database.batches_committed))
        yield storage
    finally:
        storage.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with 40 committed blocks, as a killed process leaves it: nothing closed, the blocks in the block log only."""
    alive, home = Home(tmp_path / "alive"), Home(tmp_path / "node")
    alive.create()
    with opened(alive) as storage:
        for height in range(1, 41):
            commit(storage, height)
        copy_live(alive.root, home.root)
    shutil.rmtree(alive.root)
    return home


def block_log(home: Home) -> Path:
    return max(home.blocks.glob("*.blocks"))


def block_offsets(log: Path) -> list[int]:
    """Where each block's value stands in the block log (it is its height's text)."""
    data = log.read_bytes()
    return [data.find(b"value %04d" % height) for height in range(1, 41)]


def test_a_clean_restart_may_sign_at_once(home: Home) -> None:
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(40)
        assert storage.sign_state.floor() == 48
        assert (storage.sign_floor, storage.log_replaced) == (48, False)
        assert list(storage.consensus_log.records(39)) == [b"inputs of 40"]
        commit(storage, 41)


def test_a_second_process_is_refused_and_close_lets_the_next_one_in(home: Home) -> None:
    storage = open_storage(home, CONFIG)
    with pytest.raises(ConfigError, match="6005"):
        open_storage(home, CONFIG)
    with pytest.raises(ConfigError, match="6005"):
        reset_home(home)
    storage.close()
    open_storage(home, CONFIG).close()


def test_a_refused_start_leaves_no_lock(home: Home) -> None:
    kept = home.sign_state.read_bytes()
    home.sign_state.unlink()
    for _ in range(2):
        with pytest.raises(FatalError, match=r"6006.*sign state is missing"):
            open_storage(home, CONFIG)
    home.sign_state.write_bytes(kept)
    open_storage(home, CONFIG).close()


def test_a_lost_database_is_made_again_from_whole_logs(home: Home) -> None:
    shutil.rmtree(home.database)
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(40)
        assert storage.database.state().get(b"\x01ah") == b"40"
        commit(storage, 41)


def test_a_lost_database_is_refused_when_the_logs_do_not_reach_back(home: Home) -> None:
    with opened(home) as storage:
        # What the files hold goes from the log when a new segment begins.
        storage.block_log._segment_bytes = 256
        for height in range(41, 60):
            commit(storage, height)
    with opened(home) as storage:
        storage.block_log.drop_through(50)
    shutil.rmtree(home.database)
    for _ in range(2):
        with pytest.raises(
            FatalError, match=r"6006.*ends at height 0 .*goes on with height 51, want 1.*hnnode storage reset"
        ):
            open_storage(home, CONFIG)


def test_a_database_from_an_old_backup_is_brought_up_by_the_block_log(home: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(home.database, backup)
    with opened(home) as storage:
        for height in range(41, 101):
            commit(storage, height)
    shutil.rmtree(home.database)
    shutil.copytree(backup, home.database)
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(100)
        assert not storage.log_replaced


def test_an_old_copy_of_the_chain_data_is_refused(home: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(home.data, backup)
    with opened(home) as storage:
        for height in range(41, 101):
            commit(storage, height)
    for name in ("database", "blocks"):
        shutil.rmtree(home.data / name)
        shutil.copytree(backup / name, home.data / name)
    with pytest.raises(FatalError, match=r"6003.*height 40, want at least"):
        open_storage(home, CONFIG)


def test_a_lost_or_older_block_log_is_noticed(home: Home, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(home.blocks, older)
    with opened(home) as storage:
        for height in range(41, 45):
            commit(storage, height)
    for put_back in (False, True):
        shutil.rmtree(home.blocks)
        if put_back:
            shutil.copytree(older, home.blocks)
        with pytest.raises(FatalError, match=r"6006.*block log ends at.*older copy.*hnnode storage reset"):
            open_storage(home, CONFIG)


def test_an_emptied_block_log_is_noticed(home: Home) -> None:
    """The database opens at its last flush without a word when the log is gone; only the floor tells."""
    shutil.rmtree(home.blocks)
    with pytest.raises(FatalError, match="6003"):
        open_storage(home, CONFIG)


def test_blocks_in_the_files_and_not_in_the_log_are_no_gap(home: Home) -> None:
    """The database may reach its files before the log is synced; then the process dies."""
    with opened(home) as storage:
        commit(storage, 41)
        place = storage.batch_log.append([b"batch 42"])[0]
        storage.batch_log.sync()
        storage.database.write(record_of(42, place))
        storage.database._turn.drain(storage.database._written)
        storage.database._unlogged.clear()
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(42)
        commit(storage, 43)
        copy_live(home.root, home.root.with_name("killed"))
    killed = Home(home.root.with_name("killed"))
    with opened(killed) as storage:
        assert storage.database.tip() == tip_of(43)


def test_a_lost_consensus_log_is_begun_anew_beyond_the_lost_one(home: Home) -> None:
    shutil.rmtree(home.consensus)
    for restart in range(3):
        with opened(home) as storage:
            assert storage.database.tip().height == 40 + restart
            assert storage.log_replaced == (restart == 0)
            assert list(storage.consensus_log.records()) == [b"inputs of %d" % (41 + i) for i in range(restart)]
            commit(storage, 41 + restart)


def test_an_old_copy_of_the_consensus_log_is_set_aside_however_young(home: Home, tmp_path: Path) -> None:
    """It holds the reservation of the floor, so nothing but the database can tell."""
    backup = tmp_path / "backup"
    shutil.copytree(home.consensus, backup)
    with opened(home) as storage:
        commit(storage, 41)
    with opened(home) as storage:
        assert not storage.log_replaced
    shutil.rmtree(home.consensus)
    shutil.copytree(backup, home.consensus)
    with opened(home) as storage:
        assert storage.log_replaced
        assert storage.sign_floor == 48
        assert list(storage.consensus_log.records()) == []
        assert storage.consensus_log.floor == 41
    assert (home.data / "consensus.old1").is_dir()
    with opened(home) as storage:
        assert not storage.log_replaced


def test_a_lost_batch_log_is_noticed(home: Home) -> None:
    shutil.rmtree(home.batches)
    with pytest.raises(FatalError, match="6006"):
        open_storage(home, CONFIG)


def test_reset_keeps_the_floor_and_lets_the_node_start_empty(home: Home) -> None:
    aside = reset_home(home)
    assert (aside / "database" / "CURRENT").exists()
    with opened(home) as storage:
        assert storage.database.tip().height == 0
        assert (storage.sign_floor, storage.sign_state.reset, storage.log_replaced) == (48, True, False)
        assert list(storage.consensus_log.records()) == []
        # It follows the chain without signing; a restart half-way is still allowed.
        for height in range(1, 21):
            commit(storage, height, sign=False)
    with opened(home) as storage:
        assert (storage.database.tip().height, storage.sign_floor) == (20, 48)
        for height in range(21, 50):
            commit(storage, height, sign=False)
        commit(storage, 50)
    with opened(home) as storage:
        assert (storage.sign_floor, storage.sign_state.reset) == (65, False)
    assert reset_home(home) != aside


def test_a_tail_of_zeros_and_garbage_keeps_every_synced_block(home: Home) -> None:
    """Pages never synced may come back as anything."""
    with block_log(home).open("ab") as file:
        file.write(b"\x00" * 5000 + b"garbage" * 500)
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(40)
        commit(storage, 41)
    with opened(home) as storage:
        assert storage.database.tip().height == 41


def test_damage_in_the_synced_part_is_refused(home: Home) -> None:
    log = block_log(home)
    data = bytearray(log.read_bytes())
    data[block_offsets(log)[9]] ^= 0x10
    log.write_bytes(data)
    with pytest.raises(FatalError, match=r"6006.*is damaged.*hnnode storage reset"):
        open_storage(home, CONFIG)


def test_a_lost_end_above_the_floor_is_decided_again_because_the_consensus_log_still_knows(home: Home) -> None:
    log = block_log(home)
    with log.open("r+b") as file:
        file.truncate(block_offsets(log)[36])
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(36)
        assert list(storage.consensus_log.records(36)) == [b"inputs of %d" % height for height in range(37, 41)]
        assert not storage.log_replaced


def test_a_lost_end_below_the_floor_is_refused(home: Home) -> None:
    log = block_log(home)
    with log.open("r+b") as file:
        file.truncate(block_offsets(log)[9])
    with pytest.raises(FatalError, match=r"6003.*height 9, want at least 29.*hnnode storage reset"):
        open_storage(home, CONFIG)


def test_every_kind_of_damage_to_the_block_log_is_refused_or_leaves_a_whole_block(home: Home, tmp_path: Path) -> None:
    whole = block_log(home).read_bytes()
    outcomes: Counter[str] = Counter()
    copy = Home(tmp_path / "copy")
    last_record = whole.rfind(b"value 0040") - 300
    places = [*range(0, len(whole), len(whole) // 36), *range(last_record, len(whole), 60)]
    for step, place in enumerate(places):
        shutil.rmtree(copy.root, ignore_errors=True)
        shutil.copytree(home.root, copy.root)
        data = bytearray(whole)
        data[place] ^= 1 << (step % 8)
        block_log(copy).write_bytes(data)
        try:
            with opened(copy) as storage:
                height = storage.database.tip().height
                assert height >= 39
                assert storage.database.state().get(b"\x01ah") == b"%d" % height
                assert storage.database.pending_state().pages([b"\x00"]) == [b"%d" % height]
                assert all(storage.database.block(at) is not None for at in range(1, height + 1))
        except FatalError as e:
            outcomes["refused" if e.info.name in {"STORAGE_BEHIND_SIGN_STATE", "STORAGE_CORRUPT"} else str(e)] += 1
        else:
            outcomes["opened"] += 1
    assert set(outcomes) == {"opened", "refused"}
    assert min(outcomes.values()) > 3, outcomes


def test_sign_state_exists_before_any_data(tmp_path: Path) -> None:
    home = Home(tmp_path)
    open_storage(home, CONFIG).close()
    assert SignState.load(home.sign_state).floor() == 0
    # Nothing was signed and no genesis written: starting again is no fault.
    with opened(home) as storage:
        assert storage.database.tip().height == 0


def test_recovery_looks_back_over_everything_in_flight(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    with opened(home) as storage:
        storage.batch_log.append([bytes(40_000) for _ in range(20)])
        last = storage.batch_log.end[0]
        assert last > 10
        assert segment_to_recover(storage.batch_log, CONFIG.segment_bytes, 0) == last - 1
        assert segment_to_recover(storage.batch_log, CONFIG.segment_bytes, 3 * CONFIG.segment_bytes) == last - 4
        assert segment_to_recover(storage.batch_log, CONFIG.segment_bytes, 1 << 30) == 0
