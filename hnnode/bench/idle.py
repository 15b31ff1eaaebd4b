"""What a chain costs that nobody uses."""

from __future__ import annotations

import time
from typing import Any

from hnnode.bench import processes
from hnnode.bench.load import LoadRunner

SETTLE_S = 5.0


def idle(runner: LoadRunner, seconds: int) -> dict[str, Any]:
    """CPU in percent of one core and resident megabytes of each node over `seconds` without any request."""
    _wait(runner, SETTLE_S, 0, seconds)
    pids = runner.net.pids()
    before = [processes.usage(pid) for pid in pids]
    started_s = time.monotonic()
    _wait(runner, seconds, 0, seconds)
    spent_s = time.monotonic() - started_s
    after = [processes.usage(pid) for pid in pids]
    percent = [
        round(100 * (b.cpu_s + b.children_cpu_s - a.cpu_s - a.children_cpu_s) / spent_s, 2)
        for a, b in zip(before, after, strict=True)
    ]
    memory = [round(used.rss_bytes / 2**20, 1) for used in after]
    children = [round(used.children_rss_bytes / 2**20, 1) for used in after]
    runner.check_alive()
    return {
        "seconds": seconds,
        "cpu_percent_per_node": percent,
        "cpu_percent_max": max(percent),
        "cpu_percent_sum": round(sum(percent), 2),
        "rss_mb_per_node": memory,
        "rss_mb_max": max(memory),
        "plugins_rss_mb_per_node": children,
    }


def _wait(runner: LoadRunner, seconds: float, done: int, total: int) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        runner.progress("idle", max(done, int(total - left_s)), total)
        time.sleep(min(0.5, left_s))
