"""A plugin's source folder: `hn_<name>/` with its manifest, `tests/`, READMEs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

from hnnode_native import native_actions, tagged_hash

from hnnode.errors import ConfigError, HnError
from hnnode.execution.host import Host
from hnnode.execution.source import PluginSource
from hnnode.execution.table import Application
from hnnode.packaging import find_package, hash_code, read_code, read_manifest
from hnnode.plugin_api.manifest import MANIFEST_NAME, Manifest

_UNCOUNTED = re.compile(r"^metered\s*=\s*false\b", re.MULTILINE)


def table_of(host: Host, name: str) -> Application:
    """The table of an application that runs in this process. Raises TypeError for one in a process of its own."""
    table = host.applications[name]
    if not isinstance(table, Application):
        raise TypeError(f"{name}: loaded in a process of its own")
    return table


@dataclass(frozen=True, slots=True)
class Project:
    """`root`: the source folder. `package`: the folder that the code hash covers."""

    root: Path
    package: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Project:
        """The project at `path`, or in the nearest folder above it. Raises ConfigError PLUGIN_PACKAGE_INVALID."""
        start = path.resolve()
        for root in (start, *start.parents):
            if any(root.glob("hn_*/hnplugin.toml")):
                package = find_package(root)
                return cls(root, package, read_manifest(package))
        raise ConfigError("PLUGIN_PACKAGE_INVALID", f"{path}: no folder hn_<name> with hnplugin.toml here or above")

    def counted(self, folder: Path) -> Project:
        """The same code with its work counted, as a package of it has to be: a copy in `folder` whose manifest says so.

        Raises: ConfigError PLUGIN_PACKAGE_INVALID: its manifest does not say whether it is counted in a line of its own.
        """
        if self.manifest.code.metered:
            return self
        root = folder / self.root.name
        copytree(self.root, root, ignore=ignore_patterns("__pycache__", "dist", "build", "*.egg-info", ".*"))
        manifest = root / self.package.name / MANIFEST_NAME
        manifest.write_text(_UNCOUNTED.sub("metered = true", manifest.read_text("utf-8")), "utf-8")
        made = Project.open(root)
        if not made.manifest.code.metered:
            raise ConfigError("PLUGIN_PACKAGE_INVALID", f"{manifest.name}: want a line `metered = false` under [code]")
        return made

    @property
    def name(self) -> str:
        return self.manifest.plugin.name

    def source(self, *, isolated: bool = False) -> PluginSource:
        """The code as it lies there now."""
        return PluginSource(
            name=self.name,
            version=self.manifest.plugin.version,
            entry=self.manifest.code.entry,
            root=self.root,
            package=self.package,
            code_hash=hash_code(read_code(self.package)),
            metered=self.manifest.code.metered,
            isolated=isolated,
        )

    def host(self, *, isolated: bool = False) -> Host:
        """The plugin loaded as a node loads it, alone. Raises ConfigError PLUGIN_SET_INVALID."""
        try:
            return Host([self.source(isolated=isolated)], native_actions(), tagged_hash)
        except HnError:
            raise
        except Exception as e:  # whatever the plugin's own code raises while it is imported
            raise ConfigError("PLUGIN_SET_INVALID", f"plugin {self.name}: {type(e).__name__}: {e}") from e
