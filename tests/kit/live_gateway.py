"""A gateway in a thread with its own uvloop, in front of whatever URLs it is given."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import httpx
import uvloop

from hnnode.proxy.process import Gateway, GatewaySettings
from tests.kit.live_node import free_port

T = TypeVar("T")


class LiveGateway:
    """`with LiveGateway(node.url) as gateway:` serves at `gateway.url`; `call` runs something on its loop."""

    def __init__(self, *urls: str, chain_id: bytes | None = None) -> None:
        self.settings = GatewaySettings(urls, "127.0.0.1", free_port(), chain_id)
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="live-gateway")

    def __enter__(self) -> LiveGateway:
        self._thread.start()
        self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def call(self, do: Callable[[], T]) -> T:
        async def run() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(20)

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
        self.gateway = Gateway(self.settings)
        await self.gateway.start()
        self._ready.set()
        await self._stop.wait()
        await self.gateway.stop()
