"""Batch log: what was synced is never lost, what was torn is cut, what was damaged is reported, at every byte."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.errors import FatalError
from hnnode.ports import BatchLocation
from hnnode.storage.batch_log import BATCH_BYTES_MAX, BatchLog
from hnnode.storage.record_file import HEADER_BYTES, RECORD_HEAD_BYTES

SEGMENT_BYTES = 400


def nothing_committed(locations: Sequence[BatchLocation]) -> list[bool]:
    return [False] * len(locations)


def opened(directory: Path, segment_bytes: int = SEGMENT_BYTES) -> BatchLog:
    log = BatchLog(directory, segment_bytes)
    list(log.recover(0, nothing_committed))
    return log


def last_segment(directory: Path) -> Path:
    return max(directory.glob("*.batches"))


def held(directory: Path, committed: set[BatchLocation] | None = None) -> list[tuple[BatchLocation, bytes]]:
    log = BatchLog(directory, SEGMENT_BYTES)
    found = list(log.recover(0, lambda at: [x in (committed or set()) for x in at]))
    log.close()
    return found


def test_batches_are_read_where_append_said(tmp_path: Path) -> None:
    log = opened(tmp_path)
    batches = [bytes([i]) * (i + 1) for i in range(60)]
    places = log.append(batches[:30]) + log.append([]) + log.append(batches[30:])
    log.sync()
    assert [log.read(at) for at in places] == batches
    assert places[-1].segment > 2
    assert [at for at in places if at.offset + at.length > SEGMENT_BYTES] == []
    log.close()
    log = opened(tmp_path)
    assert [log.read(at) for at in places] == batches
    more = log.append([b"more"])[0]
    assert log.read(more) == b"more"
    log.close()


def test_a_batch_larger_than_a_segment_stands_alone(tmp_path: Path) -> None:
    log = opened(tmp_path)
    places = log.append([b"a", b"b" * 1000, b"c"])
    assert [at.segment for at in places] == [0, 1, 2]
    assert [log.read(at) for at in places] == [b"a", b"b" * 1000, b"c"]
    log.close()


def test_sync_counts_only_when_there_is_something_new(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.sync()
    assert log.sync_count == 0
    log.append([b"x"])
    log.sync()
    log.sync()
    assert (log.sync_count, log.bytes_appended) == (1, RECORD_HEAD_BYTES + 1)
    log.close()


@pytest.mark.parametrize("size", [0, BATCH_BYTES_MAX + 1])
def test_sizes_out_of_bounds_are_refused(tmp_path: Path, size: int) -> None:
    log = opened(tmp_path)
    with pytest.raises(FatalError, match="batch has"):
        log.append([b"x" * size])
    log.close()


def test_append_before_recover_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="recover"):
        BatchLog(tmp_path, SEGMENT_BYTES).append([b"x"])


def test_places_without_a_record_are_reported(tmp_path: Path) -> None:
    log = opened(tmp_path)
    place = log.append([b"x" * 50])[0]
    for wrong in (
        BatchLocation(9, place.offset, place.length),
        BatchLocation(0, place.offset + 1, place.length),
        BatchLocation(0, place.offset, place.length - 1),
        BatchLocation(0, 10_000, 5),
    ):
        with pytest.raises(FatalError, match="6006"):
            log.read(wrong)
    log.close()


def test_recover_gives_only_what_no_block_holds(tmp_path: Path) -> None:
    log = opened(tmp_path)
    places = log.append([bytes([65 + i]) * 40 for i in range(20)])
    log.close()
    committed = set(places[::2])
    found = held(tmp_path, committed)
    assert found == [(at, bytes([65 + i]) * 40) for i, at in enumerate(places) if i % 2]


def test_recover_starts_where_it_is_told(tmp_path: Path) -> None:
    log = opened(tmp_path)
    places = log.append([bytes([65 + i]) * 100 for i in range(12)])
    log.close()
    log = BatchLog(tmp_path, SEGMENT_BYTES)
    found = [at for at, _ in log.recover(2, nothing_committed)]
    assert found == [at for at in places if at.segment >= 2]
    log.close()


def test_the_log_cut_at_every_byte_keeps_every_whole_record(tmp_path: Path) -> None:
    """A process or power failure may leave any prefix of what was not synced."""
    log = opened(tmp_path)
    batches = [b"first", b"second!", b"x" * 30]
    places = log.append(batches)
    log.close()
    path = last_segment(tmp_path)
    whole = path.read_bytes()
    for size in range(HEADER_BYTES, len(whole) + 1):
        path.write_bytes(whole[:size])
        want = [b for at, b in zip(places, batches, strict=True) if at.offset + RECORD_HEAD_BYTES + at.length <= size]
        log = BatchLog(tmp_path, SEGMENT_BYTES)
        assert [b for _, b in log.recover(0, nothing_committed)] == want
        again = log.append([b"again"])[0]
        log.sync()
        assert log.read(again) == b"again"
        log.close()
        assert [b for _, b in held(tmp_path)] == [*want, b"again"]


@pytest.mark.parametrize("filler", [b"\x00", b"\xff", None])
def test_a_tail_of_garbage_pages_is_cut(tmp_path: Path, filler: bytes | None) -> None:
    """After a power cut the unsynced end may be zeros or old disk content, with a whole record behind it."""
    log = opened(tmp_path)
    log.append([b"synced"])
    log.sync()
    log.append([b"lost" * 5, b"kept by chance"])
    path = last_segment(tmp_path)
    data = bytearray(path.read_bytes())
    start = HEADER_BYTES + RECORD_HEAD_BYTES + 6
    data[start : start + 25] = os.urandom(25) if filler is None else filler * 25
    log.close()
    path.write_bytes(data)
    assert [b for _, b in held(tmp_path)] == [b"synced"]
    assert path.stat().st_size == start


def test_every_flipped_bit_of_the_synced_part_is_noticed(tmp_path: Path) -> None:
    log = opened(tmp_path)
    places = [log.append([b"one" * 3])[0], log.append([b"two" * 4])[0]]
    log.sync()
    log.append([b"three"])
    log.close()
    path = last_segment(tmp_path)
    whole = path.read_bytes()
    end_of_synced = places[1].offset + RECORD_HEAD_BYTES + places[1].length
    for byte in range(end_of_synced):
        data = bytearray(whole)
        data[byte] ^= 1 << (byte % 8)
        path.write_bytes(data)
        with pytest.raises(FatalError, match="6006"):
            held(tmp_path)
        assert path.read_bytes() == bytes(data), "a damaged log must be left as it is"


def test_a_flipped_bit_in_a_committed_batch_is_noticed_on_read(tmp_path: Path) -> None:
    log = opened(tmp_path)
    place = log.append([b"committed"])[0]
    log.close()
    path = last_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    log = BatchLog(tmp_path, SEGMENT_BYTES)
    assert list(log.recover(0, lambda at: [True] * len(at))) == []
    with pytest.raises(FatalError, match="6006"):
        log.read(place)
    log.close()


def test_damage_before_a_committed_batch_is_no_torn_tail(tmp_path: Path) -> None:
    log = opened(tmp_path)
    places = log.append([b"bad later", b"committed"])
    log.close()
    path = last_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[places[0].offset + RECORD_HEAD_BYTES] ^= 1
    path.write_bytes(data)
    with pytest.raises(FatalError, match="6006"):
        held(tmp_path, {places[1]})


def test_an_older_segment_must_be_whole(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([b"x" * 100 for _ in range(6)])
    log.close()
    path = min(tmp_path.glob("*.batches"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FatalError, match="6006"):
        held(tmp_path)


def test_a_missing_or_foreign_segment_is_refused(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([b"x" * 200 for _ in range(5)])
    log.close()
    first, second, *_ = sorted(tmp_path.glob("*.batches"))
    kept = first.read_bytes()
    first.unlink()
    with pytest.raises(FatalError, match=r"6006.*missing"):
        BatchLog(tmp_path, SEGMENT_BYTES)
    first.write_bytes(kept)
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(FatalError, match=r"6006.*missing"):
        BatchLog(tmp_path, SEGMENT_BYTES)
    second.write_bytes(kept)
    with pytest.raises(FatalError, match=r"6006.*number 0, want"):
        held(tmp_path)
    second.write_bytes(content)
    assert len(held(tmp_path)) == 5


def test_a_half_made_segment_is_removed(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([b"x"])
    log.close()
    (tmp_path / "0000000001.batches.new").write_bytes(b"half")
    assert len(held(tmp_path)) == 1
    assert list(tmp_path.glob("*.new")) == []


def test_a_payload_cannot_pretend_to_be_a_record(tmp_path: Path) -> None:
    """Batches hold clients' bytes: a record inside a torn batch must not pass for evidence of damage."""
    log = opened(tmp_path, 4096)
    log.append([b"x" * 10])
    path = last_segment(tmp_path)
    for salt in (b"\x00" * 8, b"HNBATCH1", path.read_bytes()[:8]):
        log.append([(salt + struct.pack(">III", 4, 4000, 0) + b"fake") * 5])
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert len(held(tmp_path)) == 3


