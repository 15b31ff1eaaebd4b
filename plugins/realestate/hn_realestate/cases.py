"""A case from its submission to its review: applicant, registrar and reviewer."""

from __future__ import annotations

from collections.abc import Sequence

from hn_realestate.flows import ASKED, CALENDAR, EXACT, FLOW, WORKFLOW
from hn_realestate.models import (
    MATERIALS_MAX,
    Accept,
    AttachRef,
    Holding,
    Reject,
    ReportOverdue,
    Resubmit,
    Review,
    Submit,
    Supplement,
    Withdraw,
)
from hn_realestate.state import (
    ACCEPTED,
    CANCELLED,
    CASES,
    DRAFT,
    MATERIAL_ALGORITHM,
    MATERIALS,
    QUEUE_MAX,
    QUEUES,
    REJECTED,
    REVIEWED,
    SEIZED,
    SEIZURE,
    SUPPLEMENT,
    UNITS,
    WITHDRAWN,
    Case,
    Material,
    Queue,
    Title,
    alarm_key,
    case_key,
    is_live,
    load,
    move,
    parameters,
    queue_key,
    store,
    title_of,
)
from hnnode.plugin_api import Context, TxInfo, ids
from hnnode.plugin_api.std.shares import Share, hand_over, whole
from hnnode.plugin_api.std.workflow import RUNNING, CaseFile

_PLACES = {kind: tuple(FLOW.places[name] for name in names) for kind, names in ASKED.items()}


def shares_of(holdings: Sequence[Holding]) -> list[Share]:
    return [(bytes.fromhex(one.holder), one.share, one.of) for one in holdings]


def submit_keys(_: TxInfo, payload: Submit) -> Sequence[bytes]:
    name = payload.case.encode()
    return b"k" + name, WORKFLOW.key(name), b"p"


def submit(tx: Context, payload: Submit) -> None:
    name, kind = payload.case, payload.kind
    tx.require("realestate.unit_invalid", ids.is_estate_unit(payload.unit))
    key = name.encode()
    tx.require("realestate.case_exists", CASES.get(tx, key) is None)
    takers = shares_of(payload.takers)
    if kind == "first":
        whole_unit = whole(takers)
        if whole_unit is None or payload.givers:
            tx.fail("realestate.shares_unbalanced")
        takers = whole_unit
    elif kind == "transfer":
        tx.require("realestate.parties_missing", len(takers) > 0 and len(payload.givers) > 0)
    elif kind == "pre_notice":
        tx.require("realestate.parties_missing", len(takers) == 1 and not payload.givers)
    else:
        tx.require("realestate.parties_odd", not takers and not payload.givers)
    contract = bytes.fromhex(payload.contract)
    work_ms = parameters(tx).half_days * CALENDAR.half_day_ms
    WORKFLOW.open(tx, key, 0, contract, work_ms, ASKED[kind])
    case = Case(
        status=DRAFT,
        kind=kind,
        unit=payload.unit,
        right=payload.right,
        by=tx.sender,
        contract=contract,
        price=bytes.fromhex(payload.price) if payload.price else b"",
        givers=[bytes.fromhex(giver) for giver in payload.givers],
        takers=takers,
    )
    store(tx, name, case)
    tx.emit("realestate.submitted", name, {"kind": kind, "unit": payload.unit})


def attach_ref(tx: Context, payload: AttachRef) -> None:
    """Refer to one more material, while the case is in the applicant's hands or being handled."""
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.not_applicant", case.by == tx.sender)
    tx.require("realestate.wrong_status", case.status in (DRAFT, ACCEPTED, SUPPLEMENT))
    tx.require("realestate.materials_full", len(case.materials) < MATERIALS_MAX)
    document = bytes.fromhex(payload.document)
    case.materials.append(Material(payload.source, document))
    MATERIALS.preserve(tx, name.encode(), MATERIAL_ALGORITHM, document)
    store(tx, name, case)
    tx.emit("realestate.attached", name, {"source": payload.source, "document": payload.document})


