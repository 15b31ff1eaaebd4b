"""Random sequences of actions against a deliberately naive twin: same acceptance, same pages, queues and histories.

For each attempt the twin (`realestate_twin`) names every rule it breaks. The chain must accept exactly what breaks none,
and refuse by one of those named.
"""

from __future__ import annotations

import copy
import hashlib
from fractions import Fraction
from typing import Any

from hn_realestate.flows import ASKED, EXACT, FLOW
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from realestate_scenes.scene import DOC, HOUR_MS, person
from realestate_twin import ENTRIES, LIVE, Case, Entry, Page, Register

UNITS = ("411502001003GB00001F00010101", "411502001003GB00001F00010102", "411502001003GB00001F00010103")
"""The last one is not registered at first."""
NAMES = ("zhang", "wang", "li", "zhao")
KINDS = ("transfer", "transfer", "transfer", "mortgage", "first", "pre_notice", "cancel")
some_unit = st.sampled_from((*UNITS[:2], *UNITS))


def parts(shares: dict[str, Fraction]) -> list[dict[str, Any]]:
    return [{"holder": person(who), "share": one.numerator, "of": one.denominator} for who, one in shares.items()]


class Machine(RuleBasedStateMachine):
    make_world: Any

    @initialize()
    def start(self) -> None:
        self.world = self.make_world()
        w = self.world
        self.twin = Register(UNITS)
        self.banks = {"bank": w.bank, "other bank": w.other_bank}
        self.courts = {"court": w.court, "other court": w.other_court}
        self.count = 0
        for unit in UNITS[:2]:
            w.title(unit, zhang=(1, 2), wang=(1, 2))
            half = Fraction(1, 2)
            self.write(unit, Page({"zhang": half, "wang": half}))

    @property
    def now(self) -> int:
        """Time of the next block."""
        return int(self.world.chain.time_ms + self.world.chain.block_ms)

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
        fitting = [name for name, case in self.twin.cases.items() if case.status in statuses]
        if fitting and data.draw(st.integers(0, 4)):
            return str(data.draw(st.sampled_from(fitting)))
        return str(data.draw(st.sampled_from(sorted(self.twin.cases)))) if self.twin.cases else None

    def write(self, unit: str, page: Page) -> None:
        self.twin.versions[unit].append((self.world.chain.state.height, page))

    @rule(data=st.data(), unit=some_unit, kind=st.sampled_from(KINDS), steps=st.sampled_from([6, 4, 5, 3, 1, 0]))
    def submit(self, data: Any, unit: str, kind: str, steps: int) -> None:
        """A new case, and its first steps; rules are switched off by turns, so a rule has to do some of its own."""
        if kind == "first" and data.draw(st.integers(0, 4)):
            unit = UNITS[-1]
        elif data.draw(st.integers(0, 4)):  # mostly a unit that is there
            there = [name for name in UNITS if (page := self.twin.page(name)) and not page.gone]
            unit = data.draw(st.sampled_from(there or list(UNITS)))
        if kind == "cancel" and data.draw(st.integers(0, 3)):
            kind = "transfer"
        if sum(case.status in LIVE for case in self.twin.cases.values()) > 6:
            return
        page = self.twin.page(unit)
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
            self.twin.cases[name] = Case(kind, unit, contract, givers, takers)
            for _ in range(steps):
                self.step(data, name)

    @rule(data=st.data(), steps=st.sampled_from([6, 3, 2, 1]))
    def push(self, data: Any, steps: int) -> None:
        if name := self.pick(data, *LIVE):
            for _ in range(steps):
                self.step(data, name)

    def step(self, data: Any, name: str) -> None:
        """What comes next for a case, or something that does not."""
        case = self.twin.cases[name]
        missing = set(ASKED[case.kind]) - set(case.opinions)
        if case.status == "accepted" and missing:
            self.attest(data, name)
        elif case.status == "accepted" and case.kind == "mortgage" and not case.bank:
            self.mortgage(name, data.draw(st.sampled_from(["bank", "other bank"])))
        elif case.status == "accepted":
            self.review(name)
        elif case.status == "reviewed":
            for right, bank in self.twin.loans(case.unit).items():
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
        case = self.twin.cases[name]
        broken = self.twin.accept_rules(case, self.now)
        if self.attempt(broken, self.world.registrar, "accept", case=name):
            case.status = "accepted"
            self.twin.queues[case.unit].append(name)

    def attest(self, data: Any, name: str) -> None:
        """Everything still open on a case, one after the other; sometimes one of it fails or covers another contract."""
        odd = data.draw(st.sampled_from(["", "", "", "", "", "fails", "covers another"]))
        case = self.twin.cases[name]
        items = [item for item in ASKED[case.kind] if item not in case.opinions] or list(ASKED[case.kind])[:1]
        for place, item in enumerate(items):
            good = odd != "fails" or place > 0
            contract = DOC if odd == "covers another" else case.contract
            broken = self.twin.attest_rules(case, item, contract)
            office = self.world.departments[next(one.department for one in FLOW.items if one.name == item)]
            payload = {"case": name, "item": item, "passed": good, "document": DOC, "contract": contract}
            if self.attempt(broken, office, "dept_attest", **payload):
                case.opinions[item] = good

    @rule(data=st.data(), change=st.booleans())
    def supplement_and_resubmit(self, data: Any, change: bool) -> None:
        if not (name := self.pick(data, "accepted", "reviewed")):
            return
        case = self.twin.cases[name]
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
        case = self.twin.cases[name]
        broken = self.twin.mortgage_rules(case, who)
        if self.attempt(broken, self.banks[who], "mortgage", case=name, contract=DOC, amount=DOC):
            case.bank = who

    def agree(self, data: Any, name: str) -> None:
        page = self.twin.page(self.twin.cases[name].unit)
        right = data.draw(st.sampled_from([*(page.entries if page else ()), "NO-RIGHT"]))
        self.agree_to(name, right, data.draw(st.sampled_from(["bank", "other bank"])))

    def agree_to(self, name: str, right: str, who: str) -> None:
        case = self.twin.cases[name]
        broken = self.twin.agree_rules(case, right, who)
        if self.attempt(broken, self.banks[who], "agree", case=name, right=right):
            case.agreed.add(right)

    def review(self, name: str) -> None:
        case = self.twin.cases[name]
        broken = self.twin.review_rules(case)
        if self.attempt(broken, self.world.reviewer, "review", case=name):
            case.status = "reviewed"

    def book(self, data: Any, name: str) -> None:
        acknowledged = data.draw(st.booleans())
        case = self.twin.cases[name]
        page, lapsed = self.twin.current(case.unit, self.now)
        broken = self.twin.book_rules(name, page, acknowledged)
        if not self.attempt(broken, self.world.registrar, "book", case=name, acknowledged=acknowledged):
            return
        case.status = "booked"
        self.twin.queues[case.unit].remove(name)
        if page is not None and lapsed:
            self.write(case.unit, page)
        self.write(case.unit, self.twin.book(name, page))

    def certify(self, name: str) -> None:
        case, page = self.twin.cases[name], self.twin.page(self.twin.cases[name].unit)
        broken = self.twin.certify_rules(name)
        certificate = self.fresh("CERT")
        if self.attempt(broken, self.world.registrar, "issue_cert", case=name, certificate=certificate):
            assert page is not None
            case.status = "certified"
            self.twin.certificates[certificate] = (case.unit, page.edition)

    @rule(data=st.data(), reject=st.booleans())
    def give_up(self, data: Any, reject: bool) -> None:
        if not (name := self.pick(data, *LIVE)) or data.draw(st.integers(0, 3)):
            return
        case = self.twin.cases[name]
        broken = set() if case.status in LIVE else {"wrong_status"}
        sender, action, more = self.world.agent, "withdraw", {}
        if reject:
            sender, action, more = self.world.registrar, "reject", {"document": DOC, "reason": "other"}
        if self.attempt(broken, sender, action, case=name, **more):
            case.status = "rejected" if reject else "withdrawn"
            if name in self.twin.queues[case.unit]:
                self.twin.queues[case.unit].remove(name)

    @rule(data=st.data(), unit=some_unit, kind=st.sampled_from(["seizure", "objection"]))
    def enter(self, data: Any, unit: str, kind: str) -> None:
        if data.draw(st.booleans()):
            return
        page, lapsed = self.twin.current(unit, self.now)
        broken = {"unit_unknown"} if page is None else {"unit_status"} if page.gone else set()
        right = self.fresh("RIGHT")
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
        page = copy.deepcopy(self.twin.page(unit))
        right = data.draw(st.sampled_from([*(page.entries if page else ()), "NO-RIGHT"]))
        entry = page.entries.get(right) if page else None
        action = {"seizure": "unseize", "mortgage": "release"}.get(entry.kind if entry else "", "cancel")
        if not odd:
            action = data.draw(st.sampled_from(list(ENTRIES)))
        sender, who = self.world.reviewer, ""
        if action != "cancel":
            offices = self.courts if action == "unseize" else self.banks
            who = data.draw(st.sampled_from(sorted(offices)))
            who = entry.party if odd and entry else who
            sender = offices[who]
        broken = self.twin.strike_rules(unit, right, action, who)
        if self.attempt(broken, sender, action, unit=unit, right=right, document=DOC):
            assert page is not None
            del page.entries[right]
            self.write(unit, page)

    @rule(unit=some_unit)
    def lapse(self, unit: str) -> None:
        page = copy.deepcopy(self.twin.page(unit))
        if page is not None and not page.entries and self.count % 8:
            return
        kept = page.live(self.now) if page else {}
        broken = {"unit_unknown"} if page is None else set() if len(kept) < len(page.entries) else {"nothing_expired"}
        if self.attempt(broken, self.world.nobody, "lapse", unit=unit):
            assert page is not None
            page.entries = kept
            self.write(unit, page)

    @rule(data=st.data(), unit=some_unit)
    def correct(self, data: Any, unit: str) -> None:
        if data.draw(st.integers(0, 3)):
            return
        page = copy.deepcopy(self.twin.page(unit))
        names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
        shares = dict.fromkeys(names, Fraction(1, len(names)))
        certificate = self.fresh("CERT")
        payload = {"certificate": certificate, "document": DOC, "holders": parts(shares)}
        who = data.draw(st.sampled_from(["chief", "reviewer"]))
        broken = self.twin.correct_rules(unit, who)
        if self.attempt(broken, getattr(self.world, who), "correct", unit=unit, **payload):
            assert page is not None
            page.shares, page.edition, page.by = shares, page.edition + 1, who
            self.twin.certificates[certificate] = (unit, page.edition)
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
                page = self.twin.page(unit)
                holds = page is not None and not page.gone and name in page.shares
                assert self.world.holds(name, unit) == holds
            assert self.world.query("queue", unit=unit)["items"] == self.twin.queues[unit]
            self.same_history(unit)
        for name, case in self.twin.cases.items():
            found = self.world.case(name)
            assert found["status"] == case.status
            assert found["contract"] == case.contract
            seen = {one["item"]: one["passed"] for one in found["attestations"] if one["passed"] is not None}
            assert seen == case.opinions
        for name, (unit, edition) in self.twin.certificates.items():
            page = self.twin.page(unit)
            good = page is not None and page.edition == edition and not page.gone
            assert self.world.query("certificate", certificate=name)["valid"] == good

    def same_history(self, unit: str) -> None:
        versions = self.twin.versions[unit]
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
