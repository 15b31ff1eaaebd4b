"""A connection that ignores Retry-After is not read until there is room; one that heeds it, and all others, never notice."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from hnnode.errors import CODES, ERRORS, Unavailable
from hnnode.gateway import turnstile
from hnnode.gateway.turnstile import LOOKED_AT_MAX, Turnstile
from tests.kit.http import evidence_tx
from tests.kit.live_node import LiveNode


class Connection:
    def __init__(self, name: str, log: list[str]) -> None:
        self.source = name
        self.log = log

    def go_on(self) -> None:
        self.log.append(self.source)


class Room:
    """Takes `left` bytes, of nobody in `over`."""

    def __init__(self) -> None:
        self.left = 0
        self.over: set[str] = set()
        self.asked = 0

    def has(self, size: int, ahead: int, source: str) -> bool:
        self.asked += 1
        return source not in self.over and ahead + size <= self.left


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "TICK_S", 0.005)


def test_those_that_wait_longest_go_first_as_far_as_there_is_room() -> None:
    async def story() -> None:
        room, log = Room(), []
        gate = Turnstile(room.has)
        waiting = [Connection(name, log) for name in "abcdef"]
        for connection in waiting:
            gate.stop(connection, 100)
        await asyncio.sleep(0.03)
        assert (log, len(gate)) == ([], 6)
        room.left, room.over = 250, {"b"}
        await asyncio.sleep(0)
        gate._tick()
        assert log == ["a", "c"]
        gate._tick()
        assert log == ["a", "c"], "what was let in and is not here yet still counts"
        gate.came(waiting[2])
        room.over = {"b", "d"}
        gate._tick()
        assert log == ["a", "c", "e"]
        gate.came(waiting[4])
        gate.forget(waiting[3])
        gate.forget(waiting[0])
        room.left, room.over = 1000, set()
        gate._tick()
        assert (log, len(gate)) == (["a", "c", "e", "b", "f"], 0)

    asyncio.run(story())


def test_nobody_waits_for_ever_and_a_tick_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "STOP_S_MAX", 0.1)

    async def story() -> None:
        room, log = Room(), []
        gate = Turnstile(room.has)
        started = time.monotonic()
        for number in range(2 * LOOKED_AT_MAX):
            gate.stop(Connection(str(number), log), 1)
        gate._tick()
        assert room.asked == LOOKED_AT_MAX
        await asyncio.sleep(0.25)
        assert len(gate) == 0
        assert 0.09 < time.monotonic() - started < 2
        assert log == [str(number) for number in range(2 * LOOKED_AT_MAX)]
        asked = room.asked
        await asyncio.sleep(0.03)
        assert room.asked == asked, "nothing ticks while nobody waits"

    asyncio.run(story())


@pytest.fixture
def live() -> Iterator[LiveNode]:
    with LiveNode(auto=False) as node:
        yield node


class Client:
    def __init__(self, live: LiveNode) -> None:
        self.socket = socket.create_connection(("127.0.0.1", live.config.port), 5)
        self.body = evidence_tx(live.node.chain_id, live.signers[0]).data

    def send(self, path: str = "/v1/txs") -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: n\r\nContent-Length: {len(self.body)}\r\n\r\n"
        self.socket.sendall(head.encode() + self.body)

    def status(self, timeout_s: float) -> int | None:
        """Of the next answer; None when none comes."""
        self.socket.settimeout(timeout_s)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            return None
        return int(data.split()[1])


@pytest.fixture
def connect(live: LiveNode) -> Iterator[Callable[[], Client]]:
    opened: list[Client] = []

    def new() -> Client:
        opened.append(Client(live))
        return opened[-1]

    yield new
    for client in opened:
        client.socket.close()


def test_a_client_that_does_not_wait_is_read_again_when_there_is_room(
    live: LiveNode, connect: Callable[[], Client]
) -> None:
    live.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=400)
    stubborn, patient = connect(), connect()
    for client in (stubborn, patient):
        client.send()
        assert client.status(2) == 429
    for _ in range(2):
        stubborn.send()
        assert stubborn.status(2) == 429
    stubborn.send()
    assert stubborn.status(0.3) is None
    time.sleep(0.2)
    patient.send()
    assert patient.status(0.5) == 429
    live.node.refuse = None
    assert stubborn.status(0.5) == 202
    patient.send()
    assert patient.status(0.5) in (200, 202)


def test_without_room_it_is_refused_once_in_a_while(
    live: LiveNode, connect: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "STOP_S_MAX", 0.2)
    live.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=100)
    client = connect()
    started, refused = time.monotonic(), 0
    while time.monotonic() - started < 1.5:
        client.send()
        refused += client.status(2) == 429
    assert 5 <= refused <= 14


def test_other_refusals_stop_nobody(live: LiveNode, connect: Callable[[], Client]) -> None:
    live.node.refuse = Unavailable("SYNCING", "catching up", retry_after_ms=400)
    client = connect()
    for _ in range(5):
        client.send()
        assert client.status(1) == ERRORS[CODES["SYNCING"]].http


def test_a_stopped_connection_may_close(live: LiveNode, connect: Callable[[], Client]) -> None:
    live.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=400)
    client = connect()
    for _ in range(3):
        client.send()
        assert client.status(2) == 429
    client.send()
    client.socket.close()
    time.sleep(0.1)
    live.node.refuse = None
    other = connect()
    other.send()
    assert other.status(2) == 202
