"""What larger machines would reach, from the measured CPU time of a validator's threads.

A validator does every stage once for every transaction. What one thread does can use one core: it bounds throughput by
`1 ÷ its time`. Pools are split over transactions and use as many cores as there are; all together are bounded by
`cores ÷ the sum`. Threads overlap (dissemination of h+2, order of h+1, execution of h, writing of h-1 at a time), so their
times do not add up to a limit of their own. One validator a machine; generator and network cards are not part of it.

Waiting is not CPU time: a delay between validators costs latency, and throughput only where a block cannot grow any more:
`block_tx_count_max ÷ (block time + DELAY_ROUNDS × delay)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnnode.errors import ConfigError

CORES = (2, 16, 64)
TARGETS_TPS = (100_000, 1_000_000)
USABLE_SHARE = 0.85
"""Of the cores, before queues grow without end."""
DELAY_ROUNDS = 3
"""One-way delays between two decisions: proposal, prevote, precommit."""
DELAYS_MS = (0, 10, 25, 50)

POOLS = ("native", "admission", "verify", "gateway", "rocksdb", "libuv", "uvloop", "AnyIO")
"""Threads of which a node has as many as it needs, by the beginning of their names; each other name is one thread."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`us_per_node`: CPU of one validator for one transaction. `tps`: where it is full, if nothing else ran."""

    name: str
    us_per_node: float
    tps: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """`bound_by`: the thread that is full first, or `cores` when the sum of all is."""

    cores: int
    tps: float
    bound_by: str
    limits: tuple[Limit, ...]


def thread_times(result: Mapping[str, Any]) -> dict[str, float]:
    """CPU µs of one validator a transaction, by thread; what no living thread carried is `other`. Raises ConfigError
    when the result has no budget.
    """
    budget = result.get("budget")
    if not isinstance(budget, Mapping) or not result.get("nodes"):
        raise ConfigError("CONFIG_INVALID", "result: no budget in it, want one of `hnnode bench chain`")
    times = {name: us / result["nodes"] for name, us in budget["threads_us"].items()}
    rest = budget["total_us"] / result["nodes"] - sum(times.values())
    return {**times, "native": times.get("native", 0.0) + max(0.0, rest)}


def predict(times: Mapping[str, float], cores: int) -> Prediction:
    limits = []
    for name, us in times.items():
        threads = cores if name.startswith(POOLS) else 1
        limits.append(Limit(name, us, USABLE_SHARE * threads * 1e6 / us if us > 0 else float("inf")))
    together = USABLE_SHARE * cores * 1e6 / sum(times.values())
    first = min(limits, key=lambda limit: limit.tps)
    bound_by = first.name if first.tps < together else "cores"
    return Prediction(cores, min(together, first.tps), bound_by, tuple(limits))


def breaks_at(times: Mapping[str, float], cores: int, target_tps: float) -> list[str]:
    """Threads that cannot carry `target_tps` on so many cores, the worst first; `cores` when their sum cannot."""
    short = sorted(
        (limit for limit in predict(times, cores).limits if limit.tps < target_tps), key=lambda limit: limit.tps
    )
    wanted_cores = sum(times.values()) * target_tps / 1e6 / USABLE_SHARE
    return [limit.name for limit in short] + (["cores"] if wanted_cores > cores else [])


def delayed(result: Mapping[str, Any], delays_ms: Sequence[int] = DELAYS_MS) -> list[dict[str, float]]:
    """Median latency and, with blocks as large as they may get, the limit of throughput for one-way delays."""
    settings = result.get("settings", {})
    steps = result.get("step_ms", {})
    base_ms = float(settings.get("block_interval_ms", 40)) + sum(
        steps.get(name, 0.0) for name in ("execute", "tree", "write")
    )
    block_txs = float(settings.get("block_tx_count_max", 10_000))
    median = (result.get("latency_ms") or {}).get("p50") or 0.0
    measured_ms = float(settings.get("delay_ms", 0))
    return [
        {
            "delay_ms": delay_ms,
            # Gossip to a quorum and its acknowledgement, then on average half a block's wait and the rounds of its own.
            "p50_ms": round(median + (delay_ms - measured_ms) * (2 + DELAY_ROUNDS * 1.5), 1),
            "limit_tps": round(1e3 * block_txs / (base_ms + DELAY_ROUNDS * delay_ms), 0),
        }
        for delay_ms in delays_ms
    ]


def model(result: Mapping[str, Any]) -> dict[str, Any]:
    """The whole model of a `chain` result as JSON-ready data."""
    times = thread_times(result)
    stages = result["budget"]["stages_us"]
    return {
        "scenario": "model",
        "app": result.get("app"),
        "commit": result.get("commit"),
        "measured": {
            "cores": result["machine"]["cores"],
            "nodes": result["nodes"],
            "cpu": result["machine"]["cpu"],
            "succeeded_tps": result.get("succeeded_tps"),
        },
        "us_per_node_by_stage": {stage: round(us / result["nodes"], 2) for stage, us in stages.items()},
        "us_per_node_by_thread": {name: round(us, 2) for name, us in times.items()},
        "us_per_node": round(sum(times.values()), 2),
        "predictions": [_row(times, cores) for cores in CORES],
        "delays": delayed(result),
    }


def _row(times: Mapping[str, float], cores: int) -> dict[str, Any]:
    prediction = predict(times, cores)
    return {
        "cores": cores,
        "tps": round(prediction.tps, -2),
        "bound_by": prediction.bound_by,
        "short_at": {str(target): breaks_at(times, cores, target) for target in TARGETS_TPS},
        "cores_wanted": {str(t): round(sum(times.values()) * t / 1e6 / USABLE_SHARE, 1) for t in TARGETS_TPS},
    }


BEGIN, END = "<!-- model: begin, rendered by hnnode bench model -->", "<!-- model: end -->"


def markdown(found: Mapping[str, Any]) -> str:
    """The model as tables."""
    measured = found["measured"]
    lines = [
        f"From {measured['nodes']} validators on {measured['cores']} cores ({measured['cpu']}, `{found['app']}`, "
        f"{found['commit'] or 'no revision'}): {found['us_per_node']:.1f} µs of CPU a transaction and validator.",
        "",
        "| stage | µs a transaction and validator |",
        "|---|---|",
        *(f"| {stage} | {us:.2f} |" for stage, us in found["us_per_node_by_stage"].items()),
        "",
        "| cores a validator | predicted tx/s | full first | short at 100,000 tx/s | short at 1,000,000 tx/s |",
        "|---|---|---|---|---|",
    ]
    for row in found["predictions"]:
        short = [", ".join(row["short_at"][str(target)]) or "nothing" for target in TARGETS_TPS]
        lines.append(f"| {row['cores']} | {row['tps']:,.0f} | {row['bound_by']} | {short[0]} | {short[1]} |")
    lines += ["", "| one-way delay ms | median latency ms | limit by block size tx/s |", "|---|---|---|"]
    lines += [f"| {row['delay_ms']} | {row['p50_ms']:,.0f} | {row['limit_tps']:,.0f} |" for row in found["delays"]]
    return "\n".join(lines)


def into_page(page: str, found: Mapping[str, Any]) -> str:
    """`page` with the model between its marks. Raises ValueError for a page without them."""
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n{markdown(found)}\n{page[end:]}"
