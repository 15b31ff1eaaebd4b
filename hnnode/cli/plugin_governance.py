"""`hnnode plugin propose|vote|enable|disable|proposals`: governance transactions of a running chain."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from hnnode_native import ValidatorSet

from hnnode.cli.connection import get_json, open_client, post_json
from hnnode.cli.language import say, two
from hnnode.cli.options import (
    HomeOption,
    KeyDirOption,
    KeyOption,
    NodeOption,
    OutputOption,
    PassphraseFdOption,
    TimeoutOption,
    example,
    optional,
)
from hnnode.cli.output import Format, columns, emit, grid
from hnnode.cli.passphrase import open_signer
from hnnode.cli.session import key_path, node_home, node_url
from hnnode.config import load_config
from hnnode.crypto import read_key_file
from hnnode.errors import ConfigError
from hnnode.execution.governance_records import Code, PluginRecord, proposal_of
from hnnode.packaging import NATIVE_NAMES
from hnnode.storage.home import Home

AFTER_BLOCKS = 1_000
EXAMPLES = {
    "propose": example(
        "hnnode plugin propose hnnode_demo-0.1.0-py3-none-any.whl --key admin",
        "hnnode plugin propose demo --code-hash ba1c20bb --key admin",
    ),
    "vote": example(
        "hnnode plugin vote 1 --key admin --home net/node0",
        "hnnode plugin vote 1 --reject --key admin --home net/node0",
    ),
    "disable": example("hnnode plugin disable demo --key admin --after 100"),
    "enable": example("hnnode plugin enable demo --key admin --after 100"),
}
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=two("应用", "application"))]
HeightOption = Annotated[
    int | None, optional("--height", metavar="H", help=two("从这个高度起生效", "height from which it counts"))
]
AfterOption = Annotated[
    int,
    typer.Option(
        "--after", min=4, help=two("未给高度时：再过多少个区块生效", "without a height: so many blocks from now")
    ),
]


def governance_query(url: str, query: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """Result of a query of the application `governance`."""
    body = msgspec.json.encode(arguments or {})
    result: dict[str, Any] = post_json(url, f"/v1/applications/governance/queries/{query}", body)["result"]
    return result


def plugin_now(url: str, name: str) -> PluginRecord | None:
    """A plugin as the chain has it; None when it is not in the set."""
    found = msgspec.convert(governance_query(url, "plugins")["plugins"], list[PluginRecord])
    return next((plugin for plugin in found if plugin.name == name), None)


def _submit(
    url: str, action: str, payload: dict[str, Any], signer: tuple[Path, int | None], timeout: float
) -> dict[str, Any]:
    """Sign, send and wait; raises TxFailed with the rule that was broken."""
    with open_client(url, open_signer(*signer), timeout) as client:
        result = client.send(client.sign("governance", action, [msgspec.json.encode(payload)])[0])
    facts: dict[str, Any] = msgspec.to_builtins(result)
    return facts


def _activation(url: str, height: int | None, after: int) -> int:
    if height is not None:
        return height
    return int(get_json(url, "/v1/status")["height"]) + after


def _made(url: str, facts: dict[str, Any], payload: dict[str, Any], output: Format) -> None:
    """Show the proposal that a transaction made."""
    opened = governance_query(url, "proposals")["open"]
    number = next((p["number"] for p in opened if p["name"] == payload["name"]), None)
    answer = {"proposal": number, "tx_id": facts["tx_id"], **payload}
    rows = [
        (say("提案", "proposal"), number),
        (say("内容", "what"), f"{kind_name(payload['kind'])} {payload['name']} {payload['version']}"),
        (say("代码摘要", "code hash"), payload["code_hash"]),
        (say("生效高度", "counts from height"), payload["activation_height"]),
        (say("下一步", "next"), f"hnnode plugin vote {number} --key NAME --home DIR"),
    ]
    emit(output, answer, lambda: grid(rows))


def kind_name(kind: str) -> str:
    """What a proposal is about, in the language of this process."""
    names = {
        "activate": say("启用新应用", "activate"),
        "upgrade": say("升级", "upgrade"),
        "disable": say("停用", "disable"),
        "enable": say("重新启用", "enable"),
    }
    return names.get(kind, kind)


def outcome_name(outcome: str) -> str:
    """How a proposal ended, in the language of this process."""
    return {"open": say("投票中", "open"), "active": say("已生效", "active"), "void": say("未通过", "void")}[outcome]


def propose(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHEEL|NAME",
            help=two("插件包，或已安装的应用", "a package, or an application that is installed here"),
        ),
    ],
    code_hash: Annotated[
        str | None,
        optional(
            "--code-hash",
            metavar="HEX",
            help=two("已安装版本的代码摘要（可只给开头）", "code hash of the installed version (or its start)"),
        ),
    ] = None,
    height: HeightOption = None,
    after: AfterOption = AFTER_BLOCKS,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    home: HomeOption = None,
    node: NodeOption = None,
    timeout: TimeoutOption = 30.0,
    output: OutputOption = Format.table,
) -> None:
    """A new plugin is activated, one of the set is upgraded; an older version is a way back."""
    from hnnode.governance.voting import propose_payload

    url = node_url(node)
    name, code = proposed_code(what, code_hash, home)
    kind = "activate" if plugin_now(url, name) is None else "upgrade"
    payload = propose_payload(kind, name, code, _activation(url, height, after))
    facts = _submit(url, "propose", payload, (key_path(key, key_dir), passphrase_fd), timeout)
    _made(url, facts, payload, output)


def proposed_code(what: str, code_hash: str | None, home: Path | None) -> tuple[str, Code]:
    """Name and code of a wheel, of a version in the store of the home, or of what the node's own environment brings."""
    from hnnode.governance import PluginSources, PluginStore
    from hnnode.packaging import read_manifest, read_package

    if what.endswith(".whl"):
        package = read_package(Path(what), None)  # who votes checks the signatures when it installs
        manifest, digest = package.manifest, package.code_hash
    else:
        store = PluginStore(Home(node_home(home)).root)
        found = {each.code_hash: (each.version, each.manifest) for each in store.list() if each.name == what}
        own = PluginSources(store).environment(what)
        if own is not None:
            found.setdefault(own.code_hash, (own.version, read_manifest(own.package)))
        chosen = [each for each in found.items() if each[0].hex().startswith((code_hash or "").lower())]
        if not found:
            detail = say(
                f"{what}：{store.root} 中没有，本机环境也没有；先 hnnode plugin install WHEEL --home DIR，或直接提议插件包",
                f"{what}: neither in {store.root} nor in this environment; hnnode plugin install WHEEL --home DIR first,"
                " or propose the wheel itself",
            )
            raise ConfigError("PREREQUISITE_MISSING", detail)
        if len(chosen) != 1:
            versions = ", ".join(f"{version} {digest.hex()[:16]}" for digest, (version, _) in sorted(found.items()))
            detail = say(
                f"{what}：{len(chosen)} 个版本符合，用 --code-hash 从中选一个：{versions}",
                f"{what}: {len(chosen)} versions fit, choose one of these with --code-hash: {versions}",
            )
            raise ConfigError("PREREQUISITE_MISSING", detail)
        digest, (version, manifest) = chosen[0]
        plugin = manifest.plugin
        return what, Code(version, plugin.api_version, plugin.state_version, digest.hex())
    plugin = manifest.plugin
    return plugin.name, Code(plugin.version, plugin.api_version, plugin.state_version, digest.hex())


