"""One rule for every storage fault: it becomes a FatalError and the process stops.

rocksdict raises plain `Exception` and the operating system raises `OSError`; nobody above this room can repair either,
and a node that goes on after a failed write or fsync serves data it does not hold. So each public operation runs inside
`with STORAGE:`."""

from __future__ import annotations

from types import TracebackType

from hnnode.errors import FatalError, HnError


class _StorageGuard:
    """Context manager without state: turns any exception but hnnode's own into FatalError STORAGE_FAILED (6001)."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, HnError):
            raise FatalError("STORAGE_FAILED", f"{type(error).__name__}: {error}") from error


STORAGE = _StorageGuard()


def corrupt(detail: str) -> FatalError:
    """Stored bytes are not what was written."""
    return FatalError("STORAGE_CORRUPT", detail)
