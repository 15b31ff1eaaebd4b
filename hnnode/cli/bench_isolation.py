"""`hnnode bench isolation`: the same load with plugins in the node and in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hnnode.cli.bench_scene import (
    AppOption,
    BatchOption,
    MixOption,
    ReportOption,
    SeedOption,
    ToOption,
    save,
    save_report,
    scene,
)
from hnnode.cli.language import say, two
from hnnode.cli.network import NodesOption
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, emit, notes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hnnode.bench.plan import Plan


def isolation(
    nodes: NodesOption = 4,
    app: AppOption = "coldchain",
    seconds: Annotated[
        int, typer.Option("--seconds", min=2, max=3600, help=two("每次测量的秒数", "length of each measured part"))
    ] = 10,
    flavour: MixOption = "",
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1,
            show_default=False,
            help=two(
                "两次共用的每秒交易数，默认为独立进程时峰值的八成",
                "transactions offered a second to both; without it 80 % of what the isolated network takes",
            ),
        ),
    ] = None,
    batch: BatchOption = 200,
    runs: Annotated[
        int,
        typer.Option("--runs", min=1, max=9, help=two("每种的测量次数，取中位数", "measured runs of each, medians")),
    ] = 1,
    seed: SeedOption = 1,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    """Both networks in turn, never at once; the ratio is isolated ÷ in process."""
    from hnnode.bench.isolation import beside
    from hnnode.bench.plan import Plan

    if app == "evidence":
        raise typer.BadParameter(say("evidence 不是插件", "evidence is no plugin"), param_hint="--app")
    plans = [
        Plan(app, flavour, seconds, rate, batch, None, seed, isolated=isolated, runs=runs, probe=True)
        for isolated in (True, False)
    ]
    isolated = _run(nodes, plans[0], None)
    in_process = _run(nodes, plans[1], isolated["settings"]["rate"])
    result = beside(in_process, isolated)
    save(result, to)
    if report is not None:
        shown = {name: value for name, value in result.items() if name not in ("in_process", "isolated")}
        save_report(report, shown, in_process, isolated)
    emit(output, result, lambda: _table(result))


def _run(nodes: int, plan: Plan, rate: int | None) -> dict[str, Any]:
    from dataclasses import replace

    from hnnode.bench.audit import violations
    from hnnode.bench.chain import ChainRun
    from hnnode.bench.network import Setting

    notes().print(say(*(("独立进程", "isolated") if plan.isolated else ("进程内", "in process"))))
    plan = plan if rate is None else replace(plan, rate=rate)
    with scene(nodes, plan, None, Setting(isolated=plan.isolated)) as network:
        result = ChainRun(network.net, network.keys, plan, network.progress, network.deploy_s).run()
        return result | violations(network.net, plan)


def _table(result: dict[str, Any]) -> RenderableType:
    from hnnode.bench.report import render_facts

    return render_facts({name: result[name] for name in ("app", "flavour", "nodes", "seconds", "comparison")})


def register(application: typer.Typer) -> None:
    application.command(
        "isolation",
        help=two(
            "插件在节点内与在独立进程中各测一次",
            "what it costs that plugins run in processes of their own: both, and the ratio",
        ),
    )(isolation)
