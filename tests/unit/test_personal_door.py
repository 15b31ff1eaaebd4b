"""The door's look for numbers of people: a twin of the plugins' guard, no false alarm on hashes, nothing that escapes write otherwise."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import hnnode_native as native
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.bench.workload import EvidenceWorkload
from hnnode.execution.host import Host, Plugin
from hnnode.mempool.personal import PersonalDoor
from hnnode.plugin_api import END, ids
from hnnode.plugin_api.privacy.guard import HASH_DIGITS, Handling, exempt_fields

CITIZEN, MOBILE, CARD = "11010519491231002X", "13812345678", "4111111111111111"
PLAIN = native.PersonalScan()


def in_text(text: str) -> str | None:
    """The door's rule for one text, written with the guard's: what stands in a long run of hexadecimal digits is as good as letters."""
    if re.search("[０-９]", text):
        text = ids.half_width(text)
    masked = re.sub(f"[0-9a-fA-F]{{{HASH_DIGITS},}}", lambda hit: "z" * len(hit[0]), text)
    found = ids.find_personal(masked)
    return None if found is None else str(found)


def twin(payload: Any, exempt: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    """Everything that may be told of a payload."""
    return {(kind, field) for kind, field in _hits(payload, "") if field not in exempt or not field}


def _hits(value: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        found = in_text(value) or in_text(ids.half_width(value))
        if found is not None:
            yield found, field
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if in_text(name) or in_text(ids.half_width(name)):
                yield in_text(name) or in_text(ids.half_width(name)) or "", ""
            yield from _hits(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _hits(one, field)


def find(payload: Any, exempt: tuple[str, ...] = (), **json_options: Any) -> tuple[str, str] | None:
    data = payload if isinstance(payload, bytes) else json.dumps(payload, **json_options).encode()
    return native.PersonalScan([("app", "act", exempt)] if exempt else []).find("app", "act", data)


# ---------------------------------------------------------------- golden cases


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (CITIZEN, "citizen_number"),
        (CITIZEN.lower(), "citizen_number"),
        (f"BATCH-{CITIZEN}", "citizen_number"),
        (f"TEL{MOBILE}", "mobile"),
        (f"86{MOBILE}", "mobile"),
        (f"a+86 {MOBILE}-b", "mobile"),
        ("电话138 1234 5678", "mobile"),
        ("86138-1234-5678", "mobile"),
        ("138  1234 5678", None),
        (f"{MOBILE}9", None),
        ("６２２２０２１２３４５６７８９０１２８", "bank_card"),
        ("4111-1111-1111-1111", "bank_card"),
        ("4111 1111 1111 1111 123", None),
        ("1234 4111 1111 1111 1111", None),
        ("3782 822463 10005", "bank_card"),
        ("4111111111111112", None),
        (f"{CITIZEN}9", None),
        (f"{CITIZEN[:17]}1", None),
        ("110105190002290025", None),
        (f"{MOBILE} {CITIZEN}", "citizen_number"),
        (f"{CARD} {MOBILE}", "mobile"),
        ("a" * 21 + MOBILE, None),
        ("a" * 20 + MOBILE, "mobile"),
        ("g" * 30 + MOBILE, "mobile"),
        ("0x" + "a" * 30 + MOBILE + "b" * 23, None),
        ("2026-11-22 05:14:28", None),
        ("1763800000000", None),
        ("", None),
    ],
)
def test_a_text_is_judged_as_the_guard_judges_it(text: str, kind: str | None) -> None:
    assert in_text(text) == kind
    want = None if kind is None else (kind, "note")
    for options in ({}, {"ensure_ascii": False}, {"indent": 1}):
        assert find({"note": text}, **options) == want
    assert find({"list": [{"note": ["x", text]}]}) == want
    escaped = "".join(f"\\u{ord(char):04x}" for char in text)
    assert find(b'{"note":"%s"}' % escaped.encode()) == want


@pytest.mark.parametrize(
    ("payload", "want"),
    [
        (b'{"size":13812345678,"at":[13812345678]}', None),
        (b'{"size" : 13812345678 , "note":"13812345678"}', ("mobile", "note")),
        (b'{"13812345678":1}', ("mobile", "")),
        (b'{"a":{"13812345678":"13812345678"}}', ("mobile", "")),
        (b'{"a":{"b":"x"},"c":"13812345678"}', ("mobile", "c")),
        (b'{"a":"x\\\\","c":"13812345678"}', ("mobile", "c")),
        (b'{"a":"x\\"13812345678"}', ("mobile", "a")),
        (b'{"a":"138\\t12345678"}', None),
        (b'{"a":"\\ud83d\\ude00 138\\u002d1234-5678"}', ("mobile", "a")),
        (b'{"a":"138\xef\xbc\x8d1234\xef\xbc\x8d5678"}', ("mobile", "a")),
        (b'{"n m":"13812345678"}', ("mobile", "")),
        (b'{"' + b"n" * 65 + b'":"13812345678"}', ("mobile", "")),
        (b'{"a":"13812345678', ("mobile", "a")),
        (b'{"a":"1381234567\\', None),
        (b'{"a":"13812345678\\u12', ("mobile", "a")),
        (b'}}}"13812345678"', ("mobile", "")),
        (b"call 13812345678", ("mobile", "")),
        (b'  ["13812345678"]', ("mobile", "")),
        (b"\xff\xfe13812345678\xff", ("mobile", "")),
        (b'{"a":"\xef\xbc\xef\xbc\x91"}', None),
        (b"", None),
    ],
)
def test_bytes_of_a_payload(payload: bytes, want: tuple[str, str] | None) -> None:
    assert find(payload) == want


def test_an_exempt_field_of_this_action_alone_passes() -> None:
    scan = native.PersonalScan([("app", "act", ["code"]), ("app", "act", ["path"]), ("app", "other", ["note"])])
    payload = json.dumps({"code": CITIZEN, "inner": {"path": [CARD]}}).encode()
    assert scan.find("app", "act", payload) is None
    assert scan.find("app", "other", payload) == ("citizen_number", "code")
    assert scan.find("else", "act", payload) == ("citizen_number", "code")
    assert scan.find("app", "act", json.dumps({"code": CITIZEN, "note": MOBILE}).encode()) == ("mobile", "note")
    assert scan.find("app", "act", json.dumps({"code": {"note": MOBILE}}).encode()) == ("mobile", "note")
    assert scan.find("app", "act", json.dumps({"code": {CITIZEN: 1}}).encode()) == ("citizen_number", "")


# ---------------------------------------------------------------- twin and properties

digits = st.text("0123456789", max_size=20)
tokens = st.one_of(
    st.sampled_from([CITIZEN, MOBILE, CARD, "86", "138", "1234", "5678", "4111", "1111", "3782", "822463", "10005"]),
    st.sampled_from(
        [" ", "-", "－", "　", "X", "x", "a", "g", "+", ".", "１３８", "中", "\n", '"', "\\", "{", ":", "é"]
    ),
    st.text("0123456789abcdef", min_size=8, max_size=40),
    digits,
)
texts = st.lists(tokens, max_size=9).map("".join)
names = st.one_of(st.sampled_from(["code", "note", "at"]), texts)
values = st.recursive(
    st.one_of(texts, st.integers(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=250)
@given(texts)
@example("4111 1111 1111 1111 4111 1111 1111 1111")
@example(f"{'a' * 14}138 1234 5678")
def test_the_scan_of_a_text_is_the_guard_with_hashes_masked(text: str) -> None:
    assert PLAIN.find_in_text(text) == (in_text(text) or in_text(ids.half_width(text)))
    if ids.looks_personal(text):
        assert PLAIN.find_in_text(text) or re.search("[0-9a-fA-F]{32,}", ids.half_width(text))


@settings(max_examples=120)
@given(st.dictionaries(names, values, max_size=4), st.booleans(), st.booleans())
def test_the_scan_of_a_payload_is_its_twin(payload: dict[str, Any], ascii_only: bool, with_exempt: bool) -> None:
    exempt = ("code",) if with_exempt else ()
    found = find(payload, exempt, ensure_ascii=ascii_only)
    wanted = {
        (kind, field if re.fullmatch("[A-Za-z0-9_]{0,64}", field) else "")
        for kind, field in twin(payload, frozenset(exempt))
    }
    assert found in wanted if wanted else found is None


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(payload: bytes) -> None:
    find(payload)
    find(b"{" + payload)
    PLAIN.find_in_tx(payload)


def test_random_hexadecimal_is_never_a_person() -> None:
    """By rule: of a hundred thousand digests the guard alone would take 350 for a person's number."""
    for count in range(40):
        joined = native.sm3(count.to_bytes(4, "big"))
        hexes = [native.sm3(joined + i.to_bytes(4, "big")).hex() for i in range(500)]
        for width in (32, 40, 64):
            payload = json.dumps({"hashes": [text[:width] for text in hexes], "0x": "0x" + hexes[0]}).encode()
            assert PLAIN.find("evidence", "preserve", payload) is None
            assert PLAIN.find("evidence", "preserve", payload.upper()) is None


