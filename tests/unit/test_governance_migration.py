"""Migrations page by page: every fault of a step is a result, and a rehearsal does what the chain would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.execution import Application, application_prefix
from hnnode.execution.governance_records import Code, MigrationState, PluginRecord
from hnnode.execution.migrating import FAULT_OF_CODE, Moved, check_moved, first_step, move_page
from hnnode.governance import pages
from hnnode.governance.rehearsal import rehearse
from hnnode.plugin_api import Context, Migration, MigrationRefused, Registry
from hnnode.plugin_api.testing import MemoryState


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def handler(tx: Context, payload: Nothing) -> None:
    pass


def table(state_version: int, *migrations: Migration) -> Application:
    registry = Registry("demo")
    registry.describe("演示", "Demo", state_version=state_version)
    registry.action("push", Nothing, handler, title_zh="推", title_en="Push")
    return Application.freeze(registry, "1", bytes(32), None, migrations)


class OneHost:
    """As `Host` in what migrations need of it."""

    def __init__(self, application: Application) -> None:
        self._table = application

    def migration_steps(self, application: str) -> list[tuple[int, int]]:
        return sorted(self._table.migrations)

    def migrate(self, application: str, step: tuple[int, int], phase: Any, rows: Any, *more: Any) -> Moved:
        return move_page(self._table, step, phase, rows)


def upper(rows: Sequence[tuple[bytes, bytes]], put: Callable[..., None], delete: Callable[..., None]) -> None:
    for key, value in rows:
        if key[:1] == b"o":
            delete(key)
            put(b"n" + key[1:], value.upper())


def moved_all(rows: Sequence[tuple[bytes, bytes]]) -> None:
    for key, _ in rows:
        if key[:1] != b"n":
            raise MigrationRefused(f"{key.decode()} stayed")


STEP = Migration(1, 2, upper, verify=moved_all)


def state_of(rows: dict[bytes, bytes]) -> MemoryState:
    state = MemoryState()
    state.apply([(application_prefix("demo") + key, value) for key, value in rows.items()])
    state.apply([(application_prefix("demp") + b"o", b"other"), (application_prefix("dem") + b"o", b"other")])
    return state


def on_chain(host: OneHost, state: MemoryState, target: int) -> tuple[str, int]:
    """(fault, blocks) of a chain that takes one page a block."""
    plugin = PluginRecord(
        "demo", Code("2", 1, target, ""), "migrating", 1, 1, 1, MigrationState(Code("1", 1, 1, ""), "check", "", 0), ""
    )
    order = ("check", "move", "verify")
    blocks = 0
    while plugin.data_version != target:
        page = pages.next_page(plugin, host, None, state)  # type: ignore[arg-type]
        blocks += 1
        if page.fault is not None:
            return page.fault, blocks
        state.apply([(application_prefix("demo") + key, value) for key, value in page.writes])
        assert plugin.migration is not None
        if page.cursor is not None:
            now = msgspec.structs.replace(plugin.migration, cursor=page.cursor.hex())
        else:
            following = (order.index(plugin.migration.phase) + 1) % 3
            now = msgspec.structs.replace(plugin.migration, phase=order[following], cursor="")
            if following == 0:
                plugin = msgspec.structs.replace(plugin, data_version=page.reached)
        plugin = msgspec.structs.replace(plugin, migration=now)
    return "", blocks


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.binary(min_size=1, max_size=3).map(lambda key: b"o" + key), st.binary(max_size=3), max_size=40),
    st.integers(1, 12),
    st.integers(20, 400),
)
def test_pages_of_any_size_move_every_row_and_a_rehearsal_agrees(
    rows: dict[bytes, bytes], page_rows: int, page_bytes: int
) -> None:
    host = OneHost(table(2, STEP))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_ROWS_MAX", page_rows)
        patch.setattr(pages, "PAGE_BYTES_MAX", page_bytes)
        before = state_of(rows)
        tried = rehearse("demo", 1, Code("2", 1, 2, ""), (host, None), before)  # type: ignore[arg-type]
        assert before.scan(b"", None, 1_000) == state_of(rows).scan(b"", None, 1_000)
        state = state_of(rows)
        fault, blocks = on_chain(host, state, 2)
    assert (fault, tried.problem, tried.reached) == ("", "", 2)
    assert tried.blocks == blocks
    want = state_of({b"n" + key[1:]: value.upper() for key, value in rows.items()})
    assert state.scan(b"", None, 1_000) == want.scan(b"", None, 1_000)


def out_of_type(rows: Any, put: Any, delete: Any) -> None:
    put("text", b"")


def too_long(rows: Any, put: Any, delete: Any) -> None:
    put(b"k", bytes(65_537))


def too_many(rows: Any, put: Any, delete: Any) -> None:
    for n in range(4_097):
        put(n.to_bytes(2, "big"), b"")


def raises(rows: Any, put: Any, delete: Any) -> None:
    put(b"k", b"")
    raise KeyError(b"k")


def refuses(rows: Any, put: Any, delete: Any) -> None:
    put(b"k", b"")
    raise MigrationRefused("x" * 300)


@pytest.mark.parametrize(
    ("move", "fault"),
    [
        (out_of_type, FAULT_OF_CODE),
        (too_long, FAULT_OF_CODE),
        (too_many, FAULT_OF_CODE),
        (raises, FAULT_OF_CODE),
        (refuses, "x" * 200),
    ],
)
def test_a_faulty_step_writes_nothing_and_has_one_text(move: Any, fault: str) -> None:
    got = move_page(table(2, Migration(1, 2, move)), (1, 2), "move", [(b"a", b"")])
    assert got == Moved(fault=fault)


def test_passes_that_look_cannot_write_and_a_way_must_lead_there() -> None:
    assert move_page(table(2, STEP), (1, 2), "check", [(b"oa", b"")]) == Moved()
    assert move_page(table(2, STEP), (1, 2), "verify", [(b"oa", b"")]) == Moved(fault="oa stayed")
    tried = rehearse("demo", 1, Code("3", 1, 3, ""), (OneHost(table(2, STEP)), None), state_of({}))  # type: ignore[arg-type]
    assert "no migration leads from state version 1 to 3" in tried.problem


def test_steps_that_lead_nowhere_or_twice_are_refused_when_the_table_is_made() -> None:
    from hnnode.plugin_api import ModelError

    for steps in ((STEP, STEP), (Migration(1, 1, upper),), (Migration(0, 1, upper),)):
        with pytest.raises(ModelError, match="migrations"):
            table(2, *steps)


@pytest.mark.parametrize(
    ("moved", "phase"),
    [
        (Moved(((b"k", b""),)), "check"),
        (Moved(((b"k", b""),), "no"), "move"),
        (Moved(((b"k", b""), (b"a", b""))), "move"),
        (Moved(((b"k", b""), (b"k", None))), "move"),
        (Moved(((b"", b""),)), "move"),
        (Moved(((b"k", bytes(65_537)),)), "move"),
        (Moved(fault="x" * 201), "move"),
        (Moved(tuple((n.to_bytes(2, "big"), None) for n in range(4_097))), "move"),
    ],
)
def test_what_another_process_may_not_answer(moved: Moved, phase: Any) -> None:
    with pytest.raises(ValueError, match="moved"):
        check_moved(moved, phase)


@given(
    st.sets(st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda way: way[0] != way[1])),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_the_first_step_is_that_of_a_shortest_way(steps: set[tuple[int, int]], start: int, end: int) -> None:
    ways = [
        way
        for length in range(2, 6)
        for way in product(range(1, 6), repeat=length)
        if way[0] == start and way[-1] == end and all(pair in steps for pair in pairwise(way))
    ]
    shortest = [way for way in ways if len(way) == min(map(len, ways))] if start != end else []
    assert first_step(steps, start, end) == (min(way[1] for way in shortest) if shortest else None)
