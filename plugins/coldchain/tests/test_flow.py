"""A shipment's life, and what each query shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from hnnode.errors import Rejected

DOC = "ab" * 32
HOUR_MS = 3_600_000


def test_from_declaration_to_the_consumer(world: Any) -> None:
    world.released("BATCH-1", 5_000)
    assert world.batch("BATCH-1")["status"] == "released"
    stocked = world.ok(world.warehouse, "stock_in", batch="BATCH-1", city="410100")
    assert stocked.events == (
        ("coldchain.stocked", "BATCH-1", {"city": "410100", "grams": 5_000, "holder": world.warehouse.hex()}),
    )
    readings = {"root": DOC, "count": 288, "from_ms": 1_000, "to_ms": 2_000}
    world.ok(world.warehouse, "commit_temperatures", batch="BATCH-1", min=-225, max=-190, **readings)
    world.hand_over("BATCH-1", world.warehouse, world.shop, "410200")
    world.split("BATCH-1", 2_000, 2_990, loss=10, sender=world.shop)
    world.ok(world.shop, "sell", batch="BATCH-1-0", grams=1_500)
    world.check()

    whole, part = world.batch("BATCH-1"), world.batch("BATCH-1-0")
    assert (whole["status"], whole["grams"], whole["moved_grams"], whole["lost_grams"]) == ("split", 0, 4_990, 10)
    assert (part["status"], part["grams"], part["sold_grams"], part["city"]) == ("in_stock", 500, 1_500, "410200")
    assert part["parents"] == ["BATCH-1"]
    assert whole["children"] == ["BATCH-1-0", "BATCH-1-1"]

    seen = world.query("scan", code="CODE-BATCH-1-0")
    assert seen["blocked"] is False
    assert seen["origins"][0]["code"] == "CODE-BATCH-1"
    assert (seen["origins"][0]["temperature_min"], seen["origins"][0]["temperature_max"]) == (-225, -190)
    assert not {"holder", "importer", "station", "uscc"} & (set(seen) | set(seen["origins"][0]))

    world.ok(world.shop, "sell", batch="BATCH-1-0", grams=500)
    assert world.batch("BATCH-1-0")["status"] == "sold"
    assert [row["batch"] for row in world.query("stock_by_holder", holder=world.shop.hex())["items"]] == ["BATCH-1-1"]
    world.check()


def test_stock_and_offers_follow_the_goods(world: Any) -> None:
    for n in range(5):
        world.stocked(f"BATCH-{n}")

    def at(city: str) -> list[str]:
        return [row["batch"] for row in world.query("stock_by_city", city=city)["items"]]

    assert at("410100") == [f"BATCH-{n}" for n in range(5)]
    first = world.query("stock_by_holder", holder=world.warehouse.hex(), limit=2)
    second = world.query("stock_by_holder", holder=world.warehouse.hex(), limit=2, after=first["next"])
    assert [row["batch"] for row in first["items"] + second["items"]] == [f"BATCH-{n}" for n in range(4)]
    assert first["as_of_height"] == world.chain.state.height

    shipped = world.ok(
        world.warehouse, "ship_out", batch="BATCH-3", to=world.shop.hex(), carrier=world.carrier.hex(), minutes=30
    )
    assert at("410100") == ["BATCH-0", "BATCH-1", "BATCH-2", "BATCH-4"]
    offer = world.query("offers", receiver=world.shop.hex())["items"][0]
    assert offer["batch"] == "BATCH-3"
    assert offer["from"] == world.warehouse.hex()
    assert offer["expires_ms"] == world.chain.time_ms + 30 * 60_000 == shipped.events[0][2]["expires_ms"]
    assert world.batch("BATCH-3")["carrier"] == world.carrier.hex()
    world.check()

    world.ok(world.shop, "confirm_in", batch="BATCH-3", city="411500")
    assert at("411500") == ["BATCH-3"]
    assert world.query("offers", receiver=world.shop.hex())["items"] == []
    assert world.batch("BATCH-3")["carrier"] is None
    world.check()


def test_a_hand_over_needs_both_signatures_and_only_those(world: Any) -> None:
    world.stocked("BATCH-1")
    world.refused("not_holder", world.shop, "ship_out", batch="BATCH-1", to=world.shop.hex())
    world.refused("not_receiver", world.shop, "confirm_in", batch="BATCH-1", city="410200")
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex())
    for stranger in (world.warehouse, world.importer, world.rival):
        world.refused("not_receiver", stranger, "confirm_in", batch="BATCH-1", city="410200")
    assert world.batch("BATCH-1")["holder"] == world.warehouse.hex()
    world.ok(world.shop, "confirm_in", batch="BATCH-1", city="410200")
    assert world.batch("BATCH-1")["holder"] == world.shop.hex()
    world.refused("not_receiver", world.shop, "confirm_in", batch="BATCH-1", city="410200")
    world.refused("not_holder", world.warehouse, "sell", batch="BATCH-1", grams=1)
    world.check()


def test_an_offer_expires_by_block_time_and_can_be_taken_back_only_then(world: Any) -> None:
    world.ok(world.regulator, "set_parameters", offer_minutes=120)
    assert world.query("parameters")["offer_minutes"] == 120
    world.stocked("BATCH-1")
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex(), minutes=43_200)  # capped to 120
    made_ms = world.chain.time_ms
    assert world.query("offers", receiver=world.shop.hex())["items"][0]["expires_ms"] == made_ms + 2 * HOUR_MS
    world.refused("offer_live", world.warehouse, "take_back", batch="BATCH-1", city="410100")
    world.chain.time_ms = made_ms + 2 * HOUR_MS - world.chain.block_ms  # the next block is at the very end: still open
    world.refused("offer_live", world.warehouse, "take_back", batch="BATCH-1", city="410100")
    world.refused("offer_expired", world.shop, "confirm_in", batch="BATCH-1", city="410200")
    world.refused("not_holder", world.shop, "take_back", batch="BATCH-1", city="410100")
    world.ok(world.warehouse, "take_back", batch="BATCH-1", city="410100")
    world.check()
    world.hand_over("BATCH-1", world.warehouse, world.shop)
    world.check()


def test_confirming_at_the_last_millisecond_is_in_time(world: Any) -> None:
    world.stocked("BATCH-1")
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex(), minutes=1)
    world.chain.time_ms += 60_000 - world.chain.block_ms
    world.ok(world.shop, "confirm_in", batch="BATCH-1", city="410200")


@pytest.mark.parametrize(
    ("test_required", "disinfect_required", "steps"),
    [
        (True, True, ("test", "disinfect")),
        (True, False, ("test",)),
        (False, True, ("disinfect",)),
        (False, False, ()),
    ],
)
def test_duties_are_parameters_of_the_product(
    world: Any, test_required: bool, disinfect_required: bool, steps: Any
) -> None:
    duties = {"test_required": test_required, "disinfect_required": disinfect_required}
    world.declare("BATCH-0")  # before the change: both duties
    world.ok(world.regulator, "set_product", gtin="6924561884074", min=-300, max=-150, **duties)
    world.arrived("BATCH-1")
    assert (world.batch("BATCH-1")["band_min"], world.batch("BATCH-1")["band_max"]) == (-300, -150)
    payloads: dict[str, dict[str, Any]] = {"test": {"passed": True, "report": DOC}, "disinfect": {"certificate": DOC}}
    for step in steps:
        world.refused("wrong_status", world.station, "assign_code", batch="BATCH-1", code="CODE-1")
        world.ok(world.station, step, batch="BATCH-1", **payloads[step])
    world.ok(world.station, "assign_code", batch="BATCH-1", code="CODE-1")
    world.ok(world.station, "arrive", batch="BATCH-0", grams=1, city="410100")
    world.refused("wrong_status", world.station, "assign_code", batch="BATCH-0", code="CODE-0")


def test_a_failed_test_freezes_the_batch(world: Any) -> None:
    world.arrived("BATCH-1")
    outcome = world.ok(world.station, "test", batch="BATCH-1", passed=False, report=DOC)
    assert [name for name, _, _ in outcome.events] == ["coldchain.tested", "coldchain.frozen"]
    assert world.batch("BATCH-1")["blocked"] is True
    world.ok(world.station, "disinfect", batch="BATCH-1", certificate=DOC)
    world.ok(world.station, "assign_code", batch="BATCH-1", code="CODE-1")
    world.refused("held", world.station, "release", batch="BATCH-1", consignee=world.shop.hex(), certificate=DOC)
    world.ok(world.station, "dispose", batch="BATCH-1", certificate=DOC)
    world.check()


def test_temperatures_are_facts_and_excursions_are_announced(world: Any) -> None:
    world.stocked("BATCH-1")
    stretch = {"batch": "BATCH-1", "count": 10, "from_ms": 5_000, "to_ms": 9_000}
    calm = world.ok(world.warehouse, "commit_temperatures", root="01" * 32, min=-600, max=-180, **stretch)
    assert [name for name, _, _ in calm.events] == ["coldchain.temperatures"]
    warm = world.ok(world.warehouse, "commit_temperatures", root="02" * 32, min=-200, max=-179, **stretch)
    assert [name for name, _, _ in warm.events] == ["coldchain.temperatures", "coldchain.excursion"]
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex(), carrier=world.carrier.hex())
    world.ok(world.carrier, "commit_temperatures", root="03" * 32, min=-210, max=-200, **stretch)
    batch = world.batch("BATCH-1")
    assert (batch["temperature_min"], batch["temperature_max"]) == (-600, -179)
    assert (batch["segments"], batch["excursions"]) == (3, 1)
    rows = world.query("temperatures", batch="BATCH-1", limit=2)
    more = world.query("temperatures", batch="BATCH-1", limit=2, after=rows["next"])
    assert [row["root"][:2] for row in rows["items"] + more["items"]] == ["01", "02", "03"]
    assert more["next"] is None


def test_a_regulator_may_dispose_of_what_others_hold(world: Any) -> None:
    world.stocked("BATCH-1")
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex())
    world.ok(world.regulator, "dispose", batch="BATCH-1", certificate=DOC)
    assert world.batch("BATCH-1")["disposed_grams"] == 1_000
    world.refused("not_receiver", world.shop, "confirm_in", batch="BATCH-1", city="410200")
    world.check()


def test_merge_keeps_what_the_parents_agree_on(world: Any) -> None:
    world.stocked("BATCH-1", 300)
    world.stocked("BATCH-2", 200)
    world.ok(world.rival, "pre_declare", **world.declaration("BATCH-3", 100, country="IN"))
    for action, payload in (
        ("arrive", {"grams": 100, "city": "410100"}),
        ("test", {"passed": True, "report": DOC}),
        ("disinfect", {"certificate": DOC}),
        ("assign_code", {"code": "CODE-3"}),
        ("release", {"consignee": world.warehouse.hex(), "certificate": DOC}),
    ):
        world.ok(world.station, action, batch="BATCH-3", **payload)
    world.ok(world.warehouse, "stock_in", batch="BATCH-3", city="410100")
    world.ok(world.warehouse, "merge", inputs=["BATCH-1", "BATCH-2"], batch="MIX-12", code="CODE-12", loss_grams=5)
    world.ok(world.warehouse, "merge", inputs=["BATCH-3", "MIX-12"], batch="MIX-123", code="CODE-123")
    mix = world.batch("MIX-123")
    assert (mix["grams"], mix["initial_grams"], mix["generation"]) == (595, 595, 2)
    assert (mix["importer"], mix["country"]) == ("", "")
    assert world.batch("MIX-12")["importer"] == world.importer.hex()
    origins = world.query("scan", code="CODE-123")["origins"]
    assert sorted(origin["country"] for origin in origins) == ["EC", "EC", "IN"]
    world.check()


def test_the_widest_split_and_merge_fit_into_one_transaction(world: Any) -> None:
    world.stocked("BATCH-1", 1_200)
    names = world.split("BATCH-1", *([100] * 12))
    world.ok(world.warehouse, "merge", inputs=names, batch="WHOLE-1", code="CODE-WHOLE")
    assert world.batch("WHOLE-1")["grams"] == 1_200
    world.check()


def test_trace_back_and_forward_page_through_the_graph(world: Any) -> None:
    world.stocked("BATCH-1", 1_000)
    world.stocked("BATCH-2", 1_000)
    one, two = world.split("BATCH-1", 400, 600)
    three, four = world.split("BATCH-2", 500, 500)
    world.ok(world.warehouse, "merge", inputs=[two, three], batch="MIX-23", code="CODE-MIX")
    parts = world.split("MIX-23", *([100] * 11))

    def trace(query: str, start: str, limit: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        after: int | None = 0
        while after is not None:
            page = world.query(query, batch=start, limit=limit, after=after)
            found += [(row["batch"], row["steps"]) for row in page["items"]]
            after = page["next"]
        return found

    back = [(parts[5], 0), ("MIX-23", 1), (two, 2), (three, 2), ("BATCH-1", 3), ("BATCH-2", 3)]
    forward = [("BATCH-1", 0), (one, 1), (two, 1), ("MIX-23", 2), *((part, 3) for part in parts)]
    for limit in (1, 2, 7, 200):
        assert trace("trace_back", parts[5], limit) == back
        assert trace("trace_forward", "BATCH-1", limit) == forward
    assert four not in {name for name, _ in trace("trace_forward", "BATCH-1", 50)}
    with pytest.raises(Rejected):
        world.query("trace_back", batch="NOBODY-1")


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("batch", {"batch": "BATCH-9"}),
        ("scan", {"code": "CODE-9"}),
        ("temperatures", {"batch": "BATCH-9"}),
        ("hold", {"hold": "00" * 16}),
    ],
)
def test_what_is_not_there_is_not_found(world: Any, query: str, arguments: Any) -> None:
    with pytest.raises(Rejected) as caught:
        world.query(query, **arguments)
    assert caught.value.code == 1005
