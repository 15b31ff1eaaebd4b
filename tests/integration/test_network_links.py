"""Peers on loopback: what gets through, what is dropped, and how a link comes back."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Sequence

import pytest

from hnnode.config import NetworkConfig
from hnnode.errors import CODES, FatalError
from hnnode.ports import Channel, Kind
from tests.kit.linked_nodes import (
    CONFIG,
    KEYS,
    LinkedNode,
    address,
    closed_by_peer,
    dial_by_hand,
    listening,
    pair,
    run,
    until,
)
from tests.kit.live_node import free_port


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
        nodes = [LinkedNode(i, addresses, ports[i]) for i in range(4)]
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


@pytest.mark.parametrize("length", [CONFIG.frame_bytes_max + 1, 1 << 31, (1 << 32) - 1])
def test_an_oversize_frame_is_cut_before_it_is_buffered(length: int) -> None:
    async def test() -> None:
        async with listening() as node:
            reader, writer = await dial_by_hand(node, Channel.BULK)
            writer.write(struct.pack(">IB", length, 16) + b"x" * 100)
            assert await closed_by_peer(reader) == b""
            assert node.frames[Channel.BULK] == []
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
        a = LinkedNode(0, addresses, ports[0])
        await a.network.start()
        for _ in range(3):
            b = LinkedNode(1, addresses, ports[1])
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
            assert time.monotonic() - begun > 0.25
            assert pings.startswith(struct.pack(">IB", 0, 0))
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
