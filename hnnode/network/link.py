"""One connection to a peer on one channel: handshake, then frames both ways, a bounded queue out and a keepalive.

States: HANDSHAKE → OPEN → CLOSED, never back; a new connection is a new Link.

Sending never blocks. Frames of one turn of the loop leave in one `writelines`; while the transport holds enough, they
wait in the queue. A full queue drops: on the bulk channel the new frame (whoever asked may ask again), on the
consensus channel the oldest unsent ones (newer votes are worth more, and the engine repeats itself).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from enum import Enum
from typing import Protocol, cast

from hnnode.config import NetworkConfig
from hnnode.errors import PeerFault
from hnnode.network.counters import Counters
from hnnode.network.framing import HEAD_BYTES, FrameParser
from hnnode.network.handshake import DialerHandshake, ListenerHandshake, refusal
from hnnode.ports import Channel, PeerAddress

PING = 0
"""Frame kind of the keepalive; carries nothing and is not handed on."""
_HEAD = struct.Struct(">IB")
_PING_FRAME = _HEAD.pack(0, PING)
_READ_BYTES = {Channel.CONSENSUS: 64 * 1024, Channel.BULK: 256 * 1024}
_WRITE_BYTES = 512 * 1024
_LINGER_S = 1.0
_IGNORED_BYTES = 4096


class State(Enum):
    HANDSHAKE = 1
    OPEN = 2
    CLOSED = 3


class LinkOwner(Protocol):
    """What a link tells the network; all on the event loop."""

    def link_arrived(self, link: Link) -> bool:
        """Connected, nothing said yet; False cuts it."""

    def link_opened(self, link: Link) -> None: ...
    def link_frames(self, link: Link, frames: list[tuple[int, bytes]]) -> None: ...
    def link_failed(self, link: Link, fault: PeerFault) -> None:
        """The handshake failed."""

    def link_fault(self, link: Link, fault: PeerFault) -> None:
        """An open link broke the protocol and is being cut."""

    def link_closed(self, link: Link) -> None: ...
    def link_dropped(self, link: Link) -> None:
        """A frame was dropped by a full queue."""


class Link(asyncio.BufferedProtocol):
    """See the module. `host` is the other end's address; `peer` is set once the handshake knows it."""

    def __init__(
        self,
        owner: LinkOwner,
        handshake: DialerHandshake | ListenerHandshake,
        config: NetworkConfig,
        counters: Counters,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._owner = owner
        self._handshake = handshake
        self._config = config
        self._counters = counters
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._parser: FrameParser | None = None
        self._hello = bytearray(handshake.wanted)
        self._hello_filled = 0
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._queue_bytes = 0
        self._flush_due = False
        self._paused = False
        self._heard = self._spoke = 0.0
        self.closed: asyncio.Future[None] = loop.create_future()
        self.state = State.HANDSHAKE
        self.host = ""
        self.opened_at = 0.0
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def channel(self) -> Channel:
        return self._handshake.channel

    @property
    def peer(self) -> PeerAddress | None:
        return self._handshake.peer

    @property
    def dialed(self) -> bool:
        return isinstance(self._handshake, DialerHandshake)

    @property
    def queued_bytes(self) -> int:
        """Bytes not yet given to the operating system."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._queue_bytes + waiting

    # ------------------------------------------------------------ sending
    def send(self, kind: int, payload: bytes) -> bool:
        """Queue a frame; False when it was dropped (not open, too large, or the bulk queue is full)."""
        if self.state is not State.OPEN:
            return False
        size = HEAD_BYTES + len(payload)
        if len(payload) > self._config.frame_bytes_max:
            self._counters.frames_oversize += 1
            return False
        room = self._config.queue_bytes_max - self.queued_bytes
        if size > room and not self._make_room(size - room):
            return False
        self._queue.append((_HEAD.pack(len(payload), kind), payload))
        self._queue_bytes += size
        if not self._flush_due and not self._paused:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        return True

    def close(self, code: int = 0) -> None:
        """Cut the connection; before the end of a handshake the other side is told `code` when there is one."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self.state is State.HANDSHAKE and code and not self.dialed:
            transport.write(refusal(code))
            transport.close()
            # A peer that does not read must not keep the connection.
            self._set_timer(_LINGER_S, transport.abort)
        else:
            transport.abort()

    def _make_room(self, missing: int) -> bool:
        if self.channel is Channel.BULK:
            self._drop()
            return False
        while missing > 0 and self._queue:
            head, payload = self._queue.popleft()
            self._queue_bytes -= len(head) + len(payload)
            missing -= len(head) + len(payload)
            self._drop()
        if missing > 0:
            self._drop()
        return missing <= 0

    def _drop(self) -> None:
        self._counters.frames_dropped[self.channel] += 1
        self._owner.link_dropped(self)

    def _flush(self) -> None:
        self._flush_due = False
        transport = self._transport
        if transport is None or self.state is not State.OPEN or transport.is_closing():
            return
        while self._queue and not self._paused:
            parts: list[bytes] = []
            size = count = 0
            while self._queue and size < _WRITE_BYTES:
                head, payload = self._queue.popleft()
                parts.append(head)
                if payload:
                    parts.append(payload)
                size += len(head) + len(payload)
                count += 1
            self._queue_bytes -= size
            self.bytes_out += size
            self._counters.bytes_out += size
            self._counters.frames_out += count
            transport.writelines(parts)
        self._spoke = self._loop.time()

    # ------------------------------------------------------------ transport callbacks
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = made = cast("asyncio.Transport", transport)
        name = made.get_extra_info("peername")
        self.host = str(name[0]) if name else ""
        if not self._owner.link_arrived(self):
            self.state = State.CLOSED
            made.abort()
            return
        sock = made.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # After a partition a new connection is up long before the old one's next retransmission.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._config.idle_ms // 3)
        made.set_write_buffer_limits(high=_WRITE_BYTES)
        self._set_timer(self._config.handshake_ms / 1000, self._handshake_over_time)
        if isinstance(self._handshake, DialerHandshake):
            made.write(self._handshake.hello())

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._parser is not None:
            return self._parser.get_buffer(sizehint)
        if self.state is State.CLOSED:
            # The refusal is still on its way; what comes in is read and ignored.
            return memoryview(bytearray(_IGNORED_BYTES))
        # Exactly what the handshake wants: not one byte of what follows is read before the other side is proven.
        return memoryview(self._hello)[self._hello_filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self.state is State.OPEN and self._parser is not None:
            self._take_frames(self._parser, nbytes)
        elif self.state is State.HANDSHAKE:
            self._hello_filled += nbytes
            if self._hello_filled == len(self._hello):
                self._shake_hands()

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.state is State.HANDSHAKE:
            self._fail(PeerFault("HANDSHAKE_FAILED", "the other side closed the connection"))
        self.state = State.CLOSED
        self._set_timer(0, None)
        self._queue.clear()
        self._queue_bytes = 0
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.link_closed(self)

    # ------------------------------------------------------------ inside
    def _shake_hands(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            answer = self._handshake.receive(bytes(self._hello))
        except PeerFault as fault:
            self._fail(fault)
            # Whoever does not even speak the protocol gets no answer.
            self.close(0 if fault.info.name == "FRAME_MALFORMED" else fault.code)
            self.state = State.CLOSED
            return
        if answer:
            transport.write(answer)
        self._hello = bytearray(self._handshake.wanted)
        self._hello_filled = 0
        if self._handshake.wanted == 0:
            self._open()

    def _open(self) -> None:
        self._parser = FrameParser(self._config.frame_bytes_max, _READ_BYTES[self.channel])
        self.state = State.OPEN
        self.opened_at = self._heard = self._spoke = self._loop.time()
        self._counters.handshakes_done += 1
        self._watch()
        self._owner.link_opened(self)

    def _take_frames(self, parser: FrameParser, nbytes: int) -> None:
        self.bytes_in += nbytes
        self._counters.bytes_in += nbytes
        self._heard = self._loop.time()
        try:
            frames = parser.buffer_updated(nbytes)
        except PeerFault as fault:
            self._owner.link_fault(self, fault)
            self.close()
            return
        if frames:
            self._counters.frames_in += len(frames)
            frames = [frame for frame in frames if frame[0] != PING]
            if frames:
                self._owner.link_frames(self, frames)

    def _watch(self) -> None:
        """Keepalive: speak when silent for a third of `idle_ms`, give up when nothing was heard for all of it."""
        idle = self._config.idle_ms / 1000
        now = self._loop.time()
        if now - self._heard > idle:
            self.close()
            return
        if now - self._spoke >= idle / 3 and self._transport is not None and not self._paused:
            self._transport.write(_PING_FRAME)
            self._counters.bytes_out += HEAD_BYTES
            self._spoke = now
        self._set_timer(idle / 3, self._watch)

    def _handshake_over_time(self) -> None:
        if self.state is State.HANDSHAKE:
            self._fail(PeerFault("TIMEOUT", f"no handshake within {self._config.handshake_ms} ms"))
            self.state = State.CLOSED
            self.close()

    def _fail(self, fault: PeerFault) -> None:
        self._counters.handshake_failures[fault.code] += 1
        self._owner.link_failed(self, fault)

    def _set_timer(self, delay_s: float, call: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, call) if callable(call) else None
