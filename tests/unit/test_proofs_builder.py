"""Proof bundles: built from committed data, verified offline, and refused after any change."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hnnode_native import sm3, verify_bundle

from hnnode.crypto import MemorySigner
from hnnode.errors import CODES, Rejected, Unavailable
from hnnode.proofs import ProofBuilder, builder, verify_file
from tests.kit.http import evidence_tx
from tests.kit.memory_node import HEIGHTS_KEPT, MemoryNode

SIGNER = MemorySigner.generate()
FILE = b"contract of 2024" * 1_000
DIGEST = sm3(FILE)


@pytest.fixture(scope="module")
def node() -> Iterator[MemoryNode]:
    node = MemoryNode([SIGNER.public_key])
    txs = [evidence_tx(node.chain_id, SIGNER, f"{i:064x}") for i in range(6)]
    txs.append(evidence_tx(node.chain_id, SIGNER, DIGEST.hex(), nonce=1))
    sha = {"hash": hashlib.sha256(FILE).hexdigest(), "algorithm": "sha256", "name": "合同"}
    txs.append(evidence_tx(node.chain_id, SIGNER, payload=sha, nonce=2))
    failing = {"hash": sm3(b"other").hex(), "algorithm": "sm3", "previous": "ee" * 32}
    txs.append(evidence_tx(node.chain_id, SIGNER, payload=failing, nonce=3))
    asyncio.run(node.submit([tx.data for tx in txs]))
    node.commit_all()
    node.commit_block()
    yield node
    node.events.close()


def tx_with(node: MemoryNode, payload_part: bytes) -> bytes:
    index = next(i for i, tx in enumerate(node.chain.block_txs[1]) if payload_part in tx)
    return node.chain.tx_ids(1)[index]


@pytest.fixture(scope="module")
def bundle(node: MemoryNode) -> bytes:
    return node.proofs.tx(tx_with(node, DIGEST.hex().encode()))


def test_every_transaction_of_a_block_has_a_proof(node: MemoryNode) -> None:
    for index, tx_id in enumerate(node.chain.tx_ids(1)):
        report = verify_bundle(node.proofs.tx(tx_id), node.chain_id)
        assert report.heights == [1, 2]
        assert report.txs == [(1, index, node.chain.block_txs[1][index])]
        assert report.receipts == [(1, index, node.chain.receipts(1)[index])]
        assert (report.signer_count, report.total_power) == (3, 4)


def test_the_bundle_is_small(bundle: bytes) -> None:
    assert len(bundle) < 3_000


def test_an_unknown_transaction_is_not_found(node: MemoryNode) -> None:
    with pytest.raises(Rejected) as caught:
        node.proofs.tx(bytes(32))
    assert caught.value.code == CODES["NOT_FOUND"]


def test_a_proof_waits_for_the_certifying_block() -> None:
    node = MemoryNode([SIGNER.public_key])
    tx = evidence_tx(node.chain_id, SIGNER)
    asyncio.run(node.submit([tx.data]))
    with pytest.raises(Unavailable):
        node.proofs.state("evidence", [b"k"])
    node.commit_block()
    with pytest.raises(Unavailable) as caught:
        node.proofs.tx(tx.tx_id)
    assert caught.value.code == CODES["NOT_READY"]
    node.commit_block([])
    assert verify_file(node.proofs.tx(tx.tx_id), chain_id=node.chain_id).valid
    node.events.close()


def test_state_proofs_hold_for_present_and_absent_keys(node: MemoryNode) -> None:
    present = b"r" + DIGEST + SIGNER.account
    keys = [present, b"absent", b"", b"r" + bytes(33)]
    verdict = verify_file(node.proofs.state("evidence", keys), chain_id=node.chain_id)
    assert verdict.valid
    assert [(s.key, s.value is not None) for s in verdict.states] == [(k, k == present) for k in keys]
    assert {s.height for s in verdict.states} == {node.chain.tip().height - 1}
    # The record alone proves the file, too.
    assert verify_file(node.proofs.state("evidence", [present]), FILE, node.chain_id).valid
    assert verify_file(node.proofs.state("evidence", [b"absent"]), FILE, node.chain_id).code == CODES["PROOF_SUBJECT"]


def test_a_state_proof_speaks_of_what_is_certified_not_of_the_tip() -> None:
    node = MemoryNode([SIGNER.public_key])
    asyncio.run(node.submit([evidence_tx(node.chain_id, SIGNER, DIGEST.hex()).data]))
    node.commit_block()
    key = b"r" + DIGEST + SIGNER.account
    for height, present in ((0, False), (1, True)):
        state = verify_file(node.proofs.state("evidence", [key]), chain_id=node.chain_id).states[0]
        assert (state.height, state.value is not None) == (height, present)
        node.commit_block([])
    node.events.close()


def test_genesis_state_is_provable_in_block_one() -> None:
    node = MemoryNode([SIGNER.public_key])
    node.commit_block([])
    verdict = verify_file(node.proofs.state("identity", [SIGNER.account]), chain_id=node.chain_id)
    assert verdict.valid
    assert verdict.states[0].value is not None
    assert verdict.states[0].height == 0
    node.events.close()


def test_an_empty_state_proves_absence() -> None:
    node = MemoryNode()
    node.commit_block([])
    verdict = verify_file(node.proofs.state("evidence", [b"k"]), chain_id=node.chain_id)
    assert verdict.valid
    assert verdict.states[0].value is None
    node.events.close()


@pytest.mark.parametrize("count", [0, builder.STATE_KEYS_MAX + 1])
def test_the_number_of_keys_is_bounded(node: MemoryNode, count: int) -> None:
    with pytest.raises(Rejected):
        node.proofs.state("evidence", [b"k"] * count)


def test_a_moving_tip_is_followed_and_given_up(node: MemoryNode) -> None:
    class Moving:
        """The chain, but its old states are gone before they can be read."""

        def __init__(self, failures: int) -> None:
            self.failures = failures

        def __getattr__(self, name: str) -> object:
            return getattr(node.chain, name)

        def state(self, height: int | None = None) -> object:
            self.failures -= 1
            return node.chain.state(height if self.failures < 0 else height + HEIGHTS_KEPT * 2)  # type: ignore[operator]

    validators = node.validator_set.encode()
    few = ProofBuilder(Moving(3), node.genesis(), validators)  # type: ignore[arg-type]
    assert verify_file(few.state("evidence", [b"k"]), chain_id=node.chain_id).valid
    many = ProofBuilder(Moving(99), node.genesis(), validators)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        many.state("evidence", [b"k"])


def test_a_state_that_is_not_the_certified_one_is_never_proven(node: MemoryNode) -> None:
    class Wrong:
        def __getattr__(self, name: str) -> object:
            return getattr(node.chain, name)

        def state(self, height: int | None = None) -> object:
            return node.chain.state(0)

    wrong = ProofBuilder(Wrong(), node.genesis(), node.validator_set.encode())  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as caught:
        wrong.state("identity", [SIGNER.account])
    assert caught.value.code == CODES["STATE_ROOT_MISMATCH"]


# ------------------------------------------------------------------ verdicts
def test_a_verdict_explains_itself_in_two_languages(bundle: bytes, node: MemoryNode, tmp_path: Path) -> None:
    file = tmp_path / "contract.pdf"
    file.write_bytes(FILE)
    proof = tmp_path / "contract.proof"
    proof.write_bytes(bundle)
    for subject in (FILE, file, str(file), io.BytesIO(FILE)):
        verdict = verify_file(proof, subject, node.chain_id)
        verdict.require()
        assert [r.name for r in verdict.reasons] == ["CHAIN", "CERTIFICATE", "TX", "RECEIPT", "FILE"]
        assert all(r.passed and r.message_zh and r.message_en for r in verdict.reasons)
    assert verdict.to_json()["valid"] is True


def test_another_file_is_refused(bundle: bytes, node: MemoryNode) -> None:
    verdict = verify_file(bundle, FILE + b"x", node.chain_id)
    assert (verdict.valid, verdict.code) == (False, CODES["PROOF_SUBJECT"])
    assert [r.passed for r in verdict.reasons] == [True] * 4 + [False]
    with pytest.raises(Rejected) as caught:
        verdict.require()
    assert caught.value.code == 5106


def test_sha256_evidence_is_compared_with_sha256(node: MemoryNode) -> None:
    bundle = node.proofs.tx(tx_with(node, b"sha256"))
    assert verify_file(bundle, FILE, node.chain_id).valid
    assert verify_file(bundle, b"", node.chain_id).code == 5106


def test_a_failed_preservation_proves_nothing_about_a_file(node: MemoryNode) -> None:
    bundle = node.proofs.tx(tx_with(node, b"previous"))
    verdict = verify_file(bundle, chain_id=node.chain_id)
    assert verdict.valid
    assert verdict.reasons[-1].name == "RECEIPT_FAILED"
    assert "evidence.previous_unknown" in verdict.reasons[-1].message_en
    assert verify_file(bundle, b"other", node.chain_id).code == 5106


def test_the_trusted_chain_is_enforced_or_named(bundle: bytes) -> None:
    assert verify_file(bundle, chain_id=bytes(32)).code == CODES["PROOF_CHAIN"]
    assert verify_file(bundle).reasons[0].name == "CHAIN_NOT_PINNED"


def test_every_changed_byte_is_found(bundle: bytes, node: MemoryNode) -> None:
    random_source = random.Random(7)
    places = set(range(0, len(bundle), 11)) | {0, 8, 9, len(bundle) - 1}
    kept_signature = 0
    for place in sorted(places):
        changed = bytearray(bundle)
        changed[place] ^= 1 << random_source.randrange(8)
        verdict = verify_file(bytes(changed), FILE, node.chain_id)
        if verdict.valid:
            # The author's signature stands in the bundle but is not what the validators certified by the tx id.
            kept_signature += 1
            continue
        assert verdict.code in range(5020, 5026) or verdict.code in range(5101, 5107)
    assert kept_signature <= 64 // 11 + 2


def test_truncated_and_extended_bundles_are_refused(bundle: bytes, node: MemoryNode) -> None:
    for data in (b"", bundle[:8], bundle[:-1], bundle + b"\x00", bundle[::-1], bytes(len(bundle))):
        assert not verify_file(data, chain_id=node.chain_id).valid


def test_an_endless_bundle_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.proof"
    with path.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    with pytest.raises(Rejected) as caught:
        verify_file(path)
    assert caught.value.code == CODES["PROOF_MALFORMED"]
