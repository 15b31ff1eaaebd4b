"""Read-only questions to the drug trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from hn_medical.chain import read_chain
from hn_medical.packing import REASONS, target_id, target_text
from hn_medical.paging import NoQuestion, PageQuestion, Question, page
from hn_medical.trace_models import (
    AccountId,
    BatchNo,
    ChainText,
    Code,
    HoldId,
    PathText,
    ProductCode,
    ShipmentId,
    Target,
)
from hn_medical.trace_state import (
    ALARM_NAMES,
    ALARMS,
    BATCHES,
    DISPENSED,
    HOLDERS,
    HOLDS,
    PACKS,
    PRODUCTS,
    SHIPMENT_NAMES,
    SHIPMENTS,
    STATE_NAMES,
    TRACE_PARAMETERS,
    Batch,
    PackLot,
    TraceParameters,
    activation_id,
    batch_id,
)
from hnnode.plugin_api import END, QueryRefused, QueryView
from hnnode.plugin_api.hashes import verify_inclusion
from hnnode.plugin_api.std import walks
from hnnode.plugin_api.std.holds import PHASE_NAMES

RootOrNothing = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, max_length=64)]
STEPS_MAX = 4_000


class CodeQuestion(Question):
    """`root`, `chain`, `path`: the pack's proof, for one that the chain has not seen."""

    code: Code
    root: RootOrNothing = ""
    chain: ChainText = ""
    path: PathText = ""


class BatchQuestion(Question):
    product: ProductCode
    batch: BatchNo


class ActivationsQuestion(PageQuestion, kw_only=True):
    product: ProductCode
    batch: BatchNo


class ReachQuestion(Question):
    """`root`: of one activation of the batch. `after`: how many packs the pages before gave."""

    product: ProductCode
    batch: BatchNo
    root: Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[int, Meta(ge=0, le=STEPS_MAX)] = 0


class WalkQuestion(Question):
    target: Target
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[int, Meta(ge=0, le=STEPS_MAX)] = 0


class ProductQuestion(Question):
    product: ProductCode


class ShipmentQuestion(Question):
    shipment: ShipmentId


class WaitingQuestion(PageQuestion, kw_only=True):
    receiver: AccountId


class AlarmsQuestion(PageQuestion, kw_only=True):
    """`codes`: a code, or the digits that codes begin with, such as a drug code."""

    codes: Annotated[str, Meta(pattern="^[0-9]{7,20}" + END)]


class HoldQuestion(Question):
    hold: HoldId


def code(view: QueryView, question: CodeQuestion) -> dict[str, Any]:
    """Where a pack is, for those who trade: itself, what it lies in, and who holds that."""
    found = _find(view, question)
    lot, top = found.lot, found.top
    return {
        **_facts(view, question.code, found),
        "seen": found.seen,
        "holder": top.holder.hex(),
        "receiver": top.receiver.hex() or None,
        "layer": lot.layer,
        "units": lot.quantity,
        "contents": lot.contents,
        "containers": found.containers,
        "root": lot.root.hex(),
        "rx": lot.rx.hex() or None,
        "settlement": lot.settlement.hex() or None,
        "alarms": lot.alarms,
        "changed_ms": lot.changed_ms or top.changed_ms,
    }


def scan(view: QueryView, question: CodeQuestion) -> dict[str, Any]:
    """What a consumer sees: drug, batch, state and alarms; no account of any party. Whether it has expired follows from
    `expires_ms`.
    """
    found = _find(view, question)
    dispensed = found.lot.state == DISPENSED
    return {
        **_facts(view, question.code, found),
        "dispensed_ms": found.lot.changed_ms if dispensed else None,
        "scanned_again": found.lot.alarms if dispensed else 0,
    }


def batch(view: QueryView, question: BatchQuestion) -> dict[str, Any]:
    key = batch_id(question.product, question.batch)
    found = _batch(view, key)
    return {
        "product": question.product,
        "batch": question.batch,
        "made_ms": found.made_ms,
        "expires_ms": found.expires_ms,
        "units": found.units,
        "codes": found.codes,
        "activations": found.activations,
        "recall": found.recall,
        "recalled_ms": found.recalled_ms or None,
        "recalled_by": found.recalled_by.hex() or None,
        "document": found.document.hex() or None,
    }