def accept_keys(tx: TxInfo, payload: Accept) -> Sequence[bytes]:
    name = payload.case.encode()
    return b"k" + name, WORKFLOW.key(name), CALENDAR.key(tx.block_time_ms)


def accept(tx: Context, payload: Accept) -> None:
    """Take the case up: it joins the unit's queue, and the clock starts."""
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.wrong_status", case.status == DRAFT)
    move(tx, case, ACCEPTED)
    case.accepted_by = tx.sender
    require_possible(tx, case)
    queue = QUEUES.get(tx, case.unit.encode()) or Queue([])
    tx.require("realestate.queue_full", len(queue.cases) < QUEUE_MAX)
    queue.cases.append(name)
    QUEUES.put(tx, case.unit.encode(), queue)
    clock = WORKFLOW.resume(tx, name.encode())
    store(tx, name, case)
    tx.put(alarm_key(name, clock.due_ms), b"")
    tx.emit("realestate.accepted", name, {"unit": case.unit, "place": len(queue.cases), "due_ms": clock.due_ms})


def require_possible(tx: Context, case: Case) -> None:
    """Refuse what could not be booked as the unit stands now, so that nobody waits for it."""
    page = UNITS.current(tx, case.unit.encode())
    if case.kind == "first":
        tx.require("realestate.unit_exists", page is None)
        return
    if page is None:
        tx.fail("realestate.unit_unknown")
    tx.require("realestate.unit_status", page.status != CANCELLED)
    title = title_of(page)
    if page.status == SEIZED:
        require_unseized(tx, title)
    if case.kind == "transfer":
        made = hand_over(title.shares, case.givers, case.takers)
        tx.require("realestate.shares_unbalanced", made is not None)


def require_unseized(tx: Context, title: Title) -> None:
    """Refuse while a seizure lives; one that has expired no longer counts, struck off or not."""
    for entry in title.entries:
        if entry.kind == SEIZURE and is_live(entry, tx.block_time_ms):
            tx.fail("realestate.seized")


def supplement(tx: Context, payload: Supplement) -> None:
    """Ask for more: the clock stands, and the named attestations are to be given anew."""
    name = payload.case
    case = load(tx, name)
    case.reviewed_by = b""
    case.notice = bytes.fromhex(payload.document)
    move(tx, case, SUPPLEMENT)
    store(tx, name, case)
    clock = WORKFLOW.pause(tx, name.encode())
    unset_alarm(tx, name, clock)
    WORKFLOW.reopen(tx, name.encode(), payload.items)
    data = {"document": payload.document, "items": list(payload.items), "left_ms": clock.left_ms}
    tx.emit("realestate.supplement", name, data)


def resubmit(tx: Context, payload: Resubmit) -> None:
    """The applicant has answered: the clock goes on with what was left of it. A new contract voids what covered the old
    one: attestations, and what mortgagees agreed to."""
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.not_applicant", case.by == tx.sender)
    tx.require("realestate.wrong_status", case.status == SUPPLEMENT)
    if payload.contract is not None:
        case.contract = bytes.fromhex(payload.contract)
        asked = [item for item in ASKED[case.kind] if item in EXACT]
        WORKFLOW.reopen(tx, name.encode(), asked, case.contract)
        case.agreed = []
    move(tx, case, ACCEPTED)
    store(tx, name, case)
    clock = WORKFLOW.resume(tx, name.encode())
    tx.put(alarm_key(name, clock.due_ms), b"")
    tx.emit("realestate.resubmitted", name, {"contract": case.contract.hex(), "due_ms": clock.due_ms})


def review_keys(_: TxInfo, payload: Review) -> Sequence[bytes]:
    name = payload.case.encode()
    opinions = [WORKFLOW.opinion_key(name, place) for place in _PLACES["transfer"]]
    return [b"k" + name, WORKFLOW.key(name), *opinions]


