"""Finds the plugins, loads those the genesis enables, and freezes them into one table.

A plugin is an entry point of the group `hnnode.plugins` whose name is its application. Only enabled ones are
imported. Each plugin has a pluggy manager of its own and they are loaded in name order, so neither pluggy's call
order nor the order of installed distributions can reach state. Loading is the only time plugin code is looked for; a
block never imports.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from hnnode.errors import ConfigError, Rejected
from hnnode.execution.applications import NATIVE_VERSION, NativeAction, NodeApplications
from hnnode.execution.executor import Executor
from hnnode.execution.table import Application
from hnnode.plugin_api.hooks import API_VERSION, PROJECT, Hooks
from hnnode.plugin_api.model import ModelError, bare_schema, json_schema
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import Registry
from hnnode.plugin_api.workload import WorkItem, Workload

GROUP = "hnnode.plugins"
RESERVED = frozenset(("identity", "evidence"))
CODE_FILES_MAX = 2_000
CODE_BYTES_MAX = 32 * 1024 * 1024

TaggedHash = Callable[[str, bytes], bytes]
PluginEntry = tuple[str, str, int, int, bytes, str, str, bytes]
"""(plugin, version, api_version, state_version, code_hash, application, action, schema_hash), formats §10."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin object before registration: `package` is the folder its code hash covers."""

    name: str
    version: str
    implementation: object
    package: Path


def discover(enabled: Sequence[str], found: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """Import the enabled plugins, ascending by name.

    Raises: ConfigError (PLUGIN_SET_INVALID): one is missing, installed twice, reserved, or fails to import.
    """
    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP) if found is None else found:
        points.setdefault(point.name, []).append(point)
    plugins = []
    for name in sorted(set(enabled) - RESERVED):
        candidates = points.get(name, [])
        if len(candidates) != 1:
            installed = ", ".join(sorted(points)) or "none"
            raise _invalid(f"plugin {name}: found {len(candidates)}, want 1 (installed: {installed})")
        point = candidates[0]
        try:
            implementation = point.load()
        except Exception as e:
            raise _invalid(f"plugin {name}: cannot be imported: {type(e).__name__}: {e}") from e
        version = point.dist.version if point.dist is not None else "0"
        plugins.append(Plugin(name, version, implementation, _package_folder(name, point.module)))
    return plugins


def _package_folder(name: str, module: str) -> Path:
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or not spec.submodule_search_locations:
        raise _invalid(f"plugin {name}: {module} is not a package")
    return Path(next(iter(spec.submodule_search_locations)))


def code_hash(package: Path, tagged_hash: TaggedHash) -> bytes:
    """Hash of a plugin's code: `H("hn/plugin-code/v1", files)`, files ascending by path, each `u16 length || path ||
    u32 length || content`.

    Paths are relative to the package, with `/`; only `.py` and `.json` files count, so a cache or a compiled copy
    changes nothing.

    Raises: ConfigError: too many files or bytes.
    """
    files = sorted(
        (path.relative_to(package).as_posix(), path)
        for path in package.rglob("*")
        if path.suffix in (".py", ".json") and path.is_file() and "__pycache__" not in path.parts
    )
    parts = []
    total = 0
    for relative, path in files:
        content = path.read_bytes()
        total += len(content)
        named = relative.encode("utf-8")
        parts += [len(named).to_bytes(2, "big"), named, len(content).to_bytes(4, "big"), content]
    if len(files) > CODE_FILES_MAX or total > CODE_BYTES_MAX:
        raise _invalid(
            f"{package.name}: got {len(files)} files, {total} bytes, want ≤ {CODE_FILES_MAX} and ≤ {CODE_BYTES_MAX}"
        )
    return tagged_hash("hn/plugin-code/v1", b"".join(parts))


