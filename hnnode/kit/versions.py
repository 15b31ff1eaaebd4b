"""A plugin compared with an earlier package of it: what an upgrade would break."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hnnode.execution.table import Application
from hnnode.kit.findings import Finding
from hnnode.kit.lint.module import Code
from hnnode.kit.project import Project, table_of
from hnnode.kit.schemas import narrowed
from hnnode.packaging import PluginPackage, hash_code, read_code
from hnnode.plugin_api.manifest import MANIFEST_NAME
from hnnode.plugin_api.model import json_schema

Fields = list[tuple[str, str, bool]]
"""(name, annotation, has a default) in the order of the record."""


def unpack(package: PluginPackage, folder: Path) -> Project:
    """A package's code as a project, for loading and checking it."""
    for path, content in package.files.items():
        if path.startswith(f"{package.manifest.package}/"):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return Project.open(folder)


def compare_with(project: Project, table: Application, code: Code, old: PluginPackage) -> Iterator[Finding]:
    """Findings of an upgrade from `old` to what the project holds now."""
    place = f"{project.manifest.package}/{MANIFEST_NAME}"
    now, before = project.manifest.plugin, old.manifest.plugin
    if now.name != before.name:
        yield Finding(place, 0, 0, "HN515", before.name)
        return
    if hash_code(read_code(project.package)) == old.code_hash:
        return
    if _parts(now.version) <= _parts(before.version):
        yield Finding(place, 0, 0, "HN510", f"{now.version}, {before.version}")
    with tempfile.TemporaryDirectory(prefix="hn-against-") as folder:
        older = unpack(old, Path(folder))
        old_code = Code.parse(older.manifest, read_code(older.package))
        host = older.host()
        try:
            yield from _compare_tables(place, table_of(host, before.name), table)
        finally:
            host.close()
    changed = list(_layout_changes(records_of(old_code), records_of(code)))
    if now.state_version == before.state_version:
        for path, line, detail in changed:
            yield Finding(path or place, line, 1 if line else 0, "HN511", detail)
    elif now.state_version > before.state_version:
        reached = _reached(set(table.migrations), before.state_version)
        if now.state_version not in reached:
            got = ", ".join(f"{start} → {end}" for start, end in table.migrations) or "none"
            yield Finding(place, 0, 0, "HN512", f"{before.state_version} → {now.state_version}: got {got}")
    else:
        yield Finding(place, 0, 0, "HN510", f"state_version {now.state_version}, {before.state_version}")


def _reached(steps: set[tuple[int, int]], start: int) -> set[int]:
    """State versions that some of the steps lead to."""
    found = {start}
    for _ in steps:
        found |= {end for begin, end in steps if begin in found}
    return found


def _compare_tables(place: str, old: Application, new: Application) -> Iterator[Finding]:
    for kind, before, after in (("action", old.actions, new.actions), ("query", old.queries, new.queries)):
        for name in sorted(before.keys() - after.keys()):
            yield Finding(place, 0, 0, "HN513", f"{kind} {name}")
        for name in sorted(before.keys() & after.keys()):
            for reason in narrowed(json_schema(before[name].model), json_schema(after[name].model)):
                yield Finding(place, 0, 0, "HN514", f"{kind} {name}: {reason}")


def records_of(code: Code) -> dict[str, tuple[str, int, Fields]]:
    """Records kept in the state, found by `array_like=True`: name → (path, line, fields)."""
    found: dict[str, tuple[str, int, Fields]] = {}
    for module in code.modules.values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and any(
                word.arg == "array_like" and isinstance(word.value, ast.Constant) and word.value.value is True
                for word in node.keywords
            ):
                fields = [
                    (item.target.id, ast.unparse(item.annotation), item.value is not None)
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                ]
                found[node.name] = (module.path, node.lineno, fields)
    return found


def _layout_changes(
    old: dict[str, tuple[str, int, Fields]], new: dict[str, tuple[str, int, Fields]]
) -> Iterator[tuple[str, int, str]]:
    for name, (_, _, before) in sorted(old.items()):
        if name not in new:
            yield "", 0, f"{name} is gone"
            continue
        path, line, after = new[name]
        if [field[:2] for field in after[: len(before)]] != [field[:2] for field in before]:
            yield path, line, f"{name}: fields changed, moved or went"
        elif not all(has_default for _, _, has_default in after[len(before) :]):
            yield path, line, f"{name}: a new field without default"


def _parts(version: str) -> tuple[tuple[int, ...], int, int]:
    """For comparing: numbers, then the stage of a pre-release, which comes before the release."""
    found = re.fullmatch(r"([0-9.]+)(?:(a|b|rc)([0-9]+))?", version)
    if found is None:
        return (), 0, 0
    numbers = tuple(int(part) for part in found[1].split("."))
    stage = {"a": 0, "b": 1, "rc": 2}.get(found[2] or "", 3)
    return (*numbers, *(0,) * (4 - len(numbers))), stage, int(found[3] or 0)
