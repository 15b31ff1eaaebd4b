"""State diagrams as inline SVG: the statuses in columns from the start onward, arrows for what may follow.

Starts are green, final statuses have a thick frame, arrows back to an earlier status are dashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

from hnnode.kit.layers import Arrow, Layout, Node, backward_arrows, lay_out

WIDTH_MIN, HEIGHT, GAP_X, GAP_Y, MARGIN, PADDING = 84, 34, 60, 18, 24, 12
FONT = 13
PORT = 9
"""Distance of two arrows on one side of a box."""


class StatusMap(NamedTuple):
    """`moves`: status → those that may follow. `where`: the name it has in the code."""

    where: str
    moves: Mapping[str, Sequence[str]]
    starts: Sequence[str]


def find_status_maps(modules: Mapping[str, object]) -> list[StatusMap]:
    """Status tables among the names of a plugin's modules: objects with `rows()` and `starts`, as
    `hnnode.plugin_api.std` makes them, or a mapping `MOVES` (with `STARTS` beside it) of status to statuses.
    """
    found: dict[int, StatusMap] = {}
    for module_name, module in sorted(modules.items()):
        names = vars(module)
        for name, value in sorted(names.items()):
            table = getattr(value, "table", value)
            where = f"{module_name}.{name}"
            if callable(getattr(table, "rows", None)) and isinstance(getattr(table, "starts", None), tuple):
                found.setdefault(id(table), StatusMap(where, dict(table.rows()), table.starts))
            elif name.endswith("MOVES") and _is_moves(value):
                starts = names.get(name.replace("MOVES", "STARTS"), tuple(value)[:1])
                found.setdefault(id(value), StatusMap(where, value, starts))
    return sorted(found.values())


def _is_moves(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(after, tuple | list) and all(each in value for each in after)
        for key, after in value.items()
    )


def draw(status_map: StatusMap) -> str:
    """The diagram; deterministic, without script or outside reference, in the colour of the text around it."""
    moves = status_map.moves
    backward = backward_arrows(moves, status_map.starts)
    heights = _heights(moves, backward)
    layout = lay_out(moves, backward, heights, GAP_Y)
    box = max(WIDTH_MIN, max(map(_text_width, moves)) + 2 * PADDING)
    left = {node: MARGIN + i * (box + GAP_X) for i, column in enumerate(layout.columns) for node in column}
    width = 2 * MARGIN + len(layout.columns) * (box + GAP_X) - GAP_X
    height = 2 * MARGIN + max(layout.middle[name] + heights[name] / 2 for name in layout.middle if name in heights)
    height = max(height, 2 * MARGIN + max(layout.middle.values()))
    arrow = "arrow-" + "".join(letter if letter.isalnum() else "-" for letter in status_map.where)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}"'
        f' style="min-width:{width * 3 // 5}px" role="img" aria-label="{escape(", ".join(moves))}"'
        f' font-family="system-ui,sans-serif" font-size="{FONT}" fill="currentColor">',
        f'<defs><marker id="{arrow}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    ports = _ports(layout, backward)
    for (name, after), path in layout.paths.items():
        points = [(left[node] + box / 2, MARGIN + layout.middle[node]) for node in path]
        way = -1 if (name, after) in backward else 1
        points[0] = (points[0][0] + way * box / 2, points[0][1] + ports[name, after][0])
        points[-1] = (points[-1][0] - way * box / 2, points[-1][1] + ports[name, after][1])
        dashes = ' stroke-dasharray="5 3"' if way < 0 else ""
        parts.append(
            f'<path d="{_curve(points, way, box)}" fill="none" stroke="currentColor"{dashes} marker-end="url(#{arrow})"/>'
        )
    for name, following in moves.items():
        x, y = left[name], MARGIN + layout.middle[name] - heights[name] / 2
        if name in following:
            loop = f"M{x + box / 2 - 18:g} {y:g} c-8 -22 44 -22 36 -1"
            parts.append(f'<path d="{loop}" fill="none" stroke="currentColor" marker-end="url(#{arrow})"/>')
        kind = ' stroke-width="3"' if not following else ""
        tint = ' fill="#2a9d4a" fill-opacity=".22"' if name in status_map.starts else ' fill-opacity=".07"'
        parts.append(
            f'<rect x="{x}" y="{y:g}" width="{box}" height="{heights[name]:g}" rx="9"{tint} stroke="currentColor"{kind}/>'
            f'<text x="{x + box / 2:g}" y="{MARGIN + layout.middle[name] + FONT / 3:g}" text-anchor="middle">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _heights(moves: Mapping[str, Sequence[str]], backward: frozenset[Arrow]) -> dict[str, float]:
    """Of each box, so that the arrows on its busier side have room."""
    sides = dict.fromkeys(((name, right) for name in moves for right in (False, True)), 0)
    for name, following in moves.items():
        for after in set(following) - {name}:
            right = (name, after) not in backward
            sides[name, right] += 1
            sides[after, not right] += 1
    return {name: float(max(HEIGHT, PORT * (1 + max(sides[name, False], sides[name, True])))) for name in moves}


def _text_width(text: str) -> int:
    return sum(FONT if east_asian_width(letter) in "WF" else FONT * 3 // 5 for letter in text)


def _ports(layout: Layout, backward: frozenset[Arrow]) -> dict[Arrow, tuple[float, float]]:
    """Where an arrow leaves and enters, from the middle of the box: those on one side stand in the order they come from."""
    ends: dict[tuple[Node, bool], list[tuple[float, Arrow, int]]] = {}
    for arrow, path in layout.paths.items():
        right = arrow not in backward
        ends.setdefault((path[0], right), []).append((layout.middle[path[1]], arrow, 0))
        ends.setdefault((path[-1], not right), []).append((layout.middle[path[-2]], arrow, 1))
    found: dict[Arrow, list[float]] = {arrow: [0.0, 0.0] for arrow in layout.paths}
    for each in ends.values():
        for i, (_, arrow, end) in enumerate(sorted(each)):
            found[arrow][end] = (i - (len(each) - 1) / 2) * PORT
    return {arrow: (start, end) for arrow, (start, end) in found.items()}


def _curve(points: Sequence[tuple[float, float]], way: int, box: int) -> str:
    """Level through each waypoint's column, curved between columns."""
    (x, y), *rest = points
    parts = [f"M{x:g} {y:g}"]
    for i, (to_x, to_y) in enumerate(rest):
        last = i == len(rest) - 1
        into = to_x if last else to_x - way * box / 2
        bend = (into - x) / 2
        parts.append(f"C{x + bend:g} {y:g} {into - bend:g} {to_y:g} {into:g} {to_y:g}")
        if not last:
            parts.append(f"H{to_x + way * box / 2:g}")
        x, y = (into if last else to_x + way * box / 2), to_y
    return " ".join(parts)
