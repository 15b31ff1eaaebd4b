"""Processing, who held what in a window, overdue hand-overs, tolerated excursions, and the way between the layouts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import hn_coldchain
import msgspec
import pytest
from hn_coldchain import privacy
from hn_coldchain.migrations import MIGRATIONS
from hn_coldchain.state import BATCHES, OFFERS, PARAMETERS

from hnnode.plugin_api import MigrationRefused

DOC = "ab" * 32
OTHER_GTIN = "6901234567892"
PACKAGE = Path(hn_coldchain.__file__).parent


def process(w: Any, inputs: list[str], *grams: int, loss: int = 0, **more: Any) -> list[str]:
    names = [f"MADE-00{n}" for n in range(len(grams))]
    outputs = [{"batch": name, "code": f"CODE-{name}", "grams": size} for name, size in zip(names, grams, strict=True)]
    w.ok(w.warehouse, "process", inputs=inputs, gtin=OTHER_GTIN, outputs=outputs, loss_grams=loss, **more)
    return names


def test_processing_makes_another_product_of_several(world: Any) -> None:
    w = world
    w.stocked("BATCH-1", 1_000)
    w.stocked("BATCH-2", 500, band="chilled")
    one, two = process(w, ["BATCH-1", "BATCH-2"], 900, 550, loss=50, band="chilled")
    made, ended = w.batch(one), w.batch("BATCH-1")
    assert (made["gtin"], made["band_min"], made["band_max"], made["grams"]) == (OTHER_GTIN, 0, 100, 900)
    assert (made["initial_grams"], made["lost_grams"], w.batch(two)["lost_grams"]) == (950, 50, 0)
    assert (ended["status"], ended["children"], made["parents"]) == ("processed", [one, two], ["BATCH-1", "BATCH-2"])
    back = w.query("trace_back", batch=two)["items"]
    assert {item["batch"] for item in back} == {two, "BATCH-1", "BATCH-2"}
    w.freeze("BATCH-2")
    assert w.batch(one)["blocked"]
    assert w.batch(two)["blocked"]
    w.check()


def test_the_largest_processing_fits_a_transaction(world: Any) -> None:
    for n in range(6):
        world.stocked(f"BATCH-{n}", 100)
    process(world, [f"BATCH-{n}" for n in range(6)], *[75] * 8)
    world.check()


def test_the_widest_split_fits_a_transaction(world: Any) -> None:
    world.stocked("BATCH-1", 1_200)
    world.split("BATCH-1", *[100] * 12)
    world.check()


def test_who_held_it_in_a_window(world: Any) -> None:
    w = world
    w.stocked("BATCH-1", 1_000)
    w.chain.advance(10_000)
    w.hand_over("BATCH-1", w.warehouse, w.shop)
    handed = w.chain.time_ms
    w.chain.advance(10_000)
    piece, rest = w.split("BATCH-1", 400, 600, sender=w.shop)
    w.hand_over(piece, w.shop, w.importer)
    everything = w.query("holders", batch="BATCH-1")["items"]
    parties = [w.station, w.warehouse, w.shop, w.shop, w.importer, w.shop]
    assert [item["holder"] for item in everything] == [party.hex() for party in parties]
    assert [item["batch"] for item in everything] == ["BATCH-1"] * 3 + [piece] * 2 + [rest]
    early = w.query("holders", batch="BATCH-1", to_ms=handed - 1)["items"]
    assert [item["holder"] for item in early] == [w.station.hex(), w.warehouse.hex()]
    late = w.query("holders", batch="BATCH-1", from_ms=w.chain.time_ms)["items"]
    assert {(item["batch"], item["holder"]) for item in late} == {(piece, w.importer.hex()), (rest, w.shop.hex())}
    paged, after = [], 0
    while after is not None:
        answer = w.query("holders", batch="BATCH-1", limit=1, after=after)
        paged += answer["items"]
        after = answer["next"]
    assert paged == everything


def test_overdue_hand_overs_are_listed_and_announced_once(world: Any) -> None:
    w = world
    for n in range(3):
        w.stocked(f"BATCH-{n}")
        w.ok(w.warehouse, "ship_out", batch=f"BATCH-{n}", to=w.shop.hex(), minutes=3 - n)
    w.chain.advance(130_000)
    found = w.query("overdue", before_ms=w.chain.time_ms)["items"]
    assert [(item["batch"], item["reported"]) for item in found] == [("BATCH-2", False), ("BATCH-1", False)]
    events = w.ok(w.nobody, "report_overdue", batch="BATCH-2").events
    assert [event[0] for event in events] == ["coldchain.overdue"]
    first = w.query("overdue", before_ms=w.chain.time_ms, limit=1)
    assert first["items"][0]["reported"]
    assert w.query("overdue", before_ms=w.chain.time_ms, limit=1, after=first["next"])["items"][0]["batch"] == "BATCH-1"
    w.ok(w.warehouse, "take_back", batch="BATCH-2", city="410100")
    assert [item["batch"] for item in w.query("overdue", before_ms=w.chain.time_ms)["items"]] == ["BATCH-1"]
    w.check()


def test_a_late_hand_over_becomes_known_by_itself_and_once(world: Any) -> None:
    w, ends = world, []
    for n in range(3):
        w.stocked(f"BATCH-{n}")
        w.ok(w.warehouse, "ship_out", batch=f"BATCH-{n}", to=w.shop.hex(), minutes=1)
        ends.append(w.chain.time_ms + 60_000)
    w.ok(w.shop, "confirm_in", batch="BATCH-1", city="410200")
    assert w.chain.rest(ends[0] - w.chain.time_ms) == []
    first, *told = w.chain.rest(1)
    assert first.receipt.events == []
    assert [event[:2] for one in told for event in one.receipt.events] == [("coldchain.overdue", "BATCH-0")]
    height = w.chain.state.height
    name, batch, data = next(event for one in w.chain.rest(10_000_000) for event in one.receipt.events)
    facts = {"from": w.warehouse.hex(), "to": w.shop.hex(), "expires_ms": ends[2]}
    assert (name, batch, msgspec.json.decode(data)) == ("coldchain.overdue", "BATCH-2", facts)
    assert w.chain.state.height == height + 1  # BATCH-1 was confirmed, and nothing was left of it
    assert [(i["batch"], i["reported"]) for i in w.query("overdue", before_ms=w.chain.time_ms)["items"]] == [
        ("BATCH-0", True),
        ("BATCH-2", True),
    ]
    w.refused("overdue_known", w.nobody, "report_overdue", batch="BATCH-0")
    w.refused("offer_expired", w.shop, "confirm_in", batch="BATCH-0", city="410200")
    w.ok(w.warehouse, "take_back", batch="BATCH-0", city="410100")
    w.ok(w.warehouse, "ship_out", batch="BATCH-0", to=w.shop.hex(), minutes=1)
    assert [event[1] for one in w.chain.rest(60_001) for event in one.receipt.events] == ["BATCH-0"]
    w.check()


def test_what_layout_2_left_open_becomes_known_after_the_migration(world: Any) -> None:
    """Late before it was moved, reported or not: the first block tells what nobody has told."""
    w = world
    for n in range(2):
        w.stocked(f"BATCH-{n}")
        w.ok(w.warehouse, "ship_out", batch=f"BATCH-{n}", to=w.shop.hex(), minutes=1)
    w.chain.advance(70_000)
    prefix = w.host.applications["coldchain"].prefix
    rows = {key.removeprefix(prefix): value for key, value in w.chain.state.dump().items()}
    onwards, behind = MIGRATIONS[2:]
    reported = OFFERS.decode(rows[b"o" + w.shop + b"BATCH-1"])
    reported.overdue = True
    second = migrate(dict(rows), behind, 7) | {b"o" + w.shop + b"BATCH-1": OFFERS.encode(reported)}
    moved = migrate(dict(second), onwards, 7)
    w.chain.state.apply([(prefix + key, None) for key in rows] + [(prefix + key, moved[key]) for key in sorted(moved)])
    w.check()
    assert [event[1] for one in w.chain.rest(1) for event in one.receipt.events] == ["BATCH-0"]
    assert [item["reported"] for item in w.query("overdue", before_ms=w.chain.time_ms)["items"]] == [True, True]
    w.check()


def test_a_short_time_outside_the_band_is_let_pass(world: Any) -> None:
    w = world
    w.stocked("BATCH-1")
    w.ok(w.regulator, "set_parameters", offer_minutes=60, excursion_minutes=30)
    assert w.query("parameters")["excursion_minutes"] == 30
    stretch = {"batch": "BATCH-1", "count": 1, "min": -200, "max": -100, "from_ms": 0, "to_ms": 7_200_000}
    for n, minutes in enumerate((30, 31, None)):
        more = {} if minutes is None else {"outside_minutes": minutes}
        outcome = w.ok(w.warehouse, "commit_temperatures", root=f"{n:064x}", **stretch, **more)
        assert any(event[0] == "coldchain.excursion" for event in outcome.events) == (minutes != 30)
    assert w.batch("BATCH-1")["excursions"] == 2


def test_a_scan_names_the_keys_that_prove_it(world: Any) -> None:
    world.stocked("BATCH-1")
    answer = world.query("scan", code="CODE-BATCH-1")
    rows = [world.chain.view().get(bytes.fromhex(key)) for key in answer["proof_keys"]]
    assert rows[0] == b"BATCH-1"
    assert BATCHES.decode(rows[1] or b"").code == "CODE-BATCH-1"


# ---------------------------------------------------------------- migration


def migrate(rows: dict[bytes, bytes], step: Any, page: int) -> dict[bytes, bytes]:
    """A step as the chain runs it: three passes in pages; what is written behind a page is met again."""
    for number, function in enumerate((step.check, step.move, step.verify)):
        after = b""
        while found := sorted(key for key in rows if key > after)[:page]:
            batch = [(key, rows[key]) for key in found]
            if number == 1:
                function(batch, rows.__setitem__, lambda key: rows.pop(key, None))
            elif function is not None:
                function(batch)
            after = found[-1]
    return rows


def layout_1(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The rows of layout 2 as layout 1 had them: no custodies, no expiries, shorter records."""
    old = {}
    for key, value in rows.items():
        if key[:1] in (b"t", b"d", b"a"):
            continue
        fields = msgspec.msgpack.decode(value) if key[:1] in (b"b", b"o", b"p") else None
        cut = {b"b": -2, b"o": -1, b"p": -1}.get(key[:1])
        old[key] = value if fields is None else msgspec.msgpack.encode(fields[:cut])
    return old


