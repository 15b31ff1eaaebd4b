"""`hnnode doctor`: what is wrong with this machine, this home, this chain, each as one line with its cause in words."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from hnnode.bench.localnet import port_free
from hnnode.cli import failure
from hnnode.cli.doctor_plugins import Finding, Level, due_plugins
from hnnode.cli.language import say, two
from hnnode.cli.node import holder_of
from hnnode.cli.options import HomeOption, NodeOption, OutputOption
from hnnode.cli.output import Format, columns, emit
from hnnode.cli.session import node_home, node_url, session
from hnnode.cli.words import consensus_line, trouble_text
from hnnode.config import Config, load_config
from hnnode.crypto import read_key_file
from hnnode.details import system_reason
from hnnode.errors import HnError
from hnnode.storage.home import Home

OPEN_FILES_MIN = 1_024
COMMIT_AGE_S_MAX = 60
CLOCK_S_MAX = 2.0


def _machine() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_MIN
    text = say(f"打开文件上限 {soft}，硬上限 {hard}", f"open files: limit {soft}, hard limit {hard}")
    if not enough:
        text += say(f"，应至少 {OPEN_FILES_MIN}（ulimit -n）", f", want at least {OPEN_FILES_MIN} (ulimit -n)")
    yield Finding("ok" if enough else "fail", "ulimit", text)
    flags = _cpu_flags()
    if flags is None:
        yield Finding("warn", "cpu", say("读不到处理器特性", "cannot read the features of the processor"))
    else:
        known = [name for name in ("avx2", "avx512f", "avx512ifma", "bmi2", "adx", "neon", "asimd") if name in flags]
        yield Finding("ok", "cpu", say("处理器特性：", "features: ") + (" ".join(known) or say("无加速", "none used")))


def _cpu_flags() -> set[str] | None:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _silent(home: Home, url: str) -> Iterator[Finding]:
    """A process that holds the home while nobody answers at its URL."""
    pid = holder_of(home.lock)
    if pid is not None and url == _own_url(home):
        text = say(
            f"进程 {pid} 占用该目录而没有应答：正在启动或停止，或插件代码停在节点内部；若一直如此且 hnnode stop 无效："
            f"kill -9 {pid}，在 {home.config} 的 [execution] 中设 isolated = true，再启动",
            f"process {pid} holds this home and does not answer: it starts or stops, or a plugin's code hangs inside it. If it stays "
            f"so and hnnode stop does nothing: kill -9 {pid}, set isolated = true under [execution] of {home.config}, start it again",
        )
        yield Finding("fail", "process", text)


def _home(home: Home, running: bool) -> Iterator[Finding]:
    try:
        home.check()
        config = load_config(home.config)
    except HnError as e:
        yield Finding("fail", "home", failure.describe(e)[0])
        return
    yield Finding(
        "ok", "config", say(f"{home.config} 有效，节点 {config.name}", f"{home.config} is valid, node {config.name}")
    )
    yield from _genesis(home)
    yield from due_plugins(home, config.execution)
    yield _disk(home, config)
    if not running and holder_of(home.lock) is None:
        yield from _ports(config)


def _genesis(home: Home) -> Iterator[Finding]:
    """The genesis leads to its own chain id, its plugins are installed here, and the node key's part in it."""
    from hnnode.execution.governance_records import Code
    from hnnode.governance import PluginSources, PluginStore
    from hnnode.node.genesis import load_genesis

    try:
        genesis = load_genesis(home.genesis)
        chain = genesis.chain_id.hex()
        yield Finding("ok", "genesis", say(f"链标识 {chain}", f"chain id {chain}"))
        sources = PluginSources(PluginStore(home.root), load_config(home.config).execution)
        for plugin in genesis.file.plugins or ():
            sources.find(plugin.name, Code(plugin.version, plugin.api_version, plugin.state_version, plugin.code_hash))
        names = ", ".join(genesis.file.applications) or "–"
        yield Finding(
            "ok", "plugins", say(f"创世的插件都已安装：{names}", f"plugins of the genesis are installed: {names}")
        )
        validator = genesis.validators.index_of(read_key_file(home.key).account()) is not None
    except HnError as e:
        yield Finding("fail", "genesis", failure.describe(e)[0])
        return
    role = say("验证者", "validator") if validator else say("非验证者", "not a validator")
    yield Finding("ok", "key", say(f"节点密钥：{role}", f"node key: {role}"))


