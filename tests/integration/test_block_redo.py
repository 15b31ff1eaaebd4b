"""A node that died executes the blocks of its block log again: to the same results, or it stops and names the height."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hnnode_native import Value

from hnnode.errors import FatalError
from hnnode.node.build import ChainNode
from hnnode.ports import LoggedBlock, Tip
from hnnode.storage import Home
from hnnode.storage.block_log import BlockLog
from tests.kit.cluster import Cluster, run_cluster
from tests.kit.loopback import LoopbackHub, LoopbackNetwork
from tests.kit.processes import running_chain
from tests.kit.store import copy_live


@pytest.mark.timeout(240)
def test_killed_under_load_it_reaches_the_same_roots(tmp_path: Path) -> None:
    """Twice: the second kill meets a node that has just executed blocks again."""
    with running_chain(tmp_path) as chain:
        acknowledged: list[str] = []
        stop = threading.Event()
        failures: list[BaseException] = []

        def load() -> None:
            try:
                while not stop.is_set():
                    acknowledged.extend(chain.preserve(0, 25, timeout_s=60.0))
            except BaseException as e:  # noqa: BLE001 - reported by the main thread
                failures.append(e)

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(2):
            time.sleep(2.0)
            chain.net.kill(2)
            chain.net.start(2)
            chain.net.wait_ready([2])
        stop.set()
        thread.join()
        assert not failures, failures
        chain.check_equal([0, 1, 2, 3])
        chain.check_committed(2, acknowledged)
        starts = [
            json.loads(line)
            for line in chain.net.nodes[2].log.read_text("utf-8").splitlines()
            if '"node started"' in line
        ]
        again = [start["blocks_executed_again"] for start in starts]
        assert again[0] == 0
        assert min(again[1:]) > 0, again


def died(tmp_path: Path) -> tuple[Home, Tip]:
    """The home of a validator as a SIGKILL leaves it, and the tip it had told."""
    home = Home(tmp_path / "died")
    tips: list[Tip] = []

    async def story(c: Cluster) -> None:
        for _ in range(4):
            await c.commit(30)
        await c.settle()
        copy_live(c.homes[1], home.root)
        tips.append(c.node(1).chain.tip())

    (tmp_path / "chain").mkdir(parents=True)
    run_cluster(tmp_path / "chain", story)
    return home, tips[0]


def open_again(home: Home) -> ChainNode:
    return ChainNode(home, lambda _: None, lambda _c, _i, key, _m: LoopbackNetwork(LoopbackHub(), key.account()))


def rewrite(home: Home, change: Callable[[LoggedBlock], LoggedBlock]) -> None:
    """Another block log with intact checksums, as only a program can write it."""
    log = BlockLog(home.blocks)
    blocks = [change(logged) for logged in log.blocks(0)]
    position = log.position()
    log.close()
    shutil.rmtree(home.blocks)
    home.blocks.mkdir()
    log = BlockLog(home.blocks)
    log.append(blocks)
    log.close()
    assert log.position() == position


def test_blocks_executed_again_come_to_the_same_results(tmp_path: Path) -> None:
    home, tip = died(tmp_path)
    node = open_again(home)
    assert node.chain.tip() == tip
    heights = [b.height for at in range(1, tip.height + 1) if (b := node.chain.block(at)) is not None and b.tx_count]
    assert sum(len(node.chain.receipts(at)) for at in heights) == 120
    assert len(node.chain.state(tip.height - 1).scan(b"", None, 1_000)) > 120
    node.storage.close()
    # The clean stop brought everything into files: nothing is executed a third time.
    again = open_again(home)
    assert again._redone_count == 0
    assert again.chain.tip() == tip
    again.storage.close()


def test_a_lost_database_comes_back_from_the_logs(tmp_path: Path) -> None:
    home, tip = died(tmp_path)
    shutil.rmtree(home.database)
    node = open_again(home)
    assert node.chain.tip() == tip
    assert node._redone_count == tip.height
    node.storage.close()


@pytest.mark.parametrize("field", ["receipts_root", "state_root", "outbox_root"])
def test_other_results_stop_the_node_at_the_height(tmp_path: Path, field: str) -> None:
    home, tip = died(tmp_path)
    wrong = tip.height // 2

    def change(logged: LoggedBlock) -> LoggedBlock:
        if logged.tip.height != wrong:
            return logged
        return replace(logged, tip=replace(logged.tip, **{field: b"?" * 32}))

    rewrite(home, change)
    for _ in range(2):
        with pytest.raises(
            FatalError, match=rf"STATE_ROOT_MISMATCH.*block {wrong} of the block log.*want .*{'3f' * 32}"
        ):
            open_again(home)


def test_blocks_of_another_chain_stop_the_node(tmp_path: Path) -> None:
    home, _ = died(tmp_path / "one")
    other, _ = died(tmp_path / "other")
    shutil.rmtree(home.blocks)
    shutil.copytree(other.blocks, home.blocks)
    with pytest.raises(FatalError, match=r"6006.*(logged block 1|older copy|damaged)"):
        open_again(home)


def test_a_batch_that_is_gone_or_another_stops_the_node_at_the_height(tmp_path: Path) -> None:
    home, _ = died(tmp_path)
    log = BlockLog(home.blocks)
    blocks = [b for b in log.blocks(0) if b.block.batches]
    log.close()
    first, second = blocks[0], blocks[1]
    place = second.block.batches[0][2]

    def moved(logged: LoggedBlock) -> LoggedBlock:
        if logged.tip.height != first.tip.height:
            return logged
        digest, count, _ = logged.block.batches[0]
        rest = logged.block.batches[1:]
        return replace(logged, block=replace(logged.block, batches=((digest, count, place), *rest)))

    rewrite(home, moved)
    with pytest.raises(FatalError, match=rf"6006.*logged block {first.tip.height}: the batch log holds other batches"):
        open_again(home)
    segment = max(home.batches.glob("*.batches"))
    data = bytearray(segment.read_bytes())
    data[place.offset + 300] ^= 1
    segment.write_bytes(data)
    with pytest.raises(FatalError, match=rf"6006.*logged block {first.tip.height}.*damaged"):
        open_again(home)
    assert Value.decode(first.block.value).header.height == first.tip.height
