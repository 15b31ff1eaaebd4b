"""The smallest HTTP/1.1 client that keeps a connection busy: bytes written by hand, answers parsed by httptools.

A load generator must cost little beside what it measures; one request is in flight on a connection at a time.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from hnnode.errors import Unavailable, invariant

ANSWER_BYTES_MAX = 16 * 1024 * 1024
PROBLEM_BYTES_MAX = 4_096
_RETRY_AFTER_MS = re.compile(rb'"retry_after_ms":([0-9]{1,9})[,}]')


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def retry_after_s(self) -> float:
        """When to come again: the milliseconds of the problem in the body, as the client library reads them, else `Retry-After`; 0.1 when
        neither is there."""
        found = _RETRY_AFTER_MS.search(self.body, 0, PROBLEM_BYTES_MAX)
        if found is not None:
            return int(found.group(1)) / 1000
        try:
            return max(0.0, float(self.headers.get(b"retry-after", b"0.1")))
        except ValueError:
            return 0.1


class _Receiver(asyncio.Protocol):
    """Parses answers of one connection; `answer` is the future of the request in flight."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own does not derive from it

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as e:
            self._fail(f"malformed answer: {e}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection closed{f': {exc}' if exc else ''}")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > ANSWER_BYTES_MAX:
            self._fail(f"answer is longer than {ANSWER_BYTES_MAX} bytes")
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._parts))
        self._headers, self._parts, self._size = {}, [], 0
        self._parser = httptools.HttpResponseParser(self)
        waiting, self.answer = self.answer, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, reason: str) -> None:
        waiting, self.answer = self.answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(Unavailable("NODE_UNREACHABLE", reason))
        if self.transport is not None:
            self.transport.close()
            self.transport = None


class Connection:
    """One keep-alive connection to a node; reconnects on the next request after a failure."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 80
        self._receiver: _Receiver | None = None

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "",
        timeout_s: float = 30.0,
        accept: str = "",
    ) -> Answer:
        """Raises Unavailable 9004 when the connection fails, 9005 when no answer came in time (the request may have
        been served).
        """
        receiver = await self._connected()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Answer] = loop.create_future()
        receiver.answer = waiting
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Length: {len(body)}\r\n"
        if content_type:
            head += f"Content-Type: {content_type}\r\n"
        if accept:
            head += f"Accept: {accept}\r\n"
        invariant(receiver.transport is not None, "a connected receiver has a transport")
        cast(asyncio.Transport, receiver.transport).write(head.encode("ascii") + b"\r\n" + body)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting
        except TimeoutError as e:
            self.close()
            raise Unavailable("TIMEOUT", f"{method} {path}: no answer in {timeout_s:.0f} s") from e

    async def _connected(self) -> _Receiver:
        if self._receiver is None or self._receiver.transport is None or self._receiver.transport.is_closing():
            try:
                _, self._receiver = await asyncio.get_running_loop().create_connection(_Receiver, self.host, self.port)
            except OSError as e:
                raise Unavailable("NODE_UNREACHABLE", f"{self.host}:{self.port}: {e.strerror or e}") from e
        return self._receiver

    def close(self) -> None:
        if self._receiver is not None and self._receiver.transport is not None:
            self._receiver.transport.close()
        self._receiver = None
