"""What a chain takes on disk, once nothing of it is in memory alone."""

from __future__ import annotations

from typing import Any

import httpx

from hnnode.bench import processes
from hnnode.bench.localnet import LocalNet
from hnnode.errors import Unavailable


def ledger_growth(net: LocalNet, fresh_bytes: int) -> dict[str, Any]:
    """Stops the nodes, which brings every row and page into files, and divides what the first one's home grew by since it was
    new (fresh_bytes) by all transactions of the chain, those of preloading and searching too.

    A running node holds up to `storage.write_buffer_bytes` of rows and pages twice: some hundred thousand transactions whose
    bytes no file has yet. Raises Unavailable when a node does not end by itself: its disk says nothing then.
    """
    node = net.nodes[0]
    figures = processes.parse_metrics(httpx.get(node.metrics_url, timeout=10.0, trust_env=False).text)
    tx_count = figures.total("hn_txs_total") or 0.0
    if killed := net.stop():
        raise Unavailable("NODE_UNREACHABLE", f"{', '.join(killed)} did not stop; {node.log}:\n{node.last_log_lines()}")
    grown = processes.disk_bytes(node.home) - fresh_bytes
    return {"ledger_bytes_per_tx": round(grown / tx_count, 1), "ledger_txs": int(tx_count)} if tx_count else {}
