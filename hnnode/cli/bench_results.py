"""`hnnode bench compare`, `report`, `model`: what to do with results that were written to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table
from rich.text import Text

from hnnode.cli import failure
from hnnode.cli.bench_scene import ToOption, deliver
from hnnode.cli.language import say, two
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, console

if TYPE_CHECKING:
    from hnnode.bench.compare import Delta

_STYLES = {"better": "green", "worse": "red", "changed": "yellow", "same": "dim"}
ResultArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RESULT", exists=True, dir_okay=False, help=two("测量结果 JSON 文件", "JSON file of a result")
    ),
]


def load_result(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as e:
        raise typer.BadParameter(f"{path}: {e}") from e
    if not isinstance(found, dict) or "scenario" not in found:
        raise typer.BadParameter(f"{path}: " + say("不是测量结果", "not a result of a measurement"))
    return found


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="A", exists=True, dir_okay=False, help=two("先前的结果", "the earlier result"))
    ],
    after: Annotated[
        Path, typer.Argument(metavar="B", exists=True, dir_okay=False, help=two("后来的结果", "the later result"))
    ],
    changed: Annotated[bool, typer.Option("--changed", help=two("只列出有变化的项", "list only what changed"))] = False,
    output: OutputOption = Format.table,
) -> None:
    """Exit code 1 when a figure became worse by more than its noise and more than 10 %."""
    from hnnode.bench.compare import compare as compared
    from hnnode.bench.compare import regressed

    deltas = compared(load_result(before), load_result(after))
    shown = [delta for delta in deltas if not changed or delta.verdict != "same"]
    data = {
        "scenario": "compare",
        "regressed": regressed(deltas),
        "deltas": [
            {
                "name": d.name,
                "before": d.before,
                "after": d.after,
                "change": None if d.change is None else round(d.change, 4),
                "band": round(d.band, 4),
                "verdict": d.verdict.value,
            }
            for d in shown
        ],
    }
    deliver(data, output, None, None, lambda: _table(shown))
    if regressed(deltas):
        raise typer.Exit(failure.ERROR)


def _table(deltas: list[Delta]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in (say("数据", "figure"), "A", "B", "Δ %", say("± 噪声 %", "± noise %"), ""):
        table.add_column(title, justify="left" if not table.columns or not title else "right")
    for d in deltas:
        change = "–" if d.change is None else f"{100 * d.change:+.1f}"
        cells = [d.name, f"{d.before:,}", f"{d.after:,}", change, f"{100 * d.band:.1f}", d.verdict.value]
        table.add_row(*(Text(cell, style=_STYLES[d.verdict.value]) for cell in cells))
    return table


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT…", exists=True, dir_okay=False, help=two("测量结果 JSON 文件", "JSON files of results")
        ),
    ],
    into: Annotated[
        Path,
        typer.Option(
            "--into",
            metavar="DIR|FILE.html",
            help=two("目录，或只写网页的 .html 文件", "folder, or FILE.html for the page alone"),
        ),
    ] = Path("report"),
) -> None:
    """One report of several results: with chain, sync and query all five items of JR/T 0193-2020 are filled."""
    from hnnode.bench.report_files import write_report

    for path in write_report(into, *map(load_result, results)):
        console().print(say(f"已写入 {path}", f"wrote {path}"), markup=False)


def model(
    result: ResultArgument,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="PAGE",
            exists=True,
            dir_okay=False,
            show_default=False,
            help=two("写入网页的标记之间", "write it between the marks of a page"),
        ),
    ] = None,
    to: ToOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.model import into_page, markdown
    from hnnode.bench.model import model as modelled

    found = modelled(load_result(result))
    if into is not None:
        try:
            into.write_text(into_page(into.read_text("utf-8"), found), "utf-8")
        except ValueError as e:
            raise typer.BadParameter(f"{into}: {e}") from e
    deliver(found, output, to, None, lambda: Text(markdown(found)))


def tables(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT…", exists=True, dir_okay=False, help=two("测量结果 JSON 文件", "JSON files of results")
        ),
    ],
    into: Annotated[
        Path, typer.Option("--into", metavar="PAGE", exists=True, dir_okay=False, help=two("页面", "the page"))
    ] = Path("docs/benchmarks.md"),
) -> None:
    """Write chain, sync and query results between the marks of a page."""
    from hnnode.bench.tables import into_page

    try:
        into.write_text(into_page(into.read_text("utf-8"), [load_result(path) for path in results]), "utf-8")
    except (ValueError, KeyError) as e:
        raise typer.BadParameter(f"{into}: {e}") from e
    console().print(say(f"已写入 {into}", f"wrote {into}"), markup=False)


def register(application: typer.Typer) -> None:
    application.command(
        "compare",
        help=two("比较两个结果，变差则退出码为 1", "two results side by side; exit code 1 when it became worse"),
    )(compare)
    application.command("report", help=two("把多个结果写成一份报告", "one report of several results"))(report)
    application.command(
        "tables", help=two("把链的测量结果写入网页的标记之间", "write chain results between the marks of a page")
    )(tables)
    application.command(
        "model",
        help=two(
            "由各线程的 CPU 时间推算 16 核和 64 核机器",
            "what 16 and 64 cores would reach, from CPU time by thread",
        ),
    )(model)
