"""Scenes of cases: their parties, attestations, steps and clocks."""

from __future__ import annotations

from typing import Any

from hn_realestate import models
from hn_realestate.state import QUEUE_MAX

from realestate_scenes.scene import CITIZEN, DOC, HOUR_MS, OTHER_UNIT, UNIT, parts, person, scene


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
def not_applicant(w: Any) -> None:
    w.title()
    w.accepted("CASE-001")
    w.refused("not_applicant", w.rival, "attach_ref", case="CASE-001", document=DOC, source="tax")
    w.refused("not_applicant", w.rival, "withdraw", case="CASE-001")
    w.ok(w.registrar, "supplement", case="CASE-001", document=DOC)
    w.refused("not_applicant", w.rival, "resubmit", case="CASE-001")


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
def not_mortgage(w: Any) -> None:
    w.submit("CASE-001")
    w.refused("not_mortgage", w.bank, "mortgage", case="CASE-001", contract=DOC, amount=DOC)


@scene
def not_overdue(w: Any) -> None:
    w.accepted("CASE-001", "first")
    w.refused("not_overdue", w.nobody, "report_overdue", case="CASE-001")
    w.chain.advance(24 * HOUR_MS)
    w.ok(w.nobody, "report_overdue", case="CASE-001")
    w.refused("not_overdue", w.nobody, "report_overdue", case="CASE-001")


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
def queue_full(w: Any) -> None:
    w.title()
    for n in range(QUEUE_MAX):
        w.accepted(f"CASE-{n:03}")
    w.submit("CASE-999")
    w.refused("queue_full", w.registrar, "accept", case="CASE-999")
    w.ok(w.agent, "withdraw", case="CASE-007")
    w.ok(w.registrar, "accept", case="CASE-999")


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
