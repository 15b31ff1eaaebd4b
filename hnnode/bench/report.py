"""The result of a run for people: a table and a chart over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BLOCKS = " ▁▂▃▄▅▆▇█"
CHART_HEIGHT = 6


def chart(values: Sequence[int], height: int = CHART_HEIGHT) -> list[str]:
    """Columns of block characters, one a value, topmost line first; the tallest column fills the height."""
    top = max(values, default=0)
    if top == 0:
        return [" " * len(values) for _ in range(height)]
    eighths = [round(value * height * 8 / top) for value in values]
    return ["".join(_BLOCKS[max(0, min(8, e - 8 * row))] for e in eighths) for row in range(height - 1, -1, -1)]


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


_ROWS: tuple[tuple[str, str], ...] = (
    ("offered_tps", "tx/s"),
    ("accepted_tps", "tx/s"),
    ("committed_tps", "tx/s"),
    ("succeeded_tps", "tx/s"),
    ("refused", "tx"),
    ("retried", "tx, told to come later and did"),
    ("lost", "tx"),
    ("blocks", ""),
    ("txs_per_block", ""),
    ("cpu_us_per_tx", "µs, all nodes"),
    ("plugins_cpu_us_per_tx", "µs of it in processes of plugins"),
    ("sender_cpu_us_per_tx", "µs, sender and follower"),
    ("rss_mb_max", "MB, largest node"),
    ("plugins_rss_mb_max", "MB, plugin processes of one node"),
    ("ledger_bytes_per_tx", "bytes, one node"),
    ("fsyncs_per_block", "one node"),
    ("signature_verifications_per_tx_per_node", ""),
    ("loop_lag_ms_p99_max", "ms, slowest node"),
    ("state_roots_equal", ""),
    ("violations", "broken invariants of the application"),
)


def render(result: Mapping[str, Any], *, budget: bool = False) -> RenderableType:
    """Table, latency line and chart of a `hnnode bench chain` result; with `budget` the CPU time of each stage."""
    table = _facts((name, _number(result[name]), unit) for name, unit in _ROWS if name in result)
    latency = result["latency_ms"]
    table.add_row(
        "latency",
        " · ".join(f"{name} {_number(value)}" for name, value in latency.items()),
        "ms, from the intended send time",
    )
    if "queries" in result:
        _add_queries(table, result["queries"])
    machine = result["machine"]
    lines = chart(result["committed_per_second"])
    top = max(result["committed_per_second"], default=0)
    drawn = Text("\n".join(f"{f'{top:,}' if i == 0 else '':>9} {line}" for i, line in enumerate(lines)), style="cyan")
    title = f"{application(result)} · {result['nodes']} nodes · {result['seconds']} s · {result['tx_bytes']} bytes a transaction"
    where = (
        f"{machine['cpu']} · {machine['cores']} cores · {machine['ram_gb']} GB · {result['commit'] or 'no revision'}"
    )
    axis = Text(f"{'':>9} committed tx/s, one column a second", style="dim")
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        Text(where, style="dim"),
        *(Text(how, style="dim") for how in (chains(result) or ())[1:]),
        Text(""),
        table,
        Text(""),
        drawn,
        axis,
    ]
    if budget:
        parts += [Text(""), Text("CPU a transaction, all nodes", style="bold"), budget_table(result["budget"])]
    for name in ("idle", "overload"):
        if name in result:
            parts += [Text(""), Text(name, style="bold"), render_facts(result[name])]
    return Group(*parts)


def application(result: Mapping[str, Any]) -> str:
    """Application and kind of load; results of two kinds are not alike."""
    return " · ".join(filter(None, (str(result.get("app", "")), str(result.get("flavour") or ""))))


def chains(result: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which chains a `chain` result comes from, Chinese and English; None for results that do not say so."""
    settings = result.get("settings") or {}
    if settings.get("measured_chain") != "new":
        return None
    zh, en = ["在新链上测量"], ["measured on a new chain"]
    if (runs := settings["runs"]) > 1:
        zh, en = [f"在一条新链上相继测量 {runs} 次"], [f"measured {runs} times on one new chain"]
    if settings["knee_chain"] == "own":
        zh.insert(0, "速率先在另一条链上找到")
        en.insert(0, "rate found on a chain of its own")
    if settings["overload_chain"] == "own":
        zh.append("过载在另一条新链上")
        en.append("overload on another new chain")
    return " · ".join(zh), " · ".join(en)


def _add_queries(table: Table, queries: Mapping[str, Any]) -> None:
    rates = " · ".join(f"{name} {_number(queries[f'{name}_per_s'])}" for name in ("offered", "answered", "failed"))
    table.add_row("queries", rates, f"a second, {100 * queries['share']:.1f} % of all requests")
    if queries["failed_by_code"]:
        table.add_row("queries failed", " · ".join(f"{k} {v:,}" for k, v in queries["failed_by_code"].items()), "")
    latency = " · ".join(f"{name} {_number(value)}" for name, value in queries["latency_ms"].items())
    table.add_row("query latency", latency, "ms, from the time it was due")


def budget_table(budget: Mapping[str, Any]) -> Table:
    """Stages with their share of the total, then the threads they were measured by."""
    table = Table(box=None, pad_edge=False)
    for title in ("stage", "µs", "%"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    total = budget["total_us"] or 1.0
    for stage, us in budget["stages_us"].items():
        table.add_row(stage, f"{us:.2f}", f"{100 * us / total:.1f}")
    table.add_row("total", f"{budget['total_us']:.2f}", "100.0", style="bold", end_section=True)
    for thread, us in budget["threads_us"].items():
        table.add_row(f"  thread {thread}", f"{us:.2f}", f"{100 * us / total:.1f}", style="dim")
    return table


LIST_MAX = 16
"""Longer lists are for charts, not for a line of text."""


def render_facts(result: Mapping[str, Any]) -> RenderableType:
    """Every figure of a part of a result, nested names joined by dots; lists of objects as tables of their own."""
    records = {name: value for name, value in result.items() if is_records(value)}
    plain = {name: value for name, value in result.items() if name not in records and not _is_long(value)}
    plain.pop("series", None)
    parts: list[RenderableType] = [_facts((name, _number(value), "") for name, value in flatten(plain))]
    for name, rows in records.items():
        parts += [Text(""), Text(name, style="bold"), _records([dict(flatten(row)) for row in rows])]
    return Group(*parts)


def is_records(value: Any) -> bool:
    """A list of objects."""
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _is_long(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and (
        len(value) > LIST_MAX or any(isinstance(v, (list, tuple)) for v in value)
    )


def _records(rows: Sequence[Mapping[str, Any]]) -> Table:
    titles = list(dict.fromkeys(title for row in rows for title in row))
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*(_number(row.get(title)) for title in titles))
    return table


def flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, figure or text) of a result."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
            for i, item in enumerate(value):
                yield from flatten(item, f"{prefix}{name}.{i}.")
        elif isinstance(value, (list, tuple)):
            yield prefix + name, " ".join(map(_number, value))
        else:
            yield prefix + name, value


def _facts(rows: Iterable[tuple[str, str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for row in rows:
        table.add_row(*row)
    return table
