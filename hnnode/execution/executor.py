"""Runs the transactions of one block that belong to Python applications.

    transactions → group: keys → one get_many → group: keys that follow → one get_many … → group: packed results → core
                                                                             → group: due items, packed → core

The executor is the host's side: it reads the state and knows the accounts. `group.py` is the plugin's side, with the
rules that both keep.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import TYPE_CHECKING

import hnnode_native

from hnnode.errors import FatalError
from hnnode.execution.due import next_due
from hnnode.execution.group import ForeignTx, Group
from hnnode.execution.isolation import IsolatedApplication
from hnnode.execution.prefetch import Prefetch
from hnnode.execution.reader import AccountRecords, StateBlockReader
from hnnode.execution.standing import Standing, standing_at
from hnnode.execution.table import Application
from hnnode.plugin_api.outcome import ReadFailed
from hnnode.primitives.skip import Skipped

if TYPE_CHECKING:
    from hnnode.ports import StateReader

Write = tuple[bytes, bytes | None]
ForeignResult = tuple[int, int, str, int, list[Write], list[tuple[str, str, bytes]]]
"""(tx_index, code, rule, steps, writes in key order, events)."""
NO_CACHE_BYTES = 1024 * 1024
"""The least that the core takes for prepared keys; nothing is verified where it is used."""


NOTHING_SKIPPED: Skipped = {}


def go_on() -> None:
    """What is asked before a block of an isolated application is tried again, where nobody has anything to say."""


class Executor:
    """Executes groups of transactions; holds no state between blocks and may be used by one thread at a time; `standing` is for
    any."""

    def __init__(self, applications: Mapping[str, Application | IsolatedApplication]) -> None:
        self._applications = dict(applications)
        apart = sum(isinstance(table, IsolatedApplication) for table in applications.values())
        self._threads = ThreadPoolExecutor(max(1, apart), "plugin-run")  # none is started before it is needed
        self._inside: tuple[str, Sequence[ForeignTx], Group] | None = None

    def execute_block(
        self,
        groups: Sequence[tuple[str, Sequence[ForeignTx]]],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
        is_open: Callable[[str], bool] = lambda _: True,
        skipped: Skipped = NOTHING_SKIPPED,
        again: Callable[[], None] = go_on,
    ) -> Iterator[tuple[str, bytes, bytes]]:
        """(application, packed results of its transactions, of its due items) of each group of a block, and of each application
        that has no transaction but something due; ascending by application, whichever is ready first.

        Isolated applications run at the same time, each in its process, and beside those of this process: they read the
        state after the block before, so none sees what another does. What they ask the node for is answered by a thread
        each.

        Args:
            state, accounts: may be read by several threads; nobody writes until the last results are taken.
            is_open: whether an application takes part in this block; asked of those without transactions.
            skipped: what no handler is called for.
            again: called before an isolated application is tried again; what it raises ends the block.
        Raises: as `execute_packed`, of the first group that fails; the others are left to themselves then.
        """
        named = {name for name, _ in groups}
        due: list[tuple[str, Sequence[ForeignTx]]] = [
            (name, ())
            for name, at_ms in self._next_due(state, lambda name: name not in named and is_open(name))
            if at_ms <= time_ms
        ]
        every = sorted([*groups, *due], key=itemgetter(0)) if due else groups
        apart = [name for name, _ in every if isinstance(self._applications.get(name), IsolatedApplication)]
        if len(apart) == len(every):
            apart = apart[1:]  # this thread has something to do, too
        running = {
            name: self._threads.submit(
                self.execute_ended, name, txs, state, height, time_ms, accounts, skipped.get(name, frozenset()), again
            )
            for name, txs in every
            if name in apart
        }
        done = {
            name: self.execute_ended(name, txs, state, height, time_ms, accounts, skipped.get(name, frozenset()), again)
            for name, txs in every
            if name not in running
        }
        for name, _ in every:
            yield name, *(done[name] if name in done else running[name].result())

    def next_due_ms(self, state: StateReader, is_open: Callable[[str], bool] = lambda _: True) -> int | None:
        """When the earliest due item of all applications that take part becomes due; None when there is none.

        Cost: a scan of one row for each application with a due index; no process is asked.
        """
        return min((at_ms for _, at_ms in self._next_due(state, is_open)), default=None)

    def _next_due(self, state: StateReader, is_open: Callable[[str], bool]) -> Iterator[tuple[str, int]]:
        for name, table in self._applications.items():
            if table.due is not None and is_open(name):
                at_ms = next_due(state, table.prefix, table.due.prefix)
                if at_ms is not None:
                    yield name, at_ms

    def standing(self) -> list[Standing]:
        """Where plugins' code stands: inside the node now, isolated since a try of the block failed."""
        found = [
            standing_at(table.name, *at, isolated=True)
            for table in self._applications.values()
            if isinstance(table, IsolatedApplication) and (at := table.standing) is not None
        ]
        inside = self._inside
        if inside is not None and (tx_id := inside[2].standing):
            found.append(standing_at(*inside[:2], tx_id, isolated=False))
        return found

    def execute_group(
        self,
        application: str,
        txs: Sequence[ForeignTx],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
    ) -> list[ForeignResult]:
        """Results of `txs`, one each, in the same order; for tests and tools. Arguments and errors as `execute_packed`."""
        return hnnode_native.unpack_results(self.execute_packed(application, txs, state, height, time_ms, accounts))

    def execute_local(
        self,
        groups: Sequence[tuple[str, Sequence[ForeignTx]]],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
    ) -> tuple[dict[str, list[ForeignResult]], list[Write]]:
        """A block for a chain in memory: results by application, and what its due work writes, database keys with the rows of its
        receipts, as the core settles it. Arguments and errors as `execute_block`.
        """
        named = {name for name, _ in groups}
        done: dict[str, list[ForeignResult]] = {}
        due: list[tuple[str, bytes]] = []
        for name, results, ended in self.execute_block(groups, state, height, time_ms, accounts):
            if name in named:
                done[name] = hnnode_native.unpack_results(results)
            if ended:
                due.append((name, ended))
        return done, self._settle_due(due, height, time_ms) if due else []

    def _settle_due(self, due: Sequence[tuple[str, bytes]], height: int, time_ms: int) -> list[Write]:
        tables = self._applications.values()
        dispatch = hnnode_native.DispatchTable(
            [(table.name, row.name, row.roles) for table in tables for row in table.actions.values()]
        )
        nobody = hnnode_native.Accounts(NO_CACHE_BYTES)
        block = hnnode_native.BlockExecution(bytes(32), height, time_ms, bytes(20), 1, [], nobody, dispatch)
        block.set_committed(b"")
        block.supply([None] * len(block.native_keys()))
        block.run_native()
        for name, packed in due:
            block.complete_due(name, packed)
        return list(block.finish().writes)

    def execute_packed(
        self,
        application: str,
        txs: Sequence[ForeignTx],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
    ) -> bytes:
        """Results of `txs` as `BlockExecution.complete` takes them; arguments and errors as `execute_ended`."""
        return self.execute_ended(application, txs, state, height, time_ms, accounts)[0]

    def execute_ended(
        self,
        application: str,
        txs: Sequence[ForeignTx],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
        skipped: frozenset[bytes] = frozenset(),
        again: Callable[[], None] = go_on,
    ) -> tuple[bytes, bytes]:
        """Results of `txs` as `BlockExecution.complete` takes them, and of the due items as `complete_due` does: empty when
        nothing is due.

        Args:
            txs: transactions of this application in block order, already checked for sender, role and repetition.
            state: state after block `height - 1`.
            height, time_ms: of the block being executed.
        Raises: FatalError: the application is not loaded, or the host is out of memory. Errors of `state` pass through.
        Cost: see `bench/micro/plugin.py`.
        """
        table = self._applications.get(application)
        if table is None:
            raise FatalError("PLUGIN_SET_INVALID", f"application: {application} is not loaded (height={height})")
        if isinstance(table, IsolatedApplication):
            try:
                return table.execute(txs, state, height, time_ms, accounts, skipped, again)
            except ReadFailed as failed:
                raise failed.error from failed
        collecting = gc.isenabled()
        gc.disable()  # tens of thousands of objects and no cycle among them
        try:
            group = Group(table.fresh(), height, time_ms, skipped)
            self._inside = application, txs, group
            wanted, prefetch = group.declare(txs), Prefetch(state, table.prefix)
            values: dict[bytes, bytes | None] = {}
            while wanted:
                values.update(zip(wanted, prefetch.values(wanted), strict=False))
                wanted = group.follow(values)
            return group.run(values, StateBlockReader(table.prefix, state, accounts)), group.end()
        except ReadFailed as failed:
            raise failed.error from failed
        finally:
            self._inside = None
            if collecting:
                gc.enable()
