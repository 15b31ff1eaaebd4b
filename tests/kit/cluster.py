"""A chain of real nodes in one process, linked by `LoopbackHub`: real disks, consensus, execution; only the sockets are missing."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop
from hnnode_native import SecretKey, build_txs

from hnnode.crypto.keys import generate_key
from hnnode.node.build import ChainNode
from hnnode.node.genesis import GenesisAccount, PortPlan, write_testnet
from hnnode.storage import Home
from tests.kit.loopback import LoopbackHub, LoopbackNetwork

COMMIT_S = 20.0


class Cluster:
    """`nodes[i]` is None while node i is down. `errors[i]` holds what a node stopped for."""

    def __init__(self, directory: Path, count: int = 4, applications: Sequence[str] = ()) -> None:
        self.admin = generate_key()
        self.user = generate_key()
        self.homes = write_testnet(
            directory,
            nodes=count,
            chain_name="hn_test",
            role="city",
            applications=applications,
            accounts=[
                GenesisAccount(self.admin.public_key(), "管理机构", ("admin",)),
                GenesisAccount(self.user.public_key(), "委办局", ()),
            ],
            ports=PortPlan(),
        )
        self.hub = LoopbackHub()
        self.nodes: list[ChainNode | None] = [None] * count
        self.errors: dict[int, list[BaseException]] = {i: [] for i in range(count)}
        self._nonce = 0

    async def start(self, index: int) -> ChainNode:
        node = ChainNode(
            Home(self.homes[index]),
            self.errors[index].append,
            lambda _config, _chain, key, _metrics: LoopbackNetwork(self.hub, key.account()),
        )
        self.nodes[index] = node
        await node.start()
        return node

    async def start_all(self) -> None:
        for index in range(len(self.homes)):
            await self.start(index)

    async def stop(self, index: int) -> None:
        node = self.nodes[index]
        self.nodes[index] = None
        if node is not None:
            await node.stop()

    async def stop_all(self) -> None:
        for index in range(len(self.homes)):
            await self.stop(index)

    def wipe(self, index: int) -> None:
        """Delete the data of a stopped node, as a new disk would."""
        shutil.rmtree(Home(self.homes[index]).data)
        Home(self.homes[index]).sign_state.unlink()

    def node(self, index: int) -> ChainNode:
        node = self.nodes[index]
        assert node is not None, f"node {index} is down"
        return node

    def up(self) -> list[ChainNode]:
        return [node for node in self.nodes if node is not None]

    def accounts(self, indices: Sequence[int]) -> list[bytes]:
        return [self.node(i).account for i in indices]

    @property
    def chain_id(self) -> bytes:
        return self.up()[0].genesis_facts.chain_id

    def preserve(self, count: int, key: SecretKey | None = None, until: int = 100_000) -> list[tuple[bytes, bytes]]:
        """(tx id, signed tx) of `count` new evidence records."""
        start = self._nonce
        self._nonce += count
        payloads = [
            json.dumps({"hash": f"{start + i:064x}", "algorithm": "sm3", "size": i}).encode() for i in range(count)
        ]
        return build_txs(key or self.user, self.chain_id, start, until, "evidence", "preserve", payloads)

    async def commit(self, count: int, through: int = 0) -> list[bytes]:
        """Submit `count` transactions through one node and wait until it has committed them all."""
        txs = self.preserve(count)
        node = self.node(through)
        results = await node.mempool.submit([tx for _, tx in txs])
        assert [r.code for r in results] == [0] * count
        for tx_id, _ in txs:
            status = await node.mempool.wait(tx_id, "committed", int(COMMIT_S * 1000))
            assert status.state == "committed", status
        return [tx_id for tx_id, _ in txs]

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = COMMIT_S) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; {self.describe()}"
            await asyncio.sleep(0.02)

    def describe(self) -> str:
        return "; ".join(
            f"{i}: down" if n is None else f"{i}: {n.chain.tip().height} {n.consensus.stats()['text']}"
            for i, n in enumerate(self.nodes)
        )

    async def settle(self) -> None:
        """Until every running node stands at one height whose results are certified, with equal hashes and roots."""

        def equal() -> bool:
            tips = [node.chain.tip() for node in self.up()]
            blocks = [node.chain.block(tips[0].height) for node in self.up()]
            certified = all(b is None or b.tx_count == 0 for b in blocks)
            return certified and len({(t.height, t.block_hash, t.state_root) for t in tips}) == 1

        await self.until(equal, "equal tips")
        height = self.up()[0].chain.tip().height
        for h in range(1, height + 1):
            hashes = {block.block_hash for node in self.up() if (block := node.chain.block(h)) is not None}
            assert len(hashes) == 1, f"fork at height {h}"


def run_cluster(
    directory: Path, story: Callable[[Cluster], Awaitable[None]], count: int = 4, applications: Sequence[str] = ()
) -> None:
    """Run a story on a started chain; afterwards no node may have stopped by itself unless the story took its error."""

    async def main() -> None:
        cluster = Cluster(directory, count, applications)
        await cluster.start_all()
        try:
            await story(cluster)
        finally:
            await cluster.stop_all()
        assert not any(cluster.errors.values()), cluster.errors

    uvloop.run(main())
