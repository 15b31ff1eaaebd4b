"""A memory node behind a real HTTP server, in a thread with its own uvloop, so that blocking clients can talk to it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import uvloop

from hnnode.config import GatewayConfig
from hnnode.crypto import MemorySigner
from hnnode.gateway import RunningServer, create_app, serve
from hnnode.gateway.streams import StreamLimits
from tests.kit.memory_node import MemoryNode

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveNode:
    """`with LiveNode() as live:` serves at `live.url`; `call` runs something on the node's loop."""

    def __init__(
        self,
        *,
        auto: bool = True,
        streams: StreamLimits | None = None,
        extra_keys: Sequence[bytes] = (),
        roles: Mapping[int, Sequence[str]] | None = None,
        **config: Any,
    ) -> None:
        self.signers = [MemorySigner.generate() for _ in range(3)]
        self.config = GatewayConfig(port=free_port(), **config)
        self.url = f"http://127.0.0.1:{self.config.port}"
        self._auto = auto
        self._streams = streams
        self._extra_keys = extra_keys
        self._roles = roles
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="live-node")

    def __enter__(self) -> LiveNode:
        self._thread.start()
        self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def call(self, do: Callable[[], T]) -> T:
        """Run `do` on the node's loop and give its result."""

        async def run() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

    def commit(self) -> None:
        self.call(self.node.commit_all)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as e:  # noqa: BLE001 - handed to the test's thread
            self._failure = e
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        users = [*(s.public_key for s in self.signers), *self._extra_keys]
        self.node = MemoryNode(users, auto=self._auto, roles=self._roles)
        self.app = create_app(self.node, self.config, streams=self._streams)
        self.server: RunningServer = await serve(self.app, self.config)
        self._ready.set()
        await self._stop.wait()
        await self.server.stop()
        self.node.events.close()
