"""A corrupt validator whose turn it is to propose, against three honest ones."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from hnnode_native import Batch, Value, build_txs

from hnnode.node.build import ChainNode
from tests.kit.byzantine import (
    CorruptProposer,
    Stranger,
    corrupt_proposer,
    proposal,
    sealed,
    value_on_tip,
    vote,
)
from tests.kit.cluster import Cluster, run_cluster
from tests.vectors.formats_twin import PRECOMMIT, PREVOTE

YEAR_MS = 365 * 86_400_000
U64_MAX = (1 << 64) - 1
VERDICT_S = 0.2
"""Left to the nodes for a verdict on what they were just shown. Too short makes an attack weaker, never a test fail."""


def now_ms(node: ChainNode) -> int:
    """A time that an honest proposer could put into the next header."""
    return max(node.chain.tip().time_ms + 1, int(time.time() * 1000))


async def show_in_a_later_round(
    c: Cluster, s: Stranger, bad: CorruptProposer, nodes: list[ChainNode], v: bytes
) -> None:
    """Propose a value first in the proposer's next turn, with an invented round in which a quorum had prevoted it."""
    later = len(c.homes)
    s.tell(nodes, proposal(bad.key, c.chain_id, bad.height, later, 0, v))
    await c.until(lambda: all(int(n.consensus.stats()["height"]) >= bad.height for n in nodes), "height opened")
    await asyncio.sleep(VERDICT_S)


@pytest.mark.parametrize("ahead_ms", [YEAR_MS, None], ids=["a_year_ahead", "end_of_time"])
def test_block_of_a_future_time_is_not_committed(tmp_path: Path, ahead_ms: int | None) -> None:
    """Regression: a block shown first with an invented pol_round skipped the clock check, and its verdict held when it was then
    proposed in round 0. It was committed, and no honest proposer could follow it with a later time."""

    async def story(c: Cluster) -> None:
        await c.commit(2)
        await c.settle()
        bad = await corrupt_proposer(c)
        honest = c.up()
        when = U64_MAX if ahead_ms is None else now_ms(honest[0]) + ahead_ms
        value = value_on_tip(honest[0], when, bad.account)
        async with Stranger(c, bad.account) as s:
            await show_in_a_later_round(c, s, bad, honest, value)
            s.tell(honest, proposal(bad.key, c.chain_id, bad.height, 0, None, value))
            await c.until(lambda: all(n.chain.tip().height >= bad.height for n in honest), "height decided")
        for node in honest:
            block = node.chain.block(bad.height)
            assert block is not None
            assert Value.decode(block.value).header.time_ms < when
        await c.commit(1, through=c.nodes.index(honest[0]))

    run_cluster(tmp_path, story)


def test_proposer_cannot_split_the_verdicts(tmp_path: Path) -> None:
    """Regression: two nodes took a block with a false header proposer because of an invented pol_round, the third judged it without
    and called it invalid; when the others committed it, the third stopped (INVALID_VALUE_DECIDED)."""

    async def story(c: Cluster) -> None:
        await c.commit(2)
        await c.settle()
        bad = await corrupt_proposer(c)
        honest = c.up()
        value = value_on_tip(honest[0], now_ms(honest[0]), honest[0].account)
        block_hash = Value.decode(value).block_hash
        async with Stranger(c, bad.account) as s:
            await show_in_a_later_round(c, s, bad, honest[:2], value)
            s.tell(honest, proposal(bad.key, c.chain_id, bad.height, 0, None, value))
            s.tell(honest, vote(bad.key, c.chain_id, PREVOTE, bad.height, 0, block_hash))
            await asyncio.sleep(VERDICT_S)
            s.tell(honest, vote(bad.key, c.chain_id, PRECOMMIT, bad.height, 0, block_hash))
            await c.until(
                lambda: any(c.errors.values()) or all(n.chain.tip().height >= bad.height for n in honest),
                "height decided",
            )
        assert not any(c.errors.values()), c.errors
        await c.commit(1, through=c.nodes.index(honest[0]))
        await c.settle()

    run_cluster(tmp_path, story)


def test_oversized_proposal_leaves_nothing_behind(tmp_path: Path) -> None:
    """Regression: nodes fetched and stored every batch that a proposal named, beyond the author's quota and the size of a block; those
    with a seq that was committed long ago were never let go."""

    async def story(c: Cluster) -> None:
        for index in range(len(c.homes)):
            await c.commit(
                1, through=index
            )  # seqs count microseconds, so each author's last one lies far above the forged ones
        await c.settle()
        bad = await corrupt_proposer(c)
        honest = c.up()
        block_bytes_max = honest[0].genesis_facts.file.block_bytes_max
        batches: list[Batch] = []
        while sum(batch.size for batch in batches) <= 2 * block_bytes_max:
            payloads = [os.urandom(60_000) for _ in range(15)]
            txs = build_txs(c.user, c.chain_id, 10_000 + 20 * len(batches), 100_000, "evidence", "preserve", payloads)
            batches.append(sealed(bad.key, c.chain_id, 1 + len(batches), [tx for _, tx in txs]))
        value = value_on_tip(honest[0], now_ms(honest[0]), bad.account, batches)
        async with Stranger(c, bad.account) as s:
            s.serve_batches(batches)
            s.tell(honest, proposal(bad.key, c.chain_id, bad.height, 0, None, value))
            await c.until(lambda: all(n.chain.tip().height >= bad.height for n in honest), "height decided")
        await c.commit(1, through=c.nodes.index(honest[0]))
        kept = [sum(h.batch.size for h in n.batches.held() if h.batch.author == bad.account) for n in honest]
        assert kept == [0, 0, 0]

    run_cluster(tmp_path, story)
