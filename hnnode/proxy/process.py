"""The process of one gateway: reach a node, listen, and stop so that whoever was taken in gets an answer."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import structlog
import uvloop
from hnnode_native import set_threads

from hnnode.errors import FatalError
from hnnode.gateway import serve
from hnnode.logs import configure_logs
from hnnode.proxy.accounts import KnownAccounts
from hnnode.proxy.app import ProxyApp
from hnnode.proxy.door import ProxyDoor
from hnnode.proxy.forward import Forwarder
from hnnode.proxy.metrics import GatewayMetrics
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.wires import Address

EXIT_OK = 0
EXIT_ERROR = 1
REACH_S = 2.0
"""How long a gateway that starts looks for a node before it listens all the same."""
STOP_S = 10.0
FIGURES_S = 1.0
KEY_CACHE_BYTES = 64 * 1024 * 1024
SWITCH_INTERVAL_S = 0.001
"""As in a node: the event loop must not wait 5 ms for a thread that runs Python."""

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`chain_id` None: that of the first node reached. `share`: how many processes of this machine do the same work."""

    nodes: tuple[str, ...]
    host: str
    port: int
    chain_id: bytes | None = None
    share: int = 1
    log_level: str = "info"

    def __post_init__(self) -> None:
        """Raises ConfigError 9001 for a bad URL of a node."""
        for url in self.nodes:
            Address.parse(url)


def run_gateway(settings: GatewaySettings) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code. Raises ConfigError when it cannot start."""
    configure_logs(settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    set_threads(max(1, (os.cpu_count() or 1) // settings.share))
    return uvloop.run(_run(settings))


class Gateway:
    """Everything of one gateway, wired. On the event loop."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.metrics = GatewayMetrics()
        self.reached = asyncio.Event()
        self.nodes = Nodes(settings.nodes, settings.chain_id, self.reached.set)
        self.accounts = KnownAccounts(self.nodes, KEY_CACHE_BYTES)
        self.forwarder = Forwarder(self.nodes, self.metrics)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="admission")
        self.door = ProxyDoor(self.nodes, self.accounts, self.forwarder, self.metrics, self._threads)
        self.app = ProxyApp(self.nodes, self.accounts, self.door, self.metrics)
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns once connections are accepted. Raises ConfigError 9003 or 9001 when the port cannot be had."""
        self.nodes.start()
        self._tasks = [
            asyncio.create_task(self._learn(), name="accounts"),
            asyncio.create_task(self._show(), name="figures"),
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_S):
                await self.reached.wait()
        self._server = await serve(self.app, self._settings, reuse_port=True, on_stop=self.app.passing.stop)
        self.port = self._server.port

    async def stop(self) -> None:
        """No new connections, an answer for every open request, then no more to the nodes."""
        await self._server.stop()
        await self.door.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.nodes.stop()
        self._threads.shutdown(wait=False)

    async def _learn(self) -> None:
        await self.reached.wait()
        await self.accounts.prefetch()
        await self.accounts.run()

    async def _show(self) -> None:
        """Gauges, once a second."""
        while True:
            self.metrics.waiting_bytes.set(self.door.waiting_bytes)
            self.metrics.accounts.set(self.accounts.table.count())
            for node in self.nodes.all:
                self.metrics.node_up.labels(node.url).set(node.is_up)
                self.metrics.node_ready.labels(node.url).set(node.is_ready)
            await asyncio.sleep(FIGURES_S)


async def _run(settings: GatewaySettings) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def finish(reason: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(reason)

    loop.set_exception_handler(_on_loop_error(finish))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish, None)
    gateway = Gateway(settings)
    await gateway.start()
    gc.collect()
    gc.freeze()
    log.info("gateway listens", host=settings.host, port=gateway.port, nodes=list(settings.nodes))
    reason = await ended
    if reason is not None:
        log.critical("gateway halted", detail=repr(reason), exc_info=reason)
        sys.stderr.flush()
        os._exit(EXIT_ERROR)
    log.info("gateway stops", waiting_bytes=gateway.door.waiting_bytes)
    try:
        async with asyncio.timeout(STOP_S):
            await gateway.stop()
    except TimeoutError:
        log.error("stop took too long", seconds=STOP_S)
        os._exit(EXIT_ERROR)
    return EXIT_OK


def _on_loop_error(
    finish: Callable[[BaseException | None], None],
) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    def on_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, FatalError):
            finish(error)
        else:
            log.error("unhandled", detail=str(context.get("message")), exc_info=error)

    return on_error
