"""The path of a decided block: execute → write → flush → publish.

    decided ─▶ execution thread: transactions, receipts, state tree, one unsynced write ─▶ results (the next height may start)
                                     └▶ storage thread: fsync ─▶ publish ─▶ waiters, events, pool

Invariants:
1. Blocks pass in height order; execution of h reads a state that holds every write up to h − 1.
2. Nothing is told to a client before the block's fsync returned.
3. At most `UNFLUSHED_MAX` blocks are written and not yet durable; the consensus log still holds them.
4. Any exception on this path stops the node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hnnode_native import Accounts, BlockExecution, BlockResult, DispatchTable, Pool, StateTree

from hnnode.execution import Executor
from hnnode.mempool.batches import BatchBuffer
from hnnode.mempool.mempool import Mempool
from hnnode.metrics import Metrics
from hnnode.ports import CommitRecord, ConsensusLog, Decided, Tip
from hnnode.storage import Database

UNFLUSHED_MAX = 2


class Pipeline:
    """See the module. `execute` on the event loop; the heavy parts run in their own threads."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        valid_blocks_max: int,
        database: Database,
        tree: StateTree,
        accounts: Accounts,
        dispatch: DispatchTable,
        executor: Executor,
        pool: Pool,
        batches: BatchBuffer,
        consensus_log: ConsensusLog,
        metrics: Metrics,
        execution_thread: ThreadPoolExecutor,
        storage_thread: ThreadPoolExecutor,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._chain_id = chain_id
        self._valid_blocks_max = valid_blocks_max
        self._database = database
        self._tree = tree
        self._accounts = accounts
        self._dispatch = dispatch
        self._executor = executor
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
        """Execute and write a block; returns its results as soon as the next height may start."""
        await self._unflushed.acquire()
        loop = asyncio.get_running_loop()
        record, codes = await loop.run_in_executor(self._execution_thread, self._execute, decided)
        # Before the next height: its batches may no longer be proposed, and seqs must rise above these.
        self._batches.on_commit(decided.batches, decided.height)
        task = asyncio.create_task(self._commit(decided, record, codes), name=f"commit {decided.height}")
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)
        return record.tip

    async def drain(self) -> None:
        """Wait until everything written is durable and published."""
        await asyncio.gather(*self._flushes, return_exceptions=True)

    # -------------------------------------------------------------- execution thread
    def _execute(self, decided: Decided) -> tuple[CommitRecord, Sequence[int]]:
        started = time.perf_counter()
        state = self._database.pending_state()
        execution = BlockExecution(
            self._chain_id,
            decided.height,
            decided.time_ms,
            decided.proposer,
            self._valid_blocks_max,
            [h.batch for h in decided.batches],
            self._accounts,
            self._dispatch,
        )
        execution.set_committed(self._database.committed_flags(execution.tx_ids()))
        execution.supply(state.get_many(execution.native_keys()))
        execution.run_native()
        for application, txs in execution.foreign_groups():
            results = self._executor.execute_group(
                application, txs, state, decided.height, decided.time_ms, self._accounts
            )
            execution.complete(application, results)
        result = execution.finish()
        executed = time.perf_counter()
        pages = self._update_tree(result, state.pages)
        hashed = time.perf_counter()
        record = self._record(decided, result, pages)
        self._database.write(record)
        self._accounts.apply(result)
        written = time.perf_counter()
        stage = self._metrics.stage
        stage.labels("execute").observe(executed - started)
        stage.labels("tree").observe(hashed - executed)
        stage.labels("write").observe(written - hashed)
        return record, result.codes

    def _update_tree(
        self, result: BlockResult, read_pages: Callable[[Sequence[bytes]], list[bytes | None]]
    ) -> list[tuple[bytes, bytes | None]]:
        if result.update_count == 0:
            return []
        while needed := self._tree.apply(result):
            self._tree.load(list(zip(needed, read_pages(needed), strict=True)))
        return self._tree.changed_pages()

    def _record(
        self, decided: Decided, result: BlockResult, pages: Sequence[tuple[bytes, bytes | None]]
    ) -> CommitRecord:
        seqs: dict[bytes, int] = {}
        for held in decided.batches:
            seqs[held.batch.author] = max(seqs.get(held.batch.author, 0), held.batch.seq)
        tip = Tip(
            decided.height,
            decided.block_hash,
            decided.time_ms,
            result.receipts_root,
            self._tree.root(),
            result.outbox_root,
        )
        return CommitRecord(
            tip=tip,
            value=decided.value,
            certificate=decided.certificate,
            batches=[(h.batch.digest, h.batch.tx_count, h.location) for h in decided.batches],
            tx_ids=result.tx_ids,
            receipts=result.receipts,
            writes=result.writes,
            pages=pages,
            author_seqs=sorted(seqs.items()),
        )

    # -------------------------------------------------------------- durability
    async def _commit(self, decided: Decided, record: CommitRecord, codes: Sequence[int]) -> None:
        try:
            async with self._order:
                started = time.perf_counter()
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._storage_thread, self._database.flush)
                self._metrics.fsyncs.labels("database").inc()
                self._metrics.stage.labels("flush").observe(time.perf_counter() - started)
                self._publish(decided, record, codes)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise
        finally:
            self._unflushed.release()

    def _publish(self, decided: Decided, record: CommitRecord, codes: Sequence[int]) -> None:
        height = decided.height
        self._database.publish(height)
        self._consensus_log.drop_through(height)
        self._pool.on_commit(height, [h.batch for h in decided.batches], self._accounts)
        failed = sum(1 for code in codes if code)
        now = time.monotonic()
        self._metrics.block_interval.observe(now - self.last_commit_at)
        self.last_commit_at = now
        self._metrics.blocks.inc()
        self._metrics.height.set(height)
        self._metrics.txs.labels("succeeded").inc(len(codes) - failed)
        self._metrics.txs.labels("failed").inc(failed)
        self._metrics.verified.set(self._pool.verified_count())
        if self._mempool is not None:
            self._mempool.on_commit(height, record.tx_ids)
        for listener in self._listeners:
            listener(height)


def load_tree(cache_bytes_max: int, database: Database) -> StateTree:
    """The state tree of an opened database, its root page loaded."""
    tree = StateTree(cache_bytes_max)
    state = database.pending_state()
    while needed := tree.missing([bytes(32)]):
        tree.load(list(zip(needed, state.pages(needed), strict=True)))
    return tree
