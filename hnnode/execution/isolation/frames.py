"""Frames between the node and a plugin's process: `u8 kind ‖ u32 length ‖ body`, over one local socket, strictly by
turns: who sends waits for the answer.

Nobody trusts a length: a frame above the bound is refused before room is made for it.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from enum import IntEnum

HEAD = struct.Struct(">BI")
_TIMEVAL = struct.Struct("ll")
WAIT_MS = 100
"""How often a waiting side looks whether it should go on waiting."""
SHORT_BYTES = 16 * 1024
"""What is taken at once before the length is known."""


class FrameError(Exception):
    """The other side is gone, or sent what is no frame."""


class Kind(IntEnum):
    """From the node: LOAD, BLOCK, VALUES, QUERIES, MIGRATE and answers. From the plugin: the rest."""

    LOAD = 1
    BLOCK = 2
    VALUES = 3
    QUERIES = 4
    VALUE = 5
    ROWS = 6
    SENDER = 7
    MIGRATE = 8
    DESCRIPTION = 20
    REFUSED = 21
    KEYS = 22
    RESULTS = 23
    ANSWER = 24
    ANSWER_REFUSED = 25
    FAULT = 26
    MOVED = 27
    AT = 28
    GET = 40
    SCAN = 41
    FOREIGN = 42
    WHO = 43


class Frames:
    """One end of the socket.

    Args:
        receive_bytes_max: longest body that is taken.
        patience: called every `WAIT_MS` of waiting and of what is received; raises to give up. Without it, waiting has no end.
    """

    def __init__(self, end: socket.socket, receive_bytes_max: int, patience: Callable[[], None] | None = None) -> None:
        self._socket = end
        self._receive_bytes_max = receive_bytes_max
        self._patience = patience
        self._look_at = 0.0
        self._behind = b""
        self.sent = 0
        """Frames, for whoever measures."""
        if patience is not None:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                end.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(0, WAIT_MS * 1000))

    def send(self, kind: int, body: bytes) -> None:
        """Raises: FrameError; what `patience` raises."""
        head = HEAD.pack(kind, len(body))
        self.sent += 1
        if len(body) < 1 << 16:
            self._send(head + body)
        else:
            self._send(head)
            self._send(body)

    def receive(self) -> tuple[int, bytes]:
        """Raises: FrameError; what `patience` raises."""
        data = self._behind
        while len(data) < HEAD.size:
            data += self._more()
        kind, size = HEAD.unpack_from(data)
        if size > self._receive_bytes_max:
            raise FrameError(f"frame: got {size} bytes, want ≤ {self._receive_bytes_max}")
        end = HEAD.size + size
        if len(data) < end:
            self._behind = b""
            return kind, self._take(data[HEAD.size :], size)
        self._behind = data[end:]
        return kind, data[HEAD.size : end]

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                self._wait()
            except OSError as e:
                raise FrameError(f"sending: {e}") from e

    def _more(self) -> bytes:
        """What has arrived of a frame, and of one behind it: a short one comes with its head in one call."""
        while True:
            try:
                data = self._socket.recv(SHORT_BYTES)
            except BlockingIOError:
                self._wait()
                continue
            except OSError as e:
                raise FrameError(f"receiving: {e}") from e
            self._received(len(data))
            return data

    def _take(self, begun: bytes, size: int) -> bytes:
        """The rest of a body that has begun."""
        room = bytearray(max(len(begun), min(size, 1 << 20)))
        filled = len(begun)
        room[:filled] = begun
        while filled < size:
            if filled == len(room):  # grows with what arrives, not with what was announced
                room.extend(bytes(min(len(room), size - filled)))
            try:
                count = self._socket.recv_into(memoryview(room)[filled:])
            except BlockingIOError:
                self._wait()
                continue
            except OSError as e:
                raise FrameError(f"receiving: {e}") from e
            self._received(count)
            filled += count
        return bytes(room)

    def _received(self, count: int) -> None:
        if self._patience is not None and time.monotonic() >= self._look_at:
            self._wait()  # who asks without end moves something all the time
        if count == 0:
            raise FrameError("the other side closed")

    def _wait(self) -> None:
        """`WAIT_MS` are over."""
        if self._patience is not None:
            self._look_at = time.monotonic() + WAIT_MS / 1000
            self._patience()
