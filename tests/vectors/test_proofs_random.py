"""Trees, proofs and bundles of random content: the twin and the compiled core build the same bytes and give the same verdicts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import hnnode_native as native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors import formats_twin as twin
from tests.vectors import trees_twin
from tests.vectors.bundle_twin import encode_bundle, receipt_item, state_item, tx_item, verify_bundle
from tests.vectors.test_formats_random import altered
from tests.vectors.trees_twin import ZERO, FormatError, StateProof

KEYS = [native.SecretKey.generate(bytes([7, number]) + bytes(30)) for number in range(6)]
leaves = st.lists(st.binary(max_size=20), max_size=40)


def refuses(call: Callable[[], object]) -> bool:
    """Whether a verifier says no, by an answer or by an error of its own kind."""
    try:
        return call() is False
    except (FormatError, native.NativeError):
        return True


# ---------------------------------------------------------------- trees


@settings(deadline=None)
@given(leaves, st.data())
def test_block_trees(items: list[bytes], data: st.DataObject) -> None:
    root = trees_twin.block_root(items)
    assert native.block_root(items) == root
    if not items:
        return
    index = data.draw(st.integers(0, len(items) - 1))
    proof = trees_twin.block_proof(items, index)
    assert native.block_proof(items, index) == proof
    assert trees_twin.Inclusion.decode(proof).root(items[index]) == root
    assert native.verify_inclusion(proof, items[index], root)
    other = data.draw(altered(proof))
    verdict = refuses(lambda: trees_twin.Inclusion.decode(other).root(items[index]) == root)
    assert refuses(lambda: native.verify_inclusion(other, items[index], root)) == verdict
    assert verdict == (other != proof)


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 1_000])
def test_every_inclusion(count: int) -> None:
    items = [bytes([index % 251]) * (index % 7) for index in range(count)]
    root = native.block_root(items)
    assert trees_twin.block_root(items) == root
    for index in {0, 1, count // 2, count - 2, count - 1} & set(range(count)):
        proof = trees_twin.block_proof(items, index)
        assert native.block_proof(items, index) == proof
        assert trees_twin.Inclusion.decode(proof).root(items[index]) == root


@st.composite
def key_hashes(draw: st.DrawFn) -> bytes:
    """Hashes that share long prefixes, so that trees get deep."""
    base = draw(st.sampled_from((0, (1 << 256) - 1, 0xA5 << 248)))
    return (base ^ draw(st.sampled_from((0, 1, 3, 1 << 9, 1 << 200, 1 << 255, 5 << 100)))).to_bytes(32, "big")


steps = st.lists(
    st.lists(st.tuples(key_hashes() | st.binary(min_size=32, max_size=32), st.booleans()), max_size=12), max_size=5
)


def grow(tree: native.StateTree, updates: list[tuple[bytes, bytes | None]], pages: dict[bytes, bytes | None]) -> None:
    while missing := tree.apply_pairs(updates):
        tree.load([(page, pages.get(page)) for page in missing])
    pages.update(tree.changed_pages().rows())


def prove(tree: native.StateTree, key_hash: bytes, pages: dict[bytes, bytes | None]) -> bytes:
    while isinstance(proof := tree.prove(key_hash), list):
        tree.load([(page, pages.get(page)) for page in proof])
    return proof


@settings(deadline=None, max_examples=60)
@given(steps, key_hashes(), st.data())
def test_state_trees(blocks: list[list[tuple[bytes, bool]]], absent: bytes, data: st.DataObject) -> None:
    """Writes and deletions over several blocks, with the pages kept outside of the tree as a database would."""
    pages: dict[bytes, bytes | None] = {}
    entries: dict[bytes, bytes] = {}
    tree = native.StateTree(1 << 16)
    tree.load([(page, None) for page in tree.missing([])])
    for number, block in enumerate(blocks):
        value = bytes([number])
        updates = {key: trees_twin.state_value_hash(value) if keep else None for key, keep in block}
        entries = {key: found for key, found in (entries | updates).items() if found is not None}
        grow(tree, list(updates.items()), pages)
        assert tree.root() == trees_twin.state_root(entries)
    values = {trees_twin.state_value_hash(bytes([number])): bytes([number]) for number in range(len(blocks))}
    root = tree.root()
    for key in {absent, *list(entries)[:6]}:
        proof = trees_twin.state_proof(entries, key)
        assert prove(tree, key, pages) == proof
        value = values[entries[key]] if key in entries else None
        assert StateProof.decode(proof).encode() == proof
        assert StateProof.decode(proof).holds(root, key, value)
        assert native.verify_state_proof(proof, root, key, value)
        assert not native.verify_state_proof(proof, root, key, b"other" if value is None else None)
        other = data.draw(altered(proof))
        verdict = refuses(lambda: StateProof.decode(other).holds(root, key, value))  # noqa: B023
        assert refuses(lambda: native.verify_state_proof(other, root, key, value)) == verdict  # noqa: B023
        assert verdict == (other != proof)


def test_proofs_that_no_tree_gives() -> None:
    """Roots made by hand, so that only the rules of the page stand against them."""
    key = b"\x80" + bytes(31)
    leaf = trees_twin._state_leaf(key, trees_twin.state_value_hash(b"v"))
    beside = trees_twin.tagged("hn/state-node/v1", ZERO + leaf)
    stray = (bytes(32), b"v" * 32)
    stray_leaf = trees_twin._state_leaf(*stray)
    one, own = b"\1" * 32, b"\1"
    pair = trees_twin.tagged("hn/state-node/v1", one + stray_leaf)
    cases = {
        "a leaf beside an empty sibling": (b"\0\1\0" + own, beside, b"v"),
        "the same, written out": (b"\0\1\1" + ZERO + own, beside, b"v"),
        "nothing beside nothing": (b"\0\1\0\0", trees_twin.tagged("hn/state-node/v1", ZERO * 2), None),
        "another leaf of another side": (b"\0\1\1" + one + b"\2" + b"".join(stray), pair, None),
        "the key's own leaf as another": (b"\0\0\2" + key + b"v" * 32, trees_twin._state_leaf(key, b"v" * 32), None),
        "a terminal that is not known": (b"\0\0\3", leaf, b"v"),
        "a bit beyond the depth": (b"\0\1\3" + one * 2 + own, leaf, b"v"),
        "257 levels": (b"\1\1" + bytes(33) + own, leaf, b"v"),
    }
    for name, (proof, root, value) in cases.items():
        assert refuses(lambda: StateProof.decode(proof).holds(root, key, value)), name  # noqa: B023
        assert refuses(lambda: native.verify_state_proof(proof, root, key, value)), name  # noqa: B023
    assert native.verify_state_proof(b"\0\0" + own, leaf, key, b"v")
    assert StateProof.decode(b"\0\0" + own).holds(leaf, key, b"v")


# ---------------------------------------------------------------- bundles


@functools.cache
def sign(number: int, message: bytes) -> bytes:
    return KEYS[number].sign(message)


def certify(header: twin.Header, members: dict[int, int], signers: set[int], **changes: Any) -> bytes:
    """Certificate of a header by some members {key number: power}; `forged` is a signer whose signature is another's message."""
    order = sorted(members, key=lambda number: KEYS[number].account())
    round_, forged = changes.get("round", 2), changes.get("forged")
    signatures = []
    for index, number in enumerate(order):
        if number in signers:
            voted = twin.vote_bytes(header.chain_id, changes.get("type", 2), header.height, round_, header.hash())
            signatures.append((index, sign(number, b"no" if number == forged else voted)))
    count = changes.get("count", len(order))
    return twin.Certificate(header.chain_id, header.height, round_, header.hash(), count, tuple(signatures)).encode()


