"""Peers on loopback: who gets in, what gets through, what is dropped, and how a link comes back."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from hnnode_native import SecretKey

from hnnode.config import NetworkConfig
from hnnode.errors import CODES, ConfigError, FatalError
from hnnode.metrics import Metrics
from hnnode.network import PeerNetwork
from hnnode.network.handshake import DialerHandshake, Identity
from hnnode.ports import Channel, Kind, PeerAddress

CHAIN = b"C" * 32
CONFIG = NetworkConfig(port=0, handshake_ms=1000, reconnect_ms_max=200, idle_ms=60_000, ban_ms=400)
LIMIT_S = 10.0


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


def secret(seed: int) -> SecretKey:
    return SecretKey.generate(struct.pack(">I", seed) * 8)


# Keys in the order of their accounts: a lower index dials a higher one.
KEYS = sorted((secret(seed) for seed in range(1, 8)), key=lambda key: key.account())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def address(index: int, port: int) -> PeerAddress:
    key = KEYS[index]
    return PeerAddress(f"node{index}", key.account(), key.public_key(), "127.0.0.1", port)


class Node:
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
async def pair(config: NetworkConfig = CONFIG) -> AsyncIterator[tuple[Node, Node]]:
    """Node 0 dials node 1; both channels up."""
    ports = [free_port(), free_port()]
    addresses = [address(i, port) for i, port in enumerate(ports)]
    nodes = [Node(i, addresses, ports[i], config=config) for i in (0, 1)]
    try:
        for node in nodes:
            await node.network.start()
        await until(lambda: all(node.network.connected() for node in nodes), "both connected")
        yield nodes[0], nodes[1]
    finally:
        for node in nodes:
            await node.network.stop()


@asynccontextmanager
async def listening(index: int = 1, config: NetworkConfig = CONFIG) -> AsyncIterator[Node]:
    """Node `index` alone, knowing nodes 0 and 2."""
    node = Node(index, [address(0, 1), address(2, 1)], config=config)
    await node.network.start()
    try:
        yield node
    finally:
        await node.network.stop()


async def raw(node: Node) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", node.network.port)


async def closed_by_peer(reader: asyncio.StreamReader) -> bytes:
    """What the other side said before it closed."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def dial_by_hand(
    node: Node, channel: Channel, index: int = 0, chain: bytes = CHAIN
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


def test_two_nodes_meet_and_frames_go_both_ways_in_order() -> None:
    async def test() -> None:
        async with pair() as (a, b):
            assert a.news == [(b.account, True)]
            assert b.news == [(a.account, True)]
            for i in range(500):
                assert a.network.send(b.account, Channel.BULK, Kind.BATCH, b"%d" % i)
                assert b.network.send(a.account, Channel.CONSENSUS, Kind.STATUS, b"")
            assert a.network.broadcast(Channel.BULK, Kind.BATCH, b"L" * (1 << 20)) == 1
            await until(lambda: len(b.frames[Channel.BULK]) == 501, "bulk frames")
            await until(lambda: len(a.frames[Channel.CONSENSUS]) == 500, "consensus frames")
            assert b.frames[Channel.BULK][:500] == [(a.account, Kind.BATCH, b"%d" % i) for i in range(500)]
            assert b.frames[Channel.BULK][500][2] == b"L" * (1 << 20)
            assert a.frames[Channel.BULK] == b.frames[Channel.CONSENSUS] == []
            info = b.network.peers()[0]
            assert (info.name, info.connected, info.queued_bytes) == ("node0", True, 0)
            assert info.bytes_in > 1 << 20
            assert abs(info.since_ms - time.time() * 1000) < 60_000
            assert a.network.counters.frames_out == b.network.counters.frames_in == 501
        assert a.network.connected() == []
        assert a.news[-1] == (b.account, False)

    assert run(test) == []


def test_frames_to_unknown_or_absent_peers_are_not_queued() -> None:
    async def test() -> None:
        async with listening() as node:
            assert not node.network.send(b"?" * 20, Channel.BULK, Kind.BATCH, b"x")
            assert not node.network.send(KEYS[0].account(), Channel.BULK, Kind.BATCH, b"x")
            assert node.network.broadcast(Channel.BULK, Kind.BATCH, b"x") == 0
            node.network.punish(b"?" * 20, CODES["FRAME_MALFORMED"])

    assert run(test) == []


