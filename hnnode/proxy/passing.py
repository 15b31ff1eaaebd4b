"""Everything but submits: to the node and back, the answer as it arrives and never more than a buffer of it held."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from hnnode.errors import Unavailable
from hnnode.gateway.body import read_body
from hnnode.proxy.metrics import GatewayMetrics
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.wire import Lost, Reply, Request

MARGIN_S = 10.0
"""Beside the longest wait that a node offers."""
ATTEMPTS_MAX = 3
OF_A_CONNECTION = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"host",
        b"expect",
        b"content-length",
        b"date",
    )
)
"""Headers that are not passed on: they belong to one connection, or each side writes its own."""


class Passing:
    """An ASGI application.

    Raises Unavailable 9004 when no node can be reached, 1012 when too many requests wait, 9005 without an answer."""

    def __init__(self, nodes: Nodes, metrics: GatewayMetrics) -> None:
        self._nodes = nodes
        self._metrics = metrics
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End what would go on by itself: streams."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        if any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
            body = await read_body(scope, receive, self._nodes.config.batch_body_bytes_max)
        reply = await self._ask(_request(scope, body))
        self._metrics.passed.labels(str(reply.status)).inc()
        headers = [(name, value) for name, value in reply.headers if name not in OF_A_CONNECTION]
        length = reply.header(b"content-length")
        if length:
            headers.append((b"content-length", length))
        elif not reply.is_whole:
            # A stream that breaks off here must break off there: its end is the end of the connection.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if scope["method"] == "HEAD" or reply.is_whole:
            await send({"type": "http.response.body", "body": await _rest(reply)})
            return
        await self._stream(reply, receive, send)

    async def _ask(self, request: Request) -> Reply:
        """An answer whose head is here. No call that comes here changes anything, so each may be asked again."""
        error: Lost | None = None
        for _ in range(ATTEMPTS_MAX):
            node = self._nodes.best()
            if node is None:
                break
            try:
                return await self._nodes.exchange(node, request, self._nodes.config.wait_ms_max / 1000 + MARGIN_S)
            except Lost as e:
                error = e
                if e.slow:
                    break
        if error is not None and error.sent and self._nodes.best() is not None:
            raise Unavailable("TIMEOUT", str(error))
        raise self._nodes.unreachable()

    async def _stream(self, reply: Reply, receive: Receive, send: Send) -> None:
        left = asyncio.create_task(_disconnected(receive))
        stopping = asyncio.create_task(self._stopping.wait())
        part: asyncio.Task[bytes] | None = None
        try:
            while True:
                part = asyncio.create_task(reply.part())
                await asyncio.wait((part, left, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not part.done():
                    if stopping.done() and not left.done() and not reply.header(b"content-length"):
                        await send({"type": "http.response.body", "body": b""})
                    return
                data = part.result()
                await send({"type": "http.response.body", "body": data, "more_body": bool(data)})
                if not data:
                    return
        except Lost:
            return  # the server closes a connection whose answer is not whole: the client learns that it is not
        finally:
            reply.abandon()
            for task in (left, stopping, part):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(t for t in (left, stopping, part) if t is not None), return_exceptions=True)


def _request(scope: Scope, body: bytes) -> Request:
    query = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    headers = [(name, value) for name, value in scope["headers"] if name not in OF_A_CONNECTION]
    return Request(scope["method"], target, headers, body)


async def _rest(reply: Reply) -> bytes:
    parts: list[bytes] = []
    while part := await reply.part():
        parts.append(part)
    return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