def test_a_long_payload_takes_time_in_proportion() -> None:
    for text in (
        "1234 " * 13_000,
        "1" * 65_000,
        "4111-" * 13_000,
        "\\u0031" * 10_000,
        "138 1234 " * 7_000,
        "a" * 65_000,
    ):
        payload = b'{"a":"%s"}' % text.encode()
        started = time.perf_counter()
        find(payload)
        assert time.perf_counter() - started < 0.05


# ---------------------------------------------------------------- what applications declare


class Inner(msgspec.Struct):
    holder: Annotated[str, Meta(pattern="^[0-9a-f]{68}" + END)]
    label: str


class Payload(msgspec.Struct):
    note: str
    code: str
    sealed: str
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
    short: Annotated[str, Meta(pattern="^[0-9a-f]{16}" + END)]
    kind: Literal["a", "b"]
    count: int
    inner: list[Inner] = []


HANDLING = dict.fromkeys(("note", "code", "short", "kind", "count", "inner", "label"), Handling.CLEAR)
HANDLING |= {"sealed": Handling.ENCRYPTED, "digest": Handling.COMMITTED, "holder": Handling.ENCRYPTED}


def test_what_the_guard_leaves_out_by_declaration_is_exempt() -> None:
    # Long hexadecimal is none by rule and is looked through: a number put there by mistake is refused.
    assert exempt_fields(Payload, HANDLING, ("code",)) == ["code", "sealed", "short"]
    assert exempt_fields(Payload, {}) == ["short"]
    assert exempt_fields(Payload, dict.fromkeys(HANDLING, Handling.CLEAR)) == ["short"]


