"""Consensus log: every synced record is replayed in order, torn ends are cut, damage stops the node, old segments
go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.errors import FatalError
from hnnode.storage.consensus_log import RECORD_BYTES_MAX, ConsensusLog
from hnnode.storage.record_file import HEADER_BYTES


def last_segment(directory: Path) -> Path:
    return max(directory.glob("*.log"))


def records(directory: Path, above: int = 0) -> list[bytes]:
    log = ConsensusLog(directory)
    found = list(log.records(above))
    log.close()
    return found


def write(log: ConsensusLog, *items: tuple[int, bytes]) -> None:
    for height, record in items:
        log.append(height, record)
    log.sync()


def test_records_come_back_in_order_and_by_height(tmp_path: Path) -> None:
    assert not ConsensusLog.exists(tmp_path)
    log = ConsensusLog(tmp_path)
    assert (log.record_count, log.floor) == (0, 0)
    write(log, (1, b"a"), (2, b"b"), (1, b""), (3, b"c" * 1000))
    assert list(log.records()) == [b"a", b"b", b"", b"c" * 1000]
    log.close()
    assert ConsensusLog.exists(tmp_path)
    log = ConsensusLog(tmp_path)
    assert list(log.records(1)) == [b"b", b"c" * 1000]
    assert log.record_count == 4
    write(log, (4, b"d"))
    log.close()
    assert records(tmp_path, 2) == [b"c" * 1000, b"d"]


def test_the_position_rises_with_every_sync_and_over_segments(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path, segment_bytes=100)
    seen = [log.position()]
    for height in range(1, 20):
        log.append(height, b"r" * 30)
        assert log.position() == seen[-1]
        log.sync()
        seen.append(log.position())
    assert seen == sorted(set(seen))
    log.close()
    assert ConsensusLog(tmp_path, segment_bytes=100).position() == seen[-1]


def test_a_log_begun_anew_goes_on_counting(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path, first_number=7, first_base=40)
    assert (log.position()[0], log.floor) == (7, 40)
    write(log, (41, b"x"))
    log.close()
    assert records(tmp_path) == [b"x"]


def test_appends_are_written_together_and_synced_once(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path)
    write(log, *((1, b"x") for _ in range(100)))
    log.sync()
    assert log.sync_count == 1
    log.append(1, b"y" * 300_000)
    assert log.record_count == 101, "many waiting bytes are written without a sync"
    log.close()
    assert len(records(tmp_path)) == 101


def test_a_record_over_the_limit_is_refused(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path)
    with pytest.raises(FatalError, match="consensus record has"):
        log.append(1, b"x" * (RECORD_BYTES_MAX + 1))
    log.close()


def test_segments_go_when_the_committed_height_has_passed_all_their_records(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path, segment_bytes=200)
    for height in range(1, 50):
        write(log, (height, b"record of %03d" % height), (height + 1, b"early of %03d" % (height + 1)))
        log.drop_through(height)
        assert log.floor <= height
        kept = list(log.records(height))
        assert b"early of %03d" % (height + 1) in kept
        assert log.segment_count <= 3
    assert log.floor > 40
    floor = log.floor
    log.close()
    log = ConsensusLog(tmp_path, segment_bytes=200)
    assert log.floor == floor
    assert b"early of 050" in list(log.records(49))
    assert all(int(r[-3:]) > floor for r in log.records(floor))
    log.close()


def test_nothing_is_dropped_while_the_chain_stands(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path, segment_bytes=100)
    for height in range(1, 20):
        write(log, (height, b"%d" % height * 20))
    assert log.segment_count > 10
    assert len(list(log.records())) == 19
    assert log.floor == 0
    log.close()


def test_the_log_cut_at_every_byte_keeps_every_whole_record(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path)
    items = [b"one", b"second", b"x" * 25]
    ends = []
    for item in items:
        write(log, (1, item))
        ends.append(last_segment(tmp_path).stat().st_size)
    log.close()
    path = last_segment(tmp_path)
    whole = path.read_bytes()
    for size in range(HEADER_BYTES, len(whole) + 1):
        path.write_bytes(whole[:size])
        want = [item for item, end in zip(items, ends, strict=True) if end <= size]
        log = ConsensusLog(tmp_path)
        assert list(log.records()) == want
        write(log, (2, b"again"))
        log.close()
        assert records(tmp_path) == [*want, b"again"]


def test_every_flipped_bit_before_the_tail_stops_the_node(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path)
    write(log, (1, b"vote one"))
    write(log, (1, b"vote two"))
    synced = last_segment(tmp_path).stat().st_size
    write(log, (2, b"later"))
    log.close()
    path = last_segment(tmp_path)
    whole = path.read_bytes()
    for byte in range(synced):
        data = bytearray(whole)
        data[byte] ^= 1 << (byte % 8)
        path.write_bytes(data)
        with pytest.raises(FatalError, match="5043"):
            ConsensusLog(tmp_path)
        assert path.read_bytes() == bytes(data)


def test_damage_in_an_older_segment_stops_the_node(tmp_path: Path) -> None:
    log = ConsensusLog(tmp_path, segment_bytes=100)
    for height in range(1, 10):
        write(log, (height, b"r" * 60))
    log.close()
    path = min(tmp_path.glob("*.log"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FatalError, match="5043"):
        ConsensusLog(tmp_path)
    path.unlink()
    assert len(records(tmp_path)) > 0
    middle = sorted(tmp_path.glob("*.log"))[1]
    middle.unlink()
    with pytest.raises(FatalError, match=r"5043.*missing"):
        ConsensusLog(tmp_path)


def test_a_failed_fsync_is_never_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ConsensusLog(tmp_path)
    log.append(1, b"x")

    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(FatalError, match="6001"):
            log.sync()
    with pytest.raises(FatalError, match="earlier"):
        log.sync()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.binary(max_size=80)), max_size=40),
    st.integers(0, 30),
    st.integers(60, 400),
)
def test_replay_equals_a_plain_list_after_any_rotation(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[int, bytes]], committed: int, segment_bytes: int
) -> None:
    """Whatever was dropped, nothing above the committed height is missing."""
    directory = tmp_path_factory.mktemp("log")
    log = ConsensusLog(directory, segment_bytes)
    for i, (height, record) in enumerate(items):
        write(log, (height, record))
        if i == len(items) // 2:
            log.drop_through(committed)
    log.close()
    log = ConsensusLog(directory, segment_bytes)
    assert list(log.records(committed)) == [record for height, record in items if height > committed]
    assert log.floor <= committed
    log.close()
