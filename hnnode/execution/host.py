"""Loads the plugins of a chain and freezes them into one table.

Each plugin has a pluggy manager of its own and they are loaded in name order, so neither pluggy's call order nor the
order of installed distributions can reach state. Loading is the only time plugin code is looked for; a block never
imports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pluggy

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError, Rejected
from hnnode.execution.applications import NATIVE_VERSION, NativeAction, NodeApplications
from hnnode.execution.executor import Executor, go_on
from hnnode.execution.isolation import IsolatedApplication, Spawner, Troubles
from hnnode.execution.loading import Copies, Loaded, load, register, source_files
from hnnode.execution.metering.loader import Codes
from hnnode.execution.metering.meter import UNBOUND
from hnnode.execution.migrating import Moved, Phase, move_page
from hnnode.execution.registered import difference
from hnnode.execution.source import PluginSource, code_hash, discover, invalid
from hnnode.execution.standing import PAGE, Standing
from hnnode.execution.table import Application
from hnnode.packaging.code_hash import TaggedHash
from hnnode.packaging.package import NATIVE_NAMES
from hnnode.plugin_api.hooks import API_VERSION
from hnnode.plugin_api.migration import Row
from hnnode.plugin_api.model import bare_schema
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.workload import WorkItem, Workload
from hnnode.ports import PluginTrouble

PluginEntry = tuple[str, str, int, int, bytes, str, str, bytes]
"""(plugin, version, api_version, state_version, code_hash, application, action, schema_hash), formats §10."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is imported already, as tests have it: `package` is the folder its code hash covers."""

    name: str
    version: str
    implementation: object
    package: Path


