"""Read-only questions to the recognition of reports.

A query has no sender, so none is told what was examined of a patient, where, or who looked: by a patient's reference there are
counts and hashes. Reports are asked one by one, by the random id that those have who may look.
"""

from __future__ import annotations

from typing import Any

from hn_medical.access import VERDICTS, names_of
from hn_medical.commitments import footprint_commitment, index_commitment
from hn_medical.paging import NoQuestion, PageQuestion, Question, page
from hn_medical.report_models import DECLINE_REASONS, PURPOSES, Id, Item, PatientRef
from hn_medical.report_state import (
    ACTIVE,
    CONSENT,
    COUNTS,
    DAY_MS,
    DECISION_NAMES,
    DECISIONS,
    ITEMS,
    PATIENTS,
    QUALITIES,
    REPORT_NAMES,
    REPORTS,
    REVIEW_PARAMETERS,
    Counts,
    Report,
    ReviewParameters,
)
from hn_medical.trace_models import AccountId
from hnnode.plugin_api import QueryRefused, QueryView
from hnnode.plugin_api.std.consent import Use

ID_BYTES = 16
PAGE, PAGES_MAX = 200, 25
"""More rows than a query may read."""


class ReportQuestion(Question):
    report: Id


class PatientQuestion(Question):
    patient: PatientRef


class GrantQuestion(Question):
    grant: Id


class ItemQuestion(Question):
    item: Item


class ItemPageQuestion(PageQuestion, kw_only=True):
    item: Item


class QualityQuestion(Question):
    organisation: AccountId
    item: Item


class OrganisationQuestion(Question):
    organisation: AccountId


class DecisionsQuestion(PageQuestion, kw_only=True):
    report: Id


def report(view: QueryView, question: ReportQuestion) -> dict[str, Any]:
    found = REPORTS.get(view, bytes.fromhex(question.report))
    if found is None:
        raise QueryRefused("NOT_FOUND", f"report: {question.report}")
    return _report(view, question.report, found)


def patient_index(view: QueryView, question: PatientQuestion) -> dict[str, Any]:
    """How many reports a reference has, and a hash of them: a query says of nobody what was examined where."""
    patient = _patient(view, question.patient)
    found: list[tuple[bytes, Report]] = []
    after: bytes | None = None
    for _ in range(PAGES_MAX):
        rows = view.scan(b"x" + patient, PAGE, after)
        idents = [key[-ID_BYTES:] for key, _ in rows]
        reports = REPORTS.get_many(view, idents)
        found += [(ident, report) for ident, report in zip(idents, reports, strict=True) if report is not None]
        if len(rows) < PAGE:
            break
        after = rows[-1][0]
    active = [report for _, report in found if report.status == ACTIVE]
    return {"reports": len(found), "active": len(active), "commitment": index_commitment(found)}


def footprint(view: QueryView, question: PatientQuestion) -> dict[str, Any]:
    """How often a reference's reports were looked at, on which grounds, and a hash of it."""
    patient = _patient(view, question.patient)
    found: list[tuple[bytes, Use]] = []
    for _ in range(PAGES_MAX):
        uses = list(CONSENT.uses(view, patient, PAGE, found[-1][0] if found else b""))
        found += uses
        if len(uses) < PAGE:
            break
    urgent = [use for _, use in found if not use.grant]
    return {
        "accesses": len(found),
        "accounts": len({use.grantee for _, use in found}),
        "emergencies": len(urgent),
        "unreviewed": len([use for use in urgent if not use.verdict]),
        "unjustified": len([use for use in urgent if VERDICTS[use.verdict] == "unjustified"]),
        "last_height": CONSENT.height_of(found[-1][0]) if found else None,
        "commitment": footprint_commitment(found),
    }


def _patient(view: QueryView, reference: str) -> bytes:
    patient = bytes.fromhex(reference)
    if PATIENTS.get(view, patient) is None:
        raise QueryRefused("NOT_FOUND", f"patient: {reference}")
    return patient


def grant(view: QueryView, question: GrantQuestion) -> dict[str, Any]:
    found = CONSENT.get(view, bytes.fromhex(question.grant))
    if found is None:
        raise QueryRefused("NOT_FOUND", f"grant: {question.grant}")
    return {
        "grant": question.grant,
        "grantee": found.grantee.hex(),
        "fields": names_of(found.fields),
        "purpose": PURPOSES[found.purpose],
        "not_before_ms": found.not_before_ms,
        "expires_at_ms": found.expires_at_ms,
        "uses": found.uses,
        "uses_max": found.uses_max,
        "revoked_ms": found.revoked_ms or None,
    }


