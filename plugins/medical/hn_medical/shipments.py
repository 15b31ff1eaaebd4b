"""Hand-over by two signatures: the holder ships, the receiver receives. What is inside a pack goes with it."""

from __future__ import annotations

from collections.abc import Sequence

from hn_medical.desk import Desk
from hn_medical.packing import pack_keys, require_once
from hn_medical.trace_models import Pack, Receive, ReturnPacks, Ship, TakeBack
from hn_medical.trace_state import (
    COMMISSIONED,
    DONE,
    OPEN,
    PACKS,
    RECEIVED,
    RETURNED,
    SHIPMENTS,
    SHIPPED,
    TAKEN_BACK,
    TRACE_PARAMETERS,
    Shipment,
    TraceParameters,
    late_key,
    require_saleable,
    waiting_key,
)
from hnnode.plugin_api import Context, Reader, TxInfo

MINUTE_MS = 60_000


def ship_keys(_: TxInfo, payload: Ship | ReturnPacks) -> list[bytes]:
    return [b"s" + payload.shipment.encode(), b"p", *pack_keys(payload.packs)]


def ship(tx: Context, payload: Ship) -> None:
    """Offer packs to a receiver. One that lies in a container is taken out first."""
    made = _send(tx, payload, payload.packs, (COMMISSIONED, RECEIVED), "")
    data = {
        "from": tx.sender.hex(),
        "to": payload.to,
        "packs": [ref.code for ref in payload.packs],
        "ends_ms": made.ends_ms,
    }
    tx.emit("medical.shipped", payload.shipment, data)


def return_packs(tx: Context, payload: ReturnPacks) -> None:
    """The same back: also for what is recalled or expired."""
    made = _send(tx, payload, payload.packs, (RECEIVED, RETURNED), payload.reason)
    data = {
        "from": tx.sender.hex(),
        "to": payload.to,
        "packs": [ref.code for ref in payload.packs],
        "reason": payload.reason,
        "ends_ms": made.ends_ms,
    }
    tx.emit("medical.returned", payload.shipment, data)


def _send(
    tx: Context, payload: Ship | ReturnPacks, packs: Sequence[Pack], states: tuple[int, int], reason: str
) -> Shipment:
    """`reason`: of a return, empty otherwise."""
    key = payload.shipment.encode()
    tx.require("medical.shipment_exists", SHIPMENTS.get(tx, key) is None)
    require_once(tx, packs)
    receiver = bytes.fromhex(payload.to)
    most = (TRACE_PARAMETERS.get(tx, b"") or TraceParameters()).offer_minutes
    minutes = most if payload.minutes is None else min(payload.minutes, most)
    now_ms = tx.block_time_ms
    made = Shipment(tx.sender, receiver, [], [], now_ms, now_ms + minutes * MINUTE_MS, OPEN, bool(reason), reason)
    desk = Desk(tx)
    for ref in packs:
        chain = desk.open(ref.code, ref.proof)
        PACKS.require_holder(tx, chain[-1][1])
        pack_id, pack = chain[0][0], desk.take_out(chain)
        if not reason:
            require_saleable(tx, desk.batch(pack.batch))
        made.packs.append(pack_id)
        made.states.append(pack.state)
        PACKS.offer(tx, chain, receiver, made.ends_ms)
        tx.require("medical.wrong_state", pack.state in states)
        pack.state, pack.changed_ms = SHIPPED, now_ms
    desk.store()
    SHIPMENTS.put(tx, key, made)
    tx.put(waiting_key(receiver, key), b"")
    tx.put(late_key(made, key), b"")
    return made


def receive_keys(tx: TxInfo, payload: Receive) -> Sequence[bytes]:
    return (b"s" + payload.shipment.encode(),)


def sent_keys(_: TxInfo, payload: Receive | TakeBack, rows: Reader) -> Sequence[bytes]:
    """The packs of a shipment."""
    shipment = SHIPMENTS.get(rows, payload.shipment.encode())
    return () if shipment is None else [b"t" + pack_id for pack_id in shipment.packs]


def sent_batch_keys(_: TxInfo, payload: Receive, rows: Reader) -> list[bytes]:
    """The batches of a shipment's packs."""
    shipment = SHIPMENTS.get(rows, payload.shipment.encode())
    lots = () if shipment is None else [PACKS.get(rows, pack_id) for pack_id in shipment.packs]
    return [b"b" + lot.batch for lot in lots if lot is not None]


def receive(tx: Context, payload: Receive) -> None:
    """The receiver signs for all packs of a shipment; those destroyed on the way are left out."""
    key, shipment = _load(tx, payload.shipment)
    tx.require("medical.not_receiver", shipment.receiver == tx.sender)
    tx.require("medical.shipment_over", shipment.status == OPEN)
    state = RETURNED if shipment.returning else RECEIVED
    desk = Desk(tx)
    got = []
    for pack_id in shipment.packs:
        pack = desk.change(pack_id)
        if pack.ended:
            continue
        if not shipment.returning:
            require_saleable(tx, desk.batch(pack.batch))
        PACKS.confirm(tx, pack_id, pack)
        pack.state, pack.changed_ms = state, tx.block_time_ms
        got.append(pack_id.decode())
    desk.store()
    _close(tx, key, shipment, DONE)
    data = {
        "from": shipment.sender.hex(),
        "to": tx.sender.hex(),
        "packs": got,
        "returned": shipment.returning,
    }
    tx.emit("medical.received", payload.shipment, data)


def take_back(tx: Context, payload: TakeBack) -> None:
    """The sender has the packs again, as they were. Allowed for held goods too: they must be somewhere."""
    key, shipment = _load(tx, payload.shipment)
    tx.require("medical.not_sender", shipment.sender == tx.sender)
    tx.require("medical.shipment_over", shipment.status == OPEN)
    desk = Desk(tx)
    for pack_id, state in zip(shipment.packs, shipment.states, strict=True):
        pack = desk.change(pack_id)
        if pack.ended:
            continue
        PACKS.withdraw(tx, pack)
        pack.state, pack.changed_ms = state, tx.block_time_ms
    desk.store()
    _close(tx, key, shipment, TAKEN_BACK)
    tx.emit("medical.taken_back", payload.shipment, {"packs": [pack_id.decode() for pack_id in shipment.packs]})


def tell_overdue(tx: Context, item: bytes, _: bytes) -> None:
    """Nobody received a shipment in time: the item has left the due index, the sender may take the packs back."""
    shipment = SHIPMENTS.get(tx, item)
    if shipment is None or shipment.status != OPEN or shipment.overdue or tx.block_time_ms <= shipment.ends_ms:
        return
    shipment.overdue = True
    SHIPMENTS.put(tx, item, shipment)
    data = {"from": shipment.sender.hex(), "to": shipment.receiver.hex(), "ends_ms": shipment.ends_ms}
    tx.emit("medical.overdue", item.decode(), data)


def _load(tx: Context, shipment: str) -> tuple[bytes, Shipment]:
    key = shipment.encode()
    found = SHIPMENTS.get(tx, key)
    if found is None:
        tx.fail("medical.shipment_unknown")
    return key, found


def _close(tx: Context, key: bytes, shipment: Shipment, status: int) -> None:
    shipment.status, shipment.ended_ms = status, tx.block_time_ms
    SHIPMENTS.put(tx, key, shipment)
    tx.delete(waiting_key(shipment.receiver, key))
    if not shipment.overdue:
        tx.delete(late_key(shipment, key))
