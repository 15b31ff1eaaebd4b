"""登簿: what a booked case does to its unit's page; certificates; entries taken over and corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hn_realestate.cases import leave_queue, shares_of, unset_alarm
from hn_realestate.flows import CALENDAR, WORKFLOW
from hn_realestate.models import Book, Correct, ImportTitles, IssueCert
from hn_realestate.state import (
    BOOKED,
    CERTIFICATES,
    CERTIFIED,
    MORTGAGE,
    OBJECTION,
    PRE_NOTICE,
    QUEUES,
    REGISTERED,
    RIGHTS_MAX,
    SEIZED,
    UNITS,
    Case,
    Certificate,
    Entry,
    Title,
    close_page,
    correct_page,
    load,
    move,
    open_page,
    parameters,
    set_shares,
    store,
    strike_expired,
    title_of,
    write_page,
)
from hnnode.plugin_api import Context, TxInfo, ids
from hnnode.plugin_api.std.registry import Version
from hnnode.plugin_api.std.shares import hand_over, whole


def book_keys(tx: TxInfo, payload: Book) -> Sequence[bytes]:
    name = payload.case.encode()
    return b"k" + name, WORKFLOW.key(name), CALENDAR.key(tx.block_time_ms)


def book(tx: Context, payload: Book) -> None:
    """Enter the case in the register; its turn comes when nothing accepted before it waits for the same unit."""
    name = payload.case
    case = load(tx, name)
    move(tx, case, BOOKED)
    queue = QUEUES.get(tx, case.unit.encode())
    tx.require("realestate.not_first", queue is not None and queue.cases[0] == name)
    page = UNITS.current(tx, case.unit.encode())
    if page is None:
        tx.require("realestate.unit_unknown", case.kind == "first")
        title = Title(case.right, case.takers, case.contract, tx.sender, name)
        made = open_page(tx, case.unit, title, case.contract)
    else:
        tx.require("realestate.unit_exists", case.kind != "first")
        title = title_of(page)
        page = strike_expired(tx, case.unit, page, title)
        _require_free(tx, page, title, case, payload.acknowledged)
        made = _EFFECTS[case.kind](tx, name, case, page, title)
    store(tx, name, case)
    leave_queue(tx, case.unit, name)
    clock = WORKFLOW.close(tx, name.encode())
    unset_alarm(tx, name, clock)
    data = {"unit": case.unit, "kind": case.kind, "version": made.number, "overdue": clock.overdue}
    tx.emit("realestate.booked", name, data)


def _require_free(tx: Context, page: Version, title: Title, case: Case, acknowledged: bool) -> None:
    """A seized unit stands still; who holds a mortgage or a pre-notice of it has a say in what moves it."""
    tx.require("realestate.seized", page.status != SEIZED)
    tx.require("realestate.unit_status", page.status == REGISTERED)
    moves = case.kind in ("transfer", "cancel")
    takers = {share[0] for share in case.takers}
    for entry in title.entries:
        if entry.kind == MORTGAGE and moves:
            tx.require("realestate.mortgagee_missing", entry.name in case.agreed)
        elif entry.kind == PRE_NOTICE:
            tx.require("realestate.pre_noticed", case.kind == "transfer" and entry.party in takers)
        elif entry.kind == OBJECTION:
            tx.require("realestate.objected", acknowledged)


def _transfer(tx: Context, name: str, case: Case, page: Version, title: Title) -> Version:
    shares = hand_over(title.shares, case.givers, case.takers)
    if shares is None:
        tx.fail("realestate.shares_unbalanced")
    set_shares(tx, case.unit, title, shares)
    title.contract, title.case = case.contract, name
    title.entries = [entry for entry in title.entries if entry.kind != PRE_NOTICE]
    return write_page(tx, case.unit, page, title, case.contract)


def _mortgage(tx: Context, name: str, case: Case, page: Version, title: Title) -> Version:
    entry = add_entry(tx, title, name, MORTGAGE, case.bank, case.bank_contract, case.amount, 0)
    data = {"right": name, "order": entry.order, "mortgagee": case.bank.hex()}
    tx.emit("realestate.mortgaged", case.unit, data)
    return write_page(tx, case.unit, page, title, case.bank_contract)


def _pre_notice(tx: Context, name: str, case: Case, page: Version, title: Title) -> Version:
    add_entry(tx, title, name, PRE_NOTICE, case.takers[0][0], case.contract, b"", 0)
    tx.emit("realestate.pre_noticed", case.unit, {"right": name})
    return write_page(tx, case.unit, page, title, case.contract)


def _cancel(tx: Context, _: str, case: Case, page: Version, title: Title) -> Version:
    tx.emit("realestate.unit_cancelled", case.unit, {"document": case.contract.hex()})
    title.entries = []
    return close_page(tx, case.unit, page, title, case.contract)


_EFFECTS: dict[str, Callable[[Context, str, Case, Version, Title], Version]] = {
    "transfer": _transfer,
    "mortgage": _mortgage,
    "pre_notice": _pre_notice,
    "cancel": _cancel,
}


def add_entry(
    tx: Context, title: Title, name: str, kind: int, party: bytes, document: bytes, amount: bytes, until_ms: int
) -> Entry:
    """One more entry on the page, under a name of its own and the next rank; the page is for the caller to write."""
    tx.require("realestate.right_exists", all(entry.name != name for entry in title.entries))
    tx.require("realestate.rights_full", len(title.entries) < RIGHTS_MAX)
    title.orders += 1
    entry = Entry(name, kind, title.orders, party, document, amount, tx.block_time_ms, until_ms, tx.sender)
    title.entries.append(entry)
    return entry


def cert_keys(_: TxInfo, payload: IssueCert) -> Sequence[bytes]:
    return b"k" + payload.case.encode(), b"x" + payload.certificate.encode()


def issue_cert(tx: Context, payload: IssueCert) -> None:
    """The certificate of an entry that changed the shares: good until they change again."""
    name = payload.case
    case = load(tx, name)
    move(tx, case, CERTIFIED)
    tx.require("realestate.no_certificate", case.kind in ("first", "transfer"))
    title = title_of(UNITS.require(tx, case.unit.encode()))
    case.certificate = payload.certificate
    store(tx, name, case)
    tx.require("realestate.entry_changed", title.case == name)
    _certify(tx, payload.certificate, case.unit, name, title)


def _certify(tx: Context, certificate: str, unit: str, case: str, title: Title) -> None:
    key = certificate.encode()
    tx.require("realestate.certificate_exists", CERTIFICATES.get(tx, key) is None)
    CERTIFICATES.put(tx, key, Certificate(unit, case, title.edition, tx.block_time_ms, tx.sender))
    tx.emit("realestate.cert_issued", unit, {"certificate": certificate, "case": case, "edition": title.edition})


def correct(tx: Context, payload: Correct) -> None:
    """更正登记: the holders as they should have been, by another officer than the one who booked them."""
    unit = payload.unit
    page = UNITS.require(tx, unit.encode())
    tx.require("realestate.unit_status", page.status == REGISTERED)
    title = title_of(page)
    tx.require("realestate.four_eyes", title.by != tx.sender)
    shares = whole(shares_of(payload.holders))
    if shares is None:
        tx.fail("realestate.shares_unbalanced")
    set_shares(tx, unit, title, shares)
    made = correct_page(tx, unit, page, title, bytes.fromhex(payload.document))
    tx.emit("realestate.corrected", unit, {"version": made.number, "document": payload.document})
    _certify(tx, payload.certificate, unit, title.case, title)


def import_keys(_: TxInfo, payload: ImportTitles) -> Sequence[bytes]:
    return [b"p", *(UNITS.key(title.unit.encode()) for title in payload.titles)]


def import_titles(tx: Context, payload: ImportTitles) -> None:
    """Entries of the register that was kept before, while the import is open."""
    tx.require("realestate.import_closed", parameters(tx).import_open)
    for entry in payload.titles:
        tx.require("realestate.unit_invalid", ids.is_estate_unit(entry.unit))
        shares = whole(shares_of(entry.holders))
        if shares is None:
            tx.fail("realestate.shares_unbalanced")
        document = bytes.fromhex(entry.document)
        open_page(tx, entry.unit, Title(entry.right, shares, document, tx.sender, ""), document)
        tx.emit("realestate.imported", entry.unit, {"document": entry.document, "right": entry.right})
