"""The result of a run for people: a table and a chart over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    ("lost", "tx"),
    ("blocks", ""),
    ("txs_per_block", ""),
    ("cpu_us_per_tx", "µs, all nodes"),
    ("sender_cpu_share", "of one core"),
    ("rss_mb_max", "MB, largest node"),
    ("ledger_bytes_per_tx", "bytes, one node"),
    ("fsyncs_per_block", "one node"),
    ("signature_verifications_per_tx_per_node", ""),
    ("state_roots_equal", ""),
)


def render(result: Mapping[str, Any]) -> RenderableType:
    """Table, latency line and chart of a `hnnode bench chain` result."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, unit in _ROWS:
        table.add_row(name, _number(result[name]), unit)
    latency = result["latency_ms"]
    table.add_row(
        "latency",
        " · ".join(f"{name} {_number(value)}" for name, value in latency.items()),
        "ms, from the intended send time",
    )
    machine = result["machine"]
    lines = chart(result["committed_per_second"])
    top = max(result["committed_per_second"], default=0)
    drawn = Text("\n".join(f"{f'{top:,}' if i == 0 else '':>9} {line}" for i, line in enumerate(lines)), style="cyan")
    title = (
        f"{result['app']} · {result['nodes']} nodes · {result['seconds']} s · {result['tx_bytes']} bytes a transaction"
    )
    where = (
        f"{machine['cpu']} · {machine['cores']} cores · {machine['ram_gb']} GB · {result['commit'] or 'no revision'}"
    )
    axis = Text(f"{'':>9} committed tx/s, one column a second", style="dim")
    return Group(Text(title, style="bold"), Text(where, style="dim"), Text(""), table, Text(""), drawn, axis)
