"""Freezes and recalls reach all descendants, in bounded steps, and come off exactly."""

from __future__ import annotations

from typing import Any

from hn_coldchain.holds import EDGES_MAX
from hypothesis import given, settings
from hypothesis import strategies as st

DOC = "ab" * 32


def wide(world: Any) -> tuple[list[str], list[str]]:
    """BATCH-1 split in 12, each of them in 10: 133 batches."""
    world.stocked("BATCH-1", 1_200)
    middle = world.split("BATCH-1", *([100] * 12))
    return middle, [leaf for name in middle for leaf in world.split(name, *([10] * 10))]


def blocked(world: Any, names: list[str]) -> set[str]:
    return {name for name in names if world.batch(name)["blocked"]}


def finish(world: Any, hold: str) -> int:
    """Propagate to the end; returns how many transactions it took."""
    for count in range(100):
        if world.query("hold", hold=hold)["left"] == 0:
            return count
        assert hold in world.query("holds_pending")["items"]
        outcome = world.ok(world.nobody, "propagate", hold=hold)
        assert len(outcome.writes) <= 2 * EDGES_MAX + 2
    raise AssertionError("the walk does not end")


def test_a_freeze_blocks_children_at_once(world: Any) -> None:
    world.stocked("BATCH-1")
    one, two = world.split("BATCH-1", 400, 600)
    world.ok(world.warehouse, "ship_out", batch=two, to=world.shop.hex())
    hold = world.freeze("BATCH-1")
    world.refused("held", world.warehouse, "sell", batch=one, grams=1)
    world.refused("held", world.shop, "confirm_in", batch=two, city="410200")
    assert world.query("hold", hold=hold)["phase"] == "spread"
    assert world.query("scan", code=f"CODE-{one}")["blocked"] is True
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    world.ok(world.warehouse, "sell", batch=one, grams=1)
    world.ok(world.shop, "confirm_in", batch=two, city="410200")
    assert world.query("hold", hold=hold)["phase"] == "lifted"
    world.check()


def test_a_wide_freeze_is_continued_and_lifted_in_bounded_steps(world: Any) -> None:
    middle, leaves = wide(world)
    everything = ["BATCH-1", *middle, *leaves]
    hold = world.freeze("BATCH-1")
    assert len(blocked(world, everything)) == EDGES_MAX
    assert finish(world, hold) == -(-133 // EDGES_MAX) - 1
    assert blocked(world, everything) == set(everything)
    assert world.query("holds_pending")["items"] == []
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    finish(world, hold)
    assert blocked(world, everything) == set()
    assert world.query("hold", hold=hold)["reached"] == 0
    world.check()


def test_lifting_an_unfinished_freeze_leaves_nothing_behind(world: Any) -> None:
    middle, leaves = wide(world)
    hold = world.freeze("BATCH-1")
    world.ok(world.nobody, "propagate", hold=hold)
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    finish(world, hold)
    assert blocked(world, ["BATCH-1", *middle, *leaves]) == set()
    world.check()


def test_what_moves_on_before_the_walk_comes_is_still_reached(world: Any) -> None:
    _, leaves = wide(world)
    hold = world.freeze("BATCH-1")
    free = [leaf for leaf in leaves if not world.batch(world.batch(leaf)["parents"][0])["blocked"]]
    late = world.split(free[-1], 5, 5)
    finish(world, hold)
    assert blocked(world, late) == set(late)
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    finish(world, hold)
    assert blocked(world, late) == set()
    world.check()


def test_two_holds_on_one_batch_are_lifted_one_by_one(world: Any) -> None:
    world.stocked("BATCH-1")
    one, _ = world.split("BATCH-1", 400, 600)
    first, second = world.freeze("BATCH-1"), world.freeze(one)
    world.ok(world.regulator, "unfreeze", hold=first, document=DOC)
    world.refused("held", world.warehouse, "sell", batch=one, grams=1)
    world.ok(world.regulator, "unfreeze", hold=second, document=DOC)
    world.ok(world.warehouse, "sell", batch=one, grams=1)
    world.check()


def test_a_batch_reached_by_two_paths_counts_a_hold_once(world: Any) -> None:
    world.stocked("BATCH-1")
    one, two = world.split("BATCH-1", 400, 600)
    world.ok(world.warehouse, "merge", inputs=[one, two], batch="AGAIN-1", code="CODE-AGAIN")
    hold = world.freeze("BATCH-1")
    assert world.query("hold", hold=hold)["reached"] == 4
    world.check()
    world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
    world.ok(world.warehouse, "sell", batch="AGAIN-1", grams=1)
    world.check()


def test_a_recall_leaves_only_disposal(world: Any) -> None:
    world.stocked("BATCH-1")
    one, two = world.split("BATCH-1", 400, 600)
    hold = world.freeze("BATCH-1", "recall")
    assert world.query("scan", code=f"CODE-{one}")["recalled"] is True
    world.refused("hold_is_recall", world.regulator, "unfreeze", hold=hold, document=DOC)
    for name in (one, two):
        world.refused("held", world.warehouse, "sell", batch=name, grams=1)
        world.ok(world.warehouse, "dispose", batch=name, certificate=DOC)
    assert world.batch(one)["disposed_grams"] == 400
    world.check()


def test_an_expired_hand_over_of_frozen_goods_can_be_taken_back(world: Any) -> None:
    world.stocked("BATCH-1")
    world.ok(world.warehouse, "ship_out", batch="BATCH-1", to=world.shop.hex(), minutes=1)
    world.freeze("BATCH-1")
    world.chain.advance(60_000)
    world.ok(world.warehouse, "take_back", batch="BATCH-1", city="410100")
    world.check()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_holds_over_random_graphs_equal_plain_reachability(make_world: Any, data: st.DataObject) -> None:
    world = make_world()
    live: list[str] = []
    children: dict[str, list[str]] = {}
    for n in range(3):
        world.stocked(f"ROOT-0{n}", 4_096)
        live.append(f"ROOT-0{n}")
        children[f"ROOT-0{n}"] = []
    for n in range(data.draw(st.integers(0, 8))):
        if len(live) > 1 and data.draw(st.booleans()):
            pair = data.draw(st.lists(st.sampled_from(sorted(live)), min_size=2, max_size=2, unique=True))
            world.ok(world.warehouse, "merge", inputs=pair, batch=f"MIX-0{n}", code=f"CODE-MIX-{n}")
            made = [f"MIX-0{n}"]
        else:
            name = data.draw(st.sampled_from(sorted(live)))
            half = world.batch(name)["grams"] // 2
            pair, made = [name], world.split(name, half, world.batch(name)["grams"] - half)
        for name in pair:
            live.remove(name)
            children[name] = made
        live += made
        children.update({name: [] for name in made})

    def below(name: str) -> set[str]:
        return {name}.union(*(below(child) for child in children[name]))

    holds: dict[str, str] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        lift: bool = data.draw(st.booleans())
        if holds and lift:
            hold = data.draw(st.sampled_from(sorted(holds)))
            world.ok(world.regulator, "unfreeze", hold=hold, document=DOC)
            del holds[hold]
        else:
            source = data.draw(st.sampled_from(sorted(children)))
            hold = world.freeze(source)
            holds[hold] = source
        finish(world, hold)
        want = set().union(*(below(source) for source in holds.values()))
        assert blocked(world, sorted(children)) == want
    world.check()
