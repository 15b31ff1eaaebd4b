"""One process a home: two processes with one key could sign two votes for one step."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.storage.failure import STORAGE


class HomeLock:
    """Exclusive lock on a file, held until `release` or the end of the process (a crash leaves nothing to clean up)."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises ConfigError DATABASE_LOCKED (6005) naming the holder's process id."""
        with STORAGE:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(fd)
                raise ConfigError("DATABASE_LOCKED", f"{path}: held by process {holder}") from e
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