def _disk(home: Home, config: Config) -> Finding:
    free = shutil.disk_usage(home.root).free
    least = config.storage.disk_free_bytes_min
    text = say(
        f"剩余 {free / 2**30:.1f} GiB，最少 {least / 2**30:.1f} GiB",
        f"{free / 2**30:.1f} GiB free, at least {least / 2**30:.1f} GiB needed",
    )
    return Finding("fail" if free < least else "warn" if free < 4 * least else "ok", "disk", text)


def _ports(config: Config) -> Iterator[Finding]:
    for name, host, port in (
        ("p2p", config.network.host, config.network.port),
        ("http", config.gateway.host, config.gateway.port),
        ("metrics", config.metrics.host, config.metrics.port),
    ):
        free = port_free(port, host)
        state = say("空闲", "free") if free else say("被占用", "in use")
        yield Finding("ok" if free else "fail", f"port {name}", f"{host}:{port} {state}")


def _node(url: str, status: dict[str, Any], received_s: float) -> Iterator[Finding]:
    yield Finding(
        "ok", "node", say(f"{url} 有应答，版本 {status['version']}", f"{url} answers, version {status['version']}")
    )
    if status["halted"]:
        yield Finding(
            "fail", "halted", say(f"节点已停止：{status['halted']}", f"the node has stopped: {status['halted']}")
        )
    elif status["syncing"]:
        yield Finding(
            "warn", "sync", say(f"正在追赶，高度 {status['height']}", f"catching up, height {status['height']}")
        )
    else:
        yield Finding("ok", "sync", say(f"已同步，高度 {status['height']}", f"in step, height {status['height']}"))
    peers, known = status["peers_connected"], status["peers_known"]
    level: Level = "ok" if peers == known else "warn" if peers else "fail"
    yield Finding(
        level if known else "ok",
        "peers",
        say(f"已连接 {peers}/{known} 个同链节点", f"{peers} of {known} peers are connected, on this chain"),
    )
    for trouble in status["plugin_troubles"]:
        yield Finding("fail", "plugin", trouble_text(trouble))
    waiting = consensus_line(status["consensus"].get("text", ""))
    pending = status["pool"].get("tx_count", 0)
    age_s = received_s - datetime.fromisoformat(status["block_time"]).timestamp()
    if pending and age_s > COMMIT_AGE_S_MAX:
        text = say(
            f"{pending} 笔交易在等待，{age_s:.0f} 秒没有新区块：{waiting}",
            f"{pending} transactions wait, no block for {age_s:.0f} s: {waiting}",
        )
        yield Finding("fail", "commits", text)
    else:
        yield Finding(
            "ok", "commits", say(f"上一区块在 {age_s:.0f} 秒前；{waiting}", f"last block {age_s:.0f} s ago; {waiting}")
        )


def _clock(header: str | None, received_s: float) -> Finding:
    """From the `Date` header, which counts whole seconds."""
    if header is None:
        return Finding("warn", "clock", say("节点没有给出时间", "the node tells no time"))
    skew_s = received_s - parsedate_to_datetime(header).timestamp()
    level: Level = "ok" if abs(skew_s) <= CLOCK_S_MAX else "fail"
    if level == "ok":
        text = say(f"与节点的时钟一致（{CLOCK_S_MAX:.0f} 秒之内）", f"agrees with the node's to {CLOCK_S_MAX:.0f} s")
        return Finding("ok", "clock", text)
    return Finding(
        level, "clock", say(f"与节点的时差约 {skew_s:+.1f} 秒", f"about {skew_s:+.1f} s off the node's clock")
    )


