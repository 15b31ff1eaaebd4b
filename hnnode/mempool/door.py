"""How much may wait: a pool that holds more than the chain takes in a moment only makes everybody wait longer.

The bound follows the chain: what it took of this node's transactions lately, times the delay a client should meet at most. Under overload
the rest is refused by a comparison, before it is read, decoded or verified, so that the work of the node goes into what will be committed.
The last quarter of the room is for those who had less than their share lately.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hnnode.config import MempoolConfig

WINDOW_S = 0.5
ROOM_FOR_ALL = 0.75
SHARE = 1.25
"""A source that had this many times the mean of all lately is over its share."""
SOURCES_MAX = 1_024
"""Sources that are told apart; further ones are taken as they come."""
BLOCKS_MIN = 3.0
INTERVAL_S_MAX = 1.0
KEEP = 0.85
"""Of the measured rate, a window: a pause of the chain must not close the door at once."""


class Door:
    """Bytes that may be in the pool of this node, sealed ones included. On the event loop."""

    def __init__(self, config: MempoolConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_max = config.pool_bytes_max
        self._bytes_min = min(config.door_bytes_min, config.pool_bytes_max)
        self._delay_s = config.door_delay_ms / 1000
        self._clock = clock
        self._taken = 0
        self._since = clock()
        self._rate = 0.0
        self._block_s = 0.0
        self._last = self._since
        self._had: dict[str, int] = {}
        self._had_total = 0
        self.bytes_max = self._bytes_min

    def is_full(self, waiting: int, source: str) -> bool:
        """Whether a body of this source finds no room beside `waiting` bytes. Costs a few comparisons."""
        if waiting >= self.bytes_max:
            return True
        if waiting < ROOM_FOR_ALL * self.bytes_max or len(self._had) < 2:
            return False
        return self._had.get(source, 0) * len(self._had) > SHARE * self._had_total

    def took(self, size: int, source: str) -> None:
        """A body of this source went in."""
        if source in self._had or len(self._had) < SOURCES_MAX:
            self._had[source] = self._had.get(source, 0) + size
            self._had_total += size

    def committed(self, size: int) -> None:
        """A block took `size` bytes of this node's transactions; called for every block."""
        self._taken += size
        now = self._clock()
        self._block_s += (min(now - self._last, INTERVAL_S_MAX) - self._block_s) / 4
        self._last = now
        passed_s = now - self._since
        if passed_s < WINDOW_S:
            return
        self._rate = max(self._taken / passed_s, self._rate * KEEP)
        self._taken, self._since = 0, now
        self._had = {source: half for source, size in self._had.items() if (half := size // 2)}
        self._had_total = sum(self._had.values())
        self.bytes_max = min(self._bytes_max, max(self._bytes_min, int(self._rate * self._delay())))

    def _delay(self) -> float:
        # A block is proposed before the one before it has left the pool: with less than both of them the next would be half empty.
        return max(self._delay_s, BLOCKS_MIN * self._block_s)
