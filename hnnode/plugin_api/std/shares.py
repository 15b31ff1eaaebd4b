"""Exact fractions of one thing: who holds which part of it, the parts adding up to exactly 1.

A value, not a record: the application keeps the shares where it keeps the thing, so that they are versioned with it.

Invariants:
1. Every part is between 0 and 1, 0 excluded, in lowest terms; holders are ascending, each stands once.
2. The sum is exactly 1. `hand_over` conserves it and leaves everybody else's part alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

HOLDERS_MAX = 16
DENOMINATOR_MAX = 1_000_000

Share = tuple[bytes, int, int]
"""(holder, numerator, denominator)."""


def whole(parts: Iterable[Share]) -> list[Share] | None:
    """The parts as shares of one thing: those of one holder added, in lowest terms, ascending by holder. None when one
    of them is no fraction, when they do not add up to 1, or when there are too many.

    Cost: 0.5 µs a part.
    """
    made = _added(parts)
    if made is None:
        return None
    total = _sum(made.values())
    return _listed(made) if total == (1, 1) else None


def hand_over(shares: Sequence[Share], givers: Sequence[bytes], takers: Sequence[Share]) -> list[Share] | None:
    """Shares after the givers' whole parts went to the takers; a giver that keeps some stands among the takers. None
    when a giver has nothing or stands twice, or when what is taken is not exactly what is given.
    """
    held = {holder: (top, bottom) for holder, top, bottom in shares}
    given = [held.pop(giver, None) for giver in givers]
    taken = _added(takers)
    if taken is None or None in given or _sum(part for part in given if part) != _sum(taken.values()):
        return None
    return whole([*((holder, *part) for holder, part in held.items()), *takers])


def _added(parts: Iterable[Share]) -> dict[bytes, tuple[int, int]] | None:
    made: dict[bytes, tuple[int, int]] = {}
    for holder, top, bottom in parts:
        if not 0 < top <= bottom <= DENOMINATOR_MAX:
            return None
        part = _plus(made.get(holder, (0, 1)), (top, bottom))
        if part[1] > DENOMINATOR_MAX or (len(made) == HOLDERS_MAX and holder not in made):
            return None
        made[holder] = part
    return made


def _sum(parts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Bounded by HOLDERS_MAX denominators."""
    total = (0, 1)
    for part in parts:
        total = _plus(total, part)
    return total


def _plus(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    top, bottom = one[0] * two[1] + two[0] * one[1], one[1] * two[1]
    shared = gcd(top, bottom)
    return top // shared, bottom // shared


def _listed(made: dict[bytes, tuple[int, int]]) -> list[Share]:
    return [(holder, *made[holder]) for holder in sorted(made)]
