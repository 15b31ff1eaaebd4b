"""One HTML page for a set of results: tables and charts, Chinese and English, without script or outside address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from hnnode.bench import charts, standard
from hnnode.bench.names import NAMES, PARTS, STAGES_ZH, field
from hnnode.bench.report import application, chains, flatten, is_records

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2733;--soft:#5d6b7a;--paper:#fff;--rule:#d9e0e7;
--s0:#1769aa;--s1:#c2410c;--s2:#15803d}
@media (prefers-color-scheme:dark){:root{--ink:#e3e9ef;--soft:#93a1b0;--paper:#14191f;--rule:#313a44;
--s0:#64b5f6;--s1:#fb923c;--s2:#4ade80}}
body{font:15px/1.5 "Noto Sans CJK SC","Microsoft YaHei",system-ui,sans-serif;color:var(--ink);
background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:break-word}
.language{float:right}
h1{font-size:1.5rem}h2{font-size:1.25rem;margin-top:3rem;border-bottom:2px solid var(--rule)}
h3{font-size:1rem;margin:1.5rem 0 .25rem}p.note{color:var(--soft)}
.wide{overflow-x:auto}.wide.figures{max-width:40rem}.figures td{text-align:right}.figures+.figures{margin-top:1rem}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .6rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
th{font-weight:600}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
svg.chart{width:100%;height:auto;min-width:32rem}svg text{font-size:12px;fill:var(--soft)}svg .grid{stroke:var(--rule)}
polyline{fill:none;stroke-width:2}
polyline.s0{stroke:var(--s0)}polyline.s1{stroke:var(--s1)}polyline.s2{stroke:var(--s2)}
rect.s0,circle.s0{fill:var(--s0)}rect.s1,circle.s1{fill:var(--s1)}rect.s2,circle.s2{fill:var(--s2)}
input[name=language]{margin-left:1rem}
body:has(#zh:checked) [lang=en],body:has(#en:checked) [lang=zh]{display:none}
details{margin-top:.5rem}summary{cursor:pointer}
@media print{@page{size:A4;margin:15mm}body{margin:0;padding:0;max-width:none;font-size:10pt}.language{display:none}
details:not([open]){display:none}h2,h3{break-after:avoid}tr,svg{break-inside:avoid}svg.chart{min-width:0}rect,circle{print-color-adjust:exact}}
"""


COLUMNS_MAX = 8


def both(zh: str, en: str) -> str:
    """A text in both languages, of which the page shows one."""
    return f'<span lang="zh">{escape(zh)}</span><span lang="en">{escape(en)}</span>'


def page(results: Sequence[Mapping[str, Any]], language: str = "zh") -> str:
    """The whole document. `language` is the one shown first."""
    checked = {name: " checked" if name == language else "" for name in ("zh", "en")}
    parts = [
        f'<!DOCTYPE html><html lang="{escape(language)}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>hnnode bench</title>',
        f"<style>{_STYLE}</style></head><body>",
        f'<div class="language"><label><input type="radio" name="language" id="zh"{checked["zh"]}>中文</label>',
        f'<label><input type="radio" name="language" id="en"{checked["en"]}>English</label></div>',
        f"<h1>{both('性能测试报告', 'Performance report')}</h1>",
        _standard(results),
    ]
    for result in results:
        parts.append(_section(result))
    return "\n".join(part for part in parts if part) + "\n</body></html>\n"


