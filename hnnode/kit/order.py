"""Another order for a block in which nothing may come out differently.

Two transactions are independent when neither touches a key that the other writes. What a transaction touches is found
by executing it alone on the state before the block: those that are independent of all others behave the same wherever
they stand. They are put in random places; the others keep their order among themselves.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hnnode.ports import StateReader

SHUFFLED_MAX = 200
"""Transactions of a block that is put in another order; a longer one stays as it is."""


@dataclass
class Touched:
    """Keys in database form. `scans`: prefixes; whatever lies under one counts as read."""

    reads: set[bytes] = field(default_factory=set)
    scans: set[bytes] = field(default_factory=set)
    writes: set[bytes] = field(default_factory=set)

    def depends_on(self, other: Touched) -> bool:
        """Whether it could notice what the other one writes."""
        touched = self.reads | self.writes
        return not other.writes.isdisjoint(touched) or any(
            key.startswith(prefix) for prefix in self.scans for key in other.writes
        )


class WatchedState:
    """`ports.StateReader` that notes what is read."""

    def __init__(self, state: StateReader, touched: Touched) -> None:
        self.height = state.height
        self._state = state
        self._touched = touched

    def get(self, key: bytes) -> bytes | None:
        self._touched.reads.add(key)
        return self._state.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._touched.reads.update(keys)
        return self._state.get_many(keys)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        self._touched.scans.add(prefix)
        return self._state.scan(prefix, after, limit)

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return self._state.pages(page_ids)


def another_order(touched: Sequence[Touched], rng: random.Random) -> list[int]:
    """Positions in another order that must lead to the same state."""
    count = len(touched)
    bound = {
        i
        for i in range(count)
        for j in range(count)
        if i != j and (touched[i].depends_on(touched[j]) or touched[j].depends_on(touched[i]))
    }
    shuffled = list(range(count))
    rng.shuffle(shuffled)
    kept = iter(sorted(bound))
    return [next(kept) if i in bound else i for i in shuffled]
