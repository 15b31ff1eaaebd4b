"""Every rule about packs and shipments refuses what it is for, and every action of the drug trace asks for its role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

DOC = "ab" * 32
DAY_MS = 86_400_000
PRODUCT = "86904879000126"
OTHER_PRODUCT = "86904879000133"
SCENES: dict[str, Callable[[Any], None]] = {}


def scene(check: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[check.__name__] = check
    return check


def code(n: int) -> str:
    return f"8385793{n:013d}"


def shipment(w: Any, n: int, *packs: Any, to: bytes | None = None, **more: Any) -> dict[str, Any]:
    return {"shipment": f"TEST-{n:03}", "to": (to or w.shop).hex(), "packs": list(packs), **more}


def back(w: Any, n: int, *packs: int, to: bytes | None = None) -> dict[str, Any]:
    return shipment(w, n, *({"code": code(pack)} for pack in packs), to=to or w.maker, reason="unsold")


@scene
def chain_invalid(w: Any) -> None:
    w.activated()
    good = w.tree.pack(1101)
    twice = "1000001" + good["code"] + "2000003" + good["code"]
    for chain in (
        twice,
        "",
        good["proof"]["chain"][:-1],
        good["proof"]["chain"][27:],
        "9" + good["proof"]["chain"][1:],
    ):
        broken = {"code": good["code"], "proof": {**good["proof"], "chain": chain}}
        w.refused("chain_invalid", w.maker, "ship", **shipment(w, 1, broken))


@scene
def code_foreign(w: Any) -> None:
    w.activated()
    other = {"product": OTHER_PRODUCT, "holder": w.rival.hex(), "approval": "Z20060001", "drug_codes": ["8111111"]}
    w.ok(w.regulator, "register_product", **w.product(**other))
    # the rival brings the maker's codes in under its own drug
    tree = type(w.tree)(base=10)
    w.ok(w.rival, "activate", **w.batch(tree, product=OTHER_PRODUCT))
    w.refused("code_foreign", w.rival, "ship", **shipment(w, 1, tree.pack(11_000)))
    # a trader takes one of the maker's codes for a container of its own
    w.hand(w.maker, w.trader, 1000)
    packs = [{"code": code(1000)}]
    w.refused("code_foreign", w.trader, "aggregate", container=code(5), layer=4, packs=packs)
    w.ok(w.trader, "aggregate", container="7" * 20, layer=4, packs=packs)


@scene
def code_unproven(w: Any) -> None:
    w.at_shop(1000)
    w.refused("code_unproven", w.maker, "ship", **shipment(w, 1, {"code": code(2000)}))
    w.refused("code_unproven", w.shop, "dispense", code=code(1101), rx=DOC)


@scene
def expired(w: Any) -> None:
    w.at_shop(1000)
    name = w.send(w.maker, w.shop, 2000, minutes=43_200)
    w.ok(w.regulator, "set_trace_parameters", offer_minutes=43_200)
    w.chain.advance(400 * DAY_MS)
    w.refused("expired", w.shop, "dispense", **w.dispense(1101))
    w.refused("expired", w.maker, "ship", **shipment(w, 1, w.tree.pack(900)))
    w.refused("expired", w.shop, "receive", shipment=name)
    w.refused("expired", w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(901)])
    w.refused("expired", w.maker, "activate", **w.batch(type(w.tree)(base=10), name="B7", made_ms=0, expires_ms=1))
    w.ok(w.shop, "return_packs", **back(w, 2, 1000))
    w.ok(w.maker, "destroy", packs=[w.tree.pack(900)], document=DOC)


@scene
def held(w: Any) -> None:
    w.at_shop(1000)
    w.ok(w.regulator, "freeze", target=code(1000), reason="order", document=DOC)
    w.refused("held", w.shop, "dispense", **w.dispense(1101))
    w.refused("held", w.shop, "return_packs", **back(w, 1, 1000))
    w.refused("held", w.shop, "destroy", packs=[w.tree.pack(1101)], document=DOC)
    name = w.send(w.maker, w.shop, 2000)
    w.ok(w.regulator, "freeze", target=w.tree.root, reason="counterfeit", document=DOC)
    w.refused("held", w.shop, "receive", shipment=name)
    w.refused("held", w.maker, "ship", **shipment(w, 2, w.tree.pack(900)))
    w.refused("held", w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(901)])
    w.ok(w.shop, "destroy", packs=[w.tree.pack(1000)], document=DOC)  # the way out for frozen goods


@scene
def hold_done(w: Any) -> None:
    w.at_shop(1000)
    held = w.ok(w.regulator, "freeze", target=code(1000), reason="order", document=DOC).tx_id[:16].hex()
    w.refused("hold_done", w.nobody, "propagate", hold=held)


@scene
def hold_lifted(w: Any) -> None:
    w.at_shop(1000)
    held = w.ok(w.regulator, "freeze", target=code(1000), reason="order", document=DOC).tx_id[:16].hex()
    w.ok(w.regulator, "unfreeze", hold=held, document=DOC)
    w.refused("hold_lifted", w.regulator, "unfreeze", hold=held, document=DOC)


@scene
def hold_unknown(w: Any) -> None:
    w.refused("hold_unknown", w.regulator, "unfreeze", hold="00" * 16, document=DOC)
    w.refused("hold_unknown", w.nobody, "propagate", hold="00" * 16)


@scene
def in_transit(w: Any) -> None:
    w.activated()
    w.send(w.maker, w.shop, 1000)
    w.refused("in_transit", w.maker, "ship", **shipment(w, 1, w.tree.pack(1000)))
    w.refused("in_transit", w.maker, "ship", **shipment(w, 1, w.tree.pack(1100)))
    w.refused("in_transit", w.maker, "destroy", packs=[w.tree.pack(1000)], document=DOC)
    w.refused("in_transit", w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(1000)])


@scene
def layer_invalid(w: Any) -> None:
    w.activated()
    for layer in (2, 3):
        packs = [w.tree.pack(1000)]
        w.refused("layer_invalid", w.maker, "aggregate", container=code(1), layer=layer, packs=packs)
    w.ok(w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(1000)])
    w.refused("layer_invalid", w.maker, "aggregate", container=code(1), layer=5, packs=[w.tree.pack(2000)])
    w.refused("layer_invalid", w.maker, "aggregate", container=code(1), layer=4, packs=[{"code": code(1)}])


@scene
def not_holder(w: Any) -> None:
    w.at_shop(1000)
    w.refused("not_holder", w.clinic, "dispense", **w.dispense(1101))
    w.refused("not_holder", w.maker, "ship", **shipment(w, 1, w.tree.pack(1000)))
    w.refused("not_holder", w.trader, "destroy", packs=[w.tree.pack(1000)], document=DOC)
    w.refused("not_holder", w.trader, "return_packs", **back(w, 1, 1000))
    w.refused("not_holder", w.trader, "aggregate", container="7" * 20, layer=4, packs=[w.tree.pack(2000)])


@scene
def not_receiver(w: Any) -> None:
    w.activated()
    name = w.send(w.maker, w.shop, 1000)
    w.refused("not_receiver", w.clinic, "receive", shipment=name)


@scene
def not_sender(w: Any) -> None:
    w.activated()
    name = w.send(w.maker, w.shop, 1000)
    w.refused("not_sender", w.shop, "take_back", shipment=name)


@scene
def not_smallest(w: Any) -> None:
    w.at_shop(1000)
    w.refused("not_smallest", w.shop, "dispense", code=code(1000), rx=DOC)
    w.refused("not_smallest", w.shop, "dispense", **w.dispense(1100))


@scene
def not_dispensed(w: Any) -> None:
    w.at_shop(901)
    w.refused("not_dispensed", w.insurer, "settle", code=code(901), settlement=DOC)


@scene
def offer_expired(w: Any) -> None:
    w.activated()
    name = w.send(w.maker, w.shop, 1000, minutes=1)
    w.chain.advance(60_000)
    w.refused("offer_expired", w.shop, "receive", shipment=name)
    w.ok(w.maker, "take_back", shipment=name)


@scene
def offer_live(w: Any) -> None:
    w.activated()
    w.refused("offer_live", w.maker, "take_back", shipment=w.send(w.maker, w.shop, 1000, minutes=1))


@scene
def own_account(w: Any) -> None:
    w.activated()
    w.refused("own_account", w.maker, "ship", **shipment(w, 1, w.tree.pack(1000), to=w.maker))


@scene
def pack_ended(w: Any) -> None:
    w.at_shop(1000, 901)
    w.ok(w.shop, "dispense", **w.dispense(901))
    w.ok(w.shop, "destroy", packs=[{"code": code(1000)}], document=DOC)
    for n in (901, 1000):
        w.refused("pack_ended", w.shop, "destroy", packs=[{"code": code(n)}], document=DOC)
        w.refused("pack_ended", w.shop, "return_packs", **back(w, 1, n))
    w.refused("pack_ended", w.shop, "dispense", **w.dispense(1101))  # what lay inside went with it


@scene
def pack_inside(w: Any) -> None:
    w.activated()
    w.ok(w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(1000)])
    w.ok(w.maker, "aggregate", container=code(2), layer=5, packs=[{"code": code(1)}])
    w.refused("pack_inside", w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(2000)])


@scene
def pack_twice(w: Any) -> None:
    w.activated()
    packs = [w.tree.pack(1000)] * 2
    w.refused("pack_twice", w.maker, "ship", **shipment(w, 1, *packs))
    w.refused("pack_twice", w.maker, "aggregate", container=code(1), layer=4, packs=packs)
    w.refused("pack_twice", w.maker, "destroy", packs=packs, document=DOC)


@scene
def pack_unknown(w: Any) -> None:
    w.activated()
    w.refused("pack_unknown", w.regulator, "freeze", target=code(1000), reason="order", document=DOC)
    w.refused("pack_unknown", w.regulator, "freeze", target="00" * 32, reason="order", document=DOC)
    w.refused("pack_unknown", w.insurer, "settle", code=code(1101), settlement=DOC)


@scene
def proof_invalid(w: Any) -> None:
    w.activated()
    good = w.tree.pack(1101)
    other = w.tree.proof(code(1102))["path"]
    for path in (other, good["proof"]["path"][:-2], good["proof"]["path"][:-1], "", "00" * 17):
        broken = {"code": good["code"], "proof": {**good["proof"], "path": path}}
        w.refused("proof_invalid", w.maker, "ship", **shipment(w, 1, broken))
    units = good["proof"]["chain"]
    raised = units[:27] + "2000004" + units[34:]  # says there are more pieces in the box
    broken = {"code": good["code"], "proof": {**good["proof"], "chain": raised}}
    w.refused("proof_invalid", w.maker, "ship", **shipment(w, 1, broken))
    tree = type(w.tree)(cases=1, loose=0)  # the same codes under another root
    w.ok(w.maker, "activate", **w.batch(tree, "B2"))
    w.send(w.maker, w.shop, 1101)
    w.refused("proof_invalid", w.maker, "ship", **shipment(w, 1, tree.pack(1102)))


@scene
def shipment_exists(w: Any) -> None:
    w.activated()
    w.ok(w.maker, "ship", **shipment(w, 1, w.tree.pack(1000)))
    w.refused("shipment_exists", w.maker, "ship", **shipment(w, 1, w.tree.pack(2000)))


@scene
def shipment_over(w: Any) -> None:
    w.activated()
    name = w.send(w.maker, w.shop, 1000)
    w.ok(w.shop, "receive", shipment=name)
    w.refused("shipment_over", w.shop, "receive", shipment=name)
    w.refused("shipment_over", w.maker, "take_back", shipment=name)


@scene
def shipment_unknown(w: Any) -> None:
    w.refused("shipment_unknown", w.shop, "receive", shipment="NOTHING-1")
    w.refused("shipment_unknown", w.maker, "take_back", shipment="NOTHING-1")


@scene
def wrong_state(w: Any) -> None:
    w.activated()
    w.refused("wrong_state", w.maker, "return_packs", **back(w, 1, 900, to=w.shop) | {"packs": [w.tree.pack(900)]})
    w.hand(w.maker, w.shop, 1000)
    w.ok(w.shop, "return_packs", **back(w, 1, 1000, to=w.trader))
    w.ok(w.trader, "receive", shipment="TEST-001")
    w.refused("wrong_state", w.trader, "ship", **shipment(w, 2, {"code": code(1000)}))
    packs = [{"code": code(1000)}]
    w.refused("wrong_state", w.trader, "aggregate", container="7" * 20, layer=4, packs=packs)
    w.hand(w.maker, w.trader, 901)
    w.ok(w.trader, "return_packs", **back(w, 3, 901, to=w.shop))
    w.ok(w.shop, "receive", shipment="TEST-003")
    w.refused("wrong_state", w.shop, "dispense", **w.dispense(901))


@scene
def activation_unknown(w: Any) -> None:
    w.drug()
    w.refused("activation_unknown", w.maker, "ship", **shipment(w, 1, w.tree.pack(1000)))


@scene
def batch_mixed(w: Any) -> None:
    w.activated()
    other = type(w.tree)(base=10)
    w.ok(w.maker, "activate", **w.batch(other, "B2"))
    packs = [w.tree.pack(1000), other.pack(11_000)]
    w.refused("batch_mixed", w.maker, "aggregate", container=code(1), layer=4, packs=packs)


@scene
def units_exceed(w: Any) -> None:
    w.drug()
    w.ok(w.maker, "activate", **w.batch(units=5))  # fewer than the packs say
    w.refused("units_exceed", w.maker, "ship", **shipment(w, 1, w.tree.pack(1000)))
    w.send(w.maker, w.shop, 900)


@scene
def recalled(w: Any) -> None:
    w.at_shop(1000)
    name = w.send(w.maker, w.shop, 2000)
    w.ok(w.maker, "recall", product=PRODUCT, batch="B1", level=2, document=DOC)
    w.refused("recalled", w.shop, "dispense", **w.dispense(1101))
    w.refused("recalled", w.maker, "ship", **shipment(w, 1, w.tree.pack(900)))
    w.refused("recalled", w.shop, "receive", shipment=name)
    w.refused("recalled", w.maker, "aggregate", container=code(1), layer=4, packs=[w.tree.pack(901)])
    w.refused("recalled", w.maker, "activate", **w.batch(type(w.tree)(base=10)))
    w.ok(w.shop, "return_packs", **back(w, 2, 1000))
    w.ok(w.maker, "receive", shipment="TEST-002")
    w.ok(w.maker, "destroy", packs=[{"code": code(1000)}], document=DOC)


@pytest.mark.parametrize("rule", sorted(SCENES))
def test_rule(rule: str, world: Any) -> None:
    SCENES[rule](world)
    world.check()


def test_every_action_of_the_trace_asks_for_its_role(world: Any) -> None:
    world.activated()
    calls: dict[str, dict[str, Any]] = {
        "register_product": world.product(),
        "activate": world.batch(),
        "recall": {"product": PRODUCT, "batch": "B1", "level": 1, "document": DOC},
        "set_trace_parameters": {"offer_minutes": 1},
        "aggregate": {"container": code(1), "layer": 4, "packs": [world.tree.pack(1000)]},
        "ship": shipment(world, 1, world.tree.pack(1000)),
        "receive": {"shipment": "TEST-001"},
        "take_back": {"shipment": "TEST-001"},
        "return_packs": back(world, 1, 1000),
        "dispense": world.dispense(1101),
        "settle": {"code": code(1101), "settlement": DOC},
        "destroy": {"packs": [world.tree.pack(1000)], "document": DOC},
        "freeze": {"target": world.tree.root, "reason": "order", "document": DOC},
        "unfreeze": {"hold": "00" * 16, "document": DOC},
    }
    for action, payload in calls.items():
        for sender in (world.nobody, world.patient):
            assert world.do(sender, action, **payload).code == 4007, action


def test_payloads_that_are_not_the_model_are_refused(world: Any) -> None:
    for action, payload in (
        ("dispense", {"code": "1234", "rx": DOC}),
        ("dispense", {"code": code(1), "rx": DOC, "patient": "somebody"}),
        ("dispense", {"code": "８" * 20, "rx": DOC}),
        ("dispense", {"code": code(1) + "\n", "rx": DOC}),
    ):
        assert world.do(world.shop, action, **payload).code == 4004, payload
