"""A package that is about to be installed, loaded once in a locked process of its own: does it register what it says?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError
from hnnode.execution.source import PluginSource
from hnnode.governance.running import make_host
from hnnode.packaging import REGISTERED_NAME, PluginPackage


def check_registered(package: PluginPackage, execution: ExecutionConfig) -> None:
    """Load the code as a node would and compare what it registers with what the package says of it.

    Raises: ConfigError: PLUGIN_PACKAGE_INVALID: the package says nothing; PLUGIN_SET_INVALID: the code cannot be loaded, or
    registers something else, with the place.
    Cost: the start of a process, 0.3 s.
    """
    name = package.name
    if package.registered is None:
        raise ConfigError(
            "PLUGIN_PACKAGE_INVALID",
            f"{name}: {REGISTERED_NAME} is missing: pack it with hnnode plugin pack",
            zh=f"{name}：缺少 {REGISTERED_NAME}，请用 hnnode plugin pack 打包",
        )
    with tempfile.TemporaryDirectory(prefix="hn-trial-") as folder:
        root = Path(folder)
        for path, content in package.code().items():
            target = root / package.manifest.package / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        source = PluginSource(
            name=name,
            version=package.version,
            entry=package.manifest.code.entry,
            root=root,
            package=root / package.manifest.package,
            code_hash=package.code_hash,
            metered=package.manifest.code.metered,
            isolated=True,
            registered=package.registered,
        )
        make_host([source], execution=msgspec.structs.replace(execution, sandbox="best")).close()
