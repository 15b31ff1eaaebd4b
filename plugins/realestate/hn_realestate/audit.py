"""Checks of the whole state by a scan: the invariants that no sequence of transactions may break."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hn_realestate.flows import CALENDAR, WORKFLOW
from hn_realestate.state import (
    ACCEPTED,
    CANCELLED,
    CASE_TABLE,
    CASES,
    CERTIFICATES,
    QUEUES,
    REVIEWED,
    SEIZED,
    SEIZURE,
    SUPPLEMENT,
    UNITS,
    Case,
    Title,
    holder_key,
    title_of,
)
from hnnode.plugin_api import QueryView
from hnnode.plugin_api.std.registry import Version
from hnnode.plugin_api.std.shares import whole
from hnnode.plugin_api.std.workflow import RUNNING, CaseFile

PAGE = 200
PAGES_MAX = 10_000_000
OPEN = (ACCEPTED, SUPPLEMENT, REVIEWED)
_RUNNING_STATUSES = (ACCEPTED, REVIEWED)


def rows(view: QueryView, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every row under a prefix."""
    after: bytes | None = None
    for _ in range(PAGES_MAX):
        page = view.scan(prefix, PAGE, after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def violations(view: QueryView) -> list[str]:
    """Broken invariants in words; empty when all hold. Reads the application's whole state."""
    units = [key[2:].decode() for key, _ in rows(view, b"uc")]
    pages = {name: found for name in units if (found := UNITS.current(view, name.encode()))}
    cases = {key[1:].decode(): CASES.decode(value) for key, value in rows(view, b"k")}
    broken: list[str] = []
    for name, page in sorted(pages.items()):
        broken += [f"{name}: {text}" for text in _unit(view, name, page)]
    broken += _holders(view, pages)
    broken += _queues(view, cases)
    broken += _clocks(view, cases)
    for _, value in rows(view, b"x"):
        issued = CERTIFICATES.decode(value)
        if issued.unit not in pages or issued.edition > title_of(pages[issued.unit]).edition:
            broken.append(f"{issued.unit}: a certificate of an edition that was never entered")
    return broken


def _unit(view: QueryView, name: str, page: Version) -> Iterator[str]:
    versions = UNITS.history(view, name.encode(), page.number)
    if [one.number for one in versions] != list(range(page.number, 0, -1)):
        yield "versions are missing"
    if any(old.height > new.height or old.time_ms > new.time_ms for new, old in pairwise(versions)):
        yield "versions run backwards"
    for new, old in pairwise(versions):
        if old.status == SEIZED and title_of(new).shares != title_of(old).shares:
            yield f"version {new.number} moves a seized unit"
    for one in versions:
        title = title_of(one)
        if whole(title.shares) != title.shares:
            yield f"shares of version {one.number} do not add up to 1"
        if (one.status == SEIZED) != any(entry.kind == SEIZURE for entry in title.entries):
            yield f"version {one.number} is seized without a seizure, or the other way round"
        yield from _entries(title, one.number)


def _entries(title: Title, number: int) -> Iterator[str]:
    orders = [entry.order for entry in title.entries]
    if orders != sorted(set(orders)) or (orders and orders[-1] > title.orders):
        yield f"entries of version {number} have no order"
    if len({entry.name for entry in title.entries}) != len(title.entries):
        yield f"two entries of version {number} have one name"


def _holders(view: QueryView, pages: dict[str, Version]) -> list[str]:
    expected = {
        holder_key(share[0], name)
        for name, page in pages.items()
        if page.status != CANCELLED
        for share in title_of(page).shares
    }
    found = {key for key, _ in rows(view, b"h")}
    broken = [f"index entry without holder: {key.hex()}" for key in sorted(found - expected)]
    return broken + [f"index entry missing: {key.hex()}" for key in sorted(expected - found)]


def _queues(view: QueryView, cases: dict[str, Case]) -> list[str]:
    broken = []
    waiting = {name for name, case in cases.items() if case.status in OPEN}
    queued: set[str] = set()
    for key, value in rows(view, b"q"):
        listed = QUEUES.decode(value).cases
        if not listed or len(set(listed)) != len(listed) or queued & set(listed):
            broken.append(f"queue {key[1:].decode()}: empty, or a case stands twice")
        queued |= set(listed)
        if any(name not in cases or cases[name].unit != key[1:].decode() for name in listed):
            broken.append(f"queue {key[1:].decode()}: a case of another unit")
    return broken + [f"{name}: queued and not open, or the other way round" for name in sorted(waiting ^ queued)]


def _clocks(view: QueryView, cases: dict[str, Case]) -> list[str]:
    broken = []
    expected: set[bytes] = set()
    for name, case in cases.items():
        clock = WORKFLOW.find(view, name.encode())
        if clock is None:
            broken.append(f"{name}: no clock")
            continue
        if (clock.phase == RUNNING) != (case.status in _RUNNING_STATUSES):
            broken.append(f"{name}: the clock does not fit {CASE_TABLE.names[case.status]}")
        if clock.phase == RUNNING:
            expected.add(WORKFLOW.due_key(name.encode(), clock.due_ms))
        broken += [f"{name}: {text}" for text in _clock(clock, case)]
    found = {key for key, _ in rows(view, b"wd")}
    return broken + [f"due index: {key.hex()}" for key in sorted(found ^ expected)]


def _clock(clock: CaseFile, case: Case) -> Iterator[str]:
    if not 0 <= clock.left_ms <= 240 * CALENDAR.half_day_ms:
        yield "the time left is out of bounds"
    if clock.about != case.contract:
        yield "departments are asked about another contract"
