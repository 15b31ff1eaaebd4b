"""The transactions of one application in one block, on the side of the plugin.

    host: transactions → declare → keys → host: values of these, read together → follow → keys … → run → packed results

A group knows no database: what it needs comes as values or through a `BlockReader`, what it finds leaves as bytes. So a
group runs in the node's process or in one of its own, with one message each way for the keys and one for the results.

Invariants:
1. The answer depends on the block, the state and the plugin's code alone: no clock, no limit by time or memory.
2. A failing transaction leaves no write and no event, and its result carries zero steps.
3. A later transaction sees the writes of the earlier ones of its application and block; nobody else does until the
   block commits. Another application's state is that after the block before, for all of them alike.
4. A handler's exception becomes HANDLER_FAILED on every node, `sys.exit` too; its text stays in this node's log.
   MemoryError is about this host, not about the transaction: it stops the node, or the plugin's process alone.
5. Work of metered code beyond its count becomes STEPS_EXCEEDED, also when the code hides that from the group. Endless
   recursion of other code is a fault; where exactly the interpreter gives up may differ between hosts, so a handler
   does not recurse by data: loops with a bound instead.
6. A batch handler decides as its action's single handler would, transaction by transaction.
7. What was fetched before decides how long a block takes and nothing else. Yet the functions that name keys are code of
   the plugin: they are called with the same arguments in the same order on every node, isolated or not.
8. No code of the plugin sees a transaction or a due item that a skip record names: its result is HANDLER_SKIPPED.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

import structlog

from hnnode.errors import CODES, FatalError
from hnnode.execution.declared import DeclaredTx, FetchedRows
from hnnode.execution.due import TIME_BYTES, due_at, due_id
from hnnode.execution.faults import causes, fault_text
from hnnode.execution.metering import event_counter
from hnnode.execution.table import Action, Application
from hnnode.plugin_api.context import BlockReader, Context, make_context
from hnnode.plugin_api.limits import BLOCK_RESULT_BYTES_MAX, KEY_BYTES_MAX, PREFETCH_KEYS_MAX
from hnnode.plugin_api.outcome import ReadFailed, TxRefused
from hnnode.plugin_api.registry import BatchHandler
from hnnode.primitives.skip import EVERY_TX

ForeignTx = tuple[int, bytes, bytes, str, bytes]
"""(tx_index, tx_id, sender, action, payload), as `BlockExecution.foreign_groups` hands them out."""

_Call = tuple[int, bytes, bytes, Action, Any]
"""What to call for a transaction: (tx_index, tx_id, sender, action, payload)."""

_Refusal = tuple[int, int]
"""A transaction refused before its handler: (tx_index, code)."""

_DUE = "due"
"""In the place of an action's name."""
_NOBODY = bytes(20)
_ACTION_UNKNOWN = CODES["ACTION_UNKNOWN"]
_PAYLOAD_INVALID = CODES["PAYLOAD_INVALID"]
_HANDLER_FAILED = CODES["HANDLER_FAILED"]
_HANDLER_SKIPPED = CODES["HANDLER_SKIPPED"]
_RULE_VIOLATION = CODES["RULE_VIOLATION"]
_STEPS_EXCEEDED = CODES["STEPS_EXCEEDED"]
_WRITE_LIMIT_EXCEEDED = CODES["WRITE_LIMIT_EXCEEDED"]

BLOCK_KEYS_MAX = 65_536
"""Keys fetched together for a block; a hint more is read when its handler asks."""
KEYS_TICKS_MAX = 20_000
"""Ticks of one key function of metered code."""

FAULT_FRAMES = 4
"""What a fault's log line shows: the innermost frames, never the values of variables."""

log = structlog.get_logger(__name__)


