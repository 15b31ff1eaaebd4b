"""What the node processes cost: CPU time, memory, disk, and the figures of `/metrics`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TREE_ATTEMPTS = 5


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, its threads and its ended children; raises OSError when it is gone."""
    return sum(_times_s(pid))


def _times_s(pid: int) -> tuple[float, float]:
    """(of the process itself, of its children that ended and were waited for, with theirs)."""
    text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    fields = text.rpartition(")")[2].split()  # the command name may hold spaces; field 3 (state) is index 0 here
    own, ended = (sum(int(fields[i]) for i in pair) / _TICKS_PER_S for pair in ((11, 12), (13, 14)))
    return own, ended


@dataclass(frozen=True, slots=True)
class Usage:
    """A process, and apart from it the processes it started: those of isolated plugins, living and ended. Resident bytes
    that processes share count in each of them."""

    cpu_s: float
    children_cpu_s: float
    rss_bytes: int
    children_rss_bytes: int


def usage(pid: int) -> Usage:
    """Raises OSError when the process is gone.

    What a child took moves to its parent's account when it ends, so the time of all never shrinks. It is read again while
    children come or go, since a time read on both sides would count twice or not at all.
    """
    for _ in range(_TREE_ATTEMPTS):
        below = descendants(pid)
        living_s, children_rss = 0.0, 0
        for child in below:
            with suppress(OSError):
                living_s += cpu_s(child)
                children_rss += rss_bytes(child)
        own_s, ended_s = _times_s(pid)
        found = Usage(own_s, living_s + ended_s, rss_bytes(pid), children_rss)
        if descendants(pid) == below:
            break
    return found


def descendants(pid: int) -> list[int]:
    """Living processes that a process started, directly or through others."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with suppress(OSError):
                waiting += (more := [int(number) for number in task.read_bytes().split()])
                found += more
    return sorted(found)


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


class Figures(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples of a Prometheus text by name and labels."""

    def total(self, name: str, **labels: str) -> float | None:
        """Sum over the samples of a name that carry these labels; None when there is none."""
        found = [
            value for (sample, own), value in self.items() if sample == name and labels.items() <= dict(own).items()
        ]
        return sum(found) if found else None

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """Value of each label value, summed over the other labels."""
        totals: dict[str, float] = {}
        for (sample, own), value in self.items():
            if sample == name and (key := dict(own).get(label)) is not None:
                totals[key] = totals.get(key, 0.0) + value
        return totals


def parse_metrics(text: str) -> Figures:
    """Samples of a Prometheus text; comments and what does not parse are left out."""
    figures = Figures()
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found:
            labels = frozenset(_LABEL.findall(found.group(2) or ""))
            figures[found.group(1), labels] = float(found.group(3))
    return figures


def counter_growth(before: Figures, after: Figures, names: Iterable[str]) -> float:
    """Growth of the first of `names` that the node knows; a counter may carry `_total` or not."""
    for name in names:
        now = after.total(name)
        if now is not None:
            return now - (before.total(name) or 0.0)
    return 0.0


def label_growth(before: Figures, after: Figures, name: str, label: str) -> dict[str, float]:
    """Growth of a counter for each value of a label."""
    earlier: Mapping[str, float] = before.by_label(name, label)
    return {key: value - earlier.get(key, 0.0) for key, value in after.by_label(name, label).items()}


def bucket_quantile(before: Figures, after: Figures, name: str, share: float) -> float | None:
    """Upper bound of the histogram bucket that the `share` of what was observed meanwhile reaches; None for nothing."""
    growth = label_growth(before, after, f"{name}_bucket", "le")
    ordered = sorted((float(bound), count) for bound, count in growth.items())
    if not ordered or ordered[-1][1] <= 0:
        return None
    wanted = share * ordered[-1][1]
    return next(bound for bound, count in ordered if count >= wanted)
