"""Containers, destruction and freezes."""

from __future__ import annotations

from collections.abc import Sequence

from hn_medical.desk import Desk
from hn_medical.trace_models import LINK_CHARS, Aggregate, Destroy, Freeze, Pack, Propagate, ReturnPacks, Ship, Unfreeze
from hn_medical.trace_state import (
    COMMISSIONED,
    DESTROYED,
    HOLDS,
    PACKS,
    PRODUCTS,
    RECEIVED,
    PackLot,
    activation_id,
    drug_code_key,
    require_saleable,
)
from hnnode.plugin_api import Context, Reader, TxInfo
from hnnode.plugin_api.std.holds import FREEZE

REASONS = ("order", "counterfeit", "quality", "document", "other")
KEYS_MAX = 64


def pack_keys(packs: Sequence[Pack]) -> list[bytes]:
    """Keys of packs and of those their proofs name."""
    return [b"t" + lot_id for pack in packs[:KEYS_MAX] for lot_id in _named_lots(pack)]


def _named_lots(pack: Pack) -> list[bytes]:
    """The pack and what its proof says it came from, nearest first."""
    lots = [pack.code.encode()]
    if pack.proof is not None:
        chain = pack.proof.chain.encode()
        lots += [chain[at - 20 : at] for at in range(2 * LINK_CHARS, len(chain) + 1, LINK_CHARS)]
        lots.append(activation_id(bytes.fromhex(pack.proof.root)))
    return lots


def opened_keys(packs: Sequence[Pack], rows: Reader) -> list[bytes]:
    """What follows from the nearest lot of each pack that the chain has seen: its batch, and what it lies in."""
    keys = []
    for pack in packs[:KEYS_MAX]:
        for lot_id in _named_lots(pack):
            lot = PACKS.get(rows, lot_id)
            if lot is not None:
                keys.append(b"b" + lot.batch)
                if lot.inside:
                    keys.append(b"t" + lot.inside)
                break
    return keys


def container_keys(_: TxInfo, payload: Aggregate | Destroy | Ship | ReturnPacks, rows: Reader) -> list[bytes]:
    return opened_keys(payload.packs, rows)


def packed_keys(tx: TxInfo, payload: Aggregate, rows: Reader) -> list[bytes]:
    """The same, and the drug that the container's code begins like."""
    owner = rows.get(drug_code_key(payload.container[:7]))
    keys = container_keys(tx, payload, rows)
    return keys if owner is None else [b"g" + owner, *keys]


def aggregate_keys(_: TxInfo, payload: Aggregate) -> list[bytes]:
    container = payload.container.encode()
    return [b"t" + container, b"j" + container[:7], *pack_keys(payload.packs)]


def aggregate(tx: Context, payload: Aggregate) -> None:
    """Put packs into a container; from now on they move with it."""
    desk = Desk(tx)
    require_once(tx, payload.packs)
    container_id = payload.container.encode()
    container = desk.find(container_id)
    made = container is None
    if container is None:
        _require_free_code(tx, payload.container)
        container = PackLot(tx.sender, 0, payload.layer, state=0)
        PACKS.create(tx, container_id, container)
        desk.add(container_id, container)
    else:
        tx.require("medical.layer_invalid", container.layer == payload.layer)
        PACKS.require_free(tx, ((container_id, container),))
        desk.change(container_id)
    for ref in payload.packs:
        chain = desk.open(ref.code, ref.proof)
        PACKS.require_holder(tx, chain[-1][1])
        PACKS.require_free(tx, chain)
        pack = desk.take_out(chain)
        if not container.state:
            container.batch, container.root, container.state = pack.batch, pack.root, pack.state
        tx.require("medical.batch_mixed", pack.batch == container.batch)
        tx.require("medical.wrong_state", pack.state == container.state and pack.state in (COMMISSIONED, RECEIVED))
        PACKS.put_in(tx, pack, container_id, container)
    require_saleable(tx, desk.batch(container.batch))
    container.changed_ms = tx.block_time_ms
    desk.store()
    data = {"packs": [ref.code for ref in payload.packs], "new": made, "contents": container.contents}
    tx.emit("medical.aggregated", payload.container, data)


def destroy_keys(_: TxInfo, payload: Destroy) -> list[bytes]:
    return pack_keys(payload.packs)


def destroy(tx: Context, payload: Destroy) -> None:
    """Destroy packs with everything inside: the way out for expired, recalled, returned and frozen goods. By the
    holder, or by a regulator whoever holds them.
    """
    desk = Desk(tx)
    require_once(tx, payload.packs)
    regulator = "drug_regulator" in tx.roles
    for ref in payload.packs:
        chain = desk.open(ref.code, ref.proof)
        if not regulator:
            PACKS.require_holder(tx, chain[-1][1])
            tx.require("medical.in_transit", not chain[-1][1].receiver)
        if len(chain) > 1 or desk.carved:
            PACKS.require_free(tx, chain)  # nothing is taken out of what is held
        pack = desk.take_out(chain)
        PACKS.finish(tx, pack)
        pack.state, pack.changed_ms = DESTROYED, tx.block_time_ms
    desk.store()
    data = {"packs": [ref.code for ref in payload.packs], "document": payload.document}
    tx.emit("medical.destroyed", payload.packs[0].code, data)


def freeze(tx: Context, payload: Freeze) -> None:
    """Hold a pack or an activation and what was taken from it; nothing more can be taken from it either."""
    lot_id = target_id(payload.target)
    document = bytes.fromhex(payload.document)
    hold_id, hold = HOLDS.begin(tx, FREEZE, lot_id, REASONS.index(payload.reason), document)
    data = {"hold": hold_id.hex(), "reason": payload.reason, "reached": hold.reached, "left": bool(hold.stack)}
    tx.emit("medical.frozen", payload.target, data)


def unfreeze(tx: Context, payload: Unfreeze) -> None:
    hold = HOLDS.lift(tx, bytes.fromhex(payload.hold), bytes.fromhex(payload.document))
    data = {"hold": payload.hold, "reached": hold.reached, "left": bool(hold.stack)}
    tx.emit("medical.unfrozen", target_text(hold.lot), data)


def propagate(tx: Context, payload: Propagate) -> None:
    """Anyone may: it only finishes what a regulator began."""
    hold = HOLDS.advance(tx, bytes.fromhex(payload.hold))
    data = {"hold": payload.hold, "reached": hold.reached, "left": bool(hold.stack)}
    tx.emit("medical.propagated", target_text(hold.lot), data)


def target_id(target: str) -> bytes:
    """Lot id of a pack's code or an activation's root."""
    return activation_id(bytes.fromhex(target)) if len(target) == 64 else target.encode()


def target_text(lot_id: bytes) -> str:
    return lot_id[1:].hex() if lot_id.startswith(b"@") else lot_id.decode()


def require_once(tx: Context, packs: Sequence[Pack]) -> None:
    codes = [pack.code for pack in packs]
    tx.require("medical.pack_twice", len(set(codes)) == len(codes))


def _require_free_code(tx: Context, code: str) -> None:
    """A container's code may be any but one that begins like those of somebody else's drug."""
    owner = tx.get(drug_code_key(code[:7]))
    if owner is not None:
        product = PRODUCTS.get(tx, owner)
        tx.require("medical.code_foreign", product is not None and product.holder == tx.sender)
