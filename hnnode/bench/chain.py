"""Scenario `chain`: n validators as processes on loopback, an open-loop load over HTTP, the whole bill afterwards.

Flow: network in a temporary folder → idle (when asked) → preload (when asked) → look for the knee (only without a given rate) →
sign → send at a fixed rate → drain → compare state roots → again for every further run → overload (when asked).
Signing is over before the first request of a measured part; every node verifies every signature, executes, and
syncs to disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hnnode_native as native

from hnnode.bench import machine, processes
from hnnode.bench.asking import warm_up
from hnnode.bench.budget import Account, budget, step_ms
from hnnode.bench.fill import Filler
from hnnode.bench.idle import idle
from hnnode.bench.knee import Knee
from hnnode.bench.load import Loaded, LoadRunner, Phase, Progress, code_names, refusals
from hnnode.bench.localnet import LocalNet
from hnnode.bench.overload import Overload
from hnnode.bench.plan import Plan, Signer
from hnnode.bench.runs import median_of
from hnnode.bench.tally import histogram_ms, percentiles_ms
from hnnode.errors import Unavailable
from hnnode.node.genesis import load_genesis

RESULT_VERSION = 2


@dataclass(slots=True)
class ChainRun:
    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    progress: Progress
    deploy_s: Mapping[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The result as JSON-ready data. Raises Unavailable when a node dies or nothing commits."""
        plan = self.plan
        runner = LoadRunner(self.net, self.progress, plan.application)
        rest = idle(runner, plan.idle_s) if plan.idle_s else None
        signer = Signer(runner, self.keys, plan)
        if signer.first_question is not None:
            warm_up(self.net.doors(), plan.application, signer.first_question)
        filler = Filler(runner, signer)
        preloaded = filler.fill(plan.preload) if plan.preload else 0
        peak = Knee(runner, signer, filler).tps() if plan.rate is None or plan.probe else None
        rate = plan.rate or max(100, int(peak or 0.0) // 100 * 100)
        result = median_of([self._measure(runner, signer, rate) for _ in range(plan.runs)])
        result |= {
            "result_version": RESULT_VERSION,
            "scenario": "chain",
            "app": plan.application,
            "flavour": signer.flavour,
            "nodes": len(self.net.nodes),
            "seconds": plan.seconds,
            "deploy_s": dict(self.deploy_s),
            "machine": machine.facts(),
            "commit": machine.commit(),
            "reference": machine.reference(),
            "settings": self._settings(rate, preloaded, signer),
        }
        if peak is not None:
            result["peak_tps"] = round(peak, 1)
        if rest is not None:
            result["idle"] = rest
        if plan.overload:
            result["overload"] = Overload(runner, signer, filler, plan).run()
        return result

    def _settings(self, rate: int, preloaded: int, signer: Signer) -> dict[str, Any]:
        plan, config = self.plan, self.net.nodes[0].config
        return {
            "rate": rate,
            "rate_given": plan.rate is not None,
            "flavour": signer.flavour,
            "queries_per_tx": round(signer.queries_per_tx, 4),
            "batch": plan.batch,
            "payload_bytes": plan.payload_bytes,
            "hot_percent": plan.hot_percent,
            "preloaded": preloaded,
            "gateways": plan.gateways,
            "delay_ms": plan.delay_ms,
            "isolated": plan.isolated,
            "runs": plan.runs,
            "seed": plan.seed,
            "connections": len(self.net.doors()) * 4,
            "block_interval_ms": config.consensus.block_interval_ms,
            "seal_ms": config.mempool.seal_ms,
            "block_tx_count_max": load_genesis(self.net.nodes[0].home / "genesis.json").file.block_tx_count_max,
            "node_cores": plan.cores or machine.cores(),
        }

    def _measure(self, runner: LoadRunner, signer: Signer, rate: int) -> dict[str, Any]:
        plan = self.plan
        bundles = signer.sign(rate * plan.seconds)
        tx_bytes = sum(len(b.body) - 4 * len(b.tx_ids) for b in bundles) / sum(len(b.tx_ids) for b in bundles)
        home = self.net.nodes[0].home
        disk_bytes, before = processes.rested_disk_bytes(home), runner.accounts()
        loaded = runner.run([Phase(bundles, rate, plan.seconds, queries_per_tx=signer.queries_per_tx)])
        after, disk_end = runner.accounts(), processes.disk_bytes(home)
        disk_rested, rested = processes.rested_disk_bytes(home), runner.accounts()
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
            "ledger_bytes_per_tx": round((disk_rested - disk_bytes) / committed, 1),
            "ledger_bytes_per_tx_at_end": round((disk_end - disk_bytes) / committed, 1),
            "state_roots_equal": equal,
            "committed_per_second": tally.per_second(loaded.start_s, plan.seconds),
            "series": loaded.series(),
        }
        if signer.queries_per_tx:
            found["queries"] = loaded.asked.facts(plan.seconds, tally.offered)
        return found | self._costs(before, after, rested, loaded)

    def _costs(
        self, before: Sequence[Account], after: Sequence[Account], rested: Sequence[Account], loaded: Loaded
    ) -> dict[str, Any]:
        """rested: when the nodes had also done what the load left them to do, which its CPU time pays for."""
        committed, nodes = loaded.tally.committed_count, len(self.net.nodes)
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
