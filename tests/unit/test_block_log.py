"""Block log: rising heights, torn end cut, damage told, segments dropped only below what the database holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.errors import FatalError
from hnnode.ports import BatchLocation, LoggedBlock, StoredBlock, Tip
from hnnode.storage.block_log import BlockLog


def logged(height: int) -> LoggedBlock:
    tip = Tip(height, b"%032d" % height, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)
    batches = ((b"D" * 32, 3, BatchLocation(0, 40 * height, 20)),)
    block = StoredBlock(height, tip.block_hash, b"value %d" % height, b"certificate", 3, batches)
    return LoggedBlock(tip, block, (1, 100 * height))


def fill(log: BlockLog, *heights: int) -> None:
    for height in heights:
        log.append([logged(height)])
        log.sync()


def heights_of(log: BlockLog, above: int = 0) -> list[int]:
    return [block.tip.height for block in log.blocks(above)]


def test_blocks_come_back_as_they_were(tmp_path: Path) -> None:
    log = BlockLog(tmp_path)
    assert (log.last_height, list(log.blocks(0)), list(log.blocks(-1))) == (-1, [], [])
    log.append([logged(1), logged(2)])
    log.append([])
    log.sync()
    log.sync()
    assert (log.sync_count, log.last_height) == (1, 2)
    fill(log, 3)
    log.close()
    again = BlockLog(tmp_path)
    assert list(again.blocks(0)) == [logged(1), logged(2), logged(3)]
    assert list(again.blocks(2)) == [logged(3)]
    assert list(again.blocks(3)) == list(again.blocks(9)) == []
    assert again.position() == (0, (tmp_path / "0000000000.blocks").stat().st_size)


def test_heights_rise(tmp_path: Path) -> None:
    log = BlockLog(tmp_path)
    fill(log, 5)
    for height in (5, 4):
        with pytest.raises(FatalError, match="append of height"):
            log.append([logged(height)])


def test_a_gap_matters_only_above_the_database(tmp_path: Path) -> None:
    log = BlockLog(tmp_path)
    fill(log, 3, 4, 6, 7)
    assert heights_of(log, 5) == [6, 7]
    for above in (0, 1, 2, 3, 4):
        with pytest.raises(FatalError, match=r"6006.*old copy"):
            list(log.blocks(above))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_only_segments_that_the_database_holds_are_dropped(
    tmp_path_factory: pytest.TempPathFactory, drops: list[int], per_segment: int
) -> None:
    directory = tmp_path_factory.mktemp("blocks")
    log = BlockLog(directory, segment_bytes=per_segment * 330)
    held = 0
    for height in range(1, 61):
        fill(log, height)
        for drop in drops:
            if drop <= height:
                log.drop_through(drop)
                held = max(held, drop)
        assert heights_of(log, held) == list(range(held + 1, height + 1))
    assert log.segment_count <= 60 - held + 1
    assert len(list(directory.iterdir())) == log.segment_count
    log.close()
    assert heights_of(BlockLog(directory, per_segment * 330), held) == list(range(held + 1, 61))


@pytest.mark.parametrize("torn", [b"\x00" * 100, b"garbage", b""])
def test_a_torn_end_is_cut(tmp_path: Path, torn: bytes) -> None:
    log = BlockLog(tmp_path)
    fill(log, 1, 2)
    log.append([logged(3)])
    log.close()
    path = tmp_path / "0000000000.blocks"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + torn)
    again = BlockLog(tmp_path)
    assert heights_of(again) == [1, 2]
    fill(again, 3)
    assert path.read_bytes()[: len(whole) - 400] == whole[: len(whole) - 400]
    assert heights_of(BlockLog(tmp_path)) == [1, 2, 3]


def test_damage_before_the_end_is_refused(tmp_path: Path) -> None:
    log = BlockLog(tmp_path, segment_bytes=700)
    fill(log, *range(1, 8))
    count = log.segment_count
    assert count > 2
    log.close()
    first = tmp_path / "0000000000.blocks"
    whole = first.read_bytes()
    for place in (10, 40, len(whole) // 2, len(whole) - 1):
        data = bytearray(whole)
        data[place] ^= 1
        first.write_bytes(data)
        with pytest.raises(FatalError, match="6006"):
            BlockLog(tmp_path)
    first.write_bytes(whole)
    (tmp_path / "0000000001.blocks").unlink()
    with pytest.raises(FatalError, match=r"6006.*missing"):
        BlockLog(tmp_path)


def test_after_a_failed_sync_nothing_more_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = BlockLog(tmp_path)
    log.append([logged(1)])

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(FatalError, match="6001"):
        log.sync()
    monkeypatch.undo()
    with pytest.raises(FatalError, match="earlier"):
        log.append([logged(2)])
