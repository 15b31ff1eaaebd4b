"""Execution of one block to the record that storage writes; the same code for a decided block and for one of the block log.

Runs in one thread at a time: the execution thread, or the start before it exists.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from hnnode_native import Accounts, BlockExecution, BlockResult, PageLayer, StateTree, pack_receipts

from hnnode.errors import ConfigError, FatalError
from hnnode.governance import PluginSets
from hnnode.governance.skips import Skips, SkipsChanged
from hnnode.metrics import Metrics
from hnnode.ports import CommitRecord, Decided, LoggedBlock, Tip
from hnnode.primitives.skip import Skipped
from hnnode.storage import Database
from hnnode.sync.results import RecentResults


@dataclass(frozen=True, slots=True)
class Executed:
    """What is left of a block once it is written: its results, and what the waiters and the counters want to know of it.

    Not its rows: they are freed where they were made, not by the event loop, whose time is dearer.
    tx_ids: 32 bytes each, joined. stop: why this node cannot execute the next block; None while it can."""

    tip: Tip
    tx_ids: bytes
    succeeded_count: int
    failed_count: int
    stop: ConfigError | None = None


class BlockWork:
    """State that goes from block to block: database, tree, accounts, plugins."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        valid_blocks_max: int,
        database: Database,
        tree: StateTree,
        accounts: Accounts,
        plugins: PluginSets,
        metrics: Metrics,
        recent: RecentResults,
        skips: Skips,
    ) -> None:
        self._chain_id = chain_id
        self._valid_blocks_max = valid_blocks_max
        self._database = database
        self._tree = tree
        self._accounts = accounts
        self._plugins = plugins
        self._metrics = metrics
        self._recent = recent
        self._skips = skips

    def run(self, decided: Decided, logged: LoggedBlock | None = None) -> Executed:
        """Execute the block after the last written one and write it.

        logged: the block comes from the block log, and nothing is written unless the results are those of then (FatalError
            STATE_ROOT_MISMATCH).
        """
        started = time.perf_counter()
        result = self._execute_sealed(decided, was_logged=logged is not None)
        executed = time.perf_counter()
        pages = self._update_tree(result)
        hashed = time.perf_counter()
        record = self._record(decided, result, pages)
        if logged is None:
            self._database.write(record)
        elif record.tip == logged.tip:
            self._database.redo(record, logged)
        else:
            raise FatalError(
                "STATE_ROOT_MISMATCH",
                f"block {decided.height} of the block log, executed again, comes to other results than before: got "
                f"{_roots(record.tip)}, want {_roots(logged.tip)}; stored data changed or this program computes differently",
            )
        self._accounts.apply(result)
        self._recent.keep(record.tip, result, decided.batches)
        stop = self._plugins.follow(decided.height, result)
        written = time.perf_counter()
        stage = self._metrics.stage
        stage.labels("execute").observe(executed - started)
        stage.labels("tree").observe(hashed - executed)
        stage.labels("write").observe(written - hashed)
        return Executed(record.tip, result.tx_ids_packed, result.succeeded_count, result.failed_count, stop)

    def next_due_ms(self) -> int | None:
        """When something of the state after the last written block is due; None when nothing is."""
        return self._plugins.running.next_due_ms(self._database.pending_state())

    def _execute_sealed(self, decided: Decided, *, was_logged: bool) -> BlockResult:
        """Results with the skip records that count when it ends; nothing is written before."""
        height, block_hash = decided.height, decided.block_hash
        while True:
            skipped = self._skips.begin(height, block_hash)
            try:
                result = self._execute(decided, skipped)
            except SkipsChanged:
                continue
            if self._skips.seal(height, block_hash, skipped, was_logged=was_logged):
                return result

    def _execute(self, decided: Decided, skipped: Skipped) -> BlockResult:
        state = self._database.pending_state()
        running = self._plugins.running
        again = partial(self._skips.unchanged, decided.height, decided.block_hash, skipped)
        execution = BlockExecution(
            self._chain_id,
            decided.height,
            decided.time_ms,
            decided.proposer,
            self._valid_blocks_max,
            [h.batch for h in decided.batches],
            self._accounts,
            running.dispatch,
        )
        execution.set_committed(self._database.committed_flags(execution.tx_ids_packed()))
        self._database.pending_pages().prove_absent(self._tree, execution)
        execution.supply(state.get_many(execution.native_keys()))
        page = self._plugins.page(state, decided.height, skipped, again)
        if page is not None:
            execution.migrate(
                page.application, page.writes, page.rows, cursor=page.cursor, reached=page.reached, fault=page.fault
            )
        execution.run_native()
        groups = execution.foreign_groups()
        named = {application for application, _ in groups}
        for application, results, due in running.executor.execute_block(
            groups,
            state,
            decided.height,
            decided.time_ms,
            self._accounts,
            execution.is_open,
            skipped,
            again,
        ):
            if application in named:
                execution.complete(application, results)
            if due:
                execution.complete_due(application, due)
        return execution.finish()

    def _update_tree(self, result: BlockResult) -> PageLayer:
        if result.update_count == 0:
            return PageLayer([])
        self._database.pending_pages().update(self._tree, result)
        return self._tree.changed_pages()

    def _record(self, decided: Decided, result: BlockResult, pages: PageLayer) -> CommitRecord:
        seqs: dict[bytes, int] = {}
        for held in decided.batches:
            seqs[held.batch.author] = max(seqs.get(held.batch.author, 0), held.batch.seq)
        receipts = result.receipts_packed  # a copy each time
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
            tx_count=decided.tx_count,
            receipts_packed=receipts,
            receipts_stored=pack_receipts(receipts, [h.batch for h in decided.batches]),
            writes=result.writes,
            pages=pages,
            author_seqs=sorted(seqs.items()),
        )


def _roots(tip: Tip) -> str:
    return f"receipts {tip.receipts_root.hex()}, state {tip.state_root.hex()}, outbox {tip.outbox_root.hex()}"


def load_tree(cache_bytes_max: int, database: Database) -> StateTree:
    """The state tree of an opened database, its root page loaded.

    Raises: FatalError STORAGE_CORRUPT: it is not the tree of the tip.
    """
    tree = StateTree(cache_bytes_max)
    state = database.pending_state()
    while needed := tree.missing([bytes(32)]):
        tree.load(list(zip(needed, state.pages(needed), strict=True)))
    tip = database.tip()
    if tree.root() != tip.state_root:
        raise FatalError(
            "STORAGE_CORRUPT",
            f"state tree: got root {tree.root().hex()}, want {tip.state_root.hex()} (height={tip.height})",
        )
    return tree
