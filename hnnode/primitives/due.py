"""Receipts of work at the end of a block, which stand in the state: `"system" ‖ u64 height ‖ u32 number → application ‖ receipt`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from hnnode_native import Receipt, state_key

SYSTEM = "system"
"""Whose the rows are; no application has this name."""
ROWS_PAGE = 200


class Rows(Protocol):
    """A state to read from."""

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]: ...


class DueReceipt(NamedTuple):
    """`number`: of the item in its block. `receipt`: as a transaction's, its id is that of the item."""

    number: int
    application: str
    receipt: Receipt


def read_due(state: Rows, height: int) -> Iterator[DueReceipt]:
    """Receipts of the due items of a committed block, in order."""
    prefix = state_key(SYSTEM, height.to_bytes(8, "big"))
    after: bytes | None = None
    while rows := state.scan(prefix, after, ROWS_PAGE):
        for key, value in rows:
            cut = 1 + value[0]
            receipt = Receipt.decode(value[cut:])
            yield DueReceipt(int.from_bytes(key[len(prefix) :], "big"), value[1:cut].decode("ascii"), receipt)
        after = rows[-1][0]
        if len(rows) < ROWS_PAGE:
            return
