"""Random sequences of actions against a deliberately naive twin: same acceptance, same pages, queues and histories.

The twin keeps plain dictionaries and Python's own fractions, and a copy of a unit's whole page for every version; for
each attempt it names every rule it breaks. The chain must accept exactly what breaks none, and refuse by one of those
named.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hn_realestate.flows import ASKED, EXACT, FLOW
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

UNITS = ("411502001003GB00001F00010101", "411502001003GB00001F00010102", "411502001003GB00001F00010103")
"""The last one is not registered at first."""
NAMES = ("zhang", "wang", "li", "zhao")
KINDS = ("transfer", "transfer", "transfer", "mortgage", "first", "pre_notice", "cancel")
some_unit = st.sampled_from((*UNITS[:2], *UNITS))
LIVE = ("draft", "accepted", "supplement", "reviewed")
DOC = "ab" * 32
HOUR_MS = 3_600_000


def person(name: str) -> str:
    return "0001" + hashlib.sha256(f"person {name}".encode()).hexdigest()


def parts(shares: dict[str, Fraction]) -> list[dict[str, Any]]:
    return [{"holder": person(who), "share": one.numerator, "of": one.denominator} for who, one in shares.items()]


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


class Machine(RuleBasedStateMachine):
    make_world: Any

    @initialize()
    def start(self) -> None:
        self.world = self.make_world()
        w = self.world
        self.cases: dict[str, Case] = {}
        self.versions: dict[str, list[tuple[int, Page]]] = {unit: [] for unit in UNITS}
        self.queues: dict[str, list[str]] = {unit: [] for unit in UNITS}
        self.certificates: dict[str, tuple[str, int]] = {}
        self.banks = {"bank": w.bank, "other bank": w.other_bank}
        self.courts = {"court": w.court, "other court": w.other_court}
        self.count = 0
        for unit in UNITS[:2]:
            w.title(unit, zhang=(1, 2), wang=(1, 2))
            half = Fraction(1, 2)
            self.versions[unit].append((w.chain.state.height, Page({"zhang": half, "wang": half})))

    @property
    def now(self) -> int:
        """Time of the next block."""
        return int(self.world.chain.time_ms + self.world.chain.block_ms)

    def page(self, unit: str) -> Page | None:
        return self.versions[unit][-1][1] if self.versions[unit] else None

    def attempt(self, broken: set[str], sender: bytes, action: str, **payload: Any) -> bool:
        outcome = self.world.do(sender, action, **payload)
        if outcome.ok:
            assert not broken, f"{action} {payload}: accepted, the twin says {broken}"
        else:
            rule = outcome.rule.removeprefix("realestate.")
            assert rule in broken, f"{action} {payload}: {outcome}, twin {broken}"
        return bool(outcome.ok)

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}-{self.count:04}"

    def pick(self, data: Any, *statuses: str) -> str | None:
        """A case, mostly in a wanted status."""
        fitting = [name for name, case in self.cases.items() if case.status in statuses]
        if fitting and data.draw(st.integers(0, 4)):
            return str(data.draw(st.sampled_from(fitting)))
        return str(data.draw(st.sampled_from(sorted(self.cases)))) if self.cases else None

    def write(self, unit: str, page: Page) -> None:
        self.versions[unit].append((self.world.chain.state.height, page))

    def handed_over(self, page: Page, case: Case) -> dict[str, Fraction] | None:
        if not set(case.givers) <= set(page.shares) or len(set(case.givers)) < len(case.givers):
            return None
        given = sum((page.shares[who] for who in case.givers), Fraction(0))
        if given != sum(case.takers.values()):
            return None
        after = {who: part for who, part in page.shares.items() if who not in case.givers}
        for who, part in case.takers.items():
            after[who] = after.get(who, Fraction(0)) + part
        return after

    @rule(data=st.data(), unit=some_unit, kind=st.sampled_from(KINDS), steps=st.sampled_from([6, 4, 5, 3, 1, 0]))
    def submit(self, data: Any, unit: str, kind: str, steps: int) -> None:
        """A new case, and its first steps; rules are switched off by turns, so a rule has to do some of its own."""
        if kind == "first" and data.draw(st.integers(0, 4)):
            unit = UNITS[-1]
        elif data.draw(st.integers(0, 4)):  # mostly a unit that is there
            there = [name for name in UNITS if (page := self.page(name)) and not page.gone]
            unit = data.draw(st.sampled_from(there or list(UNITS)))
        if kind == "cancel" and data.draw(st.integers(0, 3)):
            kind = "transfer"
        if sum(case.status in LIVE for case in self.cases.values()) > 6:
            return
        page = self.page(unit)
        givers: list[str] = []
        takers: dict[str, Fraction] = {}
        broken: set[str] = set()
        if kind == "transfer":
            owners = sorted(page.shares) if page else list(NAMES)
            givers = data.draw(st.lists(st.sampled_from(owners), min_size=1, max_size=2, unique=True))
            given = sum((page.shares[who] for who in givers), Fraction(0)) if page else Fraction(1)
            who = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
            takers = dict.fromkeys(who, given / len(who))
            if data.draw(st.integers(0, 5)) == 5:
                takers[who[0]] += Fraction(1, 97)
        elif kind == "first":
            who = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
            takers = dict.fromkeys(who, Fraction(1, len(who)))
            if data.draw(st.integers(0, 5)) == 5:
                takers[who[0]] /= 2
                broken = {"shares_unbalanced"}
        elif kind == "pre_notice":
            takers = {data.draw(st.sampled_from(NAMES)): Fraction(1)}
        if any(part.denominator > 10**6 or part > 1 for part in takers.values()):
            return
        name = self.fresh("CASE")
        contract = hashlib.sha256(name.encode()).hexdigest()
        payload = {"givers": [person(one) for one in givers], "takers": parts(takers)}
        if self.attempt(
            broken, self.world.agent, "submit", case=name, unit=unit, kind=kind, contract=contract, **payload
        ):
            self.cases[name] = Case(kind, unit, contract, givers, takers)
            for _ in range(steps):
                self.step(data, name)

    @rule(data=st.data(), steps=st.sampled_from([6, 3, 2, 1]))
    def push(self, data: Any, steps: int) -> None:
        if name := self.pick(data, *LIVE):
            for _ in range(steps):
                self.step(data, name)

    def step(self, data: Any, name: str) -> None:
        """What comes next for a case, or something that does not."""
        case = self.cases[name]
        missing = set(ASKED[case.kind]) - set(case.opinions)
        if case.status == "accepted" and missing:
            self.attest(data, name)
        elif case.status == "accepted" and case.kind == "mortgage" and not case.bank:
            self.mortgage(name, data.draw(st.sampled_from(["bank", "other bank"])))
        elif case.status == "accepted":
            self.review(name)
        elif case.status == "reviewed":
            page = self.page(case.unit)
            loans = [(right, e.party) for right, e in page.entries.items() if e.kind == "mortgage"] if page else []
            for right, bank in loans:
                if right not in case.agreed and data.draw(st.booleans()):
                    self.agree_to(name, right, bank)
            self.book(data, name)
        elif case.status == "booked":
            self.certify(name)
        elif case.status == "draft":
            self.accept(name)

    @rule(data=st.data(), what=st.integers(0, 6))
    def out_of_turn(self, data: Any, what: int) -> None:
        """A step on a case in whatever status it is."""
        if name := self.pick(data):
            if what == 0:
                self.accept(name)
            elif what == 1:
                self.attest(data, name)
            elif what == 2:
                self.mortgage(name, data.draw(st.sampled_from(["bank", "other bank"])))
            elif what == 3:
                self.review(name)
            elif what == 4:
                self.book(data, name)
            elif what == 5:
                self.certify(name)
            else:
                self.agree(data, name)

    def accept(self, name: str) -> None:
        case, page = self.cases[name], self.page(self.cases[name].unit)
        broken = set() if case.status == "draft" else {"wrong_status"}
        if case.kind == "first":
            broken |= {"unit_exists"} if page else set()
        elif page is None:
            broken.add("unit_unknown")
        elif page.gone:
            broken.add("unit_status")
        else:
            broken |= {"seized"} if page.seized(self.now) else set()
            if case.kind == "transfer" and self.handed_over(page, case) is None:
                broken.add("shares_unbalanced")
        if self.attempt(broken, self.world.registrar, "accept", case=name):
            case.status = "accepted"
            self.queues[case.unit].append(name)

    def attest(self, data: Any, name: str) -> None:
        """Everything still open on a case, one after the other; sometimes one of it fails or covers another contract."""
        odd = data.draw(st.sampled_from(["", "", "", "", "", "fails", "covers another"]))
        case = self.cases[name]
        items = [item for item in ASKED[case.kind] if item not in case.opinions] or list(ASKED[case.kind])[:1]
        for place, item in enumerate(items):
            good = odd != "fails" or place > 0
            contract = DOC if odd == "covers another" else case.contract
            broken = set() if case.status in LIVE else {"case_closed"}
            broken |= {"item_attested"} if item in case.opinions else set()
            broken |= {"contract_not_covered"} if item in EXACT and contract != case.contract else set()
            waits = next(one.after for one in FLOW.items if one.name == item)
            broken |= {"item_early"} if any(not case.opinions.get(before) for before in waits) else set()
            office = self.world.departments[next(one.department for one in FLOW.items if one.name == item)]
            payload = {"case": name, "item": item, "passed": good, "document": DOC, "contract": contract}
            if self.attempt(broken, office, "dept_attest", **payload):
                case.opinions[item] = good

    @rule(data=st.data(), change=st.booleans())
    def supplement_and_resubmit(self, data: Any, change: bool) -> None:
        if not (name := self.pick(data, "accepted", "reviewed")):
            return
        case = self.cases[name]
        items = [item for item in ASKED[case.kind] if case.opinions.get(item) is False]
        broken = set() if case.status in ("accepted", "reviewed") else {"wrong_status"}
        if self.attempt(broken, self.world.reviewer, "supplement", case=name, document=DOC, items=items):
            case.status = "supplement"
            for item in items:
                case.opinions.pop(item, None)
        more = {"contract": hashlib.sha256(f"{case.contract}+".encode()).hexdigest()} if change else {}
        broken = set() if case.status == "supplement" else {"wrong_status"}
        if data.draw(st.booleans()) and self.attempt(broken, self.world.agent, "resubmit", case=name, **more):
            case.status = "accepted"
            if change:
                case.contract = more["contract"]
                case.agreed.clear()
                for item in EXACT:
                    case.opinions.pop(item, None)

    def mortgage(self, name: str, who: str) -> None:
        case = self.cases[name]
        broken = set() if case.kind == "mortgage" else {"not_mortgage"}
        broken |= set() if case.status in ("draft", "accepted", "supplement") else {"wrong_status"}
        broken |= {"mortgagee_signed"} if case.bank not in ("", who) else set()
        if self.attempt(broken, self.banks[who], "mortgage", case=name, contract=DOC, amount=DOC):
            case.bank = who

    def agree(self, data: Any, name: str) -> None:
        page = self.page(self.cases[name].unit)
        right = data.draw(st.sampled_from([*(page.entries if page else ()), "NO-RIGHT"]))
        self.agree_to(name, right, data.draw(st.sampled_from(["bank", "other bank"])))

    def agree_to(self, name: str, right: str, who: str) -> None:
        case = self.cases[name]
        page = self.page(case.unit)
        loans = [right for right, e in page.entries.items() if e.kind == "mortgage"] if page else []
        broken = set() if case.status in LIVE else {"wrong_status"}
        broken |= {"unit_unknown"} if page is None else {"right_unknown"} if right not in loans else set()
        broken |= {"not_mortgagee"} if page and right in loans and page.entries[right].party != who else set()
        broken |= {"mortgagee_signed"} if right in case.agreed else set()
        if self.attempt(broken, self.banks[who], "agree", case=name, right=right):
            case.agreed.add(right)

    def review(self, name: str) -> None:
        case = self.cases[name]
        broken = set() if case.status == "accepted" else {"wrong_status"}
        broken |= {"attestation_missing"} if set(ASKED[case.kind]) - set(case.opinions) else set()
        broken |= {"attestation_failed"} if False in case.opinions.values() else set()
        broken |= {"mortgagee_missing"} if case.kind == "mortgage" and not case.bank else set()
        if self.attempt(broken, self.world.reviewer, "review", case=name):
            case.status = "reviewed"

    def book_rules(self, name: str, case: Case, page: Page | None, acknowledged: bool) -> set[str]:
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
        if case.kind == "transfer" and self.handed_over(page, case) is None:
            broken.add("shares_unbalanced")
        return broken

    def book(self, data: Any, name: str) -> None:
        acknowledged = data.draw(st.booleans())
        case = self.cases[name]
        page = copy.deepcopy(self.page(case.unit))
        lapsed = False
        if page is not None:
            kept = {right: e for right, e in page.entries.items() if not e.until_ms or self.now < e.until_ms}
            lapsed, page.entries = len(kept) < len(page.entries), kept
        broken = self.book_rules(name, case, page, acknowledged)
        if not self.attempt(broken, self.world.registrar, "book", case=name, acknowledged=acknowledged):
            return
        case.status = "booked"
        self.queues[case.unit].remove(name)
        if page is None:
            page = Page(dict(case.takers), case=name)
        else:
            if lapsed:
                self.write(case.unit, copy.deepcopy(page))
            if case.kind == "transfer":
                page.shares = self.handed_over(page, case) or {}
                page.entries = {right: e for right, e in page.entries.items() if e.kind != "pre_notice"}
                page.case, page.edition, page.by = name, page.edition + 1, "registrar"
            elif case.kind == "mortgage":
                page.entries[name] = Entry("mortgage", case.bank)
            elif case.kind == "pre_notice":
                page.entries[name] = Entry("pre_notice", next(iter(case.takers)))
            else:
                page.gone, page.entries = True, {}
        self.write(case.unit, page)

    def certify(self, name: str) -> None:
        case, page = self.cases[name], self.page(self.cases[name].unit)
        broken = set() if case.status == "booked" else {"wrong_status"}
        broken |= set() if case.kind in ("first", "transfer") else {"no_certificate"}
        broken |= {"entry_changed"} if page and page.case != name else set()
        certificate = self.fresh("CERT")
        if self.attempt(broken, self.world.registrar, "issue_cert", case=name, certificate=certificate):
            assert page is not None
            case.status = "certified"
            self.certificates[certificate] = (case.unit, page.edition)

    @rule(data=st.data(), reject=st.booleans())
    def give_up(self, data: Any, reject: bool) -> None:
        if not (name := self.pick(data, *LIVE)) or data.draw(st.integers(0, 3)):
            return
        case = self.cases[name]
        broken = set() if case.status in LIVE else {"wrong_status"}
        sender, action, more = self.world.agent, "withdraw", {}
        if reject:
            sender, action, more = self.world.registrar, "reject", {"document": DOC, "reason": "other"}
        if self.attempt(broken, sender, action, case=name, **more):
            case.status = "rejected" if reject else "withdrawn"
            if name in self.queues[case.unit]:
                self.queues[case.unit].remove(name)

    @rule(data=st.data(), unit=some_unit, kind=st.sampled_from(["seizure", "objection"]))
    def enter(self, data: Any, unit: str, kind: str) -> None:
        if data.draw(st.booleans()):
            return
        page = copy.deepcopy(self.page(unit))
        broken = {"unit_unknown"} if page is None else {"unit_status"} if page.gone else set()
        right, lapsed = self.fresh("RIGHT"), False
        if page is not None:
            kept = {name: e for name, e in page.entries.items() if not e.until_ms or self.now < e.until_ms}
            lapsed, page.entries = len(kept) < len(page.entries), kept
        if kind == "seizure":
            who, days = data.draw(st.sampled_from(sorted(self.courts))), data.draw(st.integers(1, 3))
            sender, action, more = self.courts[who], "seize", {"days": days}
        else:
            who, days = data.draw(st.sampled_from(NAMES)), 15
            sender, action, more = self.world.registrar, "objection", {"objector": person(who)}
        if self.attempt(broken, sender, action, unit=unit, right=right, document=DOC, **more):
            assert page is not None
            if lapsed:
                self.write(unit, copy.deepcopy(page))
            page.entries[right] = Entry(kind, who, self.world.chain.time_ms + days * 24 * HOUR_MS)
            self.write(unit, page)

    @rule(data=st.data(), unit=some_unit, odd=st.integers(0, 5))
    def strike(self, data: Any, unit: str, odd: int) -> None:
        page = copy.deepcopy(self.page(unit))
        right = data.draw(st.sampled_from([*(page.entries if page else ()), "NO-RIGHT"]))
        entry = page.entries.get(right) if page else None
        action = {"seizure": "unseize", "mortgage": "release"}.get(entry.kind if entry else "", "cancel")
        if not odd:
            action = data.draw(st.sampled_from(["unseize", "release", "cancel"]))
        kinds = {"unseize": ("seizure",), "release": ("mortgage",), "cancel": ("pre_notice", "objection")}[action]
        broken = {"unit_unknown"} if page is None else set() if entry and entry.kind in kinds else {"right_unknown"}
        sender, who = self.world.reviewer, ""
        if action != "cancel":
            offices, rule = (self.courts, "not_court") if action == "unseize" else (self.banks, "not_mortgagee")
            who = data.draw(st.sampled_from(sorted(offices)))
            who = entry.party if odd and entry else who
            sender = offices[who]
            broken |= {rule} if not broken and entry and entry.party != who else set()
        if self.attempt(broken, sender, action, unit=unit, right=right, document=DOC):
            assert page is not None
            del page.entries[right]
            self.write(unit, page)

    @rule(unit=some_unit)
    def lapse(self, unit: str) -> None:
        page = copy.deepcopy(self.page(unit))
        if page is not None and not page.entries and self.count % 8:
            return
        kept = {name: e for name, e in page.entries.items() if not e.until_ms or self.now < e.until_ms} if page else {}
        broken = {"unit_unknown"} if page is None else set() if len(kept) < len(page.entries) else {"nothing_expired"}
        if self.attempt(broken, self.world.nobody, "lapse", unit=unit):
            assert page is not None
            page.entries = kept
            self.write(unit, page)

    @rule(data=st.data(), unit=some_unit)
    def correct(self, data: Any, unit: str) -> None:
        if data.draw(st.integers(0, 3)):
            return
        page = copy.deepcopy(self.page(unit))
        names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
        shares = dict.fromkeys(names, Fraction(1, len(names)))
        broken = {"unit_unknown"} if page is None else set()
        if page is not None and (page.gone or any(e.kind == "seizure" for e in page.entries.values())):
            broken.add("unit_status")
        certificate = self.fresh("CERT")
        payload = {"certificate": certificate, "document": DOC, "holders": parts(shares)}
        who = data.draw(st.sampled_from(["chief", "reviewer"]))
        broken |= {"four_eyes"} if page is not None and page.by == who else set()
        if self.attempt(broken, getattr(self.world, who), "correct", unit=unit, **payload):
            assert page is not None
            page.shares, page.edition, page.by = shares, page.edition + 1, who
            self.certificates[certificate] = (unit, page.edition)
            self.write(unit, page)

    @rule(hours=st.sampled_from([1, 5, 24, 48, 400]))
    def wait(self, hours: int) -> None:
        self.world.chain.advance(hours * HOUR_MS)

    @invariant()
    def same_as_twin(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.check()
        for unit in UNITS:
            for name in NAMES:
                page = self.page(unit)
                holds = page is not None and not page.gone and name in page.shares
                assert self.world.holds(name, unit) == holds
            assert self.world.query("queue", unit=unit)["items"] == self.queues[unit]
            self.same_history(unit)
        for name, case in self.cases.items():
            found = self.world.case(name)
            assert found["status"] == case.status
            assert found["contract"] == case.contract
            seen = {one["item"]: one["passed"] for one in found["attestations"] if one["passed"] is not None}
            assert seen == case.opinions
        for name, (unit, edition) in self.certificates.items():
            page = self.page(unit)
            good = page is not None and page.edition == edition and not page.gone
            assert self.world.query("certificate", certificate=name)["valid"] == good

    def same_history(self, unit: str) -> None:
        versions = self.versions[unit]
        if not versions:
            return
        listed = self.world.query("history", unit=unit, limit=200)["items"][::-1]
        assert len(listed) == len(versions)
        for seen, (height, page) in zip(listed, versions, strict=True):
            assert seen["height"] == height
            assert [(one["right"], one["kind"]) for one in seen["entries"]] == [
                (right, entry.kind) for right, entry in page.entries.items()
            ]
            assert seen["edition"] == page.edition
            assert seen["holders"] == (0 if page.gone else len(page.shares))
        last = versions[-1][0]
        for height in {last, last - 1, versions[len(versions) // 2][0]}:
            number = max((n for n, (at, _) in enumerate(versions, 1) if at <= height), default=0)
            if number:
                assert self.world.query("unit_at", unit=unit, height=height)["version"] == number


def test_the_register_agrees_with_a_naive_twin(make_world: Any) -> None:
    Machine.make_world = staticmethod(make_world)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
