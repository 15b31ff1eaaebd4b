"""One keep-alive connection to a node: requests written by hand, answers parsed by httptools and read as they arrive.

One exchange at a time. A connection is used again only when its answer was read to the end; anything else closes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import httptools

BUFFER_BYTES_MAX = 256 * 1024
"""Of an answer whose reader is slower than the node: above it nothing more is read from the socket."""
HEAD_BYTES_MAX = 64 * 1024
SILENCE_S_MAX = 60.0
"""Between two pieces of an answer; event streams send something every 15 s."""


class Lost(Exception):
    """No answer, or not all of it.

    `sent`: the request may have reached the node. `slow`: it is only late. `is_down`: no connection can be made.
    """

    def __init__(self, text: str, *, sent: bool, slow: bool = False, is_down: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.slow = slow
        self.is_down = is_down


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to a node. `headers` without `Host`, `Content-Length` and what belongs to a connection."""

    method: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""

    def encode(self, host: bytes) -> bytes:
        lines = [b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (self.method.encode("ascii"), self.target, host)]
        lines += [b"%s: %s\r\n" % header for header in self.headers]
        if self.body or self.method not in ("GET", "HEAD"):
            lines.append(b"content-length: %d\r\n" % len(self.body))
        return b"".join([*lines, b"\r\n", self.body])


class Reply:
    """An answer whose head is here; `part` gives the body piece by piece."""

    def __init__(self, wire: Wire) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._wire = wire
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._is_whole = False
        self._failure: Lost | None = None
        self._moved: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes:
        return next((value for found, value in self.headers if found == name), b"")

    @property
    def is_whole(self) -> bool:
        """Whether `part` will not wait any more."""
        return self._is_whole

    async def part(self) -> bytes:
        """The next piece, empty behind the last. Raises Lost when the connection breaks or is silent for too long."""
        while not self._parts:
            if self._is_whole:
                return b""
            if self._failure is not None:
                raise self._failure
            self._moved = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(SILENCE_S_MAX):
                    await self._moved
            except TimeoutError as e:
                self.abandon()
                raise Lost(f"silent for {SILENCE_S_MAX:.0f} s in the middle of an answer", sent=True, slow=True) from e
        parts = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
        self._parts.clear()
        self._size = 0
        self._wire.resume()
        return parts

    async def body(self, bytes_max: int) -> bytes:
        """All of it. Raises Lost, also for more than `bytes_max` bytes."""
        parts: list[bytes] = []
        size = 0
        while part := await self.part():
            size += len(part)
            if size > bytes_max:
                self.abandon()
                raise Lost(f"the answer has more than {bytes_max} bytes", sent=True)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abandon(self) -> None:
        """Nobody reads the rest: its connection is of no more use."""
        if not self._is_whole:
            self._wire.close()

    # -------------------------------------------------------------- from the wire
    def put(self, part: bytes) -> bool:
        """False when no more should be read for now."""
        self._parts.append(part)
        self._size += len(part)
        self._wake()
        return self._size < BUFFER_BYTES_MAX

    def end(self, failure: Lost | None) -> None:
        if self._is_whole or self._failure is not None:
            return
        self._is_whole, self._failure = failure is None, failure
        self._wake()

    def _wake(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)


class Wire(asyncio.Protocol):
    """The connection. `on_free` is called with it when it may be used again."""

    def __init__(self, on_free: Callable[[Wire], None], on_lost: Callable[[Wire], None]) -> None:
        self.used_count = 0
        self.idle_since = 0.0
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._head: asyncio.Future[Reply] | None = None
        self._head_bytes = 0
        self._is_head_request = False
        self._is_interim = False
        self.heard = False
        """Whether anything of the answer in progress has come."""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, data: bytes, *, is_head_request: bool, timeout_s: float) -> Reply:
        """Send a whole request and wait for the head of its answer. Raises Lost."""
        if self._transport is None or self._transport.is_closing():
            raise Lost("the connection is closed", sent=False)
        self.used_count += 1
        self.heard = False
        self._is_head_request = is_head_request
        self._reply = Reply(self)
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._head
        except TimeoutError as e:
            self.close()
            raise Lost(f"no answer in {timeout_s:.0f} s", sent=True, slow=True) from e
        except asyncio.CancelledError:
            self.close()
            raise

    def resume(self) -> None:
        if self.is_open:
            cast(asyncio.Transport, self._transport).resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._on_lost(self)

    # -------------------------------------------------------------- asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if self._reply is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            self._fail(f"the answer is not HTTP: {e}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(f"the connection was closed{f': {exc}' if exc else ''}")
        self._on_lost(self)

    def _fail(self, text: str) -> None:
        failure = Lost(text, sent=True)
        reply, self._reply = self._reply, None
        head, self._head = self._head, None
        if head is not None and not head.done():
            head.set_exception(failure)
        elif reply is not None:
            reply.end(failure)
        self.close()

    # -------------------------------------------------------------- httptools
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError(f"more than {HEAD_BYTES_MAX} bytes of head")
        if self._reply is not None:
            self._reply.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        reply, status = self._reply, self._parser.get_status_code()
        if reply is None:
            return
        self._is_interim = status < 200
        if self._is_interim:
            reply.headers.clear()
            return
        reply.status = status
        if self._head is not None and not self._head.done():
            self._head.set_result(reply)
        self._head = None
        if self._is_head_request:
            # The parser does not know that no body follows.
            self._reply = None
            reply.end(None)
            self.close()

    def on_body(self, body: bytes) -> None:
        if self._reply is not None and not self._reply.put(body) and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
            return
        reply, self._reply = self._reply, None
        if reply is None:
            return
        keep_alive = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        reply.end(None)
        if keep_alive and self.is_open:
            self.resume()
            self._on_free(self)
        else:
            self.close()
