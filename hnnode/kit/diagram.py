"""State diagrams as inline SVG: the statuses in columns by their distance from the start, arrows for what may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 128, 34, 74, 26, 24
STATUSES_MAX = 64


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
    """The diagram; deterministic, without script or outside reference."""
    levels = _levels(status_map)
    columns: dict[int, list[str]] = {}
    for name in status_map.moves:
        columns.setdefault(levels[name], []).append(name)
    rows_max = max(len(names) for names in columns.values())
    places: dict[str, tuple[int, int]] = {}
    for level, names in columns.items():
        offset = (rows_max - len(names)) * (HEIGHT + GAP_Y) // 2
        for row, name in enumerate(names):
            places[name] = (MARGIN + level * (WIDTH + GAP_X), MARGIN + offset + row * (HEIGHT + GAP_Y))
    width = 2 * MARGIN + (max(columns) + 1) * (WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + rows_max * (HEIGHT + GAP_Y) - GAP_Y + 40
    title = escape(", ".join(status_map.moves))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{title}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="currentColor"/></marker></defs>',
    ]
    for name, following in status_map.moves.items():
        parts += [_arrow(places[name], places[after], height) for after in following]
    for name, (x, y) in places.items():
        final = not status_map.moves[name]
        weight = 3 if final else 1
        fill = "#e6f4ea" if name in status_map.starts else "#f3f4f6" if final else "#ffffff"
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="9" fill="{fill}" stroke="currentColor"'
            f' stroke-width="{weight}"/><text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2 + 5}" text-anchor="middle"'
            f' fill="#111">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _levels(status_map: StatusMap) -> dict[str, int]:
    levels = dict.fromkeys(status_map.starts, 0)
    waiting = list(status_map.starts)
    while waiting:
        name = waiting.pop(0)
        for after in status_map.moves.get(name, ()):
            if after not in levels:
                levels[after] = levels[name] + 1
                waiting.append(after)
    return {name: levels.get(name, 0) for name in status_map.moves}


def _arrow(start: tuple[int, int], end: tuple[int, int], height: int) -> str:
    (x1, y1), (x2, y2) = start, end
    middle1, middle2 = y1 + HEIGHT // 2, y2 + HEIGHT // 2
    if x2 > x1 + WIDTH + GAP_X:  # over other columns: below them
        low = min(height - 8, max(y1, y2) + HEIGHT + 22)
        path = f"M{x1 + WIDTH // 2} {y1 + HEIGHT} Q{(x1 + x2 + WIDTH) // 2} {low + 20} {x2 + WIDTH // 2} {y2 + HEIGHT}"
    elif x2 > x1:
        bend = (x1 + WIDTH + x2) // 2
        path = f"M{x1 + WIDTH} {middle1} C{bend} {middle1} {bend} {middle2} {x2} {middle2}"
    elif start == end:
        path = f"M{x1 + 30} {y1} C{x1 + 20} {y1 - 24} {x1 + WIDTH - 20} {y1 - 24} {x1 + WIDTH - 30} {y1}"
    elif x2 == x1:
        down = y2 > y1
        from_y, to_y = (y1 + HEIGHT, y2) if down else (y1, y2 + HEIGHT)
        path = f"M{x1 + WIDTH // 2} {from_y} L{x2 + WIDTH // 2} {to_y}"
    else:  # back
        path = f"M{x1 + 20} {y1} Q{(x1 + x2 + WIDTH) // 2} {min(y1, y2) - 30} {x2 + WIDTH - 20} {y2}"
    return f'<path d="{path}" fill="none" stroke="currentColor" marker-end="url(#a)"/>'
