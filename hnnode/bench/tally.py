"""Counts of one run: what was offered, accepted, refused, committed, lost, and how long each transaction took."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hnnode.bench.workload import Bundle


@dataclass(slots=True)
class Tally:
    """Latency counts from the time a transaction was meant to be sent, so that a stalled sender cannot hide a stall.

    A transaction may be seen in a block before its acceptance is answered; both orders give the same counts.
    """

    intended_s: dict[bytes, float] = field(default_factory=dict)
    accepted: set[bytes] = field(default_factory=set)
    committed: dict[bytes, float] = field(default_factory=dict)
    failed: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    offered: int = 0
    unanswered: int = 0
    latencies_s: array[float] = field(default_factory=lambda: array("d"))
    block_tx_counts: list[int] = field(default_factory=list)
    _group_of: dict[bytes, int] = field(default_factory=dict)
    _unsettled: Counter[int] = field(default_factory=Counter)

    def expect(self, bundles: Iterable[Bundle]) -> None:
        """Make the groups of these bundles known, so that `settled` can answer for them."""
        for bundle in bundles:
            self._unsettled[bundle.group] += len(bundle.tx_ids)
            self._group_of.update(dict.fromkeys(bundle.tx_ids, bundle.group))

    def settled(self, group: int) -> bool:
        """Every transaction of the group is committed or refused."""
        return self._unsettled[group] <= 0

    def _settle(self, tx_id: bytes) -> None:
        group = self._group_of.pop(tx_id, None)
        if group is not None:
            self._unsettled[group] -= 1

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
                self._settle(tx_id)

    def on_refusal(self, tx_ids: Sequence[bytes], code: int) -> None:
        """The whole request was refused."""
        self.refused[code] += len(tx_ids)
        for tx_id in tx_ids:
            self._settle(tx_id)

    def on_silence(self, tx_ids: Sequence[bytes]) -> None:
        """No answer came: these may commit or not."""
        self.unanswered += len(tx_ids)
        for tx_id in tx_ids:
            self._settle(tx_id)

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
            self._settle(tx_id)
            if code:
                self.failed[code] += 1
        return own

    def outstanding(self) -> set[bytes]:
        """Accepted and not seen in a block yet."""
        return self.accepted - self.committed.keys()

    def outstanding_count(self) -> int:
        """As `len(outstanding())`, cheaper and a little less exact while answers are under way."""
        return len(self.accepted) - len(self.committed)

    def committed_per_s(self, from_s: float) -> float:
        """Rate of commits seen between `from_s` and the last one; 0 when there were none."""
        seen = [seen_s for seen_s in self.committed.values() if seen_s >= from_s]
        span_s = max(seen, default=from_s) - from_s
        return len(seen) / span_s if span_s > 0 else 0.0

    def per_second(self, start_s: float, seconds: int) -> list[int]:
        """Transactions committed in each second of the run."""
        buckets = [0] * seconds
        for seen_s in self.committed.values():
            index = math.floor(seen_s - start_s)
            if 0 <= index < seconds:
                buckets[index] += 1
        return buckets


_POINTS = {"p50": 500, "p90": 900, "p99": 990, "p999": 999, "max": 1000}


def percentiles_ms(latencies_s: Sequence[float]) -> dict[str, float | None]:
    """Nearest-rank percentiles in milliseconds; None for each when nothing was measured."""
    ordered = sorted(latencies_s)
    if not ordered:
        return dict.fromkeys(_POINTS)
    # Nearest rank ceil(p * n), in whole numbers.
    ranks = {name: -(-per_mille * len(ordered) // 1000) for name, per_mille in _POINTS.items()}
    return {name: round(1e3 * ordered[rank - 1], 2) for name, rank in ranks.items()}
