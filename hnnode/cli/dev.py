"""`hnnode dev`: a whole network on this machine with one command, and the acceptance story."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hnnode.bench.localnet import LocalNet, LocalNode
from hnnode.cli.language import say, two
from hnnode.cli.network import DEFAULT_APPLICATIONS, NodesOption, PluginsOption, applications_of, make_homes
from hnnode.cli.output import columns, console, grid, notes
from hnnode.cli.session import DevNetwork, dev_network, forget_dev_network, save_dev_network
from hnnode.errors import ConfigError, Unavailable

application = typer.Typer(
    name="dev", help=two("本机开发网络", "development network on this machine"), no_args_is_help=True
)

CHAIN_NAME = "hn_local"
WATCH_S = 0.5


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived: leave every `with` in order. An event loop reports any other exception and goes on."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into Interrupted, so that children are stopped whatever ends this process."""

    def on_signal(number: int, frame: object) -> None:
        raise Interrupted(signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def dev_directory(home: Path | None, keep: bool) -> Iterator[Path]:
    """A new folder for the network: a temporary one is removed afterwards unless it is to be kept; a given one
    always stays.
    """
    if home is not None:
        if home.exists() and any(home.iterdir()):
            raise ConfigError("CONFIG_INVALID", say(f"{home} 不是空目录", f"{home} is not empty"))
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield home.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix="hn-dev-"))
    try:
        yield directory
    finally:
        if keep:
            notes().print(say(f"数据保留在 {directory}", f"data is kept in {directory}"), markup=False)
        else:
            shutil.rmtree(directory, ignore_errors=True)


def start_network(homes: list[Path]) -> LocalNet:
    """Start all nodes and wait until each is ready, with progress on stderr. Stops them again when one fails."""
    net = LocalNet.of(homes)
    spinner = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=notes(), transient=True
    )
    try:
        with spinner:
            tasks = {
                node.name: spinner.add_task(say(f"启动 {node.name}", f"starting {node.name}"), total=1)
                for node in net.nodes
            }

            def on_ready(node: LocalNode) -> None:
                spinner.update(
                    tasks[node.name], completed=1, description=say(f"{node.name} 就绪", f"{node.name} is ready")
                )

            net.start_all()
            net.wait_ready(on_ready=on_ready)
    except BaseException:
        net.stop()
        raise
    return net


def remember(net: LocalNet, directory: Path, key: str) -> DevNetwork:
    """Let other commands find this network while this process lives."""
    network = DevNetwork(
        pid=os.getpid(),
        directory=str(directory),
        chain_id=str(net.status(0)["chain_id"]),
        nodes=tuple(node.url for node in net.nodes),
        key_dir=str(directory / "keys"),
        key=str(directory / "keys" / f"{key}.pem"),
    )
    save_dev_network(network)
    return network


def watch(net: LocalNet) -> None:
    """Until a signal comes, or no node is left (then Unavailable). The others go on without one that ends by itself."""
    told: set[str] = set()
    while True:
        for node in net.nodes:
            if node.running or node.process is None or node.name in told:
                continue
            told.add(node.name)
            if len(told) == len(net.nodes):
                raise Unavailable("NODE_UNREACHABLE", f"{node.name}: {node.log}:\n{node.last_log_lines()}")
            notes().print(_farewell(node), style="yellow", markup=False)
        time.sleep(WATCH_S)


def _farewell(node: LocalNode) -> str:
    """What is said of a node that ended by itself: its last grave words, and how it comes back."""
    lines = node.last_log_lines().splitlines()
    why = "\n".join([line for line in lines if '"level": "critical"' in line] or lines[-3:])
    return say(
        f"{node.name} 已退出，其余节点继续运行（{node.log}）：\n{why}\n修复后重新启动：hnnode start --home {node.home}",
        f"{node.name} has ended, the others go on ({node.log}):\n{why}\n"
        f"once that is mended: hnnode start --home {node.home}",
    )


