"""Who is asked last to propose. A dead proposer costs one timeout a cycle, not one every n heights.

Heights fall into cycles. In the first n heights of a cycle (n validators, each the first choice once) the plain round-robin holds; a
validator whose height was made by somebody else is asked last for the rest of the cycle. The answer is a pure function of committed
headers of the same cycle, so every node, also a restarted one, gives the engine the same order.
"""

from __future__ import annotations

from hnnode_native import ValidatorSet, proposer

CYCLE = 64


class ProposerOrder:
    """Feed it the proposer of every committed header in order (`note`), at start those of the open cycle."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._count = len(validators.validators)
        self._cycle = max(CYCLE, 4 * self._count)
        self._cycle_start = 0
        self._missed: set[bytes] = set()

    def cycle_start(self, height: int) -> int:
        """First height of the cycle that `height` belongs to."""
        return height - height % self._cycle

    def _probe_end(self, start: int) -> int:
        """First height of a cycle at which the order may differ; the first cycle begins with block 1."""
        return max(start, 1) + self._count

    def note(self, height: int, header_proposer: bytes) -> None:
        start = self.cycle_start(height)
        if start != self._cycle_start:
            self._cycle_start, self._missed = start, set()
        if height < self._probe_end(start):
            expected = proposer(height, 0, self._validators, [])
            if header_proposer != expected:
                self._missed.add(expected)

    def demoted(self, height: int) -> list[bytes]:
        start = self.cycle_start(height)
        if start != self._cycle_start or height < self._probe_end(start):
            return []
        return sorted(self._missed)
