"""What the verbs of `hnnode bench` that run a network share: its homes, progress on stderr, and where results go."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import RenderableType

from hnnode.cli.dev import CHAIN_NAME, Interrupted, interruptible
from hnnode.cli.language import say, two
from hnnode.cli.network import make_homes
from hnnode.cli.options import optional
from hnnode.cli.output import Format, emit, notes, progress_bar

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode_native import SecretKey

    from hnnode.bench.localnet import LocalNet
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan

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
PreloadOption = Annotated[
    int,
    typer.Option(
        "--preload",
        metavar="KEYS",
        min=0,
        max=100_000_000,
        help=two("测量前先写入状态的键数", "keys put into the state before the measured part"),
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


@dataclass(frozen=True, slots=True)
class Scene:
    """A running network with the keys of its workload."""

    net: LocalNet
    keys: Mapping[str, SecretKey]
    progress: Callable[[str, int, int], None]
    deploy_s: Mapping[str, float]


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="hn-bench-") as folder:
            yield Path(folder)
    else:
        keep.mkdir(mode=0o700, parents=True)
        yield keep.resolve()


@contextmanager
def scene(nodes: int, plan: Plan, keep: Path | None, setting: Setting) -> Iterator[Scene]:
    """A network for a plan. Leaves the process with 130 when it is interrupted; everything is stopped first."""
    from hnnode.bench.network import running
    from hnnode.bench.people import person

    bar = progress_bar()
    tasks: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(say(*_STAGES[stage]), total=total)
        bar.update(tasks[stage], completed=done, total=total)

    # The workload's actors; the same seed wants the same ones every time.
    people = [person(name, roles) for name, roles in sorted(plan.workload(plan.seed).actors.items())]
    try:
        with interruptible(), _folder(keep) as folder, bar:
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
    except Interrupted as e:
        raise typer.Exit(130) from e


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
