"""Random sequences of the recognition against a naive twin that decides by reading everything that ever happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hn_medical.report_state import REPORT_NAMES
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

DOC = "ab" * 32
DAY_MS = 86_400_000
PATIENTS = ("0001" + "5e" * 32, "0001" + "6f" * 32)
VALID_DAYS = 30
REASONS = ("quality", "changed", "time")


@dataclass
class Given:
    patient: str
    grantee: bytes
    by: bytes
    end_ms: int
    uses_max: int
    uses: int = 0
    revoked: bool = False


@dataclass
class Paper:
    patient: str
    issuer: bytes
    performed_ms: int
    status: str = "active"
    seen_by: set[bytes] = field(default_factory=set)
    decided: dict[bytes, str] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    make_world: Any

    @initialize()
    def start(self) -> None:
        self.world = w = self.make_world()
        w.catalogue()
        self.owners = {PATIENTS[0]: w.patient, PATIENTS[1]: w.other_patient}
        for patient, account in self.owners.items():
            w.ok(w.clinic, "bind_patient", patient=patient, account=account.hex())
        self.papers: dict[str, Paper] = {}
        self.grants: dict[str, Given] = {}
        self.looks: list[tuple[str, bytes, bool]] = []
        self.readers = [w.other_clinic, w.doctor]
        self.open = True
        self.count = 0
        for place in range(4):
            self.index(PATIENTS[place % 2], 1)
        for n in range(2):
            self.grant(PATIENTS[n], 0, False, 3, 40)

    def fresh(self) -> str:
        self.count += 1
        return f"{self.count:032x}"

    def now_ms(self) -> int:
        return int(self.world.chain.time_ms + self.world.chain.block_ms)

    def attempt(self, broken: set[str], sender: bytes, action: str, **payload: Any) -> bool:
        outcome = self.world.do(sender, action, **payload)
        if outcome.ok:
            assert not broken, f"{action} {payload}: accepted, the twin says {broken}"
        else:
            assert outcome.rule.removeprefix("medical.") in broken, f"{action} {payload}: {outcome}, twin {broken}"
        return bool(outcome.ok)

    def paper(self, data: Any) -> tuple[str, Paper]:
        name = str(data.draw(st.sampled_from(sorted(self.papers))))
        return name, self.papers[name]

    def reader(self, data: Any) -> bytes:
        likely = st.sampled_from(self.readers)
        return bytes(data.draw(likely if data.draw(st.integers(0, 7)) < 7 else st.just(self.world.clinic)))

    @rule(patient=st.sampled_from(PATIENTS), days=st.integers(1, 31))
    def index(self, patient: str, days: int) -> None:
        name, performed_ms = self.fresh(), self.world.chain.time_ms - days * DAY_MS
        paper = {"report": name, "patient": patient, "item": "CT0001", "digest": DOC, "performed_ms": performed_ms}
        if self.attempt(set() if self.open else {"item_closed"}, self.world.clinic, "register_index", **paper):
            self.papers[name] = Paper(patient, self.world.clinic, performed_ms)

    @rule(data=st.data(), amend=st.booleans())
    def replace(self, data: Any, amend: bool) -> None:
        if data.draw(st.integers(0, 2)) < 2:
            return
        name, paper = self.paper(data)
        broken = set() if paper.status == "active" else {"report_inactive"}
        new = self.fresh()
        if amend:
            if self.attempt(broken, self.world.clinic, "amend", report=name, corrected=new, digest=DOC):
                paper.status = "superseded"
                self.papers[new] = Paper(paper.patient, paper.issuer, paper.performed_ms)
        elif self.attempt(broken, self.world.clinic, "withdraw", report=name, document=DOC):
            paper.status = "withdrawn"

    @rule(
        patient=st.sampled_from(PATIENTS),
        place=st.integers(0, 1),
        swapped=st.sampled_from([False, False, True]),
        uses=st.integers(1, 3),
        hours=st.integers(0, 40),
    )
    def grant(self, patient: str, place: int, swapped: bool, uses: int, hours: int) -> None:
        name, sender = self.fresh(), self.owners[PATIENTS[(PATIENTS.index(patient) + swapped) % 2]]
        end_ms = self.world.chain.time_ms + hours * 3_600_000
        broken = {"not_patient"} if swapped else set()
        broken |= {"grant_period"} if end_ms <= self.now_ms() else set()
        payload = self.world.grant(grant=name, patient=patient, grantee=self.readers[place].hex())
        payload |= {"expires_at_ms": end_ms, "uses_max": uses}
        if self.attempt(broken, sender, "grant", **payload):
            self.grants[name] = Given(patient, self.readers[place], sender, end_ms, uses)

    @rule(data=st.data())
    def revoke(self, data: Any) -> None:
        name = str(data.draw(st.sampled_from(sorted(self.grants))))
        given = self.grants[name]
        sender = bytes(data.draw(st.sampled_from([given.by, given.by, *self.owners.values()])))
        broken = {"not_patient"} if sender != given.by else set()
        broken |= {"grant_revoked"} if given.revoked else set()
        if self.attempt(broken, sender, "revoke", grant=name):
            given.revoked = True

    @rule(data=st.data())
    def access(self, data: Any) -> None:
        name, paper = self.paper(data)
        fitting = sorted(key for key, given in self.grants.items() if given.patient == paper.patient)
        keys = fitting if fitting and data.draw(st.integers(0, 4)) < 4 else sorted(self.grants)
        key = str(data.draw(st.sampled_from(keys)))
        given = self.grants[key]
        sender = given.grantee if data.draw(st.integers(0, 5)) < 5 else self.reader(data)
        broken = {"report_inactive"} if paper.status == "withdrawn" else set()
        broken |= {"not_grantee"} if given.grantee != sender else set()
        broken |= {"grant_revoked"} if given.revoked else set()
        broken |= {"grant_expired"} if self.now_ms() >= given.end_ms else set()
        broken |= {"grant_used_up"} if given.uses >= given.uses_max else set()
        broken |= {"grant_foreign"} if given.patient != paper.patient else set()
        if self.attempt(broken, sender, "access", **self.world.look(name, grant=key)):
            given.uses += 1
            paper.seen_by.add(sender)
            self.looks.append((name, sender, False))

    @rule(data=st.data())
    def emergency(self, data: Any) -> None:
        if data.draw(st.integers(0, 2)) < 2:
            return
        name, paper = self.paper(data)
        sender = self.reader(data)
        broken = {"report_inactive"} if paper.status == "withdrawn" else set()
        if self.attempt(broken, sender, "emergency_access", report=name, fields=["report"], document=DOC):
            paper.seen_by.add(sender)
            self.looks.append((name, sender, True))

    @rule(data=st.data(), decline=st.sampled_from(["", "", *REASONS]))
    def decide(self, data: Any, decline: str) -> None:
        name, paper = self.paper(data)
        seen = sorted(paper.seen_by)
        sender = bytes(data.draw(st.sampled_from(seen))) if seen and data.draw(st.booleans()) else self.reader(data)
        broken = {"own_report"} if sender == paper.issuer else set()
        broken |= {"access_missing"} if sender not in paper.seen_by else set()
        broken |= {"decided"} if sender in paper.decided else set()
        if decline:
            if self.attempt(broken, sender, "decline", report=name, reason=decline):
                paper.decided[sender] = decline
            return
        broken |= {"report_inactive"} if paper.status != "active" else set()
        broken |= {"item_closed"} if not self.open else set()
        broken |= {"report_old"} if self.now_ms() >= paper.performed_ms + VALID_DAYS * DAY_MS else set()
        if self.attempt(broken, sender, "recognise", report=name):
            paper.decided[sender] = "recognised"

    @rule(luck=st.integers(0, 5))
    def set_item(self, luck: int) -> None:
        self.open = luck < 5
        item = {"item": "CT0001", "kind": "imaging", "valid_days": VALID_DAYS, "active": self.open}
        self.world.ok(self.world.commission, "set_item", **item)

    @rule(hours=st.sampled_from([1, 12, 100]))
    def wait(self, hours: int) -> None:
        self.world.chain.advance(hours * 3_600_000)

    @invariant()
    def the_chain_says_what_the_twin_knows(self) -> None:
        w = self.world
        w.check()
        for patient in PATIENTS:
            own = {name for name, paper in self.papers.items() if paper.patient == patient}
            listed = {name: REPORT_NAMES[report.status] for name, report in w.index_of(patient)}
            assert listed == {n: self.papers[n].status for n in own}
            looks = [each for each in self.looks if each[0] in own]
            steps = [(use.entity.hex(), use.grantee, not use.grant) for _, use in w.looks_of(patient)]
            assert steps == looks
        for name, given in self.grants.items():
            found = w.query("grant", grant=name)
            assert (found["uses"], bool(found["revoked_ms"])) == (given.uses, given.revoked)
        decided = [each for paper in self.papers.values() for each in paper.decided.values()]
        rates = w.query("recognition_rate", item="CT0001")["items"]
        assert sum(row["recognised"] for row in rates) == decided.count("recognised")
        reasons = w.query("decline_reasons", item="CT0001")["items"]
        for reason in REASONS:
            assert sum(row[reason] for row in reasons) == decided.count(reason)


def test_the_recognition_agrees_with_a_naive_twin(make_world: Any) -> None:
    Machine.make_world = staticmethod(make_world)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
