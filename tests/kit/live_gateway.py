"""A gateway in a thread with its own uvloop, in front of whatever URLs it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from hnnode.proxy.process import Gateway, GatewaySettings
from tests.kit.live_node import free_port
from tests.kit.loop_thread import LoopThread


class LiveGateway(LoopThread):
    """`with LiveGateway(node.url) as gateway:` serves at `gateway.url`; `call` runs something on its loop."""

    def __init__(self, *urls: str, chain_id: bytes | None = None) -> None:
        self.settings = GatewaySettings(urls, "127.0.0.1", free_port(), chain_id)
        self.url = f"http://127.0.0.1:{self.settings.port}"
        super().__init__("live-gateway")

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/v1/gateway", trust_env=False).json()
        return found

    def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.facts()
            time.sleep(0.01)

    def figure(self, name: str, **labels: str) -> float:
        """A sample of its metrics; 0 when it was never counted."""
        return self.gateway.metrics.registry.get_sample_value(name, labels) or 0.0

    async def serve(self) -> None:
        self.gateway = Gateway(self.settings)
        await self.gateway.start()
        self.ready()
        await self.stopping()
        await self.gateway.stop()
