"""Authenticated frames between known peers: implements ports.Network. Everything on one event loop.

Two connections a peer, one for each channel. The node with the smaller account dials and keeps dialing with a growing,
jittered pause; the other listens. A second connection for the same peer and channel replaces the first: its dialer
restarted, and the old one has not noticed yet.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog
from hnnode_native import SecretKey

from hnnode.config import NetworkConfig
from hnnode.errors import CODES, ConfigError, PeerFault, name_of
from hnnode.metrics import Metrics
from hnnode.network.counters import Counters
from hnnode.network.gate import Gate
from hnnode.network.handshake import DialerHandshake, Identity, ListenerHandshake
from hnnode.network.link import Link
from hnnode.network.peer import Peer
from hnnode.ports import Channel, FrameHandler, PeerAddress, PeerInfo

log = structlog.get_logger("network")

RECONNECT_MS_MIN = 50
_STEADY_S = 2.0
_STOP_S = 2.0


class PeerNetwork:
    """Construct, register handlers, `start`. `counters` holds the figures. Every method on the event loop."""

    def __init__(
        self,
        config: NetworkConfig,
        *,
        chain_id: bytes,
        key: SecretKey,
        peers: Sequence[PeerAddress],
        metrics: Metrics,
        seed: int | None = None,
    ) -> None:
        """peers: this node itself may stand among them. seed: of the reconnect jitter, for tests that repeat."""
        self._config = config
        self._identity = Identity(key, key.public_key(), chain_id)
        self._account = key.account()
        self._metrics = metrics
        self._random = random.Random(seed)
        self._gate = Gate(config)
        self._peers = {
            peer.account: Peer(peer, dials=self._account < peer.account)
            for peer in peers
            if peer.account != self._account
        }
        self._by_key = {peer.address.public_key: peer for peer in self._peers.values()}
        self._frame_handlers: dict[Channel, list[FrameHandler]] = {channel: [] for channel in Channel}
        self._peer_handlers: list[Callable[[bytes, bool], None]] = []
        self._links: set[Link] = set()
        self._dialers: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._stopping = False
        self.counters = Counters()

    # ------------------------------------------------------------ life
    async def start(self) -> None:
        """Listen and dial. Raises ConfigError PORT_BUSY (9003)."""
        loop = asyncio.get_running_loop()
        host, port = self._config.host, self._config.port
        try:
            self._server = await loop.create_server(lambda: self._incoming(loop), host, port, backlog=128)
        except OSError as e:
            raise ConfigError("PORT_BUSY", f"peer port {host}:{port}: {e.strerror or e}") from e
        for peer in self._peers.values():
            if peer.dials:
                for channel in Channel:
                    name = f"dial {peer.address.name} {channel.name.lower()}"
                    self._dialers.append(asyncio.create_task(self._dial(peer, channel), name=name))

    async def stop(self) -> None:
        """Stop listening and dialing, cut every connection."""
        self._stopping = True
        for task in self._dialers:
            task.cancel()
        await asyncio.gather(*self._dialers, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        links = list(self._links)
        for link in links:
            link.close()
        if links:
            await asyncio.wait([link.closed for link in links], timeout=_STOP_S)

    @property
    def port(self) -> int:
        """The port that is listened on (the configured one, or what the system chose for 0)."""
        sockets = self._server.sockets if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else self._config.port

    # ------------------------------------------------------------ ports.Network
    def on_frames(self, channel: Channel, handler: FrameHandler) -> None:
        """Every handler of a channel gets every frame of it, in the order of registration."""
        self._frame_handlers[channel].append(handler)

    def on_peer(self, handler: Callable[[bytes, bool], None]) -> None:
        self._peer_handlers.append(handler)

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        """False when the peer is unknown, not connected on this channel, or the frame was dropped."""
        known = self._peers.get(peer)
        link = known.links.get(channel) if known is not None else None
        return link.send(kind, payload) if link is not None else False

    def broadcast(self, channel: Channel, kind: int, payload: bytes) -> int:
        return sum(self.send(account, channel, kind, payload) for account in self._peers)

    def connected(self) -> list[bytes]:
        return [account for account, peer in self._peers.items() if peer.up]

    def peers(self) -> list[PeerInfo]:
        return [peer.info() for peer in self._peers.values()]

    def figures(self) -> dict[str, int]:
        return self.counters.figures()

    def punish(self, peer: bytes, code: int) -> None:
        known = self._peers.get(peer)
        now = time.monotonic()
        if known is None or not known.add_fault(code, now):
            return
        known.banned_until = now + self._config.ban_ms / 1000
        self.counters.bans += 1
        log.warning("peer banned", peer=known.address.name, code=code, name=name_of(code), ms=self._config.ban_ms)
        for link in list(known.links.values()):
            link.close()

    # ------------------------------------------------------------ LinkOwner
    def link_arrived(self, link: Link) -> bool:
        if self._stopping:
            return False
        if not link.dialed and not self._gate.enter(link.host):
            self.counters.connections_refused += 1
            self.counters.handshake_failures[CODES["PEER_QUOTA_EXCEEDED"]] += 1
            return False
        self._links.add(link)
        return True

    def link_opened(self, link: Link) -> None:
        if not link.dialed:
            self._gate.settle(link.host)
        address = link.peer
        peer = self._peers.get(address.account) if address is not None else None
        if peer is None:
            link.close()
            return
        old = peer.links.get(link.channel)
        if old is not None:
            self._detach(peer, old)
            old.close()
        peer.links[link.channel] = link
        if len(peer.links) == len(Channel) and not peer.up:
            peer.up = True
            peer.since_ms = time.time_ns() // 1_000_000
            log.info("peer connected", peer=peer.address.name)
            self._tell(peer)

    def link_frames(self, link: Link, frames: list[tuple[int, bytes]]) -> None:
        address = link.peer
        if address is None or self._peers[address.account].links.get(link.channel) is not link:
            return
        for handler in self._frame_handlers[link.channel]:
            handler(address.account, frames)

    def link_failed(self, link: Link, fault: PeerFault) -> None:
        # Strangers may come as often as the gate lets them: only what this node dialed is worth a line in the log.
        if link.dialed and link.peer is not None and not self._stopping:
            log.warning("handshake failed", peer=link.peer.name, channel=link.channel.name, fault=str(fault))

    def link_fault(self, link: Link, fault: PeerFault) -> None:
        if link.peer is not None:
            log.warning("peer broke the protocol", peer=link.peer.name, fault=str(fault))
            self.punish(link.peer.account, fault.code)

    def link_dropped(self, link: Link) -> None:
        self._metrics.dropped.labels(f"network_{link.channel.name.lower()}").inc()

    def link_closed(self, link: Link) -> None:
        if link not in self._links:
            return
        self._links.discard(link)
        if not link.dialed:
            if link.opened_at == 0.0:
                self._gate.settle(link.host)
            self._gate.leave(link.host)
        peer = self._peers.get(link.peer.account) if link.peer is not None else None
        if peer is not None and peer.links.get(link.channel) is link:
            self._detach(peer, link)

    # ------------------------------------------------------------ inside
    def _detach(self, peer: Peer, link: Link) -> None:
        peer.forget(link)
        if peer.up:
            peer.up = False
            log.info("peer disconnected", peer=peer.address.name)
            self._tell(peer)

    def _tell(self, peer: Peer) -> None:
        for handler in self._peer_handlers:
            handler(peer.address.account, peer.up)

    def _find(self, public_key: bytes) -> PeerAddress | None:
        """A peer that may connect to this node now: known, expected to dial, not banned."""
        peer = self._by_key.get(public_key)
        if peer is None:
            return None
        if peer.dials:
            raise PeerFault("HANDSHAKE_FAILED", f"{peer.address.name} dialed, but this node has the smaller account")
        if time.monotonic() < peer.banned_until:
            raise PeerFault("PEER_QUOTA_EXCEEDED", f"{peer.address.name} is banned")
        return peer.address

    def _incoming(self, loop: asyncio.AbstractEventLoop) -> Link:
        return Link(self, ListenerHandshake(self._identity, self._find), self._config, self.counters, loop)

    async def _dial(self, peer: Peer, channel: Channel) -> None:
        """Keep one connection up, for ever."""
        loop = asyncio.get_running_loop()
        pause_ms = RECONNECT_MS_MIN
        while True:
            banned_s = peer.banned_until - time.monotonic()
            if banned_s > 0:
                await asyncio.sleep(banned_s)
            if await self._connect(peer, channel, loop):
                pause_ms = RECONNECT_MS_MIN
            await asyncio.sleep(pause_ms * self._random.uniform(0.5, 1.0) / 1000)
            pause_ms = min(2 * pause_ms, max(self._config.reconnect_ms_max, RECONNECT_MS_MIN))

    async def _connect(self, peer: Peer, channel: Channel, loop: asyncio.AbstractEventLoop) -> bool:
        """One connection from dialing to its end; True when it lived long enough to start the pauses anew."""

        def outgoing() -> Link:
            return Link(self, DialerHandshake(self._identity, peer.address, channel), self._config, self.counters, loop)

        try:
            async with asyncio.timeout(self._config.handshake_ms / 1000):
                _, link = await loop.create_connection(outgoing, peer.address.host, peer.address.port)
        except OSError:
            return False
        try:
            await asyncio.shield(link.closed)
        except asyncio.CancelledError:
            link.close()
            raise
        return link.opened_at > 0.0 and loop.time() - link.opened_at > _STEADY_S
