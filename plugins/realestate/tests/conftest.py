"""A world of offices and parties around one application on a chain in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hn_realestate.audit import violations
from hn_realestate.flows import ASKED, EXACT, FLOW
from realestate_scenes.scene import UNIT, parts, person

from hnnode.execution import Host
from hnnode.kit.project import Project
from hnnode.plugin_api import testing
from hnnode.plugin_api.testing import Outcome, document

LAND = "411502001003GB00002W00000000"
DEPARTMENT = {item.name: item.department for item in FLOW.items}
MONDAY_MS = 1_767_571_200_000
"""2026-01-05, 08:00 local time: half an hour before the offices open."""


class World(testing.World):
    """A chain with one account of each role, and short cuts to bring a case or unit to where a test starts."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "realestate", violations, MONDAY_MS)
        account = self.chain.account
        self.agent = account("agent", "agent")
        self.rival = account("other agent", "agent", "applicant")
        self.registrar = account("registrar", "registrar")
        self.reviewer = account("reviewer", "reviewer")
        self.chief = account("chief", "registrar", "reviewer")
        self.bank = account("bank", "bank")
        self.other_bank = account("other bank", "bank")
        self.court = account("court", "court")
        self.other_court = account("other court", "court")
        self.governor = account("governor", "governor")
        self.departments = {name: account(name, name) for name in ("police", "tax", "housing", "civil")}
        self.police = self.departments["police"]
        self.nobody = account("nobody")

    def title(self, unit: str = UNIT, **shares: tuple[int, int]) -> None:
        """A unit taken over from the old register; one holder, `zhang`, without shares."""
        holders = parts(**(shares or {"zhang": (1, 1)}))
        entry = {"unit": unit, "document": document("old book"), "holders": holders}
        self.ok(self.registrar, "import_titles", titles=[entry])

    def request(self, case: str, kind: str = "transfer", unit: str = UNIT, **more: Any) -> dict[str, Any]:
        """Payload of a submission: zhang's whole unit to li, unless told otherwise."""
        payload: dict[str, Any] = {"case": case, "kind": kind, "unit": unit, "contract": document(f"contract {case}")}
        if kind == "transfer":
            payload |= {"givers": [person("zhang")], "takers": parts(li=(1, 1)), "price": document("price")}
        elif kind == "first":
            payload |= {"takers": parts(zhang=(1, 1))}
        elif kind == "pre_notice":
            payload |= {"takers": parts(li=(1, 1))}
        return payload | more

    def submit(self, case: str, kind: str = "transfer", unit: str = UNIT, **more: Any) -> None:
        self.ok(self.agent, "submit", **self.request(case, kind, unit, **more))

    def attest(self, case: str, *items: str, passed: bool = True) -> None:
        """Attestations of these items, all that the case asks for without them."""
        found = self.case(case)
        for item in items or ASKED[found["kind"]]:
            covers = {"contract": found["contract"]} if item in EXACT else {}
            sender = self.departments[DEPARTMENT[item]]
            proof = document(f"{item} of {case}")
            self.ok(sender, "dept_attest", case=case, item=item, passed=passed, document=proof, **covers)

    def accepted(self, case: str, kind: str = "transfer", unit: str = UNIT, **more: Any) -> None:
        self.submit(case, kind, unit, **more)
        self.ok(self.registrar, "accept", case=case)

    def reviewed(self, case: str, kind: str = "transfer", unit: str = UNIT, **more: Any) -> None:
        self.accepted(case, kind, unit, **more)
        self.attest(case)
        if kind == "mortgage":
            self.sign(case)
        self.ok(self.reviewer, "review", case=case)

    def booked(self, case: str, kind: str = "transfer", unit: str = UNIT, **more: Any) -> None:
        self.reviewed(case, kind, unit, **more)
        self.ok(self.registrar, "book", case=case)

    def sign(self, case: str, bank: bytes | None = None) -> None:
        terms = {"contract": document("loan"), "amount": document("amount")}
        self.ok(bank or self.bank, "mortgage", case=case, **terms)

    def seize(self, right: str = "SEIZE-1", unit: str = UNIT, days: int = 30, court: bytes | None = None) -> None:
        self.ok(court or self.court, "seize", unit=unit, right=right, document=document("order"), days=days)

    def case(self, name: str) -> Any:
        return self.query("case", case=name)

    def unit(self, name: str = UNIT) -> Any:
        return self.query("unit", unit=name)

    def holds(self, name: str, unit: str = UNIT) -> bool:
        return bool(self.query("is_holder", unit=unit, holder=person(name))["holds"])

    def events(self, outcomes: Sequence[Outcome]) -> list[str]:
        return [name for outcome in outcomes for name, _, _ in outcome.events]


@pytest.fixture(scope="session")
def host() -> Host:
    return Project.open(Path(__file__)).host()


@pytest.fixture(scope="session")
def make_world(host: Host) -> Callable[[], World]:
    return lambda: World(host)


@pytest.fixture
def world(host: Host) -> World:
    return World(host)
