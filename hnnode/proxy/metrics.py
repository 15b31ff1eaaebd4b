"""Metrics of a gateway, in Prometheus form. Workers of one gateway keep theirs in a folder they share, so that any of them can tell all."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from hnnode.metrics import LATENCY_BUCKETS_S

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Of the library: read when it is imported, so it is set before a worker starts."""


class GatewayMetrics:
    """Names start with `hn_gateway_`. `admitted` and `refused` are what `mempool.admission.Counts` asks for."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.admitted = Counter(
            "hn_gateway_verified_txs", "Transactions whose signature was found valid here", registry=r
        )
        self.refused = Counter("hn_gateway_refused_txs", "Transactions refused here, by code", ["code"], registry=r)
        self.unverified = Counter(
            "hn_gateway_unverified_txs", "Transactions left to the node, the account is not known here", registry=r
        )
        self.answered = Counter("hn_gateway_answered_txs", "Transactions by what the node said", ["code"], registry=r)
        self.turned_away = Counter(
            "hn_gateway_turned_away", "Requests refused before they were read", ["code"], registry=r
        )
        self.forwards = Counter("hn_gateway_forwards", "Requests with transactions to a node", registry=r)
        self.resent = Counter("hn_gateway_resent", "Requests sent once more after a lost answer", registry=r)
        self.passed = Counter("hn_gateway_passed", "Requests passed through, by status", ["status"], registry=r)
        self.forward_s = Histogram(
            "hn_gateway_forward_seconds", "Time of a forwarded request", buckets=LATENCY_BUCKETS_S, registry=r
        )
        self.waiting_bytes = Gauge(
            "hn_gateway_waiting_bytes", "Bytes of bodies without an answer", registry=r, multiprocess_mode="livesum"
        )
        self.accounts = Gauge(
            "hn_gateway_accounts", "Accounts whose key is known here", registry=r, multiprocess_mode="livemax"
        )
        self.node_up = Gauge(
            "hn_gateway_node_up", "1 while the node can be reached", ["node"], registry=r, multiprocess_mode="livemin"
        )
        self.node_ready = Gauge(
            "hn_gateway_node_ready", "1 while the node is in step", ["node"], registry=r, multiprocess_mode="livemin"
        )

    def render(self) -> bytes:
        """Prometheus text, of all workers when there are several."""
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
