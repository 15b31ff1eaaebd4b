"""What the due items of a block share: bytes of results, and ticks, of which each step takes some."""

from __future__ import annotations

from typing import Any

import hnnode_native as native
import msgspec
import pytest

from hnnode.errors import CODES
from hnnode.execution import group as group_module
from hnnode.execution.group import Group
from hnnode.execution.metering import meter as meter_module
from hnnode.execution.metering.meter import Meter
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.table import Application, application_prefix
from hnnode.plugin_api import Context, Registry
from hnnode.plugin_api.limits import STEP_TICKS
from hnnode.plugin_api.testing import MemoryState

ITEMS = 8
TIME_MS = 1_000
LIMIT = CODES["WRITE_LIMIT_EXCEEDED"]
EXCEEDED = CODES["STEPS_EXCEEDED"]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def table(handle: Any, meter: Meter | None = None) -> Application:
    registry = Registry("demo")
    registry.describe("演示", "Demo")
    registry.action("push", Nothing, lambda tx, payload: None, title_zh="推", title_en="Push")
    registry.rule("demo.no", "不", "no")
    registry.due(b"d", handle, items_max=ITEMS, title_zh="到点", title_en="On time")
    return Application.freeze(registry, "1", bytes(32), meter)


def due_results(application: Application) -> list[Any]:
    """Of a block with so many items and no transaction; without that of the row that takes them out."""
    state, prefix = MemoryState(), application_prefix("demo")
    state.apply([(prefix + b"d" + n.to_bytes(8, "big") + b"%d" % n, b"") for n in range(ITEMS)])
    group = Group(application, 5, TIME_MS)
    assert group.declare([]) == []
    group.run({}, StateBlockReader(prefix, state, {}))
    taken, *found = native.unpack_results(group.end())
    assert (taken[1], len(taken[4]), len(found)) == (0, ITEMS, ITEMS)
    return found


def test_items_behind_the_bytes_of_a_block_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def handle(tx: Context, item: bytes, value: bytes) -> None:
        sizes.append(tx._packed_bytes)
        tx.put(b"n" + item, bytes(1_000))

    application = table(handle)
    assert [each[1] for each in due_results(application)] == [0] * ITEMS
    before = list(sizes)
    assert before == sorted(set(before))
    for bound, handled in ((before[3], 4), (before[3] - 1, 3), (before[0] - 1, 0), (before[-1], ITEMS)):
        monkeypatch.setattr(group_module, "BLOCK_RESULT_BYTES_MAX", bound)
        sizes.clear()
        found = due_results(application)
        assert [each[0] for each in found] == list(range(1, ITEMS + 1))
        assert [each[1] for each in found] == [0] * handled + [LIMIT] * (ITEMS - handled)
        assert all(each[2:] == ("", 0, [], []) for each in found[handled:])
        assert sizes == before[:handled]


@pytest.mark.parametrize("fails", [False, True])
def test_steps_of_an_item_are_taken_from_those_behind_it(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    meter, steps, room = Meter(), 10, 3

    def handle(tx: Context, item: bytes, value: bytes) -> None:
        meter.charge(1)
        for _ in range(steps):
            tx.get(b"k")
        tx.require("demo.no", not fails)

    ticks = STEP_TICKS * steps + 1
    want = CODES["RULE_VIOLATION"] if fails else 0
    for left, handled in ((room * ticks, room), (room * ticks + 1, room + 1), ((room - 1) * ticks + 1, room)):
        monkeypatch.setattr(meter_module, "BLOCK_TICKS_MAX", left)
        codes = [each[1] for each in due_results(table(handle, meter))]
        assert codes == [want] * handled + [EXCEEDED] * (ITEMS - handled)
