"""Items that have become due: handled at the end of a block, in order, like transactions, the same wherever the code runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hnnode_native import Receipt, state_key, unpack_results

from hnnode.errors import CODES
from hnnode.events.block_events import read_block_events
from hnnode.execution.due import due_id
from hnnode.execution.group import Group
from hnnode.execution.table import Application
from hnnode.governance.running import Running
from hnnode.kit.chain import BLOCK_MS, Account, Chain
from hnnode.kit.project import Project
from hnnode.node.differences import compare, summary
from hnnode.plugin_api import ModelError, Registry
from hnnode.plugin_api.limits import DUE_ITEMS_MAX
from hnnode.plugin_api.testing import LocalChain
from hnnode.primitives.due import DueReceipt, read_due
from hnnode.sync.results import BlockResults

CLOCK = Path(__file__).parents[1] / "kit" / "clock"
MANY = dict.fromkeys(("ok", "again"), 0) | {
    "refuse": CODES["RULE_VIOLATION"],
    "raise": CODES["HANDLER_FAILED"],
    "unheard": CODES["HANDLER_FAILED"],
    "loop": CODES["STEPS_EXCEEDED"],
    "write": CODES["WRITE_LIMIT_EXCEEDED"],
}

PLANS = (
    (0, "now", "ok"),
    (500, "b", "refuse"),
    (500, "c", "raise"),
    (500, "d", "ok"),
    (500, "e", "again"),
    (7_000, "f", "loop"),
)


@pytest.fixture
def chain() -> Iterator[Chain]:
    """Four nodes, the second in a process of its own; one of the others is restarted every fifth block."""
    project, number, hosts = Project.open(CLOCK), count(), []

    def make_host() -> Any:
        hosts.append(project.host(isolated=next(number) == 1))
        return hosts[-1]

    made = Chain(make_host, "clock", nodes=4)
    yield made
    for host in hosts:
        host.close()


def tell(chain: Chain, someone: Account, *plans: tuple[int, str, str], action: str = "plan") -> None:
    wanted = plans or ((10_000, "far", "ok"),)
    outcomes = chain.block([someone.request(action, in_ms=ms, item=item, what=what) for ms, item, what in wanted])
    assert all(outcome.ok for outcome in outcomes)


def receipts(chain: Chain) -> list[DueReceipt]:
    return list(read_due(chain.state, chain.height))


def items(chain: Chain) -> list[str]:
    return [entity for one in receipts(chain) for _, entity, _ in one.receipt.events]


def test_items_come_in_their_order_and_no_more_than_may(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (1, "b", "ok"), (1, "a", "ok"), (2, "c", "ok"), (0, "d", "ok"), (2_000, "late", "ok"))
    assert items(chain) == ["d"]  # what a transaction of the block put there is due in it
    tell(chain, someone)
    assert items(chain) == ["a", "b", "c"]
    found = receipts(chain)
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert {one.application for one in found} == {"clock"}
    assert found[0].receipt.events == []  # takes the items out of the index
    for one in found[1:]:
        row = chain.rows()[b"n" + one.receipt.events[0][1].encode()]
        assert row == chain.time_ms.to_bytes(8, "big") + one.receipt.tx_id + bytes(20) + b"ok"
        assert one.receipt.tx_id == due_id(chain.height, "clock", one.number)
    tell(chain, someone)
    assert items(chain) == ["late"]
    tell(chain, someone, *((-1, f"m{n}", "ok") for n in range(8)))
    assert items(chain) == ["m0", "m1", "m2"]
    tell(chain, someone)
    assert items(chain) == ["m3", "m4", "m5"]
    tell(chain, someone)
    assert items(chain) == ["m6", "m7"]


def test_what_a_block_takes_back_is_not_handled(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (BLOCK_MS, "gone", "ok"), (BLOCK_MS, "stays", "ok"))
    tell(chain, someone, (0, "gone", "x"), action="drop")
    assert items(chain) == ["stays"]


@pytest.mark.parametrize("what", MANY)
def test_an_item_that_fails_leaves_nothing_and_holds_up_no_other(chain: Chain, what: str) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (-2, "a", what), (-1, "b", "ok"))
    _, odd, good = (one.receipt for one in receipts(chain))
    assert (odd.code, good.code) == (MANY[what], 0)
    assert odd.rule == ("clock.no" if what == "refuse" else "")
    assert (b"na" in chain.rows()) is (odd.code == 0)
    assert b"nb" in chain.rows()
    left = [key[9:] for key in chain.rows() if key.startswith(b"d")]
    assert left == ([b"a"] if what == "again" else [])
    tell(chain, someone)
    assert items(chain) == (["a"] if what == "again" else [])


def test_transactions_that_use_up_the_ticks_of_a_block_cost_no_item_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: items were counted with the transactions before them, so whoever filled a block at the right time had each deadline of
    it refused with STEPS_EXCEEDED, and it was gone."""
    host = Project.open(CLOCK).host(isolated=False)
    try:
        chain = Chain(lambda: host, "clock", nodes=1)
        someone = chain.account("someone")
        tell(chain, someone, (BLOCK_MS, "a", "ok"), (BLOCK_MS, "b", "ok"), (BLOCK_MS, "c", "refuse"))
        monkeypatch.setattr("hnnode.execution.metering.meter.BLOCK_TICKS_MAX", 3_000)
        outcomes = chain.block([someone.request("plan", in_ms=10_000, item=f"far{n}", what="ok") for n in range(60)])
        assert not outcomes[-1].ok  # the block is full
        assert [one.receipt.code for one in receipts(chain)] == [0, 0, 0, MANY["refuse"]]
    finally:
        host.close()


