"""An application whose code runs in processes of its own: one for blocks, others for queries, so that a query that
hangs holds up no block.

A process that dies, overstays or answers nonsense is ended and started again, and the block is tried again with a growing
pause, for as long as the node runs. Such a fault never becomes a receipt: it is about this node, not about the
transaction, and every other part of the node goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import hnnode_native
import msgspec
import structlog

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError, FatalError
from hnnode.execution.group import ForeignTx
from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.exchange import exchange_block, exchange_page
from hnnode.execution.isolation.frames import FrameError, Frames
from hnnode.execution.isolation.process import QUERY_NICENESS, Bounds, Child, ChildFault, Spawner
from hnnode.execution.isolation.queries import QueryLine
from hnnode.execution.isolation.sandbox import REQUIRED
from hnnode.execution.isolation.trouble import Troubles
from hnnode.execution.loading import source_files
from hnnode.execution.migrating import Moved, Phase
from hnnode.execution.reader import AccountRecords, StateBlockReader
from hnnode.execution.source import PluginSource
from hnnode.execution.table import application_prefix
from hnnode.plugin_api.migration import Row
from hnnode.plugin_api.registry import ParametersSpec, RuleSpec

if TYPE_CHECKING:
    from hnnode.ports import StateReader

T = TypeVar("T")
RETRY_S_MIN = 0.1
RETRY_S_MAX = 10.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IsolatedAction:
    name: str
    roles: tuple[str, ...]
    schema: dict[str, Any]
    title_zh: str
    title_en: str
    has_batch: bool
    exempt: tuple[str, ...]
    key_rounds: int


@dataclass(frozen=True, slots=True)
class IsolatedQuery:
    name: str
    schema: dict[str, Any]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class IsolatedEvent:
    name: str
    schema: dict[str, Any]
    title_zh: str
    title_en: str


class IsolatedApplication:
    """`ApplicationFacts`, with the processes behind them. `execute` is for one thread, `query` and `ask` for any.

    Attributes:
        standing: transactions of the block that is tried again, and the id of the one it stood at last; None when it does not stand.
    """

    def __init__(self, source: PluginSource, config: ExecutionConfig, spawner: Spawner, troubles: Troubles) -> None:
        """Start the process for blocks; those for queries start with the first ones.

        Raises: ConfigError (PLUGIN_SET_INVALID): the code cannot be loaded, or this machine has no full sandbox and
        the configuration wants one.
        """
        self._source = source
        self._files = source_files(source)
        self._config = config
        self._spawner = spawner
        self._troubles = troubles
        self._closing = threading.Event()
        memory = config.memory_bytes_max
        self._block_bounds = Bounds(config.block_ms_max / 1000, config.block_cpu_ms_max / 1000, memory)
        self._query_bounds = Bounds(config.query_ms_max / 1000, config.query_ms_max / 1000, memory)
        self._executing = threading.Lock()
        self.standing: tuple[Sequence[ForeignTx], bytes] | None = None
        try:
            self._for_blocks: Child | None = Child(source, self._block_bounds, spawner, self._files)
        except ChildFault as e:
            raise ConfigError("PLUGIN_SET_INVALID", f"plugin {source.name}: cannot be loaded: {e}") from e
        described = self._for_blocks.description
        self.name = source.name
        self.version = source.version
        self.code_hash = source.code_hash
        self.prefix = application_prefix(source.name)
        self.state_version = described.state_version
        self.title_zh, self.title_en = described.title_zh, described.title_en
        self.reads = frozenset(described.reads)
        self._line = QueryLine(self.name, self.prefix, self.reads, config, self._start_for_queries)
        self._check_sandbox(described.missing)
        self.actions: Mapping[str, IsolatedAction] = MappingProxyType(
            {
                row.name: IsolatedAction(
                    row.name,
                    row.roles,
                    msgspec.json.decode(row.schema),
                    row.title_zh,
                    row.title_en,
                    row.has_batch,
                    row.exempt,
                    row.key_rounds,
                )
                for row in described.actions
            }
        )
        self.queries: Mapping[str, IsolatedQuery] = MappingProxyType(
            {
                row.name: IsolatedQuery(row.name, msgspec.json.decode(row.schema), row.title_zh, row.title_en)
                for row in described.queries
            }
        )
        self.events: Mapping[str, IsolatedEvent] = MappingProxyType(
            {
                row.name: IsolatedEvent(row.name, msgspec.json.decode(row.schema), row.title_zh, row.title_en)
                for row in described.events
            }
        )
        self.parameters: Mapping[str, ParametersSpec] = MappingProxyType(
            {action: ParametersSpec(action, defaults) for action, defaults in described.parameters.items()}
        )
        self.due = described.due
        self.migrations = frozenset(described.migrations)
        self.rules: Mapping[str, RuleSpec] = MappingProxyType(
            {rule: RuleSpec(rule, zh, en) for rule, zh, en in described.rules}
        )

    def _check_sandbox(self, missing: Sequence[str]) -> None:
        if not missing:
            return
        lacking = sorted(set(missing) & REQUIRED)
        if lacking and self._config.sandbox == "strict":
            self.close()
            raise ConfigError(
                "PLUGIN_SET_INVALID",
                f"plugin {self._source.name}: this machine cannot isolate it: no {', '.join(lacking)} "
                '(execution.sandbox = "best" goes on without)',
            )
        self._troubles.tell_missing(missing)

    # -------------------------------------------------------------- blocks
    def execute(
        self,
        txs: Sequence[ForeignTx],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
        skipped: frozenset[bytes],
        again: Callable[[], None],
    ) -> tuple[bytes, bytes]:
        """Packed results of a block's transactions, in order, and of its due items; see `Executor.execute_ended`.

        Raises: FatalError: the node is stopping. Errors of `state` and `again` pass through.
        """
        indices = list(map(itemgetter(0), txs))
        reader = StateBlockReader(self.prefix, state, accounts)
        tries = 0

        def heard(tx_id: bytes) -> None:
            self.standing = txs, tx_id

        def work(frames: Frames) -> tuple[bytes, bytes]:
            nonlocal tries
            tries += 1
            # Where it stands costs a message for each transaction: asked for when the block failed once.
            block = m.Block(height, time_ms, list(txs), sorted(skipped), tries > 1)
            results = exchange_block(frames, block, state, self.prefix, reader, self.reads, self.name, heard)
            if not hnnode_native.results_match(results.txs, indices):
                raise FrameError(f"results: {len(results.txs)} bytes that are not of these transactions")
            self._check_due(results.due)
            return results.txs, results.due

        try:
            return self._until_done(work, height, again)
        finally:
            self.standing = None

    def _check_due(self, packed: bytes) -> None:
        """Raises: FrameError: these are no results of due items."""
        if not packed:
            return
        count = 0 if self.due is None else 1 + self.due.items_max
        try:
            numbers = [result[0] for result in hnnode_native.unpack_results(packed)]
        except hnnode_native.NativeError as e:
            raise FrameError(f"due: {e}") from e
        if len(numbers) > count or numbers != list(range(len(numbers))):
            raise FrameError(f"due: got {len(numbers)} results, want at most {count}")

    def migrate(self, way: tuple[int, int], phase: Phase, rows: Sequence[Row], again: Callable[[], None]) -> Moved:
        """What the step that leads this way makes of a page of rows.

        Raises: FatalError: the node is stopping. Errors of `again` pass through.
        """
        page = m.Migrate(way, phase, list(rows))
        return self._until_done(lambda frames: exchange_page(frames, page, self.name), 0, again)

    def _until_done(self, work: Callable[[Frames], T], height: int, again: Callable[[], None]) -> T:
        """Try a request again and again, each time with a process that lives. `again` is asked before, from the second time on."""
        pause = RETRY_S_MIN
        with self._executing:
            while not self._closing.is_set():
                try:
                    result = work(self._child().frames)
                except (ChildFault, FrameError, ValueError) as e:
                    self._mourn(e, height, pause)
                    self._closing.wait(pause)
                    pause = min(pause * 2, RETRY_S_MAX)
                    again()
                except BaseException:  # of this node's state: the process waits for an answer that will not come
                    child, self._for_blocks = self._for_blocks, None
                    if child is not None:
                        child.end()
                    raise
                else:
                    self._troubles.over(self.name)
                    return result
        raise FatalError("INTERNAL_ERROR", f"{self.name}: the node is stopping (height={height})")

    def _child(self) -> Child:
        """The process for blocks, its bounds counting from now."""
        child = self._for_blocks
        if child is None:
            try:
                child = self._for_blocks = Child(self._source, self._block_bounds, self._spawner, self._files)
            except ConfigError as e:  # it could be loaded before
                raise ChildFault(str(e)) from e
        child.begin()
        return child

    def _mourn(self, error: Exception, height: int, pause: float) -> None:
        child, self._for_blocks = self._for_blocks, None
        reason = str(child.fault(error)) if child is not None else str(error)
        if self._closing.is_set():
            return
        count = self._troubles.note(self.name, reason)
        log.error(
            "plugin process ended; the block is tried again",
            application=self.name,
            height=height,
            reason=reason,
            times=count,
            retry_after_ms=round(pause * 1000),
        )

    # -------------------------------------------------------------- queries
    def ask(
        self, query: str, arguments: bytes, state: Callable[[], StateReader], done: Callable[[Any, int], T]
    ) -> Future[T]:
        """Put a query into the line of those that wait; see `QueryLine.ask`."""
        return self._line.ask(query, arguments, state, done)

    def query(self, query: str, arguments: bytes, state: StateReader) -> Any:
        """A query's answer as a JSON-ready object.

        Raises: Rejected: what the plugin answers; QUERY_TOO_BROAD when it takes too long. Unavailable: NOT_READY.
        """
        return self.ask(query, arguments, lambda: state, lambda answer, height: answer).result()

    def _start_for_queries(self) -> Child:
        return Child(self._source, self._query_bounds, self._spawner, self._files, QUERY_NICENESS)

    # -------------------------------------------------------------- end
    def close(self) -> None:
        """End the processes at once; a block or query that waits for one ends with an error."""
        self._closing.set()
        child = self._for_blocks
        if child is not None:
            child.kill()
        self._line.close()
        if self._executing.acquire(timeout=5.0):
            if child is not None:
                child.end()
            self._executing.release()
