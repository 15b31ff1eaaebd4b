"""State as a plugin's process reads it: each question a frame to the node, each answer one back.

Keys travel without the application's prefix, so the node adds its own and no other application can be named by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.frames import FrameError, Frames, Kind
from hnnode.plugin_api.context import Sender
from hnnode.plugin_api.outcome import ReadFailed


def fetch(frames: Frames, keys: Sequence[bytes]) -> m.Values:
    """Values of many keys in one question. Raises: FrameError."""
    frames.send(Kind.KEYS, m.encode(keys))
    kind, body = frames.receive()
    if kind != Kind.VALUES:
        raise FrameError(f"frame: got kind {kind}, want values")
    return m.decode_values(body)  # type: ignore[no-any-return]


class ChildReader:
    """`BlockReader` over the socket; the senders of the block are known already."""

    def __init__(self, frames: Frames, senders: dict[bytes, Sender]) -> None:
        self._frames = frames
        self._senders = senders
        self.failed: ReadFailed | None = None

    def get(self, key: bytes, /) -> bytes | None:
        return m.decode_value(self._ask(Kind.GET, key, Kind.VALUE))  # type: ignore[no-any-return]

    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
        asked = m.encode(m.Scan(prefix, after, limit))
        return m.decode_rows(self._ask(Kind.SCAN, asked, Kind.ROWS))  # type: ignore[no-any-return]

    def foreign(self, application: str, key: bytes, /) -> bytes | None:
        asked = m.encode(m.Foreign(application, key))
        return m.decode_value(self._ask(Kind.FOREIGN, asked, Kind.VALUE))  # type: ignore[no-any-return]

    def sender(self, account: bytes, /) -> Sender:
        known = self._senders.get(account)
        if known is None:
            known = self._senders[account] = m.decode_sender(self._ask(Kind.WHO, account, Kind.SENDER))
        return known

    def _ask(self, kind: Kind, body: bytes, want: Kind) -> bytes:
        try:
            self._frames.send(kind, body)
            got, answer = self._frames.receive()
            if got != want:
                raise FrameError(f"frame: got kind {got}, want {want}")
        except FrameError as e:  # no handler may take this for an answer
            self.failed = ReadFailed(e)
            raise self.failed from e
        return answer


class ChildState:
    """What a `QueryView` needs of `ports.StateReader`, over the socket."""

    def __init__(self, frames: Frames, height: int, prefix: bytes) -> None:
        self.height = height
        self._prefix = prefix
        self._reader = ChildReader(frames, {})

    def get(self, key: bytes) -> bytes | None:
        if key.startswith(self._prefix):
            return self._reader.get(key[len(self._prefix) :])
        end = 1 + key[0]
        return self._reader.foreign(key[1:end].decode("ascii"), key[end:])

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        cut = len(self._prefix)
        rows = self._reader.scan(prefix[cut:], None if after is None else after[cut:], limit)
        return [(self._prefix + key, value) for key, value in rows]

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(page_ids)
