"""Block responses that came and wait to be looked at, bounded by their number and by their bytes."""

from __future__ import annotations

import asyncio
from collections import deque

from hnnode.sync.frames import REQUEST_BLOCKS_MAX, BlockResponse

RESPONSES_MAX = 4 * REQUEST_BLOCKS_MAX
"""Room for the answers to a request that was given up beside those to the next one."""
RESPONSES_BYTES_MAX = 64 * 1024 * 1024
"""An answer ends at the sender's `response_bytes_max` (8 MiB) and one block, and answers of one peer alone are taken."""


class WaitingResponses:
    """On the event loop, for one reader."""

    def __init__(self, count_max: int = RESPONSES_MAX, bytes_max: int = RESPONSES_BYTES_MAX) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[BlockResponse, int]] = deque()
        self._bytes = 0
        self._came = asyncio.Event()
        self._dropped: set[int] = set()

    def put(self, response: BlockResponse, size: int) -> bool:
        """False when there is no room. One alone always has room. size: of its frame."""
        if self._waiting and (len(self._waiting) >= self._count_max or self._bytes + size > self._bytes_max):
            if len(self._dropped) < self._count_max:
                self._dropped.add(response.height)
            return False
        self._waiting.append((response, size))
        self._bytes += size
        self._came.set()
        return True

    async def get(self) -> BlockResponse:
        """The oldest, as soon as there is one."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        response, size = self._waiting.popleft()
        self._bytes -= size
        return response

    def has_dropped(self, height: int) -> bool:
        """Whether an answer for this height came and had no room, so that its peer did not leave it out."""
        return height in self._dropped

    def clear(self) -> None:
        self._waiting.clear()
        self._dropped.clear()
        self._bytes = 0
