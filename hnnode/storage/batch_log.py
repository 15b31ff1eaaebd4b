"""Append-only segments of transaction batches. Committed blocks refer to them by location, so segments are permanent.

append → sync → (acknowledge, vote, commit a block that names the location). `sync` comes before anybody is told that
the batch is held.

One thread appends and syncs; `read` is for every thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock

from hnnode.errors import FatalError, invariant
from hnnode.ports import BatchLocation
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.record_file import (
    FILE_BYTES_MAX,
    HEADER_BYTES,
    RECORD_HEAD_BYTES,
    RecordFile,
    RecordHead,
    list_segments,
    segment_path,
)

MAGIC = b"HNBATCH1"
SUFFIX = ".batches"
BATCH_BYTES_MAX = 2 * 1024 * 1024
_OPEN_SEGMENTS_MAX = 32
_LOOKUP_COUNT = 1024

Committed = Callable[[Sequence[BatchLocation]], Sequence[bool]]
"""Which of these locations belong to committed blocks (see `Database.batches_committed`)."""


class BatchLog:
    """Construct, `recover` once, then append and read. `sync_count` and `bytes_appended` count since construction."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        """Find the segments. Raises FatalError STORAGE_CORRUPT on a gap or a damaged header, STORAGE_FAILED on I/O
        errors."""
        invariant(
            segment_bytes + RECORD_HEAD_BYTES + BATCH_BYTES_MAX <= FILE_BYTES_MAX, f"segment_bytes is {segment_bytes}"
        )
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = Lock()
        self._cache: OrderedDict[int, RecordFile] = OrderedDict()
        self._recovered = False
        self.sync_count = 0
        self.bytes_appended = 0
        with STORAGE:
            segments = list_segments(directory, SUFFIX)
            if segments and segments[0][0] != 0:
                raise corrupt(f"{directory}: segment 0 is missing")
            if segments:
                number, path = segments[-1]
                self._tail = RecordFile.open(path, MAGIC, number)
            else:
                self._tail = RecordFile.create(segment_path(directory, 0, SUFFIX), MAGIC, 0, 0)

    @property
    def end(self) -> tuple[int, int]:
        """(segment, offset) where the next record would start."""
        return self._tail.number, self._tail.size

    def recover(self, segment_start: int, committed: Committed) -> Iterator[tuple[BatchLocation, bytes]]:
        """Check the log from `segment_start` on, cut its torn end, and give the batches that no committed block holds.

        Run to the end before the first `append`. Batches of committed blocks are only stepped over (`read` checks
        them), one batch is in memory at a time. The caller recomputes each digest from the bytes.
        Raises: FatalError STORAGE_CORRUPT for damage anywhere but in the torn end.
        """
        last = self._tail.number
        for number in range(min(segment_start, last), last + 1):
            segment = self._tail if number == last else self._segment(number)
            yield from self._recover_segment(segment, number == last, committed)
        self._tail.settle()
        self._recovered = True

    def _recover_segment(
        self, segment: RecordFile, is_last: bool, committed: Committed
    ) -> Iterator[tuple[BatchLocation, bytes]]:
        position = HEADER_BYTES
        known_end = 0
        bad: FatalError | None = None
        for head, held in _with_committed(segment, committed):
            if held:
                known_end = head.end
            elif bad is None:
                try:
                    data = segment.read(head.offset, head.length)
                except FatalError as e:
                    bad = e
                else:
                    yield BatchLocation(segment.number, head.offset, head.length), data
            if bad is None:
                position = head.end
        if position == segment.size:
            return
        # Everything after the first bad record goes, so it must be provably unsynced: no later record may vouch for it.
        if not is_last or known_end > position or segment.synced_beyond(position):
            raise bad or corrupt(f"{segment.path}: damaged at offset {position}, before the end of the synced part")
        segment.cut(position)

    def append(self, batches: Sequence[bytes]) -> list[BatchLocation]:
        """Write batches (1 to 2 MiB each); a full segment is synced and followed by a new one. Not durable until
        `sync`.

        Raises: FatalError STORAGE_FAILED; the log takes nothing more after it.
        """
        invariant(self._recovered, "batch log: recover() must run before append()")
        locations: list[BatchLocation] = []
        pending: list[bytes] = []
        size = self._tail.size
        for batch in batches:
            invariant(0 < len(batch) <= BATCH_BYTES_MAX, f"batch has {len(batch)} bytes, want 1 to {BATCH_BYTES_MAX}")
            if size > HEADER_BYTES and size + RECORD_HEAD_BYTES + len(batch) > self._segment_bytes:
                locations += self._append_here(pending)
                pending = []
                self._rotate()
                size = self._tail.size
            pending.append(batch)
            size += RECORD_HEAD_BYTES + len(batch)
        return locations + self._append_here(pending)

    def sync(self) -> None:
        """Make every appended batch durable (one fdatasync, none when nothing is new). Raises FatalError; never
        retried."""
        if self._tail.sync():
            self.sync_count += 1

    def read(self, location: BatchLocation) -> bytes:
        """The batch at `location`, checked against its crc. Raises FatalError STORAGE_CORRUPT (also for a place without
        a record)."""
        tail = self._tail
        segment = tail if location.segment == tail.number else self._segment(location.segment)
        return segment.read(location.offset, location.length)

    def close(self) -> None:
        """Sync and let go of the files."""
        if self._recovered:
            self.sync()
        with self._lock:
            self._cache.clear()

    def _append_here(self, batches: list[bytes]) -> list[BatchLocation]:
        if not batches:
            return []
        number = self._tail.number
        before = self._tail.size
        offsets = self._tail.append(batches)
        self.bytes_appended += self._tail.size - before
        return [BatchLocation(number, at, len(batch)) for at, batch in zip(offsets, batches, strict=True)]

    def _rotate(self) -> None:
        self.sync()
        number = self._tail.number + 1
        with STORAGE:
            following = RecordFile.create(segment_path(self._directory, number, SUFFIX), MAGIC, number, 0)
        self.sync_count += 2
        with self._lock:
            self._remember(self._tail)
        self._tail = following

    def _segment(self, number: int) -> RecordFile:
        with self._lock:
            segment = self._cache.get(number)
            if segment is None:
                if number > self._tail.number:
                    raise corrupt(f"{self._directory}: no batch segment {number}")
                with STORAGE:
                    segment = RecordFile.open(segment_path(self._directory, number, SUFFIX), MAGIC, number)
            self._remember(segment)
        return segment

    def _remember(self, segment: RecordFile) -> None:
        self._cache[segment.number] = segment
        self._cache.move_to_end(segment.number)
        if len(self._cache) > _OPEN_SEGMENTS_MAX:
            self._cache.popitem(last=False)


def _with_committed(segment: RecordFile, committed: Committed) -> Iterator[tuple[RecordHead, bool]]:
    """Heads with their committed flag, looked up many at a time."""
    heads = segment.heads()
    while group := list(islice(heads, _LOOKUP_COUNT)):
        flags = committed([BatchLocation(segment.number, head.offset, head.length) for head in group])
        yield from zip(group, flags, strict=True)
