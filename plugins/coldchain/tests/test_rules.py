"""Every rule refuses what it is for, every action asks for its role, and payloads cannot carry personal data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hn_coldchain import models
from hn_coldchain.rules import RULES
from hn_coldchain.state import GENERATIONS_MAX

DOC = "ab" * 32
CITIZEN = "11010519491231002X"
SCENES: dict[str, Callable[[Any], None]] = {}
IN_TEST_ALARMS = {
    "alarm_known",
    "outside_invalid",
    "overdue_known",
    "reading_inside",
    "reading_unproven",
    "segment_unknown",
}


def scene(check: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[check.__name__] = check
    return check


def segment(world: Any, sender: bytes, **more: Any) -> dict[str, Any]:
    return {"batch": "BATCH-1", "root": DOC, "count": 1, "min": -200, "max": -190, "from_ms": 1, "to_ms": 2, **more}


@scene
def band_invalid(w: Any) -> None:
    flags = {"test_required": True, "disinfect_required": True}
    w.refused("band_invalid", w.regulator, "set_product", gtin="6924561884074", min=1, max=0, **flags)
    w.ok(w.regulator, "set_product", gtin="6924561884074", min=0, max=0, **flags)


@scene
def batch_exists(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("batch_exists", w.importer, "pre_declare", **w.declaration("BATCH-1"))
    w.declare("BATCH-2")
    outputs = [{"batch": "BATCH-2", "code": "CODE-X", "grams": 1_000}]
    w.refused("batch_exists", w.warehouse, "split", batch="BATCH-1", outputs=outputs)


@scene
def batch_unknown(w: Any) -> None:
    for action, sender, payload in (
        ("arrive", w.station, {"grams": 1, "city": "410100"}),
        ("sell", w.shop, {"grams": 1}),
        ("freeze", w.regulator, {"reason": "order", "document": DOC}),
        ("recall", w.regulator, {"reason": "order", "document": DOC}),
        ("commit_temperatures", w.shop, {"root": DOC, "count": 1, "min": 0, "max": 0, "from_ms": 0, "to_ms": 0}),
    ):
        w.refused("batch_unknown", sender, action, batch="BATCH-9", **payload)


@scene
def code_exists(w: Any) -> None:
    w.stocked("BATCH-1")
    w.arrived("BATCH-2")
    w.ok(w.station, "test", batch="BATCH-2", passed=True, report=DOC)
    w.ok(w.station, "disinfect", batch="BATCH-2", certificate=DOC)
    w.refused("code_exists", w.station, "assign_code", batch="BATCH-2", code="CODE-BATCH-1")
    outputs = [{"batch": f"OUT-{n:03}", "code": "CODE-SAME", "grams": 500} for n in range(2)]
    w.refused("code_exists", w.warehouse, "split", batch="BATCH-1", outputs=outputs)


@scene
def duplicate_id(w: Any) -> None:
    w.stocked("BATCH-1")
    outputs = [{"batch": "OUT-001", "code": f"CODE-{n}", "grams": 500} for n in range(2)]
    w.refused("duplicate_id", w.warehouse, "split", batch="BATCH-1", outputs=outputs)
    w.refused("duplicate_id", w.warehouse, "merge", inputs=["BATCH-1"] * 2, batch="OUT-001", code="CODE-1")


@scene
def grams_exceed(w: Any) -> None:
    w.declare("BATCH-2", 1_000)
    w.refused("grams_exceed", w.station, "arrive", batch="BATCH-2", grams=1_001, city="410100")
    w.stocked("BATCH-1", 1_000)
    w.stocked("BATCH-3", 1_000)
    w.refused("grams_exceed", w.warehouse, "sell", batch="BATCH-1", grams=1_001)
    both = {"inputs": ["BATCH-1", "BATCH-3"], "batch": "MIX-001", "code": "CODE-1"}
    w.refused("grams_exceed", w.warehouse, "merge", loss_grams=2_000, **both)
    w.ok(w.warehouse, "merge", loss_grams=1_999, **both)


@scene
def grams_unbalanced(w: Any) -> None:
    w.stocked("BATCH-1", 1_000)
    for grams, loss in ((999, 0), (1_001, 0), (1_000, 1), (500, 499)):
        outputs = [{"batch": "OUT-001", "code": "CODE-1", "grams": grams}]
        w.refused("grams_unbalanced", w.warehouse, "split", batch="BATCH-1", outputs=outputs, loss_grams=loss)
        made = {"inputs": ["BATCH-1"], "gtin": "6901234567892", "outputs": outputs, "loss_grams": loss}
        w.refused("grams_unbalanced", w.warehouse, "process", **made)


@scene
def gtin_invalid(w: Any) -> None:
    w.refused("gtin_invalid", w.importer, "pre_declare", **w.declaration("BATCH-1", gtin="6924561884075"))
    flags = {"test_required": True, "disinfect_required": True, "min": 0, "max": 1}
    w.refused("gtin_invalid", w.regulator, "set_product", gtin="6924561884075", **flags)


@scene
def held(w: Any) -> None:
    for name in ("BATCH-1", "BATCH-2", "BATCH-3"):
        w.stocked(name)
    w.ok(w.warehouse, "ship_out", batch="BATCH-2", to=w.shop.hex())
    w.released("BATCH-4")
    w.coded("BATCH-5")
    for name in ("BATCH-1", "BATCH-2", "BATCH-4", "BATCH-5"):
        w.freeze(name)
    w.refused("held", w.warehouse, "ship_out", batch="BATCH-1", to=w.shop.hex())
    w.refused("held", w.shop, "confirm_in", batch="BATCH-2", city="410100")
    w.refused("held", w.warehouse, "sell", batch="BATCH-1", grams=1)
    outputs = [{"batch": "OUT-001", "code": "CODE-1", "grams": 1_000}]
    w.refused("held", w.warehouse, "split", batch="BATCH-1", outputs=outputs)
    w.refused("held", w.warehouse, "merge", inputs=["BATCH-3", "BATCH-1"], batch="OUT-001", code="CODE-1")
    w.refused("held", w.warehouse, "stock_in", batch="BATCH-4", city="410100")
    w.refused("held", w.station, "release", batch="BATCH-5", consignee=w.shop.hex(), certificate=DOC)


@scene
def hold_done(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("hold_done", w.nobody, "propagate", hold=w.freeze("BATCH-1"))


@scene
def hold_is_recall(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("hold_is_recall", w.regulator, "unfreeze", hold=w.freeze("BATCH-1", "recall"), document=DOC)


@scene
def hold_lifted(w: Any) -> None:
    w.stocked("BATCH-1")
    hold = w.freeze("BATCH-1")
    w.ok(w.regulator, "unfreeze", hold=hold, document=DOC)
    w.refused("hold_lifted", w.regulator, "unfreeze", hold=hold, document=DOC)


@scene
def hold_unknown(w: Any) -> None:
    w.refused("hold_unknown", w.regulator, "unfreeze", hold="00" * 16, document=DOC)
    w.refused("hold_unknown", w.nobody, "propagate", hold="00" * 16)


@scene
def not_consignee(w: Any) -> None:
    w.released("BATCH-1")
    w.refused("not_consignee", w.shop, "stock_in", batch="BATCH-1", city="410100")


@scene
def not_custodian(w: Any) -> None:
    w.stocked("BATCH-1")
    for sender in (w.shop, w.importer, w.station, w.carrier):
        w.refused("not_custodian", sender, "commit_temperatures", **segment(w, sender))


@scene
def not_holder(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("not_holder", w.shop, "ship_out", batch="BATCH-1", to=w.warehouse.hex())
    w.refused("not_holder", w.shop, "sell", batch="BATCH-1", grams=1)
    w.refused("not_holder", w.shop, "dispose", batch="BATCH-1", certificate=DOC)
    w.refused("not_holder", w.shop, "take_back", batch="BATCH-1", city="410100")


@scene
def not_importer(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("not_importer", w.rival, "recall", batch="BATCH-1", reason="other", document=DOC)
    w.ok(w.importer, "recall", batch="BATCH-1", reason="other", document=DOC)


@scene
def not_receiver(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("not_receiver", w.shop, "confirm_in", batch="BATCH-1", city="410100")


@scene
def not_released(w: Any) -> None:
    w.coded("BATCH-1")
    w.refused("not_released", w.warehouse, "stock_in", batch="BATCH-1", city="410100")
    w.declare("BATCH-2")
    w.refused("not_released", w.warehouse, "stock_in", batch="BATCH-2", city="410100")
    w.refused("not_released", w.importer, "ship_out", batch="BATCH-2", to=w.shop.hex())


@scene
def not_station(w: Any) -> None:
    w.declare("BATCH-1")
    w.refused("not_station", w.other_station, "arrive", batch="BATCH-1", grams=1, city="410100")
    w.refused("not_station", w.other_station, "test", batch="BATCH-1", passed=True, report=DOC)
    w.refused("not_station", w.other_station, "disinfect", batch="BATCH-1", certificate=DOC)
    w.refused("not_station", w.other_station, "assign_code", batch="BATCH-1", code="CODE-1")
    to = w.warehouse.hex()
    w.refused("not_station", w.other_station, "release", batch="BATCH-1", consignee=to, certificate=DOC)


@scene
def offer_expired(w: Any) -> None:
    w.stocked("BATCH-1")
    w.ok(w.warehouse, "ship_out", batch="BATCH-1", to=w.shop.hex(), minutes=1)
    w.chain.advance(60_000)
    w.refused("offer_expired", w.shop, "confirm_in", batch="BATCH-1", city="410100")


@scene
def offer_live(w: Any) -> None:
    w.stocked("BATCH-1")
    w.ok(w.warehouse, "ship_out", batch="BATCH-1", to=w.shop.hex(), minutes=1)
    w.refused("offer_live", w.warehouse, "take_back", batch="BATCH-1", city="410100")


@scene
def own_account(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("own_account", w.warehouse, "ship_out", batch="BATCH-1", to=w.warehouse.hex())


@scene
def parent_held(w: Any) -> None:
    """The parent is held by a walk that has not come to the child: its mark says that this path was seen before."""
    w.stocked("BATCH-1", 1_200)
    middle = w.split("BATCH-1", *([100] * 12))
    leaves = [leaf for name in middle for leaf in w.split(name, *([10] * 10))]
    w.freeze("BATCH-1")
    blocked = {leaf for leaf in leaves if w.batch(leaf)["blocked"]}
    waiting = [leaf for leaf in leaves if leaf not in blocked and w.batch(w.batch(leaf)["parents"][0])["blocked"]]
    assert blocked
    assert waiting
    w.refused("parent_held", w.warehouse, "sell", batch=waiting[0], grams=1)


def test_numbers_of_people_are_refused_in_clear_fields(world: Any) -> None:
    w = world
    for name in ("13812345678", CITIZEN, f"BATCH-{CITIZEN}"):
        w.refused("personal_data", w.importer, "pre_declare", **w.declaration(name))
    w.stocked("BATCH-1")
    for batch, code in (("13812345678", "CODE-1"), ("OUT-001", CITIZEN)):
        outputs = [{"batch": batch, "code": code, "grams": 1_000}]
        w.refused("personal_data", w.warehouse, "split", batch="BATCH-1", outputs=outputs)
    w.arrived("BATCH-2")
    w.ok(w.station, "test", batch="BATCH-2", passed=True, report=DOC)
    w.ok(w.station, "disinfect", batch="BATCH-2", certificate=DOC)
    w.refused("personal_data", w.station, "assign_code", batch="BATCH-2", code="TEL-13812345678")


@scene
def product_mismatch(w: Any) -> None:
    w.stocked("BATCH-1")
    w.stocked("BATCH-2", gtin="6901234567892")
    w.stocked("BATCH-3", band="chilled")
    w.stocked("BATCH-4")
    w.hand_over("BATCH-4", w.warehouse, w.shop, "410200")
    w.hand_over("BATCH-4", w.shop, w.warehouse, "410200")
    for other in ("BATCH-2", "BATCH-3", "BATCH-4"):
        w.refused("product_mismatch", w.warehouse, "merge", inputs=["BATCH-1", other], batch="MIX-001", code="CODE-1")
    outputs = [{"batch": "OUT-001", "code": "CODE-1", "grams": 2_000}]
    made = {"inputs": ["BATCH-1", "BATCH-4"], "gtin": "6901234567892", "outputs": outputs}
    w.refused("product_mismatch", w.warehouse, "process", **made)


@scene
def segment_known(w: Any) -> None:
    w.stocked("BATCH-1")
    w.ok(w.warehouse, "commit_temperatures", **segment(w, w.warehouse))
    w.refused("segment_known", w.warehouse, "commit_temperatures", **segment(w, w.warehouse, count=2))


@scene
def temperature_order(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("temperature_order", w.warehouse, "commit_temperatures", **segment(w, w.warehouse, min=-189))


@scene
def time_future(w: Any) -> None:
    w.stocked("BATCH-1")
    latest = w.chain.time_ms + w.chain.block_ms + 600_000
    w.refused("time_future", w.warehouse, "commit_temperatures", **segment(w, w.warehouse, to_ms=latest + 1))


@scene
def time_order(w: Any) -> None:
    w.stocked("BATCH-1")
    w.refused("time_order", w.warehouse, "commit_temperatures", **segment(w, w.warehouse, from_ms=3))


@scene
def too_deep(w: Any) -> None:
    w.stocked("BATCH-1")
    name = "BATCH-1"
    for n in range(GENERATIONS_MAX):
        following = f"DEEP-{n:03}"
        outputs = [{"batch": following, "code": f"CODE-{n:03}", "grams": 1_000}]
        w.ok(w.warehouse, "split", batch=name, outputs=outputs)
        name = following
    outputs = [{"batch": "DEEPER-1", "code": "CODE-X1", "grams": 1_000}]
    w.refused("too_deep", w.warehouse, "split", batch=name, outputs=outputs)
    w.stocked("BATCH-2")
    w.refused("too_deep", w.warehouse, "merge", inputs=["BATCH-2", name], batch="DEEPER-1", code="CODE-X1")
    w.check()


@scene
def uscc_invalid(w: Any) -> None:
    w.refused("uscc_invalid", w.importer, "pre_declare", **w.declaration("BATCH-1", uscc="11430000006122244M"))


@scene
def wrong_status(w: Any) -> None:
    w.stocked("BATCH-1")
    for sender, action, payload in (
        (w.station, "arrive", {"grams": 1, "city": "410100"}),
        (w.station, "test", {"passed": True, "report": DOC}),
        (w.station, "disinfect", {"certificate": DOC}),
        (w.station, "assign_code", {"code": "CODE-1"}),
        (w.station, "release", {"consignee": w.shop.hex(), "certificate": DOC}),
        (w.warehouse, "stock_in", {"city": "410100"}),
        (w.warehouse, "take_back", {"city": "410100"}),
    ):
        w.refused("wrong_status", sender, action, batch="BATCH-1", **payload)
    w.ok(w.warehouse, "sell", batch="BATCH-1", grams=1_000)
    for action, payload in (
        ("sell", {"grams": 1}),
        ("ship_out", {"to": w.shop.hex()}),
        ("split", {"outputs": [{"batch": "OUT-001", "code": "CODE-1", "grams": 1}]}),
        ("dispose", {"certificate": DOC}),
        ("commit_temperatures", {key: value for key, value in segment(w, w.warehouse).items() if key != "batch"}),
    ):
        w.refused("wrong_status", w.warehouse, action, batch="BATCH-1", **payload)


def test_every_rule_has_a_scene_and_texts() -> None:
    assert set(SCENES) | IN_TEST_ALARMS == {name for name, _, _ in RULES}
    assert all(zh != en and zh and en for _, zh, en in RULES)


@pytest.mark.parametrize("rule", sorted(SCENES))
def test_rule_refuses(world: Any, rule: str) -> None:
    SCENES[rule](world)
    world.check()


def test_every_action_asks_for_its_role(world: Any) -> None:
    actions = world.chain.host.applications["coldchain"].actions
    open_to_all = ["propagate", "report_overdue"]
    assert [name for name, action in actions.items() if not action.roles] == open_to_all
    for name in actions:
        outcome = world.do(world.nobody, name)
        assert outcome.code == (4004 if name in open_to_all else 4007), name


def test_no_payload_has_a_free_text_field() -> None:
    """Every text field is an enumeration, a fixed shape or a checked identifier."""
    for model in models.Payload.__subclasses__():
        for field in msgspec.inspect.type_info(model).fields:  # type: ignore[attr-defined]
            kind = field.type
            if isinstance(kind, msgspec.inspect.StrType):
                assert kind.pattern is not None, (model.__name__, field.name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", "short"),
        ("batch", "lower-case"),
        ("batch", "BATCH-1\n"),
        ("batch", "BATCH/001"),
        ("batch", "批次-0001"),
        ("batch", "B" * 33),
        ("grams", 0),
        ("grams", 10**12 + 1),
        ("grams", 1.5),
        ("station", "00"),
        ("station", "G" * 40),
        ("country", "ECU"),
        ("declaration", "AB" * 32),
        ("band", "tepid"),
        ("remark", "张三 13812345678"),
    ],
)
def test_malformed_payloads_are_invalid(world: Any, field: str, value: Any) -> None:
    payload = {**world.declaration("BATCH-1"), field: value}
    assert world.do(world.importer, "pre_declare", **payload).code == 4004
