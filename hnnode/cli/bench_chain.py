"""`hnnode bench chain`: throughput, latency and cost of a chain of several nodes on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from hnnode.cli.bench_scene import (
    AppOption,
    BatchOption,
    KeepOption,
    MixOption,
    PayloadOption,
    PreloadOption,
    RateOption,
    ReportOption,
    RunsOption,
    SecondsOption,
    SeedOption,
    ToOption,
    deliver,
    scenes,
)
from hnnode.cli.language import two
from hnnode.cli.network import NodesOption
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format

IDLE_S = 30
MULTIPLES_MAX = 8


def chain(
    nodes: NodesOption = 4,
    app: AppOption = "evidence",
    seconds: SecondsOption = 20,
    flavour: MixOption = "",
    rate: RateOption = None,
    batch: BatchOption = 200,
    payload: PayloadOption = None,
    hot_keys: Annotated[
        int,
        typer.Option(
            "--hot-keys",
            metavar="PERCENT",
            min=0,
            max=100,
            help=two("落在 16 个热点键上的交易占比（evidence）", "share of transactions on 16 hot keys (evidence)"),
        ),
    ] = 0,
    preload: PreloadOption = 0,
    gateways: Annotated[
        int,
        typer.Option("--gateways", min=0, max=64, help=two("节点旁的网关进程数", "gateway processes beside the nodes")),
    ] = 0,
    delay_ms: Annotated[
        int,
        typer.Option(
            "--delay-ms",
            min=0,
            max=2_000,
            help=two("验证节点间每条链路的单向延迟", "one-way delay of every link between validators"),
        ),
    ] = 0,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help=two("插件在独立进程中运行", "plugins run in processes of their own, as vendors' do")
        ),
    ] = False,
    cores: Annotated[
        int,
        typer.Option(
            "--cores",
            min=0,
            max=1024,
            help=two("所有节点共用的核数，0 为全部", "cores that all nodes share, 0 for every one"),
        ),
    ] = 0,
    runs: RunsOption = 1,
    budget: Annotated[
        bool,
        typer.Option("--budget", help=two("列出各阶段每笔交易的 CPU 时间", "CPU time a transaction by stage")),
    ] = False,
    idle: Annotated[
        bool,
        typer.Option("--idle", help=two("先测量空闲链 30 秒的开销", "first measure 30 s of the idle chain")),
    ] = False,
    overload: Annotated[
        str,
        typer.Option(
            "--overload",
            metavar="2,5,10",
            show_default=False,
            help=two(
                "最后在另一条链上按峰值的这些倍数过载", "at the end offer a new chain these multiples of its peak"
            ),
        ),
    ] = "",
    overload_seconds: Annotated[
        int,
        typer.Option("--overload-seconds", min=5, max=3600, help=two("每个倍数的秒数", "length of each multiple")),
    ] = 60,
    seed: SeedOption = 1,
    keep: KeepOption = None,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.chain import ChainRun
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan
    from hnnode.bench.report import render

    plan = Plan(
        app,
        flavour,
        seconds,
        rate,
        batch,
        payload,
        seed,
        hot_percent=hot_keys,
        preload=preload,
        gateways=gateways,
        delay_ms=delay_ms,
        cores=cores,
        isolated=isolated,
        budget=budget,
        runs=runs,
        idle_s=IDLE_S if idle else 0,
        overload=_multiples(overload),
        overload_s=overload_seconds,
    )
    with scenes(nodes, plan, keep, Setting(delay_ms, gateways, budget, cores, isolated=isolated)) as open_scene:
        result = ChainRun(open_scene, plan).run()
    deliver(result, output, to, report, lambda: render(result, budget=budget))


def _multiples(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MULTIPLES_MAX or not all(
        part.isascii() and part.isdigit() and 1 <= int(part) <= 100 for part in parts
    ):
        raise typer.BadParameter(f"{text!r}: 2,5,10", param_hint="--overload")
    return tuple(int(part) for part in parts)


def register(application: typer.Typer) -> None:
    application.command(
        "chain",
        help=two("本机多节点链的吞吐与延迟", "throughput and latency of a chain on this machine"),
    )(chain)
