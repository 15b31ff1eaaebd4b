"""`hnnode plugin new`, `check`, `test`, `docs`, `dev`: the vendor's work on the folder of a plugin."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hnnode.cli import failure
from hnnode.cli.language import current, say, two
from hnnode.cli.options import example, optional
from hnnode.cli.output import columns, console, notes

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.kit.findings import Finding


class Kind(StrEnum):
    status = "status"
    evidence = "evidence"
    coldchain = "coldchain"


class ReportFormat(StrEnum):
    text = "text"
    json = "json"
    sarif = "sarif"


PathArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        show_default=False,
        help=two("插件目录，默认当前目录", "folder of the plugin, default: this one"),
    ),
]
CountedOption = Annotated[
    bool,
    typer.Option(
        "--counted",
        help=two("按计步的代码处理，无论清单怎么写", "take the code as counted, whatever its manifest says"),
    ),
]


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=two("应用名，小写", "name of the application, lower case"))
    ],
    like: Annotated[
        Kind,
        typer.Option(
            "--like",
            help=two(
                "样板：status 状态表，evidence 最小，coldchain 交接与守恒",
                "to start from: status has a status table, evidence is the smallest, coldchain hands over and conserves",
            ),
        ),
    ] = Kind.status,
    title_zh: Annotated[
        str | None, optional("--title-zh", metavar="TEXT", help=two("中文名称", "title in Chinese"))
    ] = None,
    title_en: Annotated[
        str | None, optional("--title-en", metavar="TEXT", help=two("英文名称", "title in English"))
    ] = None,
    vendor: Annotated[
        str,
        typer.Option("--vendor", metavar="TEXT", help=two("厂商名称或统一社会信用代码", "the vendor's name or code")),
    ] = "unnamed vendor",
    to: Annotated[
        Path | None, optional("--to", metavar="DIR", help=two("目录，默认 NAME", "folder to make, default NAME"))
    ] = None,
) -> None:
    from hnnode.kit.scaffold import Names, make_project

    folder = Path(name) if to is None else to
    plain = name.replace("_", " ").capitalize()
    written = make_project(folder, Names(name, title_zh or f"{name} 应用", title_en or plain, vendor), like.value)
    console().print(
        say(f"已生成 {folder}：{len(written)} 个文件", f"made {folder}: {len(written)} files"), markup=False
    )
    for line in (f"cd {folder}", "hnnode plugin test", "hnnode plugin check", "hnnode plugin pack"):
        console().print(f"  {line}", markup=False)


def check(
    path: PathArgument = Path(),
    against: Annotated[
        Path | None,
        optional("--against", metavar="WHEEL", help=two("与更早的包比较", "compare with an earlier package")),
    ] = None,
    format: Annotated[
        ReportFormat, typer.Option("--format", help=two("报告格式", "form of the report"))
    ] = ReportFormat.text,
    to: Annotated[
        Path | None, optional("--to", metavar="FILE", help=two("报告写入文件", "write the report there"))
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help=two("警告也算失败", "fail on warnings too"))] = False,
    counted: CountedOption = False,
) -> None:
    import tempfile

    from hnnode.kit.check import check_project
    from hnnode.kit.findings import failed
    from hnnode.kit.project import Project
    from hnnode.kit.versions import unpack
    from hnnode.packaging import read_package

    older = None if against is None else read_package(against, None)
    with tempfile.TemporaryDirectory(prefix="hn-check-") as folder:
        if path.suffix == ".whl":
            project = unpack(read_package(path, None), Path(folder))
        else:
            project = Project.open(path)
            project = project.counted(Path(folder)) if counted else project
        findings = check_project(project, older)
    text = _report(findings, format)
    if to is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, "utf-8")
    errors = sum(finding.rule.level == "error" for finding in findings)
    warnings = sum(finding.rule.level == "warning" for finding in findings)
    notes().print(say(f"错误 {errors}，警告 {warnings}", f"errors: {errors}, warnings: {warnings}"))
    if failed(findings, strict=strict):
        raise typer.Exit(failure.ERROR)


def _report(findings: list[Finding], format: ReportFormat) -> str:
    from hnnode.kit.findings import as_json, as_sarif

    if format is ReportFormat.text:
        return "".join(finding.text(current()) + "\n" for finding in findings)
    data = as_json(findings) if format is ReportFormat.json else as_sarif(findings, current())
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


def run_plugin_tests(
    path: PathArgument = Path(),
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, max=4, help=two("fixture chain 的节点数", "nodes of the fixture chain"))
    ] = 1,
    twice: Annotated[
        bool,
        typer.Option(
            "--twice/--once",
            help=two("在两个不同的进程环境中各跑一遍并比较", "run in two processes that differ, and compare"),
        ),
    ] = True,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, max=2**31, help=two("多节点网络的种子", "seed of the network between nodes")),
    ] = 0,
    record: Annotated[
        Path | None,
        optional("--record", metavar="FILE", help=two("记下链上发生的一切", "write down what happened on the chains")),
    ] = None,
    replay: Annotated[
        Path | None,
        optional(
            "--replay",
            metavar="FILE",
            help=two("与以前记下的比较，须完全相同", "compare with what was recorded before; it must be the same"),
        ),
    ] = None,
    select: Annotated[
        str | None, optional("-k", metavar="EXPRESSION", help=two("只跑匹配的测试", "only the tests that match"))
    ] = None,
) -> None:
    from hnnode.kit.project import Project
    from hnnode.kit.testing import run_tests

    project = Project.open(path)
    started = time.monotonic()
    arguments = () if select is None else ("-k", select)
    report = run_tests(project, nodes=nodes, twice=twice, seed=seed, record=record, replay=replay, arguments=arguments)
    if report.output:
        notes().print(say("第二次运行失败：", "the second run failed:"), style="red")
        notes().print(report.output[-8_000:], markup=False)
    if report.costs:
        titles = [
            say("动作", "action"),
            say("交易", "txs"),
            say("拒绝", "refused"),
            say("最多步数", "most steps"),
            "µs",
        ]
        rows = [[c.action, c.tx_count, c.refused_count, c.steps_max, f"{c.us:.1f}"] for c in report.costs]
        console().print(columns(titles, rows))
    for each in report.differences:
        text = say(each.zh, each.en)
        notes().print(f"{each.test}: {each.place}: {text}", style="red", markup=False)
    seconds = f"{time.monotonic() - started:.1f}"
    if not report.ok:
        notes().print(say(f"未通过，用时 {seconds} 秒", f"failed after {seconds} s"), style="bold red")
        raise typer.Exit(failure.ERROR)
    how = say("两次运行结果相同", "both runs agree") if report.runs == 2 else say("只运行一次", "run once")
    notes().print(say(f"通过，{how}，用时 {seconds} 秒", f"passed, {how}, {seconds} s"), style="bold green")


def docs(
    path: PathArgument = Path(),
    to: Annotated[
        Path | None,
        optional(
            "--to", metavar="DIR", help=two("输出目录，默认 PATH/build/docs", "where to, default PATH/build/docs")
        ),
    ] = None,
) -> None:
    from hnnode.kit.docs import write_pages
    from hnnode.kit.project import Project

    project = Project.open(path)
    for written in write_pages(project, to or project.root / "build" / "docs"):
        console().print(str(written), markup=False)


def dev(
    path: PathArgument = Path(),
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--fresh",
            help=two(
                "代码变化后保留状态（升级）还是新开一条链",
                "when the code changes keep the state (an upgrade), or start a new chain",
            ),
        ),
    ] = True,
) -> None:
    from hnnode.cli.plugin_dev import run_dev

    run_dev(path, keep=keep)


def register(application: typer.Typer) -> None:
    """Attach the verbs of the kit to `hnnode plugin`."""
    application.command(
        "new",
        help=two("生成一个新插件，其测试立即通过", "make a new plugin whose tests pass at once"),
        epilog=example('hnnode plugin new demo --title-en "Item desk" --vendor "Demo Ltd"'),
    )(new)
    application.command(
        "check",
        help=two(
            "检查插件：清单、确定性、隐私、schema 与依赖", "check manifest, determinism, privacy, schemas, dependencies"
        ),
        epilog=example("hnnode plugin check --against dist/hnnode_demo-0.1.0-py3-none-any.whl"),
    )(check)
    application.command(
        "test",
        help=two("运行插件的测试，共两遍，结果须一致", "run the plugin's tests, twice"),
        epilog=example("hnnode plugin test", "hnnode plugin test --nodes 4 --once --record before.jsonl"),
    )(run_plugin_tests)
    application.command(
        "docs", help=two("生成说明页（HTML 与 Markdown）", "write the page of the plugin (HTML, Markdown)")
    )(docs)
    application.command(
        "dev",
        help=two("单节点链，保存文件后重新加载", "a one-node chain that reloads the plugin on every save"),
    )(dev)
