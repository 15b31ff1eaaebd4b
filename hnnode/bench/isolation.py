"""What it costs that plugins run in processes of their own: the same load on a network of each kind, figure by figure.

The isolated network is probed and measured first; the other one is probed too, and measured at the same rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hnnode.bench.report import flatten

COMPARED = (
    "peak_tps",
    "offered_tps",
    "succeeded_tps",
    "refused",
    "lost",
    "latency_ms.p50",
    "latency_ms.p99",
    "queries.answered_per_s",
    "queries.failed_per_s",
    "queries.latency_ms.p50",
    "queries.latency_ms.p99",
    "cpu_us_per_tx",
    "plugins_cpu_us_per_tx",
    "rss_mb_max",
    "plugins_rss_mb_max",
    "violations",
)
SHARED = ("result_version", "app", "flavour", "nodes", "seconds", "machine", "commit", "reference")


def beside(in_process: Mapping[str, Any], isolated: Mapping[str, Any]) -> dict[str, Any]:
    """Two `chain` results as one. `ratio` is isolated ÷ in process, None where there is nothing to divide by."""
    ours, theirs = dict(flatten(in_process)), dict(flatten(isolated))
    rows = [
        {
            "figure": name,
            "in_process": ours.get(name),
            "isolated": theirs.get(name),
            "ratio": _ratio(ours, theirs, name),
        }
        for name in COMPARED
        if name in ours or name in theirs
    ]
    return {
        "scenario": "isolation",
        **{name: isolated[name] for name in SHARED if name in isolated},
        "comparison": rows,
        "in_process": dict(in_process),
        "isolated": dict(isolated),
    }


def _ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> float | None:
    before, after = ours.get(name), theirs.get(name)
    return round(after / before, 3) if before and after is not None else None
