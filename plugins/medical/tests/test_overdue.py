"""A shipment that nobody receives in time becomes known by itself, also behind a migration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hn_medical.migrations import MIGRATIONS
from hn_medical.trace_state import DUE

from hnnode.plugin_api import MigrationRefused

DAY_MS = 86_400_000


def test_a_late_shipment_becomes_known_by_itself_and_once(world: Any) -> None:
    w = world
    w.activated()
    late = w.send(w.maker, w.shop, 1000, minutes=1)
    ends_ms = w.chain.time_ms + 60_000
    taken = w.send(w.maker, w.shop, 2000, minutes=1)
    w.ok(w.shop, "receive", shipment=taken)
    assert w.chain.rest(ends_ms - w.chain.time_ms) == []
    first, told = w.chain.rest(1)
    assert first.receipt.events == []
    ((name, entity, data),) = told.receipt.events
    assert (name, entity) == ("medical.overdue", late)
    assert json.loads(data) == {"from": w.maker.hex(), "to": w.shop.hex(), "ends_ms": ends_ms}
    assert [w.query("shipment", shipment=each)["overdue"] for each in (late, taken)] == [True, False]
    assert w.chain.rest(10 * DAY_MS) == []
    w.refused("offer_expired", w.shop, "receive", shipment=late)
    w.ok(w.maker, "take_back", shipment=late)
    w.check()


def moved(rows: dict[bytes, bytes], step: Any, page: int) -> dict[bytes, bytes]:
    """The application's rows behind a step, which sees them page by page."""
    keys = sorted(rows)
    for look in (step.check, step.move, step.verify):
        for start in range(0, len(keys), page):
            found = [(key, rows[key]) for key in keys[start : start + page] if key in rows]
            if look is step.move:
                look(found, rows.__setitem__, lambda key: rows.pop(key, None))
            elif look is not None:
                look(found)
    return rows


@pytest.mark.parametrize("page", [1, 7, 1_000])
def test_layouts_are_moved_there_and_back(world: Any, page: int) -> None:
    """What was late in layout 1 becomes known behind the migration; what layout 2 knows to be late is forgotten on the way back."""
    w = world
    w.activated()
    names = [w.send(w.maker, w.shop, pack, minutes=minutes) for pack, minutes in ((1000, 1), (2000, 9), (900, 9))]
    w.ok(w.shop, "receive", shipment=names[2])
    assert len(w.chain.rest(60_001)) == 2
    onwards, behind = MIGRATIONS
    prefix = w.host.applications["medical"].prefix
    rows = {key.removeprefix(prefix): value for key, value in w.chain.state.dump().items() if key.startswith(prefix)}
    first = moved(dict(rows), behind, page)
    assert not any(key.startswith(DUE) for key in first)
    second = moved(first, onwards, page)
    assert [key for key in second if key not in rows] == [
        key for key in second if key.endswith(names[0].encode()) and key.startswith(DUE)
    ]
    w.chain.state.apply(
        [(prefix + key, None) for key in rows] + [(prefix + key, second[key]) for key in sorted(second)]
    )
    w.check()
    assert [event[1] for one in w.chain.rest(1) for event in one.receipt.events] == [names[0]]
    assert [event[1] for one in w.chain.rest(DAY_MS) for event in one.receipt.events] == [names[1]]
    w.check()
    with pytest.raises(MigrationRefused):
        moved({b"sBAD": b"\xc1"}, onwards, page)
