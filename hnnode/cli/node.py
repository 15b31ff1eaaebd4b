"""`hnnode start`, `stop`, `status`, `peers`: one node."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any

import typer

from hnnode.cli import failure
from hnnode.cli.connection import get_json
from hnnode.cli.language import say, two
from hnnode.cli.options import HomeOption, NodeOption, OutputOption, TimeoutOption
from hnnode.cli.output import Format, columns, emit, grid, notes
from hnnode.cli.parent import ParentOption, StopWithParentOption, follow_parent
from hnnode.cli.session import node_home, node_url
from hnnode.cli.words import consensus_line, trouble_text
from hnnode.errors import Unavailable
from hnnode.storage.home import Home


def start(
    home: HomeOption = None,
    stop_with_parent: StopWithParentOption = False,
    parent: ParentOption = None,
) -> None:
    from hnnode.node.lifecycle import run_node

    follow_parent(stop_with_parent, parent)
    raise typer.Exit(run_node(node_home(home)))


def holder_of(lock: Path) -> int | None:
    """Process id of the node that runs in this home; None when none does."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdecimal() else None
    finally:
        os.close(descriptor)
    return None


def stop(home: HomeOption = None, timeout: TimeoutOption = 15.0) -> None:
    """SIGTERM, then wait for the lock to be released; never kills."""
    lock = Home(node_home(home)).lock
    pid = holder_of(lock)
    if pid is None:
        raise Unavailable("NODE_UNREACHABLE", say(f"{lock.parent} 中没有运行的节点", f"no node runs in {lock.parent}"))
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while holder_of(lock) == pid:
        if time.monotonic() > deadline:
            raise Unavailable(
                "TIMEOUT",
                say(
                    f"进程 {pid} 尚未结束；hnnode doctor --home {lock.parent}",
                    f"process {pid} has not ended yet; hnnode doctor --home {lock.parent}",
                ),
            )
        time.sleep(0.05)
    notes().print(say(f"节点已停止（进程 {pid}）", f"the node has stopped (process {pid})"), markup=False)


def status(node: NodeOption = None, output: OutputOption = Format.table) -> None:
    facts = get_json(node_url(node), "/v1/status")
    emit(output, facts, lambda: grid(_status_rows(facts)))
    if facts["halted"]:
        raise typer.Exit(failure.ERROR)


def _status_rows(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    state = facts["halted"] or (
        say("正在追赶", "catching up")
        if facts["syncing"]
        else say("就绪", "ready")
        if facts["ready"]
        else say("未就绪", "not ready")
    )
    return [
        (say("节点", "node"), f"{facts['node_name']} ({facts['account']})"),
        (say("链", "chain"), f"{facts['chain_name']} · {facts['role']} · {facts['chain_id']}"),
        (say("状态", "state"), state),
        (say("高度", "height"), f"{facts['height']} · {facts['block_hash']} · {facts['block_time']}"),
        (say("共识", "consensus"), consensus_line(facts["consensus"].get("text", ""))),
        (say("节点连接", "peers"), f"{facts['peers_connected']}/{facts['peers_known']}"),
        (say("交易池", "pool"), _pool(facts["pool"])),
        (say("剩余磁盘", "disk free"), f"{facts['disk_free_bytes'] / 2**30:.1f} GiB"),
        (say("版本", "version"), facts["version"]),
        (say("运行时间", "uptime"), f"{facts['uptime_s']:.0f} s"),
        *((say("插件", "plugin"), trouble_text(each)) for each in facts["plugin_troubles"]),
    ]


def _pool(pool: dict[str, Any]) -> str:
    count, held, most = (pool.get(name, 0) for name in ("tx_count", "bytes", "bytes_max"))
    return say(f"{count:,} 笔", f"{count:,} tx") + f" · {held / 2**20:.1f}/{most / 2**20:.0f} MiB"


def peers(node: NodeOption = None, output: OutputOption = Format.table) -> None:
    found = get_json(node_url(node), "/v1/peers")
    titles = [
        say("名称", "name"),
        say("账户", "account"),
        say("地址", "address"),
        say("已连接", "connected"),
        say("收", "in"),
        say("发", "out"),
        say("排队", "queued"),
    ]
    emit(
        output,
        found,
        lambda: columns(
            titles,
            [
                [
                    p["name"],
                    p["account"][:8],
                    f"{p['host']}:{p['port']}",
                    say("是", "yes") if p["connected"] else say("否", "no"),
                    p["bytes_in"],
                    p["bytes_out"],
                    p["queued_bytes"],
                ]
                for p in found["peers"]
            ],
        ),
    )


def register(application: typer.Typer) -> None:
    application.command(
        "start", help=two("启动节点（前台，Ctrl-C 停止）", "run the node (foreground, Ctrl-C stops it)")
    )(start)
    application.command("stop", help=two("停止本机某个目录的节点", "stop the node of a home on this machine"))(stop)
    application.command("status", help=two("节点状态", "status of a node"))(status)
    application.command("peers", help=two("节点间的连接", "connections of a node"))(peers)
