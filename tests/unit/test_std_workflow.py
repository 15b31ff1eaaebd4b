"""`std.workflow` against a naive twin that counts working time minute by minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api import ModelError
from hnnode.plugin_api.std.calendar import CalendarRules, WorkCalendar, day_of
from hnnode.plugin_api.std.workflow import CLOSED, PHASE_NAMES, RUNNING, STANDING, Flow, Item, Workflow, WorkflowRules
from tests.kit.std_probe import Probe

CALENDAR = WorkCalendar(b"n", CalendarRules("probe.day", "probe.past", "probe.span"))
RULES = WorkflowRules(
    *(f"probe.{name}" for name in ("exists", "unknown", "closed", "running", "standing", "item", "department")),
    *(f"probe.{name}" for name in ("opined", "early", "about", "not_due")),
)
ITEMS = (
    Item("contract", "housing", exact=True),
    Item("tax", "tax", after=("contract",), exact=True),
    Item("household", "police"),
    Item("survey", "housing", dispatched=True),
    Item("verdict", "office", after=("tax", "household")),
)
FLOWS = (Flow("empty", ()), Flow("transfer", ITEMS))
CASES = (b"CASE-1", b"CASE-2")
ABOUT, OTHER = b"\x01" * 32, b"\x02" * 32
DOC = b"\x03" * 32
START_MS = 1_767_600_000_000 + 60 * 60_000  # Monday 2026-01-05, 17:00 local


def work_ms(start: int, end: int) -> int:
    """Working time of an ordinary calendar, minute by minute; both ends are whole minutes."""
    total = 0
    for at in range(start, end, 60_000):
        minute = (at // 60_000 + 480) % 1440
        total += ((day_of(at) + 3) % 7 < 5 and (510 <= minute < 720 or 840 <= minute < 1050)) * 60_000
    return total


@dataclass
class TwinCase:
    asked: set[str]
    about: bytes
    left: int
    phase: str = "standing"
    runs: list[list[int]] = field(default_factory=list)
    opinions: dict[str, tuple[bool, bytes]] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    marked: bool = False

    def left_at(self, now: int) -> int:
        """What is left, from the whole list of stretches in which the clock ran."""
        return max(0, self.left - sum(work_ms(a, now if b < 0 else b) for a, b in self.runs))


class Machine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.probe = Probe()
        self.probe.chain.block_ms = 60_000
        self.probe.chain.time_ms = START_MS
        self.flow = Workflow(b"w", FLOWS, CALENDAR, RULES)
        self.people = {role: self.probe.account(role, role) for role in ("housing", "tax", "police", "office")}
        self.second = self.probe.account("second surveyor", "housing", "tax")
        self.cases: dict[bytes, TwinCase] = {}

    @property
    def next_ms(self) -> int:
        return self.probe.chain.time_ms + self.probe.chain.block_ms

    def attempt(self, broken: set[str], sender: bytes, run: Any) -> bool:
        rule = self.probe.do(sender, run)
        assert (rule in broken) if broken else rule == "", (rule, broken)
        return not rule

    def open_rules(self, case: bytes) -> set[str]:
        if case not in self.cases:
            return {"unknown"}
        return {"closed"} if self.cases[case].phase == "closed" else set()

    @rule(case=st.sampled_from(CASES), items=st.sets(st.sampled_from([i.name for i in ITEMS])), days=st.integers(1, 4))
    def open(self, case: bytes, items: set[str], days: int) -> None:
        left = days * CALENDAR.half_day_ms
        broken = {"exists"} if case in self.cases else set()
        if self.attempt(broken, self.second, lambda tx: self.flow.open(tx, case, 1, ABOUT, left, sorted(items))):
            self.cases[case] = TwinCase(items, ABOUT, left)

    @rule(case=st.sampled_from(CASES))
    def resume(self, case: bytes) -> None:
        broken = self.open_rules(case)
        if not broken and self.cases[case].phase == "running":
            broken = {"running"}
        if self.attempt(broken, self.second, lambda tx: self.flow.resume(tx, case)):
            self.cases[case].phase = "running"
            self.cases[case].runs.append([self.probe.chain.time_ms, -1])

    @rule(case=st.sampled_from(CASES), close=st.booleans())
    def stop(self, case: bytes, close: bool) -> None:
        broken = self.open_rules(case)
        if not broken and not close and self.cases[case].phase == "standing":
            broken = {"standing"}
        run = self.flow.close if close else self.flow.pause
        if self.attempt(broken, self.second, lambda tx: run(tx, case)):
            twin = self.cases[case]
            if twin.phase == "running":
                now = self.probe.chain.time_ms
                twin.marked = twin.marked or (twin.left_at(now) == 0 and self.past_deadline(twin, now))
                twin.runs[-1][1] = now
            twin.phase = "closed" if close else "standing"

    def past_deadline(self, twin: TwinCase, now: int) -> bool:
        """Whether the moment at which nothing was left lies before now, for a clock that runs."""
        began = twin.runs[-1][0]
        left = twin.left_at(began)
        if left == 0:
            return now > began
        at, spent = began, 0
        while spent < left:
            spent += work_ms(at, at + 60_000)
            at += 60_000
        return now > at

    @rule(case=st.sampled_from(CASES))
    def mark(self, case: bytes) -> None:
        broken = self.open_rules(case)
        if not broken:
            twin = self.cases[case]
            if twin.phase != "running":
                broken = {"standing"}
            elif twin.marked or not self.past_deadline(twin, self.next_ms):
                broken = {"not_due"}
        if self.attempt(broken, self.second, lambda tx: self.flow.mark_overdue(tx, case)):
            self.cases[case].marked = True

    @rule(
        data=st.data(),
        case=st.sampled_from(CASES),
        item=st.sampled_from([*(i.name for i in ITEMS), "odd"]),
        passed=st.integers(0, 4),
        about=st.sampled_from([ABOUT, ABOUT, OTHER]),
    )
    def opine(self, data: Any, case: bytes, item: str, passed: int, about: bytes) -> None:
        likely = {i.name: i.department for i in ITEMS}.get(item, "tax")
        role = data.draw(st.sampled_from([likely, likely, likely, *self.people, "second"]))
        sender = self.second if role == "second" else self.people[role]
        roles = {"housing", "tax"} if role == "second" else {role}
        broken = self.open_rules(case)
        if not broken:
            twin = self.cases[case]
            if item not in twin.asked:
                broken = {"item"}
            else:
                known = next(i for i in ITEMS if i.name == item)
                broken |= set() if known.department in roles else {"department"}
                if known.dispatched and twin.sent.get(item) != sender:
                    broken.add("department")
                if known.exact and about != twin.about:
                    broken.add("about")
                if item in twin.opinions:
                    broken.add("opined")
                for before in known.after:
                    if before in twin.asked and not twin.opinions.get(before, (False, b""))[0]:
                        broken.add("early")
        if self.attempt(broken, sender, lambda tx: self.flow.opine(tx, case, item, passed > 0, DOC, about)):
            self.cases[case].opinions[item] = (passed > 0, sender)

    @rule(data=st.data(), case=st.sampled_from(CASES), item=st.sampled_from([i.name for i in ITEMS]))
    def dispatch(self, data: Any, case: bytes, item: str) -> None:
        account = data.draw(st.sampled_from([self.people["housing"], self.second]))
        broken = self.open_rules(case)
        if not broken:
            twin = self.cases[case]
            broken = {"item"} if item not in twin.asked else {"opined"} if item in twin.opinions else set()
        if self.attempt(broken, self.second, lambda tx: self.flow.dispatch(tx, case, item, account)):
            self.cases[case].sent[item] = account

    @rule(data=st.data(), case=st.sampled_from(CASES), change=st.booleans())
    def reopen(self, data: Any, case: bytes, change: bool) -> None:
        broken, asked = self.open_rules(case), ["contract"]
        if not broken:
            asked = [*data.draw(st.permutations(sorted(self.cases[case].asked)))][:2]
        about = OTHER if change else None
        if self.attempt(broken, self.second, lambda tx: self.flow.reopen(tx, case, asked, about)):
            twin = self.cases[case]
            twin.about = about or twin.about
            for item in asked:
                twin.opinions.pop(item, None)

    @rule(minutes=st.sampled_from([1, 30, 200, 400, 1_440, 4_000]))
    def wait(self, minutes: int) -> None:
        self.probe.chain.advance(minutes * 60_000)

    @invariant()
    def same_as_twin(self) -> None:
        if not hasattr(self, "probe"):
            return
        view, now = self.probe.view(), self.probe.chain.time_ms
        running = set()
        for case, twin in self.cases.items():
            found = self.flow.find(view, case)
            assert found is not None
            assert PHASE_NAMES[found.phase] == twin.phase
            if found.phase == RUNNING:
                running.add((found.due_ms, case))
                began = twin.runs[-1][0]
                assert found.left_ms == twin.left_at(began)
                assert work_ms(began, found.due_ms) == found.left_ms
            else:
                assert found.left_ms == twin.left_at(now)
            assert found.overdue == twin.marked
            opinions = {item.name: (o.passed, o.by) for item, o in self.flow.opinions(view, case, found) if o}
            assert opinions == twin.opinions
        assert self.flow.due(view, 2**50, 100) == sorted(running)
        if running:
            first, *rest = sorted(running)
            assert self.flow.due(view, first[0], 1) == [first]
            assert self.flow.due(view, 2**50, 100, first[0].to_bytes(8, "big") + first[1]) == rest


def test_cases_agree_with_a_naive_twin() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_pause_conserves_what_is_left_to_the_millisecond() -> None:
    probe = Probe()
    probe.chain.time_ms, probe.chain.block_ms = START_MS, 7
    flow = Workflow(b"w", FLOWS, CALENDAR, RULES)
    window = probe.account("window")
    assert probe.do(window, lambda tx: flow.open(tx, b"C", 0, b"", CALENDAR.half_day_ms)) == ""
    left = CALENDAR.half_day_ms
    for _ in range(5):
        assert probe.do(window, lambda tx: flow.resume(tx, b"C")) == ""
        assert probe.answer.left_ms == left
        assert probe.do(window, lambda tx: flow.pause(tx, b"C")) == ""
        left -= 7
        assert (probe.answer.left_ms, probe.answer.phase, probe.answer.overdue) == (left, STANDING, False)
        probe.chain.advance(1)
    assert probe.answer.pauses == 5
    assert probe.do(window, lambda tx: flow.close(tx, b"C")) == ""
    assert probe.answer.phase == CLOSED


@pytest.mark.parametrize(
    "items",
    [
        (Item("a", "x"), Item("a", "y")),
        (Item("a", "x", after=("b",)), Item("b", "y")),
        (Item("a", "x", after=("a",)),),
        tuple(Item(f"i{n}", "x") for n in range(65)),
    ],
)
def test_a_flow_has_no_cycle_and_no_item_twice(items: Any) -> None:
    with pytest.raises(ModelError):
        Flow("bad", items)


def test_an_item_outside_the_flow_cannot_be_asked_for() -> None:
    probe, flow = Probe(), Workflow(b"w", FLOWS, CALENDAR, RULES)
    assert probe.do(probe.account("window"), lambda tx: flow.open(tx, b"C", 0, b"", 1, ["contract"])) == "item"
