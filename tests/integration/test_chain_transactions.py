"""What happens to transactions, good and bad, on a chain of real nodes."""

from __future__ import annotations

import json
from pathlib import Path

from hnnode_native import (
    Batch,
    SecretKey,
    Tx,
    block_root,
    encode_tx_body,
    sign_tx,
    tagged_hash,
    verify_bundle,
)

from hnnode.crypto.keys import generate_key, read_key_file
from hnnode.errors import CODES
from hnnode.storage import Home
from tests.kit.cluster import Cluster, run_cluster


def make(
    c: Cluster, key: SecretKey, application: str, action: str, payload: object, until: int = 1_000, nonce: int = 0
) -> tuple[bytes, bytes]:
    body = encode_tx_body(c.chain_id, key.account(), nonce, until, application, action, json.dumps(payload).encode())
    return sign_tx(key, body)


def seal_by_hand(c: Cluster, index: int, txs: list[bytes]) -> Batch:
    """A batch that validator `index` signs without asking its pool."""
    key = read_key_file(Home(c.homes[index]).key)
    ids = [Tx.decode(tx).tx_id for tx in txs]
    body = b"".join(len(tx).to_bytes(4, "big") + tx for tx in txs)
    header = b"".join(
        (
            b"\1",
            c.chain_id,
            key.account(),
            (2**62).to_bytes(8, "big"),
            len(txs).to_bytes(4, "big"),
            len(body).to_bytes(4, "big"),
            block_root(ids),
            tagged_hash("hn/signatures/v1", b"".join(tx[-64:] for tx in txs)),
        )
    )
    return Batch.decode(header + key.sign(tagged_hash("hn/batch/v1", header)) + body)


