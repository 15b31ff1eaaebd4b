"""When a network has nothing left to do: no further block comes, and no node writes or merges files beside its blocks."""

from __future__ import annotations

import time

import httpx

from hnnode.bench import processes
from hnnode.bench.localnet import LocalNet
from hnnode.errors import Unavailable

SETTLE_S = 0.5
"""Between two looks that have to see the same: a node goes on to its next step of work well within it."""
DELAYS = 5
"""One-way delays between validators from a block to the one behind it, that certifies its results: dissemination and rounds."""
REST_S_MAX = 30.0


def rested_disk_bytes(net: LocalNet, delay_ms: int = 0) -> int:
    """Bytes of the first node's home when all nodes are at rest: idle (`hn_storage_busy`), at one height, and nothing changed
    for a while; after REST_S_MAX at the latest. delay_ms: one way, between validators.

    Raises Unavailable when a node ended. Cost: a node is asked for its metrics twice a second while it works, the
    others wait for their turn.
    """
    settle_s = SETTLE_S + DELAYS * delay_ms / 1000
    until = time.monotonic() + REST_S_MAX
    with httpx.Client(timeout=10.0, trust_env=False) as client:
        urls = [node.metrics_url for node in net.nodes if node.running]
        seen: tuple[set[float], int] | None = None
        while True:
            if (ended := net.ended()) is not None:
                raise Unavailable("NODE_UNREACHABLE", f"{ended.name} ended; {ended.log}:\n{ended.last_log_lines()}")
            heights = _heights(client, urls)
            disk_bytes = processes.disk_bytes(net.nodes[0].home)
            if time.monotonic() >= until or (len(heights) == 1 and seen == (heights, disk_bytes)):
                return disk_bytes
            seen = heights, disk_bytes
            time.sleep(settle_s)


def _heights(client: httpx.Client, urls: list[str]) -> set[float]:
    """Heights of the nodes; empty as soon as one is not idle, or does not answer."""
    heights = set[float]()
    for url in urls:
        try:
            figures = processes.parse_metrics(client.get(url).text)
        except httpx.TransportError:
            return set()
        if figures.total("hn_storage_busy"):
            return set()
        heights.add(figures.total("hn_height") or 0.0)
    return heights
