"""Code of plugins that were installed from wheels: `<home>/plugins/<name>/<code hash>/`, the unpacked wheel.

Invariants:
1. A folder with the name of a hash is whole and durable: it is written and synced under another name, then renamed.
2. Nothing in it is believed: whoever asks for a source has its hash computed again.
3. What is installed stays; the chain may need it to execute old heights again.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import hnnode_native

from hnnode.errors import ConfigError
from hnnode.execution.source import PluginSource, code_hash
from hnnode.packaging import REGISTERED_NAME, TRUST_NAME, PluginPackage, read_manifest
from hnnode.plugin_api.manifest import Manifest, version_order

FOLDER_NAME = "plugins"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UNFINISHED = ".new-"


@dataclass(frozen=True, slots=True)
class StoredPlugin:
    """One version in the store."""

    manifest: Manifest
    code_hash: bytes
    folder: Path

    @property
    def name(self) -> str:
        return self.manifest.plugin.name

    @property
    def version(self) -> str:
        return self.manifest.plugin.version

    @property
    def registered(self) -> bytes | None:
        """What the package says that its code registers; None when it says nothing."""
        found = next(self.folder.glob(f"*.dist-info/{REGISTERED_NAME}"), None)
        return None if found is None else found.read_bytes()


class PluginStore:
    """The store of one home. Several processes may read while one installs."""

    def __init__(self, home: Path) -> None:
        self.root = home / FOLDER_NAME

    @property
    def trust(self) -> Path:
        """File of the keys whose signatures on packages count here."""
        return self.root / TRUST_NAME

    def install(self, package: PluginPackage) -> bool:
        """Keep a package that was read and checked; durable on return. False when it is here already.

        Raises: ConfigError STORAGE_FAILED: the disk refuses.
        """
        folder = self.root / package.name
        target = folder / package.code_hash.hex()
        if target.is_dir():
            return False
        fresh = folder / f"{_UNFINISHED}{package.code_hash.hex()[:16]}-{os.getpid()}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
            for path, content in package.files.items():
                _write(fresh / path, content)
            for directory in sorted({path.parent for path in fresh.rglob("*")} | {fresh}):
                _sync(directory)
            fresh.rename(target)
            for directory in (folder, self.root, self.root.parent):
                _sync(directory)
        except OSError as e:
            raise ConfigError("STORAGE_FAILED", f"{folder}: {e}") from e
        return True

    def list(self) -> list[StoredPlugin]:
        """Everything installed, ascending by name, then version and hash. Raises ConfigError: a manifest is broken."""
        found = []
        for folder in sorted(self.root.glob("*/*")):
            if _NAME.fullmatch(folder.parent.name) and _HASH.fullmatch(folder.name):
                manifest = read_manifest(folder / f"hn_{folder.parent.name}")
                found.append(StoredPlugin(manifest, bytes.fromhex(folder.name), folder))
        return sorted(found, key=lambda each: (each.name, version_order(each.version), each.code_hash))

    def get(self, name: str, digest: bytes) -> StoredPlugin | None:
        """One version; None when it is not installed."""
        folder = self.root / name / digest.hex()
        if not _NAME.fullmatch(name) or not folder.is_dir():
            return None
        return StoredPlugin(read_manifest(folder / f"hn_{name}"), digest, folder)

    def source(self, name: str, digest: bytes, *, isolated: bool) -> PluginSource | None:
        """Where to load one version from; None when it is not installed.

        Raises: ConfigError PLUGIN_PACKAGE_INVALID: its files are not those that the hash names.
        """
        found = self.get(name, digest)
        if found is None:
            return None
        package = found.folder / found.manifest.package
        actual = code_hash(package, hnnode_native.tagged_hash)
        if actual != digest:
            raise ConfigError(
                "PLUGIN_PACKAGE_INVALID",
                f"{package}: its files changed after installation: got hash {actual.hex()}, want {digest.hex()}; "
                f"remove {found.folder} and install the wheel again",
            )
        return PluginSource(
            name=name,
            version=found.version,
            entry=found.manifest.code.entry,
            root=found.folder,
            package=package,
            code_hash=digest,
            metered=found.manifest.code.metered,
            isolated=isolated,
            registered=found.registered,
        )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
