"""What operators are told of plugins whose processes end: by the log, by metrics and by the status of the node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from hnnode.ports import PluginTrouble

log = structlog.get_logger(__name__)


class Troubles:
    """Of one node. Thread-safe."""

    def __init__(self, on_end: Callable[[str], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, PluginTrouble] = {}
        self._told: set[str] = set()
        self._on_end = on_end

    def note(self, application: str, reason: str) -> int:
        """A process ended; how often in a row by now."""
        with self._lock:
            before = self._open.get(application)
            times = 1 if before is None else before.times + 1
            since = int(time.time() * 1000) if before is None else before.since_ms
            self._open[application] = PluginTrouble(application, reason[:1_000], since, times)
        if self._on_end is not None:
            self._on_end(application)
        return times

    def over(self, application: str) -> None:
        """A block was executed."""
        if application in self._open:
            with self._lock:
                self._open.pop(application, None)

    def open(self) -> list[PluginTrouble]:
        """Ascending by application."""
        with self._lock:
            return sorted(self._open.values(), key=lambda trouble: trouble.application)

    def tell_missing(self, missing: Sequence[str]) -> None:
        """Say once what this machine's sandbox lacks."""
        new = sorted(set(missing) - self._told)
        self._told.update(new)
        if new:
            log.warning("the sandbox of plugins lacks a part on this machine", missing=new)