class Group:
    """One use: `declare`, then `follow` until it names nothing, then `run`, then `end`.

    Attributes:
        standing: id of the transaction or due item that the plugin's code is at; empty between them. Read by other threads.
    """

    def __init__(self, table: Application, height: int, time_ms: int, skipped: frozenset[bytes] = frozenset()) -> None:
        """skipped: ids of transactions and due items that no handler is called for; `EVERY_TX` for all."""
        self.standing = b""
        self._skipped = skipped
        self._table = table
        self._height = height
        self._time_ms = time_ms
        self._calls: list[_Call | _Refusal] = []
        self._faults: set[str] = set()
        self._meter = table.meter
        self._reader: BlockReader | None = None
        self._tx: Context | None = None
        self._named = self._round = 0
        self._rounds = max((len(action.then_keys) for action in table.actions.values()), default=0)

    def declare(self, txs: Sequence[ForeignTx]) -> list[bytes]:
        """Decode the transactions; the keys that their handlers will most likely read, each once, in order."""
        calls, meter = self._calls, self._meter
        if meter is not None:
            meter.begin_block()
        wanted: dict[bytes, None] = {}
        info = DeclaredTx(self._height, self._time_ms)
        for tx_index, tx_id, sender, name, raw in txs:
            self.standing = tx_id
            call = self._call(tx_index, tx_id, sender, name, raw)
            calls.append(call)
            if len(call) == 2 or (keys_of := call[3].keys) is None:
                continue
            action, payload = call[3], call[4]
            info.tx_id = tx_id
            info.sender = sender
            if meter is not None:
                meter.begin(KEYS_TICKS_MAX)
            try:
                for key in islice(keys_of(info, payload), PREFETCH_KEYS_MAX):
                    if type(key) is bytes and len(key) <= KEY_BYTES_MAX:
                        wanted[key] = None
            except MemoryError as e:
                raise self._out_of_memory(action.name) from e
            except (Exception, TxRefused):  # noqa: BLE001 - a hint that fails costs time, never a result
                continue
            if len(wanted) >= BLOCK_KEYS_MAX:
                break
        for tx_index, tx_id, sender, name, raw in txs[len(calls) :]:
            self.standing = tx_id
            calls.append(self._call(tx_index, tx_id, sender, name, raw))
        self.standing = b""
        self._named = len(wanted)
        return list(wanted)

    def follow(self, values: Mapping[bytes, bytes | None]) -> list[bytes]:
        """The next keys to fetch: those that follow from the rows fetched so far, each once, in order; none when the
        group may run.

        Args:
            values: of all keys named so far.
        """
        meter, info, rows = self._meter, DeclaredTx(self._height, self._time_ms), FetchedRows(values)
        wanted: dict[bytes, None] = {}
        while not wanted and self._round < self._rounds:
            at = self._round
            self._round += 1
            for call in self._calls:
                if len(call) == 2 or len(call[3].then_keys) <= at:
                    continue
                _, info.tx_id, info.sender, action, payload = call
                self.standing = info.tx_id
                if meter is not None:
                    meter.begin(KEYS_TICKS_MAX)
                try:
                    for key in islice(action.then_keys[at](info, payload, rows), PREFETCH_KEYS_MAX):
                        if type(key) is bytes and key not in values and len(key) <= KEY_BYTES_MAX:
                            wanted[key] = None
                except MemoryError as e:
                    raise self._out_of_memory(action.name) from e
                except (Exception, TxRefused):  # noqa: BLE001 - as in `declare`
                    continue
                if self._named + len(wanted) >= BLOCK_KEYS_MAX:
                    self._round = self._rounds
                    break
        self.standing = b""
        self._named += len(wanted)
        return list(wanted)

    def _call(self, tx_index: int, tx_id: bytes, sender: bytes, name: str, raw: bytes) -> _Call | _Refusal:
        if self._skipped and self._is_skipped(tx_id):
            return tx_index, _HANDLER_SKIPPED
        action = self._table.actions.get(name)
        if action is None:
            return tx_index, _ACTION_UNKNOWN
        if self._meter is not None:
            self._meter.begin(KEYS_TICKS_MAX)
        try:
            return tx_index, tx_id, sender, action, action.decode(raw)
        except MemoryError as e:
            raise self._out_of_memory(action.name) from e
        except (Exception, TxRefused):  # noqa: BLE001 - malformed, or a check of the model's own that failed
            return tx_index, _PAYLOAD_INVALID

    def _is_skipped(self, tx_id: bytes) -> bool:
        return tx_id in self._skipped or EVERY_TX in self._skipped

    def run(
        self,
        values: dict[bytes, bytes | None],
        reader: BlockReader,
    ) -> bytes:
        """Results of the transactions, one each, in order, packed.

        Args:
            values: of the keys that `declare` and `follow` gave, after the block before; taken over.
            reader: everything else after the block before.
        Raises: FatalError: the host is out of memory. ReadFailed of `reader` passes through.
        """
        meter, table = self._meter, self._table
        given = None if meter is None else event_counter(meter)
        tx = make_context(self._height, self._time_ms, values, reader, table.reads, given, table.event_checks)
        self._reader = reader
        if meter is not None:
            meter.begin_block()
        begin, commit = tx._begin, tx._commit
        calls = self._calls
        at, end = 0, len(calls)
        while at < end:
            call = calls[at]
            if len(call) == 2:
                tx._refuse(*call, "")
                at += 1
                continue
            tx_index, tx_id, sender, action, payload = call
            if tx._packed_bytes > BLOCK_RESULT_BYTES_MAX:
                tx._refuse(tx_index, _WRITE_LIMIT_EXCEEDED, "")
                at += 1
                continue
            if action.batch is not None:
                start = at
                while at < end and len(calls[at]) == 5 and calls[at][3] is action:  # type: ignore[misc]
                    at += 1
                self._run_many(tx, action.batch, action, cast("list[_Call]", calls[start:at]))
                continue
            begin(tx_id, sender)
            self.standing = tx_id
            if meter is not None:
                meter.begin()
            try:
                action.handler(tx, payload)
                if meter is not None and meter.exceeded:
                    raise TxRefused(_STEPS_EXCEEDED)
                if reader.failed is not None:
                    raise reader.failed
            except BaseException as fault:  # noqa: BLE001 - what is no fault of the handler is raised again
                self._refuse(tx, tx_index, action.name, fault)
            else:
                commit(tx_index)
            if meter is not None:
                meter.spend(tx._steps)
            at += 1
        self._tx = tx
        self.standing = b""
        return tx._take()

    def end(self) -> bytes:
        """Results of the due items, packed and numbered from 0: the first takes them out of their index, one for each follows.
        Empty when nothing is due. Comes once, after `run`. Raises as `run`.

        Items have a block's ticks and bytes of their own: what a block is filled with costs no item its only turn.
        """
        tx, due, meter = self._tx, self._table.due, self._meter
        if tx is None or due is None:
            return b""
        if meter is not None:
            meter.begin_block()
        tx._begin(b"", b"")
        try:
            rows = tx.scan(due.prefix, due.items_max)
        except TxRefused:  # the block itself took more items out than a scan may pass over: the next block goes on
            return b""
        rows = [(key, value) for key, value in rows if due_at(key, due.prefix) <= self._time_ms]
        if not rows:
            return b""
        for key, _ in rows:
            tx.delete(key)
        tx._commit(0)
        cut = len(due.prefix) + TIME_BYTES
        for number, (key, value) in enumerate(rows, 1):
            if tx._packed_bytes > BLOCK_RESULT_BYTES_MAX:
                tx._refuse(number, _WRITE_LIMIT_EXCEEDED, "")
                continue
            item = due_id(self._height, self._table.name, number)
            if self._skipped and self._is_skipped(item):
                tx._refuse(number, _HANDLER_SKIPPED, "")
                continue
            tx._begin(item, _NOBODY)
            self.standing = item
            if meter is not None:
                meter.begin()
            try:
                due.handler(tx, key[cut:], value)
                if meter is not None and meter.exceeded:
                    raise TxRefused(_STEPS_EXCEEDED)
                if self._reader is not None and self._reader.failed is not None:
                    raise self._reader.failed
            except BaseException as fault:  # noqa: BLE001 - as in `run`
                self._refuse(tx, number, _DUE, fault)
            else:
                tx._commit(number)
            if meter is not None:
                meter.spend(tx._steps)
        self.standing = b""
        return tx._take()

    def _run_many(self, tx: Context, batch: BatchHandler, action: Action, calls: Sequence[_Call]) -> None:
        """A run of transactions of one action through its batch handler. What the handler raises ends the transaction
        it stands at, and so does a return before the last one; the handler is then called again with those behind it.
        """
        before, count = tx._result_count, len(calls)
        while (done := tx._result_count - before) < count:
            if self._meter is not None:
                self._meter.begin()
            self.standing = calls[done][1]  # until it takes one, whatever it does there is done for the first
            try:
                batch(tx, self._payloads(tx, calls[done:]))
                if tx._result_count - before < count:
                    raise RuntimeError("the batch handler returned before the last transaction")
            except BaseException as fault:  # noqa: BLE001 - as in `run`
                done = tx._result_count - before
                if done < count:
                    self._refuse(tx, calls[done][0], action.name, fault)
                    if self._meter is not None:
                        self._meter.spend(tx._steps)
                else:
                    self._raise_host_fault(action.name, fault)
                    self._report(tx, action.name, fault)

    def _refuse(self, tx: Context, tx_index: int, action: str, fault: BaseException) -> None:
        self._raise_host_fault(action, fault)
        if self._meter is not None:
            if self._meter.exceeded:
                tx._refuse(tx_index, _STEPS_EXCEEDED, "")
                return
            if isinstance(fault, RecursionError):  # deep values in the interpreter's own hands
                tx._refuse(tx_index, _STEPS_EXCEEDED, "")
                return
        if isinstance(fault, TxRefused) and (fault.code != _RULE_VIOLATION or self._is_rule(fault.rule)):
            tx._refuse(tx_index, fault.code, fault.rule)
            return
        self._report(tx, action, fault)
        tx._refuse(tx_index, _HANDLER_FAILED, "")

    def _is_rule(self, rule: object) -> bool:
        """A handler may have given anything for the id."""
        return type(rule) is str and rule in self._table.rules

    def _raise_host_fault(self, action: str, fault: BaseException) -> None:
        """What is about this host ends the block, also when code of the plugin put another exception in its place."""
        if self._reader is not None and self._reader.failed is not None:
            raise self._reader.failed
        for each in causes(fault):
            if isinstance(each, MemoryError):
                raise self._out_of_memory(action) from each
            if isinstance(each, (FatalError, ReadFailed)):
                raise each

    def _report(self, tx: Context, action: str, fault: BaseException) -> None:
        """Log a handler's fault, the first of each action in a block: the same fault may come a thousand times."""
        if action in self._faults:
            return
        self._faults.add(action)
        where = traceback.extract_tb(fault.__traceback__, limit=-FAULT_FRAMES)
        log.error(
            "handler failed",
            application=self._table.name,
            action=action,
            tx_id=tx.tx_id.hex(),
            height=self._height,
            fault=fault_text(fault),
            where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in where],
        )

    def _out_of_memory(self, action: str) -> FatalError:
        return FatalError("INTERNAL_ERROR", f"out of memory in {action} (height={self._height})")

    def _payloads(self, tx: Context, calls: Sequence[_Call]) -> Iterator[Any]:
        """The payloads of `calls`; each step ends the transaction before it and lets `tx` stand at the next one."""
        meter = self._meter
        for tx_index, tx_id, sender, _, payload in calls:
            tx._begin(tx_id, sender)
            self.standing = tx_id
            if tx._packed_bytes > BLOCK_RESULT_BYTES_MAX:
                raise TxRefused(_WRITE_LIMIT_EXCEEDED)
            if meter is not None:
                meter.go_on()
            yield payload
            if meter is not None and meter.exceeded:
                raise TxRefused(_STEPS_EXCEEDED)
            if self._reader is not None and self._reader.failed is not None:
                raise self._reader.failed
            tx._commit(tx_index)
            if meter is not None:
                meter.spend(tx._steps)
        tx._begin(b"", b"")  # what the handler writes behind the last one goes nowhere
