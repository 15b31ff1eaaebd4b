"""Server-sent events: one bounded buffer a consumer, a heartbeat, and a plain notice for one that falls behind.

Flow: feed → pump → buffer of at most `buffer_bytes_max` → sender → socket. While the consumer reads, the pump waits
for room, so a long replay is paced by the consumer. When nothing leaves for `stall_ms`, the stream ends with an
event `lagging` behind what is buffered; nothing is lost, the consumer resumes by the cursor it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hnnode.errors import Unavailable
from hnnode.gateway.answer import embedded, time_text
from hnnode.ports import ChainEvent
from hnnode.primitives.position import format_position

HEARTBEAT = b": heartbeat\n\n"
MEDIA_TYPE = "text/event-stream"
PIECE_BYTES = 16 * 1024
STOP_S_MAX = 1.0
"""How long a stream may still send what it holds when the gateway stops."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    heartbeat_ms: int = 15_000
    stall_ms: int = 10_000
    buffer_bytes_max: int = 256 * 1024


class Streams:
    """Counts open streams and ends them all when the gateway stops."""

    def __init__(self, streams_max: int, limits: StreamLimits) -> None:
        self.limits = limits
        self.stopping = asyncio.Event()
        self._streams_max = streams_max
        self.open = 0

    def enter(self) -> None:
        """Take a place. Raises Unavailable 1012 when all are taken, 9007 when the gateway stops."""
        if self.stopping.is_set():
            raise Unavailable("NOT_READY", "the node is stopping", retry_after_ms=5_000)
        if self.open >= self._streams_max:
            raise Unavailable("TOO_MANY_REQUESTS", f"got more than {self._streams_max} streams", retry_after_ms=5_000)
        self.open += 1

    def leave(self) -> None:
        self.open -= 1

    def stop(self) -> None:
        self.stopping.set()


def event_cursor(event: ChainEvent) -> str:
    return format_position(event.cursor.height, event.cursor.tx_index, event.cursor.event_index)


def event_json(event: ChainEvent) -> dict[str, Any]:
    """The envelope of an event, the same on every wire."""
    return {
        "cursor": event_cursor(event),
        "height": event.cursor.height,
        "tx_index": event.cursor.tx_index,
        "event_index": event.cursor.event_index,
        "block_time": time_text(event.time_ms),
        "tx_id": event.tx_id.hex(),
        "application": event.application,
        "name": event.name,
        "entity": event.entity,
        **embedded(event.data, "payload"),
    }


def encode_event(event: ChainEvent) -> bytes:
    """One SSE message. A name that could forge fields of the stream stands in the data only."""
    name = event.name if event.name.isprintable() else "event"
    lines = b"\ndata: ".join(orjson.dumps(event_json(event)).splitlines())
    return f"id: {event_cursor(event)}\nevent: {name}\n".encode() + b"data: " + lines + b"\n\n"


class EventStream(Response):
    """The response of `GET /events`. Raises Unavailable (see `Streams.enter`) before anything is sent."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterator[ChainEvent], streams: Streams, cursor: str) -> None:
        # A stream that ended has nothing to follow it: the consumer reconnects.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"})
        del self.headers["content-length"]
        self._events = events
        self._streams = streams
        self._limits = streams.limits
        self._cursor = cursor
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lagging = False
        self._ended = False
        self._filled = asyncio.Event()
        self._moved = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.enter()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            pump = asyncio.create_task(self._pump())
            sender = asyncio.create_task(self._send(send))
            stop = asyncio.create_task(self._streams.stopping.wait())
            abandoned = asyncio.create_task(self._stalled(pump))
            watch = asyncio.create_task(_disconnected(receive))
            tasks = (pump, sender, stop, abandoned, watch)
            try:
                await asyncio.wait((sender, stop, abandoned, watch), return_when=asyncio.FIRST_COMPLETED)
                if stop.done() and not sender.done():
                    self._end()
                    await asyncio.wait((sender,), timeout=STOP_S_MAX)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in (pump, sender):
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        finally:
            self._streams.leave()

    async def _pump(self) -> None:
        """Feed → buffer. Ends when the feed ends, fails, or the consumer has not taken anything for `stall_ms`."""
        try:
            async for event in self._events:
                chunk = encode_event(event)
                if not await self._room(len(chunk)):
                    self._lagging = True
                    return
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._cursor = event_cursor(event)
                self._filled.set()
        finally:
            self._end()
            if isinstance(self._events, AsyncGenerator):
                await self._events.aclose()

    async def _room(self, size: int) -> bool:
        """Wait until `size` more bytes fit into the buffer; False when nothing left it for `stall_ms`."""
        while self._chunks and self._size + size > self._limits.buffer_bytes_max:
            self._moved.clear()
            try:
                async with asyncio.timeout(self._limits.stall_ms / 1000):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    async def _stalled(self, pump: asyncio.Task[None]) -> None:
        """Returns when a consumer that was found lagging takes nothing for another `stall_ms`."""
        await asyncio.wait((pump,))
        if not self._lagging:
            await asyncio.Event().wait()
        while True:
            self._moved.clear()
            try:
                async with asyncio.timeout(self._limits.stall_ms / 1000):
                    await self._moved.wait()
            except TimeoutError:
                return

    def _end(self) -> None:
        self._ended = True
        self._filled.set()

    async def _send(self, send: Send) -> None:
        """Buffer → socket, in pieces small enough that each one sent shows progress."""
        while self._chunks or not self._ended:
            if not self._chunks:
                self._filled.clear()
                try:
                    async with asyncio.timeout(self._limits.heartbeat_ms / 1000):
                        await self._filled.wait()
                except TimeoutError:
                    await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
                continue
            piece: list[bytes] = []
            size = 0
            while self._chunks and size < PIECE_BYTES:
                chunk = self._chunks.popleft()
                size += len(chunk)
                piece.append(chunk)
            self._size -= size
            await send({"type": "http.response.body", "body": b"".join(piece), "more_body": True})
            self._moved.set()
        if self._lagging:
            notice = f'event: lagging\ndata: {{"after":"{self._cursor}"}}\n\n'
            await send({"type": "http.response.body", "body": notice.encode("ascii"), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
