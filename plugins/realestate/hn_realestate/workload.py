"""Load for `hnnode bench chain --app realestate`.

Flavours: `""` or `mix` takes transfers through their whole life, eight attestations, five steps and one booking each, imports
the units first, and asks six questions a case (40 % attestations, 25 % steps, 5 % bookings, 30 % queries of what stands
where). The others only submit: `chain` the same transactions, `declare` imports alone, a title each, in one wave. Within a wave every
transaction touches another record, so a wave succeeds in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from hn_realestate.audit import violations
from hn_realestate.flows import ASKED, EXACT, FLOW
from hn_realestate.models import (
    Accept,
    AttachRef,
    Book,
    DeptAttest,
    Holding,
    ImportTitles,
    IssueCert,
    Payload,
    Review,
    Submit,
    TitleEntry,
)
from hnnode.plugin_api import QueryView, Question, WorkItem, canonical_json, decode_json
from hnnode.plugin_api.hashes import sm3

IMPORTED = 12
"""Units of one import."""
STEPS = 14
"""Transactions of one case."""
QUERY_PERCENT = 30
COUNTY = "411502"
ACTORS: dict[str, tuple[str, ...]] = {
    **{f"agent_{i}": ("agent",) for i in range(4)},
    **{f"registrar_{i}": ("registrar",) for i in range(2)},
    **{f"reviewer_{i}": ("reviewer",) for i in range(2)},
    **{f"{department}_{i}": (department,) for department in ("police", "tax", "housing", "civil") for i in range(2)},
}
_DEPARTMENT = {item.name: item.department for item in FLOW.items}
_LATE = "deed_tax"
"""Waits for another item, so it comes a wave later."""

_LETTERS = "ABCDEFGHJKLMNPQR"
"""Names without long runs of digits are never mistaken for a person's number."""

UNTOUCHED = {"status": "registered", "seized": False, "mortgaged": False, "pre_noticed": False, "disputed": False}
PATH = ("draft", "accepted", "reviewed", "booked", "certified")
REACHED = {"submit": 0, "dept_attest": 0, "accept": 1, "review": 2}
"""Step of PATH behind which a case never falls again after an action."""


class UnitNamed(Struct):
    """Of a title: its unit."""

    unit: str


class Said(Struct):
    """What questions need of a payload."""

    case: str = ""
    titles: list[UnitNamed] = []
    document: str = ""
    certificate: str = ""


def make_workload(seed: int, flavour: str) -> RealestateWorkload | None:
    """The workload of a flavour; None when there is none of that name."""
    return RealestateWorkload(seed, flavour or "mix") if flavour in ("", "chain", "mix", "declare") else None


