"""Events of one block, from its receipts and transactions, with a bounded cache of recent blocks."""

from __future__ import annotations

import threading
from collections import OrderedDict

from hnnode_native import Batch, Receipt, Tx, Value

from hnnode.ports import Chain, ChainEvent, Cursor, StoredBlock
from hnnode.primitives.due import read_due

CACHE_BYTES_MAX = 32 * 1024 * 1024
EVENT_OVERHEAD_BYTES = 400
"""Rough size of one event object beside its data."""


def read_block_events(chain: Chain, height: int) -> tuple[ChainEvent, ...]:
    """All events of a committed block, in order: of its transactions, then of what was due.

    Cost: one decode a receipt; batches are read only when they hold a transaction with events.
    """
    block = chain.block(height)
    if block is None:
        return ()
    due = [one for one in read_due(chain.state(), height) if one.receipt.events]
    if block.tx_count == 0 and not due:
        return ()
    decoded = enumerate(Receipt.decode(data) for data in chain.receipts(height))
    emitting = {index: receipt for index, receipt in decoded if receipt.events}
    if not emitting and not due:
        return ()
    time_ms = Value.decode(block.value).header.time_ms
    applications = _applications(chain, block, list(emitting))
    sources = [(index, applications[index], receipt) for index, receipt in emitting.items()]
    sources += [(block.tx_count + one.number, one.application, one.receipt) for one in due]
    return tuple(
        ChainEvent(Cursor(height, index, number), time_ms, receipt.tx_id, application, name, entity, data)
        for index, application, receipt in sources
        for number, (name, entity, data) in enumerate(receipt.events)
    )


def _applications(chain: Chain, block: StoredBlock, indices: list[int]) -> dict[int, str]:
    """Application of each transaction at `indices` (ascending)."""
    applications: dict[int, str] = {}
    start = 0
    rest = iter(indices)
    index = next(rest, None)
    for _, count, location in block.batches:
        if index is not None and index < start + count:
            batch = Batch.decode(chain.batch(location))
            while index is not None and index < start + count:
                applications[index] = Tx.decode(batch.tx(index - start)).application
                index = next(rest, None)
        start += count
    return applications


class BlockEvents:
    """Recently read blocks, so that many followers of the tip decode each block once. Thread-safe."""

    def __init__(self, chain: Chain, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._chain = chain
        self._bytes_max = bytes_max
        self._bytes = 0
        self._blocks: OrderedDict[int, tuple[ChainEvent, ...]] = OrderedDict()
        # Held while a block is decoded: a second follower waits for the first one's work instead of repeating it.
        self._lock = threading.Lock()

    def read(self, height: int) -> tuple[ChainEvent, ...]:
        with self._lock:
            known = self._blocks.get(height)
            if known is not None:
                self._blocks.move_to_end(height)
                return known
            events = read_block_events(self._chain, height)
            if events:
                self._remember(height, events)
            return events

    def _remember(self, height: int, events: tuple[ChainEvent, ...]) -> None:
        self._blocks[height] = events
        self._bytes += _size(events)
        while self._bytes > self._bytes_max:
            _, dropped = self._blocks.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(events: tuple[ChainEvent, ...]) -> int:
    return sum(EVENT_OVERHEAD_BYTES + len(event.data) + len(event.entity) for event in events)