def test_four_nodes_form_a_mesh() -> None:
    async def test() -> None:
        ports = [free_port() for _ in range(4)]
        addresses = [address(i, port) for i, port in enumerate(ports)]
        nodes = [Node(i, addresses, ports[i]) for i in range(4)]
        for node in nodes:
            await node.network.start()
        await until(lambda: all(len(node.network.connected()) == 3 for node in nodes), "mesh")
        for node in nodes:
            assert node.network.broadcast(Channel.CONSENSUS, Kind.CONSENSUS_MESSAGE, node.account) == 3
        await until(lambda: all(len(node.frames[Channel.CONSENSUS]) == 3 for node in nodes), "broadcasts")
        for node in nodes:
            assert {payload for _, _, payload in node.frames[Channel.CONSENSUS]} == {
                other.account for other in nodes if other is not node
            }
            assert all(sender == payload for sender, _, payload in node.frames[Channel.CONSENSUS])
            await node.network.stop()

    assert run(test) == []


@pytest.mark.parametrize(
    ("dialer", "chain", "code"),
    [
        (3, CHAIN, "PEER_UNKNOWN"),
        (0, b"D" * 32, "PEER_CHAIN"),
        (1, CHAIN, "HANDSHAKE_FAILED"),
        (2, CHAIN, "HANDSHAKE_FAILED"),
    ],
)
def test_a_dialer_that_may_not_connect_is_told_why(dialer: int, chain: bytes, code: str) -> None:
    """Unknown key, another chain, the listener's own key, a peer with the larger account."""

    async def test() -> None:
        async with listening() as node:
            reader, writer = await raw(node)
            me = Identity(KEYS[dialer], KEYS[dialer].public_key(), chain)
            writer.write(DialerHandshake(me, address(1, 1), Channel.BULK).hello())
            answer = await closed_by_peer(reader)
            assert answer == b"HNPEER01" + struct.pack(">H", CODES[code])
            assert node.failures(code) == 1
            writer.close()

    assert run(test) == []


def test_a_dialing_network_goes_on_when_it_is_refused() -> None:
    async def test() -> None:
        port = free_port()
        target = Node(1, [address(0, 1)], port, chain=b"D" * 32)
        dialer = Node(0, [address(1, port)])
        await target.network.start()
        await dialer.network.start()
        await until(lambda: dialer.failures("HANDSHAKE_FAILED") >= 4, "refusals")
        assert target.failures("PEER_CHAIN") >= 4
        assert dialer.news == []
        await dialer.network.stop()
        await target.network.stop()

    assert run(test) == []


def test_a_forged_proof_is_refused() -> None:
    async def test() -> None:
        async with listening() as node:
            reader, writer = await raw(node)
            hello = DialerHandshake(Identity(KEYS[3], KEYS[0].public_key(), CHAIN), address(1, 1), Channel.BULK).hello()
            writer.write(hello)
            await reader.readexactly(171)
            writer.write(KEYS[3].sign(b"whatever"))
            assert await closed_by_peer(reader) == b"HNPEER01" + struct.pack(">H", CODES["SIGNATURE_INVALID"])
            assert node.news == []
            writer.close()

    assert run(test) == []


def test_a_replayed_handshake_is_refused() -> None:
    """Everything an honest dialer sent, sent again."""

    async def test() -> None:
        async with listening() as node:
            reader, writer = await raw(node)
            handshake = DialerHandshake(Identity(KEYS[0], KEYS[0].public_key(), CHAIN), address(1, 1), Channel.BULK)
            sent = [handshake.hello()]
            writer.write(sent[0])
            while handshake.wanted:
                sent.append(handshake.receive(await reader.readexactly(handshake.wanted)))
                writer.write(sent[-1])
            assert node.network.counters.handshakes_done == 1
            writer.close()
            reader, writer = await raw(node)
            writer.write(b"".join(sent))
            answer = await closed_by_peer(reader)
            assert answer[171:] == b"HNPEER01" + struct.pack(">H", CODES["SIGNATURE_INVALID"])
            assert node.network.counters.handshakes_done == 1
            writer.close()

    assert run(test) == []


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n" + b"x" * 200, bytes(139), b"\xff" * 5000])
def test_what_is_no_hello_is_cut_without_an_answer(garbage: bytes) -> None:
    async def test() -> None:
        async with listening() as node:
            reader, writer = await raw(node)
            writer.write(garbage)
            assert await closed_by_peer(reader) == b""
            assert node.failures("FRAME_MALFORMED") == 1
            writer.close()

    assert run(test) == []


