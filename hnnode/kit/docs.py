"""The page of a plugin, for users and auditors, made from the code: nothing in it is written by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hnnode.errors import ConfigError
from hnnode.execution.table import Application
from hnnode.kit.chain import Chain
from hnnode.kit.diagram import draw, find_status_maps
from hnnode.kit.page import Block, Drawing, Heading, Listing, Paragraph, Table, Text, as_html, as_markdown
from hnnode.kit.project import Project, table_of
from hnnode.kit.schemas import Schema, fields_of
from hnnode.packaging import hash_code, read_code
from hnnode.plugin_api import limits
from hnnode.plugin_api.manifest import Manifest
from hnnode.plugin_api.model import json_schema

EXAMPLES_COUNT = 24
ARROWS_MAX = 512
"""With more, statuses are listed instead of drawn."""
_LEGEND = (
    "绿色：起始状态；粗框：终态；虚线：回到较早的状态。",
    "Green: where it starts. Thick frame: final. Dashed: back to an earlier status.",
)
_PRIVACY = {
    "clear": ("明文", "clear"),
    "committed": ("只有摘要", "hash only"),
    "encrypted": ("加密", "encrypted"),
    None: ("未声明", "not declared"),
}


def write_pages(project: Project, folder: Path) -> list[Path]:
    """`<name>.html` in both languages, `<name>.md` and `<name>.zh.md`. Raises ConfigError: it cannot be loaded."""
    blocks = page_of(project)
    plugin = project.manifest.plugin
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{plugin.name}.html": as_html(blocks, (plugin.title_zh, plugin.title_en)),
        f"{plugin.name}.md": as_markdown(blocks, "en"),
        f"{plugin.name}.zh.md": as_markdown(blocks, "zh"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def page_of(project: Project) -> list[Block]:
    """Everything the page says, in order."""
    host = project.host()
    try:
        table = table_of(host, project.name)
        files = read_code(project.package)
        examples = _examples(project, host)
        return [
            *_head(project, hash_code(files)),
            *_states(project),
            *_actions(project.manifest, table, examples),
            *_rules(table),
            *_due(table),
            *_parameters(table),
            *_events(table),
            *_queries(table),
            *_privacy(project.manifest, table),
            *_limits(),
        ]
    finally:
        host.close()


def _head(project: Project, code_hash: bytes) -> Iterator[Block]:
    plugin = project.manifest.plugin
    yield Heading(1, (f"{plugin.title_zh}（{plugin.name}）", f"{plugin.title_en} ({plugin.name})"))
    rows: list[tuple[Any, Any]] = [
        (("版本", "version"), plugin.version),
        (("状态版本", "state version"), str(plugin.state_version)),
        (("接口版本", "API version"), str(plugin.api_version)),
        (("厂商", "vendor"), plugin.vendor),
        (("许可", "licence"), plugin.licence),
        (("代码摘要", "code hash"), f"`{code_hash.hex()}`"),
        (("读取的应用", "reads applications"), ", ".join(project.manifest.needs.applications) or "–"),
    ]
    yield Table([("项目", "fact"), ("值", "value")], rows)


def _states(project: Project) -> Iterator[Block]:
    package = project.manifest.package
    modules = {
        name: module for name, module in sys.modules.items() if name == package or name.startswith(f"{package}.")
    }
    maps = find_status_maps(modules)
    if maps:
        yield Heading(2, ("状态", "States"))
    for found in maps:
        listing = "\n".join(f"{name} → {', '.join(after) or '∎'}" for name, after in found.moves.items())
        if len(maps) > 1:
            name = found.where.rpartition(".")[2].removesuffix("_MOVES").removesuffix("_TABLE")
            yield Paragraph(f"`{name.lower()}`")
        if sum(map(len, found.moves.values())) > ARROWS_MAX:
            yield Listing(listing, "text")
            continue
        yield Drawing(draw(found), listing, _LEGEND if found is maps[-1] else "")


def _actions(manifest: Manifest, table: Application, examples: dict[str, tuple[str, int]]) -> Iterator[Block]:
    yield Heading(2, ("动作", "Actions"))
    for row in table.actions.values():
        schema = json_schema(row.model)
        yield Heading(3, (f"{row.name} {row.title_zh}", f"{row.name}: {row.title_en}"))
        if note := _note(row):
            yield Paragraph(("", note))
        roles = ", ".join(row.roles)
        yield Paragraph((f"角色：{roles or '任何有效账户'}", f"Roles: {roles or 'any active account'}"))
        fields = [
            (path, *_describe(field), _PRIVACY[manifest.privacy_of(row.name, path.rpartition(".")[2])])
            for path, field in fields_of(schema)
        ]
        titles = [("字段", "field"), ("类型", "type"), ("约束", "bounds"), ("隐私", "privacy")]
        yield Table(titles, fields, frozenset((0,)))
        if row.name in examples:
            text, steps = examples[row.name]
            yield Paragraph((f"示例（{steps} 步）：", f"Example ({steps} steps):") if steps else ("示例：", "Example:"))
            yield Listing(text)
        pretty = json.dumps(schema, ensure_ascii=False, indent=1)
        yield Listing(pretty, "json", "JSON Schema")


def _note(row: Any) -> str:
    """The first paragraph of the model's docstring, where it has one of its own."""
    text = row.model.__dict__.get("__doc__") or ""
    first = " ".join(text.strip().partition("\n\n")[0].split())
    return "" if first.startswith(f"{row.model.__name__}(") else first