def _home_agrees(home: Home, status: dict[str, Any]) -> Iterator[Finding]:
    """Only when the home belongs to the node that answered."""
    from hnnode.node.genesis import load_genesis

    try:
        own = load_genesis(home.genesis).chain_id.hex()
    except HnError:
        return  # reported by the home checks
    same = own == status["chain_id"]
    text = (
        say("目录与节点属于同一条链", "home and node are of one chain")
        if same
        else say(
            f"目录的链 {own}，节点的链 {status['chain_id']}",
            f"chain of the home {own}, of the node {status['chain_id']}",
        )
    )
    yield Finding("ok" if same else "fail", "chain", text)


def _peers(client: httpx.Client, url: str) -> Iterator[Finding]:
    answer = client.get(f"{url}/v1/peers")
    if answer.status_code != 200:
        yield Finding(
            "warn", "peers", say(f"/v1/peers 状态 {answer.status_code}", f"/v1/peers: status {answer.status_code}")
        )
        return
    for peer in answer.json()["peers"]:
        if not peer["connected"]:
            text = say(
                f"{peer['name']} {peer['host']}:{peer['port']} 未连接",
                f"{peer['name']} {peer['host']}:{peer['port']} is not connected",
            )
            yield Finding("warn", "peer", text)


def examine(url: str, home: Home | None) -> list[Finding]:
    """Everything that can be found out from here; a node that does not answer is one finding, not an error."""
    found = list(_machine())
    status: dict[str, Any] | None = None
    with httpx.Client(timeout=3.0, trust_env=False) as client:
        try:
            answer = client.get(f"{url}/v1/status")
            received_s = time.time()
            answer.raise_for_status()
            status = answer.json()
        except httpx.HTTPError as e:
            found.append(
                Finding("fail", "node", say(f"{url} 没有应答：{system_reason(str(e))}", f"{url} does not answer: {e}"))
            )
        if home is not None and home.root.exists():
            found += _silent(home, url) if status is None else ()
            found += _home(home, status is not None)
        if status is not None:
            found += _node(url, status, received_s)
            found.append(_clock(answer.headers.get("date"), received_s))
            if home is not None and home.root.exists():
                found += _home_agrees(home, status)
            found += _peers(client, url)
    return found


def _url(node: str | None, home: Path | None) -> str:
    """A home that was named is that of the node to ask, unless a node was named too."""
    named = home or session.home
    if named is None or node is not None or session.node is not None:
        return node_url(node)
    return _own_url(Home(named)) or node_url(None)  # a bad configuration is reported by the home checks


def _own_url(home: Home) -> str | None:
    """Where the node of a home answers; None when its configuration cannot be read."""
    try:
        gateway = load_config(home.config).gateway
    except HnError:
        return None
    host = "127.0.0.1" if gateway.host in ("0.0.0.0", "::") else gateway.host
    return f"http://{f'[{host}]' if ':' in host else host}:{gateway.port}"


_MARKS: dict[Level, str] = {"ok": "✓", "warn": "!", "fail": "✗"}


def doctor(
    home: HomeOption = None,
    node: NodeOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help=two("警告也算失败", "a warning counts as a failure"))
    ] = False,
    output: OutputOption = Format.table,
) -> None:
    found = examine(_url(node, home), Home(node_home(home)))
    failed = sum(f.level == "fail" or (strict and f.level == "warn") for f in found)
    data = {"findings": [{"level": f.level, "check": f.check, "text": f.text} for f in found], "failed": failed}
    emit(
        output,
        data,
        lambda: columns(
            ["", say("检查", "check"), say("结果", "result")], [[_MARKS[f.level], f.check, f.text] for f in found]
        ),
    )
    if failed:
        raise typer.Exit(failure.ERROR)


def register(application: typer.Typer) -> None:
    application.command(
        "doctor", help=two("检查本机、节点目录和链的状况", "check this machine, the node's home and the chain")
    )(doctor)
