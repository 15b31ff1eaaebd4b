"""The catalogue, patients' references and the index of reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hn_medical.report_models import (
    Amend,
    BindPatient,
    RegisterIndex,
    SetItem,
    SetQuality,
    SetReviewParameters,
    Withdraw,
)
from hn_medical.report_state import (
    ACTIVE,
    ITEMS,
    PATIENTS,
    QUALITIES,
    REPORTS,
    REVIEW_PARAMETERS,
    SUPERSEDED,
    WITHDRAWN,
    Item,
    Patient,
    Quality,
    Report,
    ReviewParameters,
    load_report,
    patient_report_key,
)
from hnnode.plugin_api import Context, TxInfo

CLOCK_SKEW_MS = 600_000
"""How far an organisation's clock may run ahead of the block."""


def set_item(tx: Context, payload: SetItem) -> None:
    ITEMS.put(tx, payload.item.encode(), Item(payload.kind, payload.valid_days, payload.active))
    data = {"kind": payload.kind, "valid_days": payload.valid_days, "active": payload.active}
    tx.emit("medical.item_set", payload.item, data)


def set_quality(tx: Context, payload: SetQuality) -> None:
    tx.require("medical.item_unknown", ITEMS.get(tx, payload.item.encode()) is not None)
    tx.require("medical.period_invalid", payload.from_ms < payload.until_ms)
    key = bytes.fromhex(payload.organisation) + payload.item.encode()
    QUALITIES.put(tx, key, Quality(payload.from_ms, payload.until_ms, bytes.fromhex(payload.certificate)))
    data = {"item": payload.item, "from_ms": payload.from_ms, "until_ms": payload.until_ms}
    tx.emit("medical.quality_set", payload.organisation, data)


def set_review_parameters(tx: Context, payload: SetReviewParameters) -> None:
    REVIEW_PARAMETERS.put(tx, b"", ReviewParameters(payload.review_blocks))
    tx.emit("medical.review_parameters_set", "", {"review_blocks": payload.review_blocks})


def bind_keys(_: TxInfo, payload: BindPatient) -> Sequence[bytes]:
    return (b"u" + bytes.fromhex(payload.patient),)


def bind_patient(tx: Context, payload: BindPatient) -> None:
    """The hospital that made the reference says whose account grants for it; it may do so again for a lost one."""
    patient = bytes.fromhex(payload.patient)
    before = PATIENTS.get(tx, patient)
    tx.require("medical.patient_bound", before is None or before.by == tx.sender)
    PATIENTS.put(tx, patient, Patient(bytes.fromhex(payload.account), tx.sender, tx.block_time_ms))
    tx.emit("medical.patient_bound", payload.patient, {"account": payload.account, "again": before is not None})


def index_keys(_: TxInfo, payload: RegisterIndex) -> Sequence[bytes]:
    return b"r" + bytes.fromhex(payload.report), b"u" + bytes.fromhex(payload.patient), b"i" + payload.item.encode()


def register_index(tx: Context, payload: RegisterIndex) -> None:
    index_many(tx, iter((payload,)))


def index_many(tx: Context, payloads: Iterator[RegisterIndex]) -> None:
    """Index reports that follow each other in a block: hospitals send them by the thousand."""
    latest_ms = tx.block_time_ms + CLOCK_SKEW_MS
    for payload in payloads:
        patient = bytes.fromhex(payload.patient)
        known = PATIENTS.get(tx, patient)
        tx.require("medical.patient_unknown", known is not None and known.by == tx.sender)
        item = ITEMS.get(tx, payload.item.encode())
        if item is None:
            tx.fail("medical.item_unknown")
        tx.require("medical.item_closed", item.active)
        tx.require("medical.time_future", payload.performed_ms <= latest_ms)
        report = Report(
            patient,
            payload.item,
            tx.sender,
            bytes.fromhex(payload.digest),
            payload.performed_ms,
            tx.block_time_ms,
            payload.scope,
            organisation=tx.organisation,
        )
        _add(tx, bytes.fromhex(payload.report), report)
        tx.emit("medical.indexed", payload.report, {"item": payload.item, "scope": payload.scope})


def amend(tx: Context, payload: Amend) -> None:
    """Put a corrected report in the place of one of the sender's."""
    key, report = _own(tx, payload.report)
    new = bytes.fromhex(payload.corrected)
    made = Report(
        report.patient,
        report.item,
        tx.sender,
        bytes.fromhex(payload.digest),
        report.performed_ms,
        tx.block_time_ms,
        report.scope,
        corrects=key,
        organisation=tx.organisation,
    )
    _add(tx, new, made)
    report.status, report.corrected = SUPERSEDED, new
    REPORTS.put(tx, key, report)
    tx.emit("medical.amended", payload.report, {"corrected": payload.corrected})


def withdraw(tx: Context, payload: Withdraw) -> None:
    key, report = _own(tx, payload.report)
    report.status, report.document = WITHDRAWN, bytes.fromhex(payload.document)
    REPORTS.put(tx, key, report)
    tx.emit("medical.withdrawn", payload.report, {"document": payload.document})


def _own(tx: Context, name: str) -> tuple[bytes, Report]:
    key, report = load_report(tx, name)
    tx.require("medical.not_issuer", report.issuer == tx.sender)
    tx.require("medical.report_inactive", report.status == ACTIVE)
    return key, report


def _add(tx: Context, key: bytes, report: Report) -> None:
    tx.require("medical.report_exists", REPORTS.get(tx, key) is None)
    REPORTS.put(tx, key, report)
    tx.put(patient_report_key(report.patient, report.performed_ms, key), b"")
