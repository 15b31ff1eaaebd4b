"""Catching up against lying peers, and with a slow disk, a slow clock or short answers of one's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hnnode_native import Batch

from hnnode.config import SyncConfig, load_config
from hnnode.errors import CODES, Unavailable
from hnnode.node.genesis import config_text
from hnnode.ports import Channel, Kind
from hnnode.storage import Home
from hnnode.sync.frames import BlockResponse
from tests.kit.byzantine import STRANGER, Stranger, block_response, corrupt
from tests.kit.cluster import Cluster, run_cluster
from tests.vectors import formats_twin

PATIENCE_S = 60.0


def configure_sync(c: Cluster, index: int, sync: SyncConfig) -> None:
    """Rewrite the configuration of a stopped node."""
    path = Home(c.homes[index]).config
    path.write_text(config_text(msgspec.structs.replace(load_config(path), sync=sync)), "utf-8")


def with_another_author_signature(response: BlockResponse) -> BlockResponse:
    batch = formats_twin.Batch.decode(response.batches[0])
    signature = bytes([batch.author_signature[0] ^ 1]) + batch.author_signature[1:]
    return replace(response, batches=(replace(batch, author_signature=signature).encode(), *response.batches[1:]))


def without_batch_list(response: BlockResponse) -> BlockResponse:
    value = formats_twin.Value.decode(response.value)
    return replace(response, value=replace(value, batches=()).encode(), batches=())


def with_another_body(response: BlockResponse) -> BlockResponse:
    """Another nonce: another transaction, but the same signatures and batch header, so the same digest."""
    batch = formats_twin.Batch.decode(response.batches[0])
    tx = formats_twin.Tx.decode(batch.txs[0])
    txs = (replace(tx, nonce=tx.nonce ^ 1).encode(), *batch.txs[1:])
    return replace(response, batches=(replace(batch, txs=txs).encode(), *response.batches[1:]))


@pytest.mark.parametrize("lie", [with_another_author_signature, without_batch_list, with_another_body])
def test_lying_peer_cannot_stop_a_lagging_node(tmp_path: Path, lie: Callable[[BlockResponse], BlockResponse]) -> None:
    """Regression: a certified header with content that neither it nor a batch digest binds was taken for a quorum's broken block, and
    the lagging node stopped for good (INVALID_VALUE_DECIDED). It is the sender's fault."""

    async def story(c: Cluster) -> None:
        account = c.node(3).account
        await c.stop(3)
        await c.commit(2)
        await c.settle()
        source = c.node(0)
        height = source.chain.tip().height
        c.hub.cut([account], c.accounts([0, 1, 2]))
        victim = await c.start(3)

        def answer(wanted: int) -> BlockResponse:
            response = block_response(source, wanted)
            return lie(response) if response.batches else response

        async with Stranger(c) as s:
            s.serve_blocks(answer)
            async with s.claiming(account, height):
                await c.until(lambda: bool(c.errors[3] or s.charges(victim)), "the lie is noticed", PATIENCE_S)
            assert not c.errors[3], c.errors[3]
            assert set(s.charges(victim)) == {CODES["SYNC_PEER_FAULT"]}
        c.hub.heal()
        await c.until(lambda: victim.chain.tip().height >= height, "caught up through honest peers", PATIENCE_S)
        await c.settle()

    run_cluster(tmp_path, story)


def test_only_what_a_certificate_covers_is_written(tmp_path: Path) -> None:
    """A certified header with the batch list and the genuine batches of another block: refused before a byte of it is written, although
    every signature in it holds."""

    async def story(c: Cluster) -> None:
        account = c.node(3).account
        await c.stop(3)
        for _ in range(3):
            await c.commit(2)
        await c.settle()
        source = c.node(0)
        height = source.chain.tip().height
        filled = [h for h in range(1, height + 1) if block_response(source, h).batches]
        other = block_response(source, filled[-1])
        c.hub.cut([account], c.accounts([0, 1, 2]))
        victim = await c.start(3)
        before = victim.storage.batch_log.bytes_appended

        def answer(wanted: int) -> BlockResponse:
            response = block_response(source, wanted)
            if wanted > filled[0]:
                return BlockResponse(wanted, b"", b"", ())
            if wanted < filled[0]:
                return response
            batches = formats_twin.Value.decode(other.value).batches
            value = replace(formats_twin.Value.decode(response.value), batches=batches)
            return replace(response, value=value.encode(), batches=other.batches)

        async with Stranger(c) as s:
            s.serve_blocks(answer)
            async with s.claiming(account, height):
                await c.until(lambda: bool(c.errors[3] or s.charges(victim)), "the lie is noticed", PATIENCE_S)
        assert not c.errors[3], c.errors[3]
        assert victim.storage.batch_log.bytes_appended == before
        assert all(victim.batches.get(Batch.decode(data).digest) is None for data in other.batches)
        c.hub.heal()
        await c.until(lambda: victim.chain.tip().height >= height, "caught up through honest peers", PATIENCE_S)
        await c.settle()

    run_cluster(tmp_path, story)


