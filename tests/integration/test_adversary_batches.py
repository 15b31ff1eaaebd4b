"""Batches that somebody forged, withheld, lost or left behind, and acknowledgements of batches that do not exist."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

from hnnode_native import build_txs, tagged_hash

from hnnode.crypto.keys import generate_key
from hnnode.node.build import ChainNode
from hnnode.ports import Channel, HeldBatch, Kind
from tests.kit.byzantine import Stranger, charges, committed_batch, corrupt, sealed, spoiled
from tests.kit.cluster import COMMIT_S, Cluster, run_cluster
from tests.vectors import formats_twin

FORGERIES = 30
"""More than the faults for which a peer is banned."""
ACKS_PER_FRAME = 1_024
IDLE_S = 1.5


async def assert_idle(c: Cluster) -> None:
    """No node holds a batch, and no block is made."""
    await c.settle()
    assert not any(node.batches.held() for node in c.up())
    heights = [node.chain.tip().height for node in c.up()]
    await asyncio.sleep(IDLE_S)
    assert [node.chain.tip().height for node in c.up()] == heights


def test_unsigned_batches_do_not_cost_the_author_they_name(tmp_path: Path) -> None:
    """Regression: a batch that nobody had signed counted as the second one of the author and seq in its header. Twenty of them, sent by
    anybody, made honest nodes ban an honest validator."""

    async def story(c: Cluster) -> None:
        author, judge = c.node(0), c.node(1)
        # Without a quorum the author's batch stays uncommitted, as under load.
        await c.stop(2)
        await c.stop(3)
        await author.mempool.submit([tx for _, tx in c.preserve(1)])
        await c.until(lambda: len(judge.batches.held()) == 1, "node 1 holds the batch of node 0")
        genuine = formats_twin.Batch.decode(judge.batches.held()[0].batch.data)
        async with Stranger(c) as s:
            for _ in range(FORGERIES):
                s.give([judge], replace(genuine, txs_root=os.urandom(32)).encode())
            await c.until(
                lambda: (
                    len(s.charges(judge)) + len(charges(c.hub.punished, judge.account, author.account)) >= FORGERIES
                ),
                "every forgery is charged to somebody",
            )
            assert len(s.charges(judge)) == FORGERIES

    run_cluster(tmp_path, story)


def test_batch_that_became_invalid_does_not_halt_the_chain(tmp_path: Path) -> None:
    """Regression: a batch taken while a sender was unknown turned out invalid once that sender was registered. Nobody let go of it, so
    every honest proposer proposed it, every node refused the proposal, and no height was decided again."""

    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        bad = await corrupt(c, 3)
        newcomer = generate_key()
        payload = json.dumps({"hash": "ab" * 32, "algorithm": "sm3", "size": 1}).encode()
        [(_, tx)] = build_txs(newcomer, c.chain_id, 1, 100_000, "evidence", "preserve", [payload])
        poison = sealed(bad, c.chain_id, 1 << 60, [spoiled(tx)])
        withheld = True

        def withhold(node: ChainNode) -> None:
            # A corrupt proposer chooses the moment by proposing the registration first; here the honest ones wait for it.
            genuine = node.batches.proposable

            def proposable(batches_max: int, bytes_max: int, tx_count_max: int) -> list[HeldBatch]:
                chosen = genuine(batches_max, bytes_max, tx_count_max)
                return [h for h in chosen if not (withheld and h.batch.digest == poison.digest)]

            node.batches.proposable = proposable  # type: ignore[method-assign]

        for node in c.up():
            withhold(node)
        async with Stranger(c, bad.account()) as s:
            s.give(c.up(), poison.data)
            await c.until(lambda: all(n.batches.get(poison.digest) for n in c.up()), "batch held")
            proof = newcomer.sign(tagged_hash("hn/register/v1", c.chain_id + newcomer.public_key()))
            record = {
                "organisation": "新单位",
                "proof": proof.hex(),
                "public_key": newcomer.public_key().hex(),
                "roles": [],
            }
            [(tx_id, tx)] = build_txs(
                c.admin, c.chain_id, 77, 100_000, "identity", "register", [json.dumps(record).encode()]
            )
            await c.node(0).mempool.submit([tx])
            status = await c.node(0).mempool.wait(tx_id, "committed", int(COMMIT_S * 1000))
            assert status.state == "committed", status
            withheld = False
            await c.commit(1)
            await c.until(lambda: any(s.charges(node) for node in c.up()), "the author is charged")

    run_cluster(tmp_path, story)


def test_invented_acknowledgements_do_not_displace_real_ones(tmp_path: Path) -> None:
    """Regression: acknowledgements of batches that do not exist filled one table for all peers and for ever. Real ones that came before
    their batch were then ignored, so that every batch waited until it was sent again."""

    async def story(c: Cluster) -> None:
        node = c.node(0)
        author = await corrupt(c, 1)
        second = (await corrupt(c, 2)).account()
        liar = (await corrupt(c, 3)).account()
        batch = sealed(author, c.chain_id, 1 << 60, [tx for _, tx in c.preserve(1)])
        async with Stranger(c, author.account()) as a, Stranger(c, second) as b, Stranger(c, liar) as s:
            for _ in range(4):
                s.send(node.account, Channel.CONSENSUS, Kind.BATCH_ACK, os.urandom(32 * ACKS_PER_FRAME))
            for peer in (a, b):
                peer.send(node.account, Channel.CONSENSUS, Kind.BATCH_ACK, batch.digest)
            a.give([node], batch.data)
            await c.until(lambda: node.batches.get(batch.digest) is not None, "batch held")
            async with asyncio.timeout(COMMIT_S):
                await node.batches.wait_acked(batch.digest)

    run_cluster(tmp_path, story)


def test_transactions_of_a_batch_whose_seq_was_skipped_commit(tmp_path: Path) -> None:
    """Regression: when a later batch of the same author was committed first, the transactions of the skipped one waited for
    `requeue_blocks` (50) more blocks, which an idle chain never makes."""

    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        author = c.node(0)
        genuine = author.network.send
        lost: list[bytes] = []

        def send(peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
            if kind == Kind.BATCH and (not lost or payload == lost[0]):  # the first one, however often it is sent
                lost.append(payload)
                return False
            return genuine(peer, channel, kind, payload)

        author.network.send = send  # type: ignore[method-assign]
        [(first, tx)] = c.preserve(1)
        await author.mempool.submit([tx])
        await c.until(lambda: len(lost) >= 3, "first batch lost on its way to every peer")
        await c.commit(1)
        # Not `wait`: without a quorum for its batch a transaction stays pending until it is sealed again.
        await c.until(lambda: author.mempool.status(first).state == "committed", "first transaction committed")

    run_cluster(tmp_path, story)


def test_batch_stored_after_its_block_is_not_held(tmp_path: Path) -> None:
    """Regression: a batch that was still being verified or written when consensus committed its block was held for ever afterwards:
    memory, and a reason for one empty block after the other."""

    async def story(c: Cluster) -> None:
        await c.commit(3)
        await c.settle()
        node = c.node(1)
        late = committed_batch(node)
        # What block sync and the intake do when they come to the end of their checks.
        await node.batches.store([late], acknowledge=False)
        assert node.batches.get(late.digest) is None
        await c.commit(1)
        await assert_idle(c)

    run_cluster(tmp_path, story)


def test_batch_of_a_dead_author_reaches_the_others(tmp_path: Path) -> None:
    """Regression: an author that died after one peer had its batch left that peer making empty blocks for ever, and its transactions
    with nobody, because only authors sent their batches again."""

    async def story(c: Cluster) -> None:
        await c.commit(3)
        await c.settle()
        author, heir = c.node(0), c.node(1)
        c.hub.cut([author.account], c.accounts([2, 3]))
        [(tx_id, tx)] = c.preserve(1)
        await author.mempool.submit([tx])
        await c.until(lambda: len(heir.batches.held()) == 1, "node 1 holds the batch")
        await c.stop(0)
        await c.until(lambda: heir.mempool.status(tx_id).state == "committed", "the batch is committed", 40)
        await assert_idle(c)

    run_cluster(tmp_path, story)
