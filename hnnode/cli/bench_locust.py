"""`hnnode bench presign` and `hnnode bench locust`: the side of a Locust load that knows the chain."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hnnode.cli.bench_scene import (
    AppOption,
    FlavourOption,
    KeepOption,
    PayloadOption,
    ReportOption,
    SeedOption,
    ToOption,
    deliver,
    scene,
)
from hnnode.cli.connection import get_json
from hnnode.cli.language import say, two
from hnnode.cli.network import NodesOption
from hnnode.cli.options import NodeOption, OutputOption
from hnnode.cli.output import Format, console
from hnnode.cli.session import node_url

SHAPES = ("steady", "stress", "spike", "soak")
LOADTESTS = Path("loadtests")


def presign(
    to: Annotated[Path, typer.Argument(metavar="FILE", help=two("要写的新文件", "new file to write"))],
    key: Annotated[
        list[str],
        typer.Option(
            "--key",
            metavar="NAME=FILE",
            help=two("负载角色的私钥，可重复", "key of an actor of the load, may be repeated"),
        ),
    ],
    count: Annotated[
        int, typer.Option("--count", min=1, max=100_000_000, help=two("交易数", "number of transactions"))
    ] = 100_000,
    app: AppOption = "evidence",
    flavour: FlavourOption = "declare",
    payload: PayloadOption = None,
    seed: SeedOption = 1,
    node: NodeOption = None,
) -> None:
    """Sign for the chain that a node runs; the keys have to be registered there."""
    from hnnode.bench.plan import VALID_BLOCKS
    from hnnode.bench.presigned import write_presigned
    from hnnode.bench.workload import Signing, workload
    from hnnode.crypto import read_key_file

    status = get_json(node_url(node), "/v1/status")
    load = workload(app, flavour, seed, payload)
    given = dict(text.partition("=")[::2] for text in key)
    missing = sorted(set(load.actors) - set(given))
    if missing:
        raise typer.BadParameter(say(f"缺少角色 {missing}", f"no key for {missing}"), param_hint="--key")
    keys = {name: read_key_file(Path(given[name])) for name in load.actors}
    signing = Signing(keys, bytes.fromhex(status["chain_id"]), app)
    bundles = signing.bundles([load], count, 1, int(status["height"]) + VALID_BLOCKS, lambda more: None)
    facts = {"chain_id": status["chain_id"], "application": app, "count": sum(len(b.tx_ids) for b in bundles)}
    write_presigned(to, facts, bundles)
    console().print(
        say(f"已写入 {facts['count']} 笔：{to}", f"wrote {facts['count']} transactions: {to}"), markup=False
    )


def locust(
    nodes: NodesOption = 4,
    app: AppOption = "evidence",
    shape: Annotated[
        str, typer.Option("--shape", metavar="|".join(SHAPES), help=two("负载形状", "shape of the load"))
    ] = "stress",
    users: Annotated[
        str,
        typer.Option("--users", metavar="single|batch|query|mixed|fast", help=two("用户种类", "kind of users")),
    ] = "mixed",
    seconds: Annotated[
        int, typer.Option("--seconds", min=5, max=200_000, help=two("总秒数", "length of the load"))
    ] = 120,
    peak_users: Annotated[
        int, typer.Option("--peak-users", min=1, max=10_000, help=two("最多用户数", "most users at a time"))
    ] = 40,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=0,
            max=64,
            help=two("Locust 进程数，0 为单个", "processes of Locust, 0 for one alone"),
        ),
    ] = 0,
    presigned: Annotated[
        int,
        typer.Option("--presigned", min=100, max=100_000_000, help=two("预签名交易数", "transactions signed before")),
    ] = 60_000,
    python: Annotated[
        Path,
        typer.Option("--python", metavar="FILE", help=two("装有 Locust 的 Python", "the Python that has Locust")),
    ] = Path("build/loadtest/bin/python"),
    folder: Annotated[
        Path,
        typer.Option(
            "--loadtests",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help=two("loadtests 目录", "folder of the load tests"),
        ),
    ] = LOADTESTS,
    seed: SeedOption = 1,
    keep: KeepOption = None,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    """A local network under a Locust load; latency is taken from committed blocks."""
    from hnnode.bench.locust import LocustPlan, LocustRun
    from hnnode.bench.network import Setting
    from hnnode.bench.plan import Plan
    from hnnode.bench.report import render_facts

    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r}: {' | '.join(SHAPES)}", param_hint="--shape")
    if not python.exists():
        raise typer.BadParameter(
            say(f"{python} 不存在，先运行 make loadtest-env", f"{python} does not exist, run make loadtest-env first"),
            param_hint="--python",
        )
    plan = Plan(app, "declare", seconds, None, 1, None, seed)
    with tempfile.TemporaryDirectory(prefix="hn-locust-") as scratch, scene(nodes, plan, keep, Setting()) as network:
        own = LocustPlan(
            python.absolute(), folder.resolve(), Path(scratch), shape, users, seconds, peak_users, workers, presigned
        )
        result = LocustRun(network.net, network.keys, plan, own, network.progress, network.deploy_s).run()
    deliver(result, output, to, report, lambda: render_facts(result))


def watch(
    to: Annotated[Path, typer.Argument(metavar="FILE", help=two("要写的文件", "file to write"))],
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=1, max=1e6, help=two("记录的秒数，Ctrl-C 提前结束", "how long, Ctrl-C ends it early")
        ),
    ] = 600.0,
    node: NodeOption = None,
) -> None:
    """Record what the chain commits while somebody else loads it."""
    import asyncio

    from hnnode.bench.watch import watch as watched

    async def record() -> int:
        until = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, until.set)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, until.set)
        return await watched(node_url(node), to, until)

    height = asyncio.run(record())
    console().print(say(f"已记录到高度 {height}：{to}", f"recorded up to height {height}: {to}"), markup=False)


def join(
    sent: Annotated[
        Path,
        typer.Option(
            "--sent", exists=True, file_okay=False, help=two("Locust 写的 sent 目录", "folder that Locust wrote")
        ),
    ],
    presigned: Annotated[
        list[Path],
        typer.Option(
            "--presigned",
            exists=True,
            dir_okay=False,
            help=two("预签名文件，次序同测试时", "presigned files, in the order of the run"),
        ),
    ],
    blocks: Annotated[
        Path,
        typer.Option("--blocks", exists=True, dir_okay=False, help=two("bench watch 的记录", "record of bench watch")),
    ],
    stats: Annotated[
        Path | None,
        typer.Option(
            "--stats",
            metavar="PREFIX",
            show_default=False,
            help=two("locust --csv 的前缀", "prefix given to locust --csv"),
        ),
    ] = None,
    to: ToOption = None,
    report: ReportOption = None,
    output: OutputOption = Format.table,
) -> None:
    """One report from what Locust says it sent and what the chain committed."""
    from hnnode.bench.locust_join import joined
    from hnnode.bench.report import render_facts

    result = joined(sent, presigned, blocks, stats)
    deliver(result, output, to, report, lambda: render_facts(result))


def register(application: typer.Typer) -> None:
    application.command("presign", help=two("生成预签名交易文件", "write a file of signed transactions"))(presign)
    application.command("watch", help=two("记录链上的区块", "record the blocks of a chain"))(watch)
    application.command("join", help=two("合并 Locust 与链的结果", "join Locust's view with the chain's"))(join)
    application.command("locust", help=two("本机网络上的 Locust 负载", "a Locust load on a network of this machine"))(
        locust
    )
