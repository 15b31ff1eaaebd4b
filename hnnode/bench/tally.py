"""Counts of one run: what was offered, accepted, refused, committed, lost, and how long each transaction took.

Everything is kept a request, not a transaction, and a block is counted by a few calls over all its ids: the tally shares
the cores with what it measures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from hnnode.bench.pool import Pool
from hnnode.bench.workload import Bundle

Weighted = tuple[float, int]
"""(latency in seconds, transactions that had it)"""


@dataclass(frozen=True, slots=True)
class Commit:
    """Own transactions of one request seen in one block."""

    seen_s: float
    latency_s: float
    count: int


@dataclass(slots=True)
class Tally:
    """Latency counts from the time a transaction was meant to be sent, so that a stalled sender cannot hide a stall.

    A transaction may be seen in a block before its acceptance is answered; both orders give the same counts. A request
    that was refused may be offered again: its latency counts from the last time.
    """

    offered: int = 0
    accepted_count: int = 0
    committed_count: int = 0
    unanswered: int = 0
    retried: int = 0
    """Refusals after which the same client came again; `refused` has the final ones."""
    failed: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    commits: list[Commit] = field(default_factory=list)
    block_tx_counts: list[int] = field(default_factory=list)
    pool: Pool | None = None
    """Is told what commits, so that it can be asked about."""
    _owner: dict[bytes, int] = field(default_factory=dict)
    """Number of the bundle of every expected transaction that no block has shown yet."""
    _group: dict[int, int] = field(default_factory=dict)
    _intended_s: dict[int, float] = field(default_factory=dict)
    _answered: set[int] = field(default_factory=set)
    _silent: set[int] = field(default_factory=set)
    _refused_ids: set[bytes] = field(default_factory=set)
    _unsettled: Counter[int] = field(default_factory=Counter)

    def expect(self, bundles: Iterable[Bundle]) -> None:
        """Make these bundles known; only what was expected is counted."""
        for bundle in bundles:
            self._unsettled[bundle.group] += len(bundle.tx_ids)
            self._group[bundle.number] = bundle.group
            self._owner.update(dict.fromkeys(bundle.tx_ids, bundle.number))

    def settled(self, group: int) -> bool:
        """Every transaction of the group is committed or refused."""
        return self._unsettled[group] <= 0

    def on_offer(self, bundle: Bundle, intended_s: float) -> None:
        self.offered += len(bundle.tx_ids)
        self._intended_s[bundle.number] = intended_s

    def on_answer(self, bundle: Bundle, codes: Sequence[int] | None, later: Container[int] = ()) -> None:
        """`codes` None: every transaction was accepted. later: codes after which a transaction comes again by itself."""
        self._answered.add(bundle.number)
        if codes is None:
            self.accepted_count += len(bundle.tx_ids)
            return
        for tx_id, code in zip(bundle.tx_ids, codes, strict=True):
            if code == 0:
                self.accepted_count += 1
            elif code in later:
                self.retried += 1
            else:
                self.refused[code] += 1
                self._refused_ids.add(tx_id)
                self._unsettled[bundle.group] -= 1

    def on_refusal(self, bundle: Bundle, code: int, *, again: bool = False) -> None:
        """The whole request was refused. `again`: it will be offered once more, so its group is not settled by this."""
        self.refused[code] += len(bundle.tx_ids)
        if not again:
            self._unsettled[bundle.group] -= len(bundle.tx_ids)
            self._refused_ids.update(bundle.tx_ids)

    def on_silence(self, bundle: Bundle) -> None:
        """No answer came: these may commit or not."""
        self.unanswered += len(bundle.tx_ids)
        self._silent.add(bundle.number)
        self._unsettled[bundle.group] -= len(bundle.tx_ids)

    def on_block(self, tx_ids: Sequence[bytes], codes: Sequence[int], seen_s: float) -> int:
        """Returns how many of the block's transactions are of this run; each counts once, however often it is shown."""
        self.block_tx_counts.append(len(tx_ids))
        numbers = list(map(self._owner.pop, tx_ids, repeat(-1)))
        counts = Counter(numbers)
        del counts[-1]
        own = 0
        for number, count in counts.items():
            own += count
            self.commits.append(Commit(seen_s, seen_s - self._intended_s.get(number, seen_s), count))
            if number not in self._silent:
                self._unsettled[self._group[number]] -= count
        self.committed_count += own
        if any(codes):
            bad = [(code, number) for number, code in zip(numbers, codes, strict=True) if code and number != -1]
            self.failed.update(code for code, _ in bad)
            if self.pool is not None:
                for number in {number for _, number in bad}:
                    self.pool.on_failure(number)
        if self.pool is not None:
            for number, count in counts.items():
                self.pool.on_commit(number, count, seen_s)
        return own

    def outstanding(self) -> set[bytes]:
        """Accepted and not seen in a block yet. Cost: one look at every transaction that was not."""
        return {
            tx_id
            for tx_id, number in self._owner.items()
            if number in self._answered and tx_id not in self._refused_ids
        }

    def outstanding_count(self) -> int:
        """As `len(outstanding())`, cheaper and a little less exact while answers are under way."""
        return max(0, self.accepted_count - self.committed_count)

    def latencies(self) -> list[Weighted]:
        return [(commit.latency_s, commit.count) for commit in self.commits]

    def committed_per_s(self, from_s: float) -> float:
        """Rate of commits seen between `from_s` and the last one; 0 when there were none."""
        seen = [commit for commit in self.commits if commit.seen_s >= from_s]
        span_s = max((commit.seen_s for commit in seen), default=from_s) - from_s
        return sum(commit.count for commit in seen) / span_s if span_s > 0 else 0.0

    def per_second(self, start_s: float, seconds: int) -> list[int]:
        """Transactions committed in each second of the run."""
        return [sum(commit.count for commit in second) for second in self.by_second(start_s, seconds)]

    def by_second(self, start_s: float, seconds: int) -> list[list[Commit]]:
        """Commits by the second of the run in which they were seen."""
        buckets: list[list[Commit]] = [[] for _ in range(seconds)]
        for commit in self.commits:
            index = math.floor(commit.seen_s - start_s)
            if 0 <= index < seconds:
                buckets[index].append(commit)
        return buckets