def set_of(epoch: int, members: dict[int, int]) -> twin.ValidatorSet:
    return twin.ValidatorSet.of(epoch, [(KEYS[number].public_key(), power) for number, power in members.items()])


FIRST, SECOND = {0: 1, 1: 1, 2: 1, 3: 1}, {1: 5, 2: 3, 3: 2, 4: 1}


@dataclass
class Story:
    """Blocks 2 (hand-off from FIRST to SECOND) and 5–7 (block 6 holds three transactions), with one thing changed.

    `headers`, `handoff` change fields of a header before the next ones and the certificates are made.
    """

    headers: dict[int, dict[str, Any]]
    handoff: dict[str, Any]
    certificate: dict[str, Any]
    handoff_certificate: dict[str, Any]
    signers: frozenset[int] = frozenset((1, 2))
    handoff_signers: frozenset[int] = frozenset((0, 1, 2))
    first_height: int = 5
    handoffs: int = 1
    single: bool = False
    """No hand-off: FIRST makes every block."""
    receipt_index: int = 1
    receipt_header: int = 2
    tx_chain: bytes | None = None
    absent_value: bytes = b""
    tail: bytes = b""


def tell(**changes: Any) -> bytes:
    return build(Story(**{"headers": {}, "handoff": {}, "certificate": {}, "handoff_certificate": {}} | changes))


