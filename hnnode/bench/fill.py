"""Fills a chain as fast as it commits: keys that stand in the state before a measurement, blocks to catch up with."""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.bench.load import Loaded, LoadRunner, Phase, refusals
from hnnode.bench.plan import PRELOAD_SEED, PROBE_SEED, Signer
from hnnode.errors import Unavailable

OUTSTANDING_MAX = 8_000
CHUNK_TXS = 100_000
CHUNK_S_MAX = 600
PROBE_TXS = 60_000
PROBE_OUTSTANDING = 4_000
UNLIMITED_TPS = 10_000_000.0


@dataclass(slots=True)
class Filler:
    runner: LoadRunner
    signer: Signer

    def fill(self, count: int) -> int:
        """Commit at least `count` transactions; returns how many. Raises Unavailable when a chunk brings none."""
        done = 0
        while done < count:
            bundles = self.signer.sign(min(CHUNK_TXS, count - done), PRELOAD_SEED)
            phase = Phase(bundles, UNLIMITED_TPS, CHUNK_S_MAX, OUTSTANDING_MAX)
            loaded = self.runner.run([phase], "fill")
            if not loaded.tally.committed_count:
                raise Unavailable("NOT_READY", f"nothing committed while filling: {refusals(loaded)}")
            done += loaded.tally.committed_count
        return done

    def peak_tps(self, seconds: int) -> tuple[float, Loaded]:
        """What the chain commits a second when it is offered as much as it takes, the first second left out."""
        bundles = self.signer.sign(PROBE_TXS * max(1, seconds // 6), PROBE_SEED)
        ratio = self.signer.queries_per_tx
        phase = Phase(bundles, UNLIMITED_TPS, seconds, PROBE_OUTSTANDING, queries_per_tx=ratio)
        loaded = self.runner.run([phase], "probe")
        peak = loaded.tally.committed_per_s(loaded.start_s + 1.0)
        if peak == 0:
            raise Unavailable("NOT_READY", f"nothing committed while probing: {refusals(loaded)}")
        return peak, loaded
