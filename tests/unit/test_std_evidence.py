"""The piece for evidence against a naive twin: lists of what was said, read through for every answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hnnode_native import StateTree, state_key_hash, state_value_hash, verify_state_proof
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hnnode.plugin_api import Context
from hnnode.plugin_api.hashes import block_proof, block_root
from hnnode.plugin_api.std.evidence import OWNER_BYTES_MAX, SHA256, SIGNERS_MAX, SIZE_MAX, SM3, Evidence, EvidenceRules
from tests.kit.std_piece import PieceChain, rules_of

RULES: EvidenceRules = rules_of(EvidenceRules)
EVIDENCE = Evidence(b"e", RULES)
HASHES = [bytes([n]) * 32 for n in range(4)]
OWNERS = (b"case-1", b"case-2")


def preserve(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    """names: owner, hash, and perhaps the key of the one before; numbers: algorithm, size."""
    before = bytes.fromhex(names[2].decode()) if len(names) > 2 else b""
    EVIDENCE.preserve(tx, names[0], numbers[0], bytes.fromhex(names[1].decode()), numbers[1], before)


def batch(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    EVIDENCE.preserve_batch(tx, names[0], bytes.fromhex(names[1].decode()), numbers[0])


def cosign(tx: Context, names: list[bytes], _: list[int]) -> None:
    EVIDENCE.cosign(tx, bytes.fromhex(names[0].decode()), names[1].decode())


def close(tx: Context, names: list[bytes], numbers: list[int]) -> None:
    """names: key, signers; numbers: how many are needed."""
    ident, *signers = (bytes.fromhex(name.decode()) for name in names)
    EVIDENCE.require_cosigned(tx, ident, signers, numbers[0])


STEPS: Any = {step.__name__: step for step in (preserve, batch, cosign, close)}


@dataclass(frozen=True)
class Said:
    key: bytes
    size: int
    by: str
    previous: bytes


class Machine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.piece = PieceChain(STEPS, RULES)
        self.said: list[Said] = []
        self.signed: list[tuple[bytes, str, str]] = []
        self.before: dict[bytes, bytes] = {}

    def attempt(self, broken: set[str], person: str, step: str, names: list[str], numbers: list[int]) -> bool:
        refused = self.piece.refusal(person, step, names, numbers)
        assert refused in broken if refused else not broken, (step, names, numbers, refused, broken)
        return not refused

    def known(self, key: bytes) -> Said | None:
        return next((each for each in self.said if each.key == key), None)

    @rule(
        person=st.sampled_from(["ann", "bob"]),
        owner=st.sampled_from(OWNERS),
        digest=st.sampled_from(HASHES),
        algorithm=st.sampled_from([SM3, SM3, SHA256, 3]),
        size=st.sampled_from([0, 7, -1]),
        before=st.none() | st.tuples(st.sampled_from(OWNERS), st.sampled_from(HASHES)),
    )
    def preserve(
        self, person: str, owner: bytes, digest: bytes, algorithm: int, size: int, before: tuple[bytes, bytes] | None
    ) -> None:
        previous = b"" if before is None else EVIDENCE.key(before[0], SM3, before[1])
        key = EVIDENCE.key(owner, algorithm, digest)
        broken = {"malformed"} if algorithm == 3 or size < 0 else set()
        if before is not None and self.known(key) is None and (before[0] != owner or self.known(previous) is None):
            broken.add("previous")
        names = [owner.decode(), digest.hex(), *([previous.hex()] if before else [])]
        if self.attempt(broken, person, "preserve", names, [algorithm, size]) and self.known(key) is None:
            self.said.append(Said(key, size, person, previous))

    @rule(person=st.sampled_from(["ann", "bob"]), root=st.sampled_from(HASHES), count=st.sampled_from([1, 2, 0, -5]))
    def batch(self, person: str, root: bytes, count: int) -> None:
        broken = {"malformed"} if count < 1 else set()
        if self.attempt(broken, person, "batch", ["case-1", root.hex()], [count]):
            key = EVIDENCE.batch_key(b"case-1", root, count)
            if self.known(key) is None:
                self.said.append(Said(key, count, person, b""))

    @rule(person=st.sampled_from(["ann", "bob", "cat"]), place=st.integers(0, 9), role=st.sampled_from(["", "notary"]))
    def cosign(self, person: str, place: int, role: str) -> None:
        key = self.said[place].key if place < len(self.said) else EVIDENCE.key(b"nobody", SM3, HASHES[0])
        known = self.known(key)
        broken = {"unknown"} if known is None else {"own"} if known.by == person else set()
        broken |= {"twice"} if any((key, person) == each[:2] for each in self.signed) else set()
        if self.attempt(broken, person, "cosign", [key.hex(), role], []):
            self.signed.append((key, person, role))

    @rule(place=st.integers(0, 4), needed=st.integers(0, 4))
    def close(self, place: int, needed: int) -> None:
        if place < len(self.said):
            key, people = self.said[place].key, self.piece.people
            have = sum(each[0] == key for each in self.signed)
            named = [account.hex() for account in (*people.values(), *people.values())]
            self.attempt({"missing"} if have < needed else set(), "cat", "close", [key.hex(), *named], [needed])

    @invariant()
    def nothing_written_ever_changes(self) -> None:
        now = self.piece.chain.state.dump()
        assert self.before.items() <= now.items()
        self.before = now

    @invariant()
    def state_holds_exactly_what_was_said(self) -> None:
        view = self.piece.chain.view()
        assert len(view.scan(b"", 200)) == len(self.said) + len(self.signed)
        for each in self.said:
            found = EVIDENCE._get(view, each.key)
            assert found is not None
            people = self.piece.people
            assert (found.size, found.by, found.previous) == (each.size, people[each.by], each.previous)
        for digest in HASHES:
            owners = [owner for owner in OWNERS if self.known(EVIDENCE.key(owner, SM3, digest))]
            assert [owner for owner, _ in EVIDENCE.owners(view, SM3, digest, 9)] == owners
            later = [owner for owner, _ in EVIDENCE.owners(view, SM3, digest, 9, OWNERS[0])]
            assert later == [owner for owner in owners if owner > OWNERS[0]]
        for key, person, role in self.signed:
            ((signer, cosignature),) = EVIDENCE.cosignatures(view, key, [self.piece.people[person]])
            assert (signer, cosignature.role) == (self.piece.people[person], role)


def test_every_sequence_is_the_twins() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@settings(max_examples=40, deadline=None)
@given(leaves=st.lists(st.binary(max_size=40), min_size=1, max_size=9), data=st.data())
def test_a_leaf_is_proven_under_its_root_and_count_alone(leaves: list[bytes], data: st.DataObject) -> None:
    piece, root = PieceChain(STEPS, RULES), block_root(leaves)
    count = len(leaves)
    for claimed in (count, count + 1):
        assert not piece.refusal("ann", "batch", ["case-1", root.hex()], [claimed])
    view, place = piece.chain.view(), data.draw(st.integers(0, count - 1))
    proof = block_proof(leaves, place)

    def holds(owner: bytes = b"case-1", at: bytes = root, number: int = count, leaf: bytes = leaves[place]) -> bool:
        return EVIDENCE.verify_leaf(view, owner, at, number, leaf, proof)

    assert holds()
    # A count that somebody claimed beside the true one proves nothing: the root is made from the count.
    assert not holds(number=count + 1)
    assert not holds(number=count + 2)
    assert not holds(owner=b"case-2")
    assert not holds(at=bytes(32))
    assert not holds(leaf=leaves[place] + b"x")
    lying = proof[:8] + (count + 1).to_bytes(8, "big") + proof[16:]
    assert not EVIDENCE.verify_leaf(view, b"case-1", root, count + 1, leaves[place], lying)
    for bad in (b"", proof[:-1], proof + b"\0"):
        assert not EVIDENCE.verify_leaf(view, b"case-1", root, count, leaves[place], bad)


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 12))
def test_every_commitment_and_cosignature_is_provable_offline(count: int) -> None:
    piece = PieceChain(STEPS, RULES)
    keys = []
    for n in range(count):
        digest = n.to_bytes(32, "big")
        assert not piece.refusal("ann", "preserve", ["case-1", digest.hex()], [SM3, n])
        ident = EVIDENCE.key(b"case-1", SM3, digest)
        assert not piece.refusal("bob", "cosign", [ident.hex(), ""])
        keys += EVIDENCE.prove(ident, [piece.people["bob"]])
    view = piece.chain.view()
    values = {key: view.get(key) for key in keys}
    assert all(value is not None for value in values.values())
    tree = StateTree(1 << 20)
    updates = [(state_key_hash("piece", key), state_value_hash(value or b"")) for key, value in values.items()]
    while missing := tree.apply_pairs(updates):
        tree.load([(page, None) for page in missing])
    for key, value in values.items():
        proof = tree.prove(state_key_hash("piece", key))
        assert isinstance(proof, bytes)
        assert verify_state_proof(proof, tree.root(), state_key_hash("piece", key), value)
        assert not verify_state_proof(proof, tree.root(), state_key_hash("piece", key), (value or b"") + b"\0")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["o" * (OWNER_BYTES_MAX + 1), "00" * 32], [SM3, 0]),
        (["o", "00" * 31], [SM3, 0]),
        (["o", "00" * 33], [SM3, 0]),
        (["o", "00" * 32], [0, 0]),
    ],
)
def test_what_is_out_of_bounds_is_malformed(names: list[str], numbers: list[int]) -> None:
    assert PieceChain(STEPS, RULES).refusal("ann", "preserve", names, numbers) == "malformed"


def test_questions_are_bounded() -> None:
    piece = PieceChain(STEPS, RULES)
    view, ident = piece.chain.view(), EVIDENCE.key(b"o", SM3, bytes(32))
    assert len(EVIDENCE.prove(ident, [bytes([n]) * 20 for n in range(99)])) == 1 + SIGNERS_MAX
    assert EVIDENCE.cosignatures(view, ident, [bytes([n]) * 20 for n in range(99)]) == []
    assert EVIDENCE.verify(view, b"o", SM3, bytes(32)) is None
    assert not EVIDENCE.verify_leaf(view, b"o", bytes(32), SIZE_MAX + 1, b"", b"")
