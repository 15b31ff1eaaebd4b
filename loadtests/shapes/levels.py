"""Users as a plain function of time, so that it can be tested without Locust."""

from __future__ import annotations

STRESS_STEPS = 10
BASE_SHARE = 0.3
SPIKE_S, TALL_SPIKE_S, PERIOD_S = 10.0, 2.0, 120.0
SOAK_SHARE = 0.7


def steady(elapsed_s: float, seconds: float, peak: int) -> int:
    return peak


def stress(elapsed_s: float, seconds: float, peak: int) -> int:
    """压力: ten steps of equal length up to the peak; where latency leaves the ground is the knee."""
    step = min(STRESS_STEPS - 1, int(elapsed_s / seconds * STRESS_STEPS))
    return max(1, round(peak * (step + 1) / STRESS_STEPS))


def spike(elapsed_s: float, seconds: float, peak: int) -> int:
    """尖锋: 30 % of the peak, five times that for 10 s and ten times that for 2 s in every two minutes; shorter runs are
    scaled down to two periods.
    """
    scale = min(1.0, seconds / (2 * PERIOD_S))
    at_s = elapsed_s / scale % PERIOD_S
    base = max(1, round(peak * BASE_SHARE))
    if PERIOD_S / 3 <= at_s < PERIOD_S / 3 + SPIKE_S:
        return 5 * base
    if 2 * PERIOD_S / 3 <= at_s < 2 * PERIOD_S / 3 + TALL_SPIKE_S / max(scale, 0.25):
        return 10 * base
    return base


def soak(elapsed_s: float, seconds: float, peak: int) -> int:
    """稳定性: 70 % of the peak to the end."""
    return max(1, round(peak * SOAK_SHARE))


LEVELS = {"steady": steady, "stress": stress, "spike": spike, "soak": soak}
