"""Stock, hand-over, sale and disposal. Goods change hands by two signatures: the holder's and the receiver's."""

from __future__ import annotations

from collections.abc import Sequence

from hn_coldchain.models import ConfirmIn, Dispose, ReportOverdue, Sell, ShipOut, StockIn, TakeBack
from hn_coldchain.state import (
    DISPOSED,
    ENDED,
    IN_STOCK,
    IN_TRANSIT,
    OFFERS,
    PARAMETERS,
    RELEASED,
    SOLD,
    Batch,
    Offer,
    Parameters,
    batch_key,
    city_key,
    end_offer,
    holder_key,
    leave,
    load,
    require_movable,
    store,
    take_custody,
    waiting_key,
)
from hnnode.plugin_api import Context, TxInfo

MINUTE_MS = 60_000


def stock_in(tx: Context, payload: StockIn) -> None:
    """The consignee of the release certificate takes the goods over."""
    name = payload.batch
    batch = load(tx, name)
    tx.require("coldchain.not_released", batch.status >= RELEASED)
    tx.require("coldchain.wrong_status", batch.status == RELEASED)
    tx.require("coldchain.not_consignee", batch.receiver == tx.sender)
    require_movable(tx, batch)
    _take_over(tx, name, batch, payload.city)
    store(tx, name, batch)
    tx.emit("coldchain.stocked", name, {"city": payload.city, "grams": batch.grams, "holder": tx.sender.hex()})


def ship_keys(_: TxInfo, payload: ShipOut) -> Sequence[bytes]:
    return batch_key(payload.batch), b"p"


def ship_out(tx: Context, payload: ShipOut) -> None:
    """Offer the goods to the receiver; they stay in the sender's hands until confirmed."""
    name = payload.batch
    batch = load_held_stock(tx, name)
    receiver = bytes.fromhex(payload.to)
    tx.require("coldchain.own_account", receiver != tx.sender)
    require_movable(tx, batch)
    most = (PARAMETERS.get(tx, b"") or Parameters()).offer_minutes
    minutes = most if payload.minutes is None else min(payload.minutes, most)
    expires_ms = tx.block_time_ms + minutes * MINUTE_MS
    carrier = bytes.fromhex(payload.carrier) if payload.carrier else b""
    offer = Offer(tx.sender, carrier, batch.grams, tx.block_time_ms, expires_ms)
    OFFERS.put(tx, receiver + name.encode(), offer)
    tx.put(waiting_key(offer, name), receiver)
    tx.delete(city_key(batch.city, name))
    batch.status, batch.receiver, batch.carrier = IN_TRANSIT, receiver, carrier
    store(tx, name, batch)
    data = {"from": tx.sender.hex(), "to": payload.to, "grams": batch.grams, "expires_ms": expires_ms}
    tx.emit("coldchain.shipped", name, data)


def confirm_keys(tx: TxInfo, payload: ConfirmIn) -> Sequence[bytes]:
    return batch_key(payload.batch), b"o" + tx.sender + payload.batch.encode()


def confirm_in(tx: Context, payload: ConfirmIn) -> None:
    """The receiver signs for the goods; from now on they are in its hands."""
    name = payload.batch
    batch = load(tx, name)
    offer = OFFERS.get(tx, tx.sender + name.encode())
    if offer is None:
        tx.fail("coldchain.not_receiver")
    tx.require("coldchain.offer_expired", tx.block_time_ms <= offer.expires_ms)
    require_movable(tx, batch)
    end_offer(tx, tx.sender, name)
    _take_over(tx, name, batch, payload.city)
    store(tx, name, batch)
    data = {"from": offer.sender.hex(), "to": tx.sender.hex(), "city": payload.city, "grams": batch.grams}
    tx.emit("coldchain.confirmed", name, data)


