"""`hnnode bench`: how fast a chain of several validators is on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hnnode.bench.localnet import LocalNet
from hnnode.cli.dev import CHAIN_NAME, Interrupted, interruptible
from hnnode.cli.language import say, two
from hnnode.cli.network import NodesOption, make_homes
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, emit, notes

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.bench.chain import Plan
    from hnnode.bench.people import Person

application = typer.Typer(name="bench", help=two("性能测量", "measurements"), no_args_is_help=True)

_STAGES = {"probe": ("探测", "probing"), "sign": ("签名", "signing"), "send": ("发送", "sending")}


@application.command(
    "chain", help=two("本机多节点链的吞吐与延迟", "throughput and latency of a chain of several nodes on this machine")
)
def chain(
    nodes: NodesOption = 4,
    app: Annotated[
        str, typer.Option("--app", metavar="evidence|coldchain|…", help=two("应用", "application"))
    ] = "evidence",
    seconds: Annotated[
        int, typer.Option("--seconds", min=2, max=3600, help=two("测量秒数", "length of the measured part"))
    ] = 20,
    flavour: Annotated[
        str, typer.Option("--flavour", help=two("负载的种类（插件自定）", "kind of load, named by the plugin"))
    ] = "chain",
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1,
            show_default=False,
            help=two(
                "每秒提交的交易数，默认先探测再取八成",
                "transactions offered a second; without it the chain is probed first",
            ),
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=1000, help=two("每个请求的交易数", "transactions in one request"))
    ] = 200,
    payload: Annotated[
        int | None,
        typer.Option(
            "--payload",
            metavar="BYTES",
            min=1,
            show_default=False,
            help=two("载荷长度（evidence）", "length of the payload (evidence)"),
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help=two("负载的种子", "seed of the workload"))] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            show_default=False,
            help=two("网络放在这个新目录并保留", "put the network into this new folder and keep it"),
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            show_default=False,
            help=two("另把 JSON 结果写入文件", "also write the JSON result to a file"),
        ),
    ] = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.chain import Plan
    from hnnode.bench.report import render

    plan = Plan(app, flavour, seconds, rate, batch, payload, seed)
    with interruptible():
        try:
            if keep is not None:
                keep.mkdir(mode=0o700, parents=True)
                result = _run(keep.resolve(), nodes, plan)
            else:
                with tempfile.TemporaryDirectory(prefix="hn-bench-") as folder:
                    result = _run(Path(folder), nodes, plan)
        except Interrupted as e:
            raise typer.Exit(130) from e
    if to is not None:
        to.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    emit(output, result, lambda: render(result))


def _people(plan: Plan) -> list[Person]:
    """The workload's actors; the same seed wants the same ones every time."""
    from hnnode.bench.people import person

    return [person(name, roles) for name, roles in sorted(plan.workload(plan.seed).actors.items())]


def _run(directory: Path, nodes: int, plan: Plan) -> dict[str, Any]:
    from hnnode.bench.chain import ChainRun

    people = _people(plan)
    homes = make_homes(directory, nodes, CHAIN_NAME, "city", [plan.application], people)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes(),
        transient=True,
    )
    with LocalNet.of(homes) as net, bar:
        start = bar.add_task(say("启动节点", "starting nodes"), total=nodes)
        net.start_all()
        net.wait_ready(on_ready=lambda node: bar.advance(start))
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(say(*_STAGES[stage]), total=total)
            bar.update(tasks[stage], completed=done, total=total)

        return ChainRun(net, {p.name: p.key for p in people}, plan, progress).run()