_POINTS = {"p50": 500, "p90": 900, "p99": 990, "p999": 999, "max": 1000}


def percentiles_ms(latencies: Sequence[Weighted]) -> dict[str, float | None]:
    """Nearest-rank percentiles in milliseconds over all transactions; None for each when nothing was measured."""
    ordered = sorted(latencies)
    total = sum(count for _, count in ordered)
    if not total:
        return dict.fromkeys(_POINTS)
    # Nearest rank ceil(p * n), in whole numbers.
    wanted = [(name, -(-per_mille * total // 1000)) for name, per_mille in _POINTS.items()]
    found: dict[str, float | None] = {}
    passed = 0
    for latency_s, count in ordered:
        passed += count
        while wanted and passed >= wanted[0][1]:
            found[wanted.pop(0)[0]] = round(1e3 * latency_s, 2)
    return found


BUCKETS_PER_DOUBLING = 4


def histogram_ms(latencies: Iterable[Weighted]) -> list[tuple[float, int]]:
    """(upper bound in milliseconds, transactions): bounds grow by 19 %, from the first bucket in use to the last."""
    counts: Counter[int] = Counter()
    for latency_s, count in latencies:
        counts[math.ceil(BUCKETS_PER_DOUBLING * math.log2(max(1e3 * latency_s, 1.0)))] += count
    if not counts:
        return []
    span = range(min(counts), max(counts) + 1)
    return [(round(2 ** (step / BUCKETS_PER_DOUBLING), 2), counts[step]) for step in span]
