"""Random objects of the twin read by the compiled core, and altered bytes: both refuse them or both read the same value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import hnnode_native as native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors import formats_twin as twin
from tests.vectors.trees_twin import FormatError

KEYS = [native.SecretKey.generate(bytes([9, number]) + bytes(30)).public_key() for number in range(8)]

hashes = st.binary(min_size=32, max_size=32) | st.just(bytes(32))
accounts = st.binary(min_size=20, max_size=20)
signatures = st.binary(min_size=64, max_size=64)
names = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
u16, u32, u64 = (st.integers(0, (1 << bits) - 1) for bits in (16, 32, 64))
blobs = st.binary(max_size=40)

txs = st.builds(twin.Tx, hashes, accounts, u64, u64, names, names, blobs, signatures)
headers = st.builds(twin.Header, hashes, u64, u64, accounts, *[hashes] * 9)
certificates = st.integers(0, 20).flatmap(
    lambda count: st.builds(
        twin.Certificate,
        hashes,
        u64,
        u32,
        hashes,
        st.just(count),
        st.dictionaries(st.integers(0, count - 1), signatures, max_size=count).map(lambda d: tuple(sorted(d.items())))
        if count
        else st.just(()),
    )
)
roles = st.sets(names, max_size=4).map(lambda found: tuple(sorted(found)))


@dataclass(frozen=True)
class Kind:
    objects: st.SearchStrategy[Any]
    decode: Callable[[bytes], Any]
    view: Callable[[Any], object]
    """What a twin object says, in the words of the core."""
    core: Callable[[bytes], object]
    """The same out of the bytes, by the core."""


def core_tx(data: bytes) -> object:
    tx = native.Tx.decode(data)
    facts = (tx.chain_id, tx.sender, tx.nonce, tx.valid_until_height, tx.application, tx.action, tx.payload)
    return (*facts, tx.signature, tx.tx_id)


def core_batch(data: bytes) -> object:
    batch = native.Batch.decode(data)
    content = tuple(batch.tx(index) for index in range(batch.tx_count))
    return batch.digest, batch.author, batch.seq, content, batch.tx_ids(), batch.data, batch.size


def header_facts(header: native.Header) -> tuple[object, ...]:
    return (*(getattr(header, name) for name in twin.Header.__dataclass_fields__), header.block_hash)


def core_value(data: bytes) -> object:
    value = native.Value.decode(data)
    assert value.block_hash == value.header.block_hash
    return header_facts(value.header), value.header_bytes, tuple(value.batches)


def core_validators(data: bytes) -> object:
    found = native.ValidatorSet.decode(data)
    members = tuple((key, power) for _, key, power in found.validators)
    assert [found.index_of(account) for account, _, _ in found.validators] == list(range(len(members)))
    return found.epoch, members, found.hash, found.quorum, found.total_power, found.encode()


def core_certificate(data: bytes) -> object:
    found = native.Certificate.decode(data)
    return found.height, found.round, found.block_hash, found.signers


def core_receipt(data: bytes) -> object:
    receipt = native.Receipt.decode(data)
    facts = (receipt.tx_id, receipt.code, receipt.rule, receipt.steps, receipt.write_set_digest)
    return (*facts, tuple(receipt.events))


def core_record(data: bytes) -> object:
    *facts, found = native.decode_account_record(data)
    return (*facts, tuple(found))


KINDS = {
    "tx": Kind(txs, twin.Tx.decode, lambda tx: (*astuple(tx), tx.tx_id()), core_tx),
    "batch": Kind(
        st.builds(
            twin.Batch,
            hashes,
            accounts,
            u64,
            hashes,
            st.lists(txs.map(twin.Tx.encode), min_size=1, max_size=4).map(tuple),
            signatures,
        ),
        twin.Batch.decode,
        lambda b: (b.digest(), b.author, b.seq, b.txs, b.tx_ids(), b.encode(), len(b.encode())),
        core_batch,
    ),
    "header": Kind(
        headers,
        twin.Header.decode,
        lambda header: (*astuple(header), header.hash()),
        lambda data: header_facts(native.Header.decode(data)),
    ),
    "value": Kind(
        st.builds(twin.Value, headers, st.lists(st.tuples(hashes, accounts, u64), max_size=4).map(tuple)),
        twin.Value.decode,
        lambda value: ((*astuple(value.header), value.header.hash()), value.header.encode(), value.batches),
        core_value,
    ),
    "validator_set": Kind(
        st.builds(
            twin.ValidatorSet.of,
            u64,
            st.dictionaries(st.sampled_from(KEYS), st.integers(1, 1 << 29), min_size=1, max_size=8).map(dict.items),
        ),
        twin.ValidatorSet.decode,
        lambda s: (s.epoch, s.validators, s.hash(), s.quorum(), s.total_power(), s.encode()),
        core_validators,
    ),
    "certificate": Kind(
        certificates,
        twin.Certificate.decode,
        lambda c: (c.height, c.round, c.block_hash, [index for index, _ in c.signatures]),
        core_certificate,
    ),
    "genesis": Kind(
        st.builds(twin.Genesis, names, st.integers(1, 3), u64, hashes, hashes, hashes, u32, u32, u64),
        twin.Genesis.decode,
        twin.Genesis.chain_id,
        native.genesis_chain_id,
    ),
    "receipt": Kind(
        st.builds(
            twin.Receipt,
            hashes,
            u32,
            words,
            u64,
            hashes,
            st.lists(st.tuples(words, words, blobs), max_size=3).map(tuple),
        ),
        twin.Receipt.decode,
        astuple,
        core_receipt,
    ),
    "account_record": Kind(
        st.builds(twin.AccountRecord, st.sampled_from(KEYS), st.booleans(), u64, words, roles),
        twin.AccountRecord.decode,
        astuple,
        core_record,
    ),
}


def by_twin(kind: Kind, data: bytes) -> object:
    try:
        return kind.view(kind.decode(data))
    except FormatError:
        return None


def by_core(kind: Kind, data: bytes) -> object:
    try:
        return kind.core(data)
    except native.NativeError as error:
        return None if error.code in native.CODES.values() else error


@st.composite
def altered(draw: st.DrawFn, data: bytes) -> bytes:
    """One to three edits: a flipped bit, a byte set to a boundary, bytes cut, put in or repeated."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from(("flip", "set", "cut", "insert", "repeat"))):
            case "flip" if found:
                found[place] ^= 1 << draw(st.integers(0, 7))
            case "set" if found:
                found[place] = draw(st.sampled_from((0, 1, 2, 32, 33, 0x5F, 0x61, 0x7F, 0x80, 0xC3, 0xFF)))
            case "cut":
                del found[place : place + draw(st.sampled_from((1, 4, 32, 64, len(found))))]
            case "insert":
                found[place:place] = draw(st.binary(min_size=1, max_size=8))
            case _:
                found[place:place] = found[place : place + draw(st.sampled_from((1, 28, 60, 73)))]
    return bytes(found)


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_the_core_reads_what_the_twin_writes(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    item = data.draw(kind.objects)
    encoding = item.encode()
    assert kind.decode(encoding) == item
    assert by_core(kind, encoding) == kind.view(item)


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_altered_bytes_are_refused_or_read_alike(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    encoding = data.draw(altered(data.draw(kind.objects).encode()))
    value = by_twin(kind, encoding)
    assert by_core(kind, encoding) == value
    if value is not None:
        assert kind.decode(encoding).encode() == encoding, "two encodings of one object"


@pytest.mark.parametrize("name", KINDS)
def test_every_cut_and_every_extension_is_refused(name: str) -> None:
    kind = KINDS[name]
    encoding = EXAMPLES[name].encode()
    assert by_core(kind, encoding) == by_twin(kind, encoding) == kind.view(EXAMPLES[name])
    for data in [encoding[:size] for size in range(len(encoding))] + [encoding + b"\0", encoding * 2]:
        assert by_twin(kind, data) is by_core(kind, data) is None


TX = twin.Tx(b"c" * 32, b"s" * 20, 1, 2, "evidence", "preserve", b"{}", b"g" * 64)
HEADER = twin.Header(b"c" * 32, 1, 2, b"p" * 20, *[bytes([number]) * 32 for number in range(9)])
EXAMPLES = {
    "tx": TX,
    "batch": twin.Batch.of(b"c" * 32, b"a" * 20, 3, (TX.encode(), TX.encode())),
    "header": HEADER,
    "value": twin.Value(HEADER, ((b"d" * 32, b"a" * 20, 4),)),
    "validator_set": twin.ValidatorSet.of(5, [(KEYS[0], 1), (KEYS[1], 2)]),
    "certificate": twin.Certificate(b"c" * 32, 6, 7, b"b" * 32, 9, ((0, b"g" * 64), (8, b"h" * 64))),
    "genesis": twin.Genesis("city_one", 3, 8, b"v" * 32, b"p" * 32, b"s" * 32, 9, 10, 11),
    "receipt": twin.Receipt(b"t" * 32, 12, "规则", 13, b"w" * 32, (("名", "物", b"{}"), ("", "", b""))),
    "account_record": twin.AccountRecord(KEYS[2], False, 14, "合作社", ("admin", "auditor")),
}
"""One small object of each kind."""


def limit_cases() -> list[tuple[str, Any, bool]]:
    """(kind, object, whether it is allowed) at the edges of the page."""
    t, r, a = TX.__dict__, EXAMPLES["receipt"].__dict__, EXAMPLES["account_record"].__dict__
    v = EXAMPLES["validator_set"].__dict__
    reference = (b"d" * 32, b"a" * 20, 4)
    event = ("n", "e", b"")
    numbered = tuple(f"r{number:02}" for number in range(17))
    largest = twin.Tx(**t | {"payload": bytes(65_536), "application": "a" * 32, "action": "b" * 32}).encode()
    per_batch = 1_048_576 // (4 + len(largest))
    full = (largest,) * per_batch

    def batch(content: tuple[bytes, ...]) -> twin.Batch:
        return twin.Batch(b"c" * 32, b"a" * 20, 3, b"r" * 32, content)

    rest = 1_048_576 - per_batch * (4 + len(largest)) - 4 - len(TX.encode()) + 2
    filler = [twin.Tx(**t | {"payload": bytes(rest + extra)}).encode() for extra in (0, 1)]
    return [
        ("tx", twin.Tx(**t | {"payload": bytes(65_536)}), True),
        ("tx", twin.Tx(**t | {"payload": bytes(65_537)}), False),
        *(("tx", twin.Tx(**t | {"application": name}), len(name) == 32) for name in ("a" * 32, "a" * 33, "", "A", "é")),
        *(("tx", twin.Tx(**t | {"action": name}), name == "a_0") for name in ("_a", "0a", "a-b", "a.b", "a\n", "a_0")),
        ("tx", twin.Tx(**t | {"signature": bytes(64)}), True),
        ("batch", batch((TX.encode(),) * 4_096), True),
        ("batch", batch((TX.encode(),) * 4_097), False),
        ("batch", batch(()), False),
        ("batch", batch((*full, filler[0])), True),
        ("batch", batch((*full, filler[1])), False),
        ("value", twin.Value(HEADER, ()), True),
        ("value", twin.Value(HEADER, (reference,) * 1_024), True),
        ("value", twin.Value(HEADER, (reference,) * 1_025), False),
        ("validator_set", twin.ValidatorSet(0, ()), False),
        ("validator_set", twin.ValidatorSet(**v | {"validators": v["validators"][::-1]}), False),
        ("validator_set", twin.ValidatorSet(**v | {"validators": v["validators"][:1] * 2}), False),
        *(
            ("validator_set", twin.ValidatorSet.of(0, [(KEYS[0], one), (KEYS[1], other)]), one + other == 1 << 32)
            for one, other in ((1, (1 << 32) - 1), (1, 1 << 32), ((1 << 64) - 1, 1), (0, 1))
        ),
        ("certificate", twin.Certificate(b"c" * 32, 6, 7, b"b" * 32, 65_535, ()), True),
        ("receipt", twin.Receipt(**r | {"events": (event,) * 64}), True),
        ("receipt", twin.Receipt(**r | {"events": (event,) * 65}), False),
        ("receipt", twin.Receipt(**r | {"events": (("n", "e" * 65_535, bytes(16_384)),)}), True),
        ("receipt", twin.Receipt(**r | {"events": (("n", "e", bytes(16_385)),)}), False),
        ("receipt", twin.Receipt(**r | {"rule": "r" * 255}), True),
        *(("genesis", twin.Genesis("a", role, 8, *[bytes(32)] * 3, 0, 0, 0), 1 <= role <= 3) for role in range(5)),
        ("account_record", twin.AccountRecord(**a | {"roles": numbered[:16]}), True),
        ("account_record", twin.AccountRecord(**a | {"roles": numbered}), False),
        ("account_record", twin.AccountRecord(**a | {"roles": ("b", "a")}), False),
        ("account_record", twin.AccountRecord(**a | {"roles": ("a", "a")}), False),
        ("account_record", twin.AccountRecord(**a | {"key": b"\4" + bytes(64)}), False),
        ("account_record", twin.AccountRecord(**a | {"key": b"\5" + KEYS[0][1:]}), False),
    ]


def test_limits() -> None:
    for position, (name, item, allowed) in enumerate(limit_cases()):
        encoding = item.encode()
        for reading in (by_twin, by_core):
            assert (reading(KINDS[name], encoding) is not None) == allowed, (position, name)


@settings(deadline=None)
@given(
    st.lists(st.tuples(names, words, u16, u32, hashes, names, names, hashes), max_size=5, unique_by=lambda e: e[5:7]),
    st.randoms(use_true_random=False),
)
def test_plugins_hash(entries: list[twin.PluginEntry], random: Any) -> None:
    expected = twin.plugins_hash(entries)
    random.shuffle(entries)
    assert native.plugins_hash(entries) == expected
