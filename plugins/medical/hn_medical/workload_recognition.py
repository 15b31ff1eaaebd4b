"""Load of the recognition of reports: 40 % index, 40 % access log, 20 % consent.

    catalogue, patients → index → grants → access → recognise, decline

A case is one patient: one binding and three grants, eight reports of one hospital, six accesses of another, one report
recognised and one declined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hn_medical.report_models import (
    Access,
    BindPatient,
    Decline,
    GrantAccess,
    Recognise,
    RegisterIndex,
    SetItem,
    SetQuality,
)
from hn_medical.workload_trace import item
from hnnode.plugin_api import WorkItem
from hnnode.plugin_api.hashes import sm3

RECOGNITION_ACTORS: dict[str, tuple[str, ...]] = {
    "health_commission": ("health_commission",),
    **{f"hospital_{i}": ("hospital",) for i in range(4)},
    **{f"patient_{i}": ("patient",) for i in range(8)},
}
ITEMS = ("CT0001", "MR0001", "US0001", "LAB00001", "LAB00002", "LAB00003")
HOSPITALS = 4
REPORTS, GRANTS, ACCESSES = 8, 3, 6
TXS_PER_CASE = 1 + REPORTS + GRANTS + ACCESSES + 2
PERFORMED_MS, FOREVER_MS = 1_690_000_000_000, 2**52


class RecognitionLoad:
    """Deterministic in its seed; two seeds have patients of their own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves of `count` transactions in all, rounded up to whole cases."""
        cases = range(max(1, -(-count // TXS_PER_CASE)))
        commission = "health_commission"
        items = [item(commission, "set_item", SetItem(item=name, kind="other", valid_days=3_650)) for name in ITEMS]
        yield items + [self.bind(case, accounts) for case in cases]
        qualities = [
            item(commission, "set_quality", self._quality(accounts[f"hospital_{n}"], name))
            for n in range(HOSPITALS)
            for name in ITEMS
        ]
        yield qualities + [self._index(case, n) for case in cases for n in range(REPORTS)]
        yield [self._grant(case, n, accounts) for case in cases for n in range(GRANTS)]
        yield [self._access(case, n) for case in cases for n in range(ACCESSES)]
        recognised = [item(self._reader(case), "recognise", Recognise(report=self._report(case, 0))) for case in cases]
        declined = [
            item(self._reader(case), "decline", Decline(report=self._report(case, 1), reason="changed"))
            for case in cases
        ]
        yield recognised + declined

    def _digest(self, what: str, case: int, n: int = 0) -> str:
        return sm3(f"{self._seed}/{what}/{case}/{n}".encode()).hex()

    def _reference(self, case: int) -> str:
        return "0001" + self._digest("patient", case)

    def _report(self, case: int, n: int) -> str:
        return self._digest("report", case, n)[:32]

    def _grant_id(self, case: int, n: int) -> str:
        return self._digest("grant", case, n)[:32]

    def _issuer(self, case: int) -> str:
        return f"hospital_{case % HOSPITALS}"

    def _reader(self, case: int) -> str:
        return f"hospital_{(case + 1 + case // HOSPITALS % (HOSPITALS - 1)) % HOSPITALS}"

    def _quality(self, organisation: bytes, name: str) -> SetQuality:
        return SetQuality(
            organisation=organisation.hex(), item=name, from_ms=0, until_ms=FOREVER_MS, certificate="ab" * 32
        )

    def bind(self, case: int, accounts: Mapping[str, bytes]) -> WorkItem:
        """A hospital binds the case's patient."""
        payload = BindPatient(patient=self._reference(case), account=accounts[f"patient_{case % 8}"].hex())
        return item(self._issuer(case), "bind_patient", payload)

    def _index(self, case: int, n: int) -> WorkItem:
        payload = RegisterIndex(
            report=self._report(case, n),
            patient=self._reference(case),
            item=ITEMS[(case + n) % len(ITEMS)],
            digest=self._digest("hash", case, n),
            performed_ms=PERFORMED_MS + n,
        )
        return item(self._issuer(case), "register_index", payload)

    def _grant(self, case: int, n: int, accounts: Mapping[str, bytes]) -> WorkItem:
        payload = GrantAccess(
            grant=self._grant_id(case, n),
            patient=self._reference(case),
            grantee=accounts[self._reader(case)].hex(),
            fields=["index", "report"],
            purpose="treatment",
            expires_at_ms=FOREVER_MS,
            uses_max=ACCESSES // GRANTS,
        )
        return item(f"patient_{case % 8}", "grant", payload)

    def _access(self, case: int, n: int) -> WorkItem:
        payload = Access(
            report=self._report(case, n), grant=self._grant_id(case, n % GRANTS), fields=["report"], purpose="treatment"
        )
        return item(self._reader(case), "access", payload)


class BindingLoad:
    """Patients' bindings alone."""

    def __init__(self, seed: int) -> None:
        self._cases = RecognitionLoad(seed)

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        yield [self._cases.bind(case, accounts) for case in range(count)]
