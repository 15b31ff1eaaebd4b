"""The naive twin of the register: plain dictionaries, Python's own fractions, a copy of a unit's whole page for every
version. For each attempt it names every rule that is broken; the chain must accept exactly what breaks none.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from fractions import Fraction

from hn_realestate.flows import ASKED, EXACT, FLOW

LIVE = ("draft", "accepted", "supplement", "reviewed")
ENTRIES = {"unseize": ("seizure",), "release": ("mortgage",), "cancel": ("pre_notice", "objection")}
"""Kinds of entries that an action strikes."""


@dataclass
class Entry:
    kind: str
    party: str
    until_ms: int = 0


@dataclass
class Page:
    shares: dict[str, Fraction]
    entries: dict[str, Entry] = field(default_factory=dict)
    gone: bool = False
    case: str = ""
    edition: int = 1
    by: str = "registrar"

    def seized(self, now: int) -> bool:
        return any(e.kind == "seizure" and (now < e.until_ms) for e in self.entries.values())

    def live(self, now: int) -> dict[str, Entry]:
        """Entries that have not expired."""
        return {name: e for name, e in self.entries.items() if not e.until_ms or now < e.until_ms}


@dataclass
class Case:
    kind: str
    unit: str
    contract: str
    givers: list[str]
    takers: dict[str, Fraction]
    status: str = "draft"
    opinions: dict[str, bool] = field(default_factory=dict)
    agreed: set[str] = field(default_factory=set)
    bank: str = ""

    def handed_over(self, page: Page) -> dict[str, Fraction] | None:
        """Shares after the case; None when it does not hand over exactly what its givers have."""
        if not set(self.givers) <= set(page.shares) or len(set(self.givers)) < len(self.givers):
            return None
        given = sum((page.shares[who] for who in self.givers), Fraction(0))
        if given != sum(self.takers.values()):
            return None
        after = {who: part for who, part in page.shares.items() if who not in self.givers}
        for who, part in self.takers.items():
            after[who] = after.get(who, Fraction(0)) + part
        return after


class Register:
    """Cases, pages in all their versions with the height of each, queues, certificates with unit and edition."""

    def __init__(self, units: tuple[str, ...]) -> None:
        self.cases: dict[str, Case] = {}
        self.versions: dict[str, list[tuple[int, Page]]] = {unit: [] for unit in units}
        self.queues: dict[str, list[str]] = {unit: [] for unit in units}
        self.certificates: dict[str, tuple[str, int]] = {}

    def page(self, unit: str) -> Page | None:
        return self.versions[unit][-1][1] if self.versions[unit] else None

    def loans(self, unit: str) -> dict[str, str]:
        """Mortgages on a unit, with the bank of each."""
        page = self.page(unit)
        return {right: e.party for right, e in page.entries.items() if e.kind == "mortgage"} if page else {}

    def current(self, unit: str, now: int) -> tuple[Page | None, bool]:
        """A copy of the page without what has expired, and whether anything had."""
        page = copy.deepcopy(self.page(unit))
        if page is None:
            return None, False
        kept = page.live(now)
        lapsed, page.entries = len(kept) < len(page.entries), kept
        return page, lapsed

    def accept_rules(self, case: Case, now: int) -> set[str]:
        page = self.page(case.unit)
        broken = set() if case.status == "draft" else {"wrong_status"}
        if case.kind == "first":
            broken |= {"unit_exists"} if page else set()
        elif page is None:
            broken.add("unit_unknown")
        elif page.gone:
            broken.add("unit_status")
        else:
            broken |= {"seized"} if page.seized(now) else set()
            if case.kind == "transfer" and case.handed_over(page) is None:
                broken.add("shares_unbalanced")
        return broken

    def attest_rules(self, case: Case, item: str, contract: str) -> set[str]:
        broken = set() if case.status in LIVE else {"case_closed"}
        broken |= {"item_attested"} if item in case.opinions else set()
        broken |= {"contract_not_covered"} if item in EXACT and contract != case.contract else set()
        waits = next(one.after for one in FLOW.items if one.name == item)
        return broken | ({"item_early"} if any(not case.opinions.get(before) for before in waits) else set())

    def mortgage_rules(self, case: Case, bank: str) -> set[str]:
        broken = set() if case.kind == "mortgage" else {"not_mortgage"}
        broken |= set() if case.status in ("draft", "accepted", "supplement") else {"wrong_status"}
        return broken | ({"mortgagee_signed"} if case.bank not in ("", bank) else set())

    def agree_rules(self, case: Case, right: str, bank: str) -> set[str]:
        page, loans = self.page(case.unit), self.loans(case.unit)
        broken = set() if case.status in LIVE else {"wrong_status"}
        broken |= {"unit_unknown"} if page is None else {"right_unknown"} if right not in loans else set()
        broken |= {"not_mortgagee"} if right in loans and loans[right] != bank else set()
        return broken | ({"mortgagee_signed"} if right in case.agreed else set())

    def review_rules(self, case: Case) -> set[str]:
        broken = set() if case.status == "accepted" else {"wrong_status"}
        broken |= {"attestation_missing"} if set(ASKED[case.kind]) - set(case.opinions) else set()
        broken |= {"attestation_failed"} if False in case.opinions.values() else set()
        return broken | ({"mortgagee_missing"} if case.kind == "mortgage" and not case.bank else set())

    def book_rules(self, name: str, page: Page | None, acknowledged: bool) -> set[str]:
        """`page`: the unit's, without what has expired."""
        case = self.cases[name]
        broken = set() if case.status == "reviewed" else {"wrong_status"}
        broken |= set() if self.queues[case.unit][:1] == [name] else {"not_first"}
        if case.kind == "first" or page is None:
            return broken | ({"unit_exists"} if page else set() if case.kind == "first" else {"unit_unknown"})
        broken |= {"unit_status"} if page.gone else set()
        for right, entry in page.entries.items():
            if entry.kind == "seizure":
                broken.add("seized")
            elif entry.kind == "mortgage" and case.kind in ("transfer", "cancel") and right not in case.agreed:
                broken.add("mortgagee_missing")
            elif entry.kind == "pre_notice" and (case.kind != "transfer" or entry.party not in case.takers):
                broken.add("pre_noticed")
            elif entry.kind == "objection" and not acknowledged:
                broken.add("objected")
        if case.kind == "transfer" and case.handed_over(page) is None:
            broken.add("shares_unbalanced")
        return broken

    def certify_rules(self, name: str) -> set[str]:
        case, page = self.cases[name], self.page(self.cases[name].unit)
        broken = set() if case.status == "booked" else {"wrong_status"}
        broken |= set() if case.kind in ("first", "transfer") else {"no_certificate"}
        return broken | ({"entry_changed"} if page and page.case != name else set())

    def strike_rules(self, unit: str, right: str, action: str, party: str) -> set[str]:
        """`party`: the bank or court that asks to release or unseize."""
        page = self.page(unit)
        entry = page.entries.get(right) if page else None
        if page is None:
            return {"unit_unknown"}
        if entry is None or entry.kind not in ENTRIES[action]:
            return {"right_unknown"}
        if action == "cancel" or entry.party == party:
            return set()
        return {"not_court"} if action == "unseize" else {"not_mortgagee"}

    def correct_rules(self, unit: str, officer: str) -> set[str]:
        page = self.page(unit)
        if page is None:
            return {"unit_unknown"}
        blocked = page.gone or any(e.kind == "seizure" for e in page.entries.values())
        return ({"unit_status"} if blocked else set()) | ({"four_eyes"} if page.by == officer else set())

    def book(self, name: str, page: Page | None) -> Page:
        """The unit's page after the case, from what `current` gave."""
        case = self.cases[name]
        if page is None:
            return Page(dict(case.takers), case=name)
        page = copy.deepcopy(page)
        if case.kind == "transfer":
            page.shares = case.handed_over(page) or {}
            page.entries = {right: e for right, e in page.entries.items() if e.kind != "pre_notice"}
            page.case, page.edition, page.by = name, page.edition + 1, "registrar"
        elif case.kind == "mortgage":
            page.entries[name] = Entry("mortgage", case.bank)
        elif case.kind == "pre_notice":
            page.entries[name] = Entry("pre_notice", next(iter(case.takers)))
        else:
            page.gone, page.entries = True, {}
        return page
