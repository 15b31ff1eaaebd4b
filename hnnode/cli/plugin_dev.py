"""`hnnode plugin dev`: a one-node chain that takes up the plugin whenever a file of it is saved.

The chain is real, and so is the way the code gets onto it: packed, installed, proposed, voted, activated. With `--keep`
(the default) the chain goes on and saved code is an upgrade: the state stays. With `--fresh` every save starts a new
chain. Code that does not pass the check is not taken up; what ran before goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import typer
from hnnode_native import SecretKey

from hnnode.bench.localnet import LocalNet
from hnnode.bench.people import Person, person
from hnnode.cli import failure
from hnnode.cli.connection import get_json
from hnnode.cli.dev import CHAIN_NAME, Interrupted, dev_directory, interruptible, remember, start_network, stop_network
from hnnode.cli.language import current, say
from hnnode.cli.network import make_homes
from hnnode.cli.output import columns, console, notes
from hnnode.cli.plugin_governance import governance_query, plugin_now
from hnnode.client import Client, MemorySigner
from hnnode.crypto import read_key_file
from hnnode.errors import ConfigError, HnError, Unavailable
from hnnode.execution.governance_records import Code, proposal_of
from hnnode.governance import PluginStore
from hnnode.governance.voting import propose_payload, vote_payload
from hnnode.kit.check import check_project
from hnnode.kit.findings import failed
from hnnode.kit.project import Project
from hnnode.node.genesis import load_genesis
from hnnode.packaging import PluginPackage, build_package
from hnnode.primitives.hex_text import ACCOUNT_BYTES
from hnnode.storage.home import Home

WATCH_S = 0.4
AFTER_BLOCKS = 6
ACTIVE_S = 60.0

Seen = tuple[tuple[str, int, int], ...]
"""(path, mtime in ns, size) of the files that the code hash covers."""


def run_dev(path: Path, *, keep: bool) -> None:
    """Until Ctrl-C. Raises ConfigError: the first version of the plugin does not pass the check."""
    project = Project.open(path)
    with interruptible():
        try:
            package: PluginPackage | None = _checked(project)
            if package is None:
                raise typer.Exit(failure.ERROR)
            while package is not None:
                package = _one_chain(project, package, keep)
        except Interrupted:
            notes().print(say("已停止", "stopped"), style="dim")


def _checked(project: Project) -> PluginPackage | None:
    """The package of what lies there now; None after showing what is wrong with it."""
    try:
        findings = check_project(project)
        if not failed(findings):
            return build_package(project.root)
        for finding in findings:
            notes().print(finding.text(current()), markup=False)
    except HnError as e:
        notes().print(failure.describe(e)[0], style="red", markup=False)
    return None


def _people(project: Project) -> list[Person]:
    host = project.host()
    try:
        roles = {role for action in host.applications[project.name].actions.values() for role in action.roles}
    finally:
        host.close()
    return [person("writer", ()), *(person(role, [role]) for role in sorted(roles | {"admin"}))]


def _one_chain(project: Project, package: PluginPackage, keep: bool) -> PluginPackage | None:
    """One chain until Ctrl-C, or until a fresh one is wanted: then the package it starts with."""
    people = _people(project)
    with dev_directory(None, keep=False) as directory:
        net = start_network(make_homes(directory, 1, CHAIN_NAME, "city", ["evidence"], people))
        try:
            remember(net, directory, "writer")
            admin = next(someone.key for someone in people if someone.name == "admin")
            chain = _DevChain(net, directory / "node0", admin)
            chain.take_up(package)
            _show(project, net, people)
            return _watch(project, chain, package.code_hash, keep)
        finally:
            stop_network(net)


def _watch(project: Project, chain: _DevChain, running: bytes, keep: bool) -> PluginPackage | None:
    seen = _look(project)
    while True:
        time.sleep(WATCH_S)
        ended = chain.net.ended()
        if ended is not None:
            raise Unavailable("NODE_UNREACHABLE", f"{ended.name}: {ended.log}:\n{ended.last_log_lines()}")
        now = _look(project)
        if now == seen:
            continue
        seen = now
        package = _checked(project)
        if package is None:
            notes().print(say("有错误，继续运行先前的代码", "not taken up; the code before goes on"), style="red")
        elif package.code_hash != running and not keep:
            notes().print(say("代码已变：重新开始一条链", "the code changed: a new chain starts"), style="yellow")
            return package
        elif package.code_hash != running:
            try:
                chain.take_up(package)
                running = package.code_hash
            except HnError as e:
                notes().print(failure.describe(e)[0], style="red", markup=False)


def _look(project: Project) -> Seen:
    found = []
    for path in sorted(project.package.rglob("*")):
        if path.suffix in (".py", ".json", ".toml") and "__pycache__" not in path.parts:
            try:
                status = path.stat()
            except FileNotFoundError:  # an editor is replacing it
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


class _DevChain:
    """The running node and the two keys that decide for it."""

    def __init__(self, net: LocalNet, home: Path, admin: SecretKey) -> None:
        self.net = net
        self._url = net.nodes[0].url
        self._home = Home(home)
        self._admin = MemorySigner(admin)

    def take_up(self, package: PluginPackage) -> None:
        """Install, propose, vote, and wait until the code runs. Raises Unavailable when it does not come to that."""
        started = time.monotonic()
        PluginStore(self._home.root).install(package)
        plugin = package.manifest.plugin
        code = Code(plugin.version, plugin.api_version, plugin.state_version, package.code_hash.hex())
        kind = "activate" if plugin_now(self._url, package.name) is None else "upgrade"
        height = int(get_json(self._url, "/v1/status")["height"]) + AFTER_BLOCKS
        self._submit("propose", propose_payload(kind, package.name, code, height))
        opened = governance_query(self._url, "proposals")["open"]
        proposal = next(proposal_of(facts) for facts in opened if facts["name"] == package.name)
        genesis = load_genesis(self._home.genesis)
        key = read_key_file(self._home.key)
        self._submit("vote", vote_payload(key, genesis.validators, genesis.chain_id, proposal, approve=True))
        self._wait(package.name, code, started)
        took = f"{time.monotonic() - started:.1f}"
        state = say("新链", "new chain") if kind == "activate" else say("状态保留", "state kept")
        text = f"{package.name} {plugin.version} {code.code_hash[:16]} · {state} · {took} s"
        console().print(say(f"已生效：{text}", f"active: {text}"), style="green", markup=False)

    def _submit(self, action: str, payload: dict[str, object]) -> None:
        with Client(self._url, signer=self._admin, timeout_s=30.0) as client:
            client.submit("governance", action, payload)

    def _wait(self, name: str, code: Code, started: float) -> None:
        while True:
            now = plugin_now(self._url, name)
            if now is not None and now.code.code_hash == code.code_hash and self._runs(name):
                return
            if time.monotonic() - started > ACTIVE_S:
                raise Unavailable("TIMEOUT", say(f"{name} 没有生效", f"{name} did not become active"))
            time.sleep(0.1)

    def _runs(self, name: str) -> bool:
        found = get_json(self._url, "/v1/plugins")["plugins"]
        return any(plugin["name"] == name and plugin.get("status", "enabled") == "enabled" for plugin in found)


def _show(project: Project, net: LocalNet, people: Sequence[Person]) -> None:
    out = console()
    titles = [say("账户", "account"), say("角色", "roles")]
    out.print(columns(titles, [[someone.name, " ".join(someone.roles) or "–"] for someone in people]))
    out.print(f"API: {net.nodes[0].url}/v1/docs", markup=False)
    out.print(say("在另一个终端试试：", "Try in another terminal:"))
    for action, role in actions_to_try(project).items():
        path = project.package / "samples" / f"{action}.json"
        if path.is_file():
            payload = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            out.print(f"  hnnode tx submit {project.name} {action} -k {role} -p @{payload}", markup=False)
    out.print(f"  hnnode plugin show {project.name}", markup=False)
    out.print(say("保存文件即生效，Ctrl-C 结束。", "Save a file and it is taken up; Ctrl-C ends it."), style="dim")


def actions_to_try(project: Project) -> dict[str, str]:
    """Action → a key that may sign it, in the order in which the plugin's load takes them: what a thing begins with first."""
    host = project.host()
    try:
        found = host.applications[project.name].actions
        first: list[str] = []
        with suppress(ConfigError):  # a plugin may come without a load
            load = host.workload(project.name, 1)
            nobody = dict.fromkeys(load.actors, bytes(ACCOUNT_BYTES))
            first = [item.action for wave in load.waves(nobody, 1) for item in wave]
        names = dict.fromkeys([*(name for name in first if name in found), *found])
        return {name: found[name].roles[0] if found[name].roles else "writer" for name in names}
    finally:
        host.close()