def activations(view: QueryView, question: ActivationsQuestion) -> dict[str, Any]:
    """Roots of a batch, and how much of each has been taken out of it."""
    rows, following = page(view, b"a%b/" % batch_id(question.product, question.batch), question)
    items = []
    for root, _ in rows:
        lot = _lot(view, activation_id(root))
        items.append({"root": root.hex(), "holder": lot.holder.hex(), "units": lot.initial, "seen_units": lot.moved})
    return {"items": items, "next": following}


def recall_reach(view: QueryView, question: ReachQuestion) -> dict[str, Any]:
    """Every pack of an activation that the chain has seen, and who has it: whom a recall must reach."""
    key = batch_id(question.product, question.batch)
    found = _batch(view, key)
    start = _lot(view, activation_id(bytes.fromhex(question.root)))
    if start.batch != key:
        raise QueryRefused("NOT_FOUND", f"root: {question.root} is of another batch")
    walk = walks.forward(PACKS, view, activation_id(start.root))
    next(walk)
    items, following = walks.page(walk, question.after, question.limit)
    return {
        "recall": found.recall,
        "units": start.initial,
        "unseen_units": start.quantity,
        "maker": start.holder.hex(),
        "items": [_row(view, lot_id, lot, steps) for lot_id, steps, lot in items],
        "next": following,
    }


def trace_back(view: QueryView, question: WalkQuestion) -> dict[str, Any]:
    """A pack and everything it was taken from."""
    return _walk(view, walks.back(PACKS, view, target_id(question.target)), question)


def trace_forward(view: QueryView, question: WalkQuestion) -> dict[str, Any]:
    """A pack or activation and everything taken from it."""
    return _walk(view, walks.forward(PACKS, view, target_id(question.target)), question)


def product(view: QueryView, question: ProductQuestion) -> dict[str, Any]:
    found = PRODUCTS.get(view, question.product.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"product: {question.product}")
    holder = HOLDERS.get(view, found.holder)
    return {
        "product": question.product,
        "approval": found.approval,
        "holder": found.holder.hex(),
        "uscc": holder.uscc if holder is not None else None,
        "drug_codes": found.drug_codes,
    }


def shipment(view: QueryView, question: ShipmentQuestion) -> dict[str, Any]:
    found = SHIPMENTS.get(view, question.shipment.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"shipment: {question.shipment}")
    return {
        "shipment": question.shipment,
        "from": found.sender.hex(),
        "to": found.receiver.hex(),
        "packs": [pack.decode() for pack in found.packs],
        "status": SHIPMENT_NAMES[found.status],
        "returning": found.returning,
        "reason": found.reason or None,
        "made_ms": found.made_ms,
        "ends_ms": found.ends_ms,
        "ended_ms": found.ended_ms or None,
        "overdue": found.overdue,
    }


def shipments_waiting(view: QueryView, question: WaitingQuestion) -> dict[str, Any]:
    """Shipments that wait for an account to receive them."""
    rows, following = page(view, b"o" + bytes.fromhex(question.receiver), question)
    return {"items": [key.decode() for key, _ in rows], "next": following}


def alarms(view: QueryView, question: AlarmsQuestion) -> dict[str, Any]:
    """Scans that should not have happened, by code."""
    prefix = ALARMS.prefix + question.codes.encode()
    rows, following = page(view, prefix, question)
    items = []
    for key, value in rows:
        whole = question.codes.encode() + key
        found = ALARMS.decode(value)
        items.append(
            {
                "code": whole[:20].decode(),
                "height": int.from_bytes(whole[20:28], "big"),
                "kind": ALARM_NAMES[found.kind],
                "by": found.by.hex(),
                "document": found.document.hex(),
                "at_ms": found.at_ms,
            }
        )
    return {"items": items, "next": following}


def hold(view: QueryView, question: HoldQuestion) -> dict[str, Any]:
    found = HOLDS.get(view, bytes.fromhex(question.hold))
    if found is None:
        raise QueryRefused("NOT_FOUND", f"hold: {question.hold}")
    return {
        "hold": question.hold,
        "phase": PHASE_NAMES[found.phase],
        "target": target_text(found.lot),
        "reason": REASONS[found.reason],
        "by": found.by.hex(),
        "document": found.document.hex(),
        "height": found.height,
        "reached": found.reached,
        "left": bool(found.stack),
        "lifted_by": found.lifted_by.hex() or None,
        "lift_document": found.lift_document.hex() or None,
    }


