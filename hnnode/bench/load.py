"""One load on a running network: send, follow the chain, sample the processes, and wait for what was accepted."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import uvloop

from hnnode.bench import processes
from hnnode.bench.asking import Asked, Asker
from hnnode.bench.budget import Account
from hnnode.bench.follower import Follower
from hnnode.bench.localnet import LocalNet
from hnnode.bench.pool import Pool
from hnnode.bench.sender import CONNECTIONS_PER_NODE, Sender
from hnnode.bench.tally import Tally, percentiles_ms
from hnnode.bench.workload import Bundle
from hnnode.errors import ERRORS, Unavailable

DRAIN_S = 30.0
SAMPLE_S = 0.5
DISK_EVERY = 4
EQUAL_S = 15.0

Progress = Callable[[str, int, int], None]
"""(stage, done, total)"""


@dataclass(frozen=True, slots=True)
class Sample:
    """All processes of the network at one moment; disk of the first node. `cpu_s` is with the processes they started,
    whose memory is apart."""

    at_s: float
    cpu_s: float
    rss_bytes: tuple[int, ...]
    disk_bytes: int
    children_rss_bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a load. `outstanding_max`: accepted and uncommitted transactions above which nothing is sent; the rate then
    follows what commits, and so do the queries."""

    bundles: Sequence[Bundle]
    rate: float
    seconds: int
    outstanding_max: int | None = None
    stubborn: bool = False
    connections: int = CONNECTIONS_PER_NODE
    queries_per_tx: float = 0.0


@dataclass(slots=True)
class Loaded:
    """What one load did. `starts_s` of its phases are on the monotonic clock; seconds are all of theirs.

    phase_cpu_s: CPU that generator and follower took in each phase."""

    tally: Tally
    starts_s: list[float]
    seconds: int
    blocks: int
    samples: list[Sample]
    sender_cpu_s: float
    sender_s: float
    errors: list[str]
    phase_cpu_s: list[float]
    asked: Asked

    @property
    def start_s(self) -> float:
        return self.starts_s[0]

    @property
    def rss_bytes_max(self) -> int:
        return max((max(sample.rss_bytes) for sample in self.samples), default=0)

    @property
    def children_rss_bytes_max(self) -> int:
        """Of the processes that one node started, together."""
        return max((max(sample.children_rss_bytes, default=0) for sample in self.samples), default=0)

    def series(self) -> dict[str, list[Any]]:
        """One value a second; None where nothing was seen."""
        seconds = self.tally.by_second(self.start_s, self.seconds)
        latency = [percentiles_ms([(commit.latency_s, commit.count) for commit in second]) for second in seconds]
        last = [self._at(self.start_s + i) for i in range(self.seconds + 1)]
        pairs = list(pairwise(last))
        return {
            "committed": [sum(commit.count for commit in second) for second in seconds],
            "p50_ms": [point["p50"] for point in latency],
            "p99_ms": [point["p99"] for point in latency],
            "node_cores": [
                round((b.cpu_s - a.cpu_s) / (b.at_s - a.at_s), 3) if a and b and b.at_s > a.at_s else None
                for a, b in pairs
            ],
            "rss_mb": [round(sum(b.rss_bytes) / 2**20, 1) if b else None for _, b in pairs],
            "disk_mb": [round(b.disk_bytes / 2**20, 1) if b else None for _, b in pairs],
            **({"queries": self.asked.per_second(self.start_s, self.seconds)} if self.asked.offered else {}),
        }

    def _at(self, at_s: float) -> Sample | None:
        """Last sample not later than `at_s`."""
        return next((sample for sample in reversed(self.samples) if sample.at_s <= at_s), None)


