"""Server-sent events off the wire, and the state of a subscription that survives reconnects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from hnnode.client.errors import ApiError, NodeUnreachable
from hnnode.client.records import Event
from hnnode.client.steps import Deadline, backoff_s

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_EVENT = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True)
class Message:
    event: str
    data: bytes


class SseParser:
    """Bytes in, messages out; comments (heartbeats) vanish. Raises NodeUnreachable when a message has no end."""

    def __init__(self) -> None:
        self._rest = b""
        self._event = ""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Message]:
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) > MESSAGE_BYTES_MAX:
            raise NodeUnreachable("NODE_UNREACHABLE", f"event stream: a line over {MESSAGE_BYTES_MAX} bytes")
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield Message(self._event, b"\n".join(self._data))
                self._event, self._data = "", []
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                self._event = value.decode("utf-8", "replace")
            elif name == b"data":
                self._data.append(value)


class Subscription:
    """Where a consumer stands: the cursor to resume behind, filters, failed attempts in a row."""

    def __init__(self, after: str | None, application: str | None, name: str | None, first_s_max: float) -> None:
        """first_s_max: an address that never answered for this long is given up; later outages are waited out."""
        self.cursor = after
        self._filters = {"application": application, "name": name}
        self._attempt = 0
        self._give_up: Deadline | None = Deadline.after(first_s_max)

    def parameters(self) -> dict[str, str]:
        given = {**self._filters, "after": self.cursor}
        return {name: value for name, value in given.items() if value is not None}

    def opened(self) -> None:
        self._give_up = None

    def take(self, message: Message) -> Event | None:
        """The event of a message; None for a notice. Raises NodeUnreachable when it is none of a node's."""
        if message.event == "lagging":
            return None
        try:
            event = _EVENT.decode(message.data)
        except msgspec.DecodeError as e:
            raise NodeUnreachable("NODE_UNREACHABLE", f"event stream: {e}") from e
        self._attempt = 0
        return event

    def pause(self, error: ApiError | None) -> float:
        """Seconds before the next attempt, growing while nothing arrives. Raises `error` when it is time to give up."""
        if error is not None and self._give_up is not None and self._give_up.left() <= 0:
            raise error
        self._attempt += 1
        return backoff_s(self._attempt, error.retry_after_ms if error is not None else None)
