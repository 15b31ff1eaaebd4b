"""Layered layout of a small directed graph: columns from the starts onward, long arrows led around what lies between.

Arrows that close a circle run backward. An arrow over several columns gets a waypoint in each of those between, so that it
never passes behind a box. Deterministic; cost grows with waypoints squared, so for at most a few hundred of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 12
WAYPOINT = 14
"""Height that an arrow takes in a column it only passes."""

Arrow = tuple[str, str]
Node = str | tuple[str, str, int]
"""A box, or an arrow's waypoint in a column: (from, to, column)."""


class Layout(NamedTuple):
    """Columns from left to right; a node's middle, downward from 0; per arrow what it touches, in its direction."""

    columns: list[list[Node]]
    middle: dict[Node, float]
    paths: dict[Arrow, list[Node]]


def lay_out(
    moves: Mapping[str, Sequence[str]], backward: frozenset[Arrow], heights: Mapping[str, float], gap: float
) -> Layout:
    """`heights`: of the boxes. Arrows from a box to itself have no path."""
    level = _levels(moves, backward)
    columns: list[list[Node]] = [[] for _ in range(max(level.values()) + 1)]
    for name in moves:
        columns[level[name]].append(name)
    paths: dict[Arrow, list[Node]] = {}
    for name, following in moves.items():
        for after in dict.fromkeys(following):
            if after == name:
                continue
            left, right = sorted((level[name], level[after]))
            between: list[Node] = [(name, after, column) for column in range(left + 1, right)]
            for column, node in enumerate(between, left + 1):
                columns[column].append(node)
            if (name, after) in backward:
                between.reverse()
            paths[name, after] = [name, *between, after]
    size = {node: WAYPOINT if isinstance(node, tuple) else heights[node] for column in columns for node in column}
    return Layout(columns, _middles(columns, paths.values(), size, gap), paths)


def backward_arrows(moves: Mapping[str, Sequence[str]], starts: Sequence[str]) -> frozenset[Arrow]:
    """Arrows to a box that the walk from the starts is still inside of."""
    found: set[Arrow] = set()
    inside: set[str] = set()
    done: set[str] = set()
    for root in (*starts, *moves):
        if root in done:
            continue
        inside.add(root)
        stack = [(root, iter(moves[root]))]
        while stack:
            name, following = stack[-1]
            after = next(following, None)
            if after is None:
                stack.pop()
                inside.discard(name)
                done.add(name)
            elif after in inside:
                found.add((name, after))
            elif after not in done:
                inside.add(after)
                stack.append((after, iter(moves[after])))
    return frozenset(found)


def _levels(moves: Mapping[str, Sequence[str]], backward: frozenset[Arrow]) -> dict[str, int]:
    """Longest way from a box without arrows into it."""
    level = dict.fromkeys(moves, 0)
    for _ in moves:  # no way is longer than there are boxes
        changed = False
        for name, following in moves.items():
            for after in following:
                if (name, after) not in backward and level[after] <= level[name]:
                    level[after] = level[name] + 1
                    changed = True
        if not changed:
            break
    return level


def _middles(
    columns: list[list[Node]], paths: Iterable[list[Node]], size: Mapping[Node, float], gap: float
) -> dict[Node, float]:
    """Every column in turn is drawn to its neighbours on one side, then on the other; orders the columns, too."""
    before: dict[Node, list[Node]] = {node: [] for node in size}
    after: dict[Node, list[Node]] = {node: [] for node in size}
    place = {node: i for i, column in enumerate(columns) for node in column}
    for path in paths:
        for one, other in pairwise(path):
            left, right = (one, other) if place[one] < place[other] else (other, one)
            after[left].append(right)
            before[right].append(left)
    middle: dict[Node, float] = {}
    for column in columns:
        _settle(column, dict.fromkeys(column, 0.0), size, gap, middle)
    for sweep in range(SWEEPS):
        last = sweep == SWEEPS - 1
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = {}
            for node in column:
                near = before[node] + after[node] if last else before[node] if sweep % 2 == 0 else after[node]
                wanted[node] = sum(middle[each] for each in near) / len(near) if near else middle[node]
            column.sort(key=lambda node: (wanted[node], middle[node]))
            _settle(column, wanted, size, gap, middle)
    top = min(middle[node] - size[node] / 2 for node in size)
    return {node: round(at - top, 1) for node, at in middle.items()}


def _settle(
    column: Sequence[Node],
    wanted: Mapping[Node, float],
    size: Mapping[Node, float],
    gap: float,
    middle: dict[Node, float],
) -> None:
    """Middles nearest to the wanted ones (least squares) in this order without overlap: pools of neighbours that touch."""
    offset, offsets = 0.0, []
    for i, node in enumerate(column):
        if i:
            offset += (size[column[i - 1]] + size[node]) / 2 + gap
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for node, offset in zip(column, offsets, strict=True):
        total, count = wanted[node] - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    settled = [total / count for total, count in pools for _ in range(count)]
    for node, at, offset in zip(column, settled, offsets, strict=True):
        middle[node] = at + offset
