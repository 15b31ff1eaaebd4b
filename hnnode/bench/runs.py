"""Several runs as one result: medians of the figures, the runs themselves beside them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

SPREAD_FIELDS = ("succeeded_tps", "committed_tps", "cpu_us_per_tx", "rss_mb_max")
SUMMED = ("lost", "refused", "retried", "unanswered")


def median_of(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run whose `succeeded_tps` is the median, with every figure replaced by the median of that figure; counts of
    what must not happen are summed, and roots are equal only when they were in every run.
    """
    ordered = sorted(results, key=lambda result: result["succeeded_tps"])
    middle = dict(ordered[(len(ordered) - 1) // 2])
    if len(results) == 1:
        return middle
    found = {key: _median([result.get(key) for result in results], middle[key]) for key in middle}
    # What belongs together is taken from one run.
    for key in (
        "budget",
        "step_ms",
        "series",
        "committed_per_second",
        "latency_histogram_ms",
        "refused_by_code",
        "failed_by_code",
    ):
        found[key] = middle[key]
    if "queries" in middle:
        found["queries"] = middle["queries"] | {"failed": sum(result["queries"]["failed"] for result in results)}
    found |= {key: sum(result[key] for result in results) for key in SUMMED if key in middle}
    found["state_roots_equal"] = all(result["state_roots_equal"] for result in results)
    found["runs"] = [
        {name: result[name] for name in (*SPREAD_FIELDS, "lost")} | {"latency_ms": result["latency_ms"]}
        for result in results
    ]
    return found


def _median(values: Sequence[Any], default: Any) -> Any:
    if isinstance(default, Mapping):
        keys = {key: None for value in values if isinstance(value, Mapping) for key in value}
        return {key: _median([v.get(key) for v in values if isinstance(v, Mapping)], default.get(key)) for key in keys}
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not numbers or isinstance(default, (bool, str, list)):
        return default
    middle = statistics.median(numbers)
    return round(middle, 3) if isinstance(middle, float) else middle
