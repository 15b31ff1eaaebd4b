"""Scenario `chain`: n validators as processes on loopback, an open-loop load over HTTP, the whole bill afterwards.

Flow: network in a temporary folder → probe (only without a given rate) → sign → send at a fixed rate → drain →
compare state roots.
Signing is over before the first request of the measured part; every node verifies every signature, executes, and
syncs to disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hnnode_native as native
import httpx
import uvloop

from hnnode.bench import machine, processes
from hnnode.bench.follower import Follower
from hnnode.bench.localnet import LocalNet
from hnnode.bench.sender import Sender
from hnnode.bench.tally import Tally, percentiles_ms
from hnnode.bench.workload import PIPELINES, Bundle, Signing, workload
from hnnode.errors import ERRORS, Unavailable
from hnnode.plugin_api.workload import Workload

PROBE_S = 6
PROBE_TXS = 40_000
PROBE_OUTSTANDING = 4_000
PROBE_SEED = 1_000_000
PROBE_SHARE = 0.8
DRAIN_S = 30.0
SAMPLE_S = 0.5
EQUAL_S = 15.0
VALID_BLOCKS = 500_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `rate` None: probe first and take PROBE_SHARE of what committed."""

    application: str
    flavour: str
    seconds: int
    rate: int | None
    batch: int
    payload_bytes: int | None
    seed: int

    def workload(self, seed: int) -> Workload:
        return workload(self.application, self.flavour, seed, self.payload_bytes)


Progress = Callable[[str, int, int], None]
"""(stage, done, total)"""


