"""Tables of what a plugin's code registers, from the document of its package."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from hnnode.cli.language import current, say
from hnnode.cli.output import columns


def registered_tables(document: dict[str, Any]) -> list[RenderableType]:
    """Actions, parameters, events, queries and applications that are read; a part that is empty is left out."""
    title = f"title_{current()}"
    named = say("说明", "title")
    actions = [
        [name, row[title], " ".join(row["roles"]) or "–", row["keys"], fields_text(row["schema"])]
        for name, row in document["actions"].items()
    ]
    heads = [
        say("动作", "action"),
        named,
        say("角色", "roles"),
        say("成批取键轮数", "key rounds"),
        say("字段", "fields"),
    ]
    tables: list[RenderableType] = [columns(heads, actions)]
    parameters = [
        [name, action, fact["default"], bounds_text(document["actions"][action]["schema"], name)]
        for action, facts in document["parameters"].items()
        for name, fact in facts.items()
    ]
    if parameters:
        heads = [say("参数", "parameter"), say("由动作设置", "set by"), say("默认", "default"), say("范围", "bounds")]
        tables.append(columns(heads, parameters))
    for part, head in (("events", say("事件", "event")), ("queries", say("查询", "query"))):
        rows = [[name, row[title], fields_text(row["schema"])] for name, row in document[part].items()]
        if rows:
            tables.append(columns([head, named, say("字段", "fields")], rows))
    if document["due"] is not None:
        due = document["due"]
        heads = [say("区块末的到期处理", "due work at the end of a block"), say("每块最多", "at most a block")]
        tables.append(columns(heads, [[due[title], due["items_max"]]]))
    if document["reads"]:
        tables.append(columns([say("读取的应用", "reads applications")], [[name] for name in document["reads"]]))
    return tables


def _model(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema.get("$defs", {}).get(schema.get("$ref", "").rpartition("/")[2], schema)
    return found


def fields_text(schema: dict[str, Any]) -> str:
    """Names of the fields, those that may be left out with a `?`."""
    model = _model(schema)
    needed = set(model.get("required", ()))
    return ", ".join(name if name in needed else f"{name}?" for name in model.get("properties", {})) or "–"


def bounds_text(schema: dict[str, Any], field: str) -> str:
    """Lower and upper bound of an integer field; its type for any other."""
    found = _model(schema).get("properties", {}).get(field, {})
    low, high = found.get("minimum"), found.get("maximum")
    return str(found.get("type", "–")) if low is None and high is None else f"{low} … {high}"
