"""What a node says of its memory: every part within its bound, and the process around them."""

from __future__ import annotations

import sys
from pathlib import Path

from hnnode.metrics import Metrics
from hnnode.node.memory import Memory
from tests.kit.cluster import Cluster, run_cluster

MIB = 1024 * 1024
PARTS = {"memtables", "pages", "block_cache", "receipts", "index_filters", "tree", "pool", "batches"}


def test_parts_of_a_node_that_works_stay_within_their_bounds(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        node = c.node(0)
        memory = Memory(
            node.config,
            len(node.genesis_facts.validators.validators),
            node.chain,
            node.pipeline._work._tree,
            node.pipeline._pool,
            node.batches,
        )
        before = memory.parts()
        assert set(before) == PARTS
        await c.commit(500)
        after = memory.parts()
        for part, (used, bound) in after.items():
            assert 0 <= used <= bound, part
        for part in ("memtables", "pages", "receipts", "tree"):
            assert after[part][0] > before[part][0], part
        assert after["tree"][1] == node.config.storage.tree_cache_bytes
        metrics = Metrics()
        memory.tell(metrics)
        text = metrics.render().decode()
        for part in PARTS:
            assert f'hn_memory_bytes{{part="{part}"}}' in text
            assert f'hn_memory_bytes_max{{part="{part}"}}' in text
        if sys.platform == "linux":
            assert memory.process()["resident"] > 20 * MIB

    run_cluster(tmp_path, story)