class RealestateWorkload:
    """Deterministic in its seed; two seeds never name the same unit or case, within some millions of units each."""

    application = "realestate"

    def __init__(self, seed: int, flavour: str) -> None:
        self.actors: Mapping[str, tuple[str, ...]] = ACTORS
        self.flavour = flavour
        self.query_percent = QUERY_PERCENT if flavour == "mix" else 0
        digest = sm3(b"realestate" + seed.to_bytes(8, "big"))
        self._digest = digest
        self._tag = "".join(_LETTERS[byte >> 4] + _LETTERS[byte & 15] for byte in digest[:6])
        self._zone = f"{int.from_bytes(digest[:4], 'big') % 10**6:06d}"
        self._parcel = int.from_bytes(digest[4:8], "big") % 10**5

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves of `count` transactions in all, rounded up to whole cases."""
        if self.flavour == "declare":
            yield [self._import(n, 1) for n in range(count)]
            return
        cases = max(1, -(-count * IMPORTED // (STEPS * IMPORTED + 1)))
        ns = range(cases)
        early = [item for item in ASKED["transfer"] if item != _LATE]
        yield [self._import(n) for n in range(-(-cases // IMPORTED))]
        yield [self._submit(n) for n in ns]
        yield [*(self._attach(n) for n in ns), *(self._attest(n, item) for item in early for n in ns)]
        yield [*(self._accept(n) for n in ns), *(self._attest(n, _LATE) for n in ns)]
        yield [self._item("reviewer", n, "review", Review(case=self.case(n))) for n in ns]
        yield [self._item("registrar", n, "book", Book(case=self.case(n))) for n in ns]
        yield [self._certify(n) for n in ns]

    def question(self, item: WorkItem) -> Question | None:
        """Where a case stands, whether a unit is free, whether a certificate is good."""
        said = decode_json(item.payload, Said)
        match item.action:
            case "import_titles":
                unit = said.titles[0].unit
                return _ask("restricted", {"unit": unit}, UNTOUCHED | {"unit": unit})
            case "submit" | "dept_attest" | "accept" | "review":
                expected = {"case": said.case, "kind": "transfer", "status": frozenset(PATH[REACHED[item.action] :])}
                return _ask("case", {"case": said.case}, expected)
            case "attach_ref":
                return _ask("material", {"document": said.document}, {"items": [{"case": said.case}]})
            case "book":
                unit = self.unit(int(said.case[-8:]))
                return _ask("unit", {"unit": unit}, UNTOUCHED | {"unit": unit, "case": said.case, "holders": 1})
            case "issue_cert":
                named = {"certificate": said.certificate}
                return _ask("certificate", named, named | {"valid": True})
        return None

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants of the application's state."""
        return violations(view)

    def case(self, n: int) -> str:
        return f"C{self._tag}-{n:08d}"

    def unit(self, n: int) -> str:
        """A flat in Xinyang; the seed chooses the parcel, `n` the building and the flat."""
        return f"{COUNTY}{self._zone}GB{self._parcel:05d}F{n:08d}"

    def holder(self, what: str, n: int) -> str:
        """Reference of a person: key epoch 1 and what would be the HMAC of its number."""
        return "0001" + self.document(what, n)

    def document(self, what: str, n: int) -> str:
        return sm3(self._digest + f"{what}/{n}".encode()).hex()

    def _item(self, kind: str, n: int, action: str, payload: Payload) -> WorkItem:
        count = 4 if kind == "agent" else 2
        return WorkItem(f"{kind}_{n % count}", action, canonical_json(payload))

    def _import(self, n: int, units: int = IMPORTED) -> WorkItem:
        titles = [
            TitleEntry(
                unit=self.unit(unit),
                document=self.document("deed", unit),
                holders=[
                    Holding(holder=self.holder("seller", unit), share=1, of=2),
                    Holding(holder=self.holder("spouse", unit), share=1, of=2),
                ],
            )
            for unit in range(n * units, (n + 1) * units)
        ]
        return self._item("registrar", n, "import_titles", ImportTitles(titles=titles))

    def _submit(self, n: int) -> WorkItem:
        payload = Submit(
            case=self.case(n),
            unit=self.unit(n),
            contract=self.document("contract", n),
            kind="transfer",
            givers=[self.holder("seller", n), self.holder("spouse", n)],
            takers=[Holding(holder=self.holder("buyer", n), share=1, of=1)],
            price=self.document("price", n),
        )
        return self._item("agent", n, "submit", payload)

    def _attach(self, n: int) -> WorkItem:
        payload = AttachRef(case=self.case(n), document=self.document("survey", n), source="housing")
        return self._item("agent", n, "attach_ref", payload)

    def _attest(self, n: int, item: str) -> WorkItem:
        covered = self.document("contract", n) if item in EXACT else None
        payload = DeptAttest(
            case=self.case(n),
            document=self.document(item, n),
            item=item,  # type: ignore[arg-type]
            contract=covered,
        )
        return self._item(_DEPARTMENT[item], n, "dept_attest", payload)

    def _accept(self, n: int) -> WorkItem:
        return self._item("registrar", n, "accept", Accept(case=self.case(n)))

    def _certify(self, n: int) -> WorkItem:
        payload = IssueCert(case=self.case(n), certificate=f"2026-{COUNTY}-{self._tag}{n:08d}")
        return self._item("registrar", n, "issue_cert", payload)


def _ask(query: str, arguments: dict[str, Any], expected: dict[str, Any]) -> Question:
    return Question(query, canonical_json(arguments), expected)