@pytest.mark.parametrize("part", [b"", b"HNPEER01", bytes(138)])
def test_a_handshake_that_does_not_end_is_cut_in_time(part: bytes) -> None:
    async def test() -> None:
        config = NetworkConfig(port=0, handshake_ms=150)
        async with listening(config=config) as node:
            reader, writer = await raw(node)
            writer.write(part)
            begun = time.monotonic()
            await closed_by_peer(reader)
            assert 0.1 < time.monotonic() - begun < 2
            assert node.failures("TIMEOUT") == 1
            assert node.network._gate.pending == 0
            writer.close()

    assert run(test) == []


def test_a_connection_closed_in_the_handshake_is_counted() -> None:
    async def test() -> None:
        async with listening() as node:
            _, writer = await raw(node)
            await until(lambda: node.network._gate.pending == 1, "arrival")
            writer.close()
            await until(lambda: node.failures("HANDSHAKE_FAILED") == 1, "failure counted")
            assert node.network._gate.pending == 0

    assert run(test) == []


def test_frames_arrive_byte_by_byte() -> None:
    async def test() -> None:
        async with listening() as node:
            _, writer = await dial_by_hand(node, Channel.BULK)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = struct.pack(">IB", 3, 16) + b"abc" + struct.pack(">IB", 0, 17)
            for byte in data:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.002)
            await until(lambda: len(node.frames[Channel.BULK]) == 2, "frames")
            assert node.frames[Channel.BULK] == [(KEYS[0].account(), 16, b"abc"), (KEYS[0].account(), 17, b"")]
            assert node.network.connected() == [], "one channel alone is no connection"
            writer.close()

    assert run(test) == []


@pytest.mark.parametrize("length", [(4 << 20) + 1, 1 << 31, (1 << 32) - 1])
def test_an_oversize_frame_is_cut_before_it_is_buffered(length: int) -> None:
    async def test() -> None:
        async with listening() as node:
            reader, writer = await dial_by_hand(node, Channel.BULK)
            writer.write(struct.pack(">IB", length, 16) + b"x" * 100)
            assert await closed_by_peer(reader) == b""
            assert node.frames[Channel.BULK] == []
            writer.close()

    assert run(test) == []


def test_a_peer_that_keeps_breaking_the_protocol_is_banned_for_a_while() -> None:
    async def test() -> None:
        async with listening() as node:
            for _ in range(4):
                reader, writer = await dial_by_hand(node, Channel.BULK)
                writer.write(struct.pack(">IB", 1 << 31, 16))
                await closed_by_peer(reader)
                writer.close()
            assert node.network.counters.bans == 1
            reader, writer = await raw(node)
            me = Identity(KEYS[0], KEYS[0].public_key(), CHAIN)
            writer.write(DialerHandshake(me, address(1, 1), Channel.BULK).hello())
            assert await closed_by_peer(reader) == b"HNPEER01" + struct.pack(">H", CODES["PEER_QUOTA_EXCEEDED"])
            writer.close()
            await asyncio.sleep(0.45)
            _, writer = await dial_by_hand(node, Channel.BULK)
            writer.close()

    assert run(test) == []


def test_punished_peers_are_cut_and_come_back_after_the_ban() -> None:
    async def test() -> None:
        async with pair() as (a, b):
            for _ in range(19):
                a.network.punish(b.account, CODES["BATCH_MALFORMED"])
            assert a.network.connected() == [b.account]
            begun = time.monotonic()
            for _ in range(2):
                a.network.punish(b.account, CODES["BATCH_MALFORMED"])
            assert a.network.counters.bans == 1
            await until(lambda: not a.network.connected() and not b.network.connected(), "cut")
            await until(lambda: bool(a.network.connected() and b.network.connected()), "back")
            assert time.monotonic() - begun > 0.4
            assert a.news == [(b.account, True), (b.account, False), (b.account, True)]

    assert run(test) == []


def test_a_peer_that_restarts_is_found_again() -> None:
    async def test() -> None:
        ports = [free_port(), free_port()]
        addresses = [address(i, port) for i, port in enumerate(ports)]
        a = Node(0, addresses, ports[0])
        await a.network.start()
        for _ in range(3):
            b = Node(1, addresses, ports[1])
            await b.network.start()
            await until(lambda: a.network.connected() == [KEYS[1].account()], "connected")
            assert a.network.send(b.account, Channel.BULK, Kind.BATCH, b"x")
            await until(lambda b=b: len(b.frames[Channel.BULK]) == 1, "frame")  # type: ignore[misc]
            await b.network.stop()
            await until(lambda: a.network.connected() == [], "gone")
        assert [up for _, up in a.news] == [True, False] * 3
        await a.network.stop()

    assert run(test) == []


