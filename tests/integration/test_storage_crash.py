"""Crashes of real processes: whatever the moment, the store is at a whole block, and nothing published is lost.

This file is also the program of the child processes: `python test_storage_crash.py write <home> [file size limit]`.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hnnode_native import PageLayer

from hnnode.config import StorageConfig
from hnnode.errors import ConfigError, FatalError
from hnnode.ports import BatchLocation, CommitRecord, Tip, TxLocation
from hnnode.storage import Home, Storage, file_turn, layout, open_storage
from tests.kit.store import copy_live

CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=8 << 20, segment_bytes=1 << 16, tree_cache_bytes=1 << 20, snapshots_max=4
)
KILLS = int(os.environ.get("HN_CRASH_KILLS", "6"))
TXS = 20


def tip_of(height: int) -> Tip:
    return Tip(height, struct.pack(">Q", height) * 4, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)


def tx_id_of(height: int, index: int) -> bytes:
    return struct.pack(">QI", height, index) + b"T" * 20


def page_id_of(height: int) -> bytes:
    """Every 256th block changes the same page at the bottom."""
    return bytes([2, height % 256])


def record_of(height: int, place: BatchLocation) -> CommitRecord:
    """What the execution of block `height` comes to, the first time and again."""
    ids = [tx_id_of(height, i) for i in range(TXS)]
    receipts = [b"\x01" + tx_id + bytes(4) for tx_id in ids]
    writes: list[tuple[bytes, bytes | None]] = [(b"\x01ah", b"%d" % height), (b"\x01a%d" % height, b"x" * 200)]
    return CommitRecord(
        tip_of(height),
        b"value %d" % height,
        b"certificate",
        [(b"D" * 32, TXS, place)],
        TXS,
        layout.pack_receipts(receipts),
        writes,
        PageLayer([(b"\x00", b"%d" % height), (page_id_of(height), b"%d" % height * 50)]),
        [(b"A" * 20, height)],
    )


def write_block(storage: Storage, height: int) -> None:
    storage.consensus_log.append(height, b"inputs of %d" % height)
    storage.consensus_log.sync()
    storage.sign_state.reserve(height + 15)
    place = storage.batch_log.append([b"batch %d " % height * 40])[0]
    storage.batch_log.sync()
    storage.database.write(record_of(height, place))


def redo(storage: Storage) -> int:
    count = 0
    for logged in storage.redo():
        assert storage.batch_log.read(logged.block.batches[0][2]) == b"batch %d " % logged.tip.height * 40
        storage.database.redo(record_of(logged.tip.height, logged.block.batches[0][2]), logged)
        count += 1
    return count


def start(home: Home) -> Storage:
    storage = open_storage(home, CONFIG)
    if storage.database.is_empty():
        storage.database.write_genesis(
            tip_of(0), b"genesis", b"validators", [(b"\x01ah", b"0")], PageLayer([(b"\x00", b"0")])
        )
    redo(storage)
    list(storage.batch_log.recover(0, storage.database.batches_committed))
    return storage


def check_whole(storage: Storage) -> int:
    """Every part of every block up to the tip agrees, and nothing of a later one shows. Returns the tip's height."""
    database = storage.database
    height = database.tip().height
    assert database.tip() == tip_of(height)
    assert database.state().get(b"\x01ah") == b"%d" % height
    assert database.state().pages([b"\x00"]) == [b"%d" % height]
    recent = range(max(1, height - 255), height + 1)
    assert database.state().pages([page_id_of(at) for at in recent]) == [b"%d" % at * 50 for at in recent]
    assert database.state().get(b"\x01a%d" % (height + 1)) is None
    assert database.author_seqs() == ({b"A" * 20: height} if height else {})
    for at in range(1, height + 1):
        block = database.block(at)
        assert block is not None
        assert block.value == b"value %d" % at
        assert database.batch(block.batches[0][2]) == b"batch %d " % at * 40
        assert database.tx_ids(at) == [tx_id_of(at, i) for i in range(TXS)]
        assert database.tx_locations([tx_id_of(at, TXS - 1)]) == [TxLocation(at, TXS - 1)]
    assert database.committed_flags(tx_id_of(height + 1, 0)) == b"\x00"
    assert not storage.log_replaced
    return height


def child(home: Path, *args: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "write", str(home), *args]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def test_killed_at_any_moment_the_store_is_at_a_whole_block(tmp_path: Path) -> None:
    """The same home again and again; the parent believes only heights that the child published."""
    home = Home(tmp_path / "node")
    home.create()
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    last = 0
    in_files: list[int] = []
    again: list[int] = []
    page_files: list[int] = []
    for _ in range(KILLS):
        process = child(home.root)
        assert process.stdout is not None
        assert process.stderr is not None
        published = last
        for line in process.stdout:
            published = int(line)
            if rng.random() < 0.05:
                break
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            published = int(line)
        assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
        process.stdout.close()
        process.stderr.close()
        page_files.append(len(list((home.database / file_turn.PAGES_DIRECTORY).iterdir())))
        storage = open_storage(home, CONFIG)
        in_files.append(storage.database.pending_height())
        again.append(redo(storage))
        list(storage.batch_log.recover(0, storage.database.batches_committed))
        height = check_whole(storage)
        storage.close()
        assert published <= height <= published + 2, f"seed {seed}"
        last = height
    assert last > 0
    # Both happened: the files followed, and something above them was executed again.
    assert max(in_files) > 10, f"seed {seed}"
    assert max(again) > 0, f"seed {seed}"
    # However often they were written, merging leaves few.
    assert max(page_files) < 24, f"seed {seed}: {page_files}"


