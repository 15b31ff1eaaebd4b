"""Read-only questions. Lists are paged: `after` takes what the page before gave as `next`.

Holders are never listed by unit: whoever knows a holder's reference may ask whether it holds a unit (`is_holder`), and
what a holder has is told to whom the holder has let ask, behind a logged use (`holder_units`).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hn_realestate.flows import CALENDAR, WORKFLOW
from hn_realestate.models import Document, GrantId, HolderRef, Millis, Name, UnitCode
from hn_realestate.state import (
    CANCELLED,
    CASE_TABLE,
    CASES,
    CERTIFICATES,
    CONSENT,
    MATERIAL_ALGORITHM,
    MATERIALS,
    MORTGAGE,
    OBJECTION,
    PARAMETERS,
    PRE_NOTICE,
    QUEUES,
    RIGHT_NAMES,
    SEIZURE,
    UNIT_TABLE,
    UNITS,
    Case,
    Parameters,
    Title,
    title_of,
)
from hnnode.plugin_api import END, QueryRefused, QueryView
from hnnode.plugin_api.std.registry import KIND_NAMES, Version
from hnnode.plugin_api.std.workflow import PHASE_NAMES

Limit = Annotated[int, Meta(ge=1, le=200)]
After = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=256)]
UseKey = Annotated[str, Meta(pattern="^([0-9a-f]{2})*" + END, max_length=200)]
Height = Annotated[int, Meta(ge=0, le=2**53)]


class Question(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every query's arguments."""


class CaseQuery(Question):
    case: Name


class UnitQuery(Question):
    unit: UnitCode


class AtQuery(Question):
    """One of the two."""

    unit: UnitCode
    height: Height | None = None
    time_ms: Millis | None = None


class HistoryQuery(Question):
    """`before`: versions below this number, 0 for all."""

    unit: UnitCode
    limit: Limit = 50
    before: Annotated[int, Meta(ge=0, le=2**21)] = 0


class HolderQuery(Question):
    unit: UnitCode
    holder: HolderRef


class HolderUnitsQuery(Question):
    """`use`: key of the logged use, from the event of `use_grant`."""

    use: UseKey
    limit: Limit = 50
    after: After = ""


class CertificateQuery(Question):
    certificate: Name


class MaterialQuery(Question):
    """Cases that refer to a document, by its SM3."""

    document: Document
    limit: Limit = 50
    after: After = ""


class DueQuery(Question):
    """Running cases with a deadline up to `until_ms`."""

    until_ms: Millis
    limit: Limit = 50
    after: After = ""


class YearQuery(Question):
    year: Annotated[int, Meta(ge=1970, le=2999)]


class GrantQuery(Question):
    grant: GrantId


class ParametersQuery(Question):
    pass


def case(view: QueryView, question: CaseQuery) -> dict[str, Any]:
    """Where a case stands: status, clock and attestations; no holder and no account of an applicant."""
    found = _case(view, question.case)
    name = question.case.encode()
    clock = WORKFLOW.find(view, name)
    if clock is None:
        raise QueryRefused("NOT_FOUND", f"clock of case: {question.case}")
    queue = QUEUES.get(view, found.unit.encode())
    return {
        "case": question.case,
        "status": CASE_TABLE.names[found.status],
        "kind": found.kind,
        "unit": found.unit,
        "right": found.right,
        "contract": found.contract.hex(),
        "materials": [{"source": one.source, "document": one.document.hex()} for one in found.materials],
        "attestations": [
            {
                "item": item.name,
                "department": item.department,
                "passed": None if opinion is None else opinion.passed,
                "document": None if opinion is None else opinion.document.hex(),
                "by": None if opinion is None else opinion.by.hex(),
                "time_ms": None if opinion is None else opinion.time_ms,
            }
            for item, opinion in WORKFLOW.opinions(view, name, clock)
        ],
        "clock": PHASE_NAMES[clock.phase],
        "due_ms": clock.due_ms if PHASE_NAMES[clock.phase] == "running" else None,
        "left_ms": clock.left_ms,
        "pauses": clock.pauses,
        "overdue": clock.overdue,
        "place": queue.cases.index(question.case) + 1 if queue and question.case in queue.cases else None,
        "mortgagee": found.bank.hex() or None,
        "agreed": found.agreed,
        "certificate": found.certificate or None,
        "reason": found.reason or None,
        "changed_ms": found.changed_ms,
    }


