"""References, commitments and the guard: what they promise, and what a forger would try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import hnnode_native as native
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.client import privacy as edge
from hnnode.crypto import MemorySigner
from hnnode.errors import CODES, ConfigError
from hnnode.execution.executor import Executor
from hnnode.execution.payload import payload_decoder
from hnnode.execution.table import Application
from hnnode.plugin_api import END, Context, ModelError, Registry
from hnnode.plugin_api.privacy import (
    CommitmentError,
    Disclosure,
    DomainKeys,
    Opening,
    decode_disclosure,
    decode_opening,
    link_message,
    open_record,
    personal_fields,
    reference_epoch,
)
from hnnode.plugin_api.testing import MemoryState
from tests.kit import plugin_twin

CITIZEN = "11010519491231002X"
KEYS = DomainKeys("hospital", {1: bytes(range(32)), 2: bytes(range(1, 33))})


# ---------------------------------------------------------------- references


def test_a_reference_is_the_keyed_hash_of_domain_kind_and_number() -> None:
    message = b"hn/subject-reference/v1" + b"\x08hospital" + b"\x07citizen" + CITIZEN.encode()
    want = b"\x00\x02" + native.hmac_sm3(KEYS.keys[2], message)
    assert KEYS.reference("citizen", CITIZEN) == want
    assert reference_epoch(want) == 2
    assert want.hex() == ("0002" + native.hmac_sm3(bytes(range(1, 33)), message).hex())


@pytest.mark.parametrize(
    "text", [CITIZEN.lower(), "110105 19491231 002x", "１１０１０５１９４９１２３１００２Ｘ", "110105-19491231-002X"]
)
def test_one_person_has_one_reference_however_the_number_is_written(text: str) -> None:
    assert KEYS.reference("citizen", text) == KEYS.reference("citizen", CITIZEN)


def test_domain_kind_key_and_epoch_separate_references() -> None:
    made = {
        KEYS.reference("citizen", CITIZEN),
        KEYS.reference("citizen", CITIZEN, 1),
        KEYS.reference("patient", CITIZEN),
        DomainKeys("clinic", KEYS.keys).reference("citizen", CITIZEN),
        KEYS.reference("citizen", CITIZEN[:-1] + "1"),
    }
    assert len(made) == 5


def test_matching_follows_the_epoch_of_the_reference() -> None:
    old = KEYS.reference("citizen", CITIZEN, 1)
    assert KEYS.matches(old, "citizen", CITIZEN)
    assert not KEYS.matches(old, "patient", CITIZEN)
    assert not KEYS.matches(b"\x00\x09" + old[2:], "citizen", CITIZEN)
    assert not KEYS.matches(b"", "citizen", CITIZEN)


@pytest.mark.parametrize(
    "kwargs", [{"domain": "Upper"}, {"keys": {}}, {"keys": {0: bytes(32)}}, {"keys": {1: b"short"}}]
)
def test_bad_keys_are_refused(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        DomainKeys(**({"domain": "hospital", "keys": {1: bytes(32)}} | kwargs))


def test_bad_numbers_kinds_and_epochs_are_refused() -> None:
    for kind, number, epoch in (("Citizen", CITIZEN, None), ("citizen", " - ", None), ("citizen", CITIZEN, 7)):
        with pytest.raises(ValueError):
            KEYS.reference(kind, number, epoch)
    with pytest.raises(ValueError):
        link_message(KEYS.reference("citizen", "1"), KEYS.reference("citizen", "2"))


def test_keys_show_nothing_of_themselves() -> None:
    assert "0102" not in repr(KEYS)
    assert KEYS.keys[1].hex() not in repr(KEYS)


def test_key_files_are_private_and_rotate(tmp_path: Path) -> None:
    path = tmp_path / "hospital.keys"
    first = edge.create_domain_keys(path, "hospital")
    assert path.stat().st_mode & 0o777 == 0o600
    second = edge.rotate_domain_keys(path)
    assert edge.read_domain_keys(path) == second
    assert (second.epoch, second.keys[1]) == (2, first.keys[1])
    assert [item.name for item in tmp_path.iterdir()] == ["hospital.keys"]
    with pytest.raises(ConfigError):
        edge.create_domain_keys(path, "hospital")
    path.chmod(0o640)
    with pytest.raises(ConfigError) as loose:
        edge.read_domain_keys(path)
    assert loose.value.code == CODES["KEY_FILE_PERMISSIONS"]
    path.chmod(0o600)
    for bad in ("", "{}", '{"domain":"hospital","epochs":{}}', '{"domain":"hospital","epochs":{"1":"zz"}}', "[]"):
        path.write_text(bad)
        with pytest.raises(ConfigError):
            edge.read_domain_keys(path)


def test_a_link_is_signed_by_the_domain() -> None:
    signer = MemorySigner.generate()
    made = edge.link(KEYS, "citizen", CITIZEN, 1, signer)
    old, new = bytes.fromhex(made["old"]), bytes.fromhex(made["new"])
    assert (old, new) == (KEYS.reference("citizen", CITIZEN, 1), KEYS.reference("citizen", CITIZEN))
    assert native.verify(signer.public_key, link_message(old, new), bytes.fromhex(made["signature"]))


# ---------------------------------------------------------------- commitments

names = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())
values = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=20),
    st.booleans(),
    st.none(),
    st.lists(st.integers(0, 9), max_size=3),
)
records = st.dictionaries(names, values, min_size=1, max_size=9)


@given(records, names, names)
def test_each_field_is_shown_alone_and_nothing_else_holds(record: dict[str, Any], schema: str, row: str) -> None:
    opening = edge.commit(record, schema, row)
    root = opening.root
    assert decode_opening(opening.encode()) == opening
    for name, value in record.items():
        shown = decode_disclosure(opening.disclose(name).encode())
        assert shown.value == value
        assert shown.holds(root)
        for other in record:
            if other != name:
                assert opening.fields[[f.name for f in opening.fields].index(other)].salt not in shown.encode().decode()
        for forged in (
            {"value": "forged"},
            {"field": shown.field + "x"},
            {"row_id": shown.row_id + "x"},
            {"schema": shown.schema + "x"},
            {"salt": bytes(16).hex()},
            {"salt": ""},
            {"proof": shown.proof[:-2]},
            {"proof": ""},
            {"version": 2},
        ):
            assert not msgspec.structs.replace(shown, **forged).holds(root)
        assert not shown.holds(bytes(32))
        assert not shown.holds(b"")


def test_the_root_is_the_block_tree_over_named_leaves() -> None:
    opening = open_record("diploma", "7", {"b": 1, "a": "é"}, {"a": b"A" * 16, "b": b"B" * 16})
    head = b"hn/field/v1" + b"\x00\x07diploma" + b"\x00\x017"
    leaves = [
        head + b"\x00\x01a" + b"A" * 16 + '{"value":"é"}'.encode(),
        head + b"\x00\x01b" + b"B" * 16 + b'{"value":1}',
    ]
    assert opening.root == native.block_root(leaves)
    assert opening.disclose("b").proof == native.block_proof(leaves, 1).hex()


def test_equal_records_have_unequal_roots() -> None:
    assert edge.commit({"a": True}, "s", "r").root != edge.commit({"a": True}, "s", "r").root


@pytest.mark.parametrize("value", [1.5, {"a": 1}, b"bytes", [1.5], [[1]], object()])
def test_values_that_differ_between_hosts_are_refused(value: Any) -> None:
    with pytest.raises(CommitmentError):
        edge.commit({"a": value}, "s", "r")


@pytest.mark.parametrize(
    ("record", "salts"),
    [
        ({}, {}),
        ({"a": 1}, {}),
        ({"a": 1}, {"a": b"short"}),
        ({"a": 1, "b": 2}, {"a": bytes(16), "b": bytes(16)}),
        ({"": 1}, {"": bytes(16)}),
        ({"a" * 257: 1}, {"a" * 257: bytes(16)}),
        ({"\ud800": 1}, {"\ud800": bytes(16)}),
        ({"a": "x" * 65_536}, {"a": bytes(16)}),
        ({str(n): n for n in range(257)}, {str(n): n.to_bytes(16, "big") for n in range(257)}),
    ],
)
def test_records_that_cannot_be_committed_to(record: dict[str, Any], salts: dict[str, bytes]) -> None:
    with pytest.raises(CommitmentError):
        open_record("s", "r", record, salts)


def test_documents_that_are_not_what_they_should_be() -> None:
    opening = edge.commit({"a": 1, "b": 2}, "s", "r")
    swapped = json.loads(opening.encode())
    swapped["fields"].reverse()
    newer = json.loads(opening.encode()) | {"version": 2}
    for bad in (
        b"",
        b"[]",
        b"{}",
        json.dumps(swapped).encode(),
        json.dumps(newer).encode(),
        opening.disclose("a").encode(),
    ):
        with pytest.raises(CommitmentError):
            decode_opening(bad)
    with pytest.raises(CommitmentError):
        opening.disclose("c")
    with pytest.raises(CommitmentError):
        decode_disclosure(opening.encode())
    assert isinstance(opening, Opening)
    assert isinstance(opening.disclose("a"), Disclosure)


# ---------------------------------------------------------------- guard


class Part(msgspec.Struct, forbid_unknown_fields=True):
    label: Annotated[str, Meta(max_length=64)]
    secret: Annotated[str, Meta(max_length=64)] = ""


class Note(msgspec.Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(max_length=64)]
    number: Annotated[int, Meta(ge=0, le=2**53)] = 0
    remark: Annotated[str, Meta(max_length=64)] | None = None
    tags: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=4)] = []
    parts: Annotated[list[Part], Meta(max_length=4)] = []
    part: Part | None = None
    document: Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)] = "0" * 64
    sealed: Annotated[str, Meta(max_length=64)] = ""


class Flat(msgspec.Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(max_length=64)]
    label: Annotated[str, Meta(max_length=64)] = ""


TABLE = {
    "title": "clear",
    "number": "clear",
    "remark": "clear",
    "tags": "clear",
    "parts": "clear",
    "part": "clear",
    "label": "clear",
    "secret": "encrypted",
    "document": "clear",
    "sealed": "committed",
}


def save(tx: Context, payload: Any) -> None:
    tx.put(b"k", payload.title.encode()[:20])


def save_many(tx: Context, payloads: Iterator[Any]) -> None:
    for payload in payloads:
        save(tx, payload)


def registry(table: dict[str, str] | None = None) -> Registry:
    made = Registry("demo")
    made.action("note", Note, save, title_zh="记", title_en="note")
    made.action("many", Note, save, execute_batch=save_many, title_zh="批", title_en="many")
    made.action("flat", Flat, save, title_zh="平", title_en="flat")
    made.privacy(TABLE if table is None else table)
    return made


GUARDED = Application.freeze(registry(), "1", bytes(32))


def results(*calls: tuple[str, dict[str, Any]]) -> list[Any]:
    txs = [
        (index, native.sm3(bytes([index])), bytes(20), action, msgspec.json.encode(payload))
        for index, (action, payload) in enumerate(calls)
    ]
    found = Executor({"demo": GUARDED}).execute_group("demo", txs, MemoryState(), 7, 7_000, {})
    assert found == plugin_twin.execute(GUARDED, txs, {}, 7, 7_000)
    return found


@pytest.mark.parametrize("action", ["note", "many"])
@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        ({"title": CITIZEN}, True),
        ({"title": "ok", "remark": "13812345678"}, True),
        ({"title": "ok", "tags": ["a", "4111111111111111"]}, True),
        ({"title": "ok", "parts": [{"label": "x"}, {"label": "电话 138-1234-5678"}]}, True),
        ({"title": "ok", "part": {"label": CITIZEN}}, True),
        ({"title": "ok", "parts": [{"label": "x", "secret": CITIZEN}]}, False),
        ({"title": "ok", "sealed": CITIZEN}, False),
        ({"title": "ok", "document": "13812345678" + "a" * 53}, False),
        ({"title": "ok", "number": 13812345678}, False),
        ({"title": "ok", "remark": None, "part": None}, False),
        ({"title": "1381234", "remark": "5678"}, False),
    ],
)
def test_clear_texts_with_numbers_of_people_are_refused(action: str, payload: dict[str, Any], refused: bool) -> None:
    code, rule = results((action, payload))[0][1:3]
    assert (code, rule) == ((CODES["RULE_VIOLATION"], "demo.personal_data") if refused else (0, ""))


def test_a_refused_payload_of_a_batch_ends_its_transaction_alone() -> None:
    calls = [("many", {"title": text}) for text in ("a", CITIZEN, "b", CITIZEN, CITIZEN, "c")]
    assert [row[1] == 0 for row in results(*calls, ("flat", {"title": "x", "label": CITIZEN}))] == [
        *(True, False, True, False, False, True),
        False,
    ]


@pytest.mark.parametrize(
    "table",
    [
        {name: how for name, how in TABLE.items() if name != "tags"},
        {name: how for name, how in TABLE.items() if name != "secret"},
        TABLE | {"unknown": "clear"},
        TABLE | {"flat.number": "clear"},
        TABLE | {"title": "public"},
    ],
)
def test_the_table_names_every_field_and_no_other(table: dict[str, str]) -> None:
    with pytest.raises(ModelError):
        registry(table).complete()


def test_an_entry_of_one_action_goes_first() -> None:
    made = registry(TABLE | {"flat.label": "encrypted"})
    table = Application.freeze(made, "1", bytes(32))
    txs = [
        (0, bytes(32), bytes(20), "flat", json.dumps({"title": "x", "label": CITIZEN}).encode()),
        (1, bytes(32), bytes(20), "note", json.dumps({"title": "x", "part": {"label": CITIZEN}}).encode()),
    ]
    assert [row[1] == 0 for row in plugin_twin.execute(table, txs, {}, 7, 7_000)] == [True, False]


def test_the_table_is_stated_once_and_a_rule_of_the_plugin_stays() -> None:
    made = registry()
    with pytest.raises(ModelError):
        made.privacy(TABLE)
    made.rule("demo.personal_data", "自己的", "its own")
    made.complete()
    assert made.rules["demo.personal_data"].en == "its own"
    assert GUARDED.rules["demo.personal_data"].zh
    assert replace(GUARDED.actions["note"]).decode(b'{"title":"x"}') == payload_decoder(Note)(b'{"title":"x"}')


def test_a_payload_is_looked_through_before_it_is_signed() -> None:
    payload = {"a": "x", "b": [{"c": "13812345678"}, CITIZEN], "d": 13812345678, "e": "4111111111111111"}
    assert personal_fields(payload) == [("/b/0/c", "mobile"), ("/b/1", "citizen_number"), ("/e", "bank_card")]
    assert personal_fields("13812345678") == [("/", "mobile")]
