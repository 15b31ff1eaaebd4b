"""Real networks on loopback that carry no chain, and the hands of a dialer that does as it likes."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from hnnode_native import SecretKey

from hnnode.config import NetworkConfig
from hnnode.errors import CODES
from hnnode.metrics import Metrics
from hnnode.network import PeerNetwork
from hnnode.network.handshake import DialerHandshake, Identity
from hnnode.ports import Channel, PeerAddress
from tests.kit.live_node import free_port

CHAIN = b"C" * 32
CONFIG = NetworkConfig(port=0, handshake_ms=1000, reconnect_ms_max=200, idle_ms=60_000, ban_ms=400)
LIMIT_S = 10.0
KEYS = sorted((SecretKey.generate(struct.pack(">I", seed) * 8) for seed in range(1, 8)), key=lambda key: key.account())
"""In the order of their accounts: a lower index dials a higher one."""


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> list[BaseException | str]:
    """Run on uvloop with a time limit. Returns what reached the loop's exception handler."""
    stray: list[BaseException | str] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: stray.append(context.get("exception") or context["message"])
        )
        async with asyncio.timeout(30):
            await test()

    uvloop.run(bounded())
    return stray


async def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.005)


def address(index: int, port: int) -> PeerAddress:
    key = KEYS[index]
    return PeerAddress(f"node{index}", key.account(), key.public_key(), "127.0.0.1", port)


class LinkedNode:
    """A network and everything it was told."""

    def __init__(
        self,
        index: int,
        peers: Sequence[PeerAddress],
        port: int = 0,
        chain: bytes = CHAIN,
        config: NetworkConfig = CONFIG,
    ) -> None:
        fields = {name: getattr(config, name) for name in config.__struct_fields__} | {"port": port}
        self.account = KEYS[index].account()
        self.metrics = Metrics()
        self.network = PeerNetwork(
            NetworkConfig(**fields), chain_id=chain, key=KEYS[index], peers=peers, metrics=self.metrics, seed=7
        )
        self.frames: dict[Channel, list[tuple[bytes, int, bytes]]] = {channel: [] for channel in Channel}
        self.news: list[tuple[bytes, bool]] = []
        self.network.on_peer(lambda account, up: self.news.append((account, up)))
        for channel in Channel:
            self.network.on_frames(channel, self._handler(channel))

    def _handler(self, channel: Channel) -> Callable[[bytes, Sequence[tuple[int, bytes]]], None]:
        def take(account: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
            self.frames[channel] += [(account, kind, payload) for kind, payload in frames]

        return take

    def failures(self, name: str) -> int:
        return self.network.counters.handshake_failures[CODES[name]]


@asynccontextmanager
async def pair(config: NetworkConfig = CONFIG) -> AsyncIterator[tuple[LinkedNode, LinkedNode]]:
    """Node 0 dials node 1; both channels up."""
    ports = [free_port(), free_port()]
    addresses = [address(i, port) for i, port in enumerate(ports)]
    nodes = [LinkedNode(i, addresses, ports[i], config=config) for i in (0, 1)]
    try:
        for node in nodes:
            await node.network.start()
        await until(lambda: all(node.network.connected() for node in nodes), "both connected")
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            await node.network.stop()


@asynccontextmanager
async def listening(index: int = 1, config: NetworkConfig = CONFIG) -> AsyncIterator[LinkedNode]:
    """Node `index` alone, knowing nodes 0 and 2."""
    node = LinkedNode(index, [address(0, 1), address(2, 1)], config=config)
    await node.network.start()
    try:
        yield node
    finally:
        await node.network.stop()


async def raw(node: LinkedNode) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", node.network.port)


async def closed_by_peer(reader: asyncio.StreamReader) -> bytes:
    """What the other side said before it closed."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def dial_by_hand(
    node: LinkedNode, channel: Channel, index: int = 0, chain: bytes = CHAIN
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The dialer's side of a whole handshake, by hand."""
    reader, writer = await raw(node)
    me = Identity(KEYS[index], KEYS[index].public_key(), chain)
    target = PeerAddress("node", node.account, KEYS[1].public_key(), "", 1)
    handshake = DialerHandshake(me, target, channel)
    writer.write(handshake.hello())
    while handshake.wanted:
        writer.write(handshake.receive(await reader.readexactly(handshake.wanted)))
    return reader, writer
