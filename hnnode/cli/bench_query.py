"""`hnnode bench query`: how many questions a node answers."""

from __future__ import annotations

from typing import Annotated

import typer

from hnnode.cli.bench_scene import KeepOption, PreloadOption, ReportOption, SeedOption, ToOption, deliver, scene
from hnnode.cli.language import two
from hnnode.cli.network import NodesOption
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format


def query(
    nodes: NodesOption = 4,
    seconds: Annotated[
        int, typer.Option("--seconds", min=1, max=3600, help=two("每种查询的秒数", "length of each kind of query"))
    ] = 10,
    clients: Annotated[
        int, typer.Option("--clients", min=1, max=1000, help=two("并发连接数", "connections at a time"))
    ] = 16,
    preload: PreloadOption = 0,
    seed: SeedOption = 1,
    keep: KeepOption = None,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan
    from hnnode.bench.query import QueryRun
    from hnnode.bench.report import render_facts

    plan = Plan("evidence", "chain", seconds, None, 200, None, seed, preload=preload)
    with scene(nodes, plan, keep, Setting()) as network:
        result = QueryRun(network.net, network.keys, plan, network.progress, clients, network.deploy_s).run()
    deliver(result, output, to, report, lambda: render_facts(result))


def register(application: typer.Typer) -> None:
    application.command("query", help=two("查询吞吐，带证明与不带证明", "query throughput, with and without proof"))(
        query
    )