def test_a_block_without_transactions_handles_what_is_due(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (5_000, "a", "ok"))
    root, height = chain.root, chain.height + 1
    for replica in chain.replicas:
        early = replica.execute([], height, chain.time_ms + 4_999, bytes(20))
        assert (early.result.due_count, early.result.update_count) == (0, 0)
        done = replica.execute([], height, chain.time_ms + 5_000, bytes(20))
        assert done.result.due_count == 2
        keys = [key for key, _ in done.result.writes]
        assert keys == sorted(keys)
        assert keys[-1].startswith(state_key("system", height.to_bytes(8, "big")))
        replica.commit(done)
    assert chain.root != root
    assert len({replica.state.root() for replica in chain.replicas}) == 1
    block = SimpleNamespace(tx_count=0, value=None, batches=())
    fake: Any = SimpleNamespace(
        block=lambda _: block, receipts=lambda _: [], state=lambda: chain.state, batch=lambda _: b""
    )
    with pytest.MonkeyPatch.context() as patch:
        header = SimpleNamespace(header=SimpleNamespace(time_ms=7))
        patch.setattr("hnnode.events.block_events.Value", SimpleNamespace(decode=lambda _: header))
        (event,) = read_block_events(fake, chain.height)
    assert (event.application, event.name, event.entity, event.time_ms) == ("clock", "clock.done", "a", 7)
    assert (event.cursor.height, event.cursor.tx_index, event.cursor.event_index) == (chain.height, 1, 0)


def test_the_core_takes_no_other_results(chain: Chain) -> None:
    from hnnode_native import BlockExecution, DispatchTable, NativeError, pack_results

    def begin(closed: tuple[tuple[str, int], ...] = ()) -> Any:
        table = DispatchTable([("clock", "plan", [])], list(closed))
        run = BlockExecution(bytes(32), 1, 1, bytes(20), 100, [], chain.replicas[0].records, table)
        run.set_committed(b"")
        run.supply(chain.state.get_many(run.native_keys()))
        run.run_native()
        return run

    def result(number: int) -> tuple[Any, ...]:
        return number, 0, "", 1, [(b"k%d" % number, b"v")], []

    run = begin()
    for bad in ([result(1)], [result(0), result(2)], [result(n) for n in range(DUE_ITEMS_MAX + 2)]):
        with pytest.raises(NativeError):
            run.complete_due("clock", pack_results(bad))
    for name in ("evidence", "nobody", "system"):
        with pytest.raises(NativeError):
            run.complete_due(name, b"")
    run.complete_due("clock", pack_results([result(0)]))
    with pytest.raises(NativeError):
        run.complete_due("clock", pack_results([result(0)]))
    assert run.finish().due_count == 1
    closed = begin((("clock", CODES["APPLICATION_DISABLED"]),))
    assert not closed.is_open("clock")
    with pytest.raises(NativeError):
        closed.complete_due("clock", pack_results([result(0)]))
    huge = begin()
    huge.complete_due("clock", pack_results([(0, 0, "", 1, [(b"k", b"v" * 70_000)], [])]))
    _, value = list(huge.finish().writes)[-1]
    assert value is not None
    assert Receipt.decode(value[6:]).code == CODES["RESULT_INVALID"]
    with pytest.raises(NativeError):
        DispatchTable([("system", "plan", [])])


