"""The rate that a chain keeps up with is found from any first guess, in few steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.bench.knee import CLOSE, KEPT_UP, STEPS_MAX, find


class Chain:
    """Takes `knee` a second; what is offered beyond costs it a share."""

    def __init__(self, knee: float, cost: float = 0.1) -> None:
        self.knee, self.cost, self.offered = knee, cost, list[float]()

    def __call__(self, rate: float) -> float:
        self.offered.append(rate)
        return min(rate, max(0.3 * self.knee, self.knee - self.cost * max(0.0, rate - self.knee)))


@pytest.mark.parametrize("guess", [0.5, 0.7, 0.95, 1.0, 1.2, 1.6])
def test_the_knee_is_found_from_a_wrong_guess(guess: float) -> None:
    chain = Chain(20_000.0)
    found = find(guess * 20_000.0, chain, STEPS_MAX)
    assert 0.93 * chain.knee <= found <= chain.knee / KEPT_UP
    assert len(chain.offered) <= STEPS_MAX


@given(st.floats(100, 1e6), st.floats(0.1, 5.0), st.floats(0.0, 1.0), st.integers(1, STEPS_MAX))
def test_what_is_found_was_kept_up_with_or_committed(knee: float, guess: float, cost: float, steps: int) -> None:
    chain = Chain(knee, cost)
    found = find(guess * knee, chain, steps)
    assert 0 < found <= knee / KEPT_UP + 1e-6
    assert 1 <= len(chain.offered) <= steps
    assert found in chain.offered or found == max(Chain(knee, cost)(rate) for rate in chain.offered)


def test_steps_end_when_both_sides_are_near() -> None:
    chain = Chain(1_000.0)
    find(1_000.0, chain, STEPS_MAX)
    below = [rate for rate in chain.offered if rate <= 1_000.0]
    above = [rate for rate in chain.offered if rate > 1_000.0]
    assert len(chain.offered) < STEPS_MAX or min(above) <= CLOSE * max(below)
