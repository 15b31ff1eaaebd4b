"""Splitting, merging and processing: grams out, with the declared loss, are grams in."""

from __future__ import annotations

from collections.abc import Sequence

from hn_coldchain.intake import bind_code, duties_and_band, require_new
from hn_coldchain.models import Merge, Process, Split
from hn_coldchain.moves import load_held_stock
from hn_coldchain.state import (
    GENERATIONS_MAX,
    IN_STOCK,
    MERGED,
    PROCESSED,
    SPLIT,
    Batch,
    batch_key,
    city_key,
    code_key,
    holder_key,
    leave,
    parent_keys,
    require_movable,
    store,
    take_custody,
)
from hnnode.plugin_api import Context, Reader, TxInfo, ids


def split_keys(_: TxInfo, payload: Split) -> Sequence[bytes]:
    new = [key for out in payload.outputs for key in (batch_key(out.batch), code_key(out.code))]
    return [batch_key(payload.batch), *new]


def input_keys(_: TxInfo, payload: Merge | Process, rows: Reader) -> Sequence[bytes]:
    return [key for name in payload.inputs for key in parent_keys(name, rows)]


def split(tx: Context, payload: Split) -> None:
    """The batch ends; its outputs carry all its grams but the loss."""
    name = payload.batch
    batch = load_held_stock(tx, name)
    require_movable(tx, batch)
    moved = sum(out.grams for out in payload.outputs)
    tx.require("coldchain.grams_unbalanced", moved + payload.loss_grams == batch.grams)
    tx.require("coldchain.too_deep", batch.generation < GENERATIONS_MAX)
    names = [out.batch for out in payload.outputs]
    tx.require("coldchain.duplicate_id", len(set(names)) == len(names))
    child = _descendant(tx, [batch], [name])
    for out in payload.outputs:
        _create(tx, out.batch, out.code, child, out.grams, 0)
    leave(tx, name, batch)
    batch.status, batch.grams, batch.moved_grams, batch.children = SPLIT, 0, moved, names
    batch.lost_grams += payload.loss_grams
    store(tx, name, batch)
    data = {"outputs": names, "grams": [out.grams for out in payload.outputs], "loss_grams": payload.loss_grams}
    tx.emit("coldchain.split", name, data)


def merge_keys(_: TxInfo, payload: Merge) -> Sequence[bytes]:
    return [batch_key(payload.batch), code_key(payload.code), *(batch_key(name) for name in payload.inputs)]


def merge(tx: Context, payload: Merge) -> None:
    """The inputs end; the output starts with all their grams, less the loss."""
    names = payload.inputs
    tx.require("coldchain.duplicate_id", len(set(names)) == len(names))
    inputs = [load_held_stock(tx, name) for name in names]
    first = inputs[0]
    for batch in inputs:
        require_movable(tx, batch)
        same = (batch.gtin, batch.band_min, batch.band_max, batch.city)
        tx.require("coldchain.product_mismatch", same == (first.gtin, first.band_min, first.band_max, first.city))
    total = sum(batch.grams for batch in inputs)
    tx.require("coldchain.grams_exceed", payload.loss_grams < total)
    tx.require("coldchain.too_deep", max(batch.generation for batch in inputs) < GENERATIONS_MAX)
    _create(tx, payload.batch, payload.code, _descendant(tx, inputs, names), total, payload.loss_grams)
    for name, batch in zip(names, inputs, strict=True):
        leave(tx, name, batch)
        batch.status, batch.moved_grams, batch.grams, batch.children = MERGED, batch.grams, 0, [payload.batch]
        store(tx, name, batch)
    tx.emit(
        "coldchain.merged",
        payload.batch,
        {"inputs": names, "grams": total - payload.loss_grams, "loss_grams": payload.loss_grams},
    )


def process_keys(_: TxInfo, payload: Process) -> Sequence[bytes]:
    new = [key for out in payload.outputs for key in (batch_key(out.batch), code_key(out.code))]
    return [*(batch_key(name) for name in payload.inputs), *new]


def process(tx: Context, payload: Process) -> None:
    """Make another product: the inputs, of any products, end; the outputs start with their grams, less the loss."""
    names, made = payload.inputs, [out.batch for out in payload.outputs]
    tx.require("coldchain.duplicate_id", len(set(names)) == len(names) and len(set(made)) == len(made))
    tx.require("coldchain.gtin_invalid", ids.is_gtin(payload.gtin))
    inputs = [load_held_stock(tx, name) for name in names]
    for batch in inputs:
        require_movable(tx, batch)
        tx.require("coldchain.product_mismatch", batch.city == inputs[0].city)
    total = sum(batch.grams for batch in inputs)
    tx.require("coldchain.grams_unbalanced", sum(out.grams for out in payload.outputs) + payload.loss_grams == total)
    tx.require("coldchain.too_deep", max(batch.generation for batch in inputs) < GENERATIONS_MAX)
    child = _descendant(tx, inputs, names)
    child.gtin = payload.gtin
    child.duties, child.band_min, child.band_max = duties_and_band(tx, payload.gtin, payload.band)
    loss = payload.loss_grams  # stands with the first output
    for out in payload.outputs:
        _create(tx, out.batch, out.code, child, out.grams + loss, loss)
        loss = 0
    for name, batch in zip(names, inputs, strict=True):
        leave(tx, name, batch)
        batch.status, batch.moved_grams, batch.grams, batch.children = PROCESSED, batch.grams, 0, made
        store(tx, name, batch)
    data = {"inputs": names, "outputs": made, "gtin": payload.gtin, "grams": total - payload.loss_grams}
    tx.emit("coldchain.processed", made[0], data)


def _descendant(tx: Context, parents: list[Batch], names: list[str]) -> Batch:
    """A batch in the sender's stock, still without grams and code; origin facts are kept where all parents agree."""
    first, rest = parents[0], parents[1:]
    importer, station, uscc, country = first.importer, first.station, first.uscc, first.country
    for other in rest:
        importer = importer if importer == other.importer else b""
        station = station if station == other.station else b""
        uscc = uscc if uscc == other.uscc else ""
        country = country if country == other.country else ""
    return Batch(
        status=IN_STOCK,
        holder=tx.sender,
        importer=importer,
        station=station,
        uscc=uscc,
        gtin=first.gtin,
        country=country,
        duties=first.duties,
        band_min=first.band_min,
        band_max=first.band_max,
        declared_grams=0,
        city=first.city,
        generation=max(parent.generation for parent in parents) + 1,
        parents=names,
    )


def _create(tx: Context, name: str, code: str, batch: Batch, grams: int, loss: int) -> None:
    """Store a descendant under a new id and code."""
    require_new(tx, name)
    bind_code(tx, code, name)
    batch.code, batch.initial_grams, batch.grams, batch.lost_grams = code, grams, grams - loss, loss
    batch.custodies = 0
    take_custody(tx, name, batch)
    store(tx, name, batch)
    tx.put(holder_key(tx.sender, name), b"")
    tx.put(city_key(batch.city, name), b"")
