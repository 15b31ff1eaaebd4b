"""Drugs and their holders, activations and recalls."""

from __future__ import annotations

from collections.abc import Sequence

from hn_medical.trace_models import Activate, Recall, RegisterProduct, SetTraceParameters
from hn_medical.trace_state import (
    BATCHES,
    HOLDERS,
    PACKS,
    PRODUCTS,
    TRACE_PARAMETERS,
    Batch,
    Holder,
    PackLot,
    Product,
    TraceParameters,
    activation_id,
    activation_key,
    batch_id,
    drug_code_key,
    load_batch,
)
from hnnode.plugin_api import Context, TxInfo, ids


def register_product(tx: Context, payload: RegisterProduct) -> None:
    """A new drug, or new facts of a known one: it may pass to another holder and get further drug codes."""
    key = payload.product.encode()
    tx.require("medical.product_code_invalid", ids.is_drug_code(payload.product))
    tx.require("medical.uscc_invalid", ids.is_uscc(payload.uscc))
    holder = bytes.fromhex(payload.holder)
    codes = payload.drug_codes
    before = PRODUCTS.get(tx, key)
    if before is not None:
        codes = before.drug_codes + [code for code in codes if code not in before.drug_codes]
    tx.require("medical.drug_code_taken", len(codes) <= 8 and len(set(codes)) == len(codes))
    for code in codes:
        owner = tx.get(drug_code_key(code))
        tx.require("medical.drug_code_taken", owner is None or owner == key)
        tx.put(drug_code_key(code), key)
    HOLDERS.put(tx, holder, Holder(payload.uscc))
    PRODUCTS.put(tx, key, Product(payload.approval, holder, codes))
    data = {"approval": payload.approval, "holder": payload.holder, "uscc": payload.uscc, "drug_codes": codes}
    tx.emit("medical.product_registered", payload.product, data)


def activate_keys(_: TxInfo, payload: Activate) -> Sequence[bytes]:
    batch = batch_id(payload.product, payload.batch)
    return b"g" + payload.product.encode(), b"b" + batch, b"t@" + bytes.fromhex(payload.root)


def activate(tx: Context, payload: Activate) -> None:
    """Bring in the packs under a root: from now on each can be named with its proof."""
    product = PRODUCTS.get(tx, payload.product.encode())
    if product is None:
        tx.fail("medical.product_unknown")
    tx.require("medical.not_holder_of_product", product.holder == tx.sender)
    tx.require("medical.date_order", payload.made_ms < payload.expires_ms)
    key = batch_id(payload.product, payload.batch)
    batch = BATCHES.get(tx, key)
    if batch is None:
        batch = Batch(payload.made_ms, payload.expires_ms, product.drug_codes)
    same = (batch.made_ms, batch.expires_ms) == (payload.made_ms, payload.expires_ms)
    tx.require("medical.batch_differs", same)
    tx.require("medical.recalled", not batch.recall)
    tx.require("medical.expired", tx.block_time_ms < batch.expires_ms)
    root = bytes.fromhex(payload.root)
    lot_id = activation_id(root)
    tx.require("medical.activation_exists", PACKS.get(tx, lot_id) is None)
    lot = PackLot(tx.sender, payload.units, batch=key, root=root, changed_ms=tx.block_time_ms)
    PACKS.create(tx, lot_id, lot)
    PACKS.put(tx, lot_id, lot)
    tx.put(activation_key(key, root), b"")
    batch.drug_codes = product.drug_codes
    batch.units += payload.units
    batch.codes += payload.codes
    batch.activations += 1
    BATCHES.put(tx, key, batch)
    data = {"product": payload.product, "root": payload.root, "codes": payload.codes, "units": payload.units}
    tx.emit("medical.activated", payload.batch, data)


def recall(tx: Context, payload: Recall) -> None:
    """From now on the batch moves back or is destroyed, and nothing else. It may be made more or less urgent."""
    key = batch_id(payload.product, payload.batch)
    batch = load_batch(tx, key)
    product = PRODUCTS.get(tx, payload.product.encode())
    own = product is not None and product.holder == tx.sender
    tx.require("medical.not_holder_of_product", own or "drug_regulator" in tx.roles)
    batch.recall = payload.level
    batch.recalled_ms = batch.recalled_ms or tx.block_time_ms
    batch.recalled_by = tx.sender
    batch.document = bytes.fromhex(payload.document)
    BATCHES.put(tx, key, batch)
    data = {"product": payload.product, "level": payload.level, "document": payload.document, "units": batch.units}
    tx.emit("medical.recalled", payload.batch, data)


def set_trace_parameters(tx: Context, payload: SetTraceParameters) -> None:
    TRACE_PARAMETERS.put(tx, b"", TraceParameters(payload.offer_minutes))
    tx.emit("medical.trace_parameters_set", "", {"offer_minutes": payload.offer_minutes})