def test_a_power_cut_keeps_what_was_flushed_and_no_half_of_the_rest(tmp_path: Path) -> None:
    """The block log cut at many lengths past the last fsync, as a power cut may leave it; all but the genesis is in
    there."""
    alive, kept = Home(tmp_path / "alive"), Home(tmp_path / "kept")
    alive.create()
    storage = start(alive)
    for height in range(1, 11):
        write_block(storage, height)
    assert storage.database.flush() == 10
    log = max(alive.blocks.glob("*.blocks"))
    synced = log.stat().st_size
    for height in (11, 12):
        write_block(storage, height)
        # Written and not synced: the fsync is what the power cut takes away.
        storage.block_log.append([storage.database._unlogged.popleft()])
    size = log.stat().st_size
    copy_live(alive.root, kept.root)
    storage.close()
    seen = set()
    for cut in [*range(synced, size, max(1, (size - synced) // 30)), size]:
        copy = Home(tmp_path / "copy")
        shutil.copytree(kept.root, copy.root)
        with (copy.blocks / log.name).open("r+b") as file:
            file.truncate(cut)
        storage = start(copy)
        seen.add(check_whole(storage))
        storage.close()
        shutil.rmtree(copy.root)
    assert seen == {10, 11, 12}


def test_a_clean_stop_leaves_nothing_to_execute_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "node")
    home.create()
    storage = start(home)
    for height in range(1, 11):
        write_block(storage, height)
        storage.database.flush()
        storage.database.publish(height)
    storage.close()
    storage = open_storage(home, CONFIG)
    assert storage.database.tip() == tip_of(10)
    assert redo(storage) == 0
    storage.close()


@pytest.mark.parametrize("limit", [20_000, 40_000, 120_000])
def test_a_write_that_fails_stops_the_process_and_the_store_stays_whole(tmp_path: Path, limit: int) -> None:
    """RLIMIT_FSIZE stands in for a full disk: whichever file meets the limit, the process ends with STORAGE_FAILED."""
    home = Home(tmp_path / "node")
    home.create()
    start(home).close()
    process = child(home.root, str(limit))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"STORAGE_FAILED (6001)" in err.splitlines()[-1]
    published = max((int(line) for line in out.split()), default=0)
    storage = start(home)
    assert check_whole(storage) >= published
    write_block(storage, storage.database.tip().height + 1)
    storage.close()


def test_files_that_cannot_be_written_in_the_background_stop_the_process_and_nothing_is_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only RocksDB's own files are large enough to meet the limit. The failed process closes nothing, because rocksdict
    would bring single families into files; what the block log holds is executed again."""
    home = Home(tmp_path / "node")
    home.create()
    start(home).close()
    process = child(home.root, "700000", "2000")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"RocksDB could not write its files" in err.splitlines()[-1]
    published = max((int(line) for line in out.split()), default=0)
    monkeypatch.setattr(sys.modules[__name__], "TXS", 2000)
    storage = open_storage(home, CONFIG)
    assert redo(storage) > 0
    list(storage.batch_log.recover(0, storage.database.batches_committed))
    assert check_whole(storage) >= published > 0
    storage.close()


def test_a_process_cannot_open_the_home_of_a_running_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "node")
    home.create()
    process = child(home.root)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    with pytest.raises(ConfigError, match=f"6005.*{process.pid}"):
        open_storage(home, CONFIG)
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    start(home).close()


def write_forever(home: Home, file_bytes_max: int | None) -> None:
    if file_bytes_max is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
    storage = start(home)
    # Files and segments in quick succession, so that kills meet the flush of all families and what it allows to drop.
    file_turn.REDO_BLOCKS_MAX = 10
    storage.block_log._segment_bytes = 1 << 12
    try:
        while True:
            height = storage.database.pending_height() + 1
            write_block(storage, height)
            storage.database.flush()
            storage.database.publish(height)
            storage.consensus_log.drop_through(height)
            print(height, flush=True)
    except FatalError:
        # As an orderly stop would: it must not make things worse.
        with suppress(FatalError):
            storage.database.close()
        raise


if __name__ == "__main__":
    if sys.argv[1] != "write":
        raise FatalError("INTERNAL_ERROR", f"unknown command {sys.argv[1]}")
    if len(sys.argv) > 4:
        TXS = int(sys.argv[4])
    write_forever(Home(Path(sys.argv[2])), int(sys.argv[3]) if len(sys.argv) > 3 else None)
