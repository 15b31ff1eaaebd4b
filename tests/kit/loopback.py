"""Links between nodes of one process, with cuts: implements `ports.Network` without sockets, for partition tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from hnnode.ports import Channel, FrameHandler, PeerInfo


class LoopbackHub:
    """All links of a test. `cut(a, b)` stops both directions until `heal()`."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, LoopbackNetwork] = {}
        self._cuts: set[frozenset[bytes]] = set()
        self.punished: list[tuple[bytes, bytes, int]] = []

    def linked(self, a: bytes, b: bytes) -> bool:
        return a != b and frozenset((a, b)) not in self._cuts

    def cut(self, left: Sequence[bytes], right: Sequence[bytes]) -> None:
        for a in left:
            for b in right:
                self._cuts.add(frozenset((a, b)))
                for x, y in ((a, b), (b, a)):
                    if x in self.nodes:
                        self.nodes[x].notify(y, False)

    def heal(self) -> None:
        cuts, self._cuts = self._cuts, set()
        for pair in cuts:
            a, b = sorted(pair)
            if a in self.nodes and b in self.nodes:
                self.nodes[a].notify(b, True)
                self.nodes[b].notify(a, True)


class LoopbackNetwork:
    def __init__(self, hub: LoopbackHub, account: bytes) -> None:
        self._hub = hub
        self._account = account
        self._handlers: dict[Channel, FrameHandler] = {}
        self._peer_handlers: list[Callable[[bytes, bool], None]] = []

    async def start(self) -> None:
        self._hub.nodes[self._account] = self
        for peer, network in self._hub.nodes.items():
            if self._hub.linked(self._account, peer):
                self.notify(peer, True)
                network.notify(self._account, True)

    async def stop(self) -> None:
        self._hub.nodes.pop(self._account, None)
        for network in self._hub.nodes.values():
            network.notify(self._account, False)

    def notify(self, peer: bytes, connected: bool) -> None:
        for handler in self._peer_handlers:
            handler(peer, connected)

    def on_frames(self, channel: Channel, handler: FrameHandler) -> None:
        self._handlers[channel] = handler

    def on_peer(self, handler: Callable[[bytes, bool], None]) -> None:
        self._peer_handlers.append(handler)

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        target = self._hub.nodes.get(peer)
        if target is None or not self._hub.linked(self._account, peer):
            return False
        asyncio.get_running_loop().call_soon(target.receive, self._account, channel, kind, payload)
        return True

    def receive(self, sender: bytes, channel: Channel, kind: int, payload: bytes) -> None:
        if self._hub.nodes.get(self._account) is self and self._hub.linked(self._account, sender):
            self._handlers[channel](sender, [(kind, payload)])

    def broadcast(self, channel: Channel, kind: int, payload: bytes) -> int:
        return sum(self.send(peer, channel, kind, payload) for peer in list(self._hub.nodes) if peer != self._account)

    def connected(self) -> list[bytes]:
        return [peer for peer in self._hub.nodes if self._hub.linked(self._account, peer)]

    def peers(self) -> list[PeerInfo]:
        return [PeerInfo(p.hex()[:8], p, "loopback", 1, True, 0, 0, 0, 0) for p in self.connected()]

    def figures(self) -> dict[str, int]:
        return {}

    def punish(self, peer: bytes, code: int) -> None:
        self._hub.punished.append((self._account, peer, code))
