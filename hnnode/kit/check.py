"""`hnnode plugin check`: everything that can be known of a plugin before it runs on a chain.

    manifest → files and dependencies → determinism lint → (no error so far) load it → titles, rules, privacy, keys
             → compared with an earlier package

Code is loaded only when the lint found no error: what it may import and call is known by then.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

from hnnode.errors import ConfigError, HnError
from hnnode.execution.host import Host
from hnnode.execution.table import Application
from hnnode.kit.events import check_events
from hnnode.kit.findings import FINDINGS_MAX, Finding, failed
from hnnode.kit.lint import lint
from hnnode.kit.lint.module import Code
from hnnode.kit.privacy import PERSONAL_RULE, check_privacy, has_guard
from hnnode.kit.project import Project, table_of
from hnnode.kit.undeclared import undeclared_reads
from hnnode.kit.versions import compare_with
from hnnode.packaging import PluginPackage, check_manifest, read_code
from hnnode.plugin_api.manifest import MANIFEST_NAME

WORKLOAD_COUNT = 60
_ALLOWED_FILES = (".py", ".json", ".toml")
_DEPENDENCIES = frozenset(("hnnode", "msgspec"))
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def check_project(project: Project, against: PluginPackage | None = None) -> list[Finding]:
    """Findings ascending by place, at most FINDINGS_MAX."""
    found = set(_files(project)) | set(_manifest(project)) | set(_dependencies(project))
    code = Code.parse(project.manifest, read_code(project.package))
    found.update(lint(code))
    found.update(_foreign(project, code))
    if not failed(sorted(found)):
        found.update(_loaded(project, code, against))
    return sorted(found)[:FINDINGS_MAX]


def _files(project: Project) -> Iterator[Finding]:
    for path in sorted(project.package.rglob("*")):
        relative = path.relative_to(project.root).as_posix()
        if path.is_dir() or "__pycache__" in path.parts or path.name == "py.typed":
            continue
        if path.suffix not in _ALLOWED_FILES or path.is_symlink():
            yield Finding(relative, 0, 0, "HN103", path.suffix)


def _manifest(project: Project) -> Iterator[Finding]:
    place = f"{project.manifest.package}/{MANIFEST_NAME}"
    try:
        check_manifest(project.manifest)
    except ConfigError as e:
        yield Finding(place, 0, 0, "HN101", e.detail)
    if not project.manifest.code.metered:
        yield Finding(place, 0, 0, "HN104")
    for text, wanted in ((project.manifest.plugin.title_zh, True), (project.manifest.plugin.title_en, False)):
        if bool(_CHINESE.search(text)) is not wanted:
            yield Finding(place, 0, 0, "HN504", f"title: {text}")


def _dependencies(project: Project) -> Iterator[Finding]:
    path = project.root / "pyproject.toml"
    try:
        facts = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        yield Finding(path.name, 0, 0, "HN105", str(e))
        return
    for text in facts.get("project", {}).get("dependencies", ()):
        name = re.split(r"[^A-Za-z0-9._-]", str(text).strip(), maxsplit=1)[0].lower()
        if name not in _DEPENDENCIES:
            yield Finding(path.name, 0, 0, "HN105", str(text)[:80])


def _foreign(project: Project, code: Code) -> Iterator[Finding]:
    """Reads of other applications that the manifest does not name."""
    named = project.manifest.needs.applications
    for module in code.modules.values():
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("foreign", "reads")
            ):
                given = node.args[:1] if node.func.attr == "foreign" else node.args
                for argument in given:
                    if (
                        isinstance(argument, ast.Constant)
                        and isinstance(argument.value, str)
                        and argument.value not in named
                    ):
                        yield module.finding(node, "HN302", argument.value)


def _loaded(project: Project, code: Code, against: PluginPackage | None) -> Iterator[Finding]:
    place = f"{project.manifest.package}/{MANIFEST_NAME}"
    try:
        host = project.host()
    except HnError as e:
        yield Finding(place, 0, 0, "HN501", e.detail)
        return
    try:
        table = table_of(host, project.name)
        yield from _table(project, code, table)
        yield from check_privacy(project.manifest, table, code)
        yield from _workload(project, host)
        if against is not None:
            yield from compare_with(project, table, code, against)
    finally:
        host.close()


def _table(project: Project, code: Code, table: Application) -> Iterator[Finding]:
    place = f"{project.manifest.package}/{MANIFEST_NAME}"
    plugin = project.manifest.plugin
    if table.state_version != plugin.state_version:
        yield Finding(
            place, 0, 0, "HN102", f"state_version {plugin.state_version}, registry.describe {table.state_version}"
        )
    stated = {name: handling.value for name, handling in table.handling.items()}
    if stated and stated != project.manifest.privacy:
        odd = sorted(stated.items() ^ project.manifest.privacy.items())
        yield Finding(place, 0, 0, "HN102", f"[privacy], registry.privacy: {odd[0][0]}")
    titled = [(f"action {row.name}", row.title_zh, row.title_en) for row in table.actions.values()]
    titled += [(f"query {row.name}", row.title_zh, row.title_en) for row in table.queries.values()]
    titled += [(f"event {row.name}", row.title_zh, row.title_en) for row in table.events.values()]
    titled += [(f"rule {row.id}", row.zh, row.en) for row in table.rules.values()]
    for what, zh, en in titled:
        if not _CHINESE.search(zh) or not en.strip() or _CHINESE.search(en):
            yield Finding(place, 0, 0, "HN504", what)
    yield from check_events(place, code, table)
    used = {
        rule: at
        for rule, at in _used_rules(code, plugin.name).items()
        if rule not in table.events or rule in table.rules
    }
    for rule, (path, line) in sorted(used.items()):
        if rule not in table.rules:
            yield Finding(path, line, 1, "HN502", rule)
    own = {f"{plugin.name}.{PERSONAL_RULE}"} if has_guard(code) else set()
    for rule in sorted(table.rules.keys() - used.keys() - own):
        yield Finding(place, 0, 0, "HN503", rule)


def _used_rules(code: Code, name: str) -> dict[str, tuple[str, int]]:
    """Every text of the form of a rule id, outside of rule tables: id → where it stands first."""
    form = re.compile(re.escape(name) + r"\.[a-z][a-z0-9_]{0,31}", re.ASCII)
    used: dict[str, tuple[str, int]] = {}
    for module in code.modules.values():
        events = {
            id(part)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("emit", "event", "rule")
            and node.args
            for part in ast.walk(node.args[0])
        }
        for node in ast.walk(module.tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and form.fullmatch(text) and id(node) not in events:
                used.setdefault(text, (module.path, getattr(node, "lineno", 0)))
    return used


def _workload(project: Project, host: Host) -> Iterator[Finding]:
    place = f"{project.manifest.package}/{MANIFEST_NAME}"
    try:
        for action, key in undeclared_reads(host, project.name, WORKLOAD_COUNT):
            yield Finding(place, 0, 0, "HN301", f"{action}: {key}")
    except ConfigError as e:
        if e.info.name != "PREREQUISITE_MISSING":  # it has no workload
            yield Finding(place, 0, 0, "HN304", e.detail[:200])
    except AssertionError as e:
        yield Finding(place, 0, 0, "HN304", str(e)[:200])
