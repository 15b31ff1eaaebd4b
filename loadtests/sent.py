"""The record of what was sent, for the reporter: one line a request, `file,index…,sent_s,status`."""

from __future__ import annotations

import os
from pathlib import Path

from presigned import Signed

SILENT = 0
"""Status of a request that was not answered."""


class SentLog:
    """One file a process. Times are seconds since the epoch."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"sent-{os.getpid()}.csv").open("a", encoding="ascii", buffering=1 << 20)

    def add(self, file: int, txs: list[Signed], sent_s: float, status: int) -> None:
        indices = " ".join(str(signed.index) for signed in txs)
        self._file.write(f"{file},{indices},{sent_s:.6f},{status}\n")

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