def switch(kind: str) -> Any:
    """The verb `enable` or `disable`."""

    def verb(
        name: NameArgument,
        height: HeightOption = None,
        after: AfterOption = AFTER_BLOCKS,
        key: KeyOption = None,
        key_dir: KeyDirOption = None,
        passphrase_fd: PassphraseFdOption = None,
        node: NodeOption = None,
        timeout: TimeoutOption = 30.0,
        output: OutputOption = Format.table,
    ) -> None:
        from hnnode.governance.voting import propose_payload

        url = node_url(node)
        now = plugin_now(url, name)
        if now is None:
            detail = say(
                f"插件集合中没有 {name}（hnnode plugin list）", f"{name} is not in the plugin set (hnnode plugin list)"
            )
            if name in NATIVE_NAMES:
                detail = say(f"{name} 为内置应用，始终启用", f"{name} is an application of the core, always enabled")
            raise ConfigError("PREREQUISITE_MISSING", detail)
        payload = propose_payload(kind, name, now.code, _activation(url, height, after))
        facts = _submit(url, "propose", payload, (key_path(key, key_dir), passphrase_fd), timeout)
        _made(url, facts, payload, output)

    return verb


def vote(
    number: Annotated[int, typer.Argument(metavar="PROPOSAL", min=1, help=two("提案编号", "number of the proposal"))],
    home: HomeOption = None,
    reject: Annotated[bool, typer.Option("--reject", help=two("投反对票", "vote against it"))] = False,
    key: KeyOption = None,
    key_dir: KeyDirOption = None,
    passphrase_fd: PassphraseFdOption = None,
    node: NodeOption = None,
    timeout: TimeoutOption = 30.0,
    output: OutputOption = Format.table,
) -> None:
    """Says with the node's key that the proposed code is installed here and approved; checked before it is said."""
    from hnnode.governance import PluginSources, PluginStore, make_host
    from hnnode.governance.voting import check_code, vote_payload
    from hnnode.node.genesis import load_genesis

    place = Home(node_home(home))
    place.check()
    url = node_url(node)
    proposal = governance_query(url, "proposal", {"number": number})
    wanted = proposal_of(proposal)
    if proposal["outcome"] != "open":
        detail = say(
            f"提案 {number} 已结束：{outcome_name(proposal['outcome'])}",
            f"proposal {number} is closed: {outcome_name(proposal['outcome'])}",
        )
        raise ConfigError("PREREQUISITE_MISSING", detail)
    name, code = wanted.name, wanted.code
    if not reject:
        now = plugin_now(url, name)
        execution = load_config(place.config).execution
        check_code(
            name,
            code,
            now if proposal["kind"] == "upgrade" else None,
            PluginSources(PluginStore(place.root), execution),
            partial(make_host, execution=execution),
        )
    genesis = load_genesis(place.genesis)
    validators: ValidatorSet = genesis.validators
    payload = vote_payload(read_key_file(place.key), validators, genesis.chain_id, wanted, approve=not reject)
    facts = _submit(url, "vote", payload, (key_path(key, key_dir), passphrase_fd), timeout)
    count = governance_query(url, "proposal", {"number": number})
    answer = {
        "proposal": number,
        "approve": not reject,
        "validator": payload["validator"],
        "tx_id": facts["tx_id"],
        "power_for": count["power_for"],
        "power_against": count["power_against"],
        "power_total": validators.total_power,
        "power_needed": validators.quorum,
        "activation_height": proposal["activation_height"],
    }
    rows = [
        (say("提案", "proposal"), f"{number} · {kind_name(proposal['kind'])} {name} {code.version}"),
        (say("投票", "vote"), say("赞成", "for") if not reject else say("反对", "against")),
        (
            say("赞成权重", "power for it"),
            say(
                f"{count['power_for']} / {validators.total_power}，需 {validators.quorum}",
                f"{count['power_for']} of {validators.total_power}, {validators.quorum} needed",
            ),
        ),
        (say("生效高度", "counts from height"), proposal["activation_height"]),
    ]
    emit(output, answer, lambda: grid(rows))