@dataclass(slots=True)
class LoadRunner:
    """Loads one network. The same runner serves every part of a scenario."""

    net: LocalNet
    progress: Progress
    application: str = ""
    pool: Pool = field(default_factory=Pool)

    def run(self, phases: Sequence[Phase], stage: str = "send") -> Loaded:
        """Send phase after phase, then wait until everything accepted is seen in a block or DRAIN_S is over. Raises
        Unavailable when a node ends.
        """
        tally, asked = Tally(pool=self.pool), Asked()
        self.pool.expect(bundle for phase in phases for bundle in phase.bundles)
        for phase in phases:
            tally.expect(phase.bundles)
        # Millions of ids and bodies that the collector need not look at again and again.
        gc.collect()
        gc.freeze()
        try:
            cpu_s, clock_s = time.process_time(), time.monotonic()
            starts_s, blocks, samples, errors, phase_cpu_s = uvloop.run(self._load(phases, tally, asked, stage))
            cpu_s, clock_s = time.process_time() - cpu_s, time.monotonic() - clock_s
        finally:
            gc.unfreeze()
        self.check_alive()
        seconds = sum(phase.seconds for phase in phases)
        return Loaded(tally, starts_s, seconds, blocks, samples, cpu_s, clock_s, errors, phase_cpu_s, asked)

    async def _load(
        self, phases: Sequence[Phase], tally: Tally, asked: Asked, stage: str
    ) -> tuple[list[float], int, list[Sample], list[str], list[float]]:
        samples: list[Sample] = []
        starts_s: list[float] = []
        phase_cpu_s: list[float] = []
        errors: list[str] = []
        doors = self.net.doors()
        follower = Follower(self.net.nodes[0].url, tally, int(self.net.status(0)["height"]))
        following = asyncio.create_task(follower.run())
        total = sum(min(int(p.rate * p.seconds), sum(len(bundle.tx_ids) for bundle in p.bundles)) for p in phases)
        sampling = asyncio.create_task(self._sample(samples, stage, tally, total))
        try:
            for phase in phases:
                sender = Sender(doors, tally, phase.outstanding_max, phase.connections, phase.stubborn, errors=errors)
                cpu_s = time.process_time()
                asker = Asker(doors, self.application, self.pool, asked)
                asking = asyncio.create_task(asker.run(*_pace(phase, tally)))
                try:
                    starts_s.append(await sender.run(phase.bundles, phase.rate, phase.seconds))
                    await asking
                finally:
                    asking.cancel()
                phase_cpu_s.append(time.process_time() - cpu_s)
            draining = asyncio.create_task(follower.drained())
            await asyncio.wait((draining, following), timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            if following.done():
                following.result()
            return starts_s, follower.blocks, samples, errors, phase_cpu_s
        finally:
            for task in (following, sampling):
                task.cancel()
            await asyncio.gather(following, sampling, return_exceptions=True)

    async def _sample(self, samples: list[Sample], stage: str, tally: Tally, total: int) -> None:
        disk_bytes = 0
        while True:
            pids = self.net.pids()
            if len(samples) % DISK_EVERY == 0:
                disk_bytes = processes.disk_bytes(self.net.nodes[0].home)
            # A node that ends meanwhile is found by `check_alive` after the run.
            with suppress(OSError):
                used = [processes.usage(pid) for pid in pids]
                cpu_s = sum(each.cpu_s + each.children_cpu_s for each in used)
                rss_bytes = tuple(each.rss_bytes for each in used)
                children = tuple(each.children_rss_bytes for each in used)
                samples.append(Sample(time.monotonic(), cpu_s, rss_bytes, disk_bytes, children))
            self.progress(stage, tally.committed_count, total)
            await asyncio.sleep(SAMPLE_S)

    def check_alive(self) -> None:
        node = self.net.ended()
        if node is not None:
            raise Unavailable(
                "NODE_UNREACHABLE", f"{node.name} ended during the run; {node.log}:\n{node.last_log_lines()}"
            )

    def accounts(self) -> list[Account]:
        """What every process has used up, the nodes first. Gateways have no metrics port of their own."""
        figures = [
            processes.parse_metrics(httpx.get(node.metrics_url, timeout=10.0, trust_env=False).text)
            for node in self.net.nodes
        ]
        pids = self.net.pids()
        empty = processes.Figures()
        return [Account.of(pid, figures[i] if i < len(figures) else empty) for i, pid in enumerate(pids)]

    def lost(self, tally: Tally) -> int:
        """Accepted, yet neither committed nor expired, as the nodes themselves tell."""
        lost = 0
        with httpx.Client(timeout=10.0, trust_env=False) as client:
            for tx_id in tally.outstanding():
                answer = client.get(f"{self.net.nodes[0].url}/v1/txs/{tx_id.hex()}")
                state = answer.json().get("state") if answer.status_code == 200 else "unknown"
                lost += state not in ("committed", "failed", "expired")
        return lost

    def roots_equal(self, timeout_s: float = EQUAL_S) -> bool:
        """All nodes hold the same block, and with it the same state root, at the lowest of their heights once they
        stand still.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            found = [self.net.status(node.index) for node in self.net.nodes if node.running]
            heights = {int(status["height"]) for status in found}
            if len(heights) == 1 and len({status["block_hash"] for status in found}) == 1:
                return True
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.1)


def _pace(phase: Phase, tally: Tally) -> tuple[Callable[[float], float], float, float | None]:
    """How many queries are due at a moment, until when, and how many a second where that is fixed."""
    ratio, start_s, accepted = phase.queries_per_tx, time.monotonic(), tally.accepted_count
    end_s = start_s + phase.seconds if ratio else start_s
    if phase.outstanding_max is not None:
        return (lambda _: ratio * (tally.accepted_count - accepted)), end_s, None
    rate = ratio * phase.rate
    return (lambda now_s: rate * (now_s - start_s)), end_s, rate


def code_names(codes: dict[int, int]) -> dict[str, int]:
    return {ERRORS[code].name if code in ERRORS else str(code): count for code, count in sorted(codes.items())}


def refusals(loaded: Loaded) -> str:
    """Why nothing committed, for an error's text."""
    named = ", ".join(f"{count} × {name}" for name, count in code_names(loaded.tally.refused).items())
    return f"{named or 'no refusals'}; {loaded.tally.unanswered} unanswered{'; ' + loaded.errors[-1] if loaded.errors else ''}"
