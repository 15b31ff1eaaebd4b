"""The process of a node: logs, signals, exit codes, and the two ways to stop.

A fatal error ends the process at once after telling why; nothing is signed or acknowledged after it. A missing plugin stops it in order:
what is decided is durable, and the next block waits for the operator.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from hnnode.errors import ConfigError, FatalError, HnError
from hnnode.gateway import create_app, metrics_app, serve
from hnnode.logs import configure_logs
from hnnode.node.build import open_node
from hnnode.node.interpreter import prefer_event_loop, settle
from hnnode.node.loop_profile import LoopProfile

EXIT_OK = 0
EXIT_ERROR = 1
STOP_S = 20.0

log = structlog.get_logger("node")


def run_node(home: Path) -> int:
    """Run the node of a home until SIGTERM or SIGINT. Returns the exit code: 0 after a clean stop, 1 after a fatal error.

    Raises ConfigError when the node cannot start.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the signing key
    configure_logs("info")
    prefer_event_loop()
    return uvloop.run(_run(home))


async def _run(home: Path) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def finish(reason: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(reason)

    def on_fatal(error: BaseException) -> None:
        """From any thread. The loop is told first; if it is stuck, the process ends all the same."""
        loop.call_soon_threadsafe(finish, error)

    def on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """What no task caught: a broken invariant stops the node, the rest is told."""
        error = context.get("exception")
        if isinstance(error, FatalError):
            finish(error)
        else:
            log.error("unhandled", detail=str(context.get("message")), exc_info=error)

    loop.set_exception_handler(on_loop_error)
    node = open_node(home, on_fatal)
    configure_logs(node.config.log_level)
    sample_ms = node.config.metrics.loop_sample_ms
    profile = LoopProfile(node.metrics.loop_samples, sample_ms) if sample_ms else None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish, None)
    try:
        gateway = await serve(create_app(node, node.config.gateway), node.config.gateway)
        metrics = await serve(metrics_app(node.metrics.render), node.config.metrics)
        await node.start()
        settle()
    except BaseException:
        node.storage.close()
        raise
    reason = await ended
    if profile is not None:
        profile.stop()
    if reason is not None:
        _report(reason)
    if reason is not None and not isinstance(reason, ConfigError):
        # No orderly stop after a broken invariant: the next start recovers from what is durable.
        sys.stderr.flush()
        os._exit(EXIT_ERROR)
    try:
        async with asyncio.timeout(STOP_S):
            await gateway.stop()
            await metrics.stop()
            await node.stop()
    except TimeoutError:
        log.error("stop took too long", seconds=STOP_S)
        os._exit(EXIT_ERROR)
    return EXIT_OK if reason is None else EXIT_ERROR


def _report(error: BaseException) -> None:
    if isinstance(error, FatalError):
        log.critical("node halted", code=error.code, name=error.info.name, detail=error.detail)
    elif isinstance(error, HnError):
        log.critical("node halted", code=error.code, detail=str(error))
    else:
        log.critical("node halted", detail=repr(error), exc_info=error)
