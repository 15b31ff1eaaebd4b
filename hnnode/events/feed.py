"""Implements `ports.Events` over committed blocks: pages by cursor, and following without gap or repetition.

Nothing is stored for it: an event's place is its place in the chain, so a restart, or a crash between commit and
delivery, loses nothing. A follower that reads slower than the chain grows holds no memory here; it is only behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from hnnode.errors import Rejected
from hnnode.events.block_events import BlockEvents
from hnnode.ports import Chain, ChainEvent, Cursor
from hnnode.primitives.position import INDEX_MAX, ScanEnded

READ_LIMIT_MAX = 1_000
FOLLOW_PAGE = 256
SCAN_BLOCKS_MAX = 5_000
SCAN_EVENTS_MAX = 20_000
"""Blocks and events one read looks at before it says how far it came."""
FOLLOW_THREADS = 2
_START = Cursor(0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Page:
    """`after` is how far the scan came; `at_tip` when nothing committed lies behind it."""

    events: list[ChainEvent]
    after: Cursor
    at_tip: bool


class EventFeed:
    """`on_commit` and `follow` belong to the event loop; `read` may be called from any thread."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._blocks = BlockEvents(chain)
        self._committed = asyncio.Event()
        self._threads = ThreadPoolExecutor(FOLLOW_THREADS, thread_name_prefix="events")
        self._closed = False

    def on_commit(self, height: int) -> None:
        """Block `height` is durable and readable: wake the followers. On the event loop."""
        self._wake()

    def close(self) -> None:
        """End all followers. On the event loop."""
        self._closed = True
        self._wake()
        self._threads.shutdown(wait=False)

    def read(self, after: Cursor | None, limit: int, application: str | None, name: str | None) -> list[ChainEvent]:
        """Up to `limit` events. Raises Rejected 1009 (bad limit), ScanEnded 1011 (budget used up without a match)."""
        if not 1 <= limit <= READ_LIMIT_MAX:
            raise Rejected("PARAMETER_INVALID", f"limit: got {limit}, want 1 to {READ_LIMIT_MAX}")
        page = self._scan(after or _START, limit, application, name)
        if not page.events and not page.at_tip:
            raise ScanEnded((page.after.height, page.after.tx_index, page.after.event_index))
        return page.events

    async def follow(
        self, after: Cursor | None, application: str | None, name: str | None
    ) -> AsyncIterator[ChainEvent]:
        position = after or _START
        loop = asyncio.get_running_loop()
        while not self._closed:
            # Taken before the chain is read: a block committed in between has set it already.
            committed = self._committed
            page = await loop.run_in_executor(
                self._threads, partial(self._scan, position, FOLLOW_PAGE, application, name)
            )
            for event in page.events:
                yield event
            position = page.after
            if page.at_tip:
                await committed.wait()

    def _wake(self) -> None:
        waiting, self._committed = self._committed, asyncio.Event()
        waiting.set()

    def _scan(self, after: Cursor, limit: int, application: str | None, name: str | None) -> _Page:
        """Events behind `after`, within the budget of one read."""
        tip = self._chain.tip().height
        if after.height > tip:
            return _Page([], after, True)
        found: list[ChainEvent] = []
        seen = 0
        reached = after
        first = max(after.height, 1)
        for height in range(first, min(tip, first + SCAN_BLOCKS_MAX - 1) + 1):
            events = self._blocks.read(height)
            for event in events:
                cursor = event.cursor
                if height == after.height and (cursor.tx_index, cursor.event_index) <= (
                    after.tx_index,
                    after.event_index,
                ):
                    continue
                if (application is None or event.application == application) and (name is None or event.name == name):
                    found.append(event)
                    if len(found) == limit:
                        return _Page(found, cursor, False)
            reached = Cursor(height, INDEX_MAX, INDEX_MAX)
            seen += len(events)
            if seen >= SCAN_EVENTS_MAX:
                break
        return _Page(found, reached, reached.height >= tip)
