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
from hnnode.packaging import read_manifest
from hnnode.plugin_api.manifest import MANIFEST_NAME

START_AGAIN, VOTE_AGAIN = ("重新启动节点", "start the node again"), ("再投票", "vote again")


class PluginSources:
    """What one node has; its configuration says whose code runs in processes of its own."""

    def __init__(self, store: PluginStore, execution: ExecutionConfig | None = None) -> None:
        self.store = store
        self._execution = execution or ExecutionConfig()

    def find(self, name: str, code: Code, then: tuple[str, str] = START_AGAIN) -> PluginSource:
        """The code that the chain names.

        Args:
            then: what to do once it is installed, in Chinese and English, for the error's text.
        Raises: ConfigError PLUGIN_MISSING with the command that installs it; PLUGIN_SET_INVALID: code says another
        version of itself than the chain does.
        """
        digest = bytes.fromhex(code.code_hash)
        source = self.store.source(name, digest, isolated=self._execution.isolates(name, True))
        if source is None:
            own = self.environment(name)
            source = own if own is not None and own.code_hash == digest else None
        if source is None:
            install = f"hnnode plugin install hnnode_{name}-{code.version}-py3-none-any.whl --home {self._home()}"
            raise ConfigError(
                "PLUGIN_MISSING",
                f"plugin {name} {code.version} (code hash {code.code_hash}) is not installed here; run `{install}` and "
                f"{then[1]}",
                zh=f"未安装插件 {name} {code.version}（代码摘要 {code.code_hash}）；执行 `{install}` 后{then[0]}",
            )
        if source.version != code.version:
            raise ConfigError(
                "PLUGIN_SET_INVALID",
                f"plugin {name}: the chain names version {code.version}, the code {source.version}",
            )
        return source

    def environment(self, name: str) -> PluginSource | None:
        """What the node's own environment (pip) brings under a name; None when it is nothing, or several."""
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        if len(points) != 1:
            return None
        apart = self._execution.isolates(name, False)
        return discover([name], points, tagged_hash=hnnode_native.tagged_hash, isolated=apart)[0]

    def codes(self, name: str) -> list[Code]:
        """The versions of a plugin that are here with a manifest: those of the store, then that of the environment when it is another."""
        found = [(each.manifest.plugin, each.code_hash) for each in self.store.list() if each.name == name]
        own = self.environment(name)
        if own is not None and (own.package / MANIFEST_NAME).is_file() and all(own.code_hash != at for _, at in found):
            found.append((read_manifest(own.package).plugin, own.code_hash))
        return [Code(each.version, each.api_version, each.state_version, at.hex()) for each, at in found]

    def owner_of(self, name: str) -> str | None:
        """The vendor whose the name is on this node: of what is installed under it, in the store or the environment."""
        own = next((each.manifest for each in self.store.list() if each.name == name), None)
        if own is None:
            source = self.environment(name)
            if source is None or not (source.package / MANIFEST_NAME).is_file():
                return None
            own = read_manifest(source.package)
        return own.plugin.vendor

    def _home(self) -> Path:
        return self.store.root.parent
