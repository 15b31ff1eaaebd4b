"""`hnnode block`: blocks of the chain."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from hnnode.cli.connection import get_json
from hnnode.cli.language import say, two
from hnnode.cli.options import CountOption, NodeOption, OutputOption
from hnnode.cli.output import Format, emit, emit_line, value_table
from hnnode.cli.session import node_url

application = typer.Typer(name="block", help=two("区块", "blocks"), no_args_is_help=True)
POLL_S = 0.2


@application.command("get", help=two("查看一个区块", "one block"))
def get(
    height: Annotated[
        str, typer.Argument(metavar="HEIGHT|latest", help=two("高度，或 latest", "height, or latest"))
    ] = "latest",
    full: Annotated[
        bool, typer.Option("--full", help=two("含证书、批次和交易", "with certificate, batches and transactions"))
    ] = False,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    if height != "latest" and not height.isdecimal():
        raise typer.BadParameter(f"{height!r}", param_hint="HEIGHT")
    block = get_json(node_url(node), f"/v1/blocks/{height}", full="true" if full else None)
    emit(output, block, lambda: value_table(block))


def block_line(block: dict[str, Any]) -> str:
    return (
        f"{block['height']:>8}  {block['block_time']}  {block['block_hash'][:16]}  "
        f"{say('交易', 'txs')} {block['tx_count']:>5}  {say('提案者', 'proposer')} {block['proposer'][:8]}"
    )


@application.command("tail", help=two("跟随新区块，Ctrl-C 结束", "follow new blocks until Ctrl-C"))
def tail(
    after: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, show_default=False, help=two("起始高度，默认最新", "first height, default the latest")
        ),
    ] = None,
    count: CountOption = None,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    url = node_url(node)
    following = after if after is not None else max(1, int(get_json(url, "/v1/status")["height"]))
    shown = 0
    while count is None or shown < count:
        if following > int(get_json(url, "/v1/status")["height"]):
            time.sleep(POLL_S)
            continue
        block = get_json(url, f"/v1/blocks/{following}")
        emit_line(output, block, block_line(block))
        following += 1
        shown += 1