def _rules(table: Application) -> Iterator[Block]:
    yield Heading(2, ("规则", "Rules"))
    yield Paragraph(
        (
            "违反规则的交易得到回执 4001 RULE_VIOLATION 和规则编号，不留下任何写入。",
            "A transaction that breaks a rule gets the receipt 4001 RULE_VIOLATION with the rule's id, and leaves nothing.",
        )
    )
    rows = [(rule.id, (rule.zh, rule.en)) for rule in table.rules.values()]
    yield Table([("规则", "rule"), ("说明", "text")], rows, frozenset((0,)))


def _events(table: Application) -> Iterator[Block]:
    if not table.events:
        return
    yield Heading(2, ("事件", "Events"))
    for row in table.events.values():
        yield Heading(3, (f"{row.name} {row.title_zh}", f"{row.name}: {row.title_en}"))
        if note := _note(row):
            yield Paragraph(("", note))
        fields = [(path, *_describe(field)) for path, field in fields_of(row.schema)]
        if fields:
            yield Table([("字段", "field"), ("类型", "type"), ("约束", "bounds")], fields, frozenset((0,)))


def _due(table: Application) -> Iterator[Block]:
    if table.due is None:
        return
    due = table.due
    yield Heading(2, ("区块末的到期处理", "Due work at the end of a block"))
    yield Paragraph(
        (
            f"{due.title_zh}：每个区块最多 {due.items_max} 项，无须有人提交交易。",
            f"{due.title_en}: at most {due.items_max} items a block, without anybody's transaction.",
        )
    )


def _parameters(table: Application) -> Iterator[Block]:
    if not table.parameters:
        return
    yield Heading(2, ("参数", "Parameters"))
    rows = []
    for spec in table.parameters.values():
        fields = dict(fields_of(table.actions[spec.action].schema))
        roles = ", ".join(table.actions[spec.action].roles) or "–"
        for name, value in spec.defaults.items():
            kind, bounds = _describe(fields[name])
            rows.append((name, f"{kind} {bounds}".strip(), json.dumps(value), f"{spec.action} ({roles})"))
    titles = [("参数", "parameter"), ("类型", "type"), ("默认", "default"), ("由动作设置", "set by")]
    yield Table(titles, rows, frozenset((0,)))


def _queries(table: Application) -> Iterator[Block]:
    if not table.queries:
        return
    yield Heading(2, ("查询", "Queries"))
    rows = []
    for row in table.queries.values():
        arguments = "; ".join(_argument(path, field) for path, field in fields_of(json_schema(row.model)))
        rows.append((row.name, (row.title_zh, row.title_en), arguments or "–"))
    yield Table([("查询", "query"), ("说明", "text"), ("参数", "arguments")], rows, frozenset((0,)))


