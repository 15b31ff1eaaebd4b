"""What one action costs on a chain of the kit: steps, which are the same everywhere, and time beside a reference loop, since
microseconds alone say as much about the machine as about the plugin.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from hnnode.kit.chain import Chain, Request

BLOCK_TXS = 50
LOOP_TURNS = 20_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one action. us: median over blocks of a transaction's time in the executor. loop_us: a thousand turns of a loop that
    adds integers, in this process and at this time. refused: transactions that did not succeed.
    """

    action: str
    tx_count: int
    refused: int
    steps_min: int
    steps_max: int
    us: float
    loop_us: float

    @property
    def text(self) -> str:
        steps = f"{self.steps_min}" if self.steps_min == self.steps_max else f"{self.steps_min}–{self.steps_max}"
        refused = f", {self.refused} refused" if self.refused else ""
        return (
            f"{self.action}: {self.tx_count} txs{refused}, {steps} steps, {self.us:.1f} µs each"
            f" ({self.us / self.loop_us:.2f} × 1,000 turns of a loop, {self.loop_us:.1f} µs)"
        )


def measure_action(chain: Chain, action: str, requests: Sequence[Request]) -> Measured:
    """Execute the requests, all of this action, in blocks of BLOCK_TXS.

    Raises: ValueError: there are none, or of another action.
    """
    if not requests or any(request.action != action for request in requests):
        raise ValueError(f"bench: want requests of {action}")
    outcomes, spent_us = [], []
    for start in range(0, len(requests), BLOCK_TXS):
        part = requests[start : start + BLOCK_TXS]
        outcomes += chain.block(part)
        if chain.last is not None:
            spent_us.append(1e6 * chain.last.execute_s / len(part))
    steps = [outcome.steps for outcome in outcomes]
    refused = sum(not outcome.ok for outcome in outcomes)
    return Measured(action, len(requests), refused, min(steps), max(steps), median(spent_us), _loop_us())


def _loop_us() -> float:
    """Of a thousand turns, the best of five."""
    best = float("inf")
    for _ in range(5):
        started, total = time.perf_counter(), 0
        for turn in range(LOOP_TURNS):
            total += turn
        best = min(best, time.perf_counter() - started)
    return 1e9 * best / LOOP_TURNS
