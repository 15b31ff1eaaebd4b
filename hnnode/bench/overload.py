"""Part `overload`: several times the peak is offered, and nobody heeds Retry-After.

A node stops reading connections that come again too early, so not all that is asked for gets to it: `asked_tps` is what the
crowd would send, `offered_tps` what its connections let through. Generator and nodes share the cores, and a crowd costs more
than a peak: `committed_share_adjusted` compares what commits on the cores that the generator leaves.

A chain gets slower as its state grows, so the peak is found again after each multiple: `committed_share_of_peak` is of the mean
of the two beside it.

Flow: find the peak, as long as a multiple lasts (a short probe of a young chain meets no flush of its database) → normal
load (half of it) for the latency that counts as normal → for every multiple: that many times the peak from a crowd that
comes again when refused, then at once the normal load, until latency is normal again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hnnode.bench import machine
from hnnode.bench.fill import Filler
from hnnode.bench.load import Loaded, LoadRunner, Phase, Sample, code_names, refusals
from hnnode.bench.plan import Plan, Signer
from hnnode.bench.tally import Commit, percentiles_ms
from hnnode.errors import Unavailable

PROBE_S = 6
PEAK_OFFER = 1.5
"""Of what the probe found: a probe waits for its commits and may find less than the chain takes."""
AFTER_OFFER = 1.3
"""Of the peak before, for the one after a multiple."""
NORMAL_S = 10
NORMAL_SHARE = 0.5
RECOVERY_S = 40
STEADY_S = 3
CROWD_CONNECTIONS = 16
SPARE = 1.3
WAITING_S = 5
"""Seconds of the peak that doors and pools may hold, and a good deal more."""
NORMAL_FACTOR = 2.0
NORMAL_SLACK_MS = 100.0


@dataclass(slots=True)
class Overload:
    runner: LoadRunner
    signer: Signer
    filler: Filler
    plan: Plan

    def run(self) -> dict[str, Any]:
        probe, _ = self.filler.peak_tps(PROBE_S)
        peak, peak_sender, growth = self._peak_tps(PEAK_OFFER * probe)
        normal_tps = max(100.0, peak * NORMAL_SHARE)
        calm = self.runner.run([Phase(self.signer.sign(int(normal_tps * NORMAL_S)), normal_tps, NORMAL_S)], "normal")
        normal = percentiles_ms(calm.tally.latencies())
        multiples: list[dict[str, Any]] = []
        before = peak
        for times in self.plan.overload:
            found = self._multiple(times, before, normal_tps, normal["p99"])
            found["rss_mb_per_minute_at_peak"] = growth
            after, after_sender, growth = self._peak_tps(AFTER_OFFER * before)
            multiples.append(found | shares(found, (before + after) / 2, (peak_sender + after_sender) / 2))
            before = after
        return {
            "probe_tps": round(probe, 1),
            "peak_tps": round(peak, 1),
            "peak_sender_cores": round(peak_sender, 3),
            "normal_tps": round(normal_tps, 1),
            "normal_latency_ms": normal,
            "multiples": multiples,
        }

    def _peak_tps(self, rate: float) -> tuple[float, float, float | None]:
        """What commits of a rate that is more than the chain takes, as long as each multiple lasts, by a sender that heeds refusals;
        the cores that this sender takes; and what the memory of all nodes grows by, which is the growth of the chain."""
        seconds = self.plan.overload_s
        loaded = self.runner.run([Phase(self.signer.sign(int(rate * seconds)), rate, seconds)], "peak")
        committed = sum(loaded.tally.per_second(loaded.start_s, seconds)) / seconds
        if not committed:
            raise Unavailable("NOT_READY", f"nothing committed at the peak: {refusals(loaded)}")
        until_s = loaded.start_s + seconds
        growth = memory_slope_mb(loaded.samples, until_s - seconds / 2, until_s)
        return committed, loaded.phase_cpu_s[0] / seconds, growth

    def _crowd_txs(self, times: int, peak: float) -> int:
        """More than could be accepted: what commits, and what waits at the doors. What is refused is offered again."""
        return int(peak * min(times * self.plan.overload_s, SPARE * (self.plan.overload_s + WAITING_S)))

    def _multiple(self, times: int, peak: float, normal_tps: float, normal_p99_ms: float | None) -> dict[str, Any]:
        seconds = self.plan.overload_s
        crowd = self.signer.sign(self._crowd_txs(times, peak))
        calm = self.signer.sign(int(normal_tps * RECOVERY_S))
        loaded = self.runner.run(
            [
                Phase(crowd, times * peak, seconds, stubborn=True, connections=CROWD_CONNECTIONS),
                Phase(calm, normal_tps, RECOVERY_S),
            ],
            "overload",
        )
        start_s, calm_s = loaded.starts_s
        tally = loaded.tally
        during = [commit for commit in tally.commits if start_s <= commit.seen_s < start_s + seconds]
        accepted = [commit for commit in tally.commits if commit.seen_s - commit.latency_s < start_s + seconds]
        committed_tps = sum(commit.count for commit in during) / seconds
        sender = loaded.phase_cpu_s[0] / seconds
        calm_offered = sum(len(bundle.tx_ids) for bundle in calm)
        return {
            "times": times,
            "seconds": seconds,
            "asked_tps": round(times * peak, 1),
            "offered_tps": round(max(0, tally.offered - calm_offered) / seconds, 1),
            "committed_tps": round(committed_tps, 1),
            "sender_cores": round(sender, 3),
            "latency_ms": percentiles_ms([(commit.latency_s, commit.count) for commit in accepted]),
            "refused_by_code": code_names(tally.refused),
            "unanswered": tally.unanswered,
            "lost": self.runner.lost(tally),
            "rss_mb_per_minute": memory_slope_mb(loaded.samples, start_s + seconds / 2, start_s + seconds),
            "rss_mb_max": round(loaded.rss_bytes_max / 2**20, 1),
            "recovery_s": recovery_s(_after(loaded, calm_s), calm_s, normal_p99_ms),
            "state_roots_equal": self.runner.roots_equal(),
        }


def shares(found: dict[str, Any], peak: float, peak_sender: float) -> dict[str, Any]:
    """What a multiple committed beside a peak, as it is and on equal cores. peak_sender: cores of the generator at the peak."""
    share = found["committed_tps"] / peak
    return {
        "peak_tps": round(peak, 1),
        "committed_share_of_peak": round(share, 3),
        "committed_share_adjusted": round(share * left_cores(peak_sender) / left_cores(found["sender_cores"]), 3),
    }


def left_cores(sender_cores: float) -> float:
    """Cores that a generator leaves to the nodes."""
    return max(0.1, machine.cores() - sender_cores)


def _after(loaded: Loaded, at_s: float) -> list[Commit]:
    """Commits of what was meant to be sent from a moment on."""
    return [commit for commit in loaded.tally.commits if commit.seen_s - commit.latency_s >= at_s - 1e-6]


def memory_slope_mb(samples: Sequence[Sample], from_s: float, until_s: float) -> float | None:
    """Growth of all processes together, in MB a minute, by least squares; None for fewer than three samples."""
    points = [(sample.at_s, sum(sample.rss_bytes) / 2**20) for sample in samples if from_s <= sample.at_s <= until_s]
    if len(points) < 3:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    square = sum((x - mean_x) ** 2 for x, _ in points)
    return round(60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / square, 2) if square else None


def recovery_s(commits: Sequence[Commit], from_s: float, normal_p99_ms: float | None) -> int | None:
    """Seconds until what is sent has normal latency and keeps it for STEADY_S; None when that was not seen."""
    if normal_p99_ms is None:
        return None
    limit_ms = max(NORMAL_FACTOR * normal_p99_ms, normal_p99_ms + NORMAL_SLACK_MS)
    seconds: dict[int, list[tuple[float, int]]] = {}
    for commit in commits:
        sent = int(commit.seen_s - commit.latency_s - from_s + 1e-6)
        seconds.setdefault(sent, []).append((commit.latency_s, commit.count))
    steady = 0
    for second in range(max(seconds, default=-1) + 1):
        p99 = percentiles_ms(seconds.get(second, []))["p99"]
        steady = steady + 1 if p99 is not None and p99 <= limit_ms else 0
        if steady == STEADY_S:
            return second - STEADY_S + 1
    return None