def schema_hash(schema: Mapping[str, Any], tagged_hash: TaggedHash) -> bytes:
    """Hash of an action's schema without titles and descriptions, as sorted JSON."""
    text = json.dumps(bare_schema(schema), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return tagged_hash("hn/schema/v1", text.encode("utf-8"))


class Host:
    """The loaded plugins of one node and everything that is built from them."""

    def __init__(
        self,
        plugins: Sequence[Plugin | PluginSource],
        native: Sequence[NativeAction],
        tagged_hash: TaggedHash,
        config: ExecutionConfig | None = None,
        on_process_end: Callable[[str], None] | None = None,
    ) -> None:
        """Register and freeze.

        Args:
            on_process_end: told the application whenever a process of an isolated plugin had to be replaced.
        Raises: ConfigError (PLUGIN_SET_INVALID) naming the plugin and what is wrong with it.
        """
        self._native = sorted(native)
        self._hash = tagged_hash
        self._hooks: dict[str, pluggy.HookRelay] = {}
        self._loaded: dict[str, Loaded] = {}
        self._answering: dict[str, Application] = {}
        self._spawner = Spawner()
        self._troubles = Troubles(on_process_end)
        self._page: Standing | None = None
        self.applications: dict[str, Application | IsolatedApplication] = {}
        try:
            for plugin in sorted(plugins, key=lambda each: each.name):
                if plugin.name in self.applications or plugin.name in NATIVE_NAMES:
                    raise invalid(f"plugin {plugin.name}: the name is taken")
                self._add(plugin, config or ExecutionConfig())
        except BaseException:
            self.close()
            raise

    def _add(self, plugin: Plugin | PluginSource, config: ExecutionConfig) -> None:
        self._load(plugin, config)
        if isinstance(plugin, PluginSource) and plugin.registered is not None:
            found = difference(plugin.registered, self.applications[plugin.name])
            if found is not None:
                head = f"plugin {plugin.name} {plugin.version}: registered.json"
                raise ConfigError("PLUGIN_SET_INVALID", f"{head}: {found[1]}", zh=f"{head}：{found[0]}")

    def _load(self, plugin: Plugin | PluginSource, config: ExecutionConfig) -> None:
        name, version = plugin.name, plugin.version
        if isinstance(plugin, Plugin):
            loaded, digest = Loaded(plugin.implementation), code_hash(plugin.package, self._hash)
        elif plugin.isolated:
            self.applications[name] = IsolatedApplication(plugin, config, self._spawner, self._troubles)
            return
        elif plugin.metered:
            files, codes = source_files(plugin), Codes()
            self._loaded[name], table, self._hooks[name] = Copies(plugin, files, codes).first()
            self.applications[name] = table
            # a count serves one thread, and queries come in others
            self._answering[name] = replace(table, reuse=Copies(plugin, files, codes).reuse)
            return
        else:
            loaded, digest = load(plugin), plugin.code_hash
        self.applications[name], self._hooks[name] = register(name, version, digest, loaded)
        self._loaded[name] = loaded

    @classmethod
    def load(
        cls,
        enabled: Sequence[str],
        config: ExecutionConfig | None = None,
        on_process_end: Callable[[str], None] | None = None,
        *,
        counted: bool | None = None,
    ) -> Host:
        """Host of the applications that the genesis enables; native names in the list are allowed and need no
        plugin.

        Args:
            config: which of them are isolated, and how; without it none is.
            counted: instead of what the manifests say, for tools. False runs everything as the plain Python that is
                installed here: those that make load or read documents import more than counted code may, and execute no block.
        """
        import hnnode_native

        tagged_hash = hnnode_native.tagged_hash
        isolated = [name for name in enabled if config is not None and config.isolates(name, from_store=False)]
        sources = discover(enabled, tagged_hash=tagged_hash, isolated=isolated)
        if counted is not None:
            sources = [replace(source, metered=counted) for source in sources]
        return cls(sources, hnnode_native.native_actions(), tagged_hash, config, on_process_end)

    def executor(self) -> Executor:
        return Executor(self.applications)

    def node_applications(self, statuses: Mapping[str, str] | None = None) -> NodeApplications:
        """statuses: of plugins that do not just take transactions."""
        return NodeApplications(self.applications, self._native, self._answering, statuses)

    def troubles(self) -> list[PluginTrouble]:
        """Isolated plugins whose processes do not get on."""
        return self._troubles.open()

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
                digest = schema_hash(row.schema, self._hash)
                head = (table.name, table.version, API_VERSION, table.state_version, table.code_hash)
                entries.append((*head, table.name, row.name, digest))
        return sorted(entries, key=lambda entry: (entry[5], entry[6]))

    def migration_steps(self, application: str) -> list[tuple[int, int]]:
        """(from version, to version) of each step that the plugin's code knows."""
        return sorted(self.applications[application].migrations)

    def migrate(
        self,
        application: str,
        step: tuple[int, int],
        phase: Phase,
        rows: Sequence[Row],
        page: bytes = b"",
        again: Callable[[], None] = go_on,
    ) -> Moved:
        """Let a step of the plugin look at one page of its rows, or rewrite it.

        Args:
            page: its id, for `standing_at_page`.
            again: as for `Executor.execute_block`.
        """
        table = self.applications[application]
        self._page = Standing(application, PAGE, page, isinstance(table, IsolatedApplication))
        try:
            if isinstance(table, IsolatedApplication):
                return table.migrate(step, phase, rows, again)
            return move_page(table.fresh(), step, phase, rows)
        finally:
            self._page = None

    def standing_at_page(self) -> list[Standing]:
        """The page of a migration that the code of a plugin is at, from any thread."""
        page = self._page
        return [] if page is None else [page]

    def close(self) -> None:
        """End the processes of isolated plugins at once. A block that waits for one ends with a FatalError."""
        for table in self.applications.values():
            if isinstance(table, IsolatedApplication):
                table.close()
        self._spawner.close()

    def plugins_hash(self) -> bytes:
        """The header's plugins hash of this node."""
        import hnnode_native

        return hnnode_native.plugins_hash(self.plugin_entries())

    def _tool_hooks(self, application: str) -> pluggy.HookRelay | None:
        """Hooks for tools, whose work nobody counts; an isolated plugin's are not called by the node."""
        loaded = self._loaded.get(application)
        if loaded is not None and loaded.meter is not None:
            loaded.meter.begin_alone(UNBOUND)
        return self._hooks.get(application)

    def workload(self, application: str, seed: int, flavour: str = "") -> Workload:
        """The plugin's load for `hnnode bench`. Raises ConfigError when it has none, or none of that flavour."""
        hooks = self._tool_hooks(application)
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
        hooks = self._tool_hooks(application)
        try:
            made: list[WorkItem] | None = (
                hooks.hn_import(format=format, document=document, accounts=accounts) if hooks is not None else None
            )
        except QueryRefused as refusal:
            raise Rejected(refusal.name, refusal.detail) from refusal
        if made is None:
            raise Rejected("PARAMETER_INVALID", f"format: {application} does not read {format!r}")
        return made
