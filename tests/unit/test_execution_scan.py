"""Scans and cross-application reads of handlers, against the naive twin: writes and deletes of the block, refusals,
batches, pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import hnnode_native as native
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.errors import CODES, FatalError, Unavailable
from hnnode.execution.applications import NodeApplications
from hnnode.execution.executor import Executor
from hnnode.execution.table import Application, application_prefix
from hnnode.plugin_api import Context, ModelError, QueryView, Registry
from hnnode.plugin_api.limits import FOREIGN_MAX, KEY_BYTES_MAX, PAGE_LIMIT_MAX, STEPS_MAX
from hnnode.plugin_api.testing import LocalChain, MemoryState
from tests.kit import plugin_twin
from tests.kit.declared_events import declare

OTHERS = {"evidence": {b"a": b"from evidence", b"": b"root"}, "absent": {}}


class Op(msgspec.Struct, forbid_unknown_fields=True):
    """`what` on `key`; a scan continues until it has its pages."""

    what: str
    key: str = ""
    limit: Annotated[int, Meta(ge=0, le=1_000)] = 1
    after: str | None = None


class Do(msgspec.Struct, forbid_unknown_fields=True):
    ops: Annotated[list[Op], Meta(max_length=5_000)]


def single(tx: Context, payload: Any) -> None:
    many(tx, iter((payload,)))


def many(tx: Context, payloads: Iterator[Any]) -> None:
    for payload in payloads:
        for op in payload.ops:
            apply(tx, op)


def apply(tx: Context, op: Op) -> None:
    key = op.key.encode()
    match op.what:
        case "put":
            tx.put(key, tx.tx_id[:2])
        case "delete":
            tx.delete(key)
        case "get":
            tx.emit("demo.get", op.key, {"value": (tx.get(key) or b"-").hex()})
        case "scan":
            rows = tx.scan(key, op.limit, None if op.after is None else op.after.encode())
            tx.emit("demo.scan", op.key, {"rows": [f"{name.decode()}={value.hex()}" for name, value in rows]})
        case "pages":
            after, found = None, []
            while rows := tx.scan(key, op.limit, after):
                after = rows[-1][0]
                found += [name.decode() for name, _ in rows]
            tx.emit("demo.pages", op.key, {"keys": found})
        case "foreign":
            tx.emit("demo.foreign", op.key, {"value": (tx.foreign("evidence", key) or b"-").hex()})
        case "undeclared":
            tx.foreign("identity", key)
        case "refuse":
            tx.fail("demo.no")
        case "raise":
            raise ValueError


def application(*, batch: bool = False, hints: bool = False) -> Application:
    registry = Registry("demo")
    more: dict[str, Any] = {"execute_batch": many} if batch else {}
    if hints:
        more["keys"] = lambda _, payload: [op.key.encode() for op in payload.ops]
    registry.action("do", Do, single, title_zh="做", title_en="do", **more)
    text, texts = {"value": str}, {"rows": list[str]}
    declare(registry, {"demo.get": text, "demo.scan": texts, "demo.pages": {"keys": list[str]}, "demo.foreign": text})
    registry.rule("demo.no", "不", "no")
    registry.reads("evidence", "absent")
    return Application.freeze(registry, "1", bytes(32))


TABLES = [application(), application(batch=True), application(hints=True), application(batch=True, hints=True)]

keys = st.text("ab", max_size=3)
scans = st.builds(Op, st.just("scan"), keys, st.integers(1, 5), st.none() | keys)
ops = st.one_of(
    st.builds(Op, st.sampled_from(("put", "put", "delete", "delete", "get", "foreign")), keys.filter(bool)),
    scans,
    scans,
    st.builds(Op, st.just("pages"), keys, st.integers(1, 4)),
    st.builds(Op, st.sampled_from(("refuse", "raise", "undeclared"))),
)
states = st.dictionaries(keys.filter(bool).map(str.encode), st.just(b"\0"), max_size=15)
blocks = st.lists(st.lists(ops, max_size=6), max_size=8)


def execute(table: Application, txs: list[list[Op]], rows: dict[bytes, bytes]) -> list[Any]:
    state = MemoryState()
    for name, own in (OTHERS | {"demo": rows, "demp": {b"a": b"a neighbour"}}).items():
        prefix = application_prefix(name)
        state.apply([(prefix + key, value) for key, value in own.items()])
    return Executor({"demo": table}).execute_group("demo", group(txs), state, 7, 7_000, {})


def group(txs: list[list[Op]]) -> list[tuple[int, bytes, bytes, str, bytes]]:
    return [
        (index, native.sm3(bytes([index])), bytes(20), "do", msgspec.json.encode(Do(own)))
        for index, own in enumerate(txs)
    ]


@given(blocks, states)
@example([[Op("put", "a")], [Op("delete", "a"), Op("refuse")], [Op("scan", "", 5)], [Op("delete", "a")]], {b"a": b"1"})
@example([[Op("delete", "a"), Op("scan", "", 1), Op("put", "a"), Op("scan", "", 1)]], {b"a": b"1", b"b": b"2"})
@example([[Op("delete", f"a{n}") for n in range(9)], [Op("scan", "a", 1)]], {b"a%d" % n: b"" for n in range(10)})
def test_scans_see_what_the_twin_sees(txs: list[list[Op]], rows: dict[bytes, bytes]) -> None:
    want = plugin_twin.execute(TABLES[0], group(txs), dict(rows), 7, 7_000, foreign=OTHERS)
    for table in TABLES:
        assert execute(table, txs, rows) == want


def one(op: Op, rows: dict[bytes, bytes] | None = None) -> Any:
    return execute(TABLES[0], [[op]], rows or {})[0]


def test_each_row_and_each_deleted_key_is_a_step() -> None:
    rows = {b"k%d" % n: b"" for n in range(8)}
    gone = [Op("delete", "k0"), Op("delete", "k1"), Op("delete", "never")]
    results = execute(TABLES[0], [gone, [Op("scan", "k", 3)], [Op("scan", "n", 3)]], rows)
    assert [row[3] for row in results] == [3, 1 + 2 + 3 + 1, 1 + 1 + 1]  # call, deleted, rows, the event


def test_a_scan_beyond_the_steps_of_a_transaction_is_refused_at_the_exact_row() -> None:
    rows = {b"k%05d" % n: b"" for n in range(PAGE_LIMIT_MAX)}
    spent = STEPS_MAX - PAGE_LIMIT_MAX - 2  # the scan's call and its event take one each
    for more, want in ((0, 0), (1, CODES["WRITE_LIMIT_EXCEEDED"])):
        reads = [Op("delete", "x")] * (spent + more)
        assert execute(TABLES[0], [[*reads, Op("scan", "k", PAGE_LIMIT_MAX)]], rows)[0][1] == want


@pytest.mark.parametrize("limit", [0, -1, PAGE_LIMIT_MAX + 1, 2**70])
def test_a_limit_out_of_range_is_a_fault(limit: int) -> None:
    def handler(tx: Context, payload: Any) -> None:
        tx.scan(b"", limit)

    assert result_of(handler) == CODES["HANDLER_FAILED"]


@pytest.mark.parametrize("key", ["text", None, bytearray(b"k")])
def test_keys_are_bytes(key: Any) -> None:
    assert result_of(lambda tx, _: tx.scan(key, 1)) == CODES["HANDLER_FAILED"]
    assert result_of(lambda tx, _: tx.foreign("evidence", key)) == CODES["HANDLER_FAILED"]


@pytest.mark.parametrize("name", ["identity", "demo", "", 7, None, ["evidence"], type("Name", (str,), {})("evidence")])
def test_only_declared_applications_are_read(name: Any) -> None:
    assert result_of(lambda tx, _: tx.foreign(name, b"a")) == CODES["HANDLER_FAILED"]


def test_long_keys_are_beyond_the_bounds() -> None:
    long = b"k" * (KEY_BYTES_MAX + 1)
    assert result_of(lambda tx, _: tx.scan(long, 1)) == CODES["WRITE_LIMIT_EXCEEDED"]
    assert result_of(lambda tx, _: tx.foreign("evidence", long)) == CODES["WRITE_LIMIT_EXCEEDED"]


def result_of(handler: Any) -> int:
    table = application()
    action = replace(table.actions["do"], handler=handler)
    code: int = execute(replace(table, actions={"do": action}), [[]], {})[0][1]
    return code


@pytest.mark.parametrize("op", [Op("get", "a"), Op("scan"), Op("foreign", "a")])
@pytest.mark.parametrize(
    "error", [OSError("disk"), Unavailable("NOT_READY", "closed"), FatalError("INTERNAL_ERROR", "x")]
)
def test_a_state_that_cannot_be_read_ends_the_block_not_the_transaction(op: Op, error: Exception) -> None:
    class Broken(MemoryState):
        def get(self, key: bytes) -> bytes | None:
            raise error

        def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
            raise error

    def careless(tx: Context, payload: Any) -> None:
        try:
            apply(tx, op)
        except Exception:  # noqa: BLE001 - what a careless handler would write
            tx.put(b"swallowed", b"1")

    action = replace(TABLES[0].actions["do"], handler=careless)
    executor = Executor({"demo": replace(TABLES[0], actions={"do": action})})
    with pytest.raises(type(error)):
        executor.execute_group("demo", group([[]]), Broken(), 7, 7_000, {})


def test_what_may_be_read_is_registered_once_and_bounded() -> None:
    registry = Registry("demo")
    for bad in ("demo", "Upper", ""):
        with pytest.raises(ModelError):
            registry.reads(bad)
    with pytest.raises(ModelError):
        registry.reads(*(f"app{n}" for n in range(FOREIGN_MAX + 1)))


def test_a_query_reads_declared_applications_at_its_height() -> None:
    state = MemoryState()
    state.apply([(application_prefix("evidence") + b"a", b"1")])
    view = QueryView(state, application_prefix("demo"), reads=frozenset(("evidence",)))
    assert view.foreign("evidence", b"a") == b"1"
    with pytest.raises(ValueError):
        view.foreign("identity", b"a")


class _Tables:
    """Two applications, as `LocalChain` asks a host for them."""

    def __init__(self) -> None:
        registry = Registry("other")
        registry.action("put", Empty, lambda tx, _: tx.put(b"a", tx.tx_id), title_zh="放", title_en="put")
        other = Application.freeze(registry, "1", bytes(32))
        registry = Registry("demo")
        registry.reads("other", "evidence")
        registry.action("copy", Empty, copy, title_zh="抄", title_en="copy")
        self.applications = {"demo": Application.freeze(registry, "1", bytes(32)), "other": other}

    def executor(self) -> Any:
        return Executor(self.applications)

    def node_applications(self) -> Any:
        return NodeApplications(self.applications, [])


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    pass


def copy(tx: Context, payload: Empty) -> None:
    tx.put(b"copy", (tx.foreign("other", b"a") or b"none") + (tx.foreign("evidence", b"e") or b""))


def test_a_local_chain_runs_several_applications_and_reads_the_block_before() -> None:
    chain = LocalChain(_Tables(), "demo")
    sender = chain.account("somebody")
    chain.seed("evidence", {b"e": b"!"})
    put, copied = chain.block([(sender, "other.put", {}), (sender, "copy", {})])
    assert copied.ok
    assert chain.view().get(b"copy") == b"none!"
    assert chain.submit(sender, "copy", {}).ok
    assert chain.view().get(b"copy") == put.tx_id + b"!"
    assert chain.view(application="other").get(b"a") == put.tx_id
