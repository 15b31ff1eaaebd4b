"""Where the CPU time of a run went: microseconds a committed transaction by stage, over all processes of the network.

Flow: `/proc` gives the time of every thread, a thread's name gives its stage. Three threads serve several stages and
are shared out by what the node exports: the event loop by `hn_loop_samples`, the execution thread by the wall time in
`hn_stage_seconds`, unnamed workers of the compiled core by who had signatures verified. Processes that a node started are
`plugins`. What no thread carries (threads that ended, rounding) is `other`, so that the stages always add up to the total.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnnode.bench import processes
from hnnode.bench.processes import Figures
from hnnode.bench.threads import CHILDREN, LOOP, NATIVE, STAGES, cpu_by_thread, stage_of

STAGE_OF_MODULE: Mapping[str, str] = {
    "gateway": "gateway",
    "events": "gateway",
    "proofs": "gateway",
    "network": "gossip",
    "mempool": "gossip",
    "mempool.mempool": "admission",
    "sync": "gossip",
    "consensus": "consensus",
    "node": "consensus",
    "node.pipeline": "execution",
    "execution": "execution",
    "storage": "database",
}
"""Stage of a module in `hn_loop_samples`; of its room when it is not named itself."""

STAGE_OF_STEP: Mapping[str, str] = {
    "execute": "execution",
    "receipts": "receipts",
    "tree": "state tree",
    "write": "database",
}
"""Stages of `hn_stage_seconds` that run in the execution thread."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one process had used up at a moment, and apart from it the processes it started."""

    cpu_s: float
    threads: Mapping[int, tuple[str, float]]
    figures: Figures
    children_cpu_s: float = 0.0

    @classmethod
    def of(cls, pid: int, figures: Figures) -> Account:
        """Raises OSError when the process is gone."""
        used = processes.usage(pid)
        return cls(used.cpu_s, cpu_by_thread(pid), figures, used.children_cpu_s)

    @property
    def whole_cpu_s(self) -> float:
        return self.cpu_s + self.children_cpu_s


def budget(before: Sequence[Account], after: Sequence[Account], txs: int) -> dict[str, Any]:
    """`stages` and `threads` in µs a transaction, and the share of the event loop that was sampled. `txs` > 0."""
    stages: defaultdict[str, float] = defaultdict(float)
    threads: defaultdict[str, float] = defaultdict(float)
    total_s = samples = 0.0
    for earlier, later in zip(before, after, strict=True):
        own: defaultdict[str, float] = defaultdict(float)
        for number, (name, cpu_s) in later.threads.items():
            spent_s = cpu_s - earlier.threads.get(number, (name, 0.0))[1]
            threads[name] += spent_s
            for stage, share in _shares(name, earlier.figures, later.figures).items():
                own[stage] += share * spent_s
        spent_s = later.cpu_s - earlier.cpu_s
        own["other"] += max(0.0, spent_s - sum(own.values()))
        # The clock of a process and those of its threads tick apart: the total is the process's.
        carried_s = sum(own.values())
        scale = spent_s / carried_s if carried_s else 0.0
        for stage, used_s in own.items():
            stages[stage] += used_s * scale
        children_s = later.children_cpu_s - earlier.children_cpu_s
        stages[CHILDREN] += children_s
        threads[CHILDREN] += children_s
        total_s += spent_s + children_s
        samples += sum(
            processes.label_growth(earlier.figures, later.figures, "hn_loop_samples_total", "module").values()
        )
    return {
        "total_us": round(1e6 * total_s / txs, 2),
        "stages_us": {stage: round(1e6 * stages[stage] / txs, 2) for stage in STAGES},
        "threads_us": {
            name: round(1e6 * cpu_s / txs, 2)
            for name, cpu_s in sorted(threads.items(), key=lambda item: -item[1])
            if cpu_s
        },
        "loop_samples": int(samples),
    }


def _shares(thread: str, before: Figures, after: Figures) -> dict[str, float]:
    """Stage to share, 1 in all."""
    if thread == LOOP:
        return _normal(_by(processes.label_growth(before, after, "hn_loop_samples_total", "module"), _stage_of_module))
    if thread == NATIVE:
        verified = processes.counter_growth(before, after, ["hn_signatures_verified", "hn_signatures_verified_total"])
        admitted = min(processes.counter_growth(before, after, ["hn_admitted_txs_total"]), verified)
        return _normal({"admission": admitted, "gossip": verified - admitted})
    if thread.startswith("execution"):
        return _normal(_by(processes.label_growth(before, after, "hn_stage_seconds_sum", "stage"), STAGE_OF_STEP.get))
    return {stage_of(thread): 1.0}


def _stage_of_module(module: str) -> str:
    return STAGE_OF_MODULE.get(module) or STAGE_OF_MODULE.get(module.partition(".")[0], "other")


def _by(growth: Mapping[str, float], stage_of_key: Callable[[str], str | None]) -> dict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for key, value in growth.items():
        stage = stage_of_key(key)
        if stage is not None:
            found[stage] += max(0.0, value)
    return dict(found)


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {stage: weight / total for stage, weight in weights.items()} if total else {"other": 1.0}


def step_ms(before: Sequence[Figures], after: Sequence[Figures]) -> dict[str, float]:
    """Mean wall time of each step of a block that the nodes export, in milliseconds."""
    spent: defaultdict[str, float] = defaultdict(float)
    counted: defaultdict[str, float] = defaultdict(float)
    for earlier, later in zip(before, after, strict=True):
        for total, name in ((spent, "hn_stage_seconds_sum"), (counted, "hn_stage_seconds_count")):
            for step, value in processes.label_growth(earlier, later, name, "stage").items():
                total[step] += value
    return {step: round(1e3 * spent[step] / counted[step], 3) for step in sorted(spent) if counted[step] > 0}