def meaning(rows: dict[bytes, bytes]) -> dict[bytes, Any]:
    kinds: dict[bytes, Any] = {b"b": BATCHES, b"o": OFFERS, b"p": PARAMETERS}
    return {key: kinds[key[:1]].decode(value) if key[:1] in kinds else value for key, value in rows.items()}


@pytest.mark.parametrize("page", [1, 3, 1_000])
def test_layouts_are_moved_there_and_back(world: Any, page: int) -> None:
    w = world
    w.declare("BATCH-0")
    w.stocked("BATCH-1", 1_000)
    w.split("BATCH-1", 400, 600)
    w.ok(w.warehouse, "ship_out", batch="BATCH-1-0", to=w.shop.hex())
    prefix = w.host.applications["coldchain"].prefix
    rows = {key.removeprefix(prefix): value for key, value in w.chain.state.dump().items()}
    old = layout_1(rows)
    forwards, backwards, onwards, behind = MIGRATIONS
    second = migrate(dict(old), forwards, page)
    moved = migrate(dict(second), onwards, page)
    assert {key for key in moved if key[:1] == b"d"} == {key for key in rows if key[:1] == b"d"}
    assert migrate(dict(moved), behind, page) == second
    assert sum(key[:1] == b"t" for key in moved) == 3
    w.chain.state.apply([(prefix + key, None) for key in rows] + [(prefix + key, moved[key]) for key in sorted(moved)])
    w.check()
    w.ok(w.shop, "confirm_in", batch="BATCH-1-0", city="410200")
    w.check()
    back = migrate(migrate(moved, behind, page), backwards, page)
    assert meaning(back) == meaning(old)
    assert not any(key[:1] in (b"t", b"d", b"a") for key in back)


