"""How a running node fares: disk, event loop, pool, peers and rounds, looked at again and again for `/metrics` and `/v1/status`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from hnnode_native import Pool

from hnnode.consensus.driver import ConsensusDriver
from hnnode.metrics import Metrics
from hnnode.node.interpreter import background_gives_way
from hnnode.node.loop_profile import name_threads
from hnnode.node.memory import Memory
from hnnode.node.pipeline import Pipeline
from hnnode.ports import Network
from hnnode.primitives.guard import guarded
from hnnode.storage import disk_free_bytes

WATCH_S = 5.0
LAG_CHECK_S = 0.05
LAG_CHECK_IDLE_S = 2.0
IDLE_S = 5.0
"""Without a block for this long the node looks at its own delay less often."""


class Health:
    """Latest readings of one node. `start()` needs a running loop; until then the disk is what it was at construction.

    Attributes:
        disk_free_bytes: free bytes on the disk of the home, at most `WATCH_S` old.
        loop_lag_s: how late the event loop came to its latest check.
    """

    def __init__(
        self,
        *,
        root: Path,
        metrics: Metrics,
        pool: Pool,
        network: Network,
        pipeline: Pipeline,
        consensus: ConsensusDriver,
        memory: Memory,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._memory = memory
        self._root = root
        self._metrics = metrics
        self._pool = pool
        self._network = network
        self._pipeline = pipeline
        self._consensus = consensus
        self._on_fatal = on_fatal
        self._tasks: list[asyncio.Task[None]] = []
        self.disk_free_bytes = disk_free_bytes(root)
        self.loop_lag_s = 0.0

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(guarded(work, self._on_fatal), name=name)
            for name, work in (("watch", self._watch), ("lag", self._lag))
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        seen: set[str] = set()
        while True:
            # Files are written and merged aside; on a chain at rest no block would tell that they failed.
            await asyncio.to_thread(self._pipeline.check_storage)
            self.disk_free_bytes = await asyncio.to_thread(disk_free_bytes, self._root)
            m = self._metrics
            await asyncio.to_thread(self._memory.tell, m)
            m.disk_free.set(self.disk_free_bytes)
            m.pool_txs.set(self._pool.count())
            m.pool_bytes.set(self._pool.bytes_used())
            m.peers.set(len(self._network.connected()))
            for figure, count in self._network.figures().items():
                m.network.labels(figure).set(count)
            m.commit_age.set(time.monotonic() - self._pipeline.last_commit_at)
            stats = self._consensus.stats()
            m.round.set(int(stats["round"]))
            m.votes_verified.set(int(stats["verified"]))
            background_gives_way(seen)
            await asyncio.sleep(WATCH_S)

    async def _lag(self) -> None:
        named: set[int] = set()
        while True:
            name_threads(named)  # pools start their threads when they are first used
            before = time.monotonic()
            is_idle = before - self._pipeline.last_commit_at > IDLE_S
            pause_s = LAG_CHECK_IDLE_S if is_idle else LAG_CHECK_S
            await asyncio.sleep(pause_s)
            self.loop_lag_s = max(0.0, time.monotonic() - before - pause_s)
            self._metrics.loop_lag.set(self.loop_lag_s)
            self._metrics.event_loop_lag.observe(self.loop_lag_s)