def review(tx: Context, payload: Review) -> None:
    """The second pair of eyes: every item asked for is answered, and well."""
    name = payload.case
    case = load(tx, name)
    move(tx, case, REVIEWED)
    tx.require("realestate.four_eyes", case.accepted_by != tx.sender)
    found = WORKFLOW.require(tx, name.encode())
    for _, opinion in WORKFLOW.opinions(tx, name.encode(), found):
        if opinion is None:
            tx.fail("realestate.attestation_missing")
        if not opinion.passed:
            tx.fail("realestate.attestation_failed")
    tx.require("realestate.mortgagee_missing", case.kind != "mortgage" or len(case.bank) > 0)
    case.reviewed_by = tx.sender
    store(tx, name, case)
    tx.emit("realestate.reviewed", name, {"unit": case.unit})


def withdraw(tx: Context, payload: Withdraw) -> None:
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.not_applicant", case.by == tx.sender)
    _end(tx, name, case, WITHDRAWN)
    tx.emit("realestate.withdrawn", name, {"unit": case.unit})


def reject(tx: Context, payload: Reject) -> None:
    name = payload.case
    case = load(tx, name)
    case.reason, case.notice = payload.reason, bytes.fromhex(payload.document)
    _end(tx, name, case, REJECTED)
    tx.emit("realestate.rejected", name, {"unit": case.unit, "reason": payload.reason, "document": payload.document})


def report_overdue(tx: Context, payload: ReportOverdue) -> None:
    """Make it known that a case is past its deadline; anybody may."""
    name = payload.case
    clock = WORKFLOW.mark_overdue(tx, name.encode())
    tx.emit("realestate.overdue", name, {"due_ms": clock.due_ms})


def tell_overdue(tx: Context, item: bytes, _: bytes) -> None:
    """The alarm of a clock went off. It means nothing when somebody was faster, or when it is of a clock that was stopped by a version
    which left alarms behind."""
    clock = WORKFLOW.find(tx, item)
    if clock is not None and clock.phase == RUNNING and clock.due_ms < tx.block_time_ms and not clock.overdue:
        WORKFLOW.mark_overdue(tx, item)
        tx.emit("realestate.overdue", item.decode(), {"due_ms": clock.due_ms})


def unset_alarm(tx: Context, name: str, clock: CaseFile) -> None:
    """Take away the alarm of a clock that stands or ended: a chain at rest would wake for nothing. One that went off is gone."""
    tx.delete(alarm_key(name, clock.due_ms))


def leave_queue(tx: Context, unit: str, name: str) -> None:
    """Take a case out of its unit's queue, where it may be."""
    queue = QUEUES.get(tx, unit.encode())
    if queue is None or name not in queue.cases:
        return
    queue.cases.remove(name)
    if queue.cases:
        QUEUES.put(tx, unit.encode(), queue)
    else:
        tx.delete(queue_key(unit))


def attach_keys(_: TxInfo, payload: AttachRef) -> Sequence[bytes]:
    name = payload.case.encode()
    return b"k" + name, MATERIALS.key(name, MATERIAL_ALGORITHM, bytes.fromhex(payload.document))


def case_keys(_: TxInfo, payload: AttachRef) -> Sequence[bytes]:
    """Of an action that reads its case alone."""
    return (case_key(payload.case),)


def clocked_keys(tx: TxInfo, payload: Supplement) -> Sequence[bytes]:
    """Of an action that reads its case and moves its clock."""
    name = payload.case.encode()
    return b"k" + name, WORKFLOW.key(name), CALENDAR.key(tx.block_time_ms)


def _end(tx: Context, name: str, case: Case, status: int) -> None:
    move(tx, case, status)
    store(tx, name, case)
    unset_alarm(tx, name, WORKFLOW.close(tx, name.encode()))
    leave_queue(tx, case.unit, name)
