"""Counts of one run: what was offered, accepted, refused, committed, lost, and how long each transaction took."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Latency counts from the time a transaction was meant to be sent, so that a stalled sender cannot hide a stall.

    A transaction may be seen in a block before its acceptance is answered; both orders give the same counts.
    """

    intended_s: dict[bytes, float] = field(default_factory=dict)
    accepted: set[bytes] = field(default_factory=set)
    committed: dict[bytes, float] = field(default_factory=dict)
    failed: int = 0
    offered: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    block_tx_counts: list[int] = field(default_factory=list)

    def on_offer(self, tx_ids: Sequence[bytes], intended_s: float) -> None:
        self.offered += len(tx_ids)
        for tx_id in tx_ids:
            self.intended_s[tx_id] = intended_s

    def on_answer(self, tx_ids: Sequence[bytes], codes: Sequence[int]) -> None:
        for tx_id, code in zip(tx_ids, codes, strict=True):
            if code == 0:
                self.accepted.add(tx_id)
            else:
                self.refused[code] += 1

    def on_refusal(self, tx_ids: Sequence[bytes], code: int) -> None:
        """The whole request was refused."""
        self.refused[code] += len(tx_ids)

    def on_block(self, tx_ids: Sequence[bytes], codes: Sequence[int], seen_s: float) -> int:
        """Returns how many of the block's transactions are of this run."""
        self.block_tx_counts.append(len(tx_ids))
        own = 0
        for tx_id, code in zip(tx_ids, codes, strict=True):
            intended = self.intended_s.get(tx_id)
            if intended is None or tx_id in self.committed:
                continue
            own += 1
            self.committed[tx_id] = seen_s
            self.latencies_s.append(seen_s - intended)
            self.failed += code != 0
        return own

    def outstanding(self) -> set[bytes]:
        """Accepted and not seen in a block yet."""
        return self.accepted - self.committed.keys()

    def per_second(self, start_s: float, seconds: int) -> list[int]:
        """Transactions committed in each second of the run."""
        buckets = [0] * seconds
        for seen_s in self.committed.values():
            index = int(seen_s - start_s)
            if 0 <= index < seconds:
                buckets[index] += 1
        return buckets


def percentiles_ms(latencies_s: Sequence[float]) -> dict[str, float | None]:
    """Nearest-rank percentiles in milliseconds; None for each when nothing was measured."""
    ordered = sorted(latencies_s)
    points = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    if not ordered:
        return dict.fromkeys(points)
    last = len(ordered) - 1
    # Rank ceil(p * n); the small constant keeps 0.9 * 10 from becoming rank 10.
    return {name: round(1e3 * ordered[min(last, max(0, -int(-(p * len(ordered) - 1e-9) // 1) - 1))], 2) for name, p in points.items()}
