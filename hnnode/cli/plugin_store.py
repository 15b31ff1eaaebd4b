"""`hnnode plugin install|info|migrate`: the code of plugins in a node's home, and a migration tried on its state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from hnnode_native import state_key
from rich.console import Group, RenderableType

from hnnode.cli.connection import get_json
from hnnode.cli.language import current, say, two
from hnnode.cli.options import HomeOption, NodeOption, OutputOption, example, optional
from hnnode.cli.output import Format, columns, console, emit, grid, notes
from hnnode.cli.plugin_contents import registered_tables
from hnnode.cli.plugin_governance import NameArgument, governance_query
from hnnode.cli.session import node_home, node_url
from hnnode.cli.words import reason_text, trouble_text
from hnnode.config import load_config
from hnnode.errors import ConfigError, HnError
from hnnode.storage.home import Home

EXAMPLES = {
    "install": example("hnnode plugin install hnnode_demo-0.1.0-py3-none-any.whl --home net/node0"),
    "info": example("hnnode plugin info demo --home net/node0"),
    "migrate": example("hnnode plugin migrate demo --dry-run --home snapshot"),
}
HASH_LETTERS = 16
"""Of a code hash in a list; `plugin info` and JSON show all."""


def install(
    wheel: Annotated[
        Path, typer.Argument(metavar="WHEEL", exists=True, dir_okay=False, help=two("插件包", "the package"))
    ],
    home: HomeOption = None,
    output: OutputOption = Format.table,
) -> None:
    """Takes a signed package into the home. Its code is loaded once, in a locked process, and must register what the package says;
    no transaction reaches it until the chain has decided."""
    from hnnode.governance import PluginSources, PluginStore
    from hnnode.governance.trial import check_registered
    from hnnode.packaging import load_trust, read_package

    place = Home(node_home(home))
    place.check()
    store = PluginStore(place.root)
    package = read_package(wheel, load_trust(store.trust), owner_of=PluginSources(store).owner_of)
    with notes().status(say("试加载…", "loading it once …")):
        check_registered(package, load_config(place.config).execution)
    is_new = store.install(package)
    facts = {
        "name": package.name,
        "version": package.version,
        "code_hash": package.code_hash.hex(),
        "state_version": package.manifest.plugin.state_version,
        "home": str(place.root),
        "installed": is_new,
    }
    rows = [
        (say("应用", "application"), f"{package.name} {package.version}"),
        (say("代码摘要", "code hash"), facts["code_hash"]),
        (say("状态", "state"), say("已安装", "installed") if is_new else say("此前已安装", "was installed already")),
        (say("下一步", "next"), f"hnnode plugin propose {wheel} --key ADMIN"),
    ]
    emit(output, facts, lambda: grid(rows))


def installed(home: HomeOption = None, output: OutputOption = Format.table) -> None:
    from hnnode.governance import PluginStore

    found = PluginStore(Home(node_home(home)).root).list()
    facts = [
        {
            "name": each.name,
            "version": each.version,
            "state_version": each.manifest.plugin.state_version,
            "vendor": each.manifest.plugin.vendor,
            "title": each.manifest.plugin.title_zh if current() == "zh" else each.manifest.plugin.title_en,
            "code_hash": each.code_hash.hex(),
        }
        for each in found
    ]
    titles = [
        say("名称", "name"),
        say("版本", "version"),
        say("数据版本", "data"),
        say("供应商", "vendor"),
        say("说明", "title"),
        say("代码摘要", "code hash"),
    ]
    rows = [[*list(each.values())[:-1], str(each["code_hash"])[:HASH_LETTERS]] for each in facts]
    emit(output, {"plugins": facts}, lambda: columns(titles, rows))


def info(
    name: NameArgument, home: HomeOption = None, node: NodeOption = None, output: OutputOption = Format.table
) -> None:
    """What the chain says of a plugin, which versions lie in the home, and what the newest of them brings."""
    from hnnode.governance import PluginStore

    url = node_url(node)
    plugins = governance_query(url, "plugins")["plugins"]
    troubles = [each for each in get_json(url, "/v1/status")["plugin_troubles"] if each["application"] == name]
    record: dict[str, Any] | None = next((plugin for plugin in plugins if plugin["name"] == name), None)
    versions: list[dict[str, Any]] = [
        {
            "version": each.version,
            "state_version": each.manifest.plugin.state_version,
            "code_hash": each.code_hash.hex(),
            "registered": None if each.registered is None else msgspec.json.decode(each.registered),
        }
        for each in PluginStore(Home(node_home(home)).root).list()
        if each.name == name
    ]
    if record is None and not versions:
        detail = say(f"{name}：不在链上，也未安装", f"{name}: neither in the plugin set nor installed here")
        raise ConfigError("PREREQUISITE_MISSING", detail)
    facts = {"name": name, "plugin": record, "installed": versions, "troubles": troubles}
    if output is Format.json:
        emit(output, facts, lambda: "")
        return
    if record is not None:
        console().print(grid([*_facts(record), *((say("停住", "stuck"), trouble_text(each)) for each in troubles)]))
        console().print()
    titles = [say("本机版本", "version here"), say("数据版本", "data"), say("代码摘要", "code hash")]
    console().print(columns(titles, [[each["version"], each["state_version"], each["code_hash"]] for each in versions]))
    if versions and versions[-1]["registered"] is not None:
        console().print()
        console().print(say(f"{versions[-1]['version']} 登记的内容：", f"What {versions[-1]['version']} registers:"))
        for table in registered_tables(versions[-1]["registered"]):
            console().print(table)
            console().print()


def _facts(record: dict[str, Any]) -> list[tuple[str, Any]]:
    code, migration = record["code"], record["migration"]
    rows = [
        (say("应用", "application"), record["name"]),
        (say("状态", "status"), status_name(record["status"])),
        (say("版本", "version"), code["version"]),
        (say("代码摘要", "code hash"), code["code_hash"] or say("内置", "native")),
        (say("接口版本", "API version"), code["api_version"]),
        (say("数据版本", "data version"), record["data_version"]),
        (say("自高度", "since height"), record["since_height"]),
        (say("提案", "proposal"), record["proposal"] or say("创世", "genesis")),
    ]
    if code["state_version"] != record["data_version"]:
        rows.append((say("代码的数据版本", "data version of the code"), code["state_version"]))
    if migration is not None:
        done = say(
            f"{migration['phase']}，已处理 {migration['rows']} 行", f"{migration['phase']}, {migration['rows']} rows"
        )
        rows.append((say("迁移", "migration"), done))
    if record["fault"]:
        rows.append((say("故障", "fault"), reason_text(record["fault"])))
    return rows


def status_name(status: str) -> str:
    """Status of an application in the language of this process."""
    names = {
        "enabled": say("启用", "enabled"),
        "disabled": say("停用", "disabled"),
        "migrating": say("迁移中", "migrating"),
    }
    return names.get(status, status)


def migrate(
    name: NameArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=two("只在内存中试运行（必需）", "try it in memory only (needed)"))
    ] = False,
    code_hash: Annotated[
        str | None,
        optional(
            "--to",
            metavar="HEX",
            help=two("目标版本的代码摘要（可只给开头）", "code hash of the version to go to (or its start)"),
        ),
    ] = None,
    home: HomeOption = None,
    output: OutputOption = Format.table,
) -> None:
    """Runs the migration of an upgrade on the state of a home, page by page as the chain would, and writes nothing."""
    from hnnode.execution.governance_records import SET_KEY, decode_set
    from hnnode.governance import PluginSources, PluginStore
    from hnnode.governance.rehearsal import rehearse
    from hnnode.governance.running import make_host
    from hnnode.storage import DiskReader

    if not dry_run:
        detail = say(
            "链上的迁移由升级提案开始；此处只有 --dry-run",
            "an upgrade proposal starts a migration on the chain; here is only --dry-run",
        )
        raise typer.BadParameter(detail, param_hint="--dry-run")
    place = Home(node_home(home))
    place.check()
    # In processes of their own, which are ended: a page that hangs is what this is for.
    execution = msgspec.structs.replace(load_config(place.config).execution, isolated=True)
    sources = PluginSources(PluginStore(place.root), execution)
    with DiskReader(place.database) as state:
        plugins = decode_set(state.get(state_key("governance", SET_KEY))).plugins
        now = next((plugin for plugin in plugins if plugin.name == name), None)
        if now is None:
            raise ConfigError(
                "PREREQUISITE_MISSING",
                say(
                    f"文件中的状态（高度 {state.height}）里没有 {name}；运行中的节点先停止，文件才是最新的",
                    f"{name} is not in the files (state of height {state.height}); stop a running node first to bring them up to date",
                ),
            )
        found = [
            each
            for each in sources.codes(name)
            if each.code_hash != now.code.code_hash and each.code_hash.startswith((code_hash or "").lower())
        ]
        if len(found) != 1:
            detail = say(
                f"{name}：找到 {len(found)} 个可去的版本，用 --to 选一个",
                f"{name}: found {len(found)} versions to go to, choose one with --to",
            )
            raise ConfigError("PREREQUISITE_MISSING", detail)
        code = found[0]
        former, host = (make_host([sources.find(name, each)], execution=execution) for each in (now.code, code))
        try:
            with notes().status(say("迁移试运行…", "trying the migration …")):
                tried = rehearse(name, now.data_version, code, (host, former), state)
        finally:
            host.close()
            former.close()
        height = state.height
    facts = {
        "name": name,
        "height": height,
        "from_version": now.data_version,
        "to_version": code.state_version,
        "code_hash": code.code_hash,
        "reached": tried.reached,
        "blocks": tried.blocks,
        "passes": msgspec.to_builtins(tried.passes),
        "problem": tried.problem,
    }
    emit(output, facts, lambda: _tried(facts))
    if tried.problem:
        raise MigrationFails("PLUGIN_SET_INVALID", tried.problem)


def _tried(facts: dict[str, Any]) -> RenderableType:
    rows = [
        (say("应用", "application"), facts["name"]),
        (say("状态高度", "at height"), facts["height"]),
        (say("代码摘要", "code hash"), facts["code_hash"]),
        (say("数据版本", "data version"), f"{facts['from_version']} → {facts['to_version']}"),
        (say("到达", "reached"), facts["reached"]),
        (say("所需区块", "blocks it takes"), facts["blocks"]),
    ]
    titles = [say("步", "step"), say("遍", "pass"), say("页", "pages"), say("行", "rows"), say("写入", "writes")]
    passes = [
        [f"{p['from_version']} → {p['to_version'] or '?'}", p["phase"], p["pages"], p["rows"], p["writes"]]
        for p in facts["passes"]
    ]
    return Group(grid(rows), "", columns(titles, passes))


class MigrationFails(HnError):
    """A dry run did not reach its end."""


def register(application: typer.Typer) -> None:
    for name, verb, help in (
        ("install", install, two("把签名的插件包装入节点目录", "take a signed package into the home of a node")),
        ("installed", installed, two("节点目录中的插件代码", "code of plugins in the home of a node")),
        ("info", info, two("一个插件的链上状态和本机版本", "a plugin on the chain and its versions here")),
        ("migrate", migrate, two("试运行升级所需的数据迁移", "try the migration of an upgrade")),
    ):
        application.command(name, help=help, epilog=EXAMPLES.get(name))(verb)
