"""Threads for reads that block: the chain, proofs, queries. Never more at work or waiting than the limits say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from hnnode.errors import Unavailable

THREADS = 4
PENDING_MAX = 1_024
P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """A bounded queue in front of a few threads; a full one answers TOO_MANY_REQUESTS instead of growing."""

    def __init__(self, threads: int = THREADS, pending_max: int = PENDING_MAX) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="gateway")
        self._pending_max = pending_max
        self._pending = 0

    async def run(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Unavailable 1012 when the queue is full, and whatever `read` raises."""
        if self._pending >= self._pending_max:
            raise Unavailable(
                "TOO_MANY_REQUESTS", f"got more than {self._pending_max} waiting reads", retry_after_ms=500
            )
        return await self.run_always(read, *args, **kwargs)

    async def run_always(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for work that follows an accepted write and is bounded by the write's own limits."""
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(read, *args, **kwargs))
        finally:
            self._pending -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False)