def test_same_transaction_through_two_nodes_commits_once(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        txs = c.preserve(40)
        raw = [tx for _, tx in txs]
        for index in (0, 1, 2):
            assert {r.code for r in await c.node(index).mempool.submit(raw)} == {0}
        for tx_id, _ in txs:
            assert (await c.node(0).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        await c.settle()
        places = {}
        for node in c.up():
            for tx_id, _ in txs:
                status = node.mempool.status(tx_id)
                assert status.state == "committed"
                places.setdefault(tx_id, set()).add((status.height, status.tx_index))
        assert all(len(found) == 1 for found in places.values())
        again = await c.node(3).mempool.submit(raw)
        assert all(r.replayed and r.code == 0 for r in again)

    run_cluster(tmp_path, story)


def test_every_refusal_at_the_door_has_its_code(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(2)
        await c.settle()
        good = c.preserve(1)[0][1]
        stranger = generate_key()
        tip = c.node(0).chain.tip().height
        preserve = {"hash": "ab" * 32, "algorithm": "sm3"}
        other_chain = sign_tx(
            c.user,
            encode_tx_body(bytes(32), c.user.account(), 1, 100, "evidence", "preserve", json.dumps(preserve).encode()),
        )[1]
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        cases = {
            b"": "TX_MALFORMED",
            good[:-1]: "TX_MALFORMED",
            good + b"\0": "TX_MALFORMED",
            b"\2" + good[1:]: "TX_MALFORMED",
            b"\1" * 70_000: "TX_TOO_LARGE",
            other_chain: "WRONG_CHAIN",
            flipped: "SIGNATURE_INVALID",
            good[:-64] + bytes(64): "SIGNATURE_OUT_OF_RANGE",
            good[:-64] + b"\xff" * 64: "SIGNATURE_OUT_OF_RANGE",
            make(c, stranger, "evidence", "preserve", preserve)[1]: "ACCOUNT_UNKNOWN",
            make(c, c.user, "evidence", "preserve", preserve, until=tip)[1]: "TX_EXPIRED",
            make(c, c.user, "evidence", "preserve", preserve, until=2**60)[1]: "VALIDITY_TOO_FAR",
        }
        results = await c.node(0).mempool.submit(list(cases))
        assert [r.code for r in results] == [CODES[name] for name in cases.values()]
        await c.commit(1)

    run_cluster(tmp_path, story)


def test_rule_refusals_are_receipts_equal_on_all_nodes(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        key = c.user
        record = {"hash": "cd" * 32, "algorithm": "sm3"}
        txs = {
            "ok": make(c, key, "evidence", "preserve", record, nonce=1),
            "APPLICATION_UNKNOWN": make(c, key, "nothing", "preserve", record, nonce=2),
            "ACTION_UNKNOWN": make(c, key, "evidence", "destroy", record, nonce=3),
            "PAYLOAD_INVALID": make(c, key, "evidence", "preserve", {**record, "extra": 1}, nonce=4),
            "RULE_VIOLATION": make(
                c, key, "evidence", "cosign", {"hash": "cd" * 32, "owner": key.account().hex()}, nonce=5
            ),
            "ROLE_MISSING": make(c, key, "identity", "revoke", {"account": c.admin.account().hex()}, nonce=6),
        }
        results = await c.node(0).mempool.submit([tx for _, tx in txs.values()])
        assert {r.code for r in results} == {0}
        for name, (tx_id, _) in txs.items():
            status = await c.node(0).mempool.wait(tx_id, "committed", 20_000)
            assert status.code == (0 if name == "ok" else CODES[name]), (name, status)
            assert status.state == ("committed" if name == "ok" else "failed")
            if name == "RULE_VIOLATION":
                assert status.rule == "evidence.own_record"
        await c.settle()
        for tx_id, _ in txs.values():
            receipts = set()
            for node in c.up():
                status = node.mempool.status(tx_id)
                assert status.height is not None
                assert status.tx_index is not None
                receipts.add(node.chain.receipt(status.height, status.tx_index))
            assert len(receipts) == 1

    run_cluster(tmp_path, story)


def test_new_account_may_write_from_the_next_block_and_not_after_revocation(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        new = generate_key()
        proof = new.sign(tagged_hash("hn/register/v1", c.chain_id + new.public_key()))
        payload = {"public_key": new.public_key().hex(), "organisation": "新机构", "roles": [], "proof": proof.hex()}
        tx_id, tx = make(c, c.admin, "identity", "register", payload)
        await c.node(0).mempool.submit([tx])
        assert (await c.node(0).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        await c.settle()
        ids = [
            make(c, new, "evidence", "preserve", {"hash": f"{i:064x}", "algorithm": "sm3"}, nonce=i) for i in range(3)
        ]
        results = await c.node(2).mempool.submit([tx for _, tx in ids])
        assert [r.code for r in results] == [0, 0, 0]
        for tx_id, _ in ids:
            assert (await c.node(2).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        tx_id, tx = make(c, c.admin, "identity", "revoke", {"account": new.account().hex()}, nonce=9)
        await c.node(0).mempool.submit([tx])
        assert (await c.node(0).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        await c.settle()
        refused = await c.node(1).mempool.submit(
            [make(c, new, "evidence", "preserve", {"hash": "aa" * 32, "algorithm": "sm3"})[1]]
        )
        assert refused[0].code == CODES["ACCOUNT_REVOKED"]
        for index in range(4):
            await c.stop(index)
            await c.start(index)
        refused = await c.node(1).mempool.submit(
            [make(c, new, "evidence", "preserve", {"hash": "bb" * 32, "algorithm": "sm3"})[1]]
        )
        assert refused[0].code == CODES["ACCOUNT_REVOKED"]

    run_cluster(tmp_path, story)


def test_proof_of_any_transaction_verifies_and_names_its_height(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        ids = await c.commit(33)
        await c.settle()
        for node in c.up():
            for tx_id in (ids[0], ids[16], ids[32]):
                bundle = node.proofs.tx(tx_id)
                report = verify_bundle(bundle, c.chain_id)
                status = node.mempool.status(tx_id)
                assert [(h, i) for h, i, _ in report.txs] == [(status.height, status.tx_index)]
                assert report.signer_power * 3 > report.total_power * 2

    run_cluster(tmp_path, story)


def test_transaction_of_an_unknown_account_in_a_block_does_not_spoil_its_id(tmp_path: Path) -> None:
    """Regression: a receipt ACCOUNT_UNKNOWN rests on an unverified signature, so it must not take the id for ever."""

    async def story(c: Cluster) -> None:
        new = generate_key()
        tx_id, tx = make(c, new, "evidence", "preserve", {"hash": "ee" * 32, "algorithm": "sm3"}, nonce=77)
        forged = tx[:-64] + c.user.sign(tx_id)
        author = c.node(0)
        # A validator that skips its own door: the batch itself is well formed and signed.
        batch = seal_by_hand(c, 0, [forged])
        await author.batches.publish(batch)
        await c.until(lambda: author.chain.tip().height >= 1, "block with the forged transaction")
        await c.settle()
        assert author.mempool.status(tx_id).state == "unknown"
        proof = new.sign(tagged_hash("hn/register/v1", c.chain_id + new.public_key()))
        payload = {"public_key": new.public_key().hex(), "organisation": "新机构", "roles": [], "proof": proof.hex()}
        register_id, register = make(c, c.admin, "identity", "register", payload)
        await c.node(1).mempool.submit([register])
        assert (await c.node(1).mempool.wait(register_id, "committed", 20_000)).state == "committed"
        await c.settle()
        assert [r.code for r in await c.node(2).mempool.submit([tx])] == [0]
        assert (await c.node(2).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        await c.settle()

    run_cluster(tmp_path, story)
