"""`hnnode bench sync`: how fast an empty node catches up."""

from __future__ import annotations

from typing import Annotated

import typer

from hnnode.cli.bench_scene import (
    AppOption,
    BatchOption,
    FlavourOption,
    KeepOption,
    ReportOption,
    SeedOption,
    ToOption,
    deliver,
    scene,
)
from hnnode.cli.language import two
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format


def sync(
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=4, max=16, help=two("节点数", "number of nodes"))] = 4,
    app: AppOption = "evidence",
    txs: Annotated[
        int,
        typer.Option("--txs", min=100, max=100_000_000, help=two("要追赶的交易数", "transactions to catch up with")),
    ] = 200_000,
    flavour: FlavourOption = "chain",
    batch: BatchOption = 200,
    seed: SeedOption = 1,
    keep: KeepOption = None,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan
    from hnnode.bench.report import render_facts
    from hnnode.bench.sync import SyncRun

    plan = Plan(app, flavour, 0, None, batch, None, seed, preload=txs)
    newcomer = nodes - 1
    with scene(nodes, plan, keep, Setting(stopped=(newcomer,))) as network:
        result = SyncRun(network.net, network.keys, plan, network.progress, newcomer, network.deploy_s).run()
    deliver(result, output, to, report, lambda: render_facts(result))


def register(application: typer.Typer) -> None:
    application.command("sync", help=two("空节点追赶一条已有数据的链", "an empty node catches up with a filled chain"))(
        sync
    )