def test_a_migration_refuses_what_it_cannot_read_or_keep(world: Any) -> None:
    forwards, backwards, onwards, _ = MIGRATIONS
    for key in (b"bBATCH-1", b"o" + bytes(20) + b"BATCH-1"):
        with pytest.raises(MigrationRefused):
            migrate({key: b"\xc1"}, forwards, 10)
        with pytest.raises(MigrationRefused):
            migrate({key: b"\xc1"}, onwards, 10)
    world.stocked("BATCH-1", 1_000)
    process(world, ["BATCH-1"], 1_000)
    prefix = world.host.applications["coldchain"].prefix
    rows = {key.removeprefix(prefix): value for key, value in world.chain.state.dump().items()}
    with pytest.raises(MigrationRefused, match="processed"):
        migrate(rows, backwards, 10)


# ---------------------------------------------------------------- package


def test_the_manifest_says_what_the_code_does(host: Any) -> None:
    manifest = tomllib.loads((PACKAGE / "hnplugin.toml").read_text("utf-8"))
    table = host.applications["coldchain"]
    assert manifest["privacy"] == privacy.TABLE == {name: str(how) for name, how in table.handling.items()}
    assert manifest["plugin"]["state_version"] == table.state_version
    assert manifest["plugin"]["name"] == table.name
    assert (manifest["plugin"]["title_zh"], manifest["plugin"]["title_en"]) == (table.title_zh, table.title_en)
    assert {(step.from_version, step.to_version) for step in MIGRATIONS} == {(1, 2), (2, 1), (2, 3), (3, 2)}
