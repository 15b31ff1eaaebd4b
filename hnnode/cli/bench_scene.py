"""What the verbs of `hnnode bench` that run a network share: its homes, progress on stderr, and where results go."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import RenderableType
from rich.progress import Progress, TaskID

from hnnode.cli.dev import CHAIN_NAME, Interrupted, interruptible
from hnnode.cli.language import say, two
from hnnode.cli.network import make_homes
from hnnode.cli.options import optional
from hnnode.cli.output import Format, emit, notes, progress_bar

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan
    from hnnode.bench.scene import OpenScene, Part, Scene

_STAGES = {
    "start": ("启动节点", "starting nodes"),
    "idle": ("空闲", "idle"),
    "fill": ("预置数据", "filling"),
    "probe": ("探测", "probing"),
    "peak": ("峰值", "peak"),
    "sign": ("签名", "signing"),
    "send": ("发送", "sending"),
    "normal": ("常态负载", "normal load"),
    "overload": ("过载", "overload"),
    "sync": ("追赶", "catching up"),
    "query": ("查询", "querying"),
    "locust": ("Locust 负载", "Locust load"),
}
_PARTS = {
    "knee": ("找拐点的链", "chain for the knee"),
    "measured": ("测量的链", "measured chain"),
    "overload": ("过载的链", "chain for the overload"),
}

AppOption = Annotated[str, typer.Option("--app", metavar="evidence|coldchain|…", help=two("应用", "application"))]
FlavourOption = Annotated[
    str, typer.Option("--flavour", help=two("负载的种类（插件自定）", "kind of load, named by the plugin"))
]
MixOption = Annotated[
    str,
    typer.Option(
        "--flavour",
        metavar="mix|chain|…",
        show_default=False,
        help=two(
            "负载的种类（插件自定），默认为应用的真实混合，含查询；chain 只提交",
            "kind of load, named by the plugin; without it the application's realistic mix, queries included; chain submits only",
        ),
    ),
]
BatchOption = Annotated[
    int, typer.Option("--batch", min=1, max=1000, help=two("每个请求的交易数", "transactions in one request"))
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help=two("负载的种子", "seed of the workload"))]
PayloadOption = Annotated[
    int | None,
    optional("--payload", metavar="BYTES", min=1, help=two("载荷长度（evidence）", "length of the payload (evidence)")),
]
SecondsOption = Annotated[
    int,
    typer.Option(
        "--seconds",
        min=2,
        max=3600,
        help=two("每次测量的秒数", "length of each measured run"),
    ),
]
RateOption = Annotated[
    int | None,
    typer.Option(
        "--rate",
        min=1,
        show_default=False,
        help=two(
            "每秒提交的交易数，默认先在另一条链上找到跟得上的最高速率",
            "transactions offered a second; without it the most that a chain keeps up with, looked for on one of its own first",
        ),
    ),
]
RunsOption = Annotated[
    int,
    typer.Option(
        "--runs",
        min=1,
        max=9,
        help=two(
            "同一条链上相继测量的次数，取中位数",
            "measured runs, one after the other on one chain; medians are reported",
        ),
    ),
]
PreloadOption = Annotated[
    int,
    typer.Option(
        "--preload",
        metavar="KEYS",
        min=0,
        max=100_000_000,
        help=two("测量前先写入每条链状态的键数", "keys put into the state of every chain before it is loaded"),
    ),
]
KeepOption = Annotated[
    Path | None,
    optional(
        "--keep",
        metavar="DIR",
        help=two("网络放在这个新目录并保留", "put the network into this new folder and keep it"),
    ),
]
ToOption = Annotated[
    Path | None,
    optional("--to", metavar="FILE", help=two("另把 JSON 结果写入文件", "also write the JSON result to a file")),
]
ReportOption = Annotated[
    Path | None,
    optional(
        "--report",
        metavar="DIR|FILE.html",
        help=two(
            "写出报告：目录内为 JSON、Markdown 和网页，.html 则只有网页",
            "write the report: JSON, Markdown and a page into a folder, or the page alone for FILE.html",
        ),
    ),
]


@contextmanager
def _folder(keep: Path | None, part: Part | None) -> Iterator[Path]:
    """Where the network of a part stands. `keep` exists; the knee's network is beside the one that is kept, so on the same disk."""
    from hnnode.bench.scene import Part

    if keep is None or part is Part.knee:
        prefix = "hn-bench-" if keep is None else "knee-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=keep) as thrown_away:
            yield Path(thrown_away)
    elif part is Part.overload:
        folder = keep / part
        folder.mkdir(mode=0o700)
        yield folder
    else:
        yield keep


@contextmanager
def scenes(nodes: int, plan: Plan, keep: Path | None, setting: Setting) -> Iterator[OpenScene]:
    """Networks for a plan. Leaves the process with 130 when it is interrupted; everything is stopped first."""
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True)
        keep = keep.resolve()
    bar = progress_bar()
    try:
        with interruptible(), bar:
            yield lambda part: _scene(nodes, plan, keep, setting, part, bar)
    except Interrupted as e:
        raise typer.Exit(130) from e


@contextmanager
def scene(nodes: int, plan: Plan, keep: Path | None, setting: Setting) -> Iterator[Scene]:
    """The one network that a plan needs, otherwise as `scenes`."""
    with scenes(nodes, plan, keep, setting) as open_scene, open_scene(None) as found:
        yield found


@contextmanager
def _scene(
    nodes: int, plan: Plan, keep: Path | None, setting: Setting, part: Part | None, bar: Progress
) -> Iterator[Scene]:
    from hnnode.bench.network import running
    from hnnode.bench.people import person
    from hnnode.bench.scene import Scene

    tasks: dict[str, TaskID] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            named = [say(*_STAGES[stage])] if part is None else [say(*_PARTS[part]), say(*_STAGES[stage])]
            tasks[stage] = bar.add_task(" · ".join(named), total=total)
        bar.update(tasks[stage], completed=done, total=total)

    # The workload's actors; the same seed wants the same ones every time.
    people = [person(name, roles) for name, roles in sorted(plan.workload(plan.seed).actors.items())]
    with _folder(keep, part) as folder:
        started_s = time.monotonic()
        homes = make_homes(folder, nodes, CHAIN_NAME, "city", [plan.application], people)
        made_s = time.monotonic() - started_s
        progress("start", 0, nodes)
        ready = 0

        def count() -> None:
            nonlocal ready
            ready += 1
            progress("start", ready, nodes)

        with running(homes, setting, count) as (net, ready_s):
            deploy = {
                "homes_s": round(made_s, 3),
                "ready_s": round(ready_s, 3),
                "total_s": round(made_s + ready_s, 3),
            }
            yield Scene(net, {p.name: p.key for p in people}, progress, deploy)
    for task in tasks.values():
        bar.remove_task(task)


def save(result: Mapping[str, Any], to: Path | None) -> None:
    """Write a result as JSON where it was asked for."""
    if to is not None:
        to.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")


def save_report(place: Path, *results: Mapping[str, Any]) -> None:
    """Write one report of the results, and say where."""
    from hnnode.bench.report_files import write_report

    for path in write_report(place, *results):
        notes().print(say(f"已写入 {path}", f"wrote {path}"), markup=False)


def deliver(
    result: Mapping[str, Any], output: Format, to: Path | None, report: Path | None, table: Callable[[], RenderableType]
) -> None:
    """Print a result, and write it where it was asked for."""
    save(result, to)
    if report is not None:
        save_report(report, result)
    emit(output, result, table)
