"""A world of accounts around the application on a chain in memory, with a drug, a batch and a catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hn_medical.audit import rows, violations
from hn_medical.chain import Link, write_chain
from hn_medical.report_state import CONSENT, REPORTS, Report

from hnnode.execution import Host
from hnnode.kit.project import Project
from hnnode.plugin_api import testing
from hnnode.plugin_api.hashes import BlockTree
from hnnode.plugin_api.std.consent import Use

USCC = "11430000006122244L"
PRODUCT = "86904879000126"
DRUG = "8385793"
DOC = "ab" * 32
PATIENT = "0001" + "5e" * 32
OTHER_PATIENT = "0001" + "6f" * 32
ITEM = "CT0001"
DAY_MS = 86_400_000


def code(n: int) -> str:
    return f"{DRUG}{n:013d}"


class Tree:
    """Packs under one root: cases of two boxes of three packs each, as chains from the pack outwards.

    Case n is code 1000·n, its boxes 1000·n + 100 and + 200, their packs + 1 to + 3 behind; `loose` packs are 900…
    """

    def __init__(self, cases: int = 2, loose: int = 2, base: int = 0) -> None:
        self.chains: dict[str, str] = {}
        for n in range(base + 1, base + cases + 1):
            case = Link(3, 6, code(1000 * n))
            self._add([case])
            for box in (100, 200):
                middle = Link(2, 3, code(1000 * n + box))
                self._add([middle, case])
                for pack in (1, 2, 3):
                    self._add([Link(1, 1, code(1000 * n + box + pack)), middle, case])
        for n in range(loose):
            self._add([Link(1, 1, code(900 + n + 1000 * base))])
        self.units = cases * 6 + loose
        self.codes = sorted(self.chains)
        self.tree = BlockTree([self.chains[each].encode() for each in self.codes])
        self.root = self.tree.root.hex()

    def _add(self, links: list[Link]) -> None:
        self.chains[links[0].code] = write_chain(links)

    def proof(self, name: str) -> dict[str, str]:
        path = self.tree.proof(self.codes.index(name))
        return {"root": self.root, "chain": self.chains[name], "path": path.hex()}

    def pack(self, n: int) -> dict[str, Any]:
        return {"code": code(n), "proof": self.proof(code(n))}


class World(testing.World):
    """A chain with accounts of each role, and short cuts to bring goods and reports to where a test starts."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "medical", violations)
        account = self.chain.account
        self.regulator = account("regulator", "drug_regulator")
        self.maker = account("maker", "mah")
        self.rival = account("rival", "mah")
        self.trader = account("trader", "wholesaler")
        self.shop = account("shop", "pharmacy")
        self.clinic = account("clinic", "hospital")
        self.other_clinic = account("other clinic", "hospital")
        self.doctor = account("doctor", "doctor")
        self.insurer = account("insurer", "insurer")
        self.patient = account("patient", "patient")
        self.other_patient = account("other patient", "patient")
        self.commission = account("commission", "health_commission")
        self.nobody = account("nobody")
        self.tree = Tree()
        self.count = 0

    def index_of(self, patient: str) -> list[tuple[str, Report]]:
        """Reports of a reference as the chain keeps them, with their ids."""
        view = self.chain.view()
        keys = [key[-16:] for key, _ in rows(view, b"x" + bytes.fromhex(patient))]
        return [(key.hex(), found) for key in keys if (found := REPORTS.get(view, key))]

    def looks_of(self, patient: str) -> list[tuple[bytes, Use]]:
        """Accesses to a reference's reports as the chain logged them, with their keys."""
        return list(CONSENT.uses(self.chain.view(), bytes.fromhex(patient), 200))

    # ---------------------------------------------------------------- drug trace

    def drug(self) -> None:
        self.ok(self.regulator, "register_product", **self.product())

    def product(self, **more: Any) -> dict[str, Any]:
        facts = {"product": PRODUCT, "approval": "H20063123", "holder": self.maker.hex(), "drug_codes": [DRUG]}
        facts["uscc"] = USCC
        return {**facts, **more}

    def batch(self, tree: Tree | None = None, name: str = "B1", **more: Any) -> dict[str, Any]:
        used = tree or self.tree
        return {
            "product": PRODUCT,
            "batch": name,
            "root": used.root,
            "codes": len(used.codes),
            "units": used.units,
            "made_ms": self.chain.time_ms // DAY_MS * DAY_MS - DAY_MS,
            "expires_ms": self.chain.time_ms // DAY_MS * DAY_MS + 365 * DAY_MS,
            **more,
        }

    def activated(self) -> None:
        self.drug()
        self.ok(self.maker, "activate", **self.batch())

    def send(self, sender: bytes, receiver: bytes, *packs: int, tree: Tree | None = None, **more: Any) -> str:
        """Ship packs with their proofs; the shipment's id."""
        self.count += 1
        name = f"SHIP-{self.count:04}"
        refs = [(tree or self.tree).pack(n) for n in packs]
        self.ok(sender, "ship", shipment=name, to=receiver.hex(), packs=refs, **more)
        return name

    def hand(self, sender: bytes, receiver: bytes, *packs: int) -> None:
        self.ok(receiver, "receive", shipment=self.send(sender, receiver, *packs))

    def at_shop(self, *packs: int) -> None:
        """A drug, an activated batch, and these packs received by the shop."""
        self.activated()
        self.hand(self.maker, self.shop, *packs)

    def dispense(self, n: int, rx: str = "cd" * 32) -> dict[str, Any]:
        return {"code": code(n), "rx": rx, "proof": self.tree.proof(code(n))}

    # ---------------------------------------------------------------- reports

    def catalogue(self) -> None:
        self.ok(self.commission, "set_item", item=ITEM, kind="imaging", valid_days=30)
        far = self.chain.time_ms + 1_000 * DAY_MS
        quality = {"organisation": self.clinic.hex(), "item": ITEM, "from_ms": 0, "until_ms": far, "certificate": DOC}
        self.ok(self.commission, "set_quality", **quality)

    def bound(self) -> None:
        self.catalogue()
        self.ok(self.clinic, "bind_patient", patient=PATIENT, account=self.patient.hex())

    def index(self, n: int = 1, **more: Any) -> dict[str, Any]:
        facts = {
            "report": f"{n:032x}",
            "patient": PATIENT,
            "item": ITEM,
            "digest": DOC,
            "performed_ms": self.chain.time_ms - DAY_MS,
        }
        return {**facts, **more}

    def indexed(self, n: int = 1) -> str:
        self.bound()
        self.ok(self.clinic, "register_index", **self.index(n))
        return f"{n:032x}"

    def grant(self, n: int = 1, **more: Any) -> dict[str, Any]:
        facts = {
            "grant": f"{n:032x}",
            "patient": PATIENT,
            "grantee": self.other_clinic.hex(),
            "fields": ["index", "report"],
            "purpose": "treatment",
            "expires_at_ms": self.chain.time_ms + DAY_MS,
            "uses_max": 2,
        }
        return {**facts, **more}

    def granted(self) -> str:
        """One indexed report and one grant to the other clinic; the report."""
        report = self.indexed()
        self.ok(self.patient, "grant", **self.grant())
        return report

    def look(self, report: str, n: int = 1, **more: Any) -> dict[str, Any]:
        return {"report": report, "grant": f"{n:032x}", "fields": ["report"], "purpose": "treatment", **more}

    def accessed(self) -> str:
        report = self.granted()
        self.ok(self.other_clinic, "access", **self.look(report))
        return report


@pytest.fixture(scope="session")
def host() -> Host:
    return Project.open(Path(__file__)).host()


@pytest.fixture(scope="session")
def make_world(host: Host) -> Callable[[], World]:
    return lambda: World(host)


@pytest.fixture
def world(host: Host) -> World:
    return World(host)
