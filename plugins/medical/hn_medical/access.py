"""Consent, access and what becomes of a report elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from hn_medical.report_models import (
    DECLINE_REASONS,
    EMERGENCY_PURPOSE,
    FIELDS,
    PURPOSES,
    Access,
    Decline,
    EmergencyAccess,
    GrantAccess,
    Recognise,
    ReviewEmergency,
    RevokeAccess,
)
from hn_medical.report_state import (
    ACTIVE,
    CONSENT,
    COUNTS,
    DAY_MS,
    DECISIONS,
    DECLINED,
    ITEMS,
    PATIENTS,
    QUALITIES,
    RECOGNISED,
    REPORTS,
    REVIEW_PARAMETERS,
    SEEN,
    WITHDRAWN,
    Decision,
    Report,
    ReviewParameters,
    Seen,
    counts_key,
    load_report,
    no_counts,
    organisation_id,
)
from hnnode.plugin_api import Context, Reader, TxInfo
from hnnode.plugin_api.std.consent import Grant

VERDICTS = ("", "justified", "unjustified")


def mask_of(fields: Sequence[str]) -> int:
    mask = 0
    for field in fields:
        mask |= 1 << FIELDS.index(field)
    return mask


def names_of(mask: int) -> list[str]:
    return [field for place, field in enumerate(FIELDS) if mask >> place & 1]


def grant_keys(_: TxInfo, payload: GrantAccess) -> Sequence[bytes]:
    return CONSENT.grant_key(bytes.fromhex(payload.grant)), b"u" + bytes.fromhex(payload.patient)


def grant(tx: Context, payload: GrantAccess) -> None:
    """The patient lets one account see what its mask covers, for one purpose, so often and so long."""
    patient = bytes.fromhex(payload.patient)
    known = PATIENTS.get(tx, patient)
    tx.require("medical.not_patient", known is not None and known.account == tx.sender)
    made = Grant(
        patient,
        bytes.fromhex(payload.grantee),
        mask_of(payload.fields),
        PURPOSES.index(payload.purpose),
        payload.not_before_ms,
        payload.expires_at_ms,
        payload.uses_max,
        tx.sender,
    )
    CONSENT.grant(tx, bytes.fromhex(payload.grant), made)
    data = {
        "grantee": payload.grantee,
        "fields": payload.fields,
        "purpose": payload.purpose,
        "expires_at_ms": payload.expires_at_ms,
        "uses_max": payload.uses_max,
    }
    tx.emit("medical.granted", payload.grant, data)


def revoke_keys(_: TxInfo, payload: RevokeAccess) -> Sequence[bytes]:
    return (CONSENT.grant_key(bytes.fromhex(payload.grant)),)


def revoke(tx: Context, payload: RevokeAccess) -> None:
    found = CONSENT.revoke(tx, bytes.fromhex(payload.grant))
    tx.emit("medical.revoked", payload.grant, {"uses": found.uses})


def access_keys(_: TxInfo, payload: Access) -> Sequence[bytes]:
    return b"r" + bytes.fromhex(payload.report), CONSENT.grant_key(bytes.fromhex(payload.grant))


def access(tx: Context, payload: Access) -> None:
    """Log one look at a report under a grant."""
    key, report = _readable(tx, payload.report)
    mask = mask_of(payload.fields)
    purpose = PURPOSES.index(payload.purpose)
    row, found = CONSENT.record_use(tx, bytes.fromhex(payload.grant), mask, purpose, key)
    tx.require("medical.grant_foreign", found.subject == report.patient)
    SEEN.put(tx, key + tx.sender, Seen(row, mask, False, tx.organisation))
    data = {"access": row.hex(), "by": tx.sender.hex(), "fields": payload.fields, "purpose": payload.purpose}
    tx.emit("medical.accessed", payload.report, data)


def emergency_access(tx: Context, payload: EmergencyAccess) -> None:
    """Log a look without a grant; the health commission reviews it in time, or there are no more of them."""
    key, report = _readable(tx, payload.report)
    blocks = (REVIEW_PARAMETERS.get(tx, b"") or ReviewParameters()).review_blocks
    mask, document = mask_of(payload.fields), bytes.fromhex(payload.document)
    row, use = CONSENT.emergency(tx, report.patient, mask, EMERGENCY_PURPOSE, key, document, blocks)
    SEEN.put(tx, key + tx.sender, Seen(row, mask, True, tx.organisation))
    data = {
        "access": row.hex(),
        "by": tx.sender.hex(),
        "fields": payload.fields,
        "document": payload.document,
        "review_by": use.review_by,
    }
    tx.emit("medical.emergency", payload.report, data)


def review_emergency(tx: Context, payload: ReviewEmergency) -> None:
    verdict = VERDICTS.index(payload.verdict)
    use = CONSENT.review(tx, bytes.fromhex(payload.access), verdict, bytes.fromhex(payload.document))
    data = {"verdict": payload.verdict, "document": payload.document, "late": tx.height > use.review_by}
    tx.emit("medical.reviewed", use.entity.hex(), data)


def decide_keys(tx: TxInfo, payload: Recognise | Decline) -> Sequence[bytes]:
    report = bytes.fromhex(payload.report)
    return b"r" + report, b"y" + report + tx.sender


def decline_keys(tx: TxInfo, payload: Decline | Recognise, rows: Reader) -> list[bytes]:
    """What follows from the report and its access: where decisions are counted, and the organisation's own."""
    key = bytes.fromhex(payload.report)
    report, seen = REPORTS.get(rows, key), SEEN.get(rows, key + tx.sender)
    keys = [] if report is None else [b"n" + counts_key(report.item, report.issuer)]
    return keys if seen is None else [*keys, b"e" + key + organisation_id(seen.organisation)]


