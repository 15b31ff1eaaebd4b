"""Stories: a sale, a mortgage and its end, a seizure, a pause of the clock, a correction, a look behind consent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hnnode.errors import Rejected

UNIT = "411502001003GB00001F00010101"
HOUR_MS = 3_600_000


def document(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(name: str) -> str:
    return "0001" + document(f"person {name}")


def parts(**shares: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"holder": person(name), "share": share, "of": of} for name, (share, of) in shares.items()]


def test_a_sale_from_submission_to_certificate(world: Any) -> None:
    world.title(zhang=(1, 2), wang=(1, 2))
    world.submit("CASE-001", givers=[person("zhang")], takers=parts(li=(1, 3), zhang=(1, 6)))
    world.ok(world.agent, "attach_ref", case="CASE-001", document=document("survey"), source="housing")
    assert [each["case"] for each in world.query("material", document=document("survey"))["items"]] == ["CASE-001"]
    assert world.query("material", document=document("other"))["items"] == []
    world.ok(world.registrar, "accept", case="CASE-001")
    world.attest("CASE-001")
    world.ok(world.reviewer, "review", case="CASE-001")
    booked = world.ok(world.registrar, "book", case="CASE-001")
    assert [name for name, _, _ in booked.events] == ["realestate.booked"]
    assert booked.events[0][2] == {"unit": UNIT, "kind": "transfer", "version": 2, "overdue": False}
    issued = world.ok(world.registrar, "issue_cert", case="CASE-001", certificate="2026-411502-0000001")
    assert [name for name, _, _ in issued.events] == ["realestate.cert_issued"]
    assert world.query("certificate", certificate="2026-411502-0000001")["valid"]
    found = world.case("CASE-001")
    assert (found["status"], found["clock"], found["place"]) == ("certified", "closed", None)
    assert [one["passed"] for one in found["attestations"]] == [True] * 8
    page = world.unit()
    assert (page["version"], page["holders"], page["edition"], page["case"]) == (2, 3, 2, "CASE-001")
    assert [world.holds(name) for name in ("zhang", "wang", "li", "zhao")] == [True, True, True, False]
    world.check()
    world.booked("CASE-002", givers=[person("zhang"), person("wang")], takers=parts(li=(2, 3)))
    assert world.unit()["holders"] == 1
    assert not world.query("certificate", certificate="2026-411502-0000001")["valid"]
    world.check()


def test_a_first_registration_and_land_without_a_building(world: Any) -> None:
    land = "411502001003GB00002W00000000"
    world.booked("CASE-001", "first", land, right="state_land_use", takers=parts(zhang=(1, 1)))
    page = world.unit(land)
    assert (page["right"], page["version"], page["change"]) == ("state_land_use", 1, "created")
    world.booked("CASE-002", "cancel", land)
    page = world.unit(land)
    assert (page["status"], page["holders"]) == ("cancelled", 0)
    assert not world.holds("zhang", land)
    world.check()


def test_what_held_is_told_for_every_height_and_time(world: Any) -> None:
    world.title()
    imported = world.chain.state.height, world.chain.time_ms
    world.seize()
    seized = world.chain.state.height, world.chain.time_ms
    world.ok(world.court, "unseize", unit=UNIT, right="SEIZE-1", document=document("lifted"))
    lifted = world.chain.state.height, world.chain.time_ms
    seen = {}
    for (height, time_ms), version, flag in ((imported, 1, False), (seized, 2, True), (lifted, 3, False)):
        by_height = world.query("unit_at", unit=UNIT, height=height)
        assert (by_height["version"], by_height["seized"]) == (version, flag)
        assert world.query("unit_at", unit=UNIT, time_ms=time_ms)["version"] == version
        seen[height] = by_height
    world.booked("CASE-001")
    for height, page in seen.items():
        again = world.query("unit_at", unit=UNIT, height=height)
        assert {**again, "as_of_height": 0} == {**page, "as_of_height": 0}
    listed = world.query("history", unit=UNIT, limit=2)
    assert [one["version"] for one in listed["items"]] == [4, 3]
    rest = world.query("history", unit=UNIT, before=listed["next"])
    assert ([one["version"] for one in rest["items"]], rest["next"]) == ([2, 1], None)
    for arguments in ({"height": 0}, {"time_ms": 1}, {}, {"height": 1, "time_ms": 1}, {"height": 10**6}):
        with pytest.raises(Rejected):
            world.query("unit_at", unit=UNIT, **arguments)


def test_a_mortgage_goes_with_the_unit_only_if_the_bank_agrees(world: Any) -> None:
    world.title()
    world.booked("LOAN-001", "mortgage")
    assert world.query("restricted", unit=UNIT)["mortgaged"]
    entry = world.unit()["entries"][0]
    assert (entry["kind"], entry["order"], entry["party"]) == ("mortgage", 1, world.bank.hex())
    world.booked("LOAN-002", "mortgage")
    assert [one["order"] for one in world.unit()["entries"]] == [1, 2]
    world.reviewed("CASE-001")
    world.refused("mortgagee_missing", world.registrar, "book", case="CASE-001")
    for right in ("LOAN-001", "LOAN-002"):
        world.ok(world.bank, "agree", case="CASE-001", right=right)
    world.ok(world.registrar, "book", case="CASE-001")
    assert world.holds("li")
    assert world.unit()["mortgaged"]
    for right in ("LOAN-001", "LOAN-002"):
        world.ok(world.bank, "release", unit=UNIT, right=right, document=document("paid"))
    assert not world.query("restricted", unit=UNIT)["mortgaged"]
    world.check()


def test_seizures_wait_for_each_other_and_expire(world: Any) -> None:
    world.title()
    world.reviewed("CASE-001")
    world.seize("SEIZE-1", days=1)
    world.seize("SEIZE-2", days=3, court=world.other_court)
    world.refused("seized", world.registrar, "book", case="CASE-001")
    world.chain.advance(24 * HOUR_MS)
    world.refused("seized", world.registrar, "book", case="CASE-001")
    outcome = world.ok(world.nobody, "lapse", unit=UNIT)
    assert outcome.events[0][2] == {"right": "SEIZE-1", "kind": "seizure"}
    assert world.unit()["status"] == "seized"
    world.chain.advance(48 * HOUR_MS)
    assert world.query("restricted", unit=UNIT)["seized"], "struck off by an entry, not by the clock"
    booked = world.ok(world.registrar, "book", case="CASE-001")
    assert world.events([booked]) == ["realestate.lapsed", "realestate.booked"]
    assert (world.unit()["status"], world.holds("li")) == ("registered", True)
    world.check()


def test_cases_are_booked_in_the_order_of_their_acceptance(world: Any) -> None:
    world.title()
    for name in ("CASE-001", "CASE-002"):
        world.submit(name)
    for name in ("CASE-002", "CASE-001"):
        world.ok(world.registrar, "accept", case=name)
        world.attest(name)
        world.ok(world.reviewer, "review", case=name)
    assert world.query("queue", unit=UNIT)["items"] == ["CASE-002", "CASE-001"]
    assert world.case("CASE-001")["place"] == 2
    world.refused("not_first", world.registrar, "book", case="CASE-001")
    world.ok(world.agent, "withdraw", case="CASE-002")
    world.ok(world.registrar, "book", case="CASE-001")
    assert world.query("queue", unit=UNIT)["items"] == []
    world.check()


def test_the_clock_stands_while_the_applicant_is_asked(world: Any) -> None:
    """Half a working day is three and a half hours: asked at 10:30, answered the next day at 16:00."""
    world.title()
    world.submit("CASE-001")
    accepted = world.ok(world.registrar, "accept", case="CASE-001")
    noon = world.chain.time_ms - world.chain.time_ms % (12 * HOUR_MS) + 4 * HOUR_MS
    assert accepted.events[0][2]["due_ms"] == noon
    world.chain.time_ms = noon - 90 * 60_000 - world.chain.block_ms
    asked = world.ok(world.registrar, "supplement", case="CASE-001", document=document("notice"))
    assert asked.events[0][2]["left_ms"] == 90 * 60_000
    assert world.case("CASE-001")["clock"] == "standing"
    world.chain.time_ms = noon + 28 * HOUR_MS - world.chain.block_ms
    answered = world.ok(world.agent, "resubmit", case="CASE-001")
    assert answered.events[0][2]["due_ms"] == noon + 28 * HOUR_MS + 90 * 60_000  # 17:30
    listed = world.query("due", until_ms=noon + 30 * HOUR_MS)["items"]
    assert listed == [{"case": "CASE-001", "due_ms": noon + 28 * HOUR_MS + 90 * 60_000}]
    world.refused("not_overdue", world.nobody, "report_overdue", case="CASE-001")
    world.chain.advance(2 * HOUR_MS)
    overdue = world.ok(world.nobody, "report_overdue", case="CASE-001")
    assert world.events([overdue]) == ["realestate.overdue"]
    world.attest("CASE-001")
    world.ok(world.reviewer, "review", case="CASE-001")
    booked = world.ok(world.registrar, "book", case="CASE-001")
    assert booked.events[0][2]["overdue"]
    world.check()


def test_a_new_contract_voids_what_covered_the_old_one(world: Any) -> None:
    world.title()
    world.accepted("CASE-001")
    world.attest("CASE-001")
    world.ok(world.registrar, "supplement", case="CASE-001", document=document("n"), items=["funds"])
    world.ok(world.agent, "resubmit", case="CASE-001", contract=document("second contract"))
    standing = {one["item"]: one["passed"] for one in world.case("CASE-001")["attestations"]}
    voided = {"contract": None, "deed_tax": None, "invoice": None, "funds": None}
    assert {item: passed for item, passed in standing.items() if passed is None} == voided
    world.attest("CASE-001", "contract", "deed_tax", "invoice", "funds")
    world.ok(world.reviewer, "review", case="CASE-001")
    world.check()


def test_a_new_contract_voids_what_a_mortgagee_agreed_to(world: Any) -> None:
    world.title()
    world.booked("LOAN-001", "mortgage")
    world.accepted("CASE-001")
    world.ok(world.bank, "agree", case="CASE-001", right="LOAN-001")
    world.ok(world.registrar, "supplement", case="CASE-001", document=document("n"), items=[])
    world.ok(world.agent, "resubmit", case="CASE-001")
    assert world.case("CASE-001")["agreed"] == ["LOAN-001"]
    world.ok(world.registrar, "supplement", case="CASE-001", document=document("n"), items=[])
    world.ok(world.agent, "resubmit", case="CASE-001", contract=document("second contract"))
    assert world.case("CASE-001")["agreed"] == []
    world.attest("CASE-001")
    world.ok(world.reviewer, "review", case="CASE-001")
    world.refused("mortgagee_missing", world.registrar, "book", case="CASE-001")
    world.ok(world.bank, "agree", case="CASE-001", right="LOAN-001")
    world.ok(world.registrar, "book", case="CASE-001")
    world.check()


def test_a_failed_attestation_is_given_anew_after_a_supplement(world: Any) -> None:
    world.title()
    world.accepted("CASE-001")
    world.attest("CASE-001", "eligibility", passed=False)
    world.attest("CASE-001", "identity", "household", "marriage", "contract", "funds", "deed_tax", "invoice")
    world.refused("attestation_failed", world.reviewer, "review", case="CASE-001")
    world.ok(world.reviewer, "supplement", case="CASE-001", document=document("n"), items=["eligibility"])
    world.attest("CASE-001", "eligibility")
    world.ok(world.agent, "resubmit", case="CASE-001")
    world.ok(world.reviewer, "review", case="CASE-001")


def test_notices_and_objections_hold_back_what_they_are_for(world: Any) -> None:
    world.title()
    world.booked("NOTE-001", "pre_notice")
    world.reviewed("CASE-001", takers=parts(zhao=(1, 1)))
    world.refused("pre_noticed", world.registrar, "book", case="CASE-001")
    world.ok(world.agent, "withdraw", case="CASE-001")
    world.reviewed("CASE-002")
    objector = person("wang")
    world.ok(world.registrar, "objection", unit=UNIT, right="OBJ-001", objector=objector, document=document("o"))
    assert world.query("restricted", unit=UNIT)["disputed"]
    world.refused("objected", world.registrar, "book", case="CASE-002")
    world.ok(world.registrar, "book", case="CASE-002", acknowledged=True)
    assert [one["kind"] for one in world.unit()["entries"]] == ["objection"]
    world.ok(world.reviewer, "cancel", unit=UNIT, right="OBJ-001", document=document("settled"))
    assert world.unit()["entries"] == []
    world.check()


def test_a_correction_keeps_the_wrong_entry_and_voids_its_certificate(world: Any) -> None:
    world.title()
    world.booked("CASE-001")
    world.ok(world.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")
    outcome = world.ok(
        world.reviewer,
        "correct",
        unit=UNIT,
        document=document("decision"),
        certificate="CERT-002",
        holders=parts(li=(1, 2), zhao=(1, 2)),
    )
    assert world.events([outcome]) == ["realestate.corrected", "realestate.cert_issued"]
    assert [world.query("certificate", certificate=f"CERT-00{n}")["valid"] for n in (1, 2)] == [False, True]
    newest, wrong = world.query("history", unit=UNIT)["items"][:2]
    assert (newest["change"], newest["corrects"], newest["holders"], wrong["holders"]) == ("corrected", 2, 2, 1)
    world.check()


def test_a_holders_units_are_told_behind_a_logged_use(world: Any) -> None:
    world.title()
    other = "411502001003GB00001F00010102"
    world.title(other, zhang=(1, 3), li=(2, 3))
    owner = world.chain.account("zhang on the phone")
    world.ok(world.police, "bind_holder", holder=person("zhang"), account=owner.hex())
    grant = "ab" * 16
    terms = {"grant": grant, "holder": person("zhang"), "purpose": "loan", "uses": 2}
    until = world.chain.time_ms + HOUR_MS
    world.ok(owner, "grant", grantee=world.bank.hex(), until_ms=until, **terms)
    used = world.ok(world.bank, "use_grant", grant=grant, purpose="loan")
    key = used.events[0][2]["use"]
    found = world.query("holder_units", use=key)
    assert [(one["unit"], one["share"], one["of"]) for one in found["items"]] == [(UNIT, 1, 1), (other, 1, 3)]
    first = world.query("holder_units", use=key, limit=1)
    assert [one["unit"] for one in first["items"]] == [UNIT]
    assert [one["unit"] for one in world.query("holder_units", use=key, limit=1, after=first["next"])["items"]] == [
        other
    ]
    assert world.query("grant", grant=grant)["uses"] == 1
    world.ok(owner, "revoke", grant=grant)
    world.refused("grant_revoked", world.bank, "use_grant", grant=grant, purpose="loan")
    world.ok(world.governor, "set_parameters", half_days=1, objection_days=15, use_blocks=1, import_open=True)
    for use in (key, "", "00" * 55):
        with pytest.raises(Rejected, match="no such use"):
            world.query("holder_units", use=use)


def test_several_transactions_of_one_case_in_one_block(world: Any) -> None:
    """Departments answer in the block in which the case is submitted, accepted, reviewed and booked."""
    world.title()
    request = world.request("CASE-001")
    txs: list[Any] = [(world.agent, "submit", request), (world.registrar, "accept", {"case": "CASE-001"})]
    for item, office in (
        ("identity", "police"),
        ("household", "police"),
        ("marriage", "civil"),
        ("contract", "housing"),
        ("eligibility", "housing"),
        ("funds", "housing"),
        ("deed_tax", "tax"),
        ("invoice", "tax"),
        ("invoice", "tax"),
    ):
        payload = {"case": "CASE-001", "item": item, "document": document(item), "contract": request["contract"]}
        txs.append((world.departments[office], "dept_attest", payload))
    txs += [(world.reviewer, "review", {"case": "CASE-001"}), (world.registrar, "book", {"case": "CASE-001"})]
    outcomes = world.chain.block(txs)
    assert [outcome.rule for outcome in outcomes if not outcome.ok] == ["realestate.item_attested"]
    assert world.holds("li")
    world.check()


def test_no_answer_names_a_holder(world: Any) -> None:
    """What anybody may ask holds no reference of a person, though the chain's own records do."""
    world.title()
    world.booked("NOTE-001", "pre_notice")
    world.submit("CASE-001")
    answers = [
        world.case("CASE-001"),
        world.unit(),
        world.query("history", unit=UNIT),
        world.query("unit_at", unit=UNIT, height=1),
        world.query("restricted", unit=UNIT),
        world.query("queue", unit=UNIT),
    ]
    for name in ("zhang", "li"):
        assert person(name) not in str(answers)


