"""The last step: a smallest pack goes to a patient, once, and is settled, once. Every further scan is an alarm."""

from __future__ import annotations

from collections.abc import Sequence

from hn_medical.desk import Desk
from hn_medical.packing import opened_keys, pack_keys
from hn_medical.trace_models import Dispense, Pack, Settle
from hn_medical.trace_state import (
    ALARMS,
    DISPENSED,
    PACKS,
    RECEIVED,
    SCANNED_TWICE,
    SETTLED_TWICE,
    Alarm,
    PackLot,
    require_saleable,
)
from hnnode.plugin_api import Context, Reader, TxInfo

SMALLEST_LAYER = 1


def dispense_keys(_: TxInfo, payload: Dispense) -> list[bytes]:
    return pack_keys((Pack(code=payload.code, proof=payload.proof),))


def dispensed_keys(_: TxInfo, payload: Dispense, rows: Reader) -> list[bytes]:
    return opened_keys((Pack(code=payload.code, proof=payload.proof),), rows)


def dispense(tx: Context, payload: Dispense) -> None:
    """Dispense a pack. A second scan is no refusal but an alarm on record (回流药): who, when, and what was first."""
    desk = Desk(tx)
    chain = desk.open(payload.code, payload.proof)
    pack = chain[0][1]
    if pack.state == DISPENSED:
        _alarm(tx, payload.code, pack, SCANNED_TWICE, payload.rx)
        return
    tx.require("medical.not_smallest", pack.layer == SMALLEST_LAYER)
    top = chain[-1][1]
    PACKS.require_holder(tx, top)
    PACKS.require_free(tx, chain)
    tx.require("medical.wrong_state", top.state == RECEIVED)
    require_saleable(tx, desk.batch(pack.batch))
    desk.take_out(chain)
    PACKS.consume(tx, pack, pack.quantity)
    pack.state, pack.changed_ms, pack.rx = DISPENSED, tx.block_time_ms, bytes.fromhex(payload.rx)
    desk.store()
    tx.emit("medical.dispensed", payload.code, {"by": tx.sender.hex(), "rx": payload.rx})


def settle_keys(_: TxInfo, payload: Settle) -> Sequence[bytes]:
    return (b"t" + payload.code.encode(),)


def settle(tx: Context, payload: Settle) -> None:
    """The insurer's check: dispensed, and claimed for the first time. A second claim is an alarm on record."""
    pack_id = payload.code.encode()
    pack = PACKS.load(tx, pack_id)
    tx.require("medical.not_dispensed", pack.state == DISPENSED)
    if pack.settlement:
        _alarm(tx, payload.code, pack, SETTLED_TWICE, payload.settlement)
        return
    pack.settlement = bytes.fromhex(payload.settlement)
    PACKS.put(tx, pack_id, pack)
    tx.emit("medical.settled", payload.code, {"settlement": payload.settlement, "dispensed_ms": pack.changed_ms})


def _alarm(tx: Context, code: str, pack: PackLot, kind: int, document: str) -> None:
    pack_id = code.encode()
    pack.alarms += 1
    PACKS.put(tx, pack_id, pack)
    key = b"%b%b%b" % (pack_id, tx.height.to_bytes(8, "big"), tx.tx_id[:12])
    ALARMS.put(tx, key, Alarm(kind, tx.sender, bytes.fromhex(document), tx.block_time_ms))
    data = {
        "by": tx.sender.hex(),
        "document": document,
        "first_by": pack.holder.hex(),
        "first_ms": pack.changed_ms,
        "alarms": pack.alarms,
    }
    if kind == SCANNED_TWICE:
        tx.emit("medical.duplicate_scan", code, data)
    else:
        tx.emit("medical.duplicate_settlement", code, data)
