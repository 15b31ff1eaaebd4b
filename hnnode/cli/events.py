"""`hnnode events`: what applications emitted, from committed receipts."""

from __future__ import annotations

from typing import Annotated

import msgspec
import orjson
import typer

from hnnode.cli.connection import open_client
from hnnode.cli.language import two
from hnnode.cli.options import CountOption, NodeOption, OutputOption
from hnnode.cli.output import Format, emit_line
from hnnode.cli.session import node_url
from hnnode.client import Event

application = typer.Typer(name="events", help=two("事件", "events"), no_args_is_help=True)


def event_line(event: Event) -> str:
    text = event.payload_hex if event.payload_hex is not None else orjson.dumps(event.payload).decode()
    return f"{event.cursor:<12}  {event.block_time}  {event.name}  {event.entity}  {text}"


@application.command(
    "tail", help=two("跟随事件，Ctrl-C 结束；断线自动恢复", "follow events until Ctrl-C; resumes by itself")
)
def tail(
    after: Annotated[
        str | None,
        typer.Option(
            "--after",
            metavar="CURSOR",
            show_default=False,
            help=two(
                "从此位置之后，默认从头；latest 只看新事件",
                "after this cursor, default from the start; latest for new ones only",
            ),
        ),
    ] = None,
    app: Annotated[
        str | None, typer.Option("--app", show_default=False, help=two("只看一个应用", "of one application"))
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", show_default=False, help=two("只看一种事件", "of one name"))
    ] = None,
    count: CountOption = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    with open_client(node_url(node)) as client:
        for number, event in enumerate(client.events(after, application=app, name=name), 1):
            emit_line(output, msgspec.to_builtins(event), event_line(event))
            if number == count:
                return