def take_back(tx: Context, payload: TakeBack) -> None:
    """The sender of an expired hand-over has the goods again. Allowed for held goods too: they must be somewhere."""
    name = payload.batch
    batch = load(tx, name)
    tx.require("coldchain.not_holder", batch.holder == tx.sender)
    tx.require("coldchain.wrong_status", batch.status == IN_TRANSIT)
    offer = end_offer(tx, batch.receiver, name)
    tx.require("coldchain.offer_live", offer is None or tx.block_time_ms > offer.expires_ms)
    batch.status, batch.city, batch.receiver, batch.carrier = IN_STOCK, payload.city, b"", b""
    tx.put(city_key(payload.city, name), b"")
    store(tx, name, batch)
    tx.emit("coldchain.taken_back", name, {"city": payload.city})


def tell_overdue(tx: Context, item: bytes, receiver: bytes) -> None:
    """The end of a hand-over has passed, and nobody said so before; the item has left the due index."""
    offer = OFFERS.get(tx, receiver + item)
    if offer is not None and not offer.overdue and tx.block_time_ms > offer.expires_ms:
        _mark_overdue(tx, item.decode(), receiver, offer)


def report_overdue(tx: Context, payload: ReportOverdue) -> None:
    """Say on the chain that a hand-over was not confirmed in time, before the end of the block does; anyone may."""
    name = payload.batch
    batch = load(tx, name)
    tx.require("coldchain.wrong_status", batch.status == IN_TRANSIT)
    key = batch.receiver + name.encode()
    offer = OFFERS.get(tx, key)
    if offer is None or tx.block_time_ms <= offer.expires_ms:
        tx.fail("coldchain.offer_live")
    tx.require("coldchain.overdue_known", not offer.overdue)
    tx.delete(waiting_key(offer, name))
    _mark_overdue(tx, name, batch.receiver, offer)


def _mark_overdue(tx: Context, name: str, receiver: bytes, offer: Offer) -> None:
    offer.overdue = True
    OFFERS.put(tx, receiver + name.encode(), offer)
    tx.put(waiting_key(offer, name), receiver)
    data = {"from": offer.sender.hex(), "to": receiver.hex(), "expires_ms": offer.expires_ms}
    tx.emit("coldchain.overdue", name, data)


def sell(tx: Context, payload: Sell) -> None:
    """Sell some or all of it to consumers; nothing of the buyer is recorded."""
    name = payload.batch
    batch = load_held_stock(tx, name)
    require_movable(tx, batch)
    tx.require("coldchain.grams_exceed", payload.grams <= batch.grams)
    batch.grams -= payload.grams
    batch.sold_grams += payload.grams
    if batch.grams == 0:
        leave(tx, name, batch)
        batch.status = SOLD
    store(tx, name, batch)
    tx.emit("coldchain.sold", name, {"grams": payload.grams, "left": batch.grams, "city": batch.city})


def dispose(tx: Context, payload: Dispose) -> None:
    """Destroy what is left: the way out for held goods. By the holder, or by a regulator whoever holds it."""
    name = payload.batch
    batch = load(tx, name)
    tx.require("coldchain.not_holder", batch.holder == tx.sender or "regulator" in tx.roles)
    tx.require("coldchain.wrong_status", batch.status < ENDED)
    leave(tx, name, batch)
    grams, batch.grams = batch.grams, 0
    batch.disposed_grams += grams
    batch.status, batch.receiver = DISPOSED, b""
    store(tx, name, batch)
    tx.emit("coldchain.disposed", name, {"grams": grams, "certificate": payload.certificate})


def load_held_stock(tx: Context, name: str) -> Batch:
    """A batch in the sender's stock, or refusal."""
    batch = load(tx, name)
    tx.require("coldchain.not_holder", batch.holder == tx.sender)
    tx.require("coldchain.not_released", batch.status >= RELEASED)
    tx.require("coldchain.wrong_status", batch.status == IN_STOCK)
    return batch


def _take_over(tx: Context, name: str, batch: Batch, city: str) -> None:
    tx.delete(holder_key(batch.holder, name))
    tx.put(holder_key(tx.sender, name), b"")
    tx.put(city_key(city, name), b"")
    batch.status, batch.holder, batch.city, batch.receiver, batch.carrier = IN_STOCK, tx.sender, city, b"", b""
    take_custody(tx, name, batch)
