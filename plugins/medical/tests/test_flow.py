"""The two stories from end to end, and what each query shows of them."""

from __future__ import annotations

from typing import Any

import pytest

from hnnode.errors import Rejected

DOC = "ab" * 32
PATIENT = "0001" + "5e" * 32
PRODUCT = "86904879000126"


def code(n: int) -> str:
    return f"8385793{n:013d}"


def test_a_pack_from_the_maker_to_the_settlement(world: Any) -> None:
    world.activated()
    container = code(1)
    packed = world.ok(world.maker, "aggregate", container=container, layer=4, packs=[world.tree.pack(1000)])
    assert packed.events[0][2] == {"packs": [code(1000)], "new": True, "contents": 1}
    world.ok(world.maker, "ship", shipment="TO-TRADER", to=world.trader.hex(), packs=[{"code": container}])
    assert world.query("shipments_waiting", receiver=world.trader.hex())["items"] == ["TO-TRADER"]
    assert world.query("code", code=code(1000))["receiver"] == world.trader.hex()
    world.ok(world.trader, "receive", shipment="TO-TRADER")
    assert world.query("shipments_waiting", receiver=world.trader.hex())["items"] == []

    # one box out of the case in the container goes on; nobody opens the rest
    world.ok(world.trader, "ship", shipment="TO-SHOP", to=world.shop.hex(), packs=[world.tree.pack(1100)])
    world.ok(world.shop, "receive", shipment="TO-SHOP")
    assert world.query("code", code=code(1100))["containers"] == []
    assert world.query("code", code=code(1000))["holder"] == world.trader.hex()
    world.check()

    before = world.query("scan", code=code(1101), **world.tree.proof(code(1101)))
    assert (before["state"], before["batch"], before["recalled"]) == ("received", "B1", False)
    assert not any(account.hex() in str(before) for account in (world.maker, world.trader, world.shop))
    done = world.ok(world.shop, "dispense", **world.dispense(1101))
    assert done.events == (("medical.dispensed", code(1101), {"by": world.shop.hex(), "rx": "cd" * 32}),)
    assert len(done.writes) == 2  # the pack and its box
    world.ok(world.insurer, "settle", code=code(1101), settlement=DOC)
    seen = world.query("scan", code=code(1101))
    assert (seen["state"], seen["scanned_again"], seen["dispensed_ms"]) == (
        "dispensed",
        0,
        world.chain.time_ms - 1_000,
    )
    assert world.query("code", code=code(1100))["units"] == 2
    world.check()


def test_a_second_scan_is_an_alarm_on_record(world: Any) -> None:
    world.at_shop(1100)
    world.ok(world.shop, "dispense", **world.dispense(1101))
    first_ms = world.chain.time_ms
    again = world.ok(world.clinic, "dispense", code=code(1101), rx="ef" * 32)
    name, entity, data = again.events[0]
    assert (name, entity) == ("medical.duplicate_scan", code(1101))
    assert (data["by"], data["first_by"], data["first_ms"]) == (world.clinic.hex(), world.shop.hex(), first_ms)
    world.ok(world.insurer, "settle", code=code(1101), settlement=DOC)
    twice = world.ok(world.insurer, "settle", code=code(1101), settlement="11" * 32)
    assert twice.events[0][0] == "medical.duplicate_settlement"
    rows = world.query("alarms", codes="8385793")["items"]
    assert [(row["kind"], row["by"], row["document"]) for row in rows] == [
        ("duplicate_scan", world.clinic.hex(), "ef" * 32),
        ("duplicate_settlement", world.insurer.hex(), "11" * 32),
    ]
    assert world.query("alarms", codes=code(1101), limit=1)["items"] == rows[:1]
    found = world.query("code", code=code(1101))
    assert (found["alarms"], found["rx"], found["settlement"]) == (2, "cd" * 32, DOC)
    world.check()


