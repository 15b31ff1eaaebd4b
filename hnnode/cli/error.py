"""`hnnode error CODE` and `hnnode version`: answers that need no node."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

from hnnode.cli import failure
from hnnode.cli.language import say, two
from hnnode.cli.options import OutputOption
from hnnode.cli.output import Format, emit, grid
from hnnode.errors import CODES, ERRORS, Rejected


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE|NAME", help=two("错误编号或名称", "error number or name"))],
    output: OutputOption = Format.table,
) -> None:
    number = int(code) if code.isdecimal() else CODES.get(code.upper(), -1)
    info = ERRORS.get(number)
    if info is None:
        raise Rejected("NOT_FOUND", say(f"没有错误编号 {code}", f"no error {code}"))
    status = failure.exit_code(info.code)
    next_step = say(*failure.NEXT[info.name]) if info.name in failure.NEXT else None
    facts = {
        "code": info.code,
        "name": info.name,
        "zh": info.zh,
        "en": info.en,
        "http": info.http,
        "retryable": info.retryable,
        "exit_code": status,
        "next": next_step,
    }
    rows = [
        (say("编号", "code"), info.code),
        (say("名称", "name"), info.name),
        ("中文", info.zh),
        ("English", info.en),
        ("HTTP", info.http),
        (say("可重试", "retryable"), say("是", "yes") if info.retryable else say("否", "no")),
        (say("退出码", "exit code"), status),
        *([(say("下一步", "next"), next_step)] if next_step else []),
    ]
    emit(output, facts, lambda: grid(rows))


def version(output: OutputOption = Format.table) -> None:
    import hnnode_native

    import hnnode

    facts = {
        "hnnode": hnnode.__version__,
        "native": hnnode_native.VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    emit(output, facts, lambda: grid(facts.items()))


def register(application: typer.Typer) -> None:
    application.command("error", help=two("解释一个错误编号", "explain an error code"))(explain)
    application.command("version", help=two("显示版本", "show versions"))(version)
