"""`hnnode bench isolation`: the same load with plugins in the node and in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from hnnode.cli.bench_scene import (
    AppOption,
    BatchOption,
    MixOption,
    RateOption,
    ReportOption,
    RunsOption,
    SecondsOption,
    SeedOption,
    ToOption,
    save,
    save_report,
    scenes,
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
    seconds: SecondsOption = 10,
    flavour: MixOption = "",
    rate: RateOption = None,
    batch: BatchOption = 200,
    runs: RunsOption = 1,
    seed: SeedOption = 1,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    """Both networks in turn, never at once, at the knee of the isolated one unless a rate is given; the ratio is isolated ÷ in process."""
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

    from hnnode.bench.chain import ChainRun
    from hnnode.bench.network import Setting

    notes().print(say(*(("独立进程", "isolated") if plan.isolated else ("进程内", "in process"))))
    plan = plan if rate is None else replace(plan, rate=rate)
    with scenes(nodes, plan, None, Setting(isolated=plan.isolated)) as open_scene:
        return ChainRun(open_scene, plan).run()


def _table(result: dict[str, Any]) -> RenderableType:
    from hnnode.bench.report import render_facts

    return render_facts({name: result[name] for name in ("app", "flavour", "nodes", "seconds", "comparison")})


def register(application: typer.Typer) -> None:
    application.command(
        "isolation",
        help=two(
            "插件在节点内与在独立进程中各测一次",
            "plugins in the node and in processes of their own, compared",
        ),
    )(isolation)
