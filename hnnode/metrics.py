"""Metrics of one node, in Prometheus form. One registry a node, so that several nodes can live in one test process."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.3, 2.6, 5.2, 10.0, 20.0, 40.0, 80.0, 120.0)
LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.5, 1.0, 5.0)
"""Fine around the 20 ms that a loaded node is to keep."""


class LoopSamples(Collector):
    """Counts that a signal handler makes. It may interrupt anything, itself and the reading of metrics included, so unlike the counters
    of the library it takes no lock: a count that is interrupted by another may be lost, a thread never is."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, module: str) -> None:
        self._counts[module] = self._counts.get(module, 0) + 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "hn_loop_samples", "CPU samples of the event loop by module, see metrics.loop_sample_ms", labels=["module"]
        )
        for module, count in self._counts.copy().items():
            family.add_metric([module], count)
        yield family


class Metrics:
    """Counters and gauges by the rooms that own them. Names start with `hn_`."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.blocks = Counter("hn_blocks", "Committed blocks", registry=r)
        self.txs = Counter("hn_txs", "Committed transactions by outcome", ["outcome"], registry=r)
        self.admitted = Counter("hn_admitted_txs", "Transactions admitted at this node's door", registry=r)
        self.refused = Counter("hn_refused_txs", "Transactions refused at this node's door", ["code"], registry=r)
        self.fsyncs = Counter("hn_fsyncs", "Synced writes by file", ["file"], registry=r)
        self.verified = Gauge("hn_signatures_verified", "Transaction signatures verified since start", registry=r)
        self.votes_verified = Gauge("hn_votes_verified", "Consensus signatures verified since start", registry=r)
        self.dropped = Counter("hn_dropped", "Frames and requests dropped by a full queue", ["queue"], registry=r)
        self.results_differ = Counter(
            "hn_results_differ", "Blocks whose results differ from those in a peer's header", registry=r
        )
        self.height = Gauge("hn_height", "Last committed height", registry=r)
        self.round = Gauge("hn_round", "Consensus round of the open height", registry=r)
        self.peers = Gauge("hn_peers", "Connected peers", registry=r)
        self.network = Gauge("hn_network", "Peer traffic since start, by figure", ["figure"], registry=r)
        self.pool_txs = Gauge("hn_pool_txs", "Transactions waiting to be sealed", registry=r)
        self.pool_bytes = Gauge("hn_pool_bytes", "Bytes held by the pool", registry=r)
        self.memory = Gauge("hn_memory_bytes", "Memory by part; resident is the whole process", ["part"], registry=r)
        self.memory_max = Gauge("hn_memory_bytes_max", "Bound of a part of the memory", ["part"], registry=r)
        self.syncing = Gauge("hn_syncing", "1 while the node catches up", registry=r)
        self.loop_lag = Gauge("hn_loop_lag_seconds", "Latest delay of the event loop", registry=r)
        self.event_loop_lag = Histogram(
            "hn_event_loop_lag_seconds", "Delay of a 50 ms ticker of the event loop", buckets=LAG_BUCKETS_S, registry=r
        )
        self.loop_samples = LoopSamples()
        r.register(self.loop_samples)
        self.plugin_processes_ended = Counter(
            "hn_plugin_processes_ended", "Processes of plugins that had to be replaced", ["application"], registry=r
        )
        self.commit_age = Gauge("hn_commit_age_seconds", "Seconds since the last commit", registry=r)
        self.disk_free = Gauge("hn_disk_free_bytes", "Free bytes on the data disk", registry=r)
        self.storage_busy = Gauge(
            "hn_storage_busy", "1 while files of the database are written or merged beside the blocks", registry=r
        )
        self.stage = Histogram(
            "hn_stage_seconds",
            "Time of a submission, an own batch, then a block in each stage",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=r,
        )
        self.block_interval = Histogram(
            "hn_block_interval_seconds", "Time between commits", buckets=LATENCY_BUCKETS_S, registry=r
        )

    def render(self) -> bytes:
        """Prometheus text."""
        return generate_latest(self.registry)
