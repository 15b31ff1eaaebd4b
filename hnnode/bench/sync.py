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
        target = self._height(0)
        node = self.net.nodes[self.newcomer]
        started_s = time.monotonic()
        self.net.start(node.index)
        begun_s, samples = self._first_answer(started_s), []
        moved_s, height = begun_s, 0
        while height < target:
            time.sleep(POLL_S)
            runner.check_alive()
            now_s, reached = time.monotonic(), self._height(node.index)
            if reached > height:
                moved_s, height = now_s, reached
                samples.append((round(now_s - begun_s, 2), height))
                self.progress("sync", min(height, target), target)
            elif now_s - moved_s > STALL_S:
                raise Unavailable("NOT_READY", f"{node.name} stays at height {height}, want {target}")
        caught_s = time.monotonic()
        equal = runner.roots_equal()
        cpu_s = processes.cpu_s(node.pid)
        spent_s = max(caught_s - begun_s, 1e-9)
        return {
            "result_version": 2,
            "scenario": "sync",
            "app": self.plan.application,
            "nodes": len(self.net.nodes),
            "blocks": target,
            "txs": txs,
            "sync_s": round(spent_s, 3),
            "start_s": round(begun_s - started_s, 3),
            "blocks_per_s": round(target / spent_s, 1),
            "tx_per_s": round(txs / spent_s, 1),
            "cpu_us_per_tx": round(1e6 * cpu_s / txs, 1),
            "state_roots_equal": equal,
            "rss_mb": round(processes.rss_bytes(node.pid) / 2**20, 1),
            "heights": samples,
            "deploy_s": dict(self.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": {"batch": self.plan.batch, "seed": self.plan.seed, "txs": self.plan.preload},
        }

    def _first_answer(self, started_s: float) -> float:
        """Monotonic time at which the newcomer answers at all; it is not ready before it has caught up."""
        while True:
            now_s = time.monotonic()
            try:
                self._height(self.newcomer)
            except httpx.TransportError:
                node = self.net.nodes[self.newcomer]
                if not node.running or now_s - started_s > READY_S:
                    raise Unavailable("NOT_READY", f"{node.name}: {node.last_log_lines()}") from None
                time.sleep(0.01)
            else:
                return now_s

    def _height(self, index: int) -> int:
        return int(self.net.status(index)["height"])
