"""One append-only file of checksummed records: the segment of the batch log and of the consensus log.

File header (32 bytes): magic (8) ‖ u32 number ‖ u64 base ‖ salt (8) ‖ u32 crc32. Record: salt (8) ‖ u32 length ‖ u32
synced ‖ u32 crc32 ‖ payload, the crc over length, synced and payload.

Invariants:
1. A file appears under its name only with its header durable (temporary file, fsync, rename, directory fsync).
2. `synced` says how many bytes of the file were durable when the record was appended. So after a crash a bad record at
   p is damage when a later intact record says synced > p, and otherwise the torn end of writes nobody was promised: it
   is cut. A power cut may lose any page of the unsynced end, so intact records after a bad one prove nothing by
   themselves.
3. The salt is random for each file. Payloads come from outside, and without it a payload could imitate a record and
   fake damage.
4. After a failed write or fsync the file is never written again: the kernel may have dropped the pages it failed to
write."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hnnode.errors import FatalError, invariant
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.files import fsync_directory, write_all

_HEADER = struct.Struct(">8sIQ8sI")
_RECORD = struct.Struct(">8sIII")
_CHECKED = struct.Struct(">II")
HEADER_BYTES = _HEADER.size
RECORD_HEAD_BYTES = _RECORD.size
FILE_BYTES_MAX = 1 << 30
_READ_AHEAD_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class RecordHead:
    """A record's place: `offset` is where its head starts, `length` counts the payload."""

    offset: int
    length: int
    synced: int
    crc: int

    @property
    def end(self) -> int:
        return self.offset + RECORD_HEAD_BYTES + self.length