def proposals(node: NodeOption = None, output: OutputOption = Format.table) -> None:
    url = node_url(node)
    closed: list[dict[str, Any]] = []
    after = 0
    while True:
        page = governance_query(url, "proposals", {"limit": 200, "after": after})
        closed += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    titles = [
        say("编号", "number"),
        say("内容", "what"),
        say("应用", "application"),
        say("版本", "version"),
        say("生效高度", "height"),
        say("赞成", "for"),
        say("反对", "against"),
        say("结果", "outcome"),
    ]
    fields = ("name", "version", "activation_height", "power_for", "power_against")
    found = [*closed, *page["open"]]
    rows = [
        [p["number"], kind_name(p["kind"]), *(p[field] for field in fields), outcome_name(p["outcome"])] for p in found
    ]
    emit(output, {"proposals": found}, lambda: columns(titles, rows))


def register(application: typer.Typer) -> None:
    for name, verb, help in (
        ("propose", propose, two("提议启用或升级一个插件", "propose to activate or upgrade a plugin")),
        ("vote", vote, two("以节点密钥对提案投票", "vote on a proposal with the key of a node")),
        (
            "disable",
            switch("disable"),
            two("提议停用一个应用，查询与证明保留", "propose to disable an application; queries and proofs stay"),
        ),
        ("enable", switch("enable"), two("提议重新启用一个应用", "propose to enable an application again")),
        ("proposals", proposals, two("提案及其结果", "proposals and how they ended")),
    ):
        application.command(name, help=help, epilog=EXAMPLES.get(name))(verb)