def recognise_keys(tx: TxInfo, payload: Recognise, rows: Reader) -> list[bytes]:
    """The same, and what decides whether its result may be taken over."""
    keys = decline_keys(tx, payload, rows)
    report = REPORTS.get(rows, bytes.fromhex(payload.report))
    if report is None:
        return keys
    item = report.item.encode()
    return [*keys, b"i" + item, b"q" + report.issuer + item]


def recognise(tx: Context, payload: Recognise) -> None:
    """Take the result over: the item is in the catalogue, the result recent, the issuer's quality control valid."""
    key, report = _decidable(tx, payload.report)
    tx.require("medical.report_inactive", report.status == ACTIVE)
    item = ITEMS.get(tx, report.item.encode())
    tx.require("medical.item_closed", item is not None and item.active)
    if item is not None:
        tx.require("medical.report_old", tx.block_time_ms < report.performed_ms + item.valid_days * DAY_MS)
    quality = QUALITIES.get(tx, report.issuer + report.item.encode())
    valid = quality is not None and quality.from_ms <= report.performed_ms < quality.until_ms
    tx.require("medical.quality_invalid", valid)
    _decide(tx, key, report, RECOGNISED, "")
    tx.emit("medical.recognised", payload.report, {"item": report.item, "by": tx.sender.hex()})


def decline(tx: Context, payload: Decline) -> None:
    """Examine again, for a reason that is counted."""
    key, report = _decidable(tx, payload.report)
    _decide(tx, key, report, DECLINED, payload.reason)
    data = {"item": report.item, "by": tx.sender.hex(), "reason": payload.reason}
    tx.emit("medical.declined", payload.report, data)


def _readable(tx: Context, name: str) -> tuple[bytes, Report]:
    key, report = load_report(tx, name)
    tx.require("medical.report_inactive", report.status != WITHDRAWN)
    return key, report


def _decidable(tx: Context, name: str) -> tuple[bytes, Report]:
    key, report = load_report(tx, name)
    own = report.issuer == tx.sender or report.organisation == tx.organisation
    tx.require("medical.own_report", not own)
    seen = SEEN.get(tx, key + tx.sender)
    tx.require("medical.access_missing", seen is not None and seen.organisation == tx.organisation)
    tx.require("medical.decided", DECISIONS.get(tx, key + organisation_id(tx.organisation)) is None)
    return key, report


def _decide(tx: Context, key: bytes, report: Report, kind: int, reason: str) -> None:
    decision = Decision(kind, reason, tx.block_time_ms, tx.sender, tx.organisation)
    DECISIONS.put(tx, key + organisation_id(tx.organisation), decision)
    place = counts_key(report.item, report.issuer)
    counts = COUNTS.get(tx, place) or no_counts()
    if kind == RECOGNISED:
        counts.recognised += 1
    else:
        counts.declined[DECLINE_REASONS.index(reason)] += 1
    COUNTS.put(tx, place, counts)
