"""Wakes a chain at rest when something of its applications is due.

    tip → earliest due time of the state after it → timer → `wake` → `rings`

The state is looked at once a tip, and only when nothing else is a reason for a block: a busy chain never asks, one at rest asks once.

This decides when the own node starts a height, never what is valid: what a block does follows from its time, whose bounds every
validator checks. So a clock that is wrong costs blocks without content: from the second one in a row on there is a pause, each twice
as long as the one before, until the chain's own time has come so far.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from hnnode.ports import Clock, Tip

CLOCK_RECHECK_S = 60.0
"""A clock may be set meanwhile: no timer runs longer than this."""
PAUSE_S_MAX = 60.0


class DueAlarm:
    """One node's. On the event loop; `rings` is for one task."""

    def __init__(
        self,
        next_due_ms: Callable[[], Awaitable[int | None]],
        now_ms: Clock,
        wake: Callable[[], None],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """next_due_ms: when something of the state after the tip is due; None: nothing is. wake: asks the owner to call `rings`.
        seconds: a clock that nobody sets, for pauses."""
        self._next_due_ms = next_due_ms
        self._now_ms = now_ms
        self._wake = wake
        self._tip: Tip | None = None
        self._due_ms: int | None = None
        self._missed = 0
        self._seconds = seconds
        self._not_before_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    async def rings(self, tip: Tip) -> bool:
        """Whether a block on top of the tip has something to do by this node's clock; when it will have later, `wake` is called then."""
        if tip is not self._tip:
            self._look(tip, await self._next_due_ms())
        self.stop()
        if self._due_ms is None:
            return False
        left_s = max((self._due_ms - self._now_ms()) / 1000, self._not_before_s - self._seconds())
        if left_s <= 0:
            return True
        self._timer = asyncio.get_running_loop().call_later(min(left_s, CLOCK_RECHECK_S), self._wake)
        return False

    def stop(self) -> None:
        """No call of `wake` comes any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, tip: Tip, due_ms: int | None) -> None:
        now_ms = self._now_ms()
        # A block was made when it was due here, and its time had not come so far: one of two clocks is wrong.
        missed = due_ms is not None and due_ms == self._due_ms and tip.time_ms < due_ms <= now_ms
        self._missed = self._missed + 1 if missed else 0
        pause_s = min(2.0 ** min(self._missed - 1, 10) - 1, PAUSE_S_MAX) if missed else 0.0
        self._tip, self._due_ms, self._not_before_s = tip, due_ms, self._seconds() + pause_s
