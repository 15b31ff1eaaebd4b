"""httpx under the flows: what differs between the blocking and the asynchronous client is only here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx

from hnnode.client.errors import NodeUnreachable
from hnnode.client.steps import Call, Flow, Reply, Sleep, Step, Work
from hnnode.errors import invariant

T = TypeVar("T")
PREFIX = "/v1"
CONNECT_S = 5.0
STREAM_SILENCE_S = 60.0
"""A stream without a heartbeat for this long is taken for dead."""


class Addresses:
    """The nodes a client may use, in turn: an unreachable one is left for the next."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        self._urls = [url.rstrip("/") for url in ([urls] if isinstance(urls, str) else urls)]
        invariant(bool(self._urls), "client: got no node address")
        self._index = 0

    def url(self, path: str) -> str:
        return self._urls[self._index] + PREFIX + path

    def next(self) -> None:
        self._index = (self._index + 1) % len(self._urls)


def _request(addresses: Addresses, step: Call) -> dict[str, Any]:
    headers = {"Content-Type": step.content_type} if step.content_type else {}
    timeout = httpx.Timeout(step.timeout_s + 1.0, connect=min(CONNECT_S, step.timeout_s + 1.0))
    return {
        "method": step.method,
        "url": addresses.url(step.path),
        "params": dict(step.parameters),
        "content": step.content,
        "headers": headers,
        "timeout": timeout,
    }


def _failed(addresses: Addresses, step: Call, error: httpx.HTTPError | httpx.InvalidURL) -> Reply:
    text = f"{addresses.url(step.path)}: {error or type(error).__name__}"
    addresses.next()
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.InvalidURL)
    return Reply(failure=text, timed_out=isinstance(error, httpx.TimeoutException) and not unsent, sent=not unsent)


def stream_request(addresses: Addresses, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    timeout = httpx.Timeout(CONNECT_S, read=STREAM_SILENCE_S)
    return {"method": "GET", "url": addresses.url(path), "params": dict(parameters), "timeout": timeout}


class BlockingDriver:
    """Runs flows in the calling thread."""

    def __init__(self, addresses: Addresses, transport: httpx.BaseTransport | None) -> None:
        self.addresses = addresses
        self.http = httpx.Client(transport=transport, trust_env=False)

    def run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                step = flow.send(self._do(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def _do(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        if isinstance(step, Work):
            return step.do()
        try:
            answer = self.http.request(**_request(self.addresses, step))
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            return _failed(self.addresses, step, e)
        return Reply(answer.status_code, answer.content)

    @contextmanager
    def stream(self, path: str, parameters: Mapping[str, str]) -> Iterator[httpx.Response]:
        """Raises NodeUnreachable for every failure of the connection."""
        url = self.addresses.url(path)
        try:
            with self.http.stream(**stream_request(self.addresses, path, parameters)) as answer:
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            self.addresses.next()
            raise NodeUnreachable("NODE_UNREACHABLE", f"{url}: {e or type(e).__name__}") from e


class AsyncDriver:
    """Runs flows on an event loop; work that may take long goes to a thread."""

    def __init__(self, addresses: Addresses, transport: httpx.AsyncBaseTransport | None) -> None:
        self.addresses = addresses
        self.http = httpx.AsyncClient(transport=transport, trust_env=False)

    async def run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                step = flow.send(await self._do(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Work):
            return await asyncio.to_thread(step.do)
        try:
            answer = await self.http.request(**_request(self.addresses, step))
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            return _failed(self.addresses, step, e)
        return Reply(answer.status_code, answer.content)

    @asynccontextmanager
    async def stream(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Raises NodeUnreachable for every failure of the connection."""
        url = self.addresses.url(path)
        try:
            async with self.http.stream(**stream_request(self.addresses, path, parameters)) as answer:
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            self.addresses.next()
            raise NodeUnreachable("NODE_UNREACHABLE", f"{url}: {e or type(e).__name__}") from e
