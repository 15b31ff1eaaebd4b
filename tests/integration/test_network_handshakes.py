"""Peers on loopback: who gets in, who is told why not, who is kept out, and what a crowd at the door costs."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from hnnode.config import NetworkConfig
from hnnode.errors import CODES, ConfigError
from hnnode.network.handshake import DialerHandshake, Identity
from hnnode.ports import Channel, Kind
from tests.kit.linked_nodes import (
    CHAIN,
    KEYS,
    LIMIT_S,
    LinkedNode,
    address,
    closed_by_peer,
    dial_by_hand,
    listening,
    pair,
    raw,
    run,
    until,
)
from tests.kit.live_node import free_port


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
        target = LinkedNode(1, [address(0, 1)], port, chain=b"D" * 32)
        dialer = LinkedNode(0, [address(1, port)])
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
            assert time.monotonic() - begun > 0.1
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


def test_a_flood_of_connections_does_not_disturb_a_link() -> None:
    async def test() -> None:
        config = NetworkConfig(port=0, handshakes_pending_max=16, connections_per_host_max=16, handshake_ms=2000)
        async with pair(config) as (a, b):
            flood = [await asyncio.open_connection("127.0.0.1", b.network.port) for _ in range(150)]
            await until(lambda: b.network.counters.connections_refused > 100, "refusals")
            assert b.network._gate.pending <= 8
            assert a.network.send(b.account, Channel.CONSENSUS, Kind.STATUS, b"still here")
            await until(lambda: len(b.frames[Channel.CONSENSUS]) == 1, "frame in the flood")
            assert [len(node.news) for node in (a, b)] == [1, 1]
            for _, writer in flood:
                writer.close()
            await until(lambda: b.network._gate.pending == 0, "flood gone")

    assert run(test) == []


def test_a_busy_port_is_a_configuration_error() -> None:
    async def test() -> None:
        async with listening() as node:
            other = LinkedNode(2, [], node.network.port)
            with pytest.raises(ConfigError, match="9003"):
                await other.network.start()
            await other.network.stop()

    assert run(test) == []


def test_stop_is_quick_while_dialing_and_while_shaking_hands() -> None:
    async def test() -> None:
        config = NetworkConfig(port=0, handshake_ms=300_000, reconnect_ms_max=300_000)
        a = LinkedNode(0, [address(1, free_port())], config=config)
        await a.network.start()
        _, writer = await raw(a)
        await until(lambda: a.network._gate.pending == 1, "arrival")
        async with asyncio.timeout(LIMIT_S):
            await a.network.stop()
        writer.close()

    assert run(test) == []
