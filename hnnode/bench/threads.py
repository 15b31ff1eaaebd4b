"""CPU time of the threads of a process, by name, and the stage of a transaction's path that each name stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NUMBER = re.compile(r"[-_:]?\d+$")

LOOP = "loop"
"""The first thread of a node: its event loop."""
NATIVE = "native"
"""Threads that nobody named: the workers of the compiled core."""

CHILDREN = "plugins"
"""Processes that a node started: those of isolated plugins."""

STAGE_OF_THREAD: Mapping[str, str] = {
    "admission": "admission",
    "verify": "gossip",
    "hash": "consensus",
    "consensus-log": "consensus",
    "batch-log": "batch store",
    "execution": "execution",
    "storage": "database",
    "rocksdb": "database",
    "gateway": "gateway",
    "events": "gateway",
    "AnyIO": "gateway",
}
STAGES = (
    "admission",
    "batch store",
    "gossip",
    "consensus",
    "execution",
    "plugins",
    "receipts",
    "state tree",
    "database",
    "gateway",
    "other",
)


def stage_of(thread: str) -> str:
    """Stage of a thread's name without its number; `other` for a name that stands for none."""
    return next((stage for name, stage in STAGE_OF_THREAD.items() if thread.startswith(name)), "other")


def cpu_by_thread(pid: int) -> dict[int, tuple[str, float]]:
    """Name without number, user and system seconds of each living thread. Raises OSError for a dead pid."""
    found: dict[int, tuple[str, float]] = {}
    process_name = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile; its time stays in the process's total
        head, _, tail = text.rpartition(")")
        name = head.partition("(")[2]
        fields = tail.split()  # field 3 (state) is index 0 here
        if int(task.name) == pid:
            name = LOOP
        elif name == process_name:
            name = NATIVE
        else:
            name = _NUMBER.sub("", name) or name
        if name.startswith("rocksdb"):
            name = "rocksdb"
        found[int(task.name)] = name, _precise_s(task) or (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return found


def _precise_s(task: Path) -> float | None:
    """CPU seconds to the nanosecond, where the kernel keeps them; ticks are too coarse for threads that do little."""
    try:
        return int((task / "schedstat").read_bytes().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
