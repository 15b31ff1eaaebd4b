"""Opening a home: what a crash leaves is taken; what was lost, damaged or restored from an old copy is refused."""

from __future__ import annotations

import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hnnode.config import StorageConfig
from hnnode.errors import ConfigError, FatalError
from hnnode.ports import CommitRecord, Tip
from hnnode.storage import Home, SignState, Storage, open_storage, reset_home, segment_to_recover

CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=8 << 20, segment_bytes=1 << 16, tree_cache_bytes=1 << 20, snapshots_max=4
)


def tip_of(height: int) -> Tip:
    return Tip(height, struct.pack(">Q", height) * 4, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)


def commit(storage: Storage, height: int, *, sign: bool = True) -> None:
    """A block as a validator makes it: log and batch durable first."""
    storage.consensus_log.append(height, b"inputs of %d" % height)
    storage.consensus_log.sync()
    if sign and height > storage.sign_state.floor():
        storage.sign_state.reserve(height + 15)
    place = storage.batch_log.append([b"batch %d" % height])[0]
    storage.batch_log.sync()
    tx_id = struct.pack(">Q", height) * 4
    record = CommitRecord(
        tip_of(height),
        b"value %04d" % height,
        b"certificate",
        [(b"D" * 32, 1, place)],
        [tx_id],
        [b"\x01" + tx_id + bytes(4)],
        [(b"\x01ah", b"%d" % height)],
        [(b"\x00", b"%d" % height)],
    )
    storage.database.write(record)
    storage.database.flush()
    storage.database.publish(height)
    storage.consensus_log.drop_through(height)


@contextmanager
def opened(home: Home) -> Iterator[Storage]:
    storage = open_storage(home, CONFIG)
    try:
        list(storage.batch_log.recover(0, storage.database.batches_committed))
        if storage.database.is_empty():
            storage.database.write_genesis(tip_of(0), b"genesis", b"validators", [], [])
        yield storage
    finally:
        storage.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with 40 committed blocks, as a killed process leaves it: nothing closed, the last blocks in RocksDB's log
    only."""
    alive, home = Home(tmp_path / "alive"), Home(tmp_path / "node")
    alive.create()
    with opened(alive) as storage:
        for height in range(1, 41):
            commit(storage, height)
        shutil.copytree(alive.root, home.root)
    shutil.rmtree(alive.root)
    return home


def database_log(home: Home) -> Path:
    return max(home.database.glob("*.log"), key=lambda path: path.stat().st_size)


def block_offsets(log: Path) -> list[int]:
    """Where each block's write begins to show in RocksDB's log (each block's value is its height's text)."""
    data = log.read_bytes()
    return [data.find(b"value %04d" % height) for height in range(1, 41)]


def test_a_clean_restart_may_sign_at_once(home: Home) -> None:
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(40)
        assert storage.sign_state.floor() == 48
        assert (storage.sign_floor, storage.log_replaced, storage.repaired) == (48, False, False)
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


def test_a_lost_database_is_refused_and_nothing_is_made_in_its_place(home: Home) -> None:
    shutil.rmtree(home.database)
    with pytest.raises(FatalError, match=r"6003.*height -1.*hnnode storage reset"):
        open_storage(home, CONFIG)


def test_a_database_from_an_old_backup_is_refused(home: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(home.database, backup)
    with opened(home) as storage:
        for height in range(41, 101):
            commit(storage, height)
    shutil.rmtree(home.database)
    shutil.copytree(backup, home.database)
    with pytest.raises(FatalError, match=r"6003.*height 40, want at least"):
        open_storage(home, CONFIG)


def test_an_emptied_database_log_is_noticed(home: Home) -> None:
    """RocksDB opens without a word when its log is gone; only the floor tells."""
    for path in home.database.glob("*.log"):
        path.write_bytes(b"")
    with pytest.raises(FatalError, match="6003"):
        open_storage(home, CONFIG)


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
    """Pages never synced may come back as anything: the strict mode refuses, the second mode takes all synced
    records."""
    with database_log(home).open("ab") as file:
        file.write(b"\x00" * 5000 + b"garbage" * 500)
    with opened(home) as storage:
        assert storage.database.tip() == tip_of(40)
        commit(storage, 41)
    with opened(home) as storage:
        assert (storage.database.tip().height, storage.repaired) == (41, False)


def test_damage_below_the_floor_is_refused_and_the_files_are_kept(home: Home) -> None:
    log = database_log(home)
    data = bytearray(log.read_bytes())
    data[block_offsets(log)[9]] ^= 0x10
    log.write_bytes(data)
    with pytest.raises(FatalError, match=r"6003.*height 9, want at least 29.*hnnode storage reset"):
        open_storage(home, CONFIG)
    assert (home.data / "database.damaged" / log.name).read_bytes() == bytes(data)


def test_damage_above_the_floor_is_repaired_because_the_consensus_log_still_knows(home: Home) -> None:
    log = database_log(home)
    data = bytearray(log.read_bytes())
    data[block_offsets(log)[36]] ^= 0x10
    log.write_bytes(data)
    storage = open_storage(home, CONFIG)
    held = [batch for _, batch in storage.batch_log.recover(0, storage.database.batches_committed)]
    assert storage.repaired
    assert storage.database.tip() == tip_of(36)
    assert held == [b"batch %d" % height for height in range(37, 41)]
    assert list(storage.consensus_log.records(36)) == [b"inputs of %d" % height for height in range(37, 41)]
    assert not storage.log_replaced
    storage.close()


def test_every_kind_of_damage_to_the_database_log_is_refused_or_leaves_a_whole_block(
    home: Home, tmp_path: Path
) -> None:
    log = database_log(home)
    whole = log.read_bytes()
    outcomes: Counter[str] = Counter()
    copy = Home(tmp_path / "copy")
    for step in range(40):
        shutil.rmtree(copy.root, ignore_errors=True)
        shutil.copytree(home.root, copy.root)
        data = bytearray(whole)
        data[(step * len(whole)) // 40 + step] ^= 1 << (step % 8)
        (copy.database / log.name).write_bytes(data)
        try:
            with opened(copy) as storage:
                height = storage.database.tip().height
                assert height >= 29
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