def build(story: Story) -> bytes:
    members = FIRST if story.single else SECOND
    first, second = set_of(0, FIRST), set_of(0 if story.single else 1, members)
    genesis = twin.Genesis("town", 3, 1_000, first.hash(), twin.plugins_hash([]), ZERO, 1 << 20, 1_000, 100)
    chain_id, empty = genesis.chain_id(), trees_twin.block_root([])
    plain = twin.Header(
        chain_id, 2, 2_000, KEYS[0].account(), b"p" * 32, empty, empty, first.hash(), second.hash(), genesis.plugins_hash,
        empty, ZERO, empty,
    )  # fmt: skip
    handoff = replace(plain, **story.handoff)
    made = [
        twin.Tx(
            story.tx_chain or chain_id,
            KEYS[5].account(),
            nonce,
            50,
            "evidence",
            "preserve",
            b"{}",
            b"signature" * 7 + b".",
        )
        for nonce in range(3)
    ]
    receipts = [twin.Receipt(tx.tx_id(), 0, "", 0, ZERO, (("e", "f", b"{}"),)).encode() for tx in made]
    if story.receipt_index != 1:
        receipts[1], receipts[story.receipt_index] = receipts[story.receipt_index], receipts[1]
    entries = {
        trees_twin.state_key_hash("evidence", bytes([number])): trees_twin.state_value_hash(bytes([number]) * 3)
        for number in range(9)
    }
    headers: list[twin.Header] = []
    for place in range(3):
        height = story.first_height + place
        header = replace(
            plain,
            height=height,
            time_ms=5_000 + place,
            parent_hash=headers[-1].hash() if headers else chain_id if height == 1 else b"q" * 32,
            tx_root=trees_twin.block_root([tx.tx_id() for tx in made]) if place == 1 else empty,
            validators_hash=second.hash(),
            receipts_root=trees_twin.block_root(receipts) if place == story.receipt_header else empty,
            state_root=trees_twin.state_root(entries) if place == 2 else ZERO,
        )
        headers.append(replace(header, **story.headers.get(place, {})))
    present, absent = (trees_twin.state_key_hash("evidence", key) for key in (b"\4", b"none"))
    items = [
        tx_item(1, made[1].encode(), trees_twin.block_proof([tx.tx_id() for tx in made], 1)),
        receipt_item(
            story.receipt_header, receipts[story.receipt_index], trees_twin.block_proof(receipts, story.receipt_index)
        ),
        state_item(2, "evidence", b"\4", b"\4\4\4", trees_twin.state_proof(entries, present)),
        state_item(2, "evidence", b"none", None, trees_twin.state_proof(entries, absent)).replace(
            b"\0" + bytes(4), b"\0" + trees_twin.sized(4, story.absent_value), 1
        ),
    ]
    signed = certify(handoff, FIRST, set(story.handoff_signers), **story.handoff_certificate)
    return (
        encode_bundle(
            genesis.encode(),
            first.encode(),
            [(handoff.encode(), signed, second.encode())] * (0 if story.single else story.handoffs),
            [header.encode() for header in headers],
            certify(headers[-1], members, set(story.signers), **story.certificate),
            items,
        )
        + story.tail
    )