def holds_waiting(view: QueryView, question: PageQuestion) -> dict[str, Any]:
    """Freezes whose walk is not finished; anyone may continue them by `propagate`."""
    rows, following = page(view, HOLDS.waiting_prefix, question)
    return {"items": [key.hex() for key, _ in rows], "next": following}


def trace_parameters(view: QueryView, _: NoQuestion) -> dict[str, Any]:
    return {"offer_minutes": (TRACE_PARAMETERS.get(view, b"") or TraceParameters()).offer_minutes}


class _Found(Struct, frozen=True):
    """A pack, or for one that its proof alone shows a likeness of it. `top` says where it is."""

    lot: PackLot
    top: PackLot
    containers: list[str]
    frozen: bool
    seen: bool


def _find(view: QueryView, question: CodeQuestion) -> _Found:
    pack_id = question.code.encode()
    lot = PACKS.get(view, pack_id)
    if lot is not None:
        chain = PACKS.top(view, pack_id, lot)
        frozen = any(each.holds for _, each in chain)
        return _Found(lot, chain[-1][1], [lot_id.decode() for lot_id, _ in chain[1:]], frozen, True)
    links = read_chain(question.chain)
    if not links or links[0].code != question.code:
        raise QueryRefused("NOT_FOUND", f"code: {question.code} (not seen yet: give its proof)")
    if len(question.root) != 64 or len(question.path) % 2:
        raise QueryRefused("PARAMETER_INVALID", "root, path: want 64 and an even number of hexadecimal digits")
    root = bytes.fromhex(question.root)
    if not verify_inclusion(bytes.fromhex(question.path), question.chain.encode(), root):
        raise QueryRefused("PARAMETER_INVALID", "path: does not show the chain under the root")
    source_id, source = activation_id(root), PACKS.get(view, activation_id(root))
    for link in links[1:]:
        found = PACKS.get(view, link.code.encode())
        if found is not None:
            source_id, source = link.code.encode(), found
            break
    if source is None or source.root != root:
        raise QueryRefused("NOT_FOUND", f"root: {question.root} is not activated, or the pack came under another")
    chain = PACKS.top(view, source_id, source)
    top = chain[-1][1]
    alike = PackLot(top.holder, links[0].units, links[0].layer, batch=source.batch, root=root, state=top.state)
    containers = [lot_id.decode() for lot_id, each in chain if each.layer]
    return _Found(alike, top, containers, any(each.holds for _, each in chain), False)


def _facts(view: QueryView, name: str, found: _Found) -> dict[str, Any]:
    key = found.lot.batch.decode()
    batch, product = _batch(view, found.lot.batch), PRODUCTS.get(view, key[:14].encode())
    state = found.lot.state if found.lot.ended else found.top.state
    return {
        "code": name,
        "product": key[:14],
        "approval": product.approval if product is not None else None,
        "batch": key[14:],
        "state": STATE_NAMES[state],
        "recalled": batch.recall > 0,
        "frozen": found.frozen,
        "made_ms": batch.made_ms,
        "expires_ms": batch.expires_ms,
    }


def _batch(view: QueryView, key: bytes) -> Batch:
    found = BATCHES.get(view, key)
    if found is None:
        raise QueryRefused("NOT_FOUND", f"batch: {key.decode()}")
    return found


def _lot(view: QueryView, lot_id: bytes) -> PackLot:
    found = PACKS.get(view, lot_id)
    if found is None:
        raise QueryRefused("NOT_FOUND", f"root: {target_text(lot_id)}")
    return found


def _walk(view: QueryView, walk: Iterator[walks.Found[PackLot]], question: WalkQuestion) -> dict[str, Any]:
    items, following = walks.page(walk, question.after, question.limit)
    return {"items": [_row(view, lot_id, lot, steps) for lot_id, steps, lot in items], "next": following}


def _row(view: QueryView, lot_id: bytes, lot: PackLot, steps: int) -> dict[str, Any]:
    top = lot if lot.ended else PACKS.top(view, lot_id, lot)[-1][1]
    return {
        "target": target_text(lot_id),
        "steps": steps,
        "layer": lot.layer,
        "units": lot.quantity,
        "state": STATE_NAMES[top.state],
        "holder": top.holder.hex(),
        "inside": lot.inside.decode() or None,
        "frozen": lot.holds > 0,
    }
