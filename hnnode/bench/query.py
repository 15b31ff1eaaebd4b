"""Scenario `query`: how many queries a second one node answers, without and with a proof, while the chain stands still.

Closed loop: `clients` connections, each asks again as soon as it was answered. Latency is that of one question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import hnnode_native as native
import uvloop

from hnnode.bench import machine, processes
from hnnode.bench.fill import Filler
from hnnode.bench.http import Connection
from hnnode.bench.load import LoadRunner, Phase, Progress
from hnnode.bench.localnet import LocalNet
from hnnode.bench.plan import Plan, Signer
from hnnode.bench.tally import percentiles_ms
from hnnode.bench.workload import Bundle
from hnnode.errors import Unavailable

ASKED_TXS = 2_000
ATTESTED_S = 10.0


@dataclass(slots=True)
class QueryRun:
    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    progress: Progress
    clients: int
    deploy_s: Mapping[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when an answer is not the one asked for."""
        runner = LoadRunner(self.net, self.progress)
        signer = Signer(runner, self.keys, self.plan)
        filled = Filler(runner, signer).fill(self.plan.preload) if self.plan.preload else 0
        bundles = signer.sign(ASKED_TXS)
        ids = self._commit(runner, bundles)
        kinds = {
            "tx": [f"/v1/txs/{tx_id.hex()}" for tx_id in ids],
            "receipt": [f"/v1/txs/{tx_id.hex()}/receipt" for tx_id in ids],
            "proof": [f"/v1/txs/{tx_id.hex()}/proof" for tx_id in ids],
        }
        uvloop.run(self._attested(kinds["proof"][-1]))
        results = {name: self._ask(name, paths) for name, paths in kinds.items()}
        return {
            "result_version": 2,
            "scenario": "query",
            "app": self.plan.application,
            "nodes": len(self.net.nodes),
            "seconds": self.plan.seconds,
            "clients": self.clients,
            "queries_per_s": results["receipt"]["per_s"],
            "queries_with_proof_per_s": results["proof"]["per_s"],
            "queries": results,
            "deploy_s": dict(self.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": {"seed": self.plan.seed, "preloaded": filled},
        }

    def _commit(self, runner: LoadRunner, bundles: Sequence[Bundle]) -> list[bytes]:
        loaded = runner.run([Phase(bundles, 2_000.0, 5, outstanding_max=2_000)], "fill")
        if loaded.tally.outstanding_count() or not loaded.tally.committed_count:
            raise Unavailable("NOT_READY", "what is to be asked for did not commit")
        return [tx_id for bundle in bundles for tx_id in bundle.tx_ids]

    async def _attested(self, path: str) -> None:
        """Wait for the block that certifies the results of the last one."""
        connection, deadline_s = Connection(self.net.nodes[0].url), time.monotonic() + ATTESTED_S
        try:
            while (answer := await connection.request("GET", path)).status != 200:
                if time.monotonic() > deadline_s:
                    raise Unavailable("NOT_READY", f"GET {path}: status {answer.status}: {answer.body[:200]!r}")
                await asyncio.sleep(0.05)
        finally:
            connection.close()

    def _ask(self, name: str, paths: Sequence[str]) -> dict[str, Any]:
        cpu_s, started_s = processes.cpu_s(self.net.nodes[0].pid), time.monotonic()
        latencies = uvloop.run(self._crowd(name, paths))
        spent_s = time.monotonic() - started_s
        cpu_s = processes.cpu_s(self.net.nodes[0].pid) - cpu_s
        return {
            "per_s": round(len(latencies) / spent_s, 1),
            "latency_ms": percentiles_ms([(latency_s, 1) for latency_s in latencies]),
            "cpu_us_per_query": round(1e6 * cpu_s / max(1, len(latencies)), 1),
        }

    async def _crowd(self, name: str, paths: Sequence[str]) -> list[float]:
        latencies: list[float] = []
        end_s = time.monotonic() + self.plan.seconds
        turn = cycle(paths)

        async def client() -> None:
            connection = Connection(self.net.nodes[0].url)
            try:
                while (asked_s := time.monotonic()) < end_s:
                    path = next(turn)
                    answer = await connection.request("GET", path)
                    if answer.status != 200:
                        raise Unavailable("NODE_UNREACHABLE", f"GET {path}: status {answer.status}")
                    latencies.append(time.monotonic() - asked_s)
                    if len(latencies) % 500 == 0:
                        self.progress("query", len(latencies), len(latencies))
            finally:
                connection.close()

        await asyncio.gather(*(client() for _ in range(self.clients)))
        return latencies