APPLICATIONS = {
    "coldchain": ("mix", "chain", "declare"),
    "evidence": ("",),
    "medical": ("", "trace", "recognition", "declare"),
    "realestate": ("", "chain", "mix", "declare"),
}


NATIVE = Host([], native.native_actions(), native.tagged_hash)


def host_of(application: str) -> Host:
    if application == "evidence":
        return NATIVE
    module = pytest.importorskip(f"hn_{application}")
    plugin = Plugin(application, "1", module.plugin, Path(module.__file__).parent)
    return Host([plugin], native.native_actions(), native.tagged_hash)


def scan_of(host: Host) -> native.PersonalScan:
    return native.PersonalScan([(a, b, list(c)) for a, b, c in host.node_applications().exempt_fields()])


@pytest.mark.parametrize("application", APPLICATIONS)
def test_no_transaction_of_a_mix_is_refused(application: str) -> None:
    host = host_of(application)
    scan = scan_of(host)
    count = 0
    for flavour in APPLICATIONS[application]:
        for seed in range(3):
            work = EvidenceWorkload(seed) if host is NATIVE else host.workload(application, seed, flavour)
            accounts = {name: native.sm3(name.encode())[:20] for name in work.actors}
            for wave in work.waves(accounts, 700):
                for item in wave:
                    assert scan.find(application, item.action, item.payload) is None, item
                    count += 1
    assert count >= 2_000


def test_no_registration_of_an_account_is_refused() -> None:
    for number in range(300):
        key = native.SecretKey.generate(native.sm3(number.to_bytes(4, "big")))
        proof = key.sign(native.sm3(b"proof"))
        payload = {
            "organisation": "郑州冷链协会",
            "proof": proof.hex(),
            "public_key": key.public_key().hex(),
            "roles": ["bank"],
        }
        assert find(payload, ensure_ascii=False) is None


class Changing:
    def __init__(self, fields: list[str]) -> None:
        self.fields = fields

    def exempt_fields(self) -> list[tuple[str, str, list[str]]]:
        return [("app", "act", self.fields)]


def test_the_scan_follows_the_plugins() -> None:
    running: Any = Changing(["code"])
    door = PersonalDoor(lambda: running)
    first = door.scan()
    assert door.scan() is first
    assert first.find("app", "act", b'{"code":"13812345678"}') is None
    running = Changing([])
    assert door.scan().find("app", "act", b'{"code":"13812345678"}') == ("mobile", "code")
