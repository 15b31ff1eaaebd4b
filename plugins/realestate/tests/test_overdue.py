"""A case past its deadline becomes known by itself, at the end of the first block behind it."""

from __future__ import annotations

import hashlib
from typing import Any

from hn_realestate.state import ALARM, alarm_key

from hnnode.execution import application_prefix
from hnnode.kit.chain import Chain
from hnnode.primitives.due import read_due

UNIT = "411502001003GB00001F00010101"
MONDAY_MS = 1_767_571_200_000
"""2026-01-05, 08:00 in China."""


def document(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(name: str) -> str:
    return "0001" + document(f"person {name}")


def whole(name: str) -> list[dict[str, Any]]:
    return [{"holder": person(name), "share": 1, "of": 1}]


def overdue(chain: Chain) -> list[tuple[str, str]]:
    return [(name, entity) for one in read_due(chain.state, chain.height) for name, entity, _ in one.receipt.events]


def test_the_clock_tells_by_itself_and_once(host: Any) -> None:
    chain = Chain(lambda: host, "realestate")
    chain.time_ms = MONDAY_MS
    agent, registrar = chain.account("agent", "agent"), chain.account("registrar", "registrar")
    governor = chain.account("governor", "governor")
    entry = {"unit": UNIT, "document": document("old book"), "holders": whole("zhang")}
    registrar.submit("import_titles", titles=[entry])
    moved = {"kind": "transfer", "unit": UNIT, "givers": [person("zhang")], "takers": whole("li")}
    for case in ("CASE-001", "CASE-002", "CASE-003"):
        agent.submit("submit", case=case, contract=document(case), price=document("price"), **moved)
    due = [registrar.submit("accept", case=case).events[0][2]["due_ms"] for case in ("CASE-001", "CASE-002")]
    registrar.submit("supplement", case="CASE-002", document=document("n"), items=["funds"])
    registrar.submit("accept", case="CASE-003")
    agent.submit("withdraw", case="CASE-003")

    def block() -> list[tuple[str, str]]:
        governor.submit("set_calendar", year=2030)
        return overdue(chain)

    alarms = [key for key in chain.state.dump() if key.startswith(application_prefix("realestate") + ALARM)]
    assert alarms == [
        application_prefix("realestate") + alarm_key("CASE-001", due[0])
    ]  # clocks that stopped wake nobody

    chain.advance(ms=due[0] - chain.time_ms - 1_000)
    assert block() == []  # at the deadline itself it is still in time
    assert block() == [("realestate.overdue", "CASE-001")]
    assert chain.query("case", case="CASE-001")["overdue"]
    chain.advance(hours=48)
    assert block() == []  # the clock of the second stands, the third case is over
    again = agent.submit("resubmit", case="CASE-002").events[0][2]["due_ms"]
    chain.advance(ms=again - chain.time_ms)
    assert block() == [("realestate.overdue", "CASE-002")]
    assert not agent.attempt("report_overdue", case="CASE-002").ok
