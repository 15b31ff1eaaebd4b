"""Every case of `formats.json` and `merkle.json` by the twin, which knows only the page, and by the compiled core."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hnnode_native as native
import pytest

from tests.vectors import formats_twin as twin
from tests.vectors import sm_twin, trees_twin
from tests.vectors.bundle_twin import verify_bundle

HERE = Path(__file__).parent
FORMATS: dict[str, Any] = json.loads((HERE / "formats.json").read_text())
MERKLE: dict[str, Any] = json.loads((HERE / "merkle.json").read_text())
CHAIN_ID = bytes.fromhex(MERKLE["trusted_chain_id"])

DECODERS: dict[str, tuple[Callable[[bytes], Any], Callable[[bytes], Any]]] = {
    "signed_tx": (twin.Tx.decode, native.Tx.decode),
    "batch": (twin.Batch.decode, native.Batch.decode),
    "value": (twin.Value.decode, native.Value.decode),
    "certificate": (twin.Certificate.decode, native.Certificate.decode),
    "validator_set": (twin.ValidatorSet.decode, native.ValidatorSet.decode),
    "account_record": (twin.AccountRecord.decode, native.decode_account_record),
    "receipt": (twin.Receipt.decode, native.Receipt.decode),
}


def unhex(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def facts(case: dict[str, Any], kind: type) -> dict[str, Any]:
    """Arguments of a twin object out of the members of the same name: bytes where the field holds bytes."""
    wanted = {name: str(field.type) for name, field in kind.__dataclass_fields__.items()}
    return {name: bytes.fromhex(case[name]) if text == "bytes" else case[name] for name, text in wanted.items()}


def same_fields(one: object, names: dict[str, Any]) -> None:
    for name, value in names.items():
        assert getattr(one, name) == value, name


def test_keys() -> None:
    for case in FORMATS["keys"]:
        seed, secret, public, account = unhex(case, "seed", "secret_key", "public_key", "account")
        assert sm_twin.public_key(int.from_bytes(secret, "big")) == public
        assert twin.account_of(public) == native.account_of(public) == account
        key = native.SecretKey.generate(seed)
        assert (key.public_key(), key.account()) == (public, account)


def test_genesis() -> None:
    case = FORMATS["genesis"]
    genesis = twin.Genesis(**facts(case, twin.Genesis))
    encoding, chain_id = unhex(case, "encoding", "chain_id")
    assert (genesis.encode(), genesis.chain_id()) == (encoding, chain_id)
    assert twin.Genesis.decode(encoding) == genesis
    assert native.encode_genesis(**facts(case, twin.Genesis)) == encoding
    assert native.genesis_chain_id(encoding) == chain_id == CHAIN_ID


def test_plugins_hash() -> None:
    case = FORMATS["plugins"]
    names = ("plugin", "version", "api_version", "state_version", "code_hash", "application", "action", "schema_hash")
    entries = [
        tuple(bytes.fromhex(entry[name]) if name.endswith("_hash") else entry[name] for name in names)
        for entry in case["entries"]
    ]
    for order in (entries, entries[::-1]):
        assert twin.plugins_hash(order).hex() == native.plugins_hash(order).hex() == case["hash"]
    assert twin.plugins_hash([]).hex() == native.plugins_hash([]).hex() == case["hash_of_none"]


def test_transactions() -> None:
    publics = {case["account"]: bytes.fromhex(case["public_key"]) for case in FORMATS["keys"]}
    keys = {case["account"]: native.SecretKey.generate(bytes.fromhex(case["seed"])) for case in FORMATS["keys"]}
    for case in FORMATS["txs"]:
        tx = twin.Tx(**facts(case, twin.Tx))
        encoding, body, tx_id = unhex(case, "encoding", "body", "tx_id")
        assert (tx.encode(), tx.body(), tx.tx_id()) == (encoding, body, tx_id)
        assert twin.Tx.decode(encoding) == tx
        decoded = native.Tx.decode(encoding)
        same_fields(decoded, facts(case, twin.Tx) | {"tx_id": tx_id})
        assert sm_twin.verify(publics[case["sender"]], tx_id, tx.signature)
        assert native.sign_tx(keys[case["sender"]], body) == (tx_id, encoding)
        parts = (tx.chain_id, tx.sender, tx.nonce, tx.valid_until_height, tx.application, tx.action, tx.payload)
        assert native.encode_tx_body(*parts) == body


def test_batch() -> None:
    case = FORMATS["batch"]
    encoding, header, digest, author, signature = unhex(
        case, "encoding", "header", "digest", "author", "author_signature"
    )
    txs = tuple(bytes.fromhex(tx["encoding"]) for tx in FORMATS["txs"])
    batch = replace(
        twin.Batch.of(bytes.fromhex(case["chain_id"]), author, case["seq"], txs), author_signature=signature
    )
    assert (batch.encode(), batch.header(), batch.digest()) == (encoding, header, digest)
    assert header[69:101].hex() == batch.txs_root.hex() == case["txs_root"]
    assert header[101:].hex() == case["signatures_hash"]
    assert len(header) == 133
    assert (case["tx_count"], case["body_bytes"]) == (len(txs), len(batch.body()))
    assert twin.Batch.decode(encoding) == batch
    publics = {key["account"]: bytes.fromhex(key["public_key"]) for key in FORMATS["keys"]}
    batch.check(bytes.fromhex(case["chain_id"]), publics[case["author"]])
    decoded = native.Batch.decode(encoding)
    expected = {"digest": digest, "author": author, "seq": case["seq"], "tx_count": len(txs), "data": encoding}
    same_fields(decoded, expected | {"size": len(encoding)})
    assert [decoded.tx(index) for index in range(len(txs))] == list(txs)
    assert decoded.tx_ids() == batch.tx_ids()


def test_validator_sets() -> None:
    for case in FORMATS["validator_sets"]:
        members = [(bytes.fromhex(member["key"]), member["power"]) for member in case["validators"]]
        validators = twin.ValidatorSet.of(case["epoch"], members[::-1])
        encoding, digest = unhex(case, "encoding", "hash")
        assert validators.validators == tuple(members)
        assert (validators.encode(), validators.hash()) == (encoding, digest)
        assert (validators.quorum(), validators.total_power()) == (case["quorum"], case["total_power"])
        assert [twin.account_of(key).hex() for key, _ in members] == [item["account"] for item in case["validators"]]
        assert twin.ValidatorSet.decode(encoding) == validators
        for core in (native.ValidatorSet.decode(encoding), native.ValidatorSet(case["epoch"], members[::-1])):
            same_fields(core, {"hash": digest, "quorum": case["quorum"], "epoch": case["epoch"]})
            assert core.encode() == encoding
            assert core.total_power == case["total_power"]
            assert core.validators == [(twin.account_of(key), key, power) for key, power in members]


def test_headers_and_value() -> None:
    for case in FORMATS["headers"]:
        header = twin.Header(**facts(case, twin.Header))
        encoding, digest = unhex(case, "encoding", "block_hash")
        assert (header.encode(), header.hash(), len(encoding)) == (encoding, digest, 357)
        assert twin.Header.decode(encoding) == header
        same_fields(native.Header.decode(encoding), facts(case, twin.Header) | {"block_hash": digest})
    case = FORMATS["value"]
    encoding, header_bytes = unhex(case, "encoding", "header")
    batches = [(*unhex(batch, "digest", "author"), batch["seq"]) for batch in case["batches"]]
    value = twin.Value(twin.Header.decode(header_bytes), tuple(batches))
    assert value.encode() == encoding
    assert twin.Value.decode(encoding) == value
    decoded = native.Value.decode(encoding)
    same_fields(decoded, {"header_bytes": header_bytes, "batches": batches, "block_hash": value.header.hash()})


def test_votes_and_proposals() -> None:
    for case in FORMATS["votes"]:
        chain_id, signature = unhex(case, "chain_id", "signature")
        block_hash = bytes.fromhex(case["block_hash"]) if case["block_hash"] else None
        message = twin.vote_bytes(chain_id, case["type"], case["height"], case["round"], block_hash)
        assert (message.hex(), len(message)) == (case["sign_bytes"], 87)
        key = FORMATS["keys"][case["key"]]
        assert sm_twin.verify(bytes.fromhex(key["public_key"]), message, signature)
        assert native.SecretKey.generate(bytes.fromhex(key["seed"])).sign(message) == signature
    for case in FORMATS["proposals"]:
        chain_id, block_hash = unhex(case, "chain_id", "block_hash")
        message = twin.proposal_bytes(chain_id, case["height"], case["round"], case["pol_round"], block_hash)
        assert message.hex() == case["sign_bytes"]


def test_certificate() -> None:
    case = FORMATS["certificate"]
    encoding, chain_id, block_hash = unhex(case, "encoding", "chain_id", "block_hash")
    validator_set = bytes.fromhex(FORMATS["validator_sets"][case["validator_set"]]["encoding"])
    validators = twin.ValidatorSet.decode(validator_set)
    certificate = twin.Certificate.decode(encoding)
    assert certificate.encode() == encoding
    assert [index for index, _ in certificate.signatures] == case["signers"]
    certificate.check(validators, chain_id, case["height"], block_hash)
    decoded = native.Certificate.decode(encoding)
    same_fields(decoded, {name: case[name] for name in ("height", "round", "signers")} | {"block_hash": block_hash})
    core = native.ValidatorSet.decode(validator_set)
    assert native.verify_certificate(encoding, core, chain_id, case["height"], block_hash) == 0
    other = bytes(32)
    for code, arguments in (
        ("CERTIFICATE_CHAIN", (other, case["height"], block_hash)),
        ("CERTIFICATE_BLOCK", (chain_id, case["height"], other)),
        ("CERTIFICATE_BLOCK", (chain_id, case["height"] + 1, block_hash)),
    ):
        with pytest.raises(trees_twin.FormatError):
            certificate.check(validators, *arguments)
        assert native.verify_certificate(encoding, core, *arguments) == native.CODES[code]


def test_receipts_and_write_set() -> None:
    for case in FORMATS["receipts"]:
        events = tuple((event["name"], event["entity"], bytes.fromhex(event["data"])) for event in case["events"])
        receipt = twin.Receipt(**facts(case, twin.Receipt) | {"events": events})
        encoding = bytes.fromhex(case["encoding"])
        assert receipt.encode() == encoding
        assert twin.Receipt.decode(encoding) == receipt
        same_fields(native.Receipt.decode(encoding), facts(case, twin.Receipt) | {"events": list(events)})
    case = FORMATS["write_set"]
    writes = [
        (write["application"], bytes.fromhex(write["key"]), bytes.fromhex(write["value"]) if write["value"] else None)
        for write in case["writes"]
    ]
    assert twin.write_set_digest(writes).hex() == case["digest"]
    assert twin.write_set_digest([]).hex() == case["digest_of_none"]


def test_account_record() -> None:
    case = FORMATS["account_record"]
    arguments = facts(case, twin.AccountRecord) | {"roles": tuple(case["roles"])}
    record, encoding = twin.AccountRecord(**arguments), bytes.fromhex(case["encoding"])
    assert record.encode() == encoding
    assert twin.AccountRecord.decode(encoding) == record
    native_arguments = (record.key, record.active, record.since_height, record.organisation, record.roles)
    assert native.encode_account_record(*native_arguments) == encoding
    assert native.decode_account_record(encoding) == (*native_arguments[:4], list(record.roles))


@pytest.mark.parametrize("case", FORMATS["must_fail"], ids=lambda case: f"{case['format']} {case['name']}")
def test_must_fail(case: dict[str, Any]) -> None:
    encoding = bytes.fromhex(case["encoding"])
    by_twin, by_core = DECODERS[case["format"]]
    with pytest.raises(trees_twin.FormatError):
        by_twin(encoding)
    with pytest.raises(native.NativeError) as caught:
        by_core(encoding)
    assert caught.value.code == case["code"]
    assert case["code"] in native.CODES.values()


# ---------------------------------------------------------------- merkle.json


def test_block_trees() -> None:
    for case in MERKLE["block_trees"]:
        leaves, root = [bytes.fromhex(leaf) for leaf in case["leaves"]], bytes.fromhex(case["root"])
        assert trees_twin.block_root(leaves) == native.block_root(leaves) == root
        assert [proof["index"] for proof in case["proofs"]] == list(range(len(leaves)))
        for proof in case["proofs"]:
            index, encoding = proof["index"], bytes.fromhex(proof["encoding"])
            assert trees_twin.block_proof(leaves, index) == native.block_proof(leaves, index) == encoding
            assert trees_twin.Inclusion.decode(encoding).root(leaves[index]) == root
            assert native.verify_inclusion(encoding, leaves[index], root)
            assert not native.verify_inclusion(encoding, leaves[index] + b"\0", root)
    assert native.empty_root() == trees_twin.block_root([])


def test_state_trees() -> None:
    for case in MERKLE["state_trees"]:
        entries = {}
        for entry in case["entries"]:
            key, key_hash, value, value_hash = unhex(entry, "key", "key_hash", "value", "value_hash")
            assert trees_twin.state_key_hash(entry["application"], key) == key_hash
            assert native.state_key_hash(entry["application"], key) == key_hash
            assert trees_twin.state_value_hash(value) == native.state_value_hash(value) == value_hash
            entries[key_hash] = value_hash
        root = bytes.fromhex(case["root"])
        assert trees_twin.state_root(entries) == root
        for proof in case["proofs"]:
            key_hash = trees_twin.state_key_hash(proof["application"], bytes.fromhex(proof["key"]))
            encoding = bytes.fromhex(proof["encoding"])
            value = None if proof["value"] is None else bytes.fromhex(proof["value"])
            assert trees_twin.state_proof(entries, key_hash) == encoding
            assert trees_twin.StateProof.decode(encoding).holds(root, key_hash, value)
            assert native.verify_state_proof(encoding, root, key_hash, value)
            for wrong in (None if value is not None else b"", b"another"):
                assert not trees_twin.StateProof.decode(encoding).holds(root, key_hash, wrong)
                assert not native.verify_state_proof(encoding, root, key_hash, wrong)


def test_bundles() -> None:
    for case in MERKLE["bundles"]:
        encoding, expected = bytes.fromhex(case["encoding"]), case["report"]
        for report in (verify_bundle(encoding, CHAIN_ID), native.verify_bundle(encoding, CHAIN_ID)):
            counts = ("heights", "signer_count", "validator_count", "signer_power", "total_power")
            same_fields(report, {name: expected[name] for name in counts})
            assert report.chain_id.hex() == expected["chain_id"]
            assert report.block_hashes[-1].hex() == expected["block_hash"]
            txs = [
                {"height": height, "index": index, "tx_id": twin.Tx.decode(tx).tx_id().hex()}
                for height, index, tx in report.txs
            ]
            assert txs == expected["txs"]
            receipts = [(twin.Receipt.decode(receipt), height, index) for height, index, receipt in report.receipts]
            assert [
                {"code": receipt.code, "height": height, "index": index, "tx_id": receipt.tx_id.hex()}
                for receipt, height, index in receipts
            ] == expected["receipts"]
            assert [
                {"application": name, "height": height, "key": key.hex(), "value": value and value.hex()}
                for height, name, key, value in report.states
            ] == expected["states"]
        with pytest.raises(trees_twin.FormatError):
            verify_bundle(encoding, bytes(32))
        with pytest.raises(native.NativeError) as caught:
            native.verify_bundle(encoding, bytes(32))
        assert caught.value.code == native.CODES["PROOF_CHAIN"]


@pytest.mark.parametrize("case", MERKLE["bundles_must_fail"], ids=lambda case: case["name"])
def test_bundles_must_fail(case: dict[str, Any]) -> None:
    encoding = bytes.fromhex(case["encoding"])
    with pytest.raises(trees_twin.FormatError):
        verify_bundle(encoding, CHAIN_ID)
    with pytest.raises(native.NativeError) as caught:
        native.verify_bundle(encoding, CHAIN_ID)
    assert caught.value.code == case["code"]
