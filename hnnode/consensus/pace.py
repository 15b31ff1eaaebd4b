"""When the next block is worth starting: at once when there is little to do, fuller blocks when there is much.

A block costs each node a fixed share of work (votes, log syncs, a database write), whatever it holds. So the time between two proposals is
GATHER_SHARE times what the last block took from its proposal to its execution: idle chains answer after `block_interval_ms`, busy ones make
few large blocks, and the interval never grows past `block_interval_busy_ms`. A block that is full as wanted, in transactions or in bytes,
waits for nothing.

What a block takes grows with what was gathered for it. With a fixed part of f seconds and s seconds of work for what a second brings, the
interval settles at GATHER_SHARE * f / (1 - GATHER_SHARE * s), and past s = 1 / GATHER_SHARE only at its bound: the share says up to which
load blocks stay small.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hnnode.config import ConsensusConfig

GATHER_SHARE = 1.5
"""Small blocks up to two thirds of what the chain can take."""
BLOCK_S = 0.4
"""A block holds no more than was lately executed in this time: beyond it size saves little work and costs everybody latency."""
BLOCK_TXS_MIN = 4_096
"""Whatever that is: the largest batch has to fit."""
BYTES_WANTED = 0.4
"""Of the bytes that a block may have: with so many ready it is full as wanted. More come while the block before it is executed."""


class Pace:
    """One chain's pace on this node; it decides only when the own engine starts a height, never what is valid."""

    def __init__(
        self,
        config: ConsensusConfig,
        block_bytes_max: int,
        ready: Callable[[], tuple[int, int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ready: transactions that a block of now could hold, and their bytes."""
        self._idle_s = config.block_interval_ms / 1000
        self._busy_s = max(self._idle_s, config.block_interval_busy_ms / 1000)
        self._wanted = config.block_tx_count_wanted
        self._bytes_wanted = int(BYTES_WANTED * block_bytes_max)
        self._ready = ready
        self._clock = clock
        self._proposed_at: float | None = None
        self._from = -self._busy_s
        self._interval_s = self._idle_s
        self._txs_per_s = 0.0

    @property
    def proposed_at(self) -> float | None:
        """When the running height's first value was begun or came here, by the clock; None before."""
        return self._proposed_at

    def started(self) -> None:
        """A height was started; what it takes counts from its first proposal, since before that others may be gathering."""
        self._from = self._clock()
        self._proposed_at = None

    def proposed(self) -> None:
        """A value of the height is being built or judged here."""
        if self._proposed_at is None:
            self._from = self._proposed_at = self._clock()

    def executed(self, tx_count: int) -> None:
        """The height's block was executed."""
        if self._proposed_at is None:
            return
        took_s = self._clock() - self._proposed_at
        self._interval_s = min(max(self._idle_s, GATHER_SHARE * took_s), self._busy_s)
        if tx_count >= BLOCK_TXS_MIN // 2:  # in small blocks the fixed costs hide what a transaction takes
            rate = tx_count / max(took_s, 0.001)
            self._txs_per_s = rate if not self._txs_per_s else (self._txs_per_s + rate) / 2

    def tx_count_max(self) -> int | None:
        """Transactions that an own proposal should hold at most; None while nothing is known."""
        return max(BLOCK_TXS_MIN, int(self._txs_per_s * BLOCK_S)) if self._txs_per_s else None

    def delay_s(self, *, behind: bool) -> float:
        """Seconds to wait before the next height, 0 when it is due. behind: peers stand at it already."""
        if behind:
            return 0.0
        tx_count, size = self._ready()
        if tx_count >= self._wanted or size >= self._bytes_wanted:
            return 0.0
        # An empty block certifies results that somebody may wait to prove; nothing is gathered by delaying it.
        interval_s = self._interval_s if tx_count else self._idle_s
        return max(0.0, self._from + interval_s - self._clock())