def unit(view: QueryView, question: UnitQuery) -> dict[str, Any]:
    """The unit's page as it is."""
    return _page(question.unit, _version(view, question.unit))


def unit_at(view: QueryView, question: AtQuery) -> dict[str, Any]:
    """The unit's page as it was after a block, or at a time."""
    name = question.unit.encode()
    if (question.height is None) == (question.time_ms is None):
        raise QueryRefused("PARAMETER_INVALID", "want one of height and time_ms")
    if question.height is not None:
        if question.height > view.height:
            raise QueryRefused("PARAMETER_INVALID", f"height: got {question.height}, want ≤ {view.height}")
        found = UNITS.as_of(view, name, question.height)
    else:
        found = UNITS.as_of_time(view, name, question.time_ms or 0)
    if found is None:
        raise QueryRefused("NOT_FOUND", f"unit: {question.unit} was not registered then")
    return _page(question.unit, found)


def history(view: QueryView, question: HistoryQuery) -> dict[str, Any]:
    """Every version of the unit's page, the newest first."""
    found = UNITS.history(view, question.unit.encode(), question.limit, question.before)
    if not found and not question.before:
        raise QueryRefused("NOT_FOUND", f"unit: {question.unit}")
    more = bool(found) and found[-1].number > 1
    return {"items": [_page(question.unit, one) for one in found], "next": found[-1].number if more else None}


def restricted(view: QueryView, question: UnitQuery) -> dict[str, Any]:
    """For everybody: whether the unit is seized, mortgaged, pre-noticed or disputed. Yes or no, and until when."""
    version = _version(view, question.unit)
    title = title_of(version)
    return {"unit": question.unit, "status": UNIT_TABLE.names[version.status], **_flags(title)}


def is_holder(view: QueryView, question: HolderQuery) -> dict[str, Any]:
    """Whether a known reference holds some of the unit; for an unknown unit the answer is no as well."""
    holder = bytes.fromhex(question.holder)
    return {"holds": view.get(b"h" + holder + question.unit.encode()) is not None}


def holder_units(view: QueryView, question: HolderUnitsQuery) -> dict[str, Any]:
    """The units of the holder whose grant was used, for some blocks after the use."""
    key = bytes.fromhex(question.use)
    use = CONSENT.use(view, key) if key else None
    parameters = PARAMETERS.get(view, b"") or Parameters()
    if use is None or view.height - CONSENT.height_of(key) > parameters.use_blocks:
        raise QueryRefused("NOT_FOUND", "no such use, or it is too long ago")
    holder = CONSENT.subject_of(key)
    prefix = b"h" + holder
    rows = view.scan(prefix, question.limit, bytes.fromhex(question.after) or None)
    items = []
    for row, _ in rows:
        name = row[len(prefix) :].decode()
        title = title_of(_version(view, name))
        share = next(part for part in title.shares if part[0] == holder)
        items.append({"unit": name, "share": share[1], "of": share[2], "right": title.right, **_flags(title)})
    return {"items": items, "next": rows[-1][0].hex() if len(rows) == question.limit else None}


def certificate(view: QueryView, question: CertificateQuery) -> dict[str, Any]:
    """Whether a certificate is good: the shares have not changed since it was issued."""
    found = CERTIFICATES.get(view, question.certificate.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"certificate: {question.certificate}")
    version = _version(view, found.unit)
    title = title_of(version)
    valid = title.edition == found.edition and UNIT_TABLE.names[version.status] != "cancelled"
    return {"certificate": question.certificate, "unit": found.unit, "valid": valid, "issued_ms": found.issued_ms}


def queue(view: QueryView, question: UnitQuery) -> dict[str, Any]:
    """Accepted cases of the unit in the order in which they are booked."""
    found = QUEUES.get(view, question.unit.encode())
    return {"items": [] if found is None else found.cases}


