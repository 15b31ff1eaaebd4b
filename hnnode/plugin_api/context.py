"""What a handler and a query see of the chain.

A `Context` is the compiled core's: it stands at one transaction of a block after the other, keeps the writes and events
of each, and packs what succeeded; a refused transaction is dropped whole. Keys and values are those of the application:
another application's state cannot be named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hnnode_native import TxContext as Context

from hnnode.plugin_api.codec import canonical_json, encode_sorted
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

__all__ = ["Context", "QueryView", "Reader", "Sender", "TxInfo", "make_context"]

_LIMITS = {
    "steps": STEPS_MAX,
    "writes": WRITES_MAX,
    "key_bytes": KEY_BYTES_MAX,
    "value_bytes": VALUE_BYTES_MAX,
    "events": EVENTS_MAX,
    "event_name_bytes": EVENT_NAME_BYTES_MAX,
    "event_entity_bytes": EVENT_ENTITY_BYTES_MAX,
    "event_data_bytes": EVENT_DATA_BYTES_MAX,
}

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


def make_context(
    height: int,
    block_time_ms: int,
    values: dict[bytes, bytes | None],
    read: Callable[[bytes], bytes | None],
    sender_of: Callable[[bytes], Sender],
) -> Context:
    """The context of a block's transactions.

    Args:
        values: of keys of the application after the block before; takes what the transactions write.
        read: value of any other key of the application after the block before.
        sender_of: what is known of an account.
    """
    return Context(height, block_time_ms, values, _LIMITS, read, sender_of, canonical_json, encode_sorted, TxRefused)


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
