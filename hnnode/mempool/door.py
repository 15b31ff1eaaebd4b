"""How much may wait: a pool that holds more than the chain takes in a moment only makes everybody wait longer.

The bound follows the chain: what it takes of this node's transactions a second, times the delay a client should meet at
most. Under overload the rest is refused by a comparison, before it is read, decoded or verified, so that the work of the
node goes into what will be committed.

What the chain took is what it can take only while the door was refusing; otherwise it is what came. So a door that refuses
follows the measured rate up and down, and one that does not stays open as wide as `door_bytes_min` at least: a burst into
a quiet chain finds room.

The last quarter of the room is for those who had less than their share lately: among hosts, and among the connections of
one host, so that one gateway of several on a machine, or one client, does not take the room of the others.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

from hnnode.config import MempoolConfig

WINDOW_S = 0.5
ROOM_FOR_ALL = 0.75
SHARE = 1.25
"""A source that had this many times the mean of all lately is over its share."""
SOURCES_MAX = 1_024
"""Hosts, and connections of all hosts, that are told apart; further ones are taken as they come."""
BLOCKS_MIN = 3.0
INTERVAL_S_MAX = 1.0
INTERVALS = 8
"""Blocks over which the time between them is smoothed."""
KEEP = 0.85
"""Of the measured rate, a window in which nobody was refused."""
SMOOTH_S = 2.0
SMOOTH_MAX = 0.5
"""The measured rate is one of about two seconds, and no window counts more than half: a pause of the chain must not close the door."""
SHRINK = 0.5
"""Of its width a door keeps so much from one window to the next."""
YOUNG_S = 5.0
"""So long after a rest it stays as wide as `door_bytes_min`: the first blocks of a load, when much is still cold, say little."""
BYTES_FLOOR = 256 * 1024
"""A door that refuses lets in so much all the same, else it could not see that the chain is fast again."""
RETRY_MS_MIN = 100
RETRY_MS_MAX = 1_000


class Shares:
    """Bytes that each host, and each of its connections, had lately. A source is `host` or `host port`."""

    def __init__(self) -> None:
        self._hosts: dict[str, int] = {}
        self._links: dict[str, int] = {}
        self._links_of: dict[str, int] = {}
        self._total = 0

    def add(self, size: int, source: str) -> None:
        host = source.partition(" ")[0]
        if host not in self._hosts and len(self._hosts) >= SOURCES_MAX:
            return
        self._hosts[host] = self._hosts.get(host, 0) + size
        self._total += size
        if source not in self._links:
            if len(self._links) >= SOURCES_MAX:
                return
            self._links_of[host] = self._links_of.get(host, 0) + 1
        self._links[source] = self._links.get(source, 0) + size

    def is_over(self, source: str) -> bool:
        """Whether its host had more than its share of all, or it more than its share of its host's."""
        host = source.partition(" ")[0]
        had = self._hosts.get(host, 0)
        if len(self._hosts) > 1 and had * len(self._hosts) > SHARE * self._total:
            return True
        links = self._links_of.get(host, 0)
        return links > 1 and self._links.get(source, 0) * links > SHARE * had

    def halve(self) -> None:
        """A moment passed: what was had counts half, and nothing in the end."""
        self._hosts = _halves(self._hosts)
        self._links = _halves(self._links)
        self._total = sum(self._hosts.values())
        self._links_of = dict(Counter(source.partition(" ")[0] for source in self._links))

    def __len__(self) -> int:
        return max(len(self._hosts), len(self._links))


def _halves(had: dict[str, int]) -> dict[str, int]:
    return {source: half for source, size in had.items() if (half := size // 2)}


class Door:
    """Bytes that may be in the pool of this node, sealed ones included. On the event loop."""

    def __init__(self, config: MempoolConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_max = config.pool_bytes_max
        self._bytes_min = min(config.door_bytes_min, config.pool_bytes_max)
        self._bytes_floor = min(self._bytes_min, BYTES_FLOOR)
        self._delay_s = config.door_delay_ms / 1000
        self._clock = clock
        self._taken = 0
        self._since = clock()
        self._rate = 0.0
        self._block_s = 0.0
        self._last = self._began = self._since
        self._is_waited_for = False
        self._has_refused = False
        self._rests = True
        self._shares = Shares()
        self.bytes_max = self._bytes_min

    def is_full(self, waiting: int, source: str) -> bool:
        """Whether a body of this source finds no room beside `waiting` bytes. Costs a few comparisons."""
        full = waiting >= self.bytes_max or (waiting >= ROOM_FOR_ALL * self.bytes_max and self._shares.is_over(source))
        self._has_refused |= full
        return full

    def retry_after_ms(self, waiting: int) -> int:
        """When there should be room for everybody again, as fast as the chain took transactions lately."""
        too_many = waiting - ROOM_FOR_ALL * self.bytes_max
        rate = self._rate or self.bytes_max / self._delay_s
        return min(RETRY_MS_MAX, max(RETRY_MS_MIN, math.ceil(1000 * too_many / max(1.0, rate))))

    def took(self, size: int, source: str) -> None:
        """A body of this source went in."""
        if self._rests:
            self._rests = False
            now = self._clock()
            if now - self._last > WINDOW_S:  # what nobody sent in this time says nothing of the chain
                self._taken, self._since, self._began = 0, now, now
        self._shares.add(size, source)

    def committed(self, size: int, waiting: int) -> None:
        """A block took `size` bytes of this node's transactions and left `waiting`; called for every block."""
        self._taken += size
        now = self._clock()
        if self._is_waited_for:  # else the time since the last block is that in which nobody wanted one
            self._block_s += (min(now - self._last, INTERVAL_S_MAX) - self._block_s) / INTERVALS
        self._is_waited_for = waiting > 0
        self._rests = waiting == 0
        self._last = now
        passed_s = now - self._since
        if passed_s < WINDOW_S:
            return
        rate = self._taken / passed_s
        if self._has_refused and self._rate:
            self._rate += (rate - self._rate) * min(SMOOTH_MAX, passed_s / SMOOTH_S)
        else:
            self._rate = max(rate, self._rate * KEEP)
        may_close = self._has_refused and now - self._began >= YOUNG_S
        least = self._bytes_floor if may_close else self._bytes_min
        width = max(int(self._rate * self._delay()), int(SHRINK * self.bytes_max))
        self.bytes_max = min(self._bytes_max, max(least, width))
        self._taken, self._since = 0, now
        self._has_refused = False
        self._shares.halve()

    def _delay(self) -> float:
        # A block is proposed before the one before it has left the pool: with less than both of them the next would be half empty.
        return max(self._delay_s, BLOCKS_MIN * self._block_s)