def material(view: QueryView, question: MaterialQuery) -> dict[str, Any]:
    """Where a document was used, and since when. `proof_keys`: state keys whose proofs show it with no node at hand."""
    document, after = bytes.fromhex(question.document), bytes.fromhex(question.after)
    found = MATERIALS.owners(view, MATERIAL_ALGORITHM, document, question.limit, after)
    items = [
        {
            "case": owner.decode(),
            "by": commitment.by.hex(),
            "height": commitment.height,
            "time_ms": commitment.time_ms,
            "tx_id": commitment.tx_id.hex(),
            "proof_keys": [key.hex() for key in MATERIALS.prove(MATERIALS.key(owner, MATERIAL_ALGORITHM, document))],
        }
        for owner, commitment in found
    ]
    return {"items": items, "next": found[-1][0].hex() if len(found) == question.limit else None}


def due(view: QueryView, question: DueQuery) -> dict[str, Any]:
    """Cases whose clock runs, by deadline: what is overdue, and what soon will be."""
    found = WORKFLOW.due(view, question.until_ms, question.limit, bytes.fromhex(question.after))
    items = [{"case": name.decode(), "due_ms": due_ms} for due_ms, name in found]
    last = found[-1] if len(found) == question.limit else None
    return {"items": items, "next": (last[0].to_bytes(8, "big") + last[1]).hex() if last else None}


def calendar(view: QueryView, question: YearQuery) -> dict[str, Any]:
    """Where a year departs from Monday to Friday, as days of the year."""
    free, worked = CALENDAR.year(view, question.year)
    return {"year": question.year, "free": free, "worked": worked}


def grant(view: QueryView, question: GrantQuery) -> dict[str, Any]:
    """What became of a grant: how often it was used, and whether it still can be. The holder is not told."""
    found = CONSENT.get(view, bytes.fromhex(question.grant))
    if found is None:
        raise QueryRefused("NOT_FOUND", f"grant: {question.grant}")
    return {
        "grantee": found.grantee.hex(),
        "uses": found.uses,
        "uses_max": found.uses_max,
        "until_ms": found.expires_at_ms,
        "revoked_ms": found.revoked_ms or None,
    }


def parameters(view: QueryView, _: ParametersQuery) -> dict[str, Any]:
    found = PARAMETERS.get(view, b"") or Parameters()
    return {
        "half_days": found.half_days,
        "objection_days": found.objection_days,
        "use_blocks": found.use_blocks,
        "import_open": found.import_open,
    }


def _case(view: QueryView, name: str) -> Case:
    found = CASES.get(view, name.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"case: {name}")
    return found


def _version(view: QueryView, name: str) -> Version:
    found = UNITS.current(view, name.encode())
    if found is None:
        raise QueryRefused("NOT_FOUND", f"unit: {name}")
    return found


def _page(name: str, version: Version) -> dict[str, Any]:
    title = title_of(version)
    return {
        "unit": name,
        "version": version.number,
        "change": KIND_NAMES[version.kind],
        "corrects": version.corrects or None,
        "status": UNIT_TABLE.names[version.status],
        "right": title.right,
        "holders": 0 if version.status == CANCELLED else len(title.shares),
        "edition": title.edition,
        "case": title.case or None,
        **_flags(title),
        "entries": [
            {
                "right": entry.name,
                "kind": RIGHT_NAMES[entry.kind],
                "order": entry.order,
                "party": entry.party.hex() if entry.kind in (MORTGAGE, SEIZURE) else None,
                "document": entry.document.hex(),
                "since_ms": entry.since_ms,
                "until_ms": entry.until_ms or None,
            }
            for entry in title.entries
        ],
        "cause": version.cause.hex() or None,
        "height": version.height,
        "time_ms": version.time_ms,
        "by": version.by.hex(),
    }


def _flags(title: Title) -> dict[str, Any]:
    kinds = {entry.kind for entry in title.entries}
    ends = [entry.until_ms for entry in title.entries if entry.kind == SEIZURE]
    return {
        "seized": SEIZURE in kinds,
        "seized_until_ms": max(ends) if ends else None,
        "mortgaged": MORTGAGE in kinds,
        "pre_noticed": PRE_NOTICE in kinds,
        "disputed": OBJECTION in kinds,
    }
