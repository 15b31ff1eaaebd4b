"""Items of an application that have become due: found in the state, handled after the transactions of a block.

    due index: prefix ‖ u64 time in ms ‖ item → value        (rows of the application, put there by its transactions)

Invariants:
1. What is due is a function of the block's time, the state before and the writes of the block's transactions.
2. An item that was taken is gone, however its handler ends: an item that fails holds up no other.
3. An empty index costs one scan of one row a block, and no process is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hnnode_native import tagged_hash

if TYPE_CHECKING:
    from hnnode.ports import StateReader

TIME_BYTES = 8


def due_at(key: bytes, prefix: bytes) -> int:
    """When the item of a row is due, in ms. A row without a whole time, which no index should hold, is so at once."""
    return int.from_bytes(key[len(prefix) : len(prefix) + TIME_BYTES], "big")


def next_due(state: StateReader, application_prefix: bytes, prefix: bytes) -> int | None:
    """When the first item of an index is due; None when it is empty."""
    rows = state.scan(application_prefix + prefix, None, 1)
    return due_at(rows[0][0], application_prefix + prefix) if rows else None


def due_id(height: int, application: str, number: int) -> bytes:
    """Id of an item, in the place of a transaction's; numbered within the application, from 1."""
    name = application.encode("ascii")
    return tagged_hash("hn/due/v1", height.to_bytes(8, "big") + bytes((len(name),)) + name + number.to_bytes(4, "big"))
