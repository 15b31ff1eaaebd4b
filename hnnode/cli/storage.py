"""`hnnode storage`: what an operator may do to the data of a stopped node."""

from __future__ import annotations

import typer

from hnnode.cli.language import say, two
from hnnode.cli.options import HomeOption, OutputOption
from hnnode.cli.output import Format, emit_line
from hnnode.cli.session import node_home
from hnnode.storage import Home, reset_home

application = typer.Typer(name="storage", help=two("已停止节点的数据", "data of a stopped node"), no_args_is_help=True)


@application.command(
    "reset",
    help=two(
        "移走损坏的数据，节点重新从其他节点获取全链；签名下限保留",
        "move damaged data aside, to fetch the chain from peers again",
    ),
)
def reset(home: HomeOption = None, output: OutputOption = Format.table) -> None:
    aside = reset_home(Home(node_home(home)))
    text = say(
        f"旧数据在 {aside}，确认节点追上后可删除",
        f"the old data are in {aside}; delete them once the node has caught up",
    )
    emit_line(output, {"old_data": str(aside)}, text)