def _standard(results: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for item in standard.items(results):
        value = both(*item.value) if item.value else both(f"未测量：{item.command}", f"not measured: {item.command}")
        rows.append(f"<tr><th>{both(item.zh, item.en)}</th><td>{value}</td></tr>")
    heading = both("JR/T 0193-2020 性能项目", "Performance items of JR/T 0193-2020")
    return f"<h2>{heading}</h2>{_wide(''.join(rows))}"


def _section(result: Mapping[str, Any]) -> str:
    parts = [f"<h2>{both(*title(result))}</h2>", f'<p class="note">{both(*where(result))}</p>']
    if (how := chains(result)) is not None:
        parts.append(f'<p class="note">{both(*how)}</p>')
    figures = dict(flatten(result))
    rows = [(both(*NAMES[name]), figures[name]) for name in NAMES if name in figures]
    parts.append(_table(rows))
    for heading, chart in _charts(result):
        if chart:
            parts.append(f'<h3>{heading}</h3><div class="wide">{chart}</div>')
    for name, rows in result.items():
        if is_records(rows) and name != "runs":
            parts += [f"<h3>{both(*PARTS.get(name, (name, name)))}</h3>", _records([dict(flatten(r)) for r in rows])]
    for name in ("overload", "idle"):
        if name in result:
            part = result[name]
            facts = _table((both(*field(key)), value) for key, value in flatten(_scalars(part)))
            parts += [f"<h3>{both(*PARTS[name])}</h3>", facts]
            parts += [_records([dict(flatten(row)) for row in rows]) for rows in part.values() if is_records(rows)]
    rest = [
        (escape(key), value) for key, value in figures.items() if not key.startswith(("series.", "latency_histogram"))
    ]
    parts.append(f"<details><summary>{both('全部数据', 'every figure')}</summary>{_table(rest)}</details>")
    return "\n".join(parts)


def title(result: Mapping[str, Any]) -> tuple[str, str]:
    """Scenario and size of a result, Chinese and English."""
    known = [str(result.get("scenario", "")), application(result)]
    zh, en = list(known), list(known)
    if "nodes" in result:
        zh.append(f"{result['nodes']} 个节点")
        en.append(f"{result['nodes']} nodes")
    if "seconds" in result:
        zh.append(f"{result['seconds']} 秒")
        en.append(f"{result['seconds']} s")
    return " · ".join(filter(None, zh)), " · ".join(filter(None, en))


def where(result: Mapping[str, Any]) -> tuple[str, str]:
    """Machine and revision of a result, Chinese and English."""

    def line(cores: str, unknown: str) -> str:
        machine = result.get("machine", {})
        known = [machine.get("cpu"), f"{machine.get('cores')} {cores}", f"{machine.get('ram_gb')} GB"]
        known.append(f"Linux {machine.get('kernel')}")
        return " · ".join([*(map(str, known) if machine else ()), result.get("commit") or unknown])

    return line("核", "版本不明"), line("cores", "no revision")


def _scalars(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if not is_records(value)}


def _records(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a record; a column a record when that is narrower."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > max(len(rows), COLUMNS_MAX):
        lines = (f"<th>{both(*field(name))}</th>" + "".join(_cell(row.get(name)) for row in rows) for name in names)
        return _wide("".join(f"<tr>{line}</tr>" for line in lines), "wide figures")
    words = {name for row in rows for name, value in row.items() if isinstance(value, str)}
    head = "".join(f'<th class="{"" if name in words else "number"}">{both(*field(name))}</th>' for name in names)
    body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in names) + "</tr>" for row in rows)
    return _wide(f"<tr>{head}</tr>{body}")


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = [f"<tr><th>{name}</th>{_cell(value)}</tr>" for name, value in rows]
    return _wide("".join(cells), "wide figures")


def _wide(rows: str, kind: str = "wide") -> str:
    """A table that scrolls by itself on a narrow screen."""
    return f'<div class="{kind}"><table>{rows}</table></div>'


def _cell(value: Any) -> str:
    if value is None:
        text = "–"
    elif isinstance(value, bool):
        text = "✓" if value else "✗"
    elif isinstance(value, float):
        text = f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    else:
        text = f"{value:,}" if isinstance(value, int) else str(value)
    return f"<td>{escape(text)}</td>" if isinstance(value, str) else f'<td class="number">{escape(text)}</td>'


def _charts(result: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    series = result.get("series") or {}
    yield (
        both("吞吐量", "Throughput"),
        charts.lines({"committed": series.get("committed", ())}, "tx/s", "throughput over time"),
    )
    yield both("查询", "Queries"), charts.lines({"answered": series.get("queries", ())}, "1/s", "queries over time")
    latency = {name.removesuffix("_ms"): series.get(name, ()) for name in ("p50_ms", "p99_ms")}
    yield both("延迟", "Latency"), charts.lines(latency, "ms", "latency over time")
    yield (
        both("延迟分布", "Latency distribution"),
        charts.columns(
            [tuple(pair) for pair in result.get("latency_histogram_ms", ())], "ms", "tx", "latency distribution"
        ),
    )
    stages = (result.get("budget") or {}).get("stages_us", {})
    yield both("各阶段 CPU", "CPU by stage"), charts.bars(stages, "µs/tx", "CPU by stage", STAGES_ZH)
    yield (
        both("节点 CPU", "CPU of the nodes"),
        charts.lines({"cores": series.get("node_cores", ())}, "CPU", "node CPU"),
    )
    yield both("磁盘（一个节点）", "Disk of one node"), charts.lines({"disk": series.get("disk_mb", ())}, "MB", "disk")
    yield (
        both("内存（全部节点）", "Memory of all nodes"),
        charts.lines({"memory": series.get("rss_mb", ())}, "MB", "memory"),
    )
    knee = result.get("steps")
    if knee:
        yield both("拐点", "Knee"), charts.curve([(s["offered_tps"], s["p99_ms"]) for s in knee], "tx/s", "ms", "knee")
    heights = result.get("heights")
    if heights:
        yield both("追赶", "Catching up"), charts.curve([tuple(pair) for pair in heights], "s", "height", "catching up")
