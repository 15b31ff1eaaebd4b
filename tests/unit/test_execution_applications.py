"""Queries over native and plugin state: decoding, paging, refusals."""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.errors import CODES, FatalError, Rejected
from hnnode.execution.applications import NodeApplications
from hnnode.execution.records import AccountRecord
from hnnode.execution.table import Application, application_prefix
from hnnode.plugin_api import Context, QueryRefused, QueryView, Registry
from hnnode.plugin_api.limits import SCAN_ROWS_MAX
from hnnode.plugin_api.testing import MemoryState, account_record

HASH, ROOT = b"\x11" * 32, b"\x22" * 32
OWNERS = [bytes([n]) * 20 for n in range(1, 6)]


def evidence_value(height: int, size: int = 9, name: str = "报告", previous: bytes = b"") -> bytes:
    named = name.encode()
    head = struct.pack(">BQQ32sBQB", 1, height, height * 1_000, HASH, 1, size, len(named))
    return head + named + struct.pack(">B32s", bool(previous), previous or bytes(32))


def state() -> MemoryState:
    made = MemoryState()
    evidence, identity = application_prefix("evidence"), application_prefix("identity")
    rows: list[tuple[bytes, bytes | None]] = []
    for height, owner in enumerate(OWNERS, 1):
        rows.append((evidence + b"r" + HASH + owner, evidence_value(height)))
        rows.append((identity + owner, account_record(f"单位{height}", ["warehouse", "admin"], since_height=height)))
        rows.append((evidence + b"c" + HASH + OWNERS[0] + owner, struct.pack(">BQQ32s", 1, height, 5, HASH)))
    rows.append((evidence + b"b" + ROOT + OWNERS[0], evidence_value(9, size=1_000, previous=HASH)))
    made.apply(rows)
    made.height = 12
    return made


class Look(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=0, le=100_000)] = 0


def look(view: QueryView, query: Look) -> dict[str, Any]:
    if query.n == 1:
        raise QueryRefused("NOT_FOUND", "nothing")
    for _ in range(query.n):
        view.get(b"x")
    return {"n": query.n}


def nothing(tx: Context, payload: Look) -> None: ...


def applications() -> NodeApplications:
    registry = Registry("demo")
    registry.describe("演示", "Demo")
    registry.action("go", Look, nothing, roles=("clerk",), title_zh="走", title_en="Go")
    registry.query("look", Look, look, title_zh="看", title_en="Look")
    registry.rule("demo.no", "不行", "no")
    native = [("evidence", "preserve", [], '{"type":"object"}'), ("identity", "register", ["admin"], "{}")]
    return NodeApplications({"demo": Application.freeze(registry, "1.2", b"\x07" * 32)}, native)


APPS = applications()


def ask(application: str, query: str, arguments: dict[str, Any] | bytes = b"", on: MemoryState | None = None) -> Any:
    raw = arguments if isinstance(arguments, bytes) else msgspec.json.encode(arguments)
    return APPS.query(application, query, raw, on or state())


def test_what_is_offered_is_listed_in_order() -> None:
    assert [(info.application, info.action) for info in APPS.actions()] == [
        ("demo", "go"),
        ("evidence", "preserve"),
        ("identity", "register"),
    ]
    names = [(info.application, info.query) for info in APPS.queries()]
    assert names == sorted(names)
    assert ("evidence", "verify") in names
    assert all(info.schema["$defs"] for info in APPS.queries())
    plugins = {row["name"]: row for row in APPS.plugins()}
    assert plugins["demo"]["code_hash"] == "07" * 32
    assert plugins["evidence"]["native"] is True
    rules = {info.rule: (info.application, info.zh, info.en) for info in APPS.rules()}
    assert rules["demo.no"] == ("demo", "不行", "no")
    assert rules["evidence.own_record"] == ("evidence", "不能会签自己的存证", "nobody co-signs an own record")
    assert list(rules) == sorted(rules)


def test_evidence_by_hash_and_owner() -> None:
    answer = ask("evidence", "record", {"hash": HASH.hex(), "owner": OWNERS[1].hex()})
    assert answer["as_of_height"] == 12
    assert answer["items"] == [
        {
            "hash": HASH.hex(),
            "owner": OWNERS[1].hex(),
            "algorithm": "sm3",
            "size": 9,
            "name": "报告",
            "previous": None,
            "height": 2,
            "time_ms": 2_000,
            "tx_id": HASH.hex(),
        }
    ]
    with pytest.raises(Rejected) as caught:
        ask("evidence", "record", {"hash": ROOT.hex(), "owner": OWNERS[1].hex()})
    assert caught.value.code == CODES["NOT_FOUND"]


