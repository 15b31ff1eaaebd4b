"""Checks of the whole state by a scan: the invariants that no sequence of transactions may break."""

from __future__ import annotations

from collections.abc import Iterator

from hn_medical.report_models import PATIENT_BYTES
from hn_medical.report_state import (
    CONSENT,
    COUNTS,
    DECISIONS,
    PATIENTS,
    RECOGNISED,
    REPORTS,
    SEEN,
    Report,
    organisation_id,
)
from hn_medical.trace_state import (
    ALARMS,
    BATCHES,
    DESTROYED,
    DISPENSED,
    DUE,
    GENERATIONS_MAX,
    HOLDS,
    OPEN,
    PACKS,
    SHIPMENTS,
    SHIPPED,
    PackLot,
    late_key,
    waiting_key,
)
from hnnode.plugin_api import QueryView
from hnnode.plugin_api.std import walks
from hnnode.plugin_api.std.consent import Grant, Use

PAGE = 200


def rows(view: QueryView, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every row under a prefix, keys without it."""
    after: bytes | None = None
    while True:
        page = view.scan(prefix, PAGE, after)
        for key, value in page:
            yield key[len(prefix) :], value
        if len(page) < PAGE:
            return
        after = page[-1][0]


def violations(view: QueryView) -> list[str]:
    """Broken invariants in words; empty when all hold. Reads the application's whole state."""
    return [*_trace(view), *_reports(view)]


def _trace(view: QueryView) -> Iterator[str]:
    lots = {key: PACKS.decode(value) for key, value in rows(view, PACKS.prefix)}
    yield from walks.audit(lots, GENERATIONS_MAX)
    units: dict[bytes, int] = {}
    alarms: dict[bytes, int] = {}
    for key, _ in rows(view, ALARMS.prefix):
        alarms[key[:20]] = alarms.get(key[:20], 0) + 1
    for lot_id, lot in lots.items():
        name = lot_id.hex()
        if lot_id.startswith(b"@"):
            units[lot.batch] = units.get(lot.batch, 0) + lot.initial
        if lot.alarms != alarms.get(lot_id, 0):
            yield f"{name}: alarms and their rows differ"
        yield from (f"{name}: {text}" for text in _pack(lot))
    for key, value in rows(view, BATCHES.prefix):
        if BATCHES.decode(value).units != units.get(key, 0):
            yield f"{key.decode()}: pieces of the batch and of its activations differ"
    marks = [key for key, _ in rows(view, b"zf")]
    for lot_id, lot in lots.items():
        if lot.holds and sum(key.startswith(lot_id + b"/") for key in marks) != lot.holds:
            yield f"{lot_id.hex()}: holds and marks differ"
    waiting = {key for key, _ in rows(view, b"o")}
    expected, late = set(), set()
    for key, value in rows(view, SHIPMENTS.prefix):
        shipment = SHIPMENTS.decode(value)
        if shipment.status == OPEN:
            expected.add(waiting_key(shipment.receiver, key)[1:])
            late |= set() if shipment.overdue else {late_key(shipment, key)[1:]}
            for pack_id in shipment.packs:
                lot = lots[pack_id]
                if not lot.ended and (lot.state, lot.receiver) != (SHIPPED, shipment.receiver):
                    yield f"{pack_id.decode()}: is not on its way with {key.decode()}"
    if waiting != expected:
        yield "shipments that wait and their index differ"
    if late != {key for key, _ in rows(view, DUE)}:
        yield "shipments that may become late and their index differ"
    if any(HOLDS.get(view, key) is None for key, _ in rows(view, HOLDS.waiting_prefix)):
        yield "a freeze that waits is not there"


def _pack(lot: PackLot) -> Iterator[str]:
    if (lot.state in (DISPENSED, DESTROYED)) != lot.ended:
        yield "ended, and neither dispensed nor destroyed, or the other way round"
    if bool(lot.rx) != (lot.state == DISPENSED) or (lot.settlement and not lot.rx):
        yield "dispensed without prescription, or settled without being dispensed"
    if lot.state == DISPENSED and (lot.consumed != lot.initial or lot.layer != 1):
        yield "dispensed, but not one whole smallest pack"
    if bool(lot.receiver) != (lot.state == SHIPPED) and not lot.inside:
        yield "on its way without receiver, or the other way round"


def _reports(view: QueryView) -> Iterator[str]:
    reports = {key: REPORTS.decode(value) for key, value in rows(view, REPORTS.prefix)}
    listed = {(key[:PATIENT_BYTES], key[PATIENT_BYTES + 8 :]) for key, _ in rows(view, b"x")}
    if listed != {(report.patient, key) for key, report in reports.items()}:
        yield "reports and their patients' lists differ"
    patients = {key for key, _ in rows(view, PATIENTS.prefix)}
    if any(report.patient not in patients for report in reports.values()):
        yield "a report of nobody"
    grants: dict[bytes, Grant] = {}
    for key, _ in rows(view, b"cg"):
        found = CONSENT.get(view, key)
        if found is not None:
            grants[key] = found
    yield from _uses(view, grants, reports)
    yield from _decisions(view, reports)


def _uses(view: QueryView, grants: dict[bytes, Grant], reports: dict[bytes, Report]) -> Iterator[str]:
    counted: dict[bytes, int] = {}
    uses: dict[bytes, Use] = {}
    for key, _ in rows(view, b"cu"):
        use = CONSENT.use(view, key)
        if use is None:
            continue
        uses[key] = use
        subject = CONSENT.subject_of(key)
        if use.entity not in reports or reports[use.entity].patient != subject:
            yield f"{key.hex()}: a use of another patient's report"
        if not use.grant:
            continue
        counted[use.grant] = counted.get(use.grant, 0) + 1
        given = grants.get(use.grant)
        if given is None or given.subject != subject or given.grantee != use.grantee or use.fields & ~given.fields:
            yield f"{key.hex()}: a use without a grant that covers it"
        elif not given.not_before_ms <= use.at_ms < given.expires_at_ms:
            yield f"{key.hex()}: a use outside of its grant's time"
    for key, given in grants.items():
        if not given.uses == counted.get(key, 0) <= given.uses_max:
            yield f"{key.hex()}: uses and the log differ"
    for key, value in rows(view, SEEN.prefix):
        seen = SEEN.decode(value)
        found = uses.get(seen.key)
        if found is None or found.entity + found.grantee != key:
            yield f"{key.hex()}: an access that the log does not show"


def _decisions(view: QueryView, reports: dict[bytes, Report]) -> Iterator[str]:
    counted: dict[bytes, list[int]] = {}
    for key, value in rows(view, DECISIONS.prefix):
        report = reports[key[:16]]
        made = DECISIONS.decode(value)
        own = made.by == report.issuer or made.organisation == report.organisation
        if own or view.get(SEEN.prefix + key[:16] + made.by) is None:
            yield f"{key.hex()}: decided by its issuer or unseen"
        if organisation_id(made.organisation) != key[16:]:
            yield f"{key.hex()}: decided in another organisation's name"
        both = counted.setdefault(report.item.encode() + b"/" + report.issuer, [0, 0])
        both[made.kind != RECOGNISED] += 1
    for key, value in rows(view, COUNTS.prefix):
        found = COUNTS.decode(value)
        if [found.recognised, sum(found.declined)] != counted.get(key):
            yield f"{key.hex()}: counts and decisions differ"
