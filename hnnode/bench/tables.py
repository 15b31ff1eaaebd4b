"""Tables of whole-node results for a page, written between its marks; no figure is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hnnode.bench import standard

BEGIN, END = "<!-- chain: begin, rendered by hnnode bench tables -->", "<!-- chain: end -->"

Result = Mapping[str, Any]
_Column = tuple[str, str]
"""(title, dotted name)"""

_CHAIN: tuple[_Column, ...] = (
    ("app", "app"),
    ("flavour", "settings.flavour"),
    ("plugins", "place"),
    ("validators", "nodes"),
    ("cores", "settings.node_cores"),
    ("tx bytes", "tx_bytes"),
    ("keys before", "settings.preloaded"),
    ("hot %", "settings.hot_percent"),
    ("delay ms", "settings.delay_ms"),
    ("offered tx/s", "offered_tps"),
    ("succeeded tx/s", "succeeded_tps"),
    ("p50 ms", "latency_ms.p50"),
    ("p99 ms", "latency_ms.p99"),
    ("queries/s offered", "queries.offered_per_s"),
    ("answered", "queries.answered_per_s"),
    ("failed", "queries.failed_per_s"),
    ("p50 ms of queries", "queries.latency_ms.p50"),
    ("p99 ms of queries", "queries.latency_ms.p99"),
    ("CPU µs/tx, all", "cpu_us_per_tx"),
    ("of it plugins", "plugins_cpu_us_per_tx"),
    ("ledger bytes/tx", "ledger_bytes_per_tx"),
    ("checks/tx and node", "signature_verifications_per_tx_per_node"),
    ("loop p99 ms", "loop_lag_ms_p99_max"),
    ("lost", "lost"),
    ("roots equal", "state_roots_equal"),
    ("runs", "settings.runs"),
)
_OVERLOAD: tuple[_Column, ...] = (
    ("× peak", "times"),
    ("asked for tx/s", "asked_tps"),
    ("offered tx/s", "offered_tps"),
    ("committed tx/s", "committed_tps"),
    ("share of peak", "committed_share_of_peak"),
    ("on equal cores", "committed_share_adjusted"),
    ("p99 ms of accepted", "latency_ms.p99"),
    ("memory MB/min", "rss_mb_per_minute"),
    ("at the peak before", "rss_mb_per_minute_at_peak"),
    ("normal again after s", "recovery_s"),
    ("lost", "lost"),
)
_IDLE: tuple[_Column, ...] = (
    ("CPU % of a core, most", "cpu_percent_max"),
    ("MB, most", "rss_mb_max"),
    ("seconds", "seconds"),
)
_SYNC: tuple[_Column, ...] = (
    ("app", "app"),
    ("blocks", "blocks"),
    ("txs", "txs"),
    ("seconds", "sync_s"),
    ("blocks/s", "blocks_per_s"),
    ("tx/s", "tx_per_s"),
    ("CPU µs/tx", "cpu_us_per_tx"),
    ("roots equal", "state_roots_equal"),
)
_QUERY: tuple[_Column, ...] = (
    ("query", "kind"),
    ("per second", "per_s"),
    ("p50 ms", "latency_ms.p50"),
    ("p99 ms", "latency_ms.p99"),
    ("CPU µs", "cpu_us_per_query"),
)


def markdown(results: Sequence[Result]) -> str:
    """All tables of the given results, in the order given; parts that nothing was measured for are left out."""
    chains = [result for result in results if result["scenario"] == "chain"]
    parts = [_machines(results)]
    parts += _part("", _CHAIN, [{**result, "place": _place(result)} for result in chains])
    budget = next((result["budget"] for result in chains if (result.get("budget") or {}).get("loop_samples")), None)
    if budget is not None:
        rows = [{"stage": stage, "us": us} for stage, us in budget["stages_us"].items()]
        total = {"stage": "sum", "us": budget["total_us"]}
        parts += _part(
            "CPU of a transaction by stage, all validators", (("stage", "stage"), ("µs", "us")), [*rows, total]
        )
    for result in chains:
        if "overload" in result:
            title = f"Overload, peak {result['overload']['peak_tps']:,.0f} tx/s"
            parts += _part(title, _OVERLOAD, result["overload"]["multiples"])
    parts += _part("Idle", _IDLE, [result["idle"] for result in chains if "idle" in result])
    parts += _part("Catching up", _SYNC, [result for result in results if result["scenario"] == "sync"])
    queries = [result for result in results if result["scenario"] == "query"]
    parts += _part("Queries", _QUERY, [{"kind": kind, **row} for q in queries for kind, row in q["queries"].items()])
    items = [{"zh": item.zh, "en": item.en, "value": item.value and item.value[1]} for item in standard.items(results)]
    parts += _part("JR/T 0193-2020", (("项目", "zh"), ("item", "en"), ("result", "value")), items)
    return "\n".join(parts)


def _place(result: Result) -> str | None:
    """Where plugins ran; None for a native application."""
    if result.get("app") == "evidence":
        return None
    return "isolated" if _get(result, "settings.isolated") else "in process"


def into_page(page: str, results: Sequence[Result]) -> str:
    """`page` with the tables between its marks. Raises ValueError for a page without them."""
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n{markdown(results)}\n{page[end:]}"


def _machines(results: Sequence[Result]) -> str:
    found = dict.fromkeys(
        f"{m['cpu']}, {m['cores']} cores, {m['ram_gb']} GB, Linux {m['kernel']}; revision {result.get('commit') or 'none'}; "
        f"reference: {result['reference']['openssl_sm2_verify_per_s'] or 0:,.0f} SM2 verifications a second of openssl on one core"
        for result in results
        for m in (result["machine"],)
    )
    return "\n".join(found)


def _part(title: str, columns: Sequence[_Column], rows: Sequence[Result]) -> list[str]:
    if not rows:
        return []
    lines = ["", *([f"**{title}**", ""] if title else [])]
    lines.append("| " + " | ".join(name for name, _ in columns) + " |")
    lines.append("|" + "---|" * len(columns))
    lines += ["| " + " | ".join(_text(_get(row, name)) for _, name in columns) + " |" for row in rows]
    return lines


def _get(row: Result, name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)
