"""One group of transactions: order, isolation of failures, bounds, faults, prefetch."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.errors import CODES, FatalError
from hnnode.execution.executor import Executor
from hnnode.execution.table import Application, application_prefix
from hnnode.plugin_api import Context, Records, Registry
from hnnode.plugin_api.limits import (
    EVENT_DATA_BYTES_MAX,
    EVENTS_MAX,
    KEY_BYTES_MAX,
    STEPS_MAX,
    VALUE_BYTES_MAX,
    WRITES_MAX,
)
from hnnode.plugin_api.testing import MemoryState, account_record

SENDER = b"\x01" * 20
PREFIX = application_prefix("demo")


class Put(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    value: str


class Count(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=0, le=100_000)] = 0


class Do(msgspec.Struct, forbid_unknown_fields=True):
    what: str


class WasPut(msgspec.Struct, forbid_unknown_fields=True):
    value: str
    height: int


class Maybe(msgspec.Struct, forbid_unknown_fields=True):
    x: str = ""


class Row(msgspec.Struct, array_like=True):
    n: int


ROWS = Records(b"n", Row)


def put(tx: Context, payload: Put) -> None:
    tx.put(payload.key.encode(), payload.value.encode())
    tx.emit("demo.put", payload.key, {"value": payload.value, "height": tx.height})
    tx.require("demo.odd", "!" not in payload.value)


def add(tx: Context, payload: Count) -> None:
    row = ROWS.get(tx, b"") or Row(0)
    row.n += payload.n
    ROWS.put(tx, b"", row)


def writes(tx: Context, payload: Count) -> None:
    for i in range(payload.n):
        tx.put(b"w%05d" % (99_999 - i), b"")


def events(tx: Context, payload: Count) -> None:
    for i in range(payload.n):
        tx.emit("demo.e", str(i), {})


def steps(tx: Context, payload: Count) -> None:
    for _ in range(payload.n):
        tx.get(b"x")


def recurse(tx: Context, depth: int) -> None:
    recurse(tx, depth + 1)


def do(tx: Context, payload: Do) -> None:
    tx.put(b"before", b"1")
    match payload.what:
        case "raise":
            raise RuntimeError("text that must stay on this node")
        case "memory":
            raise MemoryError
        case "recurse":
            recurse(tx, 0)
        case "swallow":
            try:
                tx.fail("demo.odd")
            except Exception:  # noqa: BLE001 - what a careless handler would write
                tx.put(b"swallowed", b"1")
        case "unknown_rule":
            tx.fail("demo.never_registered")
        case "long_key":
            tx.put(b"k" * (KEY_BYTES_MAX + 1), b"")
        case "empty_key":
            tx.put(b"", b"")
        case "longest":
            tx.put(b"k" * KEY_BYTES_MAX, b"v" * VALUE_BYTES_MAX)
        case "long_value":
            tx.put(b"k", b"v" * (VALUE_BYTES_MAX + 1))
        case "text_value":
            tx.put(b"k", "text")  # type: ignore[arg-type]
        case "long_event":
            tx.emit("demo.e", "", {"x": "y" * EVENT_DATA_BYTES_MAX})
        case "long_entity":
            tx.emit("demo.e", "é" * 200, {})
        case "float_event":
            tx.emit("demo.e", "", {"x": 0.5})
        case "who":
            tx.put(b"who", f"{tx.organisation}:{','.join(tx.roles)}:{tx.sender.hex()}".encode())
        case "put_delete":
            tx.put(b"gone", b"1")
            tx.delete(b"gone")
            assert tx.get(b"gone") is None
        case "exit":
            raise SystemExit


def hint(tx: object, payload: Put) -> list[bytes]:
    if payload.key == "bad-hint":
        raise ValueError
    return [payload.key.encode(), b"shared"]


def read(tx: Context, payload: Put) -> None:
    tx.put(b"seen-" + payload.key.encode(), tx.get(payload.key.encode()) or b"none")


def registry() -> Registry:
    made = Registry("demo")
    for name, model, handler in (
        ("put", Put, put),
        ("add", Count, add),
        ("writes", Count, writes),
        ("events", Count, events),
        ("steps", Count, steps),
        ("do", Do, do),
    ):
        made.action(name, model, handler, title_zh=name, title_en=name)  # type: ignore[arg-type]
    made.action("read", Put, read, keys=hint, title_zh="read", title_en="read")
    made.event("demo.put", WasPut, title_zh="放", title_en="put")
    made.event("demo.e", Maybe, title_zh="事", title_en="e")
    made.rule("demo.odd", "奇怪", "odd")
    return made


EXECUTOR = Executor({"demo": Application.freeze(registry(), "1", bytes(32))})


def run(
    *txs: tuple[str, Any], state: MemoryState | None = None, accounts: dict[bytes, bytes] | None = None
) -> list[Any]:
    group = [
        (
            index,
            hashlib.sha256(bytes([index])).digest(),
            SENDER,
            action,
            p if isinstance(p, bytes) else msgspec.json.encode(p),
        )
        for index, (action, p) in enumerate(txs)
    ]
    return EXECUTOR.execute_group("demo", group, state or MemoryState(), 7, 7_000, accounts or {})


def one(action: str, payload: Any, **more: Any) -> Any:
    return run((action, payload), **more)[0]


def test_results_keep_order_index_and_canonical_writes() -> None:
    results = run(("put", {"key": "b", "value": "1"}), ("writes", {"n": 3}), ("put", {"key": "a", "value": "2"}))
    assert [row[0] for row in results] == [0, 1, 2]
    assert [row[1] for row in results] == [0, 0, 0]
    assert results[0][4] == [(b"b", b"1")]
    assert results[0][5] == [("demo.put", "b", b'{"height":7,"value":"1"}')]
    assert results[1][4] == sorted(results[1][4])
    assert results[0][3] == 2  # one put, one emit


def test_later_txs_see_earlier_writes_and_never_those_of_failed_ones() -> None:
    state = MemoryState()
    state.apply([(PREFIX + b"n", msgspec.msgpack.encode([10]))])
    results = run(("add", {"n": 1}), ("put", {"key": "n", "value": "!"}), ("add", {"n": 2}), state=state)
    assert results[1][1:] == (CODES["RULE_VIOLATION"], "demo.odd", 0, [], [])
    assert results[2][4] == [(b"n", msgspec.msgpack.encode([13]))]
    assert state.get(PREFIX + b"n") == msgspec.msgpack.encode([10])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"n":1.5}',
        b'{"n":1.0}',
        b'{"n":true}',
        b'{"n":-1}',
        b'{"n":100001}',
        b'{"n":"1"}',
        b'{"n":1,"m":2}',
        b'{"n":1} ',
        b'{"n":1}x',
        b'\xef\xbb\xbf{"n":1}',
        b'{"n":' + b"[" * 60_000,
        b'{"m":' + b"[" * 60_000,
        b'{"n":' + b"9" * 5_000 + b"}",
        b"\xff",
        b"null",
    ],
)
def test_bad_payloads_are_invalid(payload: bytes) -> None:
    want = 0 if payload == b'{"n":1} ' else CODES["PAYLOAD_INVALID"]  # trailing space is JSON
    assert one("add", payload)[1] == want


@pytest.mark.parametrize("payload", [b'{"what":"\xff"}', b'{"what":"\\ud800"}', b'{"what":"a\nb"}'])
def test_bad_text_is_invalid(payload: bytes) -> None:
    assert one("do", payload)[1] == CODES["PAYLOAD_INVALID"]


@pytest.mark.parametrize("what", ["raise", "recurse", "unknown_rule", "text_value", "float_event"])
def test_a_fault_of_the_handler_is_one_code_and_leaves_nothing(what: str) -> None:
    assert one("do", {"what": what})[1:] == (CODES["HANDLER_FAILED"], "", 0, [], [])


@pytest.mark.parametrize("what", ["long_key", "empty_key", "long_value", "long_event", "long_entity"])
def test_a_bound_passed_is_one_code_and_leaves_nothing(what: str) -> None:
    assert one("do", {"what": what})[1:] == (CODES["WRITE_LIMIT_EXCEEDED"], "", 0, [], [])


@pytest.mark.parametrize(("action", "most"), [("writes", WRITES_MAX), ("events", EVENTS_MAX), ("steps", STEPS_MAX)])
def test_counts_are_bounded_exactly(action: str, most: int) -> None:
    assert one(action, {"n": most})[1] == 0
    assert one(action, {"n": most + 1})[1] == CODES["WRITE_LIMIT_EXCEEDED"]


def test_the_longest_key_and_value_fit() -> None:
    assert one("do", {"what": "longest"})[1] == 0


def test_a_refusal_cannot_be_swallowed() -> None:
    assert one("do", {"what": "swallow"})[1:3] == (CODES["RULE_VIOLATION"], "demo.odd")


def test_out_of_memory_stops_the_node_and_exit_does_not() -> None:
    with pytest.raises(FatalError):
        one("do", {"what": "memory"})
    assert one("do", {"what": "exit"})[:3] == (0, CODES["HANDLER_FAILED"], "")


def test_unknown_action_and_application() -> None:
    assert one("nothing", {})[1] == CODES["ACTION_UNKNOWN"]
    with pytest.raises(FatalError):
        EXECUTOR.execute_group("other", [], MemoryState(), 1, 1, {})


def test_sender_facts_come_from_the_account_record() -> None:
    known = {SENDER: account_record("郑州局", ["warehouse", "admin"])}
    assert (
        dict(one("do", {"what": "who"}, accounts=known)[4])[b"who"] == f"郑州局:admin,warehouse:{SENDER.hex()}".encode()
    )
    assert dict(one("do", {"what": "who"})[4])[b"who"] == f"::{SENDER.hex()}".encode()


def test_a_deleted_key_is_written_as_absent() -> None:
    assert (b"gone", None) in one("do", {"what": "put_delete"})[4]


def test_hinted_keys_are_read_once_for_the_whole_group() -> None:
    class Counting(MemoryState):
        many = 0

        def get_many(self, keys: Any) -> list[bytes | None]:
            self.many += 1
            assert len(keys) == len(set(keys))
            return super().get_many(keys)

    state = Counting()
    state.apply([(PREFIX + b"a", b"A")])
    results = run(*[("read", {"key": key, "value": ""}) for key in ("a", "b", "a", "bad-hint")], state=state)
    assert [row[1] for row in results] == [0, 0, 0, 0]
    assert results[0][4] == [(b"seen-a", b"A")]
    assert results[1][4] == [(b"seen-b", b"none")]
    assert state.many == 1
    assert state.reads == 1  # only the key whose hint failed


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["1", "2", "!"])), max_size=20), st.integers(1, 20))
def test_results_do_not_depend_on_how_txs_are_grouped(txs: list[tuple[str, str]], size: int) -> None:
    calls = [("put", {"key": key, "value": value}) for key, value in txs]
    whole = run(*calls)
    state = MemoryState()
    pieces: list[Any] = []
    for start in range(0, len(calls), size):
        part = run(*calls[start : start + size], state=state)
        for row in part:
            state.apply([(PREFIX + key, value) for key, value in row[4]])
        pieces += part
    assert [row[1:] for row in whole] == [row[1:] for row in pieces]