def stop_network(net: LocalNet) -> None:
    notes().print(say("正在停止节点…", "stopping the nodes …"), style="dim")
    forget_dev_network(os.getpid())
    killed = net.stop()
    if killed:
        notes().print(say(f"强制结束：{', '.join(killed)}", f"had to be killed: {', '.join(killed)}"), style="yellow")


@application.command(
    "up", help=two("启动一个本机网络，Ctrl-C 停止并清理", "start a local network; Ctrl-C stops it and cleans up")
)
def up(
    nodes: NodesOption = 4,
    plugins: PluginsOption = DEFAULT_APPLICATIONS,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            metavar="DIR",
            show_default=False,
            help=two("放在这个新目录并保留", "put it into this new folder and keep it"),
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help=two("结束后保留临时目录", "keep the temporary folder"))] = False,
) -> None:
    from hnnode.bench.people import one_for_each_role

    other = dev_network()
    if other is not None:
        notes().print(
            say(f"已有一个开发网络在运行（进程 {other.pid}）", f"a dev network runs already (process {other.pid})"),
            style="yellow",
        )
    applications = applications_of(plugins)
    started = time.monotonic()
    with interruptible():
        try:
            with dev_directory(home, keep) as directory:
                homes = make_homes(directory, nodes, CHAIN_NAME, "city", applications, one_for_each_role(applications))
                net = start_network(homes)
                try:
                    show(net, remember(net, directory, "writer"), time.monotonic() - started)
                    watch(net)
                finally:
                    stop_network(net)
        except Interrupted:
            return


def show(net: LocalNet, network: DevNetwork, seconds: float) -> None:
    titles = [say("节点", "node"), "HTTP", "p2p", say("指标", "metrics"), "pid"]
    rows = [
        [
            n.name,
            n.url,
            f"{n.config.network.host}:{n.config.network.port}",
            f"{n.config.metrics.host}:{n.config.metrics.port}",
            n.pid,
        ]
        for n in net.nodes
    ]
    out = console()
    out.print(
        say(
            f"{len(net.nodes)} 个节点就绪，用时 {seconds:.1f} 秒",
            f"{len(net.nodes)} {'node is' if len(net.nodes) == 1 else 'nodes are'} ready after {seconds:.1f} s",
        ),
        style="bold green",
    )
    out.print(columns(titles, rows))
    out.print()
    out.print(
        grid(
            [
                (say("API 页面", "API page"), f"{network.nodes[0]}/v1/docs"),
                (say("链标识", "chain id"), network.chain_id),
                (say("演示密钥", "demo key"), network.key),
                (say("所有密钥", "all keys"), network.key_dir),
                (say("目录", "folder"), network.directory),
            ]
        )
    )
    out.print()
    out.print(say("在另一个终端试试：", "Try in another terminal:"))
    for line in ("hnnode status", "hnnode tx submit evidence preserve --file README.md", "hnnode events tail"):
        out.print(f"  {line}", markup=False)
    out.print(say("Ctrl-C 停止。", "Ctrl-C stops it."), style="dim")


@application.command("down", help=two("停止正在运行的开发网络", "stop the dev network that runs"))
def down() -> None:
    network = dev_network()
    if network is None:
        raise Unavailable("NODE_UNREACHABLE", say("没有运行的开发网络", "no dev network runs"))
    os.kill(network.pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while dev_network() is not None:
        if time.monotonic() > deadline:
            raise Unavailable(
                "TIMEOUT", say(f"进程 {network.pid} 尚未结束", f"process {network.pid} has not ended yet")
            )
        time.sleep(0.1)
    notes().print(say("开发网络已停止", "the dev network has stopped"))


@application.command(
    "demo",
    help=two(
        "完整演示：存证、冷链、断电、追赶、离线证明",
        "evidence, cold chain, power cut, catch-up, offline proof",
    ),
)
def demo(
    once: Annotated[bool, typer.Option("--once", help=two("演示完即退出", "end when the story is told"))] = False,
) -> None:
    from hnnode.cli.demo import run_demo

    run_demo(once=once)
