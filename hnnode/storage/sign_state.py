"""Height floor of the signing key: after a lost consensus log nothing at or below it is ever signed again.

The engine reserves the floor some heights ahead and signs in a height only when that reservation is on disk; so the
file is rewritten once in many heights and may never go back. Written by temporary file, fsync, rename, directory fsync:
without the last one a power cut brings the old floor back and with it the chance of a second vote.

File (25 bytes): "HNSIGN01" ‖ u64 floor ‖ u8 reset ‖ u64 crc32 of what stands before. `reset` = 1 after the operator
discarded the data of this home: the database may then be far below the floor without that being a fault, until the node
signs above the floor again."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from hnnode.errors import FatalError
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.files import write_atomic

_MAGIC = b"HNSIGN01"
_LAYOUT = struct.Struct(">8sQBQ")


class SignState:
    """`floor`: highest height in which a signature may exist. `reset`: the data were discarded since the floor was
    set."""

    def __init__(self, path: Path, floor: int, reset: bool) -> None:
        self._path = path
        self._floor = floor
        self.reset = reset
        self.save_count = 0

    @staticmethod
    def create(path: Path) -> SignState:
        """A new home's state: floor 0. Refuses to replace an existing file (FatalError STORAGE_FAILED)."""
        with STORAGE:
            if path.exists():
                raise FileExistsError(f"{path} exists")
            state = SignState(path, 0, False)
            state._save(0, False)
        return state

    @staticmethod
    def load(path: Path) -> SignState:
        """Raises FatalError STORAGE_CORRUPT (6006) when the file is missing or damaged: the floor must never be
        guessed."""
        with STORAGE:
            try:
                data = path.read_bytes()
            except FileNotFoundError as e:
                raise corrupt(
                    f"{path}: sign state is missing; restore it from where the key came from, or use a new key"
                ) from e
        if len(data) != _LAYOUT.size:
            raise corrupt(f"{path}: sign state has {len(data)} bytes, want {_LAYOUT.size}")
        magic, floor, reset, crc = _LAYOUT.unpack(data)
        if magic != _MAGIC or reset > 1 or crc != zlib.crc32(data[:-8]):
            raise corrupt(f"{path}: sign state is damaged")
        return SignState(path, floor, reset == 1)

    def floor(self) -> int:
        """Highest height in which a signature may exist; 0 when there is none."""
        return self._floor

    def reserve(self, height: int) -> None:
        """Raise the floor to `height` and make it durable before returning. A lower or equal one writes nothing."""
        if height > self._floor:
            with STORAGE:
                self._save(height, False)

    def mark_reset(self) -> None:
        """Record that the data of this home were discarded; the floor stays."""
        with STORAGE:
            self._save(self._floor, True)

    def _save(self, floor: int, reset: bool) -> None:
        if floor < self._floor:
            raise FatalError("SIGN_GUARD", f"sign floor would fall: got {floor}, want at least {self._floor}")
        head = _LAYOUT.pack(_MAGIC, floor, int(reset), 0)[:-8]
        write_atomic(self._path, head + zlib.crc32(head).to_bytes(8, "big"))
        self._floor, self.reset = floor, reset
        self.save_count += 1
