"""Log of the consensus engine's inputs: what a restarted node replays so that it never contradicts its own signatures.

append (many) → sync (the engine's barrier) → only then may what depends on it leave the node.

Payload of a record: u64 height ‖ record. Segments are dropped when a new one is begun and the durable committed height
has passed all their records; the new segment's header says up to which height (`base`) the log no longer speaks. So the
database may never be behind `floor`: the votes for the blocks in between would be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hnnode.errors import FatalError, invariant
from hnnode.storage.failure import STORAGE
from hnnode.storage.files import fsync_directory
from hnnode.storage.record_file import FILE_BYTES_MAX, HEADER_BYTES, RecordFile, list_segments, segment_path

MAGIC = b"HNCONSL1"
SUFFIX = ".log"
SEGMENT_BYTES = 16 * 1024 * 1024
RECORD_BYTES_MAX = 4 * 1024 * 1024
_HEIGHT_BYTES = 8
_WAITING_BYTES_MAX = 256 * 1024


class ConsensusLog:
    """Implements ports.ConsensusLog. Opened and checked on construction; one thread appends and syncs.

    Counters since construction: `sync_count`, `bytes_appended`; `record_count` starts with the records found.
    """

    def __init__(
        self, directory: Path, segment_bytes: int = SEGMENT_BYTES, first_number: int = 0, first_base: int = 0
    ) -> None:
        """Raises FatalError CONSENSUS_LOG_CORRUPT (5043) for damage anywhere but in a torn end, which is cut; STORAGE_FAILED.

        first_number, first_base: of the first segment, when there is none yet.
        """
        invariant(segment_bytes + 2 * RECORD_BYTES_MAX <= FILE_BYTES_MAX, f"segment_bytes is {segment_bytes}")
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._committed = 0
        self._segments: list[RecordFile] = []
        self._heights: list[int] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._waiting_height = 0
        self.record_count = 0
        self.sync_count = 0
        self.bytes_appended = 0
        with STORAGE:
            try:
                found = list_segments(directory, SUFFIX)
                for number, path in found:
                    self._adopt(RecordFile.open(path, MAGIC, number), number == found[-1][0])
            except FatalError as e:
                if e.info.name != "STORAGE_CORRUPT":
                    raise
                raise FatalError("CONSENSUS_LOG_CORRUPT", e.detail) from e
            if not found:
                path = segment_path(directory, first_number, SUFFIX)
                self._segments.append(RecordFile.create(path, MAGIC, first_number, first_base))
                self._heights.append(0)

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether a log was ever begun here."""
        with STORAGE:
            return directory.is_dir() and any(path.suffix == SUFFIX for path in directory.iterdir())

    @property
    def floor(self) -> int:
        """Height up to which blocks were durably committed when records were dropped; the database must hold at least
        it."""
        return self._segments[-1].base

    def position(self) -> tuple[int, int]:
        """(segment, bytes of it that are durable): rises for ever, so an older copy of the log can be told. Any thread."""
        tail = self._segments[-1]
        return tail.number, tail.synced

    @property
    def segment_count(self) -> int:
        return len(self._segments)

    def records(self, above_height: int = 0) -> Iterator[bytes]:
        """Records on disk of heights greater than `above_height`, in the order they were appended."""
        for segment in tuple(self._segments):
            for head in segment.heads():
                payload = segment.read(head.offset, head.length)
                if int.from_bytes(payload[:_HEIGHT_BYTES], "big") > above_height:
                    yield payload[_HEIGHT_BYTES:]

    def append(self, height: int, record: bytes) -> None:
        """Take a record that belongs to `height`; written at the next `sync` or when many bytes wait, durable after
        `sync`.

        Raises FatalError STORAGE_FAILED.
        """
        size = len(record)
        invariant(size <= RECORD_BYTES_MAX, f"consensus record has {size} bytes, want at most {RECORD_BYTES_MAX}")
        self._waiting.append(height.to_bytes(_HEIGHT_BYTES, "big") + record)
        self._waiting_bytes += size
        self._waiting_height = max(self._waiting_height, height)
        if self._waiting_bytes >= _WAITING_BYTES_MAX:
            self._write()

    def sync(self) -> None:
        """Make every appended record durable (one fdatasync, none when nothing is new). Raises FatalError; never
        retried."""
        self._write()
        if self._segments[-1].sync():
            self.sync_count += 1

    def drop_through(self, height: int) -> None:
        """Blocks up to `height` are durable in the database: their records go when the next segment begins. Any
        thread."""
        self._committed = max(self._committed, height)

    def close(self) -> None:
        """Sync and let go of the files."""
        self.sync()
        self._segments = self._segments[-1:]

    def _write(self) -> None:
        if not self._waiting:
            return
        if self._segments[-1].size >= self._segment_bytes:
            self._rotate()
        tail = self._segments[-1]
        before = tail.size
        tail.append(self._waiting)
        self.bytes_appended += tail.size - before
        self.record_count += len(self._waiting)
        self._heights[-1] = max(self._heights[-1], self._waiting_height)
        self._waiting, self._waiting_bytes, self._waiting_height = [], 0, 0

    def _adopt(self, segment: RecordFile, is_last: bool) -> None:
        position, height_max = HEADER_BYTES, 0
        bad: FatalError | None = None
        for head in segment.heads():
            try:
                payload = segment.read(head.offset, head.length)
            except FatalError as e:
                bad = e
                break
            if len(payload) < _HEIGHT_BYTES:
                raise FatalError(
                    "CONSENSUS_LOG_CORRUPT", f"{segment.path}: record at offset {head.offset} has no height"
                )
            height_max = max(height_max, int.from_bytes(payload[:_HEIGHT_BYTES], "big"))
            position = head.end
            self.record_count += 1
        if position < segment.size:
            if not is_last or segment.synced_beyond(position):
                raise bad or FatalError("CONSENSUS_LOG_CORRUPT", f"{segment.path}: damaged at offset {position}")
            segment.cut(position)
        elif is_last:
            # A killed process leaves whole records that were never synced; replay is about to rely on them.
            segment.settle()
        self._segments.append(segment)
        self._heights.append(height_max)

    def _rotate(self) -> None:
        if self._segments[-1].sync():
            self.sync_count += 1
        number = self._segments[-1].number + 1
        base = max(self._committed, self.floor)
        with STORAGE:
            following = RecordFile.create(segment_path(self._directory, number, SUFFIX), MAGIC, number, base)
            self._segments.append(following)
            self._heights.append(0)
            self.sync_count += 2
            kept = next(i for i, height in enumerate(self._heights) if height > base or i == len(self._heights) - 1)
            for segment in self._segments[:kept]:
                # One by one, oldest first: a crash in between must not leave a gap.
                segment.path.unlink()
                fsync_directory(self._directory)
            del self._segments[:kept], self._heights[:kept]
