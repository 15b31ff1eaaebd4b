"""`hnnode bench`: how fast a chain of several validators, and the cryptography alone, is on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
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
from hnnode.cli.output import Format, console, emit, notes
from hnnode.errors import HnError

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


@application.command(
    "crypto", help=two("密码与默克尔树的速度，附 openssl 对照", "cryptography and trees, beside openssl")
)
def crypto(
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            min=0.01,
            max=60,
            show_default=False,
            help=two("每一项的测量秒数，默认 0.5", "length of each measurement, 0.5 without it"),
        ),
    ] = None,
    kernel: Annotated[
        list[str] | None,
        typer.Option(
            "--kernel",
            metavar="portable|scalar|avx2|ifma",
            show_default=False,
            help=two(
                "只测这些内核，可重复；默认全部可用的", "measure these kernels only, may be repeated; all without it"
            ),
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="NAME",
            show_default=False,
            help=two("只测这些项，可重复", "measure these fields only, may be repeated"),
        ),
    ] = None,
    state_keys: Annotated[
        int | None,
        typer.Option(
            "--state-keys",
            min=10_000,
            max=20_000_000,
            show_default=False,
            help=two("大状态树的键数，默认一千万", "keys of the big state tree, 10 million without it"),
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help=two(
                "半分钟内测完：每项更短、状态树一百万键、其余内核只测 SM2、SM3、SM4",
                "within half a minute: shorter runs, a million keys, of the lesser kernels SM2, SM3 and SM4 alone",
            ),
        ),
    ] = False,
    check_floors: Annotated[
        bool,
        typer.Option(
            "--check-floors",
            help=two("有一项低于下限时以 1 退出", "exit with 1 when a figure is below its floor"),
        ),
    ] = False,
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
    import hnnode_native as native

    from hnnode.bench.crypto import (
        FIELDS,
        QUICK_SECONDS,
        QUICK_STATE_KEYS,
        SECONDS,
        STATE_KEYS,
        CryptoPlan,
        WorkerError,
        measure,
    )
    from hnnode.bench.crypto_report import render
    from hnnode.bench.crypto_targets import missed

    plan = CryptoPlan(
        seconds or (QUICK_SECONDS if quick else SECONDS),
        _known("--kernel", kernel, native.crypto_kernels()),
        _known("--field", field, FIELDS),
        state_keys or (QUICK_STATE_KEYS if quick else STATE_KEYS),
        quick,
    )
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes(),
        transient=True,
    )
    with interruptible(), bar:
        task = bar.add_task(say("测量", "measuring"), total=None)
        try:
            result = measure(
                plan, lambda name, done, total: bar.update(task, description=name, completed=done, total=total)
            )
        except WorkerError as e:
            raise HnError("INTERNAL_ERROR", str(e)) from e
        except Interrupted as e:
            raise typer.Exit(130) from e
    if to is not None:
        to.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    emit(output, result, lambda: render(result))
    below = [target.title for target in missed(result)] if check_floors else []
    if below:
        notes().print(say(f"低于下限：{'；'.join(below)}", f"below the floor: {'; '.join(below)}"))
        raise typer.Exit(1)


@application.command(
    "render", help=two("把密码测量结果写入网页的标记之间", "write a crypto result between the markers of a page")
)
def render_page(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT",
            exists=True,
            dir_okay=False,
            help=two("测量结果 JSON 文件", "JSON file of a measurement"),
        ),
    ],
    into: Annotated[
        Path, typer.Option("--into", metavar="PAGE", exists=True, dir_okay=False, help=two("页面", "the page"))
    ] = Path("docs/benchmarks.md"),
) -> None:
    from hnnode.bench.crypto_report import into_page

    try:
        measured = orjson.loads(result.read_bytes())
        page = into_page(into.read_text("utf-8"), measured)
    except (ValueError, KeyError) as e:
        raise typer.BadParameter(f"{result}, {into}: {e}") from e
    into.write_text(page, "utf-8")
    console().print(say(f"已写入 {into}", f"wrote {into}"))


def _known(option: str, asked: list[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """What was asked for, in the order of `known`; all when nothing was."""
    wrong = [name for name in asked or () if name not in known]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r}: {' | '.join(known)}", param_hint=option)
    return tuple(name for name in known if not asked or name in asked)
