"""State as a plugin's process reads it: each question a frame to the node, each answer one back.

Keys travel without the application's prefix, so the node adds its own and no other application can be named by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.frames import FrameError, Frames, Kind
from hnnode.plugin_api.context import Sender
from hnnode.plugin_api.outcome import ReadFailed

KEPT_BYTES_MAX = 4 * 1024 * 1024
"""Rows that one query asked for and that are there when it asks again."""


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
    """What a `QueryView` needs of `ports.StateReader`: rows that came with the query or were asked before, others over the
    socket."""

    def __init__(self, frames: Frames, query: m.Query, prefix: bytes) -> None:
        self.height = query.height
        self._frames = frames
        self._prefix = prefix
        self._reader = ChildReader(frames, {})
        self._query = query
        self._rows = dict(query.rows)
        self._scans = {(start, limit): rows for start, limit, rows in query.scans} if query.scans else {}
        self._used: set[bytes] = set()
        self._scans_used: set[tuple[bytes, int]] = set()
        self._room = KEPT_BYTES_MAX

    def used(self) -> bytes:
        """Which of the rows and scans that came with the query were asked for; as `messages.Answer`."""
        rows, scans = self._query.rows, self._query.scans
        used = bytes([key in self._used for key, _ in rows])
        return used + bytes([(start, limit) in self._scans_used for start, limit, _ in scans]) if scans else used

    def get(self, key: bytes) -> bytes | None:
        if key in self._rows:
            self._used.add(key)
            return self._rows[key]
        if key.startswith(self._prefix):
            value = self._reader.get(key[len(self._prefix) :])
        else:
            end = 1 + key[0]
            value = self._reader.foreign(key[1:end].decode("ascii"), key[end:])
        self._keep(key, value)
        return value

    def _keep(self, key: bytes, value: bytes | None) -> None:
        size = len(key) + (0 if value is None else len(value))
        if size <= self._room:
            self._room -= size
            self._rows[key] = value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        cut, rows = len(self._prefix), self._rows
        wanted = [key for key in dict.fromkeys(keys) if key not in rows and key.startswith(self._prefix)]
        found = {}
        if len(wanted) > 1:
            try:
                values = fetch(self._frames, [key[cut:] for key in wanted]).values
            except FrameError as e:
                raise ReadFailed(e) from e
            found = dict(zip(wanted, values, strict=False))  # what had no room is asked for
            for key, value in found.items():
                self._keep(key, value)
        return [found[key] if key in found else self.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        if after is None and (known := self._scans.get((prefix, limit))) is not None:
            self._scans_used.add((prefix, limit))
            return known.copy()
        cut = len(self._prefix)
        rows = self._reader.scan(prefix[cut:], None if after is None else after[cut:], limit)
        return [(self._prefix + key, value) for key, value in rows]

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(page_ids)
