"""Questions that can be asked while a load runs, because what they ask about is committed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable

from hnnode.bench.workload import Bundle
from hnnode.plugin_api.workload import Question

SETTLED_S = 1.0
"""From a bundle's last block, seen at one node, until its questions are asked: every node has the block by then."""
POOL_MAX = 4_096


class Pool:
    """The latest POOL_MAX questions whose transactions all committed. One serves all parts of a scenario."""

    def __init__(self, seed: int = 0) -> None:
        self._waiting: dict[int, tuple[int, tuple[Question, ...]]] = {}
        """Transactions that no block has shown, and questions, by number of the bundle."""
        self._settling: deque[tuple[float, tuple[Question, ...]]] = deque()
        self._ready: list[Question] = []
        self._oldest = 0
        self._random = random.Random(seed)

    def expect(self, bundles: Iterable[Bundle]) -> None:
        """The bundles of the next part; those before that did not commit whole are forgotten."""
        self._waiting.clear()
        for bundle in bundles:
            if bundle.questions:
                self._waiting[bundle.number] = len(bundle.tx_ids), bundle.questions

    def on_commit(self, number: int, count: int, seen_s: float) -> None:
        """So many transactions of a bundle were seen in a block."""
        left, questions = self._waiting.get(number, (0, ()))
        if left > count:
            self._waiting[number] = left - count, questions
        elif questions:
            del self._waiting[number]
            self._settling.append((seen_s + SETTLED_S, questions))

    def on_failure(self, number: int) -> None:
        """A transaction of the bundle failed: nobody knows what its questions would be answered."""
        self._waiting.pop(number, None)

    def take(self, now_s: float) -> Question | None:
        """None while there is none."""
        while self._settling and self._settling[0][0] <= now_s:
            for question in self._settling.popleft()[1]:
                if len(self._ready) < POOL_MAX:
                    self._ready.append(question)
                else:
                    self._ready[self._oldest] = question
                    self._oldest = (self._oldest + 1) % POOL_MAX
        return self._random.choice(self._ready) if self._ready else None
