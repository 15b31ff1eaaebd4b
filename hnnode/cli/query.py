"""`hnnode query`: ask an application."""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
import typer

from hnnode.cli.connection import post_json
from hnnode.cli.language import say, two
from hnnode.cli.options import NodeOption, OutputOption
from hnnode.cli.output import Format, emit, value_table
from hnnode.cli.payload import read_json_argument
from hnnode.cli.session import node_url

_JSON = re.compile(r"-?(0|[1-9][0-9]{0,14})|true|false|null|[\[{\"].*", re.ASCII | re.DOTALL)


def argument_value(text: str) -> Any:
    """Whole numbers, true, false, null, quoted text, lists and objects as JSON; anything else is text.

    A hash that happens to look like a number (`12e4…`, or digits alone) stays text.
    """
    if not _JSON.fullmatch(text):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def arguments_of(pairs: list[str]) -> dict[str, Any]:
    """`k=v` pairs; `k:=v` takes the value as text whatever it looks like."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip(":"):
            raise typer.BadParameter(say(f"{pair!r}：应为 名称=值", f"{pair!r}: want NAME=VALUE"), param_hint="--arg")
        found[name.removesuffix(":")] = value if name.endswith(":") else argument_value(value)
    return found


def query(
    application: Annotated[str, typer.Argument(metavar="APP", help=two("应用", "application"))],
    name: Annotated[str, typer.Argument(metavar="QUERY", help=two("查询", "query"))],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            "--arg",
            "-a",
            metavar="K=V",
            help=two("参数，可重复；K:=V 总按文本", "argument, may be repeated; K:=V is always text"),
        ),
    ] = None,
    args: Annotated[
        str | None,
        typer.Option(
            "--args",
            metavar="JSON|@FILE|-",
            show_default=False,
            help=two("全部参数的 JSON 对象", "all arguments as a JSON object"),
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option("--height", min=0, show_default=False, help=two("最近的某个高度", "one of the last few heights")),
    ] = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    arguments = {} if args is None else orjson.loads(read_json_argument(args, "--args"))
    arguments |= arguments_of(arg or [])
    path = f"/v1/applications/{application}/queries/{name}"
    answer = post_json(node_url(node), path, orjson.dumps(arguments), height=height)
    emit(output, answer, lambda: value_table(answer["result"]))


def register(application: typer.Typer) -> None:
    application.command("query", help=two("查询应用", "query an application"))(query)