def decisions(view: QueryView, question: DecisionsQuestion) -> dict[str, Any]:
    """Who recognised or declined a report, and why."""
    rows, following = page(view, DECISIONS.prefix + bytes.fromhex(question.report), question)
    items = []
    for _, value in rows:
        found = DECISIONS.decode(value)
        items.append(
            {
                "by": found.by.hex(),
                "organisation": found.organisation,
                "decision": DECISION_NAMES[found.kind],
                "reason": found.reason or None,
                "at_ms": found.at_ms,
            }
        )
    return {"items": items, "next": following}


def recognition_rate(view: QueryView, question: ItemPageQuestion) -> dict[str, Any]:
    """Decisions on an item by issuer; `rate` is recognised per ten thousand decisions."""
    rows, following = page(view, COUNTS.prefix + question.item.encode() + b"/", question)
    items = []
    for issuer, value in rows:
        found = COUNTS.decode(value)
        declined = sum(found.declined)
        total = found.recognised + declined
        items.append(
            {
                "issuer": issuer.hex(),
                "recognised": found.recognised,
                "declined": declined,
                "rate": found.recognised * 10_000 // total,
            }
        )
    return {"items": items, "next": following}


def decline_reasons(view: QueryView, question: ItemPageQuestion) -> dict[str, Any]:
    """How often results of an item were declined, by reason and issuer."""
    rows, following = page(view, COUNTS.prefix + question.item.encode() + b"/", question)
    items: list[dict[str, Any]] = []
    for issuer, value in rows:
        found: Counts = COUNTS.decode(value)
        items.append({"issuer": issuer.hex(), **dict(zip(DECLINE_REASONS, found.declined, strict=True))})
    return {"items": items, "next": following}


def item(view: QueryView, question: ItemQuestion) -> dict[str, Any]:
    found = ITEMS.get(view, question.item.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"item: {question.item}")
    return {"item": question.item, "kind": found.kind, "valid_days": found.valid_days, "active": found.active}


def items(view: QueryView, question: PageQuestion) -> dict[str, Any]:
    """The recognition catalogue."""
    rows, following = page(view, ITEMS.prefix, question)
    listed = []
    for key, value in rows:
        found = ITEMS.decode(value)
        listed.append(
            {"item": key.decode(), "kind": found.kind, "valid_days": found.valid_days, "active": found.active}
        )
    return {"items": listed, "next": following}


def quality(view: QueryView, question: QualityQuestion) -> dict[str, Any]:
    found = QUALITIES.get(view, bytes.fromhex(question.organisation) + question.item.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"quality: {question.item}")
    return {"from_ms": found.from_ms, "until_ms": found.until_ms, "certificate": found.certificate.hex()}


def emergencies(view: QueryView, question: OrganisationQuestion) -> dict[str, Any]:
    """Emergency accesses of an organisation that wait for review, the most urgent first."""
    waiting = CONSENT.waiting(view, bytes.fromhex(question.organisation))
    return {
        "items": [
            {"access": key.hex(), "review_by": height, "overdue": height < view.height} for height, key in waiting
        ]
    }


def review_parameters(view: QueryView, _: NoQuestion) -> dict[str, Any]:
    return {"review_blocks": (REVIEW_PARAMETERS.get(view, b"") or ReviewParameters()).review_blocks}


def _report(view: QueryView, name: str, found: Report) -> dict[str, Any]:
    """`expires_ms`: from then on the item's result is too old to be recognised; it is the time that decides, no action."""
    item = ITEMS.get(view, found.item.encode())
    return {
        "report": name,
        "item": found.item,
        "issuer": found.issuer.hex(),
        "digest": found.digest.hex(),
        "performed_ms": found.performed_ms,
        "expires_ms": None if item is None else found.performed_ms + item.valid_days * DAY_MS,
        "indexed_ms": found.indexed_ms,
        "scope": found.scope,
        "status": REPORT_NAMES[found.status],
        "corrected": found.corrected.hex() or None,
        "corrects": found.corrects.hex() or None,
        "document": found.document.hex() or None,
    }
