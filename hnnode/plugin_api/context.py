"""What a handler and a query see of the chain.

A `Context` is the compiled core's: it stands at one transaction of a block after the other, keeps the writes and events
of each, and packs what succeeded; a refused transaction is dropped whole. Keys and values are those of the application; another
application's state is read with `foreign`, as the block before left it, when the plugin declared it with
`Registry.reads`. So the applications of one block do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hnnode_native import TxContext as Context

from hnnode.plugin_api.codec import canonical_json, encode_sorted
from hnnode.plugin_api.events import EventCheck
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
from hnnode.plugin_api.outcome import QueryRefused, ReadFailed, TxRefused

if TYPE_CHECKING:
    from hnnode.ports import StateReader

__all__ = ["BlockReader", "Context", "QueryView", "Reader", "Sender", "TxInfo", "make_context"]

_LIMITS = {
    "steps": STEPS_MAX,
    "writes": WRITES_MAX,
    "key_bytes": KEY_BYTES_MAX,
    "value_bytes": VALUE_BYTES_MAX,
    "events": EVENTS_MAX,
    "event_name_bytes": EVENT_NAME_BYTES_MAX,
    "event_entity_bytes": EVENT_ENTITY_BYTES_MAX,
    "event_data_bytes": EVENT_DATA_BYTES_MAX,
    "scan_rows": PAGE_LIMIT_MAX,
}

Sender = tuple[str, tuple[str, ...]]
"""(organisation, roles) of a registered account, as of the block before."""


class Reader(Protocol):
    """Anything records can be read from: a handler's context or a query's view."""

    def get(self, key: bytes, /) -> bytes | None: ...
    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]: ...


class BlockReader(Protocol):
    """State after the block before, as one application's handlers reach it; keys have no application's prefix.

    Nothing behind it fails for a reason of the plugin's: it raises ReadFailed alone, which ends the block on this node.
    `failed` keeps it, so that the block ends whatever a handler makes of the exception.
    """

    failed: ReadFailed | None

    def get(self, key: bytes, /) -> bytes | None: ...
    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (≤ PAGE_LIMIT_MAX) rows whose key starts with `prefix` and is greater than `after`,
        ascending."""

    def foreign(self, application: str, key: bytes, /) -> bytes | None:
        """Value of another application's key."""

    def sender(self, account: bytes, /) -> Sender: ...


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
    reader: BlockReader,
    reads: frozenset[str] = frozenset(),
    given: Callable[[Any], None] | None = None,
    events: dict[str, EventCheck] | None = None,
) -> Context:
    """The context of a block's transactions.

    Args:
        values: of keys of the application after the block before; takes what the transactions write.
        reader: everything that is not among `values`.
        reads: the applications that `foreign` may name.
        given: counts an event's data before it is encoded.
        events: those that may be emitted.
    """
    encode: Callable[[Any], bytes] = canonical_json
    encode_plain: Callable[[Any], bytes] = encode_sorted
    if given is not None:
        encode, encode_plain = _after(given, canonical_json), _after(given, encode_sorted)
    return Context(height, block_time_ms, values, _LIMITS, reader, reads, encode, encode_plain, events or {}, TxRefused)


def _after(given: Callable[[Any], None], encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def counted(data: Any) -> bytes:
        given(data)
        return encode(data)

    return counted


class QueryView:
    """Read-only state of one application at one height, with a budget of rows."""

    __slots__ = ("_budget", "_prefix", "_reads", "_state", "height")

    def __init__(
        self, state: StateReader, prefix: bytes, rows_max: int = SCAN_ROWS_MAX, reads: frozenset[str] = frozenset()
    ) -> None:
        self.height = state.height
        self._state = state
        self._prefix = prefix
        self._budget = rows_max
        self._reads = reads

    def get(self, key: bytes, /) -> bytes | None:
        """Value, or None. Raises QueryRefused (QUERY_TOO_BROAD) when the query has read too much."""
        self._spend(1)
        return self._state.get(self._prefix + key)

    def get_many(self, keys: Sequence[bytes], /) -> list[bytes | None]:
        """Values in the order of `keys`, read together: one question to the node where the plugin has a process of its own. Counts and
        raises as so many `get`."""
        self._spend(len(keys))
        prefix = self._prefix
        return self._state.get_many([prefix + key for key in keys])

    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (≤ 200) pairs whose key starts with `prefix` and is greater than `after`, ascending by key."""
        limit = min(limit, PAGE_LIMIT_MAX)
        self._spend(1)
        if limit < 1:
            return []
        rows = self._state.scan(self._prefix + prefix, None if after is None else self._prefix + after, limit)
        self._spend(len(rows))
        cut = len(self._prefix)
        return [(key[cut:], value) for key, value in rows]

    def foreign(self, application: str, key: bytes) -> bytes | None:
        """Value of another application's key at the same height. Raises ValueError for one that the plugin did not
        declare with `Registry.reads`."""
        if application not in self._reads:
            raise ValueError(f"{application}: not declared with registry.reads")
        self._spend(1)
        return self._state.get(bytes((len(application),)) + application.encode("ascii") + key)

    def _spend(self, rows: int) -> None:
        self._budget -= rows
        if self._budget < 0:
            raise QueryRefused("QUERY_TOO_BROAD", "the answer needs more rows than one query may read")
