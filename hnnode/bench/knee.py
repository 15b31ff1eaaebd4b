"""Where a chain's knee lies: the highest rate that it was seen to keep up with, found by offering rates in an open loop.

A first guess comes from a load that waits for its own commits. It is taken from few seconds and may be too low, since what is
under way is bounded, or too high, since the chain is young; so it only says where to begin. Every step then offers a rate for
some seconds: more than the last one when nearly all of it committed, less when it did not, between both once both were
seen. What commits far beyond the knee says little: refusing costs as well. A chain that works for a minute takes a little less than it did
for seconds (decision 0014), so the knee is a share of what was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hnnode.bench.fill import Filler
from hnnode.bench.load import LoadRunner, Phase, refusals
from hnnode.bench.plan import PROBE_SEED, Signer
from hnnode.errors import Unavailable

GUESS_S = 4
STEP_S = 5
STEPS_MAX = 6
LIFE_S = 15
"""Of a step with a load whose things go through several steps: a life has to fit, each step after the commit of the one before."""
LIFE_STEPS_MAX = 3
FIRST = 0.8
"""Of the guess, for the first step."""
RAISE = 1.25
SUSTAINED = 0.92
"""Of what steps of STEP_S found, for a load that lasts: memtables and files of a chain a minute old take their share."""
KEPT_UP = 0.95
"""A step that commits this share of what it offered lies below the knee."""
CLOSE = 1.08
"""Between a rate that was too much and one that was not: near enough."""


@dataclass(slots=True)
class Knee:
    runner: LoadRunner
    signer: Signer
    filler: Filler

    def tps(self) -> float:
        """Raises Unavailable when nothing commits."""
        guess, _ = self.filler.peak_tps(GUESS_S)
        if self.signer.has_steps:
            return find(FIRST * guess, self._committed_tps, LIFE_STEPS_MAX)
        return SUSTAINED * find(FIRST * guess, self._committed_tps, STEPS_MAX)

    def _committed_tps(self, rate: float) -> float:
        seconds = LIFE_S if self.signer.has_steps else STEP_S
        bundles = self.signer.sign(int(rate * seconds), PROBE_SEED)
        phase = Phase(bundles, rate, seconds, queries_per_tx=self.signer.queries_per_tx)
        loaded = self.runner.run([phase], "probe")
        committed = loaded.tally.committed_per_s(loaded.start_s + 1.0)
        if not committed:
            raise Unavailable("NOT_READY", f"nothing committed while probing: {refusals(loaded)}")
        return committed


def find(rate: float, committed_tps: Callable[[float], float], steps_max: int) -> float:
    """The highest rate that was kept up with, from `rate` on; when none was, the most that committed."""
    kept_up, too_much, most = 0.0, float("inf"), 0.0
    for _ in range(steps_max):
        committed = committed_tps(rate)
        most = max(most, committed)
        if committed >= KEPT_UP * rate:
            kept_up = max(kept_up, rate)
        else:
            too_much = min(too_much, rate)
        if kept_up and too_much <= CLOSE * kept_up:
            break
        if too_much == float("inf"):
            rate *= RAISE
        elif kept_up:
            rate = (kept_up + too_much) / 2
        else:
            rate = max(rate / RAISE, min(committed, KEPT_UP * rate))
    return kept_up or most
