"""Runs the transactions of one block that belong to one Python application.

    decode all → keys by hint → one get_many → each handler on its own journal → results in order

Invariants:
1. The answer depends on the block, the state and the plugin's code alone: no clock, no limit by time or memory.
2. A failing transaction leaves no write and no event, and its result carries zero steps.
3. A later transaction sees the writes of the earlier ones of its application and block; nobody else does until the
   block commits.
4. A handler's exception becomes HANDLER_FAILED on every node; its text stays in this node's log. MemoryError is about
   this host, not about the transaction: it stops the node.
5. Endless recursion is such a fault too. Where exactly the interpreter gives up may differ between hosts, so a handler
   does not recurse by data: loops with a bound instead.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from hnnode.errors import CODES, FatalError
from hnnode.execution.records import AccountRecord
from hnnode.execution.table import Action, Application
from hnnode.plugin_api.context import Context, Sender, StateView
from hnnode.plugin_api.limits import KEY_BYTES_MAX, PREFETCH_KEYS_MAX
from hnnode.plugin_api.outcome import TxRefused

if TYPE_CHECKING:
    from hnnode.ports import StateReader

ForeignTx = tuple[int, bytes, bytes, str, bytes]
"""(tx_index, tx_id, sender, action, payload), as `BlockExecution.foreign_groups` hands them out."""

Write = tuple[bytes, bytes | None]
ForeignResult = tuple[int, int, str, int, list[Write], list[tuple[str, str, bytes]]]
"""(tx_index, code, rule, steps, writes in key order, events), as `BlockExecution.complete` takes them."""

_ACTION_UNKNOWN = CODES["ACTION_UNKNOWN"]
_PAYLOAD_INVALID = CODES["PAYLOAD_INVALID"]
_HANDLER_FAILED = CODES["HANDLER_FAILED"]
_RULE_VIOLATION = CODES["RULE_VIOLATION"]

FAULT_FRAMES = 4
FAULT_CHARS = 300
"""What a fault's log line shows: the innermost frames and the start of its text, never the values of variables."""

log = structlog.get_logger(__name__)


class AccountRecords(Protocol):
    """Account records as of the block before (`hnnode_native.Accounts`)."""

    def get(self, account: bytes) -> bytes | None: ...


class Executor:
    """Executes groups of transactions; holds no state between blocks and may be used by one thread at a time."""

    def __init__(self, applications: Mapping[str, Application]) -> None:
        self._applications = dict(applications)

    def execute_group(
        self,
        application: str,
        txs: Sequence[ForeignTx],
        state: StateReader,
        height: int,
        time_ms: int,
        accounts: AccountRecords,
    ) -> list[ForeignResult]:
        """Results of `txs`, one each, in the same order.

        Args:
            txs: transactions of this application in block order, already checked for sender, role and repetition.
            state: state after block `height - 1`.
            height, time_ms: of the block being executed.
        Raises: FatalError: the application is not loaded, or the host is out of memory. Errors of `state` pass through.
        Cost: 3–5 µs a transaction besides reads and the handler's own work; bench `execution.execute_group/n=1000`.
        """
        table = self._applications.get(application)
        if table is None:
            raise FatalError("PLUGIN_SET_INVALID", f"application: {application} is not loaded (height={height})")
        view = StateView(state, table.prefix)
        calls = _decode(table, txs, _Block(height, time_ms, view, accounts))
        wanted = list(_hinted(calls))
        if wanted:
            view.update(zip(wanted, state.get_many([table.prefix + key for key in wanted]), strict=True))
        faults: set[str] = set()
        return [
            (tx_index, call, "", 0, [], []) if isinstance(call, int) else _run(tx_index, call, table, view, faults)
            for tx_index, call in calls
        ]


class _Block:
    """What is common to the contexts of one group."""

    __slots__ = ("accounts", "height", "time_ms", "view")

    def __init__(self, height: int, time_ms: int, view: StateView, accounts: AccountRecords) -> None:
        self.height = height
        self.time_ms = time_ms
        self.view = view
        self.accounts = accounts

    def sender_of(self, account: bytes) -> Sender:
        record = self.accounts.get(account)
        if record is None:
            return "", ()
        decoded = AccountRecord.decode(record)
        return decoded.organisation, decoded.roles


_Call = tuple[Action, Context, Any]


def _decode(table: Application, txs: Sequence[ForeignTx], block: _Block) -> list[tuple[int, _Call | int]]:
    """Each transaction as what to call, or as the code that refuses it."""
    calls: list[tuple[int, _Call | int]] = []
    actions, height, time_ms, view, sender_of = table.actions, block.height, block.time_ms, block.view, block.sender_of
    for tx_index, tx_id, sender, name, payload in txs:
        action = actions.get(name)
        if action is None:
            calls.append((tx_index, _ACTION_UNKNOWN))
            continue
        try:
            model = action.decode(payload)
        except ValueError:  # malformed JSON, wrong shape, bad UTF-8: all are ValueErrors
            calls.append((tx_index, _PAYLOAD_INVALID))
            continue
        calls.append((tx_index, (action, Context(tx_id, sender, height, time_ms, view, sender_of), model)))
    return calls


def _hinted(calls: Sequence[tuple[int, _Call | int]]) -> dict[bytes, None]:
    """Keys that the handlers will most likely read, each once, in order."""
    wanted: dict[bytes, None] = {}
    for _, call in calls:
        if isinstance(call, int):
            continue
        action, context, payload = call
        if action.keys is None:
            continue
        try:
            for key in islice(action.keys(context, payload), PREFETCH_KEYS_MAX):
                if type(key) is bytes and len(key) <= KEY_BYTES_MAX:
                    wanted[key] = None
        except MemoryError as e:
            raise _out_of_memory(action, context) from e
        except (Exception, TxRefused):  # noqa: BLE001 - a hint that fails costs time, never a result
            continue
    return wanted


def _run(tx_index: int, call: _Call, table: Application, view: StateView, faults: set[str]) -> ForeignResult:
    action, context, payload = call
    try:
        action.handler(context, payload)
    except TxRefused as refusal:
        if refusal.code != _RULE_VIOLATION or refusal.rule in table.rules:
            return tx_index, refusal.code, refusal.rule, 0, [], []
        _report(table, action, context, faults, refusal)
        return tx_index, _HANDLER_FAILED, "", 0, [], []
    except MemoryError as e:
        raise _out_of_memory(action, context) from e
    except Exception as fault:  # noqa: BLE001 - any fault of a handler is the same result on every node
        _report(table, action, context, faults, fault)
        return tx_index, _HANDLER_FAILED, "", 0, [], []
    writes = context._writes
    if writes:
        view.update(writes)
    return tx_index, 0, "", context._steps, sorted(writes.items()), context._events


def _report(table: Application, action: Action, context: Context, faults: set[str], fault: BaseException) -> None:
    """Log a handler's fault, the first of each action in a block: the same fault may come a thousand times."""
    if action.name in faults:
        return
    faults.add(action.name)
    where = traceback.extract_tb(fault.__traceback__, limit=-FAULT_FRAMES)
    log.error(
        "handler failed",
        application=table.name,
        action=action.name,
        tx_id=context.tx_id.hex(),
        height=context.height,
        fault=f"{type(fault).__name__}: {fault}"[:FAULT_CHARS],
        where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in where],
    )


def _out_of_memory(action: Action, context: Context) -> FatalError:
    return FatalError("INTERNAL_ERROR", f"out of memory in {action.name} (height={context.height})")
