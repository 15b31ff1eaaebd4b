"""What a handler and a query see of the chain.

A `Context` stands at one transaction. Its writes and events stay with it until the executor takes them; a refused
transaction is dropped whole. Keys and values are those of the application: another application's state cannot be named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import msgspec

from hnnode.errors import CODES
from hnnode.plugin_api.codec import canonical_json
from hnnode.plugin_api.limits import (
    EVENT_DATA_BYTES_MAX,
    EVENT_ENTITY_BYTES_MAX,
    EVENT_NAME_BYTES_MAX,
    EVENTS_MAX,
    KEY_BYTES_MAX,
    PAGE_LIMIT_MAX,
    SCAN_ROWS_MAX,
    STEPS_MAX,
    VALUE_BYTES_MAX,
    WRITES_MAX,
)
from hnnode.plugin_api.outcome import QueryRefused, TxRefused

if TYPE_CHECKING:
    from hnnode.ports import StateReader

_RULE_VIOLATION = CODES["RULE_VIOLATION"]
_LIMIT_EXCEEDED = CODES["WRITE_LIMIT_EXCEEDED"]

Sender = tuple[str, tuple[str, ...]]
"""(organisation, roles) of a registered account, as of the block before."""


class Reader(Protocol):
    """Anything records can be read from."""

    def get(self, key: bytes, /) -> bytes | None: ...


class TxInfo(Protocol):
    """What is known of a transaction before its state is loaded; given to prefetch hints."""

    tx_id: bytes
    sender: bytes
    height: int
    block_time_ms: int


class StateView(dict[bytes, bytes | None]):
    """Values of one application in one block: fetched together where a transaction declared them, read one by one where
    not, then as the block's transactions left them.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        """`read` gives the value of a key of the application after the block before."""
        super().__init__()
        self._read = read

    def __missing__(self, key: bytes) -> bytes | None:
        if len(key) > KEY_BYTES_MAX:
            raise TxRefused(_LIMIT_EXCEEDED)
        value = self._read(key)
        self[key] = value
        return value


class Context:
    """The transaction that is being handled. One object serves a whole block: it stands at one transaction after the
    other, so a handler does not keep it.

    Attributes: height and block_time_ms of the block, tx_id (32 bytes), sender (account, 20 bytes).
    """

    __slots__ = (
        "_events",
        "_sender_of",
        "_steps",
        "_view",
        "_writes",
        "block_time_ms",
        "height",
        "sender",
        "tx_id",
    )

    def __init__(
        self, height: int, block_time_ms: int, view: StateView, sender_of: Callable[[bytes], Sender]
    ) -> None:
        self.height = height
        self.block_time_ms = block_time_ms
        self._view = view
        self._sender_of = sender_of
        self._begin(b"", b"")

    def _begin(self, tx_id: bytes, sender: bytes) -> None:
        """Stand at the next transaction, with nothing written yet."""
        self.tx_id = tx_id
        self.sender = sender
        self._writes: dict[bytes, bytes | None] = {}
        self._events: list[tuple[str, str, bytes]] = []
        self._steps = 0

    @property
    def organisation(self) -> str:
        """Name under which the sender is registered."""
        return self._sender_of(self.sender)[0]

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the sender, ascending."""
        return self._sender_of(self.sender)[1]

    def get(self, key: bytes, /) -> bytes | None:
        """Value as of this point of the block, or None."""
        self._steps = steps = self._steps + 1
        if steps > STEPS_MAX:
            raise TxRefused(_LIMIT_EXCEEDED)
        writes = self._writes
        if key in writes:
            return writes[key]
        return self._view[key]

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value of at most 64 KiB under a key of at most 256 bytes."""
        if type(key) is not bytes or type(value) is not bytes:
            raise TypeError("keys and values are bytes")
        self._steps = steps = self._steps + 1
        writes = self._writes
        if (
            len(value) > VALUE_BYTES_MAX
            or steps > STEPS_MAX
            or (key not in writes and (len(writes) >= WRITES_MAX or not 0 < len(key) <= KEY_BYTES_MAX))
        ):
            raise TxRefused(_LIMIT_EXCEEDED)
        writes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key; removing an absent one is allowed."""
        if type(key) is not bytes:
            raise TypeError("keys are bytes")
        self._steps = steps = self._steps + 1
        writes = self._writes
        if steps > STEPS_MAX or (
            key not in writes and (len(writes) >= WRITES_MAX or not 0 < len(key) <= KEY_BYTES_MAX)
        ):
            raise TxRefused(_LIMIT_EXCEEDED)
        writes[key] = None

    def emit(self, name: str, entity: str, data: msgspec.Struct | Mapping[str, Any]) -> None:
        """Add an event; `entity` is what it is about, such as a batch id. Data is canonical JSON with sorted keys."""
        self._steps = steps = self._steps + 1
        if steps > STEPS_MAX:
            raise TxRefused(_LIMIT_EXCEEDED)
        if type(name) is not str or type(entity) is not str:
            name, entity = _text(name), _text(entity)
        if not name:
            raise ValueError("an event needs a name")
        encoded = canonical_json(data)
        events = self._events
        if (
            len(events) >= EVENTS_MAX
            or len(encoded) > EVENT_DATA_BYTES_MAX
            or (len(name) if name.isascii() else len(name.encode())) > EVENT_NAME_BYTES_MAX
            or (len(entity) if entity.isascii() else len(entity.encode())) > EVENT_ENTITY_BYTES_MAX
        ):
            raise TxRefused(_LIMIT_EXCEEDED)
        events.append((name, entity, encoded))

    def require(self, rule_id: str, condition: bool) -> None:
        """Refuse the transaction under a registered rule unless the condition holds."""
        if not condition:
            raise TxRefused(_RULE_VIOLATION, rule_id)

    def fail(self, rule_id: str) -> NoReturn:
        """Refuse the transaction under a registered rule."""
        raise TxRefused(_RULE_VIOLATION, rule_id)


def _text(value: object) -> str:
    """Plain text for a value of a type derived from it, such as a member of a StrEnum."""
    if not isinstance(value, str):
        raise TypeError("an event's name and entity are text")
    return str.__str__(value)


class QueryView:
    """Read-only state of one application at one height, with a budget of rows."""

    __slots__ = ("_budget", "_prefix", "_state", "height")

    def __init__(self, state: StateReader, prefix: bytes, rows_max: int = SCAN_ROWS_MAX) -> None:
        self.height = state.height
        self._state = state
        self._prefix = prefix
        self._budget = rows_max

    def get(self, key: bytes, /) -> bytes | None:
        """Value, or None. Raises QueryRefused (QUERY_TOO_BROAD) when the query has read too much."""
        self._spend(1)
        return self._state.get(self._prefix + key)

    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (≤ 200) pairs whose key starts with `prefix` and is greater than `after`, ascending by key."""
        limit = min(limit, PAGE_LIMIT_MAX)
        self._spend(1)
        rows = self._state.scan(self._prefix + prefix, None if after is None else self._prefix + after, limit)
        self._spend(len(rows))
        cut = len(self._prefix)
        return [(key[cut:], value) for key, value in rows]

    def _spend(self, rows: int) -> None:
        self._budget -= rows
        if self._budget < 0:
            raise QueryRefused("QUERY_TOO_BROAD", "the answer needs more rows than one query may read")
