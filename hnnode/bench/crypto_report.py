"""Tables of a `hnnode bench crypto` result: for the terminal, and as Markdown for `docs/benchmarks.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hnnode.bench.crypto_targets import TARGETS, Target

NOTHING = "–"


def number(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _multiple(target: Target, value: float | None) -> str:
    return number(value) + ("×" if target.relative and value is not None else "")


def target_rows(result: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Title, measured, goal, floor, verdict."""
    return [
        (
            target.title,
            _multiple(target, target.measured(result)),
            _multiple(target, target.goal),
            _multiple(target, target.floor),
            target.reached(result) or NOTHING,
        )
        for target in TARGETS
    ]


def field_rows(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Titles, and one row a field: each kernel on one core, then the best kernel on all cores."""
    kernels = list(result["kernels"])
    everywhere = result["all_cores"]
    titles = ["field", *kernels, f"{result['kernel']}, {everywhere['threads']} cores"]
    names = dict.fromkeys(name for fields in result["kernels"].values() for name in fields)
    rows = []
    for name in sorted(names, key=lambda name: list(result).index(name) if name in result else len(result)):
        cells = [number(result["kernels"][kernel].get(name)) for kernel in kernels]
        rows.append([name, *cells, number(everywhere.get(name))])
    return titles, rows


def _where(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"{machine['cpu']} · {machine['cores']} cores · {machine['ram_gb']} GB · "
        f"{result['commit'] or 'no revision'} · kernel {result['kernel']} · {result['openssl'] or 'no openssl'}"
    )


def _settings(result: Mapping[str, Any]) -> str:
    settings = result["settings"]
    return (
        f"{result['started']} · {settings['statistic']} of the runs in {settings['seconds']:g} s a field, {settings['clock']} · "
        f"{settings['state_keys']:,} keys in the big state tree · {settings['openssl_runs']} runs of openssl"
        + (" · quick" if settings["quick"] else "")
    )


def references(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, number(value)) for name, value in result.items() if name.startswith("openssl_")]


def render(result: Mapping[str, Any]) -> RenderableType:
    """For the terminal."""
    goals = Table(box=None, pad_edge=False)
    for title in ("", "measured", "goal", "floor", "reached"):
        goals.add_column(title, justify="left" if title in ("", "reached") else "right")
    for row in target_rows(result):
        goals.add_row(*row, style="red" if row[-1] == "below" else None)
    titles, rows = field_rows(result)
    fields = Table(box=None, pad_edge=False)
    for title in titles:
        fields.add_column(title, justify="left" if title == "field" else "right")
    for name, value in references(result):
        fields.add_row(name, *[""] * (len(titles) - 3), value, style="dim")
    for cells in rows:
        fields.add_row(*cells)
    return Group(
        Text(_where(result), style="dim"), Text(_settings(result), style="dim"), Text(""), goals, Text(""), fields
    )


def markdown(result: Mapping[str, Any]) -> str:
    """The same tables for a page."""
    lines = [_where(result) + "  ", _settings(result), ""]

    def table(titles: list[str], rows: list[list[str]]) -> None:
        lines.append("| " + " | ".join(titles) + " |")
        lines.append("|---" + "|---:" * (len(titles) - 1) + "|")
        lines.extend("| " + " | ".join(row) + " |" for row in rows)
        lines.append("")

    table(["one core", "measured", "goal", "floor", "reached"], [list(row) for row in target_rows(result)])
    table(["reference, one core", "value"], [[f"`{name}`", value] for name, value in references(result)])
    titles, rows = field_rows(result)
    table(titles, [[f"`{row[0]}`", *row[1:]] for row in rows])
    return "\n".join(lines)


BEGIN = "<!-- crypto: begin, rendered by hnnode bench render -->"
END = "<!-- crypto: end -->"


def into_page(page: str, result: Mapping[str, Any]) -> str:
    """The page with everything between its two markers replaced. Raises ValueError when a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"want the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{markdown(result)}{END}{after}"
