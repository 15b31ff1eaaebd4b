"""Partitions, absences and returns on real nodes in one process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from hnnode_native import Batch

from hnnode.sync.frames import BlockResponse
from tests.kit.cluster import Cluster, run_cluster


def test_two_two_partition_commits_nothing_and_heals(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(5)
        await c.settle()
        height = c.node(0).chain.tip().height
        c.hub.cut(c.accounts([0, 1]), c.accounts([2, 3]))
        txs = c.preserve(3)
        await c.node(0).mempool.submit([tx for _, tx in txs])
        status = await c.node(0).mempool.wait(txs[0][0], "committed", 2_500)
        assert status.state == "pending"
        assert {n.chain.tip().height for n in c.up()} == {height}
        c.hub.heal()
        for tx_id, _ in txs:
            assert (await c.node(0).mempool.wait(tx_id, "committed", 20_000)).state == "committed"
        await c.settle()

    run_cluster(tmp_path, story)


def test_cut_off_node_catches_up_after_healing(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(2)
        c.hub.cut(c.accounts([3]), c.accounts([0, 1, 2]))
        for _ in range(4):
            await c.commit(20, through=1)
        behind = c.node(3).chain.tip().height
        assert behind + 2 < c.node(1).chain.tip().height
        c.hub.heal()
        await c.until(lambda: c.node(3).chain.tip().height >= c.node(1).chain.tip().height, "node 3 caught up")
        await c.settle()
        await c.commit(3, through=3)
        await c.settle()

    run_cluster(tmp_path, story)


def test_late_joiner_with_empty_disk_reaches_the_same_roots(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.stop(2)
        for _ in range(6):
            await c.commit(30)
        c.wipe(2)
        await c.start(2)
        await c.until(lambda: c.node(2).chain.tip().height >= c.node(0).chain.tip().height, "joined")
        await c.settle()
        ids = await c.commit(4, through=2)
        await c.settle()
        for node in c.up():
            assert all(node.mempool.status(tx_id).state == "committed" for tx_id in ids)

    run_cluster(tmp_path, story)


def test_all_nodes_stop_and_start_without_loss(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        ids = await c.commit(50)
        tip = c.node(0).chain.tip()
        await c.stop_all()
        await c.start_all()
        assert c.node(0).chain.tip().height >= tip.height
        for tx_id in ids:
            assert c.node(0).mempool.status(tx_id).state == "committed"
        await c.commit(5, through=3)
        await c.settle()

    run_cluster(tmp_path, story)


def test_idle_chain_makes_no_blocks(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        height = c.node(0).chain.tip().height
        await asyncio.sleep(1.5)
        assert {n.chain.tip().height for n in c.up()} == {height}

    run_cluster(tmp_path, story)


def test_restarted_node_of_an_idle_chain_takes_part_again(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        await c.commit(3)
        await c.settle()
        await c.stop(1)
        await c.start(1)
        await c.stop(2)
        # Three of four: the quorum needs the restarted one.
        await c.commit(3, through=0)
        await c.settle()

    run_cluster(tmp_path, story)


def test_block_that_consensus_commits_while_sync_checks_it_is_no_fault(tmp_path: Path) -> None:
    """Regression: sync judged a fetched block against a tip that had moved on meanwhile, and stopped the node (5042)."""

    async def story(c: Cluster) -> None:
        await c.commit(3)
        await c.settle()
        late = c.node(2)
        check = late.sync._check

        def slow_check(response: BlockResponse) -> list[Batch]:
            batches = check(response)
            time.sleep(0.5)
            return batches

        late.sync._check = slow_check
        base = late.chain.tip().height
        source = c.node(0)
        await c.commit(2)
        block = source.chain.block(base + 1)
        assert block is not None
        bodies = tuple(source.chain.batch(location) for _, _, location in block.batches)
        response = BlockResponse(base + 1, block.value, block.certificate, bodies)
        # The node has executed the height by now or does so while the check sleeps; either way the block is old news.
        await late.sync._apply(response, await late.sync._prepared(response))
        await c.settle()
        assert late.chain.tip().height >= base + 1

    run_cluster(tmp_path, story)
