"""Who is asked last to propose. A dead proposer costs one timeout a cycle, not one every n heights.

Heights fall into cycles. A cycle begins with the plain round-robin; a validator whose turn it was and whose height somebody else made
is asked last for the rest of the cycle. The answer is a pure function of the committed headers of the same cycle, so every node, also a
restarted one, gives the engine the same order.
"""

from __future__ import annotations

from hnnode_native import ValidatorSet, proposer

CYCLE = 64


class ProposerOrder:
    """Feed it the proposer of every committed header in order (`note`), at start those of the open cycle."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._cycle = max(CYCLE, 4 * len(validators.validators))
        self._cycle_start = 0
        self._missed: set[bytes] = set()

    def cycle_start(self, height: int) -> int:
        """First height of the cycle that `height` belongs to."""
        return height - height % self._cycle

    def note(self, height: int, header_proposer: bytes) -> None:
        expected = proposer(height, 0, self._validators, self.demoted(height))
        if self.cycle_start(height) != self._cycle_start:
            self._cycle_start, self._missed = self.cycle_start(height), set()
        if header_proposer != expected:
            self._missed.add(expected)

    def demoted(self, height: int) -> list[bytes]:
        """Validators that propose after all others at `height`, the one after the last noted."""
        return sorted(self._missed) if self.cycle_start(height) == self._cycle_start else []
