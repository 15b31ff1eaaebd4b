"""Work that is due at the end of a block on a chain of four: every node does it, one that catches up or starts again does it again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hnnode_native import build_txs

from hnnode.primitives.due import read_due
from tests.kit.cluster import Cluster, run_cluster

PLUGIN = Path(__file__).parents[1] / "kit" / "clock"


def test_every_node_does_what_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))

    async def plan(c: Cluster, nonce: int, *items: tuple[int, str, str]) -> None:
        payloads = [json.dumps({"in_ms": ms, "item": item, "what": what}).encode() for ms, item, what in items]
        txs = build_txs(c.user, c.chain_id, nonce, 100_000, "clock", "plan", payloads)
        assert [r.code for r in await c.node(0).mempool.submit([tx for _, tx in txs])] == [0] * len(items)
        for tx_id, _ in txs:
            assert (await c.node(0).mempool.wait(tx_id, "committed", 20_000)).code == 0

    def told(c: Cluster, index: int = 0) -> list[tuple[str, str]]:
        return [(e.name, e.entity) for e in c.node(index).events.read(None, 1_000, "clock", None)]

    async def until_told(c: Cluster, count: int) -> None:
        for _ in range(100):
            await c.commit(1)
            if len(told(c)) >= count:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(told(c))

    async def story(c: Cluster) -> None:
        await plan(c, 1_000, (300, "a", "ok"), (0, "b", "refuse"), (-5, "c", "ok"), (600, "d", "raise"))
        await until_told(c, 2)
        await c.settle()
        await c.stop(3)
        c.wipe(3)
        await plan(c, 2_000, *((200, f"m{n}", "ok") for n in range(7)))
        await until_told(c, 9)
        await c.start(3)
        await c.stop(2)
        await c.start(2)
        await c.commit(3)
        await c.settle()
        names = [entity for _, entity in told(c)]
        assert sorted(names) == ["a", "c", *(f"m{n}" for n in range(7))]
        assert [told(c, index) for index in range(1, 4)] == [told(c)] * 3
        height = c.node(0).chain.tip().height
        done = [
            [[one.receipt.code for one in read_due(node.chain.state(), h)] for h in range(1, height + 1)]
            for node in c.up()
        ]
        assert done == [done[0]] * 4
        assert max(map(len, done[0])) <= 4  # three items and what takes them out

    run_cluster(tmp_path, story, applications=["clock"])