def test_a_second_connection_replaces_a_dead_first_one() -> None:
    """The dialer crashed and came back; the listener never heard of the first one's end."""

    async def test() -> None:
        async with listening() as node:
            first = [await dial_by_hand(node, channel) for channel in Channel]
            await until(lambda: bool(node.network.connected()), "first")
            second = [await dial_by_hand(node, channel) for channel in Channel]
            for reader, writer in first:
                assert await closed_by_peer(reader) == b""
                writer.close()
            # Each channel is replaced for itself: the peer goes down and up with each.
            await until(lambda: [up for _, up in node.news] == [True, False, True, False, True], "replaced")
            for _, writer in second:
                writer.write(struct.pack(">IB", 1, 3) + b"x")
            await until(lambda: sum(map(len, node.frames.values())) == 2, "frames of the second")
            assert node.network.connected() == [KEYS[0].account()]
            for _, writer in second:
                writer.close()

    assert run(test) == []


def test_one_lost_channel_is_a_lost_peer_until_it_is_back() -> None:
    async def test() -> None:
        async with pair() as (a, b):
            b.network._peers[a.account].links[Channel.BULK].close()
            await until(lambda: len(a.news) == 3 and len(b.news) == 3, "down and up again")
            assert [up for _, up in a.news] == [up for _, up in b.news] == [True, False, True]

    assert run(test) == []


SLOW = NetworkConfig(port=0, queue_bytes_max=2 << 20, idle_ms=60_000)


def test_a_slow_reader_fills_its_bulk_queue_and_nothing_else() -> None:
    async def test() -> None:
        async with listening(config=SLOW) as node:
            slow = await dial_by_hand(node, Channel.BULK)
            quick = await dial_by_hand(node, Channel.CONSENSUS)
            await until(lambda: bool(node.network.connected()), "connected")
            account = KEYS[0].account()
            sent = []
            for i in range(400):
                if node.network.send(account, Channel.BULK, Kind.BATCH, struct.pack(">I", i) + bytes(100_000)):
                    sent.append(i)
                await asyncio.sleep(0)
                assert node.network.peers()[0].queued_bytes <= SLOW.queue_bytes_max
            dropped = node.network.counters.frames_dropped
            assert 0 < len(sent) < 400
            assert (dropped[Channel.BULK], dropped[Channel.CONSENSUS]) == (400 - len(sent), 0)
            assert node.network.send(account, Channel.CONSENSUS, Kind.STATUS, b"quick")
            assert await quick[0].readexactly(10) == struct.pack(">IB", 5, Kind.STATUS) + b"quick"
            # It gets everything that was accepted, in order, once it reads.
            for i in sent:
                data = await slow[0].readexactly(5 + 4 + 100_000)
                assert data[5:9] == struct.pack(">I", i)
            for _, writer in (slow, quick):
                writer.close()

    assert run(test) == []


def test_a_full_consensus_queue_gives_up_the_oldest_frames() -> None:
    async def test() -> None:
        async with listening(config=SLOW) as node:
            reader, writer = await dial_by_hand(node, Channel.CONSENSUS)
            account = KEYS[0].account()
            for i in range(400):
                assert node.network.send(account, Channel.CONSENSUS, Kind.STATUS, struct.pack(">I", i) + bytes(100_000))
                await asyncio.sleep(0)
            dropped = node.network.counters.frames_dropped[Channel.CONSENSUS]
            assert dropped > 0
            got = []
            for _ in range(400 - dropped):
                data = await reader.readexactly(5 + 4 + 100_000)
                got.append(struct.unpack(">I", data[5:9])[0])
            assert got == sorted(got)
            assert got[-1] == 399
            writer.close()

    assert run(test) == []


def test_a_frame_over_the_limit_is_never_sent() -> None:
    async def test() -> None:
        async with pair() as (a, b):
            assert not a.network.send(b.account, Channel.BULK, Kind.BATCH, bytes(CONFIG.frame_bytes_max + 1))
            assert a.network.send(b.account, Channel.BULK, Kind.BATCH, bytes(CONFIG.frame_bytes_max))
            await until(lambda: len(b.frames[Channel.BULK]) == 1, "largest frame")
            assert a.network.counters.frames_oversize == 1
            assert a.network.connected() == [b.account]

    assert run(test) == []