def test_a_recall_reaches_whoever_has_the_batch(world: Any) -> None:
    world.at_shop(1000)
    world.hand(world.maker, world.clinic, 2100, 901)
    world.ok(world.shop, "dispense", **world.dispense(1201))
    recalled = world.ok(world.regulator, "recall", product=PRODUCT, batch="B1", level=1, document=DOC)
    assert recalled.events[0][2]["units"] == world.tree.units
    reach = {"product": PRODUCT, "batch": "B1", "root": world.tree.root}
    whole = world.query("recall_reach", **reach, limit=200)
    assert (whole["recall"], whole["units"], whole["unseen_units"]) == (1, 14, 1)
    found = {row["target"]: (row["state"], row["holder"]) for row in whole["items"]}
    assert found == {
        code(1000): ("received", world.shop.hex()),
        code(1200): ("received", world.shop.hex()),
        code(1201): ("dispensed", world.shop.hex()),
        code(2000): ("commissioned", world.maker.hex()),
        code(2100): ("received", world.clinic.hex()),
        code(901): ("received", world.clinic.hex()),
    }
    pages: list[Any] = []
    after = 0
    while after is not None:
        page = world.query("recall_reach", **reach, limit=2, after=after)
        pages += page["items"]
        after = page["next"]
    assert pages == whole["items"]
    assert world.query("activations", product=PRODUCT, batch="B1")["items"][0]["seen_units"] == 13
    world.ok(
        world.clinic,
        "return_packs",
        shipment="BACK-1",
        to=world.maker.hex(),
        packs=[{"code": code(2100)}],
        reason="recalled",
    )
    world.ok(world.maker, "receive", shipment="BACK-1")
    assert world.query("code", code=code(2100))["state"] == "returned"
    world.ok(world.maker, "destroy", packs=[{"code": code(2100)}], document=DOC)
    assert world.query("code", code=code(2100))["state"] == "destroyed"
    world.check()


def test_a_freeze_reaches_what_was_taken_out_before(world: Any) -> None:
    world.at_shop(1000)
    for n in (1101, 1102, 1201):
        world.send(world.shop, world.clinic, n)
    made = world.ok(world.regulator, "freeze", target=code(1000), reason="counterfeit", document=DOC)
    hold = made.tx_id[:16].hex()
    assert made.events[0][2]["reached"] == 6  # the case, two boxes, three packs
    assert world.query("scan", code=code(1201))["frozen"] is True
    forward = world.query("trace_forward", target=code(1000))["items"]
    assert {row["target"] for row in forward if row["frozen"]} == {row["target"] for row in forward}
    back = world.query("trace_back", target=code(1201))["items"]
    assert [row["target"] for row in back] == [code(1201), code(1200), code(1000), world.tree.root]
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    assert world.query("hold", hold=hold)["phase"] == "lifted"
    assert world.query("holds_waiting")["items"] == []
    world.ok(world.clinic, "receive", shipment="SHIP-0002")
    world.check()


def test_a_report_from_the_index_to_the_recognition(world: Any) -> None:
    report = world.granted()
    found = world.query("report", report=report)
    assert (found["status"], found["scope"]) == ("active", "province")
    assert found["expires_ms"] == found["performed_ms"] + 30 * 86_400_000
    done = world.ok(world.other_clinic, "access", **world.look(report))
    data = done.events[0][2]
    assert (data["by"], data["fields"], data["purpose"]) == (world.other_clinic.hex(), ["report"], "treatment")
    world.ok(world.other_clinic, "recognise", report=report)
    assert world.query("grant", grant=f"{1:032x}")["uses"] == 1
    steps = [(key.hex(), use.entity.hex(), use.grant.hex()) for key, use in world.looks_of(PATIENT)]
    assert steps == [(data["access"], report, f"{1:032x}")]
    rate = world.query("recognition_rate", item="CT0001")["items"]
    assert rate == [{"issuer": world.clinic.hex(), "recognised": 1, "declined": 0, "rate": 10_000}]
    decided = world.query("decisions", report=report)["items"][0]
    assert (decided["decision"], decided["organisation"]) == ("recognised", "other clinic")
    world.check()


