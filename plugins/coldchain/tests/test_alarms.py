"""Refusals around alarms, times outside the band and overdue hand-overs."""

from __future__ import annotations

import struct
from typing import Any

from hnnode.plugin_api.hashes import block_proof, block_root

DOC = "ab" * 32


def segment(**more: Any) -> dict[str, Any]:
    return {"batch": "BATCH-1", "root": DOC, "count": 1, "min": -200, "max": -190, "from_ms": 1, "to_ms": 2, **more}


def committed(w: Any, low: int = -170_00, high: int = -170_00) -> dict[str, Any]:
    """A committed stretch of two readings; the payload that shows the first one."""
    w.stocked("BATCH-1")
    leaves = [reading(low, high), reading(-19_000, -19_000)]
    root = block_root(leaves).hex()
    w.ok(w.warehouse, "commit_temperatures", **segment(root=root, count=2, min=-190, max=-170))
    return {
        "batch": "BATCH-1",
        "root": root,
        "from_ms": 1,
        "reading": leaves[0].hex(),
        "proof": block_proof(leaves, 0).hex(),
    }


def reading(low: int, high: int) -> bytes:
    return struct.pack(">QQiiH", 1, 2, low, high, 3) + b"dev"


def test_a_reading_raises_one_alarm(world: Any) -> None:
    w = world
    shown = committed(w)
    w.ok(w.regulator, "alarm", **shown)
    assert w.batch("BATCH-1")["alarms"] == 1
    w.refused("alarm_known", w.warehouse, "alarm", **shown)


def test_a_reading_inside_the_band_raises_none(world: Any) -> None:
    w = world
    w.refused("reading_inside", w.warehouse, "alarm", **committed(w, -18_000, -18_000))


def test_a_reading_must_be_under_the_committed_root(world: Any) -> None:
    w = world
    shown = committed(w)
    for wrong in ({"reading": reading(-5_000, -5_000).hex()}, {"proof": "00" * 17}, {"reading": "00" * 26}):
        w.refused("reading_unproven", w.warehouse, "alarm", **{**shown, **wrong})


def test_a_reading_must_be_of_a_committed_stretch(world: Any) -> None:
    w = world
    shown = committed(w)
    for wrong in ({"from_ms": 2}, {"root": "cd" * 32}):
        w.refused("segment_unknown", w.warehouse, "alarm", **{**shown, **wrong})


def test_the_time_outside_must_fit_the_stretch(world: Any) -> None:
    w = world
    w.stocked("BATCH-1")
    hour = {"from_ms": 0, "to_ms": 3_600_000}
    for wrong in (
        {"outside_minutes": 5},
        {"max": -100, "outside_minutes": 0},
        {"max": -100, "outside_minutes": 62, **hour},
    ):
        w.refused("outside_invalid", w.warehouse, "commit_temperatures", **segment(**wrong))
    w.ok(w.warehouse, "commit_temperatures", **segment(max=-100, outside_minutes=61, **hour))


def test_an_overdue_hand_over_is_reported_once(world: Any) -> None:
    w = world
    w.stocked("BATCH-1")
    w.ok(w.warehouse, "ship_out", batch="BATCH-1", to=w.shop.hex(), minutes=1)
    w.refused("offer_live", w.nobody, "report_overdue", batch="BATCH-1")
    w.chain.advance(61_000)
    w.ok(w.nobody, "report_overdue", batch="BATCH-1")
    w.refused("overdue_known", w.warehouse, "report_overdue", batch="BATCH-1")
