"""Holds on a trace graph: freezes and recalls that reach everything made from a lot, in bounded steps.

    begin → spreading → spread;  lift → lifting → lifted

A hold walks down the graph depth first, at most `edges_max` edges a transaction; what is left stays on its stack for
`advance`, which anybody may call. Each lot counts the holds that reached it, and a mark for each pair keeps the count
exact when two paths lead to one lot. A lot that is not reached yet is still blocked when a direct parent is
(`Trace.require_free`).

    prefix ‖ "x" ‖ hold16                 Hold
    prefix ‖ "w" ‖ hold16                 the hold has edges left
    prefix ‖ "f" ‖ lot id ‖ "/" ‖ hold16  the hold has reached the lot

Why lifting an unfinished hold is exact: a lot is marked only on a path of marked ones from the source, and a marked lot
gets no children, since `carve` and `transform` need it free.

The stack holds one edge of each generation at most: a lot's newest child stands above the child before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

import msgspec

from hnnode.plugin_api.context import Context, Reader
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.records import Records
from hnnode.plugin_api.std.trace import L, Trace

FREEZE, RECALL = 1, 2
KIND_NAMES = ("", "freeze", "recall")
SPREADING, SPREAD, LIFTING, LIFTED = 1, 2, 3, 4
PHASE_NAMES = ("", "spreading", "spread", "lifting", "lifted")
EDGES_MAX = 24
"""Edges one transaction follows: two writes each stay within the bound of writes."""


class Hold(msgspec.Struct, array_like=True):
    """`stack`: (lot, the parent it is reached from) still to be visited; of the source the parent is empty. `reached`:
    lots that carry it now.
    """

    kind: int
    phase: int
    lot: bytes
    reason: int
    by: bytes
    document: bytes
    height: int
    reached: int = 0
    stack: list[tuple[bytes, bytes]] = []
    lifted_by: bytes = b""
    lift_document: bytes = b""


@dataclass(frozen=True, slots=True)
class HoldRules:
    """Rule ids of the application. `done`: the hold has nothing left to reach; `final`: a recall is never lifted."""

    unknown: str
    done: str
    lifted: str
    final: str


class Holds(Generic[L]):
    """Freezes and recalls on the lots of a trace."""

    __slots__ = ("_edges_max", "_holds", "_marks", "_rules", "_trace", "_waiting", "waiting_prefix")

    def __init__(self, prefix: bytes, trace: Trace[L], rules: HoldRules, edges_max: int = EDGES_MAX) -> None:
        if not 1 <= edges_max <= EDGES_MAX:
            raise ModelError(f"edges_max: got {edges_max}, want 1 to {EDGES_MAX}")
        self._holds: Records[Hold] = Records(prefix + b"x", Hold)
        self._waiting = prefix + b"w"
        self._marks = prefix + b"f"
        self.waiting_prefix = self._waiting
        self._trace = trace
        self._rules = rules
        self._edges_max = edges_max

    def get(self, reader: Reader, hold_id: bytes) -> Hold | None:
        return self._holds.get(reader, hold_id)

    def mark_key(self, lot_id: bytes, hold_id: bytes) -> bytes:
        return b"%b%b/%b" % (self._marks, lot_id, hold_id)

    def begin(self, tx: Context, kind: int, lot_id: bytes, reason: int, document: bytes) -> tuple[bytes, Hold]:
        """Start a hold on a lot; its id is the first half of the transaction's id."""
        self._trace.load(tx, lot_id)
        hold_id = tx.tx_id[:16]
        hold = Hold(kind, SPREADING, lot_id, reason, tx.sender, document, tx.height, stack=[(lot_id, b"")])
        self._walk(tx, hold_id, hold)
        return hold_id, hold

    def lift(self, tx: Context, hold_id: bytes, document: bytes) -> Hold:
        """Lift a freeze, even one that is still spreading."""
        hold = self._load(tx, hold_id)
        if hold.kind != FREEZE:
            tx.fail(self._rules.final)
        if hold.phase >= LIFTING:
            tx.fail(self._rules.lifted)
        hold.phase = LIFTING
        hold.stack = [(hold.lot, b"")]
        hold.lifted_by = tx.sender
        hold.lift_document = document
        self._walk(tx, hold_id, hold)
        return hold

    def advance(self, tx: Context, hold_id: bytes) -> Hold:
        """Go on with a walk that had more edges than one transaction follows."""
        hold = self._load(tx, hold_id)
        if not hold.stack:
            tx.fail(self._rules.done)
        self._walk(tx, hold_id, hold)
        return hold

    def _load(self, tx: Context, hold_id: bytes) -> Hold:
        found = self._holds.get(tx, hold_id)
        if found is None:
            tx.fail(self._rules.unknown)
        return found

    def _walk(self, tx: Context, hold_id: bytes, hold: Hold) -> None:
        step = 1 if hold.phase == SPREADING else -1
        trace, stack = self._trace, hold.stack
        for _ in range(self._edges_max):
            if not stack:
                break
            lot_id, parent_id = stack.pop()
            lot = trace.load(tx, lot_id)
            before = next((older for parent, older in lot.parents if parent == parent_id), b"")
            if before:
                stack.append((before, parent_id))
            mark = self.mark_key(lot_id, hold_id)
            if (tx.get(mark) is None) != (step == 1):
                continue  # reached on another path, or never
            if step == 1:
                tx.put(mark, b"")
            else:
                tx.delete(mark)
            lot.holds += step
            hold.reached += step
            trace.put(tx, lot_id, lot)
            if lot.newest:
                stack.append((lot.newest, lot_id))
        if stack:
            tx.put(self._waiting + hold_id, b"")
        else:
            hold.phase = SPREAD if step == 1 else LIFTED
            tx.delete(self._waiting + hold_id)
        self._holds.put(tx, hold_id, hold)
