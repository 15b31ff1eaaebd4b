"""Values that a block's transactions will most likely read, fetched together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hnnode.ports import StateReader

BYTES_MAX = 16 * 1024 * 1024
"""Of one application in one block. What is beyond is read when a handler asks for it, with the same result."""
KEYS_AT_ONCE = 1_024


class Prefetch:
    """One block of one application."""

    def __init__(self, state: StateReader, prefix: bytes) -> None:
        self._state = state
        self._prefix = prefix
        self._room = BYTES_MAX

    def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values of the first of `keys`, of all of them while there is room. Holds 64 MiB more than `BYTES_MAX` at most."""
        found: list[bytes | None] = []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            if self._room <= 0:
                break
            part = self._state.get_many([self._prefix + key for key in keys[start : start + KEYS_AT_ONCE]])
            self._room -= sum(map(len, filter(None, part)))
            found += part
        return found
