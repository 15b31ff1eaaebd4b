"""Scenario `sync`: a chain is filled, then an empty node joins and catches up; every certificate, batch digest,
signature and state root is checked by it as by every node.

The last validator is the one that joins: it is not started before the chain is full, and the others are a quorum
without it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hnnode_native as native
import httpx

from hnnode.bench import machine, processes
from hnnode.bench.fill import Filler
from hnnode.bench.load import LoadRunner, Progress
from hnnode.bench.localnet import READY_S, LocalNet
from hnnode.bench.plan import Plan, Signer
from hnnode.errors import Unavailable

POLL_S = 0.1
STALL_S = 60.0


@dataclass(slots=True)
class SyncRun:
    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    progress: Progress
    newcomer: int
    deploy_s: Mapping[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when a node ends or the newcomer stops advancing."""
        runner = LoadRunner(self.net, self.progress)
        signer = Signer(runner, self.keys, self.plan)
        txs = Filler(runner, signer).fill(self.plan.preload)
        node = self.net.nodes[self.newcomer]
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            target = self._height(client, 0)
            serving_s = self._serving_cpu_s()
            started_s = time.monotonic()
            self.net.start(node.index)
            begun_s = self._first_answer(client, started_s)
            samples = self._follow(client, runner, begun_s, target)
        spent_s = max(samples[-1][0] if samples else 0.0, 1e-9)
        cpu_s, serving_s = processes.cpu_s(node.pid), self._serving_cpu_s() - serving_s
        equal = runner.roots_equal()
        return {
            "result_version": 2,
            "scenario": "sync",
            "app": self.plan.application,
            "nodes": len(self.net.nodes),
            "blocks": target,
            "txs": txs,
            "sync_s": round(spent_s, 3),
            "start_s": round(begun_s - started_s, 3),
            "first_block_s": round(samples[0][0], 3) if samples else 0.0,
            "blocks_per_s": round(target / spent_s, 1),
            "tx_per_s": round(txs / spent_s, 1),
            "cpu_us_per_tx": round(1e6 * cpu_s / txs, 1),
            "serving_cpu_us_per_tx": round(1e6 * serving_s / txs, 1),
            "state_roots_equal": equal,
            "rss_mb": round(processes.rss_bytes(node.pid) / 2**20, 1),
            "heights": [(round(at_s, 2), height) for at_s, height in samples],
            "deploy_s": dict(self.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": {"batch": self.plan.batch, "seed": self.plan.seed, "txs": self.plan.preload},
        }

    def _follow(self, client: httpx.Client, runner: LoadRunner, begun_s: float, target: int) -> list[tuple[float, int]]:
        """(seconds since `begun_s`, height) each time the newcomer was seen to have moved, up to `target`."""
        samples: list[tuple[float, int]] = []
        moved_s, height = begun_s, 0
        while height < target:
            time.sleep(POLL_S)
            runner.check_alive()
            now_s, reached = time.monotonic(), self._height(client, self.newcomer)
            if reached > height:
                moved_s, height = now_s, reached
                samples.append((now_s - begun_s, height))
                self.progress("sync", min(height, target), target)
            elif now_s - moved_s > STALL_S:
                node = self.net.nodes[self.newcomer]
                raise Unavailable("NOT_READY", f"{node.name} stays at height {height}, want {target}")
        return samples

    def _serving_cpu_s(self) -> float:
        """Processor time so far of the nodes that hold the chain."""
        return sum(processes.cpu_s(node.pid) for node in self.net.nodes if node.index != self.newcomer)

    def _first_answer(self, client: httpx.Client, started_s: float) -> float:
        """Monotonic time at which the newcomer answers at all; it is not ready before it has caught up."""
        while True:
            now_s = time.monotonic()
            try:
                self._height(client, self.newcomer)
            except httpx.TransportError:
                node = self.net.nodes[self.newcomer]
                if not node.running or now_s - started_s > READY_S:
                    raise Unavailable("NOT_READY", f"{node.name}: {node.last_log_lines()}") from None
                time.sleep(0.01)
            else:
                return now_s

    def _height(self, client: httpx.Client, index: int) -> int:
        answer = client.get(f"{self.net.nodes[index].url}/v1/status")
        answer.raise_for_status()
        return int(answer.json()["height"])
