"""The HTTP connection: limits that uvicorn leaves open (how many, how slow, how long a head may be) and the short way for plain submits.

Built on uvicorn's httptools protocol (pinned exactly); the tests hold the methods used here.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hnnode.gateway.raw_submit import MANY, TARGETS, RawSubmit, door_of
from hnnode.gateway.submit import source_of

CONNECTIONS_MAX = 4_096
HEAD_S_MAX = 10.0
HEAD_BYTES_MAX = 32 * 1024
EARLY = 0.5
"""Of the time that was told: who comes before it does not wait. A client of several connections may have been told a shorter time on
another one."""
EARLY_MAX = 2
"""So often in a row a connection may come too early before it is stopped."""
AT_ONCE_S = 0.05
"""A request that comes so soon after its connection is read again was there before."""


class HeadTooLong(Exception):
    """Raised inside the parser's callback; uvicorn answers 400 and closes."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection that must send a whole request head within HEAD_S_MAX and HEAD_BYTES_MAX."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True
        self._quiet_since = 0.0
        self.source = ""
        self._raw: RawSubmit | None = None
        self._door = door_of(self.config.app)
        self._headers_of: list[tuple[bytes, bytes]] | None = None
        self._headers_text = b""
        self._early_until_s = 0.0
        self._early_count = 0
        self._is_stopped = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= CONNECTIONS_MAX:
            transport.abort()
            return
        super().connection_made(transport)
        self.source = source_of(self.client)
        self._head_timer = self.loop.call_later(HEAD_S_MAX, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._door is not None:
            self._door.turnstile.forget(self)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Nearly every head and body comes in one piece: only what does not is worth a timer.
        if self._in_head:
            if self._head_timer is None and self._head_bytes:
                self._head_timer = self.loop.call_later(HEAD_S_MAX, self.transport.abort)
        elif self._raw is not None and self._raw.more_body:
            self._raw.watch()

    # -------------------------------------------------------------- head
    def on_message_begin(self) -> None:
        # What the application needs of a request beside these is made when it is known to go there.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        self._raw = self._raw_submit()
        if self._raw is None:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += headers
            super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HeadTooLong(f"got more than {HEAD_BYTES_MAX} bytes of request head")

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    # -------------------------------------------------------------- keep-alive
    def _unset_keepalive_if_required(self) -> None:
        """Called for every piece of data: the one timer goes on and looks, when it fires, how long the connection was quiet."""

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._await_quiet(self.timeout_keep_alive)

    def _await_quiet(self, delay_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(delay_s, self._end_when_quiet)

    def _end_when_quiet(self) -> None:
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # its response starts the timer again
        left_s = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._await_quiet(left_s)
        else:
            self.timeout_keep_alive_handler()

    # -------------------------------------------------------------- plain submits
    def _raw_submit(self) -> RawSubmit | None:
        """The short way, when this request may take it; it then stands where uvicorn keeps the open cycle."""
        door = self._door
        path = TARGETS.get(self.url)
        if door is None or path is None or self.parser.get_method() != b"POST":
            return None
        found = RawSubmit.read_head(self.headers)
        config = door.config
        if found is None or found[0] > (config.batch_body_bytes_max if path == MANY else config.body_bytes_max):
            return None
        door.turnstile.came(self)
        keep_alive = self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
        request = RawSubmit(self, door, path, found[0], codes_wanted=found[1], keep_alive=keep_alive)
        before = self.cycle
        self.cycle = cast(Any, request)
        if before is None or before.response_complete:
            request.begin()
        else:
            # As uvicorn does with pipelined requests; it starts them through `run_asgi`.
            self.flow.pause_reading()
            self.pipeline.appendleft((cast(Any, request), self.app))
        return request

    def on_body(self, body: bytes) -> None:
        if self._raw is None:
            super().on_body(body)
        else:
            self._raw.take(body)

    def on_message_complete(self) -> None:
        if self._raw is None:
            super().on_message_complete()
        else:
            self._raw.finish()

    def on_refused(self, size: int, retry_after_ms: int) -> None:
        """It is told when to come again; when it does not wait again and again, it is not read until there is room."""
        now = self.loop.time()
        self._early_count = self._early_count + 1 if now < self._early_until_s else 0
        self._early_until_s = now + EARLY * retry_after_ms / 1000
        if self._early_count < EARLY_MAX or self.pipeline or self.transport.is_closing():
            return
        if self._door is not None:
            self._is_stopped = True
            self.flow.pause_reading()
            self._door.turnstile.stop(self, size)

    def go_on(self) -> None:
        self._is_stopped = False
        self._early_until_s = self.loop.time() + AT_ONCE_S
        self.flow.resume_reading()

    def common_headers(self) -> bytes:
        """The server's default headers as text; uvicorn makes a new list of them once a second."""
        headers = self.server_state.default_headers
        if headers is not self._headers_of:
            self._headers_of = headers
            self._headers_text = b"".join(b"%s: %s\r\n" % header for header in headers)
        return self._headers_text
