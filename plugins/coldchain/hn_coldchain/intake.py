"""From the declaration to the release: importer and first station."""

from __future__ import annotations

from collections.abc import Sequence

from hn_coldchain.holds import begin_hold
from hn_coldchain.models import (
    Arrive,
    AssignCode,
    Disinfect,
    PreDeclare,
    RecordTest,
    Release,
    SetParameters,
    SetProduct,
)
from hn_coldchain.state import (
    ARRIVED,
    BANDS,
    BATCHES,
    CODED,
    DECLARED,
    DISINFECT_DUTY,
    DISINFECTED,
    FREEZE,
    PARAMETERS,
    PRODUCTS,
    RELEASED,
    TEST_DUTY,
    TESTED,
    Batch,
    Parameters,
    Product,
    batch_key,
    code_key,
    holder_key,
    load,
    require_movable,
    store,
    take_custody,
)
from hnnode.plugin_api import Context, TxInfo, ids


def declare_keys(_: TxInfo, payload: PreDeclare) -> Sequence[bytes]:
    return batch_key(payload.batch), b"g" + payload.gtin.encode()


def pre_declare(tx: Context, payload: PreDeclare) -> None:
    name = payload.batch
    tx.require("coldchain.uscc_invalid", ids.is_uscc(payload.uscc))
    tx.require("coldchain.gtin_invalid", ids.is_gtin(payload.gtin))
    tx.require("coldchain.batch_exists", tx.get(batch_key(name)) is None)
    duties, low, high = duties_and_band(tx, payload.gtin, payload.band)
    batch = Batch(
        status=DECLARED,
        holder=tx.sender,
        importer=tx.sender,
        station=bytes.fromhex(payload.station),
        uscc=payload.uscc,
        gtin=payload.gtin,
        country=payload.country,
        duties=duties,
        band_min=low,
        band_max=high,
        declared_grams=payload.grams,
        declaration=bytes.fromhex(payload.declaration),
    )
    store(tx, name, batch)
    tx.put(holder_key(tx.sender, name), b"")
    tx.emit("coldchain.declared", name, {"gtin": payload.gtin, "country": payload.country, "grams": payload.grams})


def arrive(tx: Context, payload: Arrive) -> None:
    batch = _at_station(tx, payload.batch)
    tx.require("coldchain.wrong_status", batch.status == DECLARED)
    tx.require("coldchain.grams_exceed", payload.grams <= batch.declared_grams)
    tx.delete(holder_key(batch.holder, payload.batch))
    tx.put(holder_key(tx.sender, payload.batch), b"")
    batch.status = ARRIVED
    batch.holder = tx.sender
    batch.city = payload.city
    batch.initial_grams = batch.grams = payload.grams
    take_custody(tx, payload.batch, batch)
    store(tx, payload.batch, batch)
    data = {"city": payload.city, "grams": payload.grams, "declared_grams": batch.declared_grams}
    tx.emit("coldchain.arrived", payload.batch, data)


def record_test(tx: Context, payload: RecordTest) -> None:
    batch = _at_station(tx, payload.batch)
    tx.require("coldchain.wrong_status", batch.status == ARRIVED)
    batch.status = TESTED
    batch.report = bytes.fromhex(payload.report)
    store(tx, payload.batch, batch)
    tx.emit("coldchain.tested", payload.batch, {"passed": payload.passed, "report": payload.report})
    if not payload.passed:
        begin_hold(tx, FREEZE, payload.batch, "test_failed", batch.report)


def disinfect(tx: Context, payload: Disinfect) -> None:
    batch = _at_station(tx, payload.batch)
    ready = batch.status == TESTED or (batch.status == ARRIVED and not batch.duties & TEST_DUTY)
    tx.require("coldchain.wrong_status", ready)
    batch.status = DISINFECTED
    batch.disinfection = bytes.fromhex(payload.certificate)
    store(tx, payload.batch, batch)
    tx.emit("coldchain.disinfected", payload.batch, {"certificate": payload.certificate})


def code_keys(_: TxInfo, payload: AssignCode) -> Sequence[bytes]:
    return batch_key(payload.batch), code_key(payload.code)


def assign_code(tx: Context, payload: AssignCode) -> None:
    batch = _at_station(tx, payload.batch)
    ready = (
        batch.status == DISINFECTED
        or (batch.status == TESTED and not batch.duties & DISINFECT_DUTY)
        or (batch.status == ARRIVED and not batch.duties)
    )
    tx.require("coldchain.wrong_status", ready)
    bind_code(tx, payload.code, payload.batch)
    batch.status = CODED
    batch.code = payload.code
    store(tx, payload.batch, batch)
    tx.emit("coldchain.coded", payload.batch, {"code": payload.code})


def release(tx: Context, payload: Release) -> None:
    batch = _at_station(tx, payload.batch)
    tx.require("coldchain.wrong_status", batch.status == CODED)
    require_movable(tx, batch)
    batch.status = RELEASED
    batch.receiver = bytes.fromhex(payload.consignee)
    batch.certificate = bytes.fromhex(payload.certificate)
    store(tx, payload.batch, batch)
    data = {"certificate": payload.certificate, "consignee": payload.consignee}
    tx.emit("coldchain.released", payload.batch, data)


def set_product(tx: Context, payload: SetProduct) -> None:
    tx.require("coldchain.gtin_invalid", ids.is_gtin(payload.gtin))
    tx.require("coldchain.band_invalid", payload.min <= payload.max)
    duties = TEST_DUTY * payload.test_required | DISINFECT_DUTY * payload.disinfect_required
    PRODUCTS.put(tx, payload.gtin.encode(), Product(duties, payload.min, payload.max))
    data = {"duties": duties, "min": payload.min, "max": payload.max}
    tx.emit("coldchain.product_set", payload.gtin, data)


def set_parameters(tx: Context, payload: SetParameters) -> None:
    PARAMETERS.put(tx, b"", Parameters(payload.offer_minutes, payload.excursion_minutes))
    data = {"offer_minutes": payload.offer_minutes, "excursion_minutes": payload.excursion_minutes}
    tx.emit("coldchain.parameters_set", "", data)


def duties_and_band(tx: Context, gtin: str, band: str) -> tuple[int, int, int]:
    """Duties and temperature band of a product: its own where they were set, else all duties and the storage class."""
    product = PRODUCTS.get(tx, gtin.encode())
    if product is None:
        return TEST_DUTY | DISINFECT_DUTY, *BANDS[band]
    return product.duties, product.band_min, product.band_max


def bind_code(tx: Context, code: str, name: str) -> None:
    """Give a trace code to a batch; a code is given once and for ever."""
    key = code_key(code)
    tx.require("coldchain.code_exists", tx.get(key) is None)
    tx.put(key, name.encode())


def require_new(tx: Context, name: str) -> None:
    """Refuse a batch id that is taken."""
    tx.require("coldchain.batch_exists", BATCHES.get(tx, name.encode()) is None)


def _at_station(tx: Context, name: str) -> Batch:
    batch = load(tx, name)
    tx.require("coldchain.not_station", batch.station == tx.sender)
    return batch