def test_nodes_that_differ_in_due_work_alone_say_so(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (0, "a", "ok"))
    prefix = state_key("system", chain.height.to_bytes(8, "big"))
    rows = chain.state.scan(prefix, None, 9)
    own = BlockResults(chain.height, bytes(32), b"\1" * 32, (b"same",), tuple(rows))
    for changed, fields in (([rows[0]], "its presence"), ([rows[0], (rows[1][0], rows[0][1])], "steps, events")):
        other = BlockResults(chain.height, bytes(32), b"\2" * 32, (b"same",), tuple(changed))
        text = summary(compare(own, other, lambda _: None, bytes(20)))
        assert f"item 1 of the block, of clock, different in {fields}" in text
    garbage = BlockResults(chain.height, bytes(32), b"\2" * 32, (b"same",), (rows[0], (rows[1][0], b"\xff")))
    assert "item 1" in summary(compare(garbage, own, lambda _: None, bytes(20)))


def test_what_may_not_be_registered() -> None:
    def nothing(*_: Any) -> None:
        pass

    for prefix, most in ((b"", 1), (b"x" * 201, 1), ("d", 1), (b"d", 0), (b"d", DUE_ITEMS_MAX + 1)):
        with pytest.raises(ModelError, match="due"):
            Registry("demo").due(prefix, nothing, items_max=most, title_zh="x", title_en="x")  # type: ignore[arg-type]
    registry = Registry("demo")
    registry.due(b"d", nothing, title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="twice"):
        registry.due(b"e", nothing, title_zh="x", title_en="x")


def test_time_passes_while_nobody_sends_anything(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (1_500, "a", "ok"), (3_000, "b", "again"), (9_000, "late", "ok"))
    began, height = chain.time_ms, chain.height
    seen: list[tuple[int, str]] = []
    for one in chain.rest(seconds=6):
        seen += [(data["at_ms"] - began, entity) for _, entity, data in decoded(one)]
    assert seen == [(1_500, "a"), (3_000, "b"), (3_001, "b")]
    assert (chain.time_ms - began, chain.height - height) == (6_000, 3)
    assert [entity for one in chain.rest(hours=1) for _, entity, _ in decoded(one)] == ["late"]
    assert chain.rest(hours=1) == []


def decoded(one: DueReceipt) -> list[tuple[str, str, Any]]:
    return [(name, entity, msgspec.json.decode(data)) for name, entity, data in one.receipt.events]


@pytest.mark.parametrize("replica", [0, 1])
def test_only_what_takes_transactions_asks_for_a_block(chain: Chain, replica: int) -> None:
    someone = chain.account("someone")
    executor = chain.replicas[replica].host.executor()
    assert executor.next_due_ms(chain.state) is None
    tell(chain, someone, (9_000, "b", "ok"), (5_000, "a", "ok"))
    for status, want in (("enabled", chain.time_ms + 5_000), ("disabled", None), ("migrating", None)):
        plugin: Any = SimpleNamespace(name="clock", status=status)
        nothing: Any = None
        plugins: Any = SimpleNamespace(plugins=(plugin,))
        running = Running(1, plugins, nothing, None, nothing, executor, nothing, b"")
        assert running.next_due_ms(chain.state) == want