def same_report(bundle: bytes, trusted: bytes | None = None) -> int | None:
    """Both verifiers' common verdict: None, or the core's code. What they report of a good bundle must be the same."""
    by_twin, by_core, code = None, None, None
    try:
        by_core = native.verify_bundle(bundle, trusted)
    except native.NativeError as error:
        code = error.code
    with contextlib.suppress(FormatError):
        by_twin = verify_bundle(bundle, trusted)
    assert (by_twin is None) == (by_core is None), (by_twin, code)
    for name, value in vars(by_twin).items() if by_twin else ():
        assert getattr(by_core, name) == value, name
    return code


GOOD = tell()
FROM_START: dict[str, Any] = {"single": True, "first_height": 1, "signers": frozenset((0, 1, 2))}


def test_good_bundles() -> None:
    assert same_report(GOOD) is None
    report = native.verify_bundle(GOOD)
    assert (report.chain_name, report.heights, report.times_ms) == ("town", [5, 6, 7], [5_000, 5_001, 5_002])
    assert (report.signer_power, report.total_power) == (8, 11)
    assert report.states[1] == (6, "evidence", b"none", None)
    assert same_report(tell(signers=frozenset((1, 2, 3, 4)))) is None
    assert same_report(tell(certificate={"round": 0})) is None
    assert same_report(tell(**FROM_START)) is None
    assert same_report(GOOD, native.verify_bundle(GOOD).chain_id) is None
    assert same_report(GOOD, bytes(32)) == native.CODES["PROOF_CHAIN"]


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "time stands still": ("PROOF_HEADERS", {"headers": {1: {"time_ms": 5_000}}}),
    "time falls": ("PROOF_HEADERS", {"headers": {2: {"time_ms": 1}}}),
    "a set its parent does not name": ("PROOF_HEADERS", {"headers": {0: {"next_validators_hash": b"x" * 32}}}),
    "a gap": ("PROOF_HEADERS", {"headers": {1: {"height": 9}}}),
    "another parent": ("PROOF_HEADERS", {"headers": {1: {"parent_hash": b"x" * 32}}}),
    "header of another chain": ("PROOF_CHAIN", {"headers": {0: {"chain_id": b"x" * 32}}}),
    "hand-off of another chain": ("PROOF_CHAIN", {"handoff": {"chain_id": b"x" * 32}}),
    "tx of another chain": ("PROOF_CHAIN", {"tx_chain": b"x" * 32}),
    "block 0": ("PROOF_HEADERS", FROM_START | {"first_height": 0}),
    "block 1 of another parent": ("PROOF_HEADERS", FROM_START | {"headers": {0: {"parent_hash": b"x" * 32}}}),
    "block 1 of another set": ("PROOF_HEADERS", FROM_START | {"headers": {0: {"validators_hash": b"x" * 32}}}),
    "hand-off at height 0": ("PROOF_ANCHOR", {"handoff": {"height": 0}}),
    "hand-off at the last height": ("PROOF_ANCHOR", {"handoff": {"height": 7}}),
    "hand-off above": ("PROOF_ANCHOR", {"handoff": {"height": 8}}),
    "hand-off against a header": ("PROOF_ANCHOR", {"handoff": {"height": 6}}),
    "hand-off of another set": ("PROOF_ANCHOR", {"handoff": {"validators_hash": b"x" * 32}}),
    "hand-off to another set": ("PROOF_ANCHOR", {"handoff": {"next_validators_hash": b"x" * 32}}),
    "no hand-off": ("PROOF_ANCHOR", {"handoffs": 0}),
    "hand-off twice": ("PROOF_ANCHOR", {"handoffs": 2}),
    "hand-off one short": ("CERTIFICATE_QUORUM", {"handoff_signers": frozenset((0, 1))}),
    "hand-off forged": ("CERTIFICATE_SIGNATURE", {"handoff_certificate": {"forged": 2}}),
    "power one short": ("CERTIFICATE_QUORUM", {"signers": frozenset((1, 3))}),
    "nobody": ("CERTIFICATE_QUORUM", {"signers": frozenset()}),
    "prevotes": ("CERTIFICATE_SIGNATURE", {"certificate": {"type": 1}}),
    "one forged beside a quorum": (
        "CERTIFICATE_SIGNATURE",
        {"signers": frozenset((1, 2, 4)), "certificate": {"forged": 4}},
    ),
    "a set of another size": ("CERTIFICATE_SIGNER", {"certificate": {"count": 5}}),
    "receipt at another index": ("PROOF_SUBJECT", {"receipt_index": 2}),
    "receipt of the same block": ("PROOF_SUBJECT", {"receipt_header": 1}),
    "an absent value": ("PROOF_MALFORMED", {"absent_value": b"x"}),
    "trailing byte": ("PROOF_MALFORMED", {"tail": b"\0"}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bundles(name: str) -> None:
    code, changes = BAD[name]
    bundle = tell(**changes)
    assert bundle != GOOD
    assert same_report(bundle) == native.CODES[code]


def test_the_core_builds_the_same_bundle() -> None:
    """`build_bundle` makes bundles of the genesis set; the twin writes the same bytes."""
    first = set_of(0, FIRST)
    genesis = twin.Genesis("town", 3, 1_000, first.hash(), b"g" * 32, ZERO, 1 << 20, 1_000, 100)
    empty = trees_twin.block_root([])
    receipt = twin.Receipt(b"t" * 32, 4_001, "rule.broken", 0, ZERO, ()).encode()
    roots = {"receipts_root": trees_twin.block_root([receipt]), "state_root": ZERO}
    header = twin.Header(
        genesis.chain_id(), 9, 9, bytes(20), b"p" * 32, empty, empty, first.hash(), first.hash(), b"g" * 32, **roots,
        outbox_root=empty,
    )  # fmt: skip
    certificate, inclusion, absence = certify(header, FIRST, {0, 1, 3}), trees_twin.block_proof([receipt], 0), bytes(3)
    items = [receipt_item(0, receipt, inclusion), state_item(0, "evidence", b"k", None, absence)]
    expected = encode_bundle(genesis.encode(), first.encode(), [], [header.encode()], certificate, items)
    built = native.build_bundle(
        genesis.encode(),
        first.encode(),
        [header.encode()],
        certificate,
        [(2, 0, receipt, b"", b"", inclusion), (4, 0, b"evidence", b"k", b"", absence)],
    )
    assert built == expected
    assert same_report(expected) is None


def test_altered_places() -> None:
    """A flipped bit is accepted in the signature inside of the transaction, which a bundle does not speak about, and in the name of what
    is absent, since another thing may be absent on the same path."""
    signature, absent = GOOD.index(b"signature"), GOOD.rindex(b"evidence")
    places = range(0, len(GOOD), 5)
    accepted = {place for place in places if same_report(flipped(place)) is None}
    assert {place for place in accepted if place < absent} == {p for p in places if signature <= p < signature + 64}
    assert max(accepted) < GOOD.index(b"none", absent) + 4


def flipped(place: int) -> bytes:
    return GOOD[:place] + bytes([GOOD[place] ^ 1 << place % 8]) + GOOD[place + 1 :]


@settings(deadline=None, max_examples=150)
@given(altered(GOOD))
def test_altered_bundles(bundle: bytes) -> None:
    same_report(bundle)
