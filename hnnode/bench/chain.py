"""Scenario `chain`: n validators as processes on loopback, an open-loop load over HTTP, the whole bill afterwards.

Flow: look for the knee on a chain of its own, which is thrown away (only without a given rate) → new chain → idle (when asked) →
preload (when asked) → sign → send at a fixed rate → drain → compare state roots → again on the same chain for every further
run → stop, look what it took on disk, count broken invariants → overload on another new chain (when asked). So what a
measured part finds does not depend on what came before it: a chain of a minute and a million keys is slower than a new one. Every
chain is preloaded alike.

Signing is over before the first request of a measured part; every node verifies every signature, executes, and
syncs to disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hnnode.bench import machine, processes
from hnnode.bench.asking import warm_up
from hnnode.bench.audit import violations
from hnnode.bench.budget import Account, budget, step_ms
from hnnode.bench.fill import Filler
from hnnode.bench.idle import idle
from hnnode.bench.knee import Knee
from hnnode.bench.ledger import ledger_growth
from hnnode.bench.load import Loaded, LoadRunner, Phase, code_names, refusals
from hnnode.bench.overload import Overload
from hnnode.bench.plan import Plan, Signer
from hnnode.bench.rest import rested_disk_bytes
from hnnode.bench.runs import median_of
from hnnode.bench.scene import OpenScene, Part, Scene
from hnnode.bench.tally import histogram_ms, percentiles_ms
from hnnode.errors import Unavailable
from hnnode.node.genesis import load_genesis

RESULT_VERSION = 2


@dataclass(slots=True)
class ChainRun:
    open_scene: OpenScene
    plan: Plan

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when a node dies or nothing commits."""
        plan = self.plan
        peak = self._knee_tps() if plan.looks_for_knee else None
        with self.open_scene(Part.measured) as scene:
            result = self._measured(scene, plan.rate or max(100, int(peak or 0.0) // 100 * 100))
        if peak is not None:
            result["peak_tps"] = round(peak, 1)
        if plan.overload:
            with self.open_scene(Part.overload) as scene:
                load = self._loaded_with(scene)
                result["overload"] = Overload(load.runner, load.signer, load.filler, plan).run()
                result["overload"] |= violations(scene.net, plan)
        return result

    def _knee_tps(self) -> float:
        with self.open_scene(Part.knee) as scene:
            load = self._loaded_with(scene)
            return Knee(load.runner, load.signer, load.filler).tps()

    def _loaded_with(self, scene: Scene) -> _Load:
        """What loads a new chain, which holds the preloaded keys then."""
        runner = LoadRunner(scene.net, scene.progress, self.plan.application)
        signer = Signer(runner, scene.keys, self.plan)
        if signer.first_question is not None:
            warm_up(scene.net.doors(), self.plan.application, signer.first_question)
        filler = Filler(runner, signer)
        return _Load(runner, signer, filler, filler.fill(self.plan.preload) if self.plan.preload else 0)

    def _measured(self, scene: Scene, rate: int) -> dict[str, Any]:
        plan = self.plan
        fresh_bytes = processes.disk_bytes(scene.net.nodes[0].home)
        rest = idle(LoadRunner(scene.net, scene.progress), plan.idle_s) if plan.idle_s else None
        load = self._loaded_with(scene)
        result = median_of([self._measure(load.runner, load.signer, rate) for _ in range(plan.runs)])
        result |= {
            "result_version": RESULT_VERSION,
            "scenario": "chain",
            "app": plan.application,
            "flavour": load.signer.flavour,
            "nodes": len(scene.net.nodes),
            "seconds": plan.seconds,
            "deploy_s": dict(scene.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": self._settings(scene, load, rate),
        }
        if rest is not None:
            result["idle"] = rest
        result |= ledger_growth(scene.net, fresh_bytes)
        return result | violations(scene.net, plan)

    def _settings(self, scene: Scene, load: _Load, rate: int) -> dict[str, Any]:
        plan, net = self.plan, scene.net
        config = net.nodes[0].config
        return {
            "rate": rate,
            "rate_given": plan.rate is not None,
            "knee_chain": "own" if plan.looks_for_knee else "none",
            "measured_chain": "new",
            "overload_chain": "own" if plan.overload else "none",
            "flavour": load.signer.flavour,
            "queries_per_tx": round(load.signer.queries_per_tx, 4),
            "batch": plan.batch,
            "payload_bytes": plan.payload_bytes,
            "hot_percent": plan.hot_percent,
            "preloaded": load.preloaded,
            "gateways": plan.gateways,
            "delay_ms": plan.delay_ms,
            "isolated": plan.isolated,
            "runs": plan.runs,
            "seed": plan.seed,
            "connections": len(net.doors()) * 4,
            "block_interval_ms": config.consensus.block_interval_ms,
            "seal_ms": config.mempool.seal_ms,
            "block_tx_count_max": load_genesis(net.nodes[0].home / "genesis.json").file.block_tx_count_max,
            "node_cores": plan.cores or machine.cores(),
        }

    def _measure(self, runner: LoadRunner, signer: Signer, rate: int) -> dict[str, Any]:
        plan, net = self.plan, runner.net
        bundles = signer.sign(rate * plan.seconds)
        tx_bytes = sum(len(b.body) - 4 * len(b.tx_ids) for b in bundles) / sum(len(b.tx_ids) for b in bundles)
        disk_bytes, before = rested_disk_bytes(net, plan.delay_ms), runner.accounts()
        loaded = runner.run([Phase(bundles, rate, plan.seconds, queries_per_tx=signer.queries_per_tx)])
        after, disk_end = runner.accounts(), processes.disk_bytes(net.nodes[0].home)
        rested_disk_bytes(net, plan.delay_ms)
        rested = runner.accounts()
        tally = loaded.tally
        equal = runner.roots_equal()
        committed = tally.committed_count
        if committed == 0:
            raise Unavailable("NOT_READY", f"nothing committed: {refusals(loaded)}")
        in_window = sum(tally.per_second(loaded.start_s, plan.seconds))
        filled = [count for count in tally.block_tx_counts if count]
        found = {
            "tx_bytes": round(tx_bytes),
            "offered_tps": round(tally.offered / plan.seconds, 1),
            "accepted_tps": round(tally.accepted_count / plan.seconds, 1),
            "committed_tps": round(in_window / plan.seconds, 1),
            "succeeded_tps": round(in_window / plan.seconds * (committed - tally.failed.total()) / committed, 1),
            "refused": tally.refused.total(),
            "refused_by_code": code_names(tally.refused),
            "retried": tally.retried,
            "failed_by_code": code_names(tally.failed),
            "unanswered": tally.unanswered,
            "lost": runner.lost(tally),
            "latency_ms": percentiles_ms(tally.latencies()),
            "latency_histogram_ms": histogram_ms(tally.latencies()),
            "blocks": loaded.blocks,
            "txs_per_block": round(sum(filled) / max(1, len(filled)), 1),
            "rss_mb_max": round(loaded.rss_bytes_max / 2**20, 1),
            "plugins_rss_mb_max": round(loaded.children_rss_bytes_max / 2**20, 1),
            "ledger_bytes_per_tx_at_end": round((disk_end - disk_bytes) / committed, 1),
            "state_roots_equal": equal,
            "committed_per_second": tally.per_second(loaded.start_s, plan.seconds),
            "series": loaded.series(),
        }
        if signer.queries_per_tx:
            found["queries"] = loaded.asked.facts(plan.seconds, tally.offered)
        return found | self._costs(len(net.nodes), before, after, rested, loaded)

    def _costs(
        self, nodes: int, before: Sequence[Account], after: Sequence[Account], rested: Sequence[Account], loaded: Loaded
    ) -> dict[str, Any]:
        """rested: when the nodes had also done what the load left them to do, which its CPU time pays for."""
        committed = loaded.tally.committed_count
        earlier, later = ([account.figures for account in accounts[:nodes]] for accounts in (before, after))
        verified = sum(
            processes.counter_growth(a, b, ["hn_signatures_verified", "hn_signatures_verified_total"])
            for a, b in zip(earlier, later, strict=True)
        )
        blocks = max(1.0, processes.counter_growth(earlier[0], later[0], ["hn_blocks_total"]))
        fsyncs = processes.label_growth(earlier[0], later[0], "hn_fsyncs_total", "file")
        lags = [
            processes.bucket_quantile(a, b, "hn_event_loop_lag_seconds", 0.99)
            for a, b in zip(earlier, later, strict=True)
        ]
        known = [lag for lag in lags if lag is not None]
        return {
            "cpu_us_per_tx": round(
                1e6 * sum(b.whole_cpu_s - a.whole_cpu_s for a, b in zip(before, rested, strict=True)) / committed, 1
            ),
            "plugins_cpu_us_per_tx": round(
                1e6 * sum(b.children_cpu_s - a.children_cpu_s for a, b in zip(before, rested, strict=True)) / committed,
                1,
            ),
            "budget": budget(before, rested, committed),
            "step_ms": step_ms(earlier, later),
            "sender_cpu_share": round(loaded.sender_cpu_s / loaded.sender_s, 3),
            "sender_cpu_us_per_tx": round(1e6 * loaded.sender_cpu_s / committed, 2),
            "fsyncs_per_block": round(sum(fsyncs.values()) / blocks, 2),
            "fsyncs_per_block_by_file": {file: round(count / blocks, 2) for file, count in sorted(fsyncs.items())},
            "loop_lag_ms_p99_max": round(1e3 * max(known), 1) if known else None,
            "signature_verifications_per_tx_per_node": round(verified / nodes / committed, 3),
        }


@dataclass(frozen=True, slots=True)
class _Load:
    """preloaded: transactions that the chain held before."""

    runner: LoadRunner
    signer: Signer
    filler: Filler
    preloaded: int
