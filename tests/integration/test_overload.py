"""More work at the door than a node can do."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hnnode.errors import CODES, HnError
from tests.kit.byzantine import proposer_of, spoiled
from tests.kit.cluster import Cluster, run_cluster

MEMPOOL_FULL = CODES["MEMPOOL_FULL"]
CALLS = 250
"""Of 1,000 transactions each: many times what the door lets wait."""


def test_admission_does_not_hold_up_consensus(tmp_path: Path) -> None:
    """Regression: admission, peers' batches and proposals shared one pair of threads, so a crowd at the door of one node queued in front
    of its consensus for longer than a proposal is waited for."""

    async def story(c: Cluster) -> None:
        await c.commit(1)
        await c.settle()
        # Without the node whose turn comes last, each of the other three is needed for a quorum.
        last = proposer_of(c.node(0), c.node(0).chain.tip().height)
        await c.stop(next(i for i, node in enumerate(c.nodes) if node is not None and node.account == last))
        crowded, other = c.up()[:2]
        refused = [spoiled(tx) for _, tx in c.preserve(1_000)]
        crowd = [asyncio.create_task(crowded.mempool.submit(refused)) for _ in range(CALLS)]
        try:
            await asyncio.sleep(0)  # all of them are in the queue now, or refused
            over = [call for call in crowd if call.done()]
            assert len(over) > CALLS // 2, "the door lets everything wait"
            assert {error.code for call in over if isinstance(error := call.exception(), HnError)} == {MEMPOOL_FULL}
            await c.commit(1, through=c.nodes.index(other))
            waiting = sum(not call.done() for call in crowd)
            assert waiting > 0, "consensus waited for the whole crowd"
        finally:
            for call in crowd:
                call.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)

    run_cluster(tmp_path, story)
