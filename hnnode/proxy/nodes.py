"""The nodes a gateway stands in front of: the first one that is in step is used, the others are there for when it is not.

Every node is looked at once a second, and at once when a connection to it breaks. A node is used only when its genesis hashes to the chain
id that this gateway serves: the one it was given, else that of the first node it reached.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from hnnode_native import NativeError, genesis_chain_id

from hnnode.config import GatewayConfig
from hnnode.errors import Unavailable
from hnnode.proxy.wire import Lost, Reply, Request
from hnnode.proxy.wires import Address, Wires

log = structlog.get_logger("gateway")

LANES_MAX = 8
"""Connections of one node for submits: they carry many bodies each, and a node shares its room among connections."""
WAITS_MAX = 512
"""For submits that wait: each has one of its own until its answer comes."""
PASSING_MAX = 256
"""For everything else, event streams included."""
PROBE_S = 1.0
PROBE_TIMEOUT_S = 3.0
BACKOFF_FIRST_S = 0.1
BACKOFF_S_MAX = 2.0
FACTS_BYTES_MAX = 256 * 1024


class _Genesis(msgspec.Struct, frozen=True):
    encoding: str


class _Limits(msgspec.Struct, frozen=True):
    body_bytes_max: int
    batch_body_bytes_max: int
    batch_count_max: int
    wait_ms_max: int


class _Problem(msgspec.Struct, frozen=True):
    name: str = ""
    detail: str = ""


class Node:
    """One node: what is known of it now, and the connections to it."""

    def __init__(self, address: Address) -> None:
        self.url = address.url
        self.is_up = False
        self.is_ready = False
        self.detail = "not reached yet"
        self.lanes = Wires(address, LANES_MAX)
        self.waits = Wires(address, WAITS_MAX)
        self.passing = Wires(address, PASSING_MAX)
        self.probes = Wires(address, 2)
        self.troubled = asyncio.Event()
        self.identified_at = 0
        """`probes.made_count` when its chain was last asked for."""

    def fail(self, text: str) -> None:
        """It cannot be reached: not used until it was looked at again."""
        if self.is_up:
            log.warning("node lost", node=self.url, detail=text)
        self.is_up = self.is_ready = False
        self.detail = text
        self.troubled.set()

    def suspect(self, error: Lost) -> None:
        """A request to it got no answer: one broken connection says little, so it is looked at again at once."""
        if error.is_down:
            self.fail(str(error))
        else:
            self.troubled.set()

    def not_ready(self, text: str) -> None:
        """It refuses because of itself, not because of the request."""
        self.is_ready = False
        self.detail = text

    def close(self) -> None:
        for wires in (self.lanes, self.waits, self.passing, self.probes):
            wires.close()


class Nodes:
    """All of them. `start` begins to look at them; `chain_id` is None until the first was reached, unless it was given."""

    def __init__(self, urls: Sequence[str], chain_id: bytes | None, on_chain: Callable[[], None]) -> None:
        """on_chain: called once, when chain id and limits are known. Raises ConfigError 9001 for a bad URL."""
        self.all = [Node(Address.parse(url)) for url in dict.fromkeys(url.rstrip("/") for url in urls)]
        self.chain_id = chain_id
        self.config = GatewayConfig()
        self._on_chain = on_chain
        self._is_known = False
        self._watchers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._watchers = [asyncio.create_task(self._watch(node), name=f"watch {node.url}") for node in self.all]

    async def stop(self) -> None:
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for node in self.all:
            node.close()

    def best(self, without: Sequence[Node] = ()) -> Node | None:
        """The first that is in step, else the first that answers."""
        up = [node for node in self.all if node.is_up and node not in without]
        return next((node for node in up if node.is_ready), up[0] if up else None)

    def require(self) -> Node:
        """`best`. Raises Unavailable 9004 when no node can be reached."""
        node = self.best()
        if node is None:
            raise self.unreachable()
        return node

    def unreachable(self) -> Unavailable:
        told = "; ".join(f"{node.url}: {node.detail.removeprefix(f'{node.url}: ')}" for node in self.all)
        return Unavailable("NODE_UNREACHABLE", f"no node can be reached: {told}", retry_after_ms=1_000)

    async def exchange(self, node: Node, request: Request, timeout_s: float) -> Reply:
        """Over the connections of everything but submits. Raises Lost and Unavailable 1012."""
        try:
            return await node.passing.exchange(request, timeout_s)
        except Lost as e:
            node.suspect(e)
            raise

    # -------------------------------------------------------------- looking
    async def _watch(self, node: Node) -> None:
        attempt = 0
        while True:
            node.troubled.clear()
            try:
                await self._look(node)
                attempt = 0
            except (Lost, Unavailable, _NotOurs) as e:
                node.fail(str(e))
                node.troubled.clear()
                attempt += 1
            if node.is_up:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_S):
                        await node.troubled.wait()
            else:
                pause_s = min(BACKOFF_S_MAX, BACKOFF_FIRST_S * 2 ** min(attempt, 10))
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _look(self, node: Node) -> None:
        reply = await node.probes.exchange(Request("GET", b"/v1/ready"), PROBE_TIMEOUT_S)
        body = await reply.body(FACTS_BYTES_MAX)
        if node.probes.made_count != node.identified_at:
            await self._identify(node)
            node.identified_at = node.probes.made_count
        if not node.is_up:
            log.info("node reached", node=node.url, ready=reply.status == 200)
        node.is_up, node.is_ready = True, reply.status == 200
        node.detail = "" if node.is_ready else _detail(reply.status, body)
        if not self._is_known:
            self._is_known = True
            self._on_chain()

    async def _identify(self, node: Node) -> None:
        genesis = await self._facts(node, b"/v1/genesis", _Genesis)
        try:
            chain_id = genesis_chain_id(bytes.fromhex(genesis.encoding))
        except (ValueError, NativeError) as e:
            raise _NotOurs(f"{node.url}: its genesis does not decode: {e}") from e
        if self.chain_id is None:
            self.chain_id = chain_id
        if chain_id != self.chain_id:
            raise _NotOurs(f"{node.url}: WRONG_CHAIN, got chain {chain_id.hex()}, want {self.chain_id.hex()}")
        if not self._is_known:
            limits = msgspec.structs.asdict(await self._facts(node, b"/v1/limits", _Limits))
            self.config = msgspec.structs.replace(self.config, **limits)

    async def _facts(self, node: Node, path: bytes, kind: type[Any]) -> Any:
        reply = await node.probes.exchange(Request("GET", path), PROBE_TIMEOUT_S)
        body = await reply.body(FACTS_BYTES_MAX)
        try:
            if reply.status != 200:
                raise _NotOurs(f"{node.url}: {_detail(reply.status, body)}")
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as e:
            raise _NotOurs(f"{node.url}: {path.decode('ascii')} is not the answer of a node: {e}") from e


class _NotOurs(Exception):
    """What answers is no node, or one of another chain."""


def _detail(status: int, body: bytes) -> str:
    try:
        found = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return f"answers {status}"
    return f"answers {status} {found.name}: {found.detail}"[:300]
