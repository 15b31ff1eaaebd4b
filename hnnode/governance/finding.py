"""Finds the code that the plugin set names: in the store of wheels, or in the node's own environment."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import hnnode_native

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError
from hnnode.execution.governance_records import Code
from hnnode.execution.source import GROUP, PluginSource, discover
from hnnode.governance.store import PluginStore


class PluginSources:
    """What one node has; its configuration says whose code runs in processes of its own."""

    def __init__(self, store: PluginStore, execution: ExecutionConfig | None = None) -> None:
        self.store = store
        self._execution = execution or ExecutionConfig()

    def find(self, name: str, code: Code) -> PluginSource:
        """Raises: ConfigError PLUGIN_MISSING with the command that installs it; PLUGIN_SET_INVALID: code says another
        version of itself than the chain does.
        """
        digest = bytes.fromhex(code.code_hash)
        source = self.store.source(name, digest, isolated=self._execution.isolates(name, True))
        source = source or self._environment(name, digest)
        if source is None:
            raise ConfigError(
                "PLUGIN_MISSING",
                f"plugin {name} {code.version} (code hash {code.code_hash}) is not installed here; run `hnnode plugin "
                f"install hnnode_{name}-{code.version}-py3-none-any.whl --home {self._home()}` and start the node again",
            )
        if source.version != code.version:
            raise ConfigError(
                "PLUGIN_SET_INVALID",
                f"plugin {name}: the chain names version {code.version}, the code {source.version}",
            )
        return source

    def _environment(self, name: str, digest: bytes) -> PluginSource | None:
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        if len(points) != 1:
            return None
        apart = self._execution.isolates(name, False)
        source = discover([name], points, tagged_hash=hnnode_native.tagged_hash, isolated=apart)[0]
        return source if source.code_hash == digest else None

    def _home(self) -> Path:
        return self.store.root.parent
