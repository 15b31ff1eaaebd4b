"""A hostile or broken neighbour: bad frames, bad batches, lying sync answers, a node whose own state is wrong."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import uvloop
from hnnode_native import Batch, Value, build_value, state_key

from hnnode.errors import CODES, FatalError
from hnnode.ports import Channel, Kind
from hnnode.sync.frames import BlockRequest, BlockResponse, Status
from tests.kit.byzantine import STRANGER, Stranger
from tests.kit.cluster import Cluster, run_cluster


def test_malformed_frames_cost_the_peer_and_nothing_else(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        ids = await c.commit(3)
        await c.settle()
        async with Stranger(c) as stranger:
            target = c.node(0)
            block = target.chain.block(1)
            assert block is not None
            batch = target.chain.batch(block.batches[0][2])
            rng = random.Random(20260101)
            for kind, channel, good in (
                (Kind.BATCH, Channel.BULK, batch),
                (Kind.BATCH_REQUEST, Channel.BULK, bytes(64)),
                (Kind.BLOCK_REQUEST, Channel.BULK, BlockRequest(1, 4).encode()),
                (
                    Kind.BLOCK_RESPONSE,
                    Channel.BULK,
                    BlockResponse(9, block.value, block.certificate, (batch,)).encode(),
                ),
                (Kind.CONSENSUS_MESSAGE, Channel.CONSENSUS, b"\1\1" + bytes(128)),
                (Kind.BATCH_ACK, Channel.CONSENSUS, bytes(64)),
                (Kind.STATUS, Channel.CONSENSUS, Status(1, 2, 0).encode()),
                (99, Channel.BULK, b"x"),
            ):
                for _ in range(60):
                    data = bytearray(good)
                    for _ in range(rng.randint(1, 4)):
                        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                    cut = bytes(data[: rng.randint(0, len(data))]) if rng.random() < 0.3 else bytes(data)
                    stranger.send(target.account, channel, kind, cut + (b"\0" if rng.random() < 0.1 else b""))
                    await asyncio.sleep(0)
            await asyncio.sleep(0.3)
            assert any(peer == STRANGER for _, peer, _ in c.hub.punished)
            codes = {code for _, peer, code in c.hub.punished if peer == STRANGER}
            assert {CODES["BATCH_MALFORMED"], CODES["FRAME_MALFORMED"]} <= codes
        await c.commit(5)
        await c.settle()
        assert all(target.mempool.status(tx_id).state == "committed" for tx_id in ids)

    run_cluster(tmp_path, story)


def test_batch_that_its_author_did_not_sign_is_refused(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(2)
        block = c.node(0).chain.block(1)
        assert block is not None
        good = bytearray(c.node(0).chain.batch(block.batches[0][2]))
        good[133 + 40] ^= 1  # inside the author's signature
        forged = Batch.decode(bytes(good))
        # A new seq would change the digest; the same bytes with another signature are the same digest, which is committed already.
        assert forged.digest == block.batches[0][0]
        async with Stranger(c) as stranger:
            header = bytearray(good[:133])
            header[53] ^= 1  # first byte of seq: a later seq and another digest, so the signature cannot be right
            stranger.send(c.node(1).account, Channel.BULK, Kind.BATCH, bytes(header) + bytes(good[133:]))
            await c.until(
                lambda: any(code == CODES["BATCH_SIGNATURE_INVALID"] for *_, code in c.hub.punished), "refusal"
            )

    run_cluster(tmp_path, story)


def test_sync_peer_with_forged_blocks_is_refused(tmp_path: Path) -> None:
    """A lagging node is told of blocks that no quorum certified; it never takes one and rejoins through honest peers."""

    async def story(c: Cluster) -> None:
        await c.commit(2)
        await c.settle()
        accounts = c.accounts([0, 1, 2, 3])
        victim = c.node(3)
        c.hub.cut(accounts[3:], accounts[:3])
        height = victim.chain.tip().height
        tip = victim.chain.tip()
        facts = victim.genesis_facts
        forged = build_value(
            facts.chain_id,
            height + 1,
            tip.time_ms + 5,
            accounts[0],
            tip.block_hash,
            facts.validators.hash,
            facts.validators.hash,
            bytes.fromhex(facts.file.plugins_hash),
            tip.receipts_root,
            tip.state_root,
            tip.outbox_root,
            [],
        )
        old = victim.chain.block(height)
        assert old is not None

        async with Stranger(c) as stranger:
            lie = BlockResponse(height + 1, forged, old.certificate, ()).encode()
            stranger.on(Kind.BLOCK_REQUEST, lambda peer, _: stranger.send(peer, Channel.BULK, Kind.BLOCK_RESPONSE, lie))
            async with stranger.claiming(victim.account, height + 50):
                await c.until(lambda: CODES["SYNC_PEER_FAULT"] in stranger.charges(victim), "fault")
            assert victim.chain.tip().height == height
        await c.commit(10)
        c.hub.heal()
        await c.until(lambda: victim.chain.tip().height >= c.node(0).chain.tip().height, "rejoined")
        await c.settle()

    run_cluster(tmp_path, story)


def test_node_with_a_wrong_state_stops_and_the_others_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        c = Cluster(tmp_path)
        await c.start_all()
        try:
            await c.commit(3)
            await c.settle()
            broken = c.node(2)
            # A silent corruption: one page of its state tree in memory now answers for another state.
            tree = broken.pipeline._work._tree
            key = b"\xaa" * 32
            while needed := tree.apply_pairs([(key, b"\xbb" * 32)]):
                state = broken.chain.pending_state()
                tree.load(list(zip(needed, state.pages(needed), strict=True)))
            await c.commit(3)
            await c.until(lambda: bool(c.errors[2]), "node 2 stops")
            error = c.errors[2][0]
            assert isinstance(error, FatalError)
            assert error.info.name in ("STATE_ROOT_MISMATCH", "INVALID_VALUE_DECIDED")
            c.errors[2].clear()
            await c.commit(3)
            assert not any(c.errors[i] for i in (0, 1, 3))
        finally:
            await c.stop_all()

    uvloop.run(main())


def test_storage_error_stops_the_node(tmp_path: Path) -> None:
    async def main() -> None:
        c = Cluster(tmp_path)
        await c.start_all()
        try:
            await c.commit(1)
            broken = c.node(1)

            def failing() -> None:
                raise FatalError("STORAGE_FAILED", "fdatasync: got EIO, want success")

            broken.storage.consensus_log.sync = failing  # type: ignore[method-assign]
            await c.commit(2)
            await c.until(lambda: bool(c.errors[1]), "node 1 stops")
            assert isinstance(c.errors[1][0], FatalError)
            c.errors[1].clear()
            await c.commit(2)
        finally:
            for index in (0, 2, 3, 1):
                try:
                    await c.stop(index)
                except FatalError:
                    assert index == 1

    uvloop.run(main())


@pytest.mark.parametrize("field", ["receipts_root", "state_root", "time_ms", "parent_hash", "proposer", "height"])
def test_proposal_with_a_wrong_field_is_refused_with_its_code(tmp_path: Path, field: str) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        node = c.node(0)
        tip, facts = node.chain.tip(), node.genesis_facts
        values: dict[str, object] = {
            "height": tip.height + 1,
            "time_ms": tip.time_ms + 1,
            "proposer": node.account,
            "parent_hash": tip.block_hash,
            "receipts_root": tip.receipts_root,
            "state_root": tip.state_root,
        }
        wrong: dict[str, object] = {
            "height": tip.height + 2,
            "time_ms": tip.time_ms,
            "proposer": STRANGER,
            "parent_hash": bytes(32),
            "receipts_root": bytes(32),
            "state_root": bytes(32),
        }
        codes = {
            "height": "HEADER_HEIGHT",
            "time_ms": "HEADER_TIME",
            "proposer": "HEADER_PROPOSER",
            "parent_hash": "HEADER_PARENT",
            "receipts_root": "HEADER_RESULTS",
            "state_root": "HEADER_RESULTS",
        }

        def make(f: dict[str, object]) -> bytes:
            own = facts.validators.hash
            return build_value(
                facts.chain_id,
                f["height"],  # type: ignore[arg-type]
                f["time_ms"],  # type: ignore[arg-type]
                f["proposer"],  # type: ignore[arg-type]
                f["parent_hash"],  # type: ignore[arg-type]
                own,
                own,
                bytes.fromhex(facts.file.plugins_hash),
                f["receipts_root"],  # type: ignore[arg-type]
                f["state_root"],  # type: ignore[arg-type]
                tip.outbox_root,
                [],
            )

        proposals = node.consensus._proposals
        assert await proposals.check(tip.height + 1, make(values), tip, node.account) == 0
        bad = make({**values, field: wrong[field]})
        assert Value.decode(bad)
        assert await proposals.check(tip.height + 1, bad, tip, node.account) == CODES[codes[field]]

    run_cluster(tmp_path, story)


def test_state_of_a_record_is_the_same_on_every_node(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(8)
        await c.settle()
        for number in range(8):
            key = state_key("evidence", b"r" + number.to_bytes(32, "big") + c.user.account())
            found = {node.chain.state().get(key) for node in c.up()}
            assert len(found) == 1
            assert None not in found

    run_cluster(tmp_path, story)