def test_a_calendar_entry_moves_deadlines(world: Any) -> None:
    day = 5
    world.ok(world.governor, "set_calendar", year=2026, free=[day + 1, day + 2], worked=[])
    assert world.query("calendar", year=2026) == {
        "as_of_height": world.chain.state.height,
        "year": 2026,
        "free": [6, 7],
        "worked": [],
    }
    world.title()
    world.chain.time_ms += 10 * HOUR_MS  # 18:00: the next working day is Thursday
    world.submit("CASE-001")
    due = world.ok(world.registrar, "accept", case="CASE-001").events[0][2]["due_ms"]
    start = 1_767_571_200_000
    assert due == start + 3 * 24 * HOUR_MS + 4 * HOUR_MS


def test_parameters_set_the_time_for_handling(world: Any) -> None:
    assert world.query("parameters")["half_days"] == 1
    world.ok(world.governor, "set_parameters", half_days=6, objection_days=15, use_blocks=10, import_open=False)
    world.refused("import_closed", world.registrar, "import_titles", titles=[
        {"unit": UNIT, "document": document("old"), "holders": parts(zhang=(1, 1))}
    ])  # fmt: skip
    world.submit("CASE-001", "first", takers=parts(zhang=(1, 1)))
    due = world.ok(world.registrar, "accept", case="CASE-001").events[0][2]["due_ms"]
    assert due == 1_767_571_200_000 + 2 * 24 * HOUR_MS + int(9.5 * HOUR_MS)


def test_the_sample_runs_from_import_to_release(world: Any) -> None:
    """`samples/sale.jsonl`, each line signed by the account of its role."""
    people: dict[str, bytes] = {}
    lines = (Path(__file__).parents[1] / "samples" / "sale.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        job = json.loads(line)
        sender = people.setdefault(job["key"], world.chain.account(job["key"], job["key"]))
        world.ok(sender, job["action"], **job["payload"])
    page = world.unit()
    assert (page["version"], page["holders"], page["mortgaged"], page["seized"]) == (6, 1, False, False)
    assert world.query("certificate", certificate="2026-411502-0000001")["valid"]
    world.check()
