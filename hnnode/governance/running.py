"""What runs from one height on: the code of a plugin set, loaded, and everything that is built from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hnnode_native
from hnnode_native import DispatchTable, ValidatorSet

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES
from hnnode.execution import Host
from hnnode.execution.applications import NodeApplications
from hnnode.execution.executor import Executor
from hnnode.execution.governance_records import PluginSet
from hnnode.execution.source import PluginSource
from hnnode.execution.standing import Standing
from hnnode.governance.finding import PluginSources

if TYPE_CHECKING:
    from hnnode.ports import StateReader

HostOf = Callable[[list[PluginSource]], Host]
_CLOSED = {"disabled": CODES["APPLICATION_DISABLED"], "migrating": CODES["APPLICATION_MIGRATING"]}


@dataclass(frozen=True, slots=True)
class Running:
    """Immutable until the next change of the set.

    Attributes:
        first_height: where it begins to count.
        former: code that ran before the plugin that migrates now, for steps that it alone knows.
    """

    first_height: int
    plugins: PluginSet
    host: Host
    former: Host | None
    dispatch: DispatchTable
    executor: Executor
    applications: NodeApplications
    plugins_hash: bytes

    def next_due_ms(self, state: StateReader) -> int | None:
        """When the earliest due item of the applications that take part becomes due, in this state; None when there is none."""
        closed = {plugin.name for plugin in self.plugins.plugins if plugin.status in _CLOSED}
        return self.executor.next_due_ms(state, lambda application: application not in closed)

    def standing(self) -> list[Standing]:
        """Where plugins' code stands, at a page of a migration too. From any thread."""
        pages = self.host.standing_at_page() or (self.former.standing_at_page() if self.former is not None else [])
        return [*self.executor.standing(), *pages]

    def close(self) -> None:
        """End the processes of its plugins."""
        self.host.close()
        if self.former is not None:
            self.former.close()


def load_running(
    plugins: PluginSet, first_height: int, validators: ValidatorSet, sources: PluginSources, host_of: HostOf
) -> Running:
    """Load the code of a set. `validators`: whose votes count.

    Raises: ConfigError: PLUGIN_MISSING, PLUGIN_SET_INVALID, PLUGIN_PACKAGE_INVALID; nothing stays loaded then.
    """
    found = [sources.find(plugin.name, plugin.code) for plugin in plugins.plugins]
    before = [
        sources.find(plugin.name, plugin.migration.from_)
        for plugin in plugins.plugins
        if plugin.migration is not None and plugin is plugins.migrating()
    ]
    # The code that goes is loaded first: what is imported last is what an import by name finds.
    former = host_of(before) if before else None
    try:
        host = host_of(found)
    except BaseException:
        if former is not None:
            former.close()
        raise
    statuses = {plugin.name: plugin.status for plugin in plugins.plugins}
    closed = [(name, _CLOSED[status]) for name, status in statuses.items() if status in _CLOSED]
    named = {plugin.name: plugin.code.api_version for plugin in plugins.plugins}
    enabled = [
        (*entry[:2], named.get(entry[0], entry[2]), *entry[3:])  # the version it was written for, not this node's
        for entry in host.plugin_entries()
        if statuses.get(entry[0]) != "disabled"
    ]
    return Running(
        first_height=first_height,
        plugins=plugins,
        host=host,
        former=former,
        dispatch=DispatchTable(host.foreign(), closed, validators),
        executor=host.executor(),
        applications=host.node_applications(statuses),
        plugins_hash=hnnode_native.plugins_hash(enabled),
    )


def make_host(
    found: list[PluginSource],
    *,
    execution: ExecutionConfig | None = None,
    on_process_end: Callable[[str], None] | None = None,
) -> Host:
    """A host of these sources and the native applications; arguments as for `Host`."""
    native = hnnode_native.native_actions()
    return Host(found, native, hnnode_native.tagged_hash, execution, on_process_end)