def test_frames_of_one_turn_leave_together() -> None:
    async def test() -> None:
        async with pair() as (a, b):
            wakeups = []
            b.network.on_frames(Channel.CONSENSUS, lambda account, frames: wakeups.append(len(frames)))
            for _ in range(100):
                a.network.send(b.account, Channel.CONSENSUS, Kind.STATUS, b"v" * 100)
            await until(lambda: sum(wakeups) == 100, "frames")
            assert len(wakeups) <= 3
            # More pieces than one system call takes.
            for _ in range(10_000):
                a.network.send(b.account, Channel.CONSENSUS, Kind.STATUS, b"v")
            await until(lambda: sum(wakeups) == 10_100, "many frames")

    assert run(test) == []


def test_quiet_links_stay_up_and_silent_ones_are_cut() -> None:
    async def test() -> None:
        config = NetworkConfig(port=0, idle_ms=300, reconnect_ms_max=200)
        async with pair(config) as (a, b):
            await asyncio.sleep(1.0)
            assert [len(node.news) for node in (a, b)] == [1, 1]
            assert a.frames[Channel.CONSENSUS] == [], "pings stay inside the network"
        async with listening(config=config) as node:
            reader, writer = await dial_by_hand(node, Channel.BULK)
            begun = time.monotonic()
            pings = await closed_by_peer(reader)
            assert 0.25 < time.monotonic() - begun < 2
            assert pings.startswith(struct.pack(">IB", 0, 0))
            writer.close()

    assert run(test) == []


def test_a_flood_of_connections_does_not_disturb_a_link() -> None:
    async def test() -> None:
        config = NetworkConfig(port=0, handshakes_pending_max=16, connections_per_host_max=16, handshake_ms=2000)
        async with pair(config) as (a, b):
            flood = [await asyncio.open_connection("127.0.0.1", b.network.port) for _ in range(150)]
            begun = time.monotonic()
            await until(lambda: b.network.counters.connections_refused > 100, "refusals")
            assert b.network._gate.pending <= 8
            assert a.network.send(b.account, Channel.CONSENSUS, Kind.STATUS, b"still here")
            await until(lambda: len(b.frames[Channel.CONSENSUS]) == 1, "frame in the flood")
            assert time.monotonic() - begun < 1
            assert [len(node.news) for node in (a, b)] == [1, 1]
            for _, writer in flood:
                writer.close()
            await until(lambda: b.network._gate.pending == 0, "flood gone")

    assert run(test) == []


def test_a_busy_port_is_a_configuration_error() -> None:
    async def test() -> None:
        async with listening() as node:
            other = Node(2, [], node.network.port)
            with pytest.raises(ConfigError, match="9003"):
                await other.network.start()
            await other.network.stop()

    assert run(test) == []


def test_stop_is_quick_while_dialing_and_while_shaking_hands() -> None:
    async def test() -> None:
        a = Node(0, [address(1, free_port())])
        await a.network.start()
        _, writer = await raw(a)
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await a.network.stop()
        assert time.monotonic() - begun < 1
        writer.close()

    assert run(test) == []


def test_a_fatal_error_in_a_handler_reaches_the_loop() -> None:
    """The network swallows nothing: what a room raises ends the link and is handed to whoever stops the process."""

    async def test() -> None:
        async with pair() as (a, b):

            def fail(account: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
                raise FatalError("STORAGE_FAILED", "disk gone")

            b.network.on_frames(Channel.BULK, fail)
            a.network.send(b.account, Channel.BULK, Kind.BATCH, b"x")
            await until(lambda: len(b.news) > 1, "cut")

    (error,) = run(test)
    assert isinstance(error, FatalError)


def test_throughput_of_small_frames_is_not_absurd() -> None:
    """A floor far below what any machine does, to notice a quadratic queue."""

    async def test() -> None:
        async with pair() as (a, b):
            count = 0

            def take(account: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
                nonlocal count
                count += len(frames)

            b.network.on_frames(Channel.BULK, take)
            begun = time.monotonic()
            for _ in range(100):
                for _ in range(200):
                    a.network.send(b.account, Channel.BULK, Kind.BATCH, b"x" * 200)
                await asyncio.sleep(0)
            await until(lambda: count == 20_000, "all frames")
            assert time.monotonic() - begun < 5

    assert run(test) == []
