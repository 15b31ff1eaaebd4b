"""One scene for each rule, in which it refuses; roles and malformed payloads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hn_realestate import models
from hn_realestate.rules import RULES
from hn_realestate.state import QUEUE_MAX, RIGHTS_MAX

UNIT = "411502001003GB00001F00010101"
OTHER_UNIT = "411502001003GB00001F00010102"
CITIZEN = "11010519491231002X"
DOC = "ab" * 32
GRANT = "cd" * 16
HOUR_MS = 3_600_000
SCENES: dict[str, Callable[[Any], None]] = {}


def scene(test: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[test.__name__] = test
    return test


def person(name: str) -> str:
    return "0001" + hashlib.sha256(f"person {name}".encode()).hexdigest()


def parts(**shares: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"holder": person(name), "share": share, "of": of} for name, (share, of) in shares.items()]


def granted(w: Any, **more: Any) -> bytes:
    """A grant of zhang's to the bank, good for an hour; returns zhang's account."""
    owner: bytes = w.chain.account("owner")
    w.ok(w.police, "bind_holder", holder=person("zhang"), account=owner.hex())
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    w.ok(owner, "grant", **{**terms, "until_ms": w.chain.time_ms + HOUR_MS, **more})
    return owner


@scene
def attestation_failed(w: Any) -> None:
    w.title()
    w.accepted("CASE-001")
    w.attest("CASE-001", "identity", passed=False)
    w.attest("CASE-001", "household", "marriage", "contract", "eligibility", "funds", "deed_tax", "invoice")
    w.refused("attestation_failed", w.reviewer, "review", case="CASE-001")


@scene
def attestation_missing(w: Any) -> None:
    w.title()
    w.accepted("CASE-001")
    w.attest("CASE-001", "identity", "household", "marriage", "contract", "eligibility", "funds", "deed_tax")
    w.refused("attestation_missing", w.reviewer, "review", case="CASE-001")


@scene
def calendar_day(w: Any) -> None:
    for free, worked in (([365 + 1], []), ([10], []), ([12, 12], []), ([], [12])):  # 10 January 2026 is a Saturday
        w.refused("calendar_day", w.governor, "set_calendar", year=2026, free=free, worked=worked)


@scene
def calendar_past(w: Any) -> None:
    w.refused("calendar_past", w.governor, "set_calendar", year=2026, free=[5])
    w.ok(w.governor, "set_calendar", year=2026, free=[6])


@scene
def calendar_span(w: Any) -> None:
    w.submit("CASE-001", "first")
    with patch("hnnode.plugin_api.std.calendar.SPAN_DAYS_MAX", 0):
        w.refused("calendar_span", w.registrar, "accept", case="CASE-001")


@scene
def case_closed(w: Any) -> None:
    w.submit("CASE-001", "first")
    w.ok(w.agent, "withdraw", case="CASE-001")
    w.refused("case_closed", w.police, "dept_attest", case="CASE-001", item="identity", document=DOC)


@scene
def case_exists(w: Any) -> None:
    w.submit("CASE-001")
    w.refused("case_exists", w.rival, "submit", **w.request("CASE-001"))


@scene
def case_unknown(w: Any) -> None:
    for sender, action, more in (
        (w.agent, "attach_ref", {"document": DOC, "source": "tax"}),
        (w.police, "dept_attest", {"item": "identity", "document": DOC}),
        (w.registrar, "accept", {}),
        (w.registrar, "supplement", {"document": DOC}),
        (w.agent, "resubmit", {}),
        (w.reviewer, "review", {}),
        (w.registrar, "book", {}),
        (w.registrar, "issue_cert", {"certificate": "CERT-001"}),
        (w.agent, "withdraw", {}),
        (w.reviewer, "reject", {"document": DOC, "reason": "law"}),
        (w.bank, "mortgage", {"contract": DOC, "amount": DOC}),
        (w.bank, "agree", {"right": "LOAN-001"}),
        (w.nobody, "report_overdue", {}),
    ):
        w.refused("case_unknown", sender, action, case="NO-CASE", **more)


@scene
def certificate_exists(w: Any) -> None:
    for case, unit in (("CASE-001", UNIT), ("CASE-002", OTHER_UNIT)):
        w.booked(case, "first", unit)
    w.ok(w.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")
    w.refused("certificate_exists", w.registrar, "issue_cert", case="CASE-002", certificate="CERT-001")
    holders = parts(li=(1, 1))
    w.refused(
        "certificate_exists", w.chief, "correct", unit=UNIT, document=DOC, certificate="CERT-001", holders=holders
    )


@scene
def clock_stands(w: Any) -> None:
    w.submit("CASE-001", "first")
    w.refused("clock_stands", w.nobody, "report_overdue", case="CASE-001")


@scene
def contract_not_covered(w: Any) -> None:
    w.submit("CASE-001")
    for item, office in (("contract", "housing"), ("invoice", "tax")):
        for other in ({}, {"contract": DOC}):
            w.refused("contract_not_covered", w.departments[office], "dept_attest", case="CASE-001", item=item,
                      document=DOC, **other)  # fmt: skip


@scene
def entry_changed(w: Any) -> None:
    w.title()
    w.booked("CASE-001")
    w.booked("CASE-002", givers=[person("li")], takers=parts(zhao=(1, 1)))
    w.refused("entry_changed", w.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")
    w.ok(w.registrar, "issue_cert", case="CASE-002", certificate="CERT-001")


@scene
def four_eyes(w: Any) -> None:
    w.submit("CASE-001", "first")
    w.ok(w.chief, "accept", case="CASE-001")
    w.attest("CASE-001")
    w.refused("four_eyes", w.chief, "review", case="CASE-001")
    w.ok(w.reviewer, "review", case="CASE-001")
    w.ok(w.chief, "book", case="CASE-001")
    change = {"unit": UNIT, "document": DOC, "certificate": "CERT-001", "holders": parts(li=(1, 1))}
    w.refused("four_eyes", w.chief, "correct", **change)
    w.ok(w.reviewer, "correct", **change)


@scene
def grant_exists(w: Any) -> None:
    owner = granted(w)
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.court.hex(), "purpose": "lawsuit"}
    w.refused("grant_exists", owner, "grant", until_ms=w.chain.time_ms + HOUR_MS, **terms)


@scene
def grant_expired(w: Any) -> None:
    granted(w)
    w.chain.advance(HOUR_MS)
    w.refused("grant_expired", w.bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def grant_period(w: Any) -> None:
    owner = granted(w)
    terms = {"grant": "ef" * 16, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    w.refused("grant_period", owner, "grant", until_ms=w.chain.time_ms + w.chain.block_ms, **terms)


@scene
def grant_purpose(w: Any) -> None:
    granted(w)
    w.refused("grant_purpose", w.bank, "use_grant", grant=GRANT, purpose="lawsuit")


@scene
def grant_revoked(w: Any) -> None:
    owner = granted(w)
    w.ok(owner, "revoke", grant=GRANT)
    w.refused("grant_revoked", w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_revoked", owner, "revoke", grant=GRANT)


@scene
def grant_unknown(w: Any) -> None:
    w.refused("grant_unknown", w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_unknown", w.nobody, "revoke", grant=GRANT)


@scene
def grant_used_up(w: Any) -> None:
    granted(w, uses=2)
    for _ in range(2):
        w.ok(w.bank, "use_grant", grant=GRANT, purpose="loan")
    w.refused("grant_used_up", w.bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def history_full(w: Any) -> None:
    w.title()
    with patch("hnnode.plugin_api.std.registry.VERSIONS_MAX", 1):
        w.refused("history_full", w.court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)


@scene
def import_closed(w: Any) -> None:
    terms = {"half_days": 1, "objection_days": 15, "use_blocks": 1}
    w.ok(w.governor, "set_parameters", import_open=False, **terms)
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 1))}
    w.refused("import_closed", w.registrar, "import_titles", titles=[entry])
    w.refused("import_closed", w.governor, "set_parameters", import_open=True, **terms)
    w.ok(w.governor, "set_parameters", import_open=False, **terms)


@scene
def item_attested(w: Any) -> None:
    w.submit("CASE-001")
    w.attest("CASE-001", "identity")
    w.refused("item_attested", w.police, "dept_attest", case="CASE-001", item="identity", document=DOC, passed=False)


@scene
def item_early(w: Any) -> None:
    w.submit("CASE-001")
    late = {"case": "CASE-001", "item": "deed_tax", "document": DOC, "contract": w.case("CASE-001")["contract"]}
    w.refused("item_early", w.departments["tax"], "dept_attest", **late)
    w.attest("CASE-001", "contract", passed=False)
    w.refused("item_early", w.departments["tax"], "dept_attest", **late)


@scene
def item_not_asked(w: Any) -> None:
    w.submit("CASE-001", "mortgage")
    w.refused("item_not_asked", w.police, "dept_attest", case="CASE-001", item="household", document=DOC)
    w.ok(w.registrar, "import_titles", titles=[{"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 1))}])
    w.ok(w.registrar, "accept", case="CASE-001")
    w.refused("item_not_asked", w.registrar, "supplement", case="CASE-001", document=DOC, items=["funds"])


@scene
def materials_full(w: Any) -> None:
    w.submit("CASE-001")
    for _ in range(models.MATERIALS_MAX):
        w.ok(w.agent, "attach_ref", case="CASE-001", document=DOC, source="civil")
    w.refused("materials_full", w.agent, "attach_ref", case="CASE-001", document=DOC, source="civil")


@scene
def mortgagee_missing(w: Any) -> None:
    w.title()
    w.accepted("LOAN-001", "mortgage")
    w.attest("LOAN-001")
    w.refused("mortgagee_missing", w.reviewer, "review", case="LOAN-001")
    w.sign("LOAN-001")
    w.ok(w.reviewer, "review", case="LOAN-001")
    w.ok(w.registrar, "book", case="LOAN-001")
    for case, kind in (("CASE-001", "transfer"), ("CASE-002", "cancel")):
        w.reviewed(case, kind)
        w.refused("mortgagee_missing", w.registrar, "book", case=case)
        w.ok(w.agent, "withdraw", case=case)


@scene
def mortgagee_signed(w: Any) -> None:
    w.title()
    w.submit("LOAN-001", "mortgage")
    w.sign("LOAN-001")
    w.refused("mortgagee_signed", w.other_bank, "mortgage", case="LOAN-001", contract=DOC, amount=DOC)
    w.sign("LOAN-001")  # the same bank may correct its terms
    w.booked("LOAN-002", "mortgage")
    w.submit("CASE-001")
    w.ok(w.bank, "agree", case="CASE-001", right="LOAN-002")
    w.refused("mortgagee_signed", w.bank, "agree", case="CASE-001", right="LOAN-002")


@scene
def no_certificate(w: Any) -> None:
    w.title()
    w.booked("LOAN-001", "mortgage")
    w.refused("no_certificate", w.registrar, "issue_cert", case="LOAN-001", certificate="CERT-001")


@scene
def not_applicant(w: Any) -> None:
    w.title()
    w.accepted("CASE-001")
    w.refused("not_applicant", w.rival, "attach_ref", case="CASE-001", document=DOC, source="tax")
    w.refused("not_applicant", w.rival, "withdraw", case="CASE-001")
    w.ok(w.registrar, "supplement", case="CASE-001", document=DOC)
    w.refused("not_applicant", w.rival, "resubmit", case="CASE-001")


@scene
def not_bound(w: Any) -> None:
    terms = {"grant": GRANT, "holder": person("zhang"), "grantee": w.bank.hex(), "purpose": "loan"}
    until = w.chain.time_ms + HOUR_MS
    w.refused("not_bound", w.nobody, "grant", until_ms=until, **terms)
    w.ok(w.police, "bind_holder", holder=person("zhang"), account=w.rival.hex())
    w.refused("not_bound", w.nobody, "grant", until_ms=until, **terms)
    w.ok(w.rival, "grant", until_ms=until, **terms)


@scene
def not_court(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("not_court", w.other_court, "unseize", unit=UNIT, right="SEIZE-1", document=DOC)


@scene
def not_department(w: Any) -> None:
    w.submit("CASE-001")
    for office in ("tax", "housing", "civil"):
        w.refused("not_department", w.departments[office], "dept_attest", case="CASE-001", item="identity",
                  document=DOC)  # fmt: skip


@scene
def not_first(w: Any) -> None:
    w.title()
    w.accepted("CASE-001")
    w.reviewed("CASE-002")
    w.refused("not_first", w.registrar, "book", case="CASE-002")
    w.ok(w.registrar, "reject", case="CASE-001", document=DOC, reason="dispute")
    w.ok(w.registrar, "book", case="CASE-002")


@scene
def not_grantee(w: Any) -> None:
    granted(w)
    w.refused("not_grantee", w.other_bank, "use_grant", grant=GRANT, purpose="loan")


@scene
def not_granter(w: Any) -> None:
    granted(w)
    w.refused("not_granter", w.bank, "revoke", grant=GRANT)


@scene
def not_mortgage(w: Any) -> None:
    w.submit("CASE-001")
    w.refused("not_mortgage", w.bank, "mortgage", case="CASE-001", contract=DOC, amount=DOC)


@scene
def not_mortgagee(w: Any) -> None:
    w.title()
    w.booked("LOAN-001", "mortgage")
    w.submit("CASE-001")
    w.refused("not_mortgagee", w.other_bank, "agree", case="CASE-001", right="LOAN-001")
    w.refused("not_mortgagee", w.other_bank, "release", unit=UNIT, right="LOAN-001", document=DOC)


@scene
def not_overdue(w: Any) -> None:
    w.accepted("CASE-001", "first")
    w.refused("not_overdue", w.nobody, "report_overdue", case="CASE-001")
    w.chain.advance(24 * HOUR_MS)
    w.ok(w.nobody, "report_overdue", case="CASE-001")
    w.refused("not_overdue", w.nobody, "report_overdue", case="CASE-001")


@scene
def nothing_expired(w: Any) -> None:
    w.title()
    w.seize(days=1)
    w.refused("nothing_expired", w.nobody, "lapse", unit=UNIT)


@scene
def objected(w: Any) -> None:
    w.title()
    w.ok(w.registrar, "objection", unit=UNIT, right="OBJ-001", objector=person("wang"), document=DOC)
    w.reviewed("CASE-001")
    w.refused("objected", w.registrar, "book", case="CASE-001")
    w.chain.advance(15 * 24 * HOUR_MS)
    w.ok(w.registrar, "book", case="CASE-001")  # the objection has lapsed


@scene
def parties_missing(w: Any) -> None:
    for change in ({"givers": []}, {"takers": []}):
        w.refused("parties_missing", w.agent, "submit", **w.request("CASE-001", **change))
    for change in ({"takers": []}, {"takers": parts(a=(1, 2), b=(1, 2))}, {"givers": [person("zhang")]}):
        w.refused("parties_missing", w.agent, "submit", **w.request("CASE-001", "pre_notice", **change))


@scene
def parties_odd(w: Any) -> None:
    for kind in ("mortgage", "cancel"):
        w.refused("parties_odd", w.agent, "submit", **w.request("CASE-001", kind, takers=parts(li=(1, 1))))
        w.refused("parties_odd", w.agent, "submit", **w.request("CASE-001", kind, givers=[person("zhang")]))


@scene
def personal_data(w: Any) -> None:
    for name in ("13812345678", CITIZEN, f"CASE-{CITIZEN}"):
        w.refused("personal_data", w.agent, "submit", **w.request(name))
    w.booked("CASE-001", "first")
    w.refused("personal_data", w.registrar, "issue_cert", case="CASE-001", certificate=CITIZEN)
    w.refused("personal_data", w.court, "seize", unit=UNIT, right=CITIZEN, document=DOC, days=1)
    w.refused(
        "personal_data", w.registrar, "objection", unit=UNIT, right="13812345678", objector=person("a"), document=DOC
    )


@scene
def pre_noticed(w: Any) -> None:
    w.title()
    w.booked("NOTE-001", "pre_notice")
    for case, kind, more in (
        ("CASE-001", "transfer", {"takers": parts(zhao=(1, 1))}),
        ("CASE-002", "mortgage", {}),
        ("CASE-003", "pre_notice", {}),
        ("CASE-004", "cancel", {}),
    ):
        w.reviewed(case, kind, **more)
        w.refused("pre_noticed", w.registrar, "book", case=case)
        w.ok(w.agent, "withdraw", case=case)
    w.booked("CASE-005")
    assert w.unit()["entries"] == []


@scene
def queue_full(w: Any) -> None:
    w.title()
    for n in range(QUEUE_MAX):
        w.accepted(f"CASE-{n:03}")
    w.submit("CASE-999")
    w.refused("queue_full", w.registrar, "accept", case="CASE-999")
    w.ok(w.agent, "withdraw", case="CASE-007")
    w.ok(w.registrar, "accept", case="CASE-999")


@scene
def right_exists(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("right_exists", w.other_court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)


@scene
def right_unknown(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("right_unknown", w.court, "unseize", unit=UNIT, right="SEIZE-2", document=DOC)
    w.refused("right_unknown", w.bank, "release", unit=UNIT, right="SEIZE-1", document=DOC)
    w.refused("right_unknown", w.reviewer, "cancel", unit=UNIT, right="SEIZE-1", document=DOC)
    w.submit("CASE-001")
    w.refused("right_unknown", w.bank, "agree", case="CASE-001", right="SEIZE-1")


@scene
def rights_full(w: Any) -> None:
    w.title()
    for n in range(RIGHTS_MAX):
        w.seize(f"SEIZE-{n:02}")
    w.refused("rights_full", w.court, "seize", unit=UNIT, right="SEIZE-99", document=DOC, days=1)


@scene
def seized(w: Any) -> None:
    w.title()
    for case, kind in (("CASE-001", "transfer"), ("CASE-002", "mortgage"), ("CASE-003", "pre_notice")):
        w.submit(case, kind)
    w.reviewed("CASE-004", "cancel")
    w.seize()
    for case in ("CASE-001", "CASE-002", "CASE-003"):
        w.refused("seized", w.registrar, "accept", case=case)
    w.refused("seized", w.registrar, "book", case="CASE-004")
    w.ok(w.court, "unseize", unit=UNIT, right="SEIZE-1", document=DOC)
    w.ok(w.registrar, "book", case="CASE-004")


@scene
def shares_unbalanced(w: Any) -> None:
    for takers in ([], parts(a=(1, 2)), parts(a=(1, 2), b=(1, 2), c=(1, 9)), parts(a=(2, 1))):
        w.refused("shares_unbalanced", w.agent, "submit", **w.request("CASE-001", "first", takers=takers))
    given = {"givers": [person("zhang")]}
    w.refused("shares_unbalanced", w.agent, "submit", **w.request("CASE-001", "first", **given))
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 2))}
    w.refused("shares_unbalanced", w.registrar, "import_titles", titles=[entry])
    w.title(zhang=(1, 2), wang=(1, 2))
    for n, (givers, takers) in enumerate(
        (
            ([person("zhang")], parts(li=(1, 1))),
            ([person("zhang")], parts(li=(1, 3))),
            ([person("zhao")], parts(li=(1, 2))),
            ([person("zhang"), person("zhang")], parts(li=(1, 1))),
        )
    ):
        w.submit(f"CASE-{n:03}", givers=givers, takers=takers)
        w.refused("shares_unbalanced", w.registrar, "accept", case=f"CASE-{n:03}")
    wrong = {"unit": UNIT, "document": DOC, "certificate": "CERT-001", "holders": parts(li=(2, 3))}
    w.refused("shares_unbalanced", w.reviewer, "correct", **wrong)
    w.reviewed("SALE-001", givers=[person("zhang")], takers=parts(li=(1, 2)))
    w.reviewed("SALE-002", givers=[person("zhang")], takers=parts(li=(1, 2)))
    w.ok(w.registrar, "book", case="SALE-001")
    w.refused("shares_unbalanced", w.registrar, "book", case="SALE-002")  # zhang has nothing any more


@scene
def unit_exists(w: Any) -> None:
    w.submit("CASE-001", "first")
    w.reviewed("CASE-002", "first")
    w.title()
    w.refused("unit_exists", w.registrar, "accept", case="CASE-001")
    w.refused("unit_exists", w.registrar, "book", case="CASE-002")
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 1))}
    w.refused("unit_exists", w.registrar, "import_titles", titles=[entry])
    twice = [{**entry, "unit": OTHER_UNIT}] * 2
    w.refused("unit_exists", w.registrar, "import_titles", titles=twice)


@scene
def unit_invalid(w: Any) -> None:
    for unit in ("411502001003GB00001W00010101", "991502001003GB00001F00010101"):
        w.refused("unit_invalid", w.agent, "submit", **w.request("CASE-001", "first", unit))
        entry = {"unit": unit, "document": DOC, "holders": parts(zhang=(1, 1))}
        w.refused("unit_invalid", w.registrar, "import_titles", titles=[entry])


@scene
def unit_status(w: Any) -> None:
    w.title()
    w.reviewed("CASE-001", "cancel")
    w.submit("CASE-002")
    w.accepted("CASE-003")
    w.ok(w.registrar, "book", case="CASE-001")
    w.refused("unit_status", w.registrar, "accept", case="CASE-002")
    w.attest("CASE-003")
    w.ok(w.reviewer, "review", case="CASE-003")
    w.refused("unit_status", w.registrar, "book", case="CASE-003")
    w.refused("unit_status", w.court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)
    w.refused("unit_status", w.registrar, "objection", unit=UNIT, right="OBJ-001", objector=person("a"), document=DOC)
    wrong = {"unit": UNIT, "document": DOC, "certificate": "CERT-001", "holders": parts(li=(1, 1))}
    w.refused("unit_status", w.reviewer, "correct", **wrong)


@scene
def unit_unknown(w: Any) -> None:
    w.submit("CASE-001")
    w.refused("unit_unknown", w.registrar, "accept", case="CASE-001")
    right = {"unit": UNIT, "right": "RIGHT-1", "document": DOC}
    w.refused("unit_unknown", w.bank, "release", **right)
    w.refused("unit_unknown", w.court, "seize", days=1, **right)
    w.refused("unit_unknown", w.court, "unseize", **right)
    w.refused("unit_unknown", w.registrar, "objection", objector=person("a"), **right)
    w.refused("unit_unknown", w.reviewer, "cancel", **right)
    w.refused("unit_unknown", w.nobody, "lapse", unit=UNIT)
    w.refused("unit_unknown", w.reviewer, "correct", unit=UNIT, document=DOC, certificate="CERT-001",
              holders=parts(a=(1, 1)))  # fmt: skip
    w.refused("unit_unknown", w.bank, "agree", case="CASE-001", right="RIGHT-1")


@scene
def wrong_status(w: Any) -> None:
    w.submit("CASE-001", "first")
    after = (
        (w.registrar, "accept", {}),
        (w.registrar, "supplement", {"document": DOC}),
        (w.agent, "resubmit", {}),
        (w.reviewer, "review", {}),
        (w.registrar, "book", {}),
        (w.registrar, "issue_cert", {"certificate": "CERT-001"}),
        (w.agent, "withdraw", {}),
        (w.registrar, "reject", {"document": DOC, "reason": "law"}),
        (w.agent, "attach_ref", {"document": DOC, "source": "tax"}),
        (w.bank, "agree", {"right": "LOAN-001"}),
    )
    allowed = {
        "draft": {"accept", "withdraw", "reject", "attach_ref", "agree"},
        "accepted": {"supplement", "review", "withdraw", "reject", "attach_ref", "agree"},
        "supplement": {"resubmit", "withdraw", "reject", "attach_ref", "agree"},
        "reviewed": {"supplement", "book", "withdraw", "reject", "agree"},
        "booked": {"issue_cert"},
        "certified": set(),
    }
    for status, step in (
        ("draft", lambda: w.ok(w.registrar, "accept", case="CASE-001")),
        ("accepted", lambda: w.ok(w.registrar, "supplement", case="CASE-001", document=DOC)),
        ("supplement", lambda: (w.ok(w.agent, "resubmit", case="CASE-001"), w.attest("CASE-001"))),
        ("accepted", lambda: w.ok(w.reviewer, "review", case="CASE-001")),
        ("reviewed", lambda: w.ok(w.registrar, "book", case="CASE-001")),
        ("booked", lambda: w.ok(w.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")),
        ("certified", lambda: None),
    ):
        assert w.case("CASE-001")["status"] == status
        for sender, action, more in after:
            if action not in allowed[status]:
                w.refused("wrong_status", sender, action, case="CASE-001", **more)
        step()
    w.submit("LOAN-001", "mortgage")
    w.ok(w.agent, "withdraw", case="LOAN-001")
    w.refused("wrong_status", w.bank, "mortgage", case="LOAN-001", contract=DOC, amount=DOC)
    w.accepted("CASE-002", "first", OTHER_UNIT)
    w.ok(w.registrar, "supplement", case="CASE-002", document=DOC)
    w.refused("wrong_status", w.registrar, "accept", case="CASE-002")


def test_every_rule_has_a_scene_and_texts() -> None:
    assert set(SCENES) == {name for name, _, _ in RULES}
    assert all(zh != en and zh and en for _, zh, en in RULES)


@pytest.mark.parametrize("rule", sorted(name for name, _, _ in RULES))
def test_rule_refuses(world: Any, rule: str) -> None:
    SCENES[rule](world)
    world.check()


ANYBODY = {"report_overdue", "lapse", "grant", "revoke", "use_grant"}


def test_every_action_but_those_for_anybody_asks_for_its_role(world: Any) -> None:
    actions = world.chain.host.applications["realestate"].actions
    assert {name for name, action in actions.items() if not action.roles} == ANYBODY
    for name in actions:
        assert world.do(world.nobody, name).code == (4004 if name in ANYBODY else 4007), name


def test_no_payload_has_a_free_text_field() -> None:
    """Every text field is an enumeration, a fixed shape or a checked identifier."""
    for model in models.Payload.__subclasses__():
        for field in msgspec.inspect.type_info(model).fields:  # type: ignore[attr-defined]
            if isinstance(field.type, msgspec.inspect.StrType):
                assert field.type.pattern is not None, (model.__name__, field.name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("case", "short"),
        ("case", "lower-case"),
        ("case", "CASE-001\n"),
        ("case", "业务-000001"),
        ("unit", UNIT[:-1]),
        ("unit", UNIT.lower()),
        ("unit", f"{UNIT}\n"),
        ("unit", UNIT.replace("GB", "XB")),
        ("contract", "AB" * 32),
        ("contract", None),
        ("kind", "gift"),
        ("givers", [DOC]),
        ("givers", ["张三"]),
        ("givers", [person("zhang")] * 17),
        ("takers", [{"holder": person("li"), "share": 0, "of": 1}]),
        ("takers", [{"holder": person("li"), "share": 0.5, "of": 1}]),
        ("takers", [{"holder": person("li"), "share": 1, "of": 10**6 + 1}]),
        ("takers", [{"holder": person("li"), "share": 1, "of": 1, "name": "李四"}]),
        ("remark", "张三 13812345678"),
    ],
)
def test_malformed_payloads_are_invalid(world: Any, field: str, value: Any) -> None:
    payload = {**world.request("CASE-001"), field: value}
    assert world.do(world.agent, "submit", **payload).code == 4004
