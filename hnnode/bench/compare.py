"""Two results side by side: what changed by more than noise, and whether it became worse.

A figure's noise band comes from its own scatter: of the runs when a result has several, else, for throughput and latency,
of the seconds of its one run. Without either it is BAND_MIN. Absolute speeds of two machines are no regression: unless
both results come from the same processor and number of cores, only figures that travel are judged.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hnnode.bench.report import flatten
from hnnode.errors import ConfigError

BAND_MIN = 0.05
BAND_MAX = 0.30
"""However much one run scattered, more than this is never noise."""
WORSE_MIN = 0.10
"""A change is a regression when it exceeds both its band and this share."""
SECONDS_MIN = 5

HIGHER = (
    "succeeded_tps",
    "committed_tps",
    "accepted_tps",
    "per_s",
    "tx_per_s",
    "blocks_per_s",
    "share_of_peak",
    "times_openssl",
)
LOWER = (
    "failed_per_s",
    "cpu_us_per_tx",
    "sender_cpu_us_per_tx",
    "total_us",
    "cpu_us_per_query",
    "ledger_bytes_per_tx",
    "rss_mb",
    "rss_mb_max",
    "cpu_percent_max",
    "p50",
    "p90",
    "p99",
    "recovery_s",
    "fsyncs_per_block",
    "us",
    "us_per_item",
)
EXACT = ("lost", "state_roots_equal", "violations", "signature_verifications_per_tx_per_node")
TRAVELS = ("ledger_bytes_per_tx", "fsyncs_per_block", "share_of_peak", "times_openssl", *EXACT)
SKIPPED = ("machine.", "settings.", "reference.", "series.", "runs.", "deploy_s.", "latency_histogram_ms", "heights")


class Verdict(StrEnum):
    same = "same"
    better = "better"
    worse = "worse"
    changed = "changed"


@dataclass(frozen=True, slots=True)
class Delta:
    """`change` and `band` are shares of the earlier value; `change` is None where it has none."""

    name: str
    before: float | bool
    after: float | bool
    change: float | None
    band: float
    verdict: Verdict


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Delta]:
    """Every judged figure that both results have, in the order of the first.

    Raises ConfigError for results of different scenarios.
    """
    if before.get("scenario") != after.get("scenario"):
        detail = f"scenario: got {after.get('scenario')!r}, want {before.get('scenario')!r} as in the first result"
        raise ConfigError("CONFIG_INVALID", detail)
    for name in ("app", "settings.flavour"):
        old, new = (dict(flatten(result)).get(name) for result in (before, after))
        if None not in (old, new) and old != new:
            raise ConfigError("CONFIG_INVALID", f"{name}: got {new!r}, want {old!r} as in the first result")
    alike = _place(before) == _place(after)
    later = dict(flatten(after))
    deltas = []
    for name, old in flatten(before):
        new = later.get(name)
        field = _field(name)
        if name.startswith(SKIPPED) or field is None or not isinstance(old, (int, float)):
            continue
        if not isinstance(new, (int, float)) or not (alike or field in TRAVELS):
            continue
        deltas.append(_delta(name, field, old, new, max(_band(name, before), _band(name, after))))
    return deltas


def regressed(deltas: Sequence[Delta]) -> bool:
    return any(delta.verdict is Verdict.worse for delta in deltas)


def _place(result: Mapping[str, Any]) -> tuple[Any, Any]:
    machine = result.get("machine", {})
    return machine.get("cpu"), machine.get("cores")


def _field(name: str) -> str | None:
    """The judged field that a dotted name ends in, or one that says how it is judged by its last words."""
    last = name.rpartition(".")[2]
    if name.endswith("_us." + last) or ".stages_us." in name:
        return "us"
    known = (*HIGHER, *LOWER, *EXACT)
    return last if last in known else next((field for field in known if last.endswith(f"_{field}")), None)


def _delta(name: str, field: str, old: float, new: float, band: float) -> Delta:
    if field in EXACT:
        bad = (
            (new > old)
            if field == "lost"
            else (old is True and new is not True) or not math.isclose(old, new, abs_tol=0.01)
        )
        return Delta(name, old, new, None, 0.0, Verdict.worse if bad else Verdict.same)
    if old == 0:
        return Delta(name, old, new, None, band, Verdict.same if new == 0 else Verdict.changed)
    change = (new - old) / old
    if abs(change) <= band:
        return Delta(name, old, new, change, band, Verdict.same)
    worse = change < 0 if field in HIGHER else change > 0
    # The stages of a budget move into each other: their sum is judged, they explain it.
    verdict = (
        Verdict.better if not worse else Verdict.worse if abs(change) > WORSE_MIN and field != "us" else Verdict.changed
    )
    return Delta(name, old, new, change, band, verdict)


def _band(name: str, result: Mapping[str, Any]) -> float:
    """Half-width of what the mean of this figure may be by chance, about 95 %, as a share of it."""
    runs = [dict(flatten(run)).get(name) for run in result.get("runs", ())]
    values = [float(value) for value in runs if isinstance(value, (int, float))]
    if len(values) >= 3:
        # The median of few runs: the whole range they spanned.
        middle = statistics.median(values)
        return _bounded((max(values) - min(values)) / middle) if middle else BAND_MIN
    series = result.get("series", {})
    samples = {
        "succeeded_tps": series.get("committed"),
        "committed_tps": series.get("committed"),
        "latency_ms.p50": series.get("p50_ms"),
        "latency_ms.p90": series.get("p99_ms"),
        "latency_ms.p99": series.get("p99_ms"),
    }.get(name)
    seconds = [float(value) for value in samples or () if value is not None]
    if len(seconds) < SECONDS_MIN or not (mean := statistics.fmean(seconds)):
        return BAND_MIN
    return _bounded(2 * statistics.stdev(seconds) / mean / math.sqrt(len(seconds)))


def _bounded(band: float) -> float:
    return min(BAND_MAX, max(BAND_MIN, band))
