"""Reads files of presigned transactions (`hnnode bench presign`), each worker its own part.

Form: `HNTX1\\n`, a line of JSON, then `u32 length ‖ 32-byte tx_id ‖ signed transaction` repeated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

MAGIC = b"HNTX1\n"
CHUNK = 500
"""Neighbours that stay together when a file is split over workers."""


class Signed(NamedTuple):
    """`index` is its place in the file, which the record of what was sent names."""

    index: int
    tx_id: bytes
    tx: bytes


class PresignedFile:
    """Hands out every transaction of a worker's part once. Used from greenlets of one thread."""

    def __init__(self, path: Path, worker: int, workers: int) -> None:
        self.path = path
        self._worker, self._workers = worker, workers
        self._file = path.open("rb")
        if self._file.read(len(MAGIC)) != MAGIC:
            self._file.close()
            raise ValueError(f"{path}: not a file of presigned transactions")
        self.facts = json.loads(self._file.readline())
        self._next = 0

    def take(self, count: int) -> list[Signed]:
        """Up to `count`; fewer at the end of the file, then none."""
        found: list[Signed] = []
        while len(found) < count and (head := self._file.read(4)):
            length = int.from_bytes(head, "big")
            index, self._next = self._next, self._next + 1
            if index // CHUNK % self._workers == self._worker:
                found.append(Signed(index, self._file.read(32), self._file.read(length)))
            else:
                self._file.seek(32 + length, 1)
        return found

    def close(self) -> None:
        self._file.close()


def frames(txs: list[Signed]) -> bytes:
    """Body of `POST /v1/txs:batch`."""
    return b"".join(len(signed.tx).to_bytes(4, "big") + signed.tx for signed in txs)