class RecordFile:
    """A segment. One thread appends; any thread may read; `sync` may run in another thread than `append`."""

    def __init__(self, path: Path, fd: int, number: int, base: int, salt: bytes, size: int, synced: int) -> None:
        self.path = path
        self.number = number
        self.base = base
        self.size = size
        self.synced = synced
        self._salt = salt
        self._fd = fd
        self._failed = False

    @staticmethod
    def create(path: Path, magic: bytes, number: int, base: int) -> RecordFile:
        """A new, durable, empty segment. Raises OSError."""
        salt = os.urandom(8)
        head = _HEADER.pack(magic, number, base, salt, 0)[:-4]
        temporary = path.with_name(path.name + ".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            write_all(fd, head + zlib.crc32(head).to_bytes(4, "big"))
            os.fsync(fd)
            os.rename(temporary, path)
            fsync_directory(path.parent)
        except BaseException:
            os.close(fd)
            raise
        return RecordFile(path, fd, number, base, salt, HEADER_BYTES, HEADER_BYTES)

    @staticmethod
    def open(path: Path, magic: bytes, number: int) -> RecordFile:
        """An existing segment; its records are not looked at. Raises OSError, FatalError STORAGE_CORRUPT (header)."""
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            head = os.pread(fd, HEADER_BYTES, 0)
            if len(head) != HEADER_BYTES or zlib.crc32(head[:-4]) != int.from_bytes(head[-4:], "big"):
                raise corrupt(f"{path}: segment header is damaged")
            found_magic, found_number, base, salt, _ = _HEADER.unpack(head)
            if (found_magic, found_number) != (magic, number):
                raise corrupt(
                    f"{path}: header is {found_magic!r} number {found_number}, want {magic!r} number {number}"
                )
            size = os.fstat(fd).st_size
        except BaseException:
            os.close(fd)
            raise
        return RecordFile(path, fd, number, base, salt, size, HEADER_BYTES)

    def __del__(self) -> None:
        # A reader in another thread may still hold the object when the log lets go of it: the last reference closes.
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def append(self, payloads: Sequence[bytes]) -> list[int]:
        """Write records in one go; returns their offsets. Not durable until `sync`. Raises FatalError
        STORAGE_FAILED."""
        self._check_usable()
        offsets: list[int] = []
        parts: list[bytes] = []
        position, synced = self.size, self.synced
        for payload in payloads:
            length = len(payload)
            crc = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, synced)))
            parts.append(_RECORD.pack(self._salt, length, synced, crc))
            parts.append(payload)
            offsets.append(position)
            position += RECORD_HEAD_BYTES + length
        invariant(position <= FILE_BYTES_MAX, f"{self.path}: segment would grow to {position} bytes")
        try:
            with STORAGE:
                write_all(self._fd, b"".join(parts))
        except FatalError:
            self._failed = True
            raise
        self.size = position
        return offsets

    def sync(self) -> bool:
        """Make all records appended so far durable; False when they already are. Raises FatalError STORAGE_FAILED, and
        ever after."""
        self._check_usable()
        target = self.size
        if target == self.synced:
            return False
        try:
            with STORAGE:
                os.fdatasync(self._fd)
        except FatalError:
            self._failed = True
            raise
        self.synced = target
        return True

    def read(self, offset: int, length: int) -> bytes:
        """Payload of the record at `offset`, checked. Raises FatalError STORAGE_CORRUPT or STORAGE_FAILED.
        Thread-safe."""
        with STORAGE:
            data = os.pread(self._fd, RECORD_HEAD_BYTES + length, offset)
        if len(data) == RECORD_HEAD_BYTES + length:
            salt, found, synced, crc = _RECORD.unpack_from(data)
            payload = data[RECORD_HEAD_BYTES:]
            if (
                salt == self._salt
                and found == length
                and crc == zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, synced)))
            ):
                return payload
        raise corrupt(f"{self.path}: record at offset {offset} (length {length}) is damaged")

    def heads(self, start: int = HEADER_BYTES) -> Iterator[RecordHead]:
        """Heads from `start` on while they are well placed; the last one's `end` is where the well placed part
        stops."""
        window, window_start = b"", start
        while start + RECORD_HEAD_BYTES <= self.size:
            at = start - window_start
            if at + RECORD_HEAD_BYTES > len(window):
                with STORAGE:
                    window, window_start, at = os.pread(self._fd, _READ_AHEAD_BYTES, start), start, 0
                if len(window) < RECORD_HEAD_BYTES:
                    return
            salt, length, synced, crc = _RECORD.unpack_from(window, at)
            head = RecordHead(start, length, synced, crc)
            if salt != self._salt or length == 0 or head.end > self.size:
                return
            yield head
            start = head.end

    def synced_beyond(self, position: int) -> bool:
        """True when an intact record after `position` says that `position` was durable: what is bad there was damaged,
        not torn."""
        with STORAGE:
            rest = os.pread(self._fd, self.size - position, position)
        at = rest.find(self._salt)
        while at >= 0:
            if at + RECORD_HEAD_BYTES <= len(rest):
                _, length, synced, crc = _RECORD.unpack_from(rest, at)
                payload = memoryview(rest)[at + RECORD_HEAD_BYTES : at + RECORD_HEAD_BYTES + length]
                crc_found = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, synced)))
                if synced > position and len(payload) == length and crc == crc_found:
                    return True
            at = rest.find(self._salt, at + 1)
        return False

    def cut(self, position: int) -> None:
        """Drop everything from `position` on, durably. Raises FatalError STORAGE_FAILED."""
        with STORAGE:
            os.ftruncate(self._fd, position)
            os.fsync(self._fd)
        self.size = self.synced = position

    def settle(self) -> None:
        """fsync what a process that died may have left in the page cache: from here on it counts as durable."""
        with STORAGE:
            os.fsync(self._fd)
        self.synced = self.size

    def _check_usable(self) -> None:
        if self._failed:
            raise FatalError("STORAGE_FAILED", f"{self.path}: an earlier write or fsync failed")


def list_segments(directory: Path, suffix: str) -> list[tuple[int, Path]]:
    """(number, path) of the segments of a log, ascending; half-made ones (`.new`) are removed. Raises OSError,
    FatalError on a gap."""
    found: list[tuple[int, Path]] = []
    for path in directory.iterdir():
        if path.name.endswith(".new"):
            path.unlink()
        elif path.suffix == suffix and path.stem.isdigit():
            found.append((int(path.stem), path))
    found.sort()
    for (number, _), (following, path) in pairwise(found):
        if following != number + 1:
            raise corrupt(f"{path}: segment {number + 1} before it is missing")
    return found


def segment_path(directory: Path, number: int, suffix: str) -> Path:
    return directory / f"{number:010d}{suffix}"
