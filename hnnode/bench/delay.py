"""A delay on every link between validators: a process of its own relays bytes and holds each piece back.

`python -m hnnode.bench.delay DELAY_MS LISTEN:TARGET…` relays each LISTEN port to its TARGET port on loopback, ends when
its parent does or its standard input closes. Order is kept, nothing is lost or shaped; the delay is one way.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import cast

import msgspec
import uvloop

from hnnode.bench.localnet import LocalNet, shifted_base
from hnnode.errors import Unavailable

HOST = "127.0.0.1"
HELD_BYTES_MAX = 64 * 1024 * 1024
"""Bytes held back on one direction of one link above which its sender has to wait."""
FIRST_PORT = 42_000


class _End(asyncio.Protocol):
    """One end of a relayed connection; what arrives here leaves at `other` after the delay."""

    def __init__(self, delay_s: float, target: int | None) -> None:
        self._delay_s = delay_s
        self._target = target
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._target is not None:
            self.transport.pause_reading()
            self._opening = asyncio.ensure_future(self._open(self._target))

    async def _open(self, target: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self.other = await loop.create_connection(lambda: _End(self._delay_s, None), HOST, target)
        except OSError:
            self._close()
            return
        self.other.other = self
        if self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._held.append((loop.time() + self._delay_s, data))
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX and self.transport is not None:
            self.transport.pause_reading()
        if self._timer is None:
            self._timer = loop.call_later(self._delay_s, self._pass_on)

    def eof_received(self) -> bool:
        self._ended = True
        if not self._held:
            self._end_other()
        return True  # the other direction may have more to say

    def _pass_on(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        ready: list[bytes] = []
        while self._held and self._held[0][0] <= loop.time() + 0.0005:
            ready.append(self._held.popleft()[1])
        data = b"".join(ready)
        was_full = self._held_bytes > HELD_BYTES_MAX
        self._held_bytes -= len(data)
        if self.other is not None and self.other.transport is not None and data:
            self.other.transport.write(data)
        if was_full and self._held_bytes <= HELD_BYTES_MAX and self.transport is not None and not self._ended:
            self.transport.resume_reading()
        if self._held:
            self._timer = loop.call_later(max(0.0, self._held[0][0] - loop.time()), self._pass_on)
        elif self._ended:
            self._end_other()

    def _end_other(self) -> None:
        """Nothing comes from here any more: say so at the other end, and close both when that holds there too."""
        other = self.other
        if other is None:
            self._close()
        elif self.transport is None or (other._ended and not other._held):
            other._close()
            self._close()
        elif other.transport is not None and other.transport.can_write_eof():
            other.transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._ended = True
        if not self._held:
            self._end_other()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()


async def relay(delay_s: float, ports: Mapping[int, int]) -> list[asyncio.Server]:
    """Serve every LISTEN port; the caller closes the servers. Raises OSError for a busy port."""
    loop = asyncio.get_running_loop()
    return [
        await loop.create_server(lambda target=target: _End(delay_s, target), HOST, listen)  # type: ignore[misc]
        for listen, target in ports.items()
    ]


class DelayedLinks:
    """Puts a relay between each two nodes of a network that does not run yet; use as a context manager around it."""

    def __init__(self, net: LocalNet, delay_ms: int) -> None:
        self._net = net
        self._delay_ms = delay_ms
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DelayedLinks:
        nodes = self._net.nodes
        listen = shifted_base(FIRST_PORT, len(nodes) * (len(nodes) - 1))
        pairs: list[str] = []
        for node in nodes:
            peers = []
            for peer in node.config.peers:
                pairs.append(f"{listen}:{peer.port}")
                peers.append(msgspec.structs.replace(peer, host=HOST, port=listen))
                listen += 1
            self._net.configure(node.index, msgspec.structs.replace(node.config, peers=tuple(peers)))
        command = [sys.executable, "-m", "hnnode.bench.delay", str(self._delay_ms), *pairs]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None or self._process.stdout.readline() != b"ready\n":
            self._stop()
            raise Unavailable("NOT_READY", "the delay between the nodes did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


async def _serve(delay_s: float, ports: Mapping[int, int]) -> None:
    loop = asyncio.get_running_loop()
    servers = await relay(delay_s, ports)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    for server in servers:
        server.close()


def main(arguments: Sequence[str]) -> None:
    ports = {int(listen): int(target) for listen, _, target in (pair.partition(":") for pair in arguments[1:])}
    uvloop.run(_serve(int(arguments[0]) / 1000, ports))


if __name__ == "__main__":
    main(sys.argv[1:])