def test_pages_join_to_the_whole() -> None:
    owners, after = [], ""
    for _ in range(10):
        page = ask("evidence", "record", {"hash": HASH.hex(), "limit": 2, "after": after})
        owners += [item["owner"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert owners == [owner.hex() for owner in OWNERS]


def test_batches_cosignatures_and_verification() -> None:
    batch = ask("evidence", "batch", {"root": ROOT.hex()})["items"][0]
    assert batch["leaf_count"] == 1_000
    assert batch["previous"] == HASH.hex()
    signers = ask("evidence", "cosignatures", {"hash": HASH.hex(), "owner": OWNERS[0].hex()})["items"]
    assert [row["signer"] for row in signers] == [owner.hex() for owner in OWNERS]
    assert len(ask("evidence", "verify", {"hash": HASH.hex()})["items"]) == 5
    assert ask("evidence", "verify", {"hash": ROOT.hex()})["found"] is True
    unknown = ask("evidence", "verify", {"hash": "00" * 32})
    assert unknown["found"] is False
    assert unknown["items"] == []


def test_accounts() -> None:
    one = ask("identity", "account", {"account": OWNERS[2].hex()})
    assert (one["organisation"], one["roles"], one["since_height"]) == ("单位3", ["admin", "warehouse"], 3)
    page = ask("identity", "accounts", {"limit": 3})
    rest = ask("identity", "accounts", {"limit": 3, "after": page["next"]})
    assert [row["account"] for row in page["items"] + rest["items"]] == [owner.hex() for owner in OWNERS]
    assert rest["next"] is None
    with pytest.raises(Rejected) as caught:
        ask("identity", "account", {"account": "00" * 20})
    assert caught.value.code == CODES["NOT_FOUND"]


@pytest.mark.parametrize(
    ("application", "query", "arguments", "name"),
    [
        ("none", "look", b"", "QUERY_UNKNOWN"),
        ("demo", "none", b"", "QUERY_UNKNOWN"),
        ("demo", "look", b"{", "PARAMETER_INVALID"),
        ("demo", "look", b"[]", "PARAMETER_INVALID"),
        ("demo", "look", b'{"x":1}', "PARAMETER_INVALID"),
        ("demo", "look", b'{"n":1.0}', "PARAMETER_INVALID"),
        ("demo", "look", b"\xff", "PARAMETER_INVALID"),
        ("demo", "look", b" " * 20_000, "PARAMETER_INVALID"),
        ("demo", "look", b'{"n":1}', "NOT_FOUND"),
        ("demo", "look", b'{"n":100000}', "QUERY_TOO_BROAD"),
        ("identity", "account", b'{"account":"0g"}', "PARAMETER_INVALID"),
        ("identity", "account", b'{"account":"' + b"0" * 39 + b'\\n"}', "PARAMETER_INVALID"),
        ("identity", "accounts", b'{"limit":201}', "PARAMETER_INVALID"),
        ("identity", "accounts", b'{"limit":0}', "PARAMETER_INVALID"),
        ("identity", "accounts", b'{"after":"abc"}', "PARAMETER_INVALID"),
        ("identity", "accounts", b'{"after":"ab\\n"}', "PARAMETER_INVALID"),
    ],
)
def test_bad_questions_are_refused(application: str, query: str, arguments: bytes, name: str) -> None:
    with pytest.raises(Rejected) as caught:
        ask(application, query, arguments)
    assert caught.value.code == CODES[name]


def test_scans_cannot_leave_the_application_or_the_budget() -> None:
    made = MemoryState()
    made.apply([(application_prefix("a") + b"%05d" % n, b"") for n in range(300)])
    made.apply([(application_prefix("b") + b"x", b"")])
    view = QueryView(made, application_prefix("a"))
    assert len(view.scan(b"", 1_000)) == 200
    assert len(view.scan(b"", 200, b"00199")) == 100
    assert view.scan(b"x", 10) == []
    spent = 201 + 101 + 1
    for _ in range((SCAN_ROWS_MAX - spent) // 201):
        view.scan(b"", 200)
    with pytest.raises(QueryRefused):
        view.scan(b"", 200)


def test_account_records_refuse_every_truncation_and_extension() -> None:
    value = account_record("单位", ["admin", "clerk"])
    AccountRecord.decode(value)
    for bad in (*(value[:cut] for cut in range(len(value))), value + b"\0", b"\2" + value[1:]):
        with pytest.raises(FatalError):
            AccountRecord.decode(bad)


@given(st.binary(max_size=120))
def test_account_records_never_raise_anything_else(value: bytes) -> None:
    try:
        AccountRecord.decode(value)
    except FatalError:
        return


def test_a_corrupt_evidence_row_is_corrupt_storage() -> None:
    made = MemoryState()
    made.apply([(application_prefix("evidence") + b"r" + HASH + bytes(20), evidence_value(1)[:-1])])
    with pytest.raises(FatalError) as caught:
        ask("evidence", "record", {"hash": HASH.hex()}, made)
    assert caught.value.code == CODES["STORAGE_CORRUPT"]
