"""Skip records, as block sync sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hnnode.primitives.skip import Skip


class SkipRecords(Protocol):
    """Thread-safe."""

    def of(self, height: int) -> list[Skip]:
        """The records of a block, each with a quorum of signatures; none for nearly every block."""

    def check(self, skips: Sequence[Skip], height: int, block_hash: bytes) -> None:
        """Raises: Rejected: one of these is not of this block, or not signed by a quorum."""

    def adopt(self, skips: Sequence[Skip]) -> None:
        """Keep checked records, durably, and use them for a block that is not executed yet. Raises: FatalError STORAGE_FAILED."""

    def certified(self, height: int) -> None:
        """A commit certificate of the block at this height was seen."""