def schema_hash(schema: Mapping[str, Any], tagged_hash: TaggedHash) -> bytes:
    """Hash of an action's schema without titles and descriptions, as sorted JSON."""
    text = json.dumps(bare_schema(schema), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return tagged_hash("hn/schema/v1", text.encode("utf-8"))


class Host:
    """The loaded plugins of one node and everything that is built from them."""

    def __init__(self, plugins: Sequence[Plugin], native: Sequence[NativeAction], tagged_hash: TaggedHash) -> None:
        """Register and freeze. Raises ConfigError (PLUGIN_SET_INVALID) naming the plugin and what is wrong with it."""
        self._native = sorted(native)
        self._hash = tagged_hash
        self._hooks: dict[str, pluggy.HookRelay] = {}
        self.applications: dict[str, Application] = {}
        for plugin in sorted(plugins, key=lambda each: each.name):
            if plugin.name in self.applications or plugin.name in RESERVED:
                raise _invalid(f"plugin {plugin.name}: the name is taken")
            manager = pluggy.PluginManager(PROJECT)
            manager.add_hookspecs(Hooks)
            registry = Registry(plugin.name)
            try:
                manager.register(plugin.implementation, name=plugin.name)
                manager.check_pending()
                manager.hook.hn_register(registry=registry)
            except (pluggy.PluginValidationError, ModelError) as e:
                raise _invalid(f"plugin {plugin.name}: {e}") from e
            if not registry.actions:
                raise _invalid(f"plugin {plugin.name}: registered no action")
            self._hooks[plugin.name] = manager.hook
            digest = code_hash(plugin.package, tagged_hash)
            self.applications[plugin.name] = Application.freeze(registry, plugin.version, digest)

    @classmethod
    def load(cls, enabled: Sequence[str]) -> Host:
        """Host of the applications that the genesis enables; native names in the list are allowed and need no
        plugin.
        """
        import hnnode_native

        return cls(discover(enabled), hnnode_native.native_actions(), hnnode_native.tagged_hash)

    def executor(self) -> Executor:
        return Executor(self.applications)

    def node_applications(self) -> NodeApplications:
        return NodeApplications(self.applications, self._native)

    def foreign(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """(application, action, roles) of every Python action, for `hnnode_native.BlockExecution`."""
        return [
            (table.name, action.name, action.roles)
            for table in self.applications.values()
            for action in table.actions.values()
        ]

    def plugin_entries(self) -> list[PluginEntry]:
        """What the plugins hash covers, ascending by (application, action): native actions and plugins alike.

        A native application counts as a plugin of its own name with version `NATIVE_VERSION` and a zero code hash:
        its rules are fixed by the protocol, not by a file.
        """
        entries: list[PluginEntry] = []
        for application, action, _, schema in self._native:
            digest = schema_hash(json.loads(schema), self._hash)
            entries.append((application, NATIVE_VERSION, API_VERSION, 1, bytes(32), application, action, digest))
        for table in self.applications.values():
            for row in table.actions.values():
                digest = schema_hash(json_schema(row.model), self._hash)
                head = (table.name, table.version, API_VERSION, table.state_version, table.code_hash)
                entries.append((*head, table.name, row.name, digest))
        return sorted(entries, key=lambda entry: (entry[5], entry[6]))

    def plugins_hash(self) -> bytes:
        """The header's plugins hash of this node."""
        import hnnode_native

        return hnnode_native.plugins_hash(self.plugin_entries())

    def workload(self, application: str, seed: int, flavour: str = "") -> Workload:
        """The plugin's load for `hnnode bench`. Raises ConfigError when it has none, or none of that flavour."""
        hooks = self._hooks.get(application)
        made: Workload | None = hooks.hn_bench_workload(seed=seed, flavour=flavour) if hooks is not None else None
        if made is None:
            raise ConfigError(
                "PREREQUISITE_MISSING", f"workload: {application} has none called {flavour or 'default'!r}"
            )
        return made

    def import_document(
        self, application: str, format: str, document: bytes, accounts: Mapping[str, str]
    ) -> list[WorkItem]:
        """Transactions for a document of another standard, in the order to submit them; `actor` is a role or party.

        Args:
            accounts: account (40 hexadecimal digits) of each role or party.
        Raises: Rejected (PARAMETER_INVALID): no plugin reads the format, or the document is faulty; the text says
        where.
        """
        hooks = self._hooks.get(application)
        try:
            made: list[WorkItem] | None = (
                hooks.hn_import(format=format, document=document, accounts=accounts) if hooks is not None else None
            )
        except QueryRefused as refusal:
            raise Rejected(refusal.name, refusal.detail) from refusal
        if made is None:
            raise Rejected("PARAMETER_INVALID", f"format: {application} does not read {format!r}")
        return made


def _invalid(detail: str) -> ConfigError:
    return ConfigError("PLUGIN_SET_INVALID", detail)
