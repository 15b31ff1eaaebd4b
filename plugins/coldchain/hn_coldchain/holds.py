"""Freeze and recall, and how they reach everything that was made from a batch.

A hold walks down the graph depth first, at most `EDGES_MAX` batches a transaction; what is left stays on its stack
for `propagate`. Each batch counts the holds that reached it, and a mark for each pair keeps the count exact when two
paths lead to one batch. Lifting walks the same way and removes the marks. A batch that is not reached yet is still
blocked when one of its direct parents is.

Why lifting an unfinished hold is exact: a batch is marked only after a marked parent put it on the stack, so every
marked batch is reached from the source through marked ones; and a marked batch can neither be split nor merged, so it
gets no children in between.
"""

from __future__ import annotations

from hn_coldchain.models import Freeze, Propagate, Recall, Unfreeze
from hn_coldchain.state import (
    BATCHES,
    FREEZE,
    HOLDS,
    LIFTED,
    LIFTING,
    RECALL,
    SPREAD,
    SPREADING,
    Hold,
    load,
    mark_key,
)
from hnnode.plugin_api import Context

EDGES_MAX = 24
"""Batches one transaction visits for a hold: two writes each stay well within the bound of writes."""


def freeze(tx: Context, payload: Freeze) -> None:
    load(tx, payload.batch)
    begin_hold(tx, FREEZE, payload.batch, payload.reason, bytes.fromhex(payload.document))


def recall(tx: Context, payload: Recall) -> None:
    """A recall is a hold that is never lifted; goods leave it by disposal only."""
    batch = load(tx, payload.batch)
    tx.require("coldchain.not_importer", "regulator" in tx.roles or batch.importer == tx.sender)
    begin_hold(tx, RECALL, payload.batch, payload.reason, bytes.fromhex(payload.document))


def begin_hold(tx: Context, kind: int, name: str, reason: str, document: bytes) -> None:
    """Start a hold on a batch; its id is the first half of the transaction's id."""
    key = tx.tx_id[:16]
    hold = Hold(kind, SPREADING, name, reason, tx.sender, document, tx.height, stack=[name])
    _walk(tx, key, hold)
    data = {"hold": key.hex(), "reason": reason, "reached": hold.reached, "left": len(hold.stack)}
    if kind == FREEZE:
        tx.emit("coldchain.frozen", name, data)
    else:
        tx.emit("coldchain.recalled", name, data)


def unfreeze(tx: Context, payload: Unfreeze) -> None:
    """Lift a freeze, even one that is still spreading."""
    key, hold = _load_hold(tx, payload.hold)
    tx.require("coldchain.hold_is_recall", hold.kind == FREEZE)
    tx.require("coldchain.hold_lifted", hold.phase < LIFTING)
    hold.phase = LIFTING
    hold.stack = [hold.batch]
    hold.lifted_by = tx.sender
    hold.lift_document = bytes.fromhex(payload.document)
    _walk(tx, key, hold)
    data = {"hold": payload.hold, "reached": hold.reached, "left": len(hold.stack)}
    tx.emit("coldchain.unfrozen", hold.batch, data)


def propagate(tx: Context, payload: Propagate) -> None:
    """Continue a hold's walk; anyone may, since it only finishes what a regulator began."""
    key, hold = _load_hold(tx, payload.hold)
    tx.require("coldchain.hold_done", bool(hold.stack))
    _walk(tx, key, hold)
    data = {"hold": payload.hold, "reached": hold.reached, "left": len(hold.stack)}
    tx.emit("coldchain.propagated", hold.batch, data)


def _load_hold(tx: Context, text: str) -> tuple[bytes, Hold]:
    key = bytes.fromhex(text)
    hold = HOLDS.get(tx, key)
    if hold is None:
        tx.fail("coldchain.hold_unknown")
    return key, hold


def _walk(tx: Context, key: bytes, hold: Hold) -> None:
    """Visit at most EDGES_MAX batches; `reached` counts those that carry the hold now."""
    step = 1 if hold.phase == SPREADING else -1
    for _ in range(EDGES_MAX):
        if not hold.stack:
            break
        name = hold.stack.pop()
        mark = mark_key(name, key)
        if (tx.get(mark) is None) != (step == 1):
            continue
        if step == 1:
            tx.put(mark, b"")
        else:
            tx.delete(mark)
        batch = load(tx, name)
        batch.holds += step
        if hold.kind == RECALL:
            batch.recalls += step
        BATCHES.put(tx, name.encode(), batch)
        hold.reached += step
        hold.stack.extend(reversed(batch.children))
    if hold.stack:
        tx.put(b"w" + key, b"")
    else:
        hold.phase = SPREAD if step == 1 else LIFTED
        tx.delete(b"w" + key)
    HOLDS.put(tx, key, hold)