def test_a_failed_fsync_is_never_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(tmp_path)
    log.append([b"x"])
    calls = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(FatalError, match=r"6001.*Input/output"):
            log.sync()
    for again in (log.sync, lambda: log.append([b"y"])):
        with pytest.raises(FatalError, match="earlier"):
            again()
    assert len(calls) == 1


def test_a_failed_write_ends_the_log_and_leaves_a_tail_that_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    log.append([b"good"])
    log.sync()
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 5:
            return real(fd, bytes(data)[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(FatalError, match=r"6001.*No space"):
            log.append([b"never whole" * 3])
    with pytest.raises(FatalError, match="earlier"):
        log.append([b"y"])
    del log
    assert [b for _, b in held(tmp_path)] == [b"good"]


def test_many_threads_read_while_one_appends(tmp_path: Path) -> None:
    log = opened(tmp_path, 20_000)
    known: list[tuple[BatchLocation, bytes]] = []
    faults: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for at, batch in known[-50:]:
                if log.read(at) != batch:
                    faults.append(at)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(1500):
        batch = struct.pack(">I", i) * 100
        known.append((log.append([batch])[0], batch))
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert log.end[0] > 20
    assert all(log.read(at) == batch for at, batch in known)
    log.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=120), max_size=5), max_size=8),
    st.integers(0, 200),
    st.binary(max_size=30),
)
def test_any_tail_leaves_a_prefix_and_never_less_than_was_synced(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[bytes]], cut: int, garbage: bytes
) -> None:
    """Against a naive twin: the list of batches. Each group is synced but the last."""
    directory = tmp_path_factory.mktemp("log")
    log = opened(directory)
    for group in groups[:-1]:
        log.append(group)
        log.sync()
    synced_segment, synced_size = log.end
    for group in groups[-1:]:
        log.append(group)
    everything = [batch for group in groups for batch in group]
    synced_count = sum(len(group) for group in groups[:-1])
    segment, size = log.end
    log.close()
    path = last_segment(directory)
    floor = synced_size if segment == synced_segment else HEADER_BYTES
    with path.open("r+b") as file:
        file.truncate(max(floor, size - cut))
        file.seek(0, 2)
        file.write(garbage)
    found = [batch for _, batch in held(directory)]
    assert found == everything[: len(found)]
    assert len(found) >= synced_count
