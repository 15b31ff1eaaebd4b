"""Loads the plugins of a chain and freezes them into one table.

Each plugin has a pluggy manager of its own and they are loaded in name order, so neither pluggy's call order nor the
order of installed distributions can reach state. Loading is the only time plugin code is looked for; a block never
imports.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from hnnode.errors import ConfigError, Rejected
from hnnode.execution.applications import NATIVE_VERSION, NativeAction, NodeApplications
from hnnode.execution.executor import Executor
from hnnode.execution.loading import load
from hnnode.execution.migrating import Moved, Phase, move_page
from hnnode.execution.source import RESERVED, PluginSource, TaggedHash, code_hash, discover, invalid
from hnnode.execution.table import Application
from hnnode.plugin_api.hooks import API_VERSION, PROJECT, Hooks
from hnnode.plugin_api.migration import Row
from hnnode.plugin_api.model import ModelError, bare_schema, json_schema
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import Registry
from hnnode.plugin_api.workload import WorkItem, Workload

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
        self, plugins: Sequence[Plugin | PluginSource], native: Sequence[NativeAction], tagged_hash: TaggedHash
    ) -> None:
        """Register and freeze. Raises ConfigError (PLUGIN_SET_INVALID) naming the plugin and what is wrong with it."""
        self._native = sorted(native)
        self._hash = tagged_hash
        self._hooks: dict[str, pluggy.HookRelay] = {}
        self.applications: dict[str, Application] = {}
        for plugin in sorted(plugins, key=lambda each: each.name):
            if plugin.name in self.applications or plugin.name in RESERVED:
                raise invalid(f"plugin {plugin.name}: the name is taken")
            if isinstance(plugin, PluginSource):
                implementation, digest = load(plugin), plugin.code_hash
            else:
                implementation, digest = plugin.implementation, code_hash(plugin.package, tagged_hash)
            manager = pluggy.PluginManager(PROJECT)
            manager.add_hookspecs(Hooks)
            registry = Registry(plugin.name)
            try:
                manager.register(implementation, name=plugin.name)
                manager.check_pending()
                manager.hook.hn_register(registry=registry)
                migrations = manager.hook.hn_migrations() or ()
                table = Application.freeze(registry, plugin.version, digest, tuple(migrations))
            except (pluggy.PluginValidationError, ModelError) as e:
                raise invalid(f"plugin {plugin.name}: {e}") from e
            if not registry.actions:
                raise invalid(f"plugin {plugin.name}: registered no action")
            self._hooks[plugin.name] = manager.hook
            self.applications[plugin.name] = table

    @classmethod
    def load(cls, enabled: Sequence[str], isolated: Collection[str] | bool = False) -> Host:
        """Host of the applications that the genesis enables; native names in the list are allowed and need no
        plugin.

        Args:
            isolated: applications that run in processes of their own, or whether all do.
        """
        import hnnode_native

        tagged_hash = hnnode_native.tagged_hash
        return cls(
            discover(enabled, tagged_hash=tagged_hash, isolated=isolated), hnnode_native.native_actions(), tagged_hash
        )

    def executor(self) -> Executor:
        return Executor(self.applications)

    def node_applications(self, statuses: Mapping[str, str] | None = None) -> NodeApplications:
        """statuses: of plugins that do not just take transactions."""
        return NodeApplications(self.applications, self._native, statuses)

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

    def migration_steps(self, application: str) -> list[tuple[int, int]]:
        """(from version, to version) of each step that the plugin's code knows."""
        return list(self.applications[application].migrations)

    def migrate(self, application: str, step: tuple[int, int], phase: Phase, rows: Sequence[Row]) -> Moved:
        """Let a step of the plugin look at one page of its rows, or rewrite it."""
        return move_page(application, self.applications[application].migrations[step], phase, rows)

    def close(self) -> None:
        """End the processes of isolated plugins."""

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