def test_an_emergency_is_seen_and_reviewed(world: Any) -> None:
    report = world.indexed()
    made = world.ok(world.doctor, "emergency_access", report=report, fields=["report", "image"], document=DOC)
    access = made.events[0][2]["access"]
    assert made.events[0][2]["review_by"] == world.chain.state.height + 86_400
    waiting = world.query("emergencies", organisation=world.doctor.hex())["items"]
    assert [row["access"] for row in waiting] == [access]
    row = world.query("footprint", patient=PATIENT)
    assert (row["accesses"], row["emergencies"], row["unreviewed"]) == (1, 1, 1)
    world.ok(world.commission, "review_emergency", access=access, verdict="justified", document=DOC)
    assert world.query("emergencies", organisation=world.doctor.hex())["items"] == []
    row = world.query("footprint", patient=PATIENT)
    assert (row["emergencies"], row["unreviewed"], row["unjustified"]) == (1, 0, 0)
    world.ok(world.doctor, "decline", report=report, reason="emergency")
    assert world.query("decline_reasons", item="CT0001")["items"][0]["emergency"] == 1
    world.check()


def test_facts_can_be_asked_for(world: Any) -> None:
    world.activated()
    world.catalogue()
    assert world.query("product", product=PRODUCT)["uscc"] == "11430000006122244L"
    assert world.query("batch", product=PRODUCT, batch="B1")["units"] == 14
    assert world.query("item", item="CT0001")["valid_days"] == 30
    assert [row["item"] for row in world.query("items")["items"]] == ["CT0001"]
    assert world.query("quality", organisation=world.clinic.hex(), item="CT0001")["from_ms"] == 0
    assert world.query("trace_parameters")["offer_minutes"] == 4_320
    assert world.query("review_parameters")["review_blocks"] == 86_400
    name = world.send(world.maker, world.shop, 1000)
    assert world.query("shipment", shipment=name)["packs"] == [code(1000)]


def test_more_drug_codes_and_another_holder(world: Any) -> None:
    world.drug()
    world.ok(world.regulator, "register_product", **world.product(holder=world.rival.hex(), drug_codes=["8111111"]))
    found = world.query("product", product=PRODUCT)
    assert (found["holder"], found["drug_codes"]) == (world.rival.hex(), ["8385793", "8111111"])
    world.refused("not_holder_of_product", world.maker, "activate", **world.batch())
    world.ok(world.rival, "activate", **world.batch())


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("code", {"code": code(1101)}),
        ("scan", {"code": code(1101)}),
        ("batch", {"product": PRODUCT, "batch": "B9"}),
        ("product", {"product": PRODUCT}),
        ("shipment", {"shipment": "NOTHING-1"}),
        ("hold", {"hold": "00" * 16}),
        ("trace_back", {"target": code(1)}),
        ("recall_reach", {"product": PRODUCT, "batch": "B9", "root": "00" * 32}),
        ("report", {"report": "00" * 16}),
        ("patient_index", {"patient": PATIENT}),
        ("footprint", {"patient": PATIENT}),
        ("grant", {"grant": "00" * 16}),
        ("item", {"item": "MR0001"}),
        ("quality", {"organisation": "00" * 20, "item": "MR0001"}),
    ],
)
def test_what_is_not_there_is_not_found(world: Any, query: str, arguments: Any) -> None:
    with pytest.raises(Rejected) as caught:
        world.query(query, **arguments)
    assert caught.value.code == 1005


def test_a_scan_does_not_believe_a_wrong_proof(world: Any) -> None:
    world.activated()
    proof = world.tree.proof(code(1101))
    for broken in ({"path": proof["path"][:-2]}, {"root": proof["root"][:-2]}, {"path": proof["path"][:-1]}):
        with pytest.raises(Rejected):
            world.query("scan", code=code(1101), **{**proof, **broken})
    other = type(world.tree)(base=50)
    with pytest.raises(Rejected):
        world.query("scan", code=code(51_101), **other.proof(code(51_101)))
