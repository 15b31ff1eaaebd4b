"""Charts as inline SVG: no script, no address, colours from the page's own style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 720
HEIGHT = 236
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 30, 34
TICKS = 4


def nice_top(value: float) -> float:
    """Smallest of 1, 2, 3, 4, 6, 8 times a power of ten that is not below `value`; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 3, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """A number in at most five characters: 950, 12.5k, 1.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:.1f}".rstrip("0").rstrip(".") + unit
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.0f}"


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _frame(top: float, units: tuple[str, str], below: Sequence[tuple[float, str]], label: str) -> list[str]:
    """Grid and scales; units: of the scale below, which may be none, and of the one at the left."""
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for tick in range(TICKS + 1):
        y = _y(tick / TICKS)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{short(top * tick / TICKS)}</text>')
    parts += [f'<text x="{_x(at)}" y="{HEIGHT - 16}" text-anchor="middle">{escape(text)}</text>' for at, text in below]
    parts.append(f'<text x="{LEFT - 6}" y="{TOP - 14}" text-anchor="end">{escape(units[1])}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{escape(units[0])}</text>')
    return parts


def lines(series: Mapping[str, Sequence[float | None]], unit: str, label: str) -> str:
    """One line a series over the seconds of a run; a gap where a value is None. Empty text for nothing to draw."""
    values = [value for own in series.values() for value in own if value is not None]
    length = max((len(own) for own in series.values()), default=0)
    if not values or length == 0:
        return ""
    top = nice_top(max(values))
    below = [(i / 5, f"{round(i * length / 5)} s") for i in range(6)]
    parts = _frame(top, ("", unit), below, label)
    for index, (name, own) in enumerate(series.items()):
        for run in _runs(own):
            points = " ".join(f"{_x((i + 0.5) / length)},{_y(value / top)}" for i, value in run)
            shape = "polyline" if len(run) > 1 else "circle"
            if shape == "polyline":
                parts.append(f'<polyline class="s{index}" points="{points}"><title>{escape(name)}</title></polyline>')
            else:
                x, _, y = points.partition(",")
                parts.append(f'<circle class="s{index}" cx="{x}" cy="{y}" r="2"><title>{escape(name)}</title></circle>')
        if len(series) > 1:  # one line needs no key: its chart has a title
            left = LEFT + 8 + 110 * index
            parts.append(f'<rect class="s{index}" x="{left}" y="{TOP - 23}" width="10" height="10"/>')
            parts.append(f'<text x="{left + 14}" y="{TOP - 14}">{escape(name)}</text>')
    return "".join(parts) + "</svg>"


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap, as (index, value)."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((i, value))
    return [run for run in runs if run]


def columns(pairs: Sequence[tuple[float, int]], unit: str, counted: str, label: str) -> str:
    """One column a bucket `(upper bound in unit, count of what is counted)`; empty text for nothing to draw."""
    if not pairs:
        return ""
    top = nice_top(max(count for _, count in pairs))
    every = max(1, len(pairs) // 8)
    below = [((i + 0.5) / len(pairs), short(bound)) for i, (bound, _) in enumerate(pairs) if i % every == 0]
    parts = _frame(top, (unit, counted), below, label)
    width = max(1.0, round((WIDTH - LEFT - RIGHT) / len(pairs) - 1, 1))
    for i, (bound, count) in enumerate(pairs):
        y = _y(count / top)
        parts.append(
            f'<rect class="s0" x="{_x(i / len(pairs))}" y="{y}" width="{width}" height="{round(HEIGHT - BOTTOM - y, 1)}">'
            f"<title>≤ {short(bound)} {escape(unit)}: {count}</title></rect>"
        )
    return "".join(parts) + "</svg>"


def curve(points: Sequence[tuple[float, float | None]], unit_x: str, unit_y: str, label: str) -> str:
    """A line through points in their order, with a dot at each; empty text for fewer than two."""
    known = [(x, y) for x, y in points if y is not None]
    if len(known) < 2:
        return ""
    top_x, top_y = nice_top(max(x for x, _ in known)), nice_top(max(y for _, y in known))
    below = [(i / 5, short(top_x * i / 5)) for i in range(6)]
    parts = _frame(top_y, (unit_x, unit_y), below, label)
    places = [(_x(x / top_x), _y(y / top_y)) for x, y in known]
    parts.append(f'<polyline class="s0" points="{" ".join(f"{x},{y}" for x, y in places)}"/>')
    for (x, y), (value_x, value_y) in zip(places, known, strict=True):
        title = f"{short(value_x)} {escape(unit_x)}: {short(value_y)} {escape(unit_y)}"
        parts.append(f'<circle class="s0" cx="{x}" cy="{y}" r="3"><title>{title}</title></circle>')
    return "".join(parts) + "</svg>"


def bars(values: Mapping[str, float], unit: str, label: str, chinese: Mapping[str, str]) -> str:
    """One horizontal bar a name, with its value; `chinese`: the names in Chinese. Empty text for nothing to draw."""
    if not values or max(values.values()) <= 0:
        return ""
    top, row = max(values.values()), 22
    height = row * len(values) + 8
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">']
    for i, (name, value) in enumerate(values.items()):
        y = 4 + i * row
        width = round(max(0.0, value) / top * (WIDTH - 300), 1)
        for language, text in (("zh", chinese.get(name, name)), ("en", name)):
            parts.append(f'<text lang="{language}" x="130" y="{y + 14}" text-anchor="end">{escape(text)}</text>')
        parts.append(f'<rect class="s0" x="140" y="{y + 2}" width="{width}" height="{row - 6}"/>')
        parts.append(f'<text x="{146 + width}" y="{y + 14}">{short(value)} {escape(unit)}</text>')
    return "".join(parts) + "</svg>"
