"""One node's view of a chain in memory: state, accounts, plugin; it executes what it is given and never decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hnnode_native import (
    Accounts,
    Batch,
    BlockExecution,
    BlockResult,
    DispatchTable,
    encode_account_record,
    state_key,
    state_key_hash,
    state_value_hash,
    tagged_hash,
)

from hnnode.execution.executor import Executor
from hnnode.execution.host import Host
from hnnode.kit.state import TreeState
from hnnode.ports import StateReader

CHAIN_ID = tagged_hash("hn/kit-chain/v1", b"kit")
VALID_BLOCKS_MAX = 1_000_000
ACCOUNT_CACHE_BYTES_MAX = 16 * 1024 * 1024

HostMaker = Callable[[], Host]


@dataclass(frozen=True, slots=True)
class Executed:
    """`order`: transaction ids as the block has them. `execute_s`: time in the executor."""

    order: list[bytes]
    result: BlockResult
    execute_s: float


@dataclass
class Replica:
    """`make_host`: loads the plugin afresh, as a start of the node does."""

    make_host: HostMaker
    state: TreeState = field(default_factory=TreeState)

    def __post_init__(self) -> None:
        self.records = Accounts(ACCOUNT_CACHE_BYTES_MAX)
        self._committed: set[bytes] = set()
        self.restart()

    def restart(self) -> None:
        """Load the plugin again; what it kept outside the state is gone."""
        self.host = self.make_host()
        self._executor: Executor = self.host.executor()
        self._dispatch = DispatchTable(self.host.foreign())

    def register(self, address: bytes, public_key: bytes, organisation: str, roles: Sequence[str]) -> None:
        """An account as the genesis would have made it."""
        record = encode_account_record(public_key, True, 0, organisation, list(roles))
        place = state_key_hash("identity", address)
        self.state.plant([(state_key("identity", address), record)], [(place, state_value_hash(record))])
        self.records.add([(address, record)])

    def execute(
        self, batches: Sequence[Batch], height: int, time_ms: int, proposer: bytes, state: StateReader | None = None
    ) -> Executed:
        """Results of a block; nothing is changed. `state`: what the plugin reads instead of this replica's state."""
        run = BlockExecution(
            CHAIN_ID, height, time_ms, proposer, VALID_BLOCKS_MAX, batches, self.records, self._dispatch
        )
        order = run.tx_ids()
        run.set_committed(bytes(tx_id in self._committed for tx_id in order))
        run.supply(self.state.get_many(run.native_keys()))
        run.run_native()
        read = self.state if state is None else state
        groups = run.foreign_groups()
        named = {application for application, _ in groups}
        started = time.perf_counter()
        for application, results, due in self._executor.execute_block(
            groups, read, height, time_ms, self.records, run.is_open
        ):
            if application in named:
                run.complete(application, results)
            if due:
                run.complete_due(application, due)
        return Executed(order, run.finish(), time.perf_counter() - started)

    def next_due_ms(self) -> int | None:
        """When something of the state is due; None when nothing is."""
        return self._executor.next_due_ms(self.state)

    def commit(self, executed: Executed) -> None:
        self.state.commit(executed.result)
        self.records.apply(executed.result)
        self._committed.update(executed.order)
