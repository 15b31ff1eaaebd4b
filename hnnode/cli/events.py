"""`hnnode events`: what applications emitted, from committed receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer

from hnnode.cli.connection import event_lines
from hnnode.cli.language import say, two
from hnnode.cli.options import NodeOption, OutputOption
from hnnode.cli.output import Format, emit_line, notes
from hnnode.cli.session import node_url
from hnnode.errors import Unavailable

application = typer.Typer(name="events", help=two("事件", "events"), no_args_is_help=True)
RECONNECT_S = 1.0


def parse_stream(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(event name, data) of a server-sent stream; comments and fields without data are skipped."""
    name, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield name, orjson.loads(data)
            name, data = "message", ""
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()


def event_line(event: dict[str, Any]) -> str:
    payload = event.get("payload", event.get("payload_hex"))
    text = payload if isinstance(payload, str) else orjson.dumps(payload).decode()
    return f"{event['cursor']:<12}  {event['block_time']}  {event['name']}  {event['entity']}  {text}"


@application.command(
    "tail", help=two("跟随事件，Ctrl-C 结束；可从位置恢复", "follow events until Ctrl-C; resumes from a cursor")
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
                "after this cursor, default from the start; latest for new ones",
            ),
        ),
    ] = None,
    app: Annotated[
        str | None, typer.Option("--app", show_default=False, help=two("只看一个应用", "of one application"))
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", show_default=False, help=two("只看一种事件", "of one name"))
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, show_default=False, help=two("显示这么多后结束", "end after so many")),
    ] = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    url = node_url(node)
    shown = 0
    cursor = after
    while True:
        connected = False
        try:
            with event_lines(url, "/v1/events", after=cursor, application=app, name=name) as lines:
                connected = True
                for kind, event in parse_stream(lines):
                    if kind == "lagging":
                        break
                    cursor = event["cursor"]
                    emit_line(output, event, event_line(event))
                    shown += 1
                    if count is not None and shown >= count:
                        return
        except Unavailable as e:
            if not connected and cursor == after:
                raise
            notes().print(
                say(
                    f"连接中断，从 {cursor or '头'} 恢复：{e.detail}",
                    f"connection lost, resuming after {cursor or 'the start'}: {e.detail}",
                ),
                style="yellow",
                markup=False,
            )
        time.sleep(RECONNECT_S)
