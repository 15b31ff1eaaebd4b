"""Append-only log of committed blocks: the redo record of the database, which itself is written without a log.

append → sync → publish. After a crash the database stands at its last flush, and the blocks above it are read from here and
executed again. A record holds what decides the result, not the result: value, certificate, places of the batches, and the
roots that the execution must come to.

A segment goes when the database holds all its heights in files. Heights rise from record to record; one is missing where
the database had a block in its files before the log had it, and the process died in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hnnode.errors import FatalError, invariant
from hnnode.ports import LoggedBlock
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.files import fsync_directory
from hnnode.storage.layout import decode_logged, encode_logged
from hnnode.storage.record_file import FILE_BYTES_MAX, HEADER_BYTES, RecordFile, list_segments, segment_path

MAGIC = b"HNBLOCK1"
SUFFIX = ".blocks"
SEGMENT_BYTES = 8 * 1024 * 1024
RECORD_BYTES_MAX = 64 * 1024 * 1024


class BlockLog:
    """Opened and checked on construction; one thread appends, syncs and drops, `position` is for every thread.

    `last_height` is -1 while the log is empty. Counters since construction: `sync_count`, `bytes_appended`.
    """

    def __init__(self, directory: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Raises FatalError STORAGE_CORRUPT for damage anywhere but in the torn end, which is cut; STORAGE_FAILED."""
        invariant(segment_bytes + RECORD_BYTES_MAX <= FILE_BYTES_MAX, f"segment_bytes is {segment_bytes}")
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segments: list[RecordFile] = []
        self._last_heights: list[int] = []
        self.last_height = -1
        self.sync_count = 0
        self.bytes_appended = 0
        with STORAGE:
            found = list_segments(directory, SUFFIX)
            for number, path in found:
                self._adopt(RecordFile.open(path, MAGIC, number), number == found[-1][0])
            if not found:
                self._segments.append(RecordFile.create(segment_path(directory, 0, SUFFIX), MAGIC, 0, 0))
                self._last_heights.append(-1)

    def position(self) -> tuple[int, int]:
        """(segment, bytes of it that are durable): rises for ever, so an older copy of the log can be told."""
        tail = self._segments[-1]
        return tail.number, tail.synced

    @property
    def segment_count(self) -> int:
        return len(self._segments)

    def blocks(self, above_height: int) -> Iterator[LoggedBlock]:
        """The blocks above a height, without a gap, one in memory at a time.

        Raises: FatalError STORAGE_CORRUPT when the next height is missing or a record is damaged.
        """
        expected = above_height + 1
        for segment, last in zip(tuple(self._segments), tuple(self._last_heights), strict=True):
            if last < expected:
                continue
            for head in segment.heads():
                logged = decode_logged(segment.read(head.offset, head.length))
                if logged.tip.height < expected:
                    continue
                if logged.tip.height > expected:
                    raise corrupt(
                        f"{segment.path}: the database ends at height {above_height} and the block log goes on with "
                        f"height {logged.tip.height}, want {expected}: one of them is an old copy or of another chain"
                    )
                yield logged
                expected += 1

    def append(self, blocks: list[LoggedBlock]) -> None:
        """Write blocks with rising heights; not durable until `sync`. Raises FatalError STORAGE_FAILED, and ever after."""
        payloads: list[bytes] = []
        for logged in blocks:
            height = logged.tip.height
            invariant(height > self.last_height, f"block log: append of height {height} after {self.last_height}")
            payload = encode_logged(logged)
            invariant(len(payload) <= RECORD_BYTES_MAX, f"block {height} has {len(payload)} bytes")
            payloads.append(payload)
            self.last_height = height
        if not payloads:
            return
        if self._segments[-1].size >= self._segment_bytes:
            self._rotate()
        tail = self._segments[-1]
        before = tail.size
        tail.append(payloads)
        self._last_heights[-1] = self.last_height
        self.bytes_appended += tail.size - before

    def sync(self) -> None:
        """Make every appended block durable (one fdatasync, none when nothing is new). Raises FatalError; never
        retried."""
        if self._segments[-1].sync():
            self.sync_count += 1

    def drop_through(self, height: int) -> None:
        """The database holds the blocks up to `height` in its files: segments with nothing above it go, oldest first."""
        kept = next((i for i, last in enumerate(self._last_heights[:-1]) if last > height), len(self._segments) - 1)
        with STORAGE:
            for segment in self._segments[:kept]:
                # One by one: a crash in between must not leave a gap.
                segment.path.unlink()
                fsync_directory(self._directory)
        del self._segments[:kept], self._last_heights[:kept]

    def close(self) -> None:
        """Sync and let go of the files."""
        self.sync()
        self._segments, self._last_heights = self._segments[-1:], self._last_heights[-1:]

    def _adopt(self, segment: RecordFile, is_last: bool) -> None:
        position = HEADER_BYTES
        bad: FatalError | None = None
        for head in segment.heads():
            try:
                payload = segment.read(head.offset, head.length)
            except FatalError as e:
                bad = e
                break
            height = decode_logged(payload).tip.height
            if height <= self.last_height:
                raise corrupt(f"{segment.path}: height {height} after {self.last_height}")
            self.last_height = height
            position = head.end
        if position < segment.size:
            if not is_last or segment.synced_beyond(position):
                raise bad or corrupt(f"{segment.path}: damaged at offset {position}")
            segment.cut(position)
        elif is_last:
            # A killed process leaves whole records that were never synced; the database is about to follow them.
            segment.settle()
        self._segments.append(segment)
        self._last_heights.append(self.last_height)

    def _rotate(self) -> None:
        self.sync()
        number = self._segments[-1].number + 1
        with STORAGE:
            following = RecordFile.create(segment_path(self._directory, number, SUFFIX), MAGIC, number, 0)
        self.sync_count += 2
        self._segments.append(following)
        self._last_heights.append(self.last_height)