@pytest.mark.parametrize("as_validator", [False, True], ids=["stranger", "validator"])
def test_claims_of_one_peer_do_not_close_the_door(tmp_path: Path, as_validator: bool) -> None:
    """Regression: one linked peer that claimed a height and had no block of it kept a node at SYNCING: it took no transaction, and the
    peer was not charged."""

    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        name = (await corrupt(c, 3)).account() if as_validator else STRANGER
        node = c.node(0)
        tries, refused = 30, 0
        async with Stranger(c, name) as s:
            s.serve_blocks(lambda height: BlockResponse(height, b"", b"", ()))
            async with s.claiming(node.account, 1_000_000):
                await asyncio.sleep(1)  # for the claim to be heard
                for _ in range(tries):
                    try:
                        await node.mempool.submit([tx for _, tx in c.preserve(1)])
                    except Unavailable:
                        refused += 1
                    await asyncio.sleep(0.05)
                # A busy machine may fall behind its peers for a moment and say so.
                assert refused < tries / 2
                await c.until(lambda: CODES["SYNC_PEER_FAULT"] in s.charges(node), "the claim is charged", PATIENCE_S)

    run_cluster(tmp_path, story)


def test_answers_that_nobody_asked_for_buy_a_peer_no_time(tmp_path: Path) -> None:
    """Regression: each answer to an earlier request began the patience with the asked peer anew, so one small frame a second kept a
    node from ever asking another."""

    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        node = c.node(2)
        stale = BlockResponse(0, b"", b"", ()).encode()

        async def trickle(s: Stranger) -> None:
            while True:
                s.send(node.account, Channel.BULK, Kind.BLOCK_RESPONSE, stale)
                await asyncio.sleep(0.2)

        async with Stranger(c) as s, s.claiming(node.account, 10**9):
            trickling = asyncio.create_task(trickle(s))
            c.hub.cut([node.account], [other.account for other in c.up() if other is not node])
            for _ in range(4):
                await c.commit(1)
            c.hub.heal()
            await c.until(lambda: node.chain.tip().height >= c.node(0).chain.tip().height, "in step again", PATIENCE_S)
            trickling.cancel()

    run_cluster(tmp_path, story)


def test_answers_cut_by_bytes_cost_no_timeout(tmp_path: Path) -> None:
    """Regression: a peer ended its answer at `response_bytes_max` without a word, and the asker waited `request_ms` for the next block,
    once an answer. Here one such wait is longer than the test."""

    async def story(c: Cluster) -> None:
        await c.stop_all()
        for index in range(3):
            configure_sync(c, index, SyncConfig(response_bytes_max=4_000))
            await c.start(index)
        configure_sync(c, 3, SyncConfig(request_ms=int(10 * PATIENCE_S * 1000)))
        for _ in range(6):
            await c.commit(40)  # about 10 kB a block
        await c.settle()
        victim = await c.start(3)
        height = c.node(0).chain.tip().height
        await c.until(lambda: victim.chain.tip().height >= height, "caught up", PATIENCE_S / 2)

    run_cluster(tmp_path, story)


