"""`hnnode plugin`: what the chain can do."""

from __future__ import annotations

from typing import Annotated

import typer

from hnnode.cli import plugin_governance, plugin_kit, plugin_package, plugin_skip, plugin_store
from hnnode.cli.connection import get_json
from hnnode.cli.language import current, say, two
from hnnode.cli.options import NodeOption, OutputOption
from hnnode.cli.output import Format, columns, console, emit
from hnnode.cli.plugin_diff import diff
from hnnode.cli.plugin_store import HASH_LETTERS, status_name
from hnnode.cli.session import node_url

application = typer.Typer(name="plugin", help=two("应用与插件", "applications and plugins"), no_args_is_help=True)


@application.command("list", help=two("链上的应用及其状态", "the applications of the chain and their status"))
def list_plugins(node: NodeOption = None, output: OutputOption = Format.table) -> None:
    found = get_json(node_url(node), "/v1/plugins")
    titles = [
        say("名称", "name"),
        say("版本", "version"),
        say("说明", "title"),
        say("内置", "native"),
        say("状态", "status"),
        say("代码摘要", "code hash"),
    ]
    rows = [
        [
            p["name"],
            p["version"],
            p[f"title_{current()}"],
            say("是", "yes") if p["native"] else say("否", "no"),
            status_name(p["status"]),
            p["code_hash"][:HASH_LETTERS] or "–",
        ]
        for p in found["plugins"]
    ]
    emit(output, found, lambda: columns(titles, rows))


@application.command("show", help=two("一个应用的动作、查询和事件", "actions, queries and events of an application"))
def show(
    name: Annotated[str, typer.Argument(metavar="APP", help=two("应用", "application"))],
    schema: Annotated[bool, typer.Option("--schema", help=two("显示 JSON Schema", "show the JSON Schemas"))] = False,
    node: NodeOption = None,
    output: OutputOption = Format.table,
) -> None:
    url = node_url(node)
    if schema:
        found = get_json(url, f"/v1/applications/{name}/schema")
        emit(Format.json, found, lambda: "")
        return
    everything = get_json(url, "/v1/applications")["applications"]
    wanted = next((a for a in everything if a["application"] == name), None)
    if wanted is None:
        get_json(url, f"/v1/applications/{name}/schema")  # the node says best that there is none
        return
    if output is Format.json:
        emit(output, wanted, lambda: "")
        return
    titles = [say("动作", "action"), say("说明", "title"), say("角色", "roles")]
    console().print(
        columns(
            titles, [[a["action"], a[f"title_{current()}"], " ".join(a["roles"]) or "–"] for a in wanted["actions"]]
        )
    )
    console().print()
    console().print(
        columns(
            [say("查询", "query"), say("说明", "title")],
            [[q["query"], q[f"title_{current()}"]] for q in wanted["queries"]],
        )
    )
    console().print()
    console().print(
        columns(
            [say("事件", "event"), say("说明", "title")],
            [[e["event"], e[f"title_{current()}"]] for e in wanted["events"]],
        )
    )


# In the order of help: the chain's, the vendor's, the operator's, the validators'.
plugin_kit.register(application)
plugin_package.register(application)
plugin_store.register(application)
plugin_governance.register(application)
application.command("diff", help=two("两个节点对同一区块的不同结果", "what two nodes had different after a block"))(
    diff
)
application.add_typer(plugin_skip.application)
