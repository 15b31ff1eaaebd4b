"""The path of a decided block: execute → write → flush → publish.

    decided ─▶ execution thread: transactions, receipts, state tree, one write in memory ─▶ results (the next height may start)
                                     └▶ storage thread: block log, fsync ─▶ publish ─▶ waiters, events, pool

Invariants:
1. Blocks pass in height order; execution of h reads a state that holds every write up to h − 1.
2. Nothing is told to a client before the block's fsync returned.
3. At most `UNFLUSHED_MAX` blocks are written and not yet durable; the consensus log still holds them.
4. Any exception on this path stops the node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hnnode_native import Accounts, Pool

from hnnode.mempool.batches import BatchBuffer
from hnnode.mempool.mempool import Mempool
from hnnode.metrics import Metrics
from hnnode.node.block_work import BlockWork, Executed
from hnnode.ports import ConsensusLog, Decided, Tip
from hnnode.storage import Database

UNFLUSHED_MAX = 2


class Pipeline:
    """See the module. `execute` on the event loop; the heavy parts run in their own threads."""

    def __init__(
        self,
        *,
        work: BlockWork,
        database: Database,
        accounts: Accounts,
        pool: Pool,
        batches: BatchBuffer,
        consensus_log: ConsensusLog,
        metrics: Metrics,
        execution_thread: ThreadPoolExecutor,
        storage_thread: ThreadPoolExecutor,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._work = work
        self._database = database
        self._accounts = accounts
        self._pool = pool
        self._batches = batches
        self._consensus_log = consensus_log
        self._metrics = metrics
        self._execution_thread = execution_thread
        self._storage_thread = storage_thread
        self._on_fatal = on_fatal
        self._listeners: list[Callable[[int], None]] = []
        self._unflushed = asyncio.Semaphore(UNFLUSHED_MAX)
        self._flushes: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self._mempool: Mempool | None = None
        self.last_commit_at = time.monotonic()

    def attach(self, mempool: Mempool) -> None:
        self._mempool = mempool

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """Called on the event loop with each height once it is durable and published."""
        self._listeners.append(listener)

    async def execute(self, decided: Decided) -> Tip:
        """Execute and write a block; returns its results as soon as the next height may start.

        Raises: ConfigError: the next height runs code that is not here; this block is durable and published then."""
        await self._unflushed.acquire()
        loop = asyncio.get_running_loop()
        executed = await loop.run_in_executor(self._execution_thread, self._work.run, decided)
        # Before the next height: its batches may no longer be proposed, and seqs must rise above these.
        self._batches.on_commit(decided.batches, decided.height)
        task = asyncio.create_task(self._commit(decided, executed), name=f"commit {decided.height}")
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)
        if executed.stop is not None:
            await task
            raise executed.stop
        return executed.tip

    async def next_due_ms(self) -> int | None:
        """When something of the state after the last executed block is due; None when nothing is."""
        return await asyncio.get_running_loop().run_in_executor(self._execution_thread, self._work.next_due_ms)

    def check_storage(self) -> None:
        """Raises FatalError for what storage does in the background and could not. Any thread."""
        self._database.check()

    async def drain(self) -> None:
        """Wait until everything written is durable and published."""
        await asyncio.gather(*self._flushes, return_exceptions=True)

    # -------------------------------------------------------------- durability
    async def _commit(self, decided: Decided, executed: Executed) -> None:
        try:
            async with self._order:
                started = time.perf_counter()
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._storage_thread, self._database.flush)
                self._metrics.fsyncs.labels("database").inc()
                self._metrics.stage.labels("flush").observe(time.perf_counter() - started)
                self._database.publish(decided.height)
                # After the block is seen: until then its transactions are the pool's to answer for.
                batches = [held.batch for held in decided.batches]
                await loop.run_in_executor(
                    self._storage_thread, self._pool.on_commit, decided.height, batches, self._accounts
                )
                self._published(decided.height, executed)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise
        finally:
            self._unflushed.release()

    def _published(self, height: int, executed: Executed) -> None:
        self._consensus_log.drop_through(height)
        now = time.monotonic()
        self._metrics.block_interval.observe(now - self.last_commit_at)
        self.last_commit_at = now
        self._metrics.blocks.inc()
        self._metrics.height.set(height)
        self._metrics.txs.labels("succeeded").inc(executed.succeeded_count)
        self._metrics.txs.labels("failed").inc(executed.failed_count)
        self._metrics.verified.set(self._pool.verified_count())
        if self._mempool is not None:
            self._mempool.on_commit(height, executed.tx_ids)
        for listener in self._listeners:
            listener(height)
