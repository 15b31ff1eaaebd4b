"""Where a report goes: a folder with JSON, Markdown and a page, or the page alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from hnnode.bench import standard
from hnnode.bench.names import NAMES
from hnnode.bench.report import chains, flatten
from hnnode.bench.report_page import page, title, where


def write_report(place: Path, *results: Mapping[str, Any], language: str = "zh") -> list[Path]:
    """Write the report of one or more results; returns the files. A name ending in `.html` gets the page alone."""
    if place.suffix == ".html":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page(results, language), "utf-8")
        return [place]
    place.mkdir(parents=True, exist_ok=True)
    data: Any = results[0] if len(results) == 1 else {"scenario": "report", "results": results}
    files = {
        place / "report.json": orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n",
        place / "report.md": markdown(*results).encode(),
        place / "report.html": page(results, language).encode(),
    }
    for path, content in files.items():
        path.write_bytes(content)
    return list(files)


def markdown(*results: Mapping[str, Any]) -> str:
    """Tables of the main figures, Chinese and English side by side."""
    lines = [
        "# 性能测试报告 · Performance report",
        "",
        "## JR/T 0193-2020",
        "",
        "| 项目 | item | result |",
        "|---|---|---|",
    ]
    lines += [
        f"| {i.zh} | {i.en} | {i.value[1] if i.value else f'未测量 not measured: `{i.command}`'} |"
        for i in standard.items(results)
    ]
    for result in results:
        figures = dict(flatten(result))
        lines += ["", f"## {title(result)[1]}", ""]
        lines += [where(result)[1], ""]
        if (how := chains(result)) is not None:
            lines += [" · ".join(how), ""]
        lines += ["| 数据 | figure | value |", "|---|---|---|"]
        lines += [f"| {zh} | {en} | {_text(figures[name])} |" for name, (zh, en) in NAMES.items() if name in figures]
        lines += _records(result.get("comparison") or [])
        stages = (result.get("budget") or {}).get("stages_us")
        if stages:
            lines += [
                "",
                "| stage | CPU µs/tx |",
                "|---|---|",
                *(f"| {stage} | {us:.2f} |" for stage, us in stages.items()),
            ]
    return "\n".join(lines) + "\n"


def _records(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    lines = ["", "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return lines + ["| " + " | ".join(_text(value) for value in row.values()) + " |" for row in rows]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
