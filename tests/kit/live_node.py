"""A memory node behind a real HTTP server, in a thread with its own uvloop, so that blocking clients can talk to it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from hnnode.config import GatewayConfig
from hnnode.crypto import MemorySigner
from hnnode.gateway import RunningServer, create_app, serve
from hnnode.gateway.streams import StreamLimits
from tests.kit.loop_thread import LoopThread
from tests.kit.memory_node import MemoryNode


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveNode(LoopThread):
    """`with LiveNode() as live:` serves at `live.url`; `call` runs something on the node's loop."""

    def __init__(
        self,
        *,
        auto: bool = True,
        streams: StreamLimits | None = None,
        extra_keys: Sequence[bytes] = (),
        **config: Any,
    ) -> None:
        self.signers = [MemorySigner.generate() for _ in range(3)]
        self.config = GatewayConfig(port=free_port(), **config)
        self.url = f"http://127.0.0.1:{self.config.port}"
        self._auto = auto
        self._streams = streams
        self._extra_keys = extra_keys
        super().__init__("live-node")

    def commit(self) -> None:
        self.call(self.node.commit_all)

    async def serve(self) -> None:
        self.node = MemoryNode([*(s.public_key for s in self.signers), *self._extra_keys], auto=self._auto)
        self.app = create_app(self.node, self.config, streams=self._streams)
        self.server: RunningServer = await serve(self.app, self.config)
        self.ready()
        await self.stopping()
        await self.server.stop()
        self.node.events.close()
