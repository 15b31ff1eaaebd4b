"""Receipts as the API shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hnnode_native import Receipt, Tx, Value

from hnnode.errors import Rejected
from hnnode.gateway.answer import code_name, embedded, time_text
from hnnode.gateway.readers import Readers
from hnnode.ports import Chain, TxLocation
from hnnode.primitives.position import format_position


def read_receipts(chain: Chain, locations: Sequence[TxLocation]) -> list[dict[str, Any] | None]:
    """Receipts in JSON shape, None for a place that does not exist. Blocking."""
    times: dict[int, str] = {}
    return [_read(chain, location, times) for location in locations]


def _read(chain: Chain, location: TxLocation, times: dict[int, str]) -> dict[str, Any] | None:
    height, tx_index = location.height, location.tx_index
    data = chain.receipt(height, tx_index)
    if height not in times:
        block = chain.block(height)
        if block is None:
            return None
        times[height] = time_text(Value.decode(block.value).header.time_ms)
    if data is None:
        return None
    receipt = Receipt.decode(data)
    tx = Tx.decode(chain.tx(location))
    return {
        "tx_id": receipt.tx_id.hex(),
        "height": height,
        "tx_index": tx_index,
        "block_time": times[height],
        "application": tx.application,
        "action": tx.action,
        "status": "committed" if receipt.code == 0 else "failed",
        "code": receipt.code,
        "name": code_name(receipt.code),
        "rule": receipt.rule,
        "steps": receipt.steps,
        "events": [
            {
                "cursor": format_position(height, tx_index, number),
                "name": name,
                "entity": entity,
                **embedded(event_data, "payload"),
            }
            for number, (name, entity, event_data) in enumerate(receipt.events)
        ],
        "write_set_digest": receipt.write_set_digest.hex(),
    }


class ReceiptReader:
    """Gathers the receipts asked for in one turn of the loop into one blocking read.

    A committed block resolves all its waiters in the same turn, so a block costs one hop to a thread.
    """

    def __init__(self, chain: Chain, readers: Readers) -> None:
        self._chain = chain
        self._readers = readers
        self._wanted: list[tuple[TxLocation, asyncio.Future[dict[str, Any]]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, height: int, tx_index: int) -> dict[str, Any]:
        """Raises Rejected 1005 when there is no such receipt."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()
        if not self._wanted:
            loop.call_soon(self._start)
        self._wanted.append((TxLocation(height, tx_index), answer))
        return await answer

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, []
        task = asyncio.create_task(self._read(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, wanted: list[tuple[TxLocation, asyncio.Future[dict[str, Any]]]]) -> None:
        try:
            found = await self._readers.run_always(read_receipts, self._chain, [location for location, _ in wanted])
        except BaseException as e:
            for _, answer in wanted:
                if not answer.done():
                    answer.set_exception(e if isinstance(e, Exception) else RuntimeError("the gateway is stopping"))
            if not isinstance(e, Exception):
                raise
            return
        for (location, answer), receipt in zip(wanted, found, strict=True):
            if answer.done():
                continue
            if receipt is None:
                detail = f"receipt {location.height}/{location.tx_index}: not on this node"
                answer.set_exception(Rejected("NOT_FOUND", detail))
            else:
                answer.set_result(receipt)