def test_a_chain_in_memory_does_what_is_due_as_a_node_does(chain: Chain) -> None:
    """The same rows, receipts and events as with the whole block execution, isolated or not."""
    someone, began = chain.account("someone"), chain.time_ms
    for number in (0, 1):
        local = LocalChain(chain.replicas[number].host, "clock", time_ms=began)
        sender = local.account("someone")
        plans = [{"in_ms": ms, "item": item, "what": what} for ms, item, what in PLANS]
        assert all(outcome.ok for outcome in local.block([(sender, "plan", each) for each in plans]))
        told = [*local.due(), *local.rest(20_000)]
        if number == 0:
            tell(chain, someone, *PLANS)
            want = [*chain.due(), *chain.rest(seconds=20)]
        assert [(one.number, one.receipt.events) for one in told] == [(one.number, one.receipt.events) for one in want]
        theirs = chain.state.dump()
        rows = {key: value for key, value in theirs.items() if key.startswith((b"\x05clock", b"\x06system"))}
        assert local.state.dump() == rows
    left = LocalChain(chain.host, "clock")
    left.submit(left.account("someone"), "plan", {"in_ms": 1, "item": "x", "what": "ever"})
    with pytest.raises(AssertionError, match="still due"):
        left.rest(20_000)


class Rows:
    """A state of one application, as a group reads it."""

    failed = None

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = rows

    def get(self, key: bytes, /) -> bytes | None:
        return self.rows.get(key)

    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
        found = [row for row in sorted(self.rows.items()) if row[0].startswith(prefix) and row[0] > (after or b"")]
        return found[:limit]

    def foreign(self, application: str, key: bytes, /) -> bytes | None:
        return None

    def sender(self, account: bytes, /) -> tuple[str, tuple[str, ...]]:
        return "", ()


def ended(rows: dict[bytes, bytes], items_max: int) -> list[tuple[Any, ...]]:
    """Results of the due items among these rows, at a time of 1,000 ms."""
    registry = Registry("demo")

    def handle(tx: Any, item: bytes, value: bytes) -> None:
        tx.put(b"seen" + item, value)

    registry.due(b"d", handle, items_max=items_max, title_zh="x", title_en="x")
    group = Group(Application.freeze(registry, "1.0", bytes(32)), 7, 1_000)
    assert group.declare([]) == []
    group.run({}, Rows(rows))
    packed = group.end()
    return list(unpack_results(packed)) if packed else []


def test_rows_without_a_whole_time_are_taken_out_and_handled_in_their_place() -> None:
    time = (1_000).to_bytes(8, "big")
    rows = {b"d": b"1", b"d" + time: b"2", b"d" + time + b"a": b"3", b"d\x00\x01": b"4"}
    later = {b"d" + (1_001).to_bytes(8, "big") + b"b": b"5", b"e": b"6"}
    taken, *handled = ended(rows | later, 64)
    assert [(key, value) for key, value in taken[4]] == [(key, None) for key in sorted(rows)]
    assert [result[0] for result in handled] == [1, 2, 3, 4]
    items = [b"", b"", b"a", b""]
    assert [result[4] for result in handled] == [[(b"seen" + item, b"%d" % n)] for n, item in enumerate(items, 1)]
    assert ended(later, 64) == []


@pytest.mark.parametrize("count", [DUE_ITEMS_MAX, DUE_ITEMS_MAX + 1])
def test_as_many_items_as_may_be_are_taken_out_at_once(count: int) -> None:
    rows = {b"d" + bytes(8) + b"%03d" % number: b"" for number in range(count)}
    taken, *handled = ended(rows, DUE_ITEMS_MAX)
    assert (taken[1], len(taken[4]), len(handled)) == (0, DUE_ITEMS_MAX, DUE_ITEMS_MAX)


def test_an_application_that_is_closed_does_no_due_work(chain: Chain) -> None:
    someone = chain.account("someone")
    tell(chain, someone, (5_000, "a", "ok"))
    replica = chain.replicas[0]
    at_ms = chain.time_ms + 5_000
    asked: list[str] = []

    def is_open(name: str) -> bool:
        asked.append(name)
        return len(asked) > 1

    for found in (0, 1):
        block = replica._executor.execute_block([], chain.state, chain.height + 1, at_ms, replica.records, is_open)
        assert len(list(block)) == found
    assert asked == ["clock", "clock"]