@dataclass(slots=True)
class ChainRun:
    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    progress: Progress
    rss_bytes_max: int = field(default=0)

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when a node dies or nothing commits."""
        first = self.net.status(0)
        signing = Signing(self.keys, bytes.fromhex(first["chain_id"]), self.plan.application)
        rate = self.plan.rate
        if rate is None:
            rate = self._probe(signing)
        return self._measure(signing, rate)

    def _probe(self, signing: Signing) -> int:
        """Send as fast as the chain commits, for a few seconds, and take a share of that rate."""
        bundles = self._sign(signing, PROBE_TXS, self.plan.seed + PROBE_SEED)
        tally, start_s, _ = uvloop.run(self._load(bundles, PROBE_TXS * 10, PROBE_S, "probe", PROBE_OUTSTANDING))
        self._check_alive()
        committed_tps = tally.committed_per_s(start_s + 1.0)
        if committed_tps == 0:
            raise Unavailable(
                "NOT_READY", f"nothing committed while probing: {_refusals(tally)} {tally.unanswered} unanswered"
            )
        return max(100, int(committed_tps * PROBE_SHARE) // 100 * 100)

    def _sign(self, signing: Signing, count: int, seed: int) -> list[Bundle]:
        pipelines = [self.plan.workload(seed + i) for i in range(PIPELINES)]
        done = 0

        def on_signed(more: int) -> None:
            nonlocal done
            done += more
            self.progress("sign", done, max(done, count))

        height = int(self.net.status(0)["height"])
        return signing.bundles(pipelines, count, self.plan.batch, height + VALID_BLOCKS, on_signed)

    def _measure(self, signing: Signing, rate: int) -> dict[str, Any]:
        plan = self.plan
        bundles = self._sign(signing, rate * plan.seconds, plan.seed)
        before = self._bill()
        sender_cpu_s, sender_s = -time.process_time(), -time.monotonic()
        tally, start_s, blocks = uvloop.run(self._load(bundles, rate, plan.seconds, "send"))
        sender_cpu_s += time.process_time()
        sender_s += time.monotonic()
        self._check_alive()
        after = self._bill()
        equal = self._roots_equal()
        lost = self._lost(tally)
        committed = len(tally.committed)
        if committed == 0:
            raise Unavailable("NOT_READY", f"nothing committed: {_refusals(tally)} {tally.unanswered} unanswered")
        per_second = tally.per_second(start_s, plan.seconds)
        in_window = sum(per_second)
        nodes = len(self.net.nodes)
        verified = sum(
            _growth(before, after, i, "hn_signatures_verified", "hn_signatures_verified_total") for i in range(nodes)
        )
        filled = [count for count in tally.block_tx_counts if count]
        return {
            "scenario": "chain",
            "app": plan.application,
            "nodes": nodes,
            "seconds": plan.seconds,
            "tx_bytes": round(
                sum(len(b.body) - 4 * len(b.tx_ids) for b in bundles) / sum(len(b.tx_ids) for b in bundles)
            ),
            "offered_tps": round(tally.offered / plan.seconds, 1),
            "accepted_tps": round(len(tally.accepted) / plan.seconds, 1),
            "committed_tps": round(in_window / plan.seconds, 1),
            "succeeded_tps": round(in_window / plan.seconds * (committed - tally.failed.total()) / committed, 1),
            "refused": tally.refused.total(),
            "refused_by_code": _by_name(tally.refused),
            "failed_by_code": _by_name(tally.failed),
            "unanswered": tally.unanswered,
            "lost": lost,
            "latency_ms": percentiles_ms(tally.latencies_s),
            "blocks": blocks,
            "txs_per_block": round(sum(filled) / max(1, len(filled)), 1),
            "cpu_us_per_tx": round(1e6 * (after.cpu_s - before.cpu_s) / committed, 1),
            "sender_cpu_share": round(sender_cpu_s / sender_s, 3),
            "rss_mb_max": round(self.rss_bytes_max / 2**20, 1),
            "ledger_bytes_per_tx": round((after.disk_bytes - before.disk_bytes) / committed, 1),
            "fsyncs_per_block": round(
                _growth(before, after, 0, "hn_fsyncs_total") / max(1.0, _growth(before, after, 0, "hn_blocks_total")), 2
            ),
            "signature_verifications_per_tx_per_node": round(verified / nodes / committed, 3),
            "state_roots_equal": equal,
            "committed_per_second": per_second,
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": {
                "rate": rate,
                "rate_given": plan.rate is not None,
                "flavour": plan.flavour,
                "batch": plan.batch,
                "payload_bytes": plan.payload_bytes,
                "seed": plan.seed,
                "connections": len(self.net.nodes) * 4,
                "block_interval_ms": self.net.nodes[0].config.consensus.block_interval_ms,
                "seal_ms": self.net.nodes[0].config.mempool.seal_ms,
            },
        }

    async def _load(
        self, bundles: Sequence[Bundle], rate: int, seconds: int, stage: str, outstanding_max: int | None = None
    ) -> tuple[Tally, float, int]:
        """Send, then wait until everything accepted is seen in a block or DRAIN_S is over. Returns tally, start, blocks."""
        tally = Tally()
        tally.expect(bundles)
        urls = [node.url for node in self.net.nodes]
        follower = Follower(urls[0], tally, int(self.net.status(0)["height"]))
        following = asyncio.create_task(follower.run())
        sampling = asyncio.create_task(
            self._sample(stage, tally, min(rate * seconds, sum(len(b.tx_ids) for b in bundles)))
        )
        try:
            start_s = await Sender(urls, tally, outstanding_max).run(bundles, rate, seconds)
            draining = asyncio.create_task(follower.drained())
            await asyncio.wait((draining, following), timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            if following.done():
                following.result()
            return tally, start_s, follower.blocks
        finally:
            for task in (following, sampling):
                task.cancel()
            await asyncio.gather(following, sampling, return_exceptions=True)

    async def _sample(self, stage: str, tally: Tally, total: int) -> None:
        while True:
            for node in self.net.nodes:
                if node.running:
                    self.rss_bytes_max = max(self.rss_bytes_max, processes.rss_bytes(node.pid))
            self.progress(stage, len(tally.committed), total)
            await asyncio.sleep(SAMPLE_S)

    def _check_alive(self) -> None:
        node = self.net.ended()
        if node is not None:
            raise Unavailable(
                "NODE_UNREACHABLE", f"{node.name} ended during the run; {node.log}:\n{node.last_log_lines()}"
            )

    def _bill(self) -> Bill:
        metrics = [
            processes.parse_metrics(httpx.get(node.metrics_url, timeout=10.0, trust_env=False).text)
            for node in self.net.nodes
        ]
        cpu_s = sum(processes.cpu_s(node.pid) for node in self.net.nodes)
        return Bill(cpu_s, processes.disk_bytes(self.net.nodes[0].home), metrics)

    def _lost(self, tally: Tally) -> int:
        """Accepted, yet neither committed nor expired, as the nodes themselves tell."""
        lost = 0
        with httpx.Client(timeout=10.0, trust_env=False) as client:
            for tx_id in tally.outstanding():
                answer = client.get(f"{self.net.nodes[0].url}/v1/txs/{tx_id.hex()}")
                state = answer.json().get("state") if answer.status_code == 200 else "unknown"
                lost += state not in ("committed", "failed", "expired")
        return lost

    def _roots_equal(self) -> bool:
        """All nodes hold the same block, and with it the same state root, at the lowest of their heights once they
        stand still.
        """
        deadline_s = time.monotonic() + EQUAL_S
        while True:
            found = [self.net.status(i) for i in range(len(self.net.nodes))]
            heights = {int(status["height"]) for status in found}
            if len(heights) == 1 and len({status["block_hash"] for status in found}) == 1:
                return True
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Bill:
    cpu_s: float
    disk_bytes: int
    metrics: Sequence[Mapping[str, float]]


def _growth(before: Bill, after: Bill, node: int, *names: str) -> float:
    return processes.counter_growth(before.metrics[node], after.metrics[node], names)


def _by_name(codes: Mapping[int, int]) -> dict[str, int]:
    return {ERRORS[code].name if code in ERRORS else str(code): count for code, count in sorted(codes.items())}


def _refusals(tally: Tally) -> str:
    return ", ".join(f"{count} × {name}" for name, count in _by_name(tally.refused).items()) or "no refusals;"