def test_slow_execution_of_a_synced_block_is_not_fatal(tmp_path: Path) -> None:
    """Regression: when a fetched block was not executed within `request_ms` (a stalled disk), sync went on with the next height on the
    old tip, found that it did not fit and stopped the node (INVALID_VALUE_DECIDED)."""

    async def story(c: Cluster) -> None:
        account = c.node(3).account
        await c.stop(3)
        for _ in range(3):
            await c.commit(2)
        await c.settle()
        height = c.node(0).chain.tip().height
        configure_sync(c, 3, SyncConfig(request_ms=500))
        c.hub.cut([account], c.accounts([0, 1, 2]))
        victim = await c.start(3)
        genuine = victim.consensus.apply_synced
        outcomes: list[bool] = []

        async def apply_synced(height: int, value: bytes, certificate: bytes, timeout_s: float) -> bool:
            outcomes.append(await genuine(height, value, certificate, timeout_s))
            return outcomes[-1]

        victim.consensus.apply_synced = apply_synced  # type: ignore[method-assign]
        stalled = threading.Event()
        victim.threads.execution.submit(stalled.wait)
        try:
            c.hub.heal()
            await c.until(lambda: bool(c.errors[3]) or outcomes.count(False) >= 2, "given up twice", PATIENCE_S)
        finally:
            stalled.set()
        assert not c.errors[3], c.errors[3]
        await c.until(lambda: victim.chain.tip().height >= height, "caught up", PATIENCE_S)

    run_cluster(tmp_path, story)


def test_slow_clock_is_not_fatal(tmp_path: Path) -> None:
    """Regression: a node whose clock was 12 s behind called honest proposals invalid, a verdict for ever, and stopped when the others
    decided one of them. An early header is no invalid one."""

    async def story(c: Cluster) -> None:
        slow = c.node(3)
        # The clock is chosen where the node is wired; there is no other way to it.
        slow.consensus._proposals._now_ms = lambda: int(time.time() * 1000) - 12_000
        for _ in range(3):
            await c.commit(1)
        height = c.node(0).chain.tip().height
        await c.until(lambda: bool(c.errors[3]) or slow.chain.tip().height >= height, "the slow node follows")
        assert not c.errors[3], c.errors[3]
        await c.settle()

    run_cluster(tmp_path, story)


def test_blocks_are_checked_ahead_and_applied_in_order(tmp_path: Path) -> None:
    """A later block is checked and its batches are durable while an earlier one still executes, heights are applied one after the other,
    and a lie in the middle of an answer costs the sender while the blocks before it stay."""

    async def story(c: Cluster) -> None:
        account = c.node(3).account
        await c.stop(3)
        for _ in range(6):
            await c.commit(2)
        await c.settle()
        source = c.node(0)
        height = source.chain.tip().height
        lie_at = next(h for h in range(5, height + 1) if block_response(source, h).batches)
        c.hub.cut([account], c.accounts([0, 1, 2]))
        victim = await c.start(3)
        genuine = victim.consensus.apply_synced
        started: list[int] = []
        applied: list[int] = []
        ahead: list[int] = []
        held: list[int] = []
        digests = {h: [Batch.decode(b).digest for b in block_response(source, h).batches] for h in range(1, lie_at)}
        check = victim.sync._check

        def noted_check(response: BlockResponse) -> list[object]:
            started.append(response.height)
            return check(response)  # type: ignore[return-value]

        async def slow(height: int, value: bytes, certificate: bytes, timeout_s: float) -> bool:
            await asyncio.sleep(0.2)
            ahead.append(max(started) - height)
            later = [digest for h in range(height + 1, lie_at) for digest in digests[h]]
            held.append(sum(victim.batches.get(digest) is not None for digest in later))
            applied.append(height)
            return await genuine(height, value, certificate, timeout_s)

        victim.consensus.apply_synced = slow  # type: ignore[method-assign]
        victim.sync._check = noted_check  # type: ignore[assignment]

        def answer(wanted: int) -> BlockResponse:
            response = block_response(source, wanted)
            return with_another_body(response) if wanted == lie_at else response

        async with Stranger(c) as s:
            s.serve_blocks(answer)
            async with s.claiming(account, height):
                await c.until(lambda: bool(s.charges(victim)), "the lie is noticed", PATIENCE_S)
        assert victim.chain.tip().height <= lie_at - 1
        assert applied[-1:] == [lie_at - 1]
        assert max(ahead) >= 1
        assert max(held) >= 1
        c.hub.heal()
        await c.until(lambda: victim.chain.tip().height >= height, "caught up through honest peers", PATIENCE_S)
        assert applied == sorted(set(applied))
        await c.settle()

    run_cluster(tmp_path, story)
