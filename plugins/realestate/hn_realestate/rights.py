"""Entries beside the ownership: the bank's signatures, objections, the court's seizures, and their end."""

from __future__ import annotations

from collections.abc import Sequence

from hn_realestate.book import add_entry
from hn_realestate.models import Agree, Cancel, Lapse, Mortgage, Objection, Release, Seize, Unseize
from hn_realestate.state import (
    ACCEPTED,
    DRAFT,
    MORTGAGE,
    OBJECTION,
    PRE_NOTICE,
    REVIEWED,
    RIGHT_NAMES,
    SEIZURE,
    SUPPLEMENT,
    UNITS,
    Entry,
    Title,
    load,
    parameters,
    store,
    strike_expired,
    title_of,
    write_page,
)
from hnnode.plugin_api import Context, TxInfo
from hnnode.plugin_api.std.registry import Version

DAY_MS = 86_400_000


def unit_keys(_: TxInfo, payload: Release) -> Sequence[bytes]:
    return (UNITS.key(payload.unit.encode()),)


def mortgage(tx: Context, payload: Mortgage) -> None:
    """The bank signs a mortgage case: from now on it is the one that the entry will name."""
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.not_mortgage", case.kind == "mortgage")
    tx.require("realestate.wrong_status", case.status in (DRAFT, ACCEPTED, SUPPLEMENT))
    tx.require("realestate.mortgagee_signed", not case.bank or case.bank == tx.sender)
    case.bank = tx.sender
    case.bank_contract, case.amount = bytes.fromhex(payload.contract), bytes.fromhex(payload.amount)
    store(tx, name, case)
    tx.emit("realestate.mortgage_signed", name, {"unit": case.unit, "contract": payload.contract})


def agree(tx: Context, payload: Agree) -> None:
    """A mortgagee lets a case take the unit it holds a mortgage of; the mortgage goes with the unit."""
    name = payload.case
    case = load(tx, name)
    tx.require("realestate.wrong_status", case.status in (DRAFT, ACCEPTED, SUPPLEMENT, REVIEWED))
    _, title = _page(tx, case.unit)
    entry = _entry(tx, title, payload.right, MORTGAGE)
    tx.require("realestate.not_mortgagee", entry.party == tx.sender)
    tx.require("realestate.mortgagee_signed", payload.right not in case.agreed)
    case.agreed.append(payload.right)
    store(tx, name, case)
    tx.emit("realestate.agreed", name, {"unit": case.unit, "right": payload.right})


def release(tx: Context, payload: Release) -> None:
    """The mortgagee gives its mortgage up."""
    page, title = _page(tx, payload.unit)
    entry = _entry(tx, title, payload.right, MORTGAGE)
    tx.require("realestate.not_mortgagee", entry.party == tx.sender)
    tx.emit("realestate.released", payload.unit, _strike(tx, payload.unit, page, title, entry, payload.document))


def objection(tx: Context, payload: Objection) -> None:
    """异议登记: a warning to whoever deals with the unit, for a limited time."""
    page, title = _page(tx, payload.unit)
    page = strike_expired(tx, payload.unit, page, title)
    until_ms = tx.block_time_ms + parameters(tx).objection_days * DAY_MS
    document, objector = bytes.fromhex(payload.document), bytes.fromhex(payload.objector)
    add_entry(tx, title, payload.right, OBJECTION, objector, document, b"", until_ms)
    write_page(tx, payload.unit, page, title, document)
    tx.emit("realestate.objection", payload.unit, {"right": payload.right, "until_ms": until_ms})


def cancel(tx: Context, payload: Cancel) -> None:
    page, title = _page(tx, payload.unit)
    entry = _entry(tx, title, payload.right, PRE_NOTICE, OBJECTION)
    tx.emit("realestate.cancelled", payload.unit, _strike(tx, payload.unit, page, title, entry, payload.document))


def seize(tx: Context, payload: Seize) -> None:
    """查封: the unit stands still. A further one waits behind the first (轮候) and goes on when that ends."""
    page, title = _page(tx, payload.unit)
    page = strike_expired(tx, payload.unit, page, title)
    until_ms = tx.block_time_ms + payload.days * DAY_MS
    document = bytes.fromhex(payload.document)
    entry = add_entry(tx, title, payload.right, SEIZURE, tx.sender, document, b"", until_ms)
    write_page(tx, payload.unit, page, title, document)
    waiting = sum(each.kind == SEIZURE for each in title.entries) - 1
    data = {"right": payload.right, "order": entry.order, "waiting": waiting, "until_ms": until_ms}
    tx.emit("realestate.seized", payload.unit, {**data, "document": payload.document})


def unseize(tx: Context, payload: Unseize) -> None:
    """解封, by the court that seized."""
    page, title = _page(tx, payload.unit)
    entry = _entry(tx, title, payload.right, SEIZURE)
    tx.require("realestate.not_court", entry.party == tx.sender)
    tx.emit("realestate.unseized", payload.unit, _strike(tx, payload.unit, page, title, entry, payload.document))


def lapse(tx: Context, payload: Lapse) -> None:
    """Strike off what has expired; anybody may, and booking does it by itself."""
    page, title = _page(tx, payload.unit)
    tx.require("realestate.nothing_expired", strike_expired(tx, payload.unit, page, title) is not page)


def _page(tx: Context, unit: str) -> tuple[Version, Title]:
    page = UNITS.require(tx, unit.encode())
    return page, title_of(page)


def _entry(tx: Context, title: Title, name: str, *kinds: int) -> Entry:
    found = next((entry for entry in title.entries if entry.name == name and entry.kind in kinds), None)
    if found is None:
        tx.fail("realestate.right_unknown")
    return found


def _strike(tx: Context, unit: str, page: Version, title: Title, entry: Entry, document: str) -> dict[str, str]:
    """The page without the entry; what its event tells."""
    title.entries.remove(entry)
    write_page(tx, unit, page, title, bytes.fromhex(document))
    return {"right": entry.name, "kind": RIGHT_NAMES[entry.kind], "document": document}
