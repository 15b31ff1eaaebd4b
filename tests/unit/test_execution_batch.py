"""Batch handlers against single ones, and decoders whose patterns are matched together against msgspec's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import hnnode_native as native
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.errors import CODES, FatalError
from hnnode.execution.executor import Executor
from hnnode.execution.payload import payload_decoder
from hnnode.execution.table import Application
from hnnode.plugin_api import END, Context, Registry
from hnnode.plugin_api.testing import MemoryState
from tests.kit import plugin_twin
from tests.kit.declared_events import declare

WHATS = ("ok", "refuse", "late", "raise", "unknown", "read", "swallow", "long", "delete", "rebel")


class Do(msgspec.Struct, forbid_unknown_fields=True):
    what: str


def single(tx: Context, payload: Do) -> None:
    many(tx, iter((payload,)))


def many(tx: Context, payloads: Iterator[Do]) -> None:
    """What one transaction leaves behind is seen by those after it."""
    for payload in payloads:
        count = int(tx.get(b"count") or b"0")
        match payload.what:
            case "refuse":
                tx.fail("demo.no")
            case "raise":
                raise ValueError
            case "unknown":
                tx.fail("demo.never")
            case "read":
                tx.get(b"k" * 257)
            case "delete":
                tx.delete(b"count")
                continue
        tx.put(b"count", str(count + 1).encode())
        tx.put(b"last", tx.tx_id[:4])
        tx.emit("demo.done", payload.what, {"count": count, "sender": tx.sender.hex()})
        match payload.what:
            case "late":
                tx.require("demo.no", False)
            case "long":
                tx.put(b"", b"")
            case "swallow":
                try:
                    tx.fail("demo.no")
                except Exception:  # noqa: BLE001 - what a careless handler would write
                    tx.put(b"swallowed", b"1")
            case "rebel":
                raise RecursionError


def application(*, batch: bool, handler: Any = many) -> Application:
    registry = Registry("demo")
    more = {"execute_batch": handler} if batch else {}
    registry.action("do", Do, single, title_zh="做", title_en="do", **more)
    registry.action("alone", Do, single, title_zh="独", title_en="alone")
    declare(registry, {"demo.done": {"count": int, "sender": str}})
    registry.rule("demo.no", "不", "no")
    return Application.freeze(registry, "1", bytes(32))


SINGLE, BATCH = application(batch=False), application(batch=True)


def group(calls: list[tuple[str, str]]) -> list[tuple[int, bytes, bytes, str, bytes]]:
    return [
        (index, native.sm3(bytes([index % 256])), bytes([index % 3]) * 20, action, b'{"what":"%s"}' % what.encode())
        for index, (action, what) in enumerate(calls)
    ]


def packed(table: Application, txs: Any) -> bytes:
    return Executor({"demo": table}).execute_packed("demo", txs, MemoryState(), 7, 7_000, {})


mixes = st.lists(
    st.tuples(st.sampled_from(("do", "do", "do", "alone", "none")), st.sampled_from((*WHATS, "\\u00"))), max_size=40
)


@given(mixes)
@example([("do", what) for what in WHATS])
@example([("do", what) for what in reversed(WHATS)])
@example([("do", "raise")] * 3)
def test_batches_give_what_single_handlers_and_the_twin_give(calls: list[tuple[str, str]]) -> None:
    txs = group(calls)
    alone = packed(SINGLE, txs)
    assert packed(BATCH, txs) == alone
    assert native.unpack_results(alone) == plugin_twin.execute(SINGLE, txs, {}, 7, 7_000)


def rows(handler: Any, *whats: str) -> list[Any]:
    table = application(batch=True, handler=handler)
    txs = group([("do", what) for what in whats])
    return Executor({"demo": table}).execute_group("demo", txs, MemoryState(), 7, 7_000, {})


def test_a_batch_handler_that_stops_early_fails_the_transaction_it_stands_at() -> None:
    def first_only(tx: Context, payloads: Iterator[Do]) -> None:
        for _ in payloads:
            tx.put(b"k", b"v")
            return

    def nothing(tx: Context, payloads: Iterator[Do]) -> None:
        return

    def closes(tx: Context, payloads: Any) -> None:
        next(payloads)
        payloads.close()

    for handler in (first_only, nothing, closes):
        assert [row[1:] for row in rows(handler, "a", "b", "c")] == [(CODES["HANDLER_FAILED"], "", 0, [], [])] * 3


def test_a_batch_handler_that_takes_ahead_writes_for_the_last_one_only() -> None:
    def ahead(tx: Context, payloads: Iterator[Do]) -> None:
        taken = list(payloads)
        tx.put(b"taken", str(len(taken)).encode())

    found = rows(ahead, "a", "b", "c")
    assert [(row[1], row[4]) for row in found] == [(0, []), (0, []), (0, [])]


def test_a_batch_handler_that_raises_behind_the_last_one_changes_nothing() -> None:
    def late(tx: Context, payloads: Iterator[Do]) -> None:
        for _ in payloads:
            tx.put(b"k", b"v")
        raise ValueError

    assert [(row[1], row[4]) for row in rows(late, "a", "b")] == [(0, [(b"k", b"v")])] * 2


def test_out_of_memory_and_faults_of_the_host_stop_the_node() -> None:
    def faulty(tx: Context, payloads: Iterator[Do]) -> None:
        next(payloads)
        raise MemoryError

    with pytest.raises(FatalError):
        rows(faulty, "a", "b")

    def leaving(tx: Context, payloads: Iterator[Do]) -> None:
        next(payloads)
        raise SystemExit

    assert [row[1] for row in rows(leaving, "a", "b")] == [CODES["HANDLER_FAILED"]] * 2

    class Broken(MemoryState):
        def get(self, key: bytes) -> bytes | None:
            raise FatalError("STORAGE_FAILED", "gone")

    for table in (SINGLE, BATCH):
        with pytest.raises(FatalError, match="gone"):
            Executor({"demo": table}).execute_packed("demo", group([("do", "ok")]), Broken(), 7, 7_000, {})


# ---------------------------------------------------------------- decoders
Upper = Annotated[str, Meta(pattern="^[A-Z][A-Z0-9-]{2,5}" + END, max_length=5)]
Hexa = Annotated[str, Meta(pattern="^[0-9a-f]{4}" + END)]


class Plain(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Upper
    digest: Hexa
    kind: Annotated[str, Meta(pattern="^x-?[ab]*" + END)]
    other: Upper | None = None
    defaulted: Hexa = "not hexadecimal"
    odd: Annotated[str, Meta(pattern="^(a|b)" + END)] = "a"
    lines: Annotated[str, Meta(pattern="^[^x]*" + END)] = ""
    n: Annotated[int, Meta(ge=0, le=9)] = 0


class Breaks(msgspec.Struct, forbid_unknown_fields=True):
    """Classes that match a line feed are left to msgspec."""

    a: Annotated[str, Meta(pattern="^[a\n]*" + END)]
    b: Annotated[str, Meta(pattern="^[\t-z]*" + END)]
    c: Annotated[str, Meta(pattern="^[b]*" + END)]
    d: Annotated[str, Meta(pattern="^[a-c]{1,2}" + END)]


texts = st.sampled_from(
    [
        "",
        "A",
        "AB",
        "AB-9",
        "ABCDE",
        "ABCDEF",
        "00ff",
        "00fF",
        "00ff\n",
        "x",
        "x-ab",
        "xb\nx",
        "a",
        "b",
        "\n",
        "é",
        "A\n00ff",
    ]
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "digest", "kind", "other", "defaulted", "odd", "lines", "n", "a", "b", "c", "d"]),
        texts | st.integers(-1, 10) | st.none(),
        max_size=9,
    )
)
@example({"name": "ABC", "digest": "00ff", "kind": "x"})
@example(
    {
        "name": "ABC",
        "digest": "00ff",
        "kind": "x",
        "other": "DEF",
        "defaulted": "ffff",
        "odd": "b",
        "lines": "\n",
        "n": 3,
    }
)
@example({"name": "ABC\n00ff", "digest": "", "kind": "x"})
@example({"a": "a\n", "b": "\n", "c": "b", "d": "ac"})
def test_decoders_take_and_refuse_what_msgspec_does(fields: dict[str, Any]) -> None:
    raw = msgspec.json.encode(fields)
    for model in (Plain, Breaks):
        decode = payload_decoder(model)
        try:
            want = msgspec.json.decode(raw, type=model)
        except ValueError:
            with pytest.raises(ValueError):
                decode(raw)
            continue
        got = decode(raw)
        assert isinstance(got, model)
        assert msgspec.structs.astuple(got) == msgspec.structs.astuple(want)


def test_models_that_a_subclass_might_decode_otherwise_keep_their_decoder() -> None:
    class Tagged(msgspec.Struct, forbid_unknown_fields=True, tag="t"):
        a: Hexa
        b: Hexa

    class Renamed(msgspec.Struct, forbid_unknown_fields=True, rename="upper"):
        a: Hexa
        b: Hexa

    class Checked(msgspec.Struct, forbid_unknown_fields=True):
        a: Hexa
        b: Hexa

        def __post_init__(self) -> None:
            raise ValueError

    for model, good in ((Tagged, b'{"type":"t","a":"0000","b":"ffff"}'), (Renamed, b'{"A":"0000","B":"ffff"}')):
        assert type(payload_decoder(model)(good)) is model
    with pytest.raises(ValueError):
        payload_decoder(Checked)(b'{"a":"0000","b":"ffff"}')