def _privacy(manifest: Manifest, table: Application) -> Iterator[Block]:
    yield Heading(2, ("隐私", "Privacy"))
    where: dict[str, list[str]] = {}
    for row in table.actions.values():
        for path, _ in fields_of(json_schema(row.model)):
            field = path.rpartition(".")[2]
            name = f"{row.name}.{field}" if f"{row.name}.{field}" in manifest.privacy else field
            where.setdefault(name, []).append(row.name)
    rows: list[tuple[Text, ...]] = [
        (name, _PRIVACY[manifest.privacy.get(name)], ", ".join(sorted(set(actions))))
        for name, actions in sorted(where.items())
    ]
    rows += [
        (name, _PRIVACY[kind], ("链下", "off chain"))
        for name, kind in sorted(manifest.privacy.items())
        if name not in where
    ]
    yield Table([("字段", "field"), ("级别", "class"), ("动作", "actions")], rows, frozenset((0,)))


def _limits() -> Iterator[Block]:
    yield Heading(2, ("上限", "Limits"))
    rows = [
        (("每笔交易写入的键", "keys a transaction may write"), str(limits.WRITES_MAX)),
        (("键的字节", "bytes of a key"), str(limits.KEY_BYTES_MAX)),
        (("值的字节", "bytes of a value"), str(limits.VALUE_BYTES_MAX)),
        (("每笔交易的事件", "events of a transaction"), str(limits.EVENTS_MAX)),
        (("每笔交易的步数", "steps of a transaction"), str(limits.STEPS_MAX)),
        (("一页的行数", "rows of a page"), str(limits.PAGE_LIMIT_MAX)),
    ]
    yield Table([("内容", "what"), ("上限", "limit")], rows)


def _argument(path: str, schema: Schema) -> str:
    """A query's argument with everything it may be."""
    kind, bounds = _describe(schema)
    return f"`{path}` {bounds if kind == 'enum' else f'{kind} {bounds}'}".rstrip()


def _describe(schema: Schema) -> tuple[str, str]:
    """(type, bounds) of a field in words that both languages share."""
    if "enum" in schema:
        return "enum", ", ".join([" | ".join(map(str, schema["enum"])), *_default(schema)])
    if "anyOf" in schema:
        parts = [_describe(part) for part in schema["anyOf"]]
        return " | ".join(part[0] for part in parts), " ".join(part[1] for part in parts if part[1])
    kind = str(schema.get("type", "object"))
    bounds = []
    if "items" in schema:
        inner = _describe(schema["items"])
        kind, bounds = f"{inner[0]}[]", [inner[1]] if inner[1] else []
    for name, mark in (
        ("minimum", "≥"),
        ("maximum", "≤"),
        ("minItems", "n ≥"),
        ("maxItems", "n ≤"),
        ("minLength", "len ≥"),
        ("maxLength", "len ≤"),
    ):
        if name in schema:
            bounds.append(f"{mark} {schema[name]}")
    if "pattern" in schema:
        bounds.append(str(schema["pattern"]).replace(r"(?![\s\S])", "$"))
    return kind, ", ".join([*bounds, *_default(schema)])


def _default(schema: Schema) -> list[str]:
    return [f"= {json.dumps(schema['default'], ensure_ascii=False)}"] if "default" in schema else []


def _examples(project: Project, host: Any) -> dict[str, tuple[str, int]]:
    """(payload, steps) of each action: from `samples/<action>.json`, else from the workload, which tells the steps."""
    found: dict[str, tuple[str, int]] = {}
    try:
        work = host.workload(project.name, 1)
    except ConfigError:
        work = None
    if work is not None:
        chain = Chain(lambda: host, project.name)
        people = {name: chain.account(name, *roles) for name, roles in work.actors.items()}
        for wave in work.waves({name: someone.address for name, someone in people.items()}, EXAMPLES_COUNT):
            outcomes = chain.block([people[item.actor].request(item.action, item.payload) for item in wave])
            for item, outcome in zip(wave, outcomes, strict=True):
                found.setdefault(item.action, (_pretty(item.payload), outcome.steps))
    for path in sorted((project.package / "samples").glob("*.json")):
        if path.stem in table_of(host, project.name).actions:
            found[path.stem] = (_pretty(path.read_bytes()), found.get(path.stem, ("", 0))[1])
    return found


def _pretty(payload: bytes) -> str:
    return json.dumps(json.loads(payload), ensure_ascii=False, indent=1)
