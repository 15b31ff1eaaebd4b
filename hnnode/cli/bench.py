"""`hnnode bench`: how fast a chain of several validators, and the cryptography alone, is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from hnnode.cli import bench_chain, bench_isolation, bench_locust, bench_query, bench_results, bench_sync
from hnnode.cli.bench_scene import ToOption, save
from hnnode.cli.dev import Interrupted, interruptible
from hnnode.cli.language import say, two
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, console, emit, notes, progress_bar
from hnnode.errors import HnError

application = typer.Typer(name="bench", help=two("性能测量", "measurements"), no_args_is_help=True)
for part in (bench_chain, bench_isolation, bench_sync, bench_query, bench_results, bench_locust):
    part.register(application)


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
    to: ToOption = None,
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
    bar = progress_bar()
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
    save(result, to)
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
