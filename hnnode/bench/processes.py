"""What the node processes cost: CPU time, memory, disk, and the counters of `/metrics`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? (\S+)$")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, its threads and its ended children; raises OSError when it is gone."""
    text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    fields = text.rpartition(")")[2].split()  # the command name may hold spaces; field 3 (state) is index 0 here
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / _TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident bytes now."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def disk_bytes(folder: Path) -> int:
    """Bytes allocated to all files below; a file that goes away while counting is left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        total += found.st_blocks * 512 if path.is_file() else 0
    return total


def parse_metrics(text: str) -> dict[str, float]:
    """Samples of a Prometheus text, summed over their labels."""
    totals: dict[str, float] = {}
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found:
            totals[found.group(1)] = totals.get(found.group(1), 0.0) + float(found.group(2))
    return totals


def counter_growth(before: Mapping[str, float], after: Mapping[str, float], names: Iterable[str]) -> float:
    """Growth of the first of `names` that the node knows; a counter may carry `_total` or not."""
    for name in names:
        if name in after:
            return after[name] - before.get(name, 0.0)
    return 0.0
