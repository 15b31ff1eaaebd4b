"""uvicorn inside the node's own event loop: no signal handlers, no logging set-up, an ordered stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from hnnode.errors import ConfigError
from hnnode.gateway.app import GatewayApp
from hnnode.gateway.protocol import GuardedProtocol

BACKLOG = 1_024
KEEP_ALIVE_S = 30
STOP_S_MAX = 5
TICK_S = 1.0
UNACKED_MS_MAX = 60_000
"""A peer that takes no data for this long is cut by the kernel, whatever answer it was reading."""


class Listen(Protocol):
    """Where to listen: GatewayConfig and MetricsConfig both fit."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


class _Server(uvicorn.Server):
    """The node handles signals itself, and an idle server wakes once a second, not ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        # A tick of 0 makes uvicorn renew the date it sends.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RunningServer:
    """A server that accepts connections; `task` ends when it has stopped."""

    def __init__(self, server: _Server, task: asyncio.Task[None], port: int, on_stop: Callable[[], None]) -> None:
        self.port = port
        self.task = task
        self._server = server
        self._on_stop = on_stop

    async def stop(self) -> None:
        """Refuse new connections, end event streams, finish open requests for up to 5 s."""
        self._on_stop()
        self._server.stop()
        await self.task


async def serve(
    app: ASGIApp, config: Listen, *, reuse_port: bool = False, on_stop: Callable[[], None] | None = None
) -> RunningServer:
    """Start serving in the running loop; returns once connections are accepted.

    reuse_port: other processes of this user may listen on the same port; the system spreads connections over them.
    on_stop: called first at a stop, to end what would not end by itself; the streams of a GatewayApp are ended anyway.
    Raises ConfigError 9003 when the port is in use, 9001 when the address cannot be bound for another reason.
    """
    listener = bind(config.host, config.port, reuse_port=reuse_port)
    server = _Server(
        uvicorn.Config(
            app,
            http=GuardedProtocol,
            ws="none",
            lifespan="on" if isinstance(app, GatewayApp) else "off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S_MAX,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http:{config.port}")
    while not server.started:
        if task.done():
            listener.close()
            await task
            raise ConfigError("CONFIG_INVALID", f"http server on {config.host}:{config.port} did not start")
        await asyncio.sleep(0.005)
    port: int = listener.getsockname()[1]
    if isinstance(app, GatewayApp):
        on_stop = app.context.streams.stop
    return RunningServer(server, task, port, on_stop or _nothing)


def _nothing() -> None:
    return


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A bound socket that listens, see `serve`."""
    listener = reserve(host, port, reuse_port=reuse_port)
    listener.listen(BACKLOG)
    return listener


def reserve(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A bound socket that gets no connections until it listens. Raises ConfigError 9003 or 9001, see `serve`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as e:
        raise ConfigError("CONFIG_INVALID", f"http address {host}:{port}: {e}") from e
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MS_MAX)
        listener.bind(address)
        listener.setblocking(False)
    except OSError as e:
        listener.close()
        if e.errno == errno.EADDRINUSE:
            raise ConfigError("PORT_BUSY", f"{host}:{port} is in use by another process") from e
        raise ConfigError("CONFIG_INVALID", f"http address {host}:{port}: {e.strerror}") from e
    return listener
