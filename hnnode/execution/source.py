"""Where the code of a plugin lies, and how it is to be run; found without importing any of it.

A plugin is an entry point of the group `hnnode.plugins` whose name is its application. Installed in the node's own
environment it is found by `discover`; one that governance activated comes from the store of wheels, which makes its
own sources.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.packaging.code_hash import TaggedHash, hash_code, read_code
from hnnode.packaging.package import NATIVE_NAMES

GROUP = "hnnode.plugins"
MANIFEST = "hnplugin.toml"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """One version of a plugin's code.

    name: its application.
    entry: `module:object`, as an entry point has it; the module's first part is the package.
    root: the folder to import from. package: the folder that the code hash covers.
    metered: the code is rewritten when it is loaded, so that its work is counted. A property of the code (its
        manifest), the same on every node.
    isolated: it runs in processes of its own. This node's choice; results do not depend on it.
    registered: what its package says that the code registers; None for code without a package.
    """

    name: str
    version: str
    entry: str
    root: Path
    package: Path
    code_hash: bytes
    metered: bool
    isolated: bool
    registered: bytes | None = None


def discover(
    enabled: Sequence[str],
    found: Iterable[EntryPoint] | None = None,
    *,
    tagged_hash: TaggedHash,
    isolated: Collection[str] | bool = False,
) -> list[PluginSource]:
    """Sources of the enabled plugins that are installed in this environment, ascending by name.

    Args:
        isolated: names of those that get processes of their own, or whether all do.
    Raises: ConfigError (PLUGIN_SET_INVALID): one is missing, installed twice, or no package.
    """
    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP) if found is None else found:
        points.setdefault(point.name, []).append(point)
    sources = []
    for name in sorted(set(enabled) - NATIVE_NAMES):
        candidates = points.get(name, [])
        if len(candidates) != 1:
            installed = ", ".join(sorted(points)) or "none"
            raise invalid(f"plugin {name}: found {len(candidates)}, want 1 (installed: {installed})")
        point = candidates[0]
        package = _package_folder(name, point.module)
        version = point.dist.version if point.dist is not None else "0"
        apart = isolated if isinstance(isolated, bool) else name in isolated
        sources.append(
            PluginSource(
                name=name,
                version=version,
                entry=point.value,
                root=package.parent,
                package=package,
                code_hash=code_hash(package, tagged_hash),
                metered=is_metered(package),
                isolated=apart,
            )
        )
    return sources


def _package_folder(name: str, module: str) -> Path:
    package = module.partition(".")[0]
    for finder in sys.meta_path:  # not `find_spec`, which answers with what is imported already, from wherever
        spec = finder.find_spec(package, None)
        if spec is not None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
    raise invalid(f"plugin {name}: {module} is not a package")


def is_metered(package: Path) -> bool:
    """Whether the work of this code is counted: `[code] metered` of its manifest, true when it says nothing; code
    without a manifest is not metered.

    Raises: ConfigError: the manifest cannot be read.
    """
    path = package / MANIFEST
    try:
        manifest = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return False
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise invalid(f"{package.name}/{MANIFEST}: {e}") from e
    code = manifest.get("code", {})
    metered = code.get("metered", True) if isinstance(code, dict) else None
    if not isinstance(metered, bool):
        raise invalid(f"{package.name}/{MANIFEST}: code.metered is true or false")
    return metered


def code_files(package: Path, tagged_hash: TaggedHash) -> tuple[dict[str, bytes], bytes]:
    """The files of a plugin's code that count, ascending by path, and their hash.

    Raises: ConfigError (PLUGIN_PACKAGE_INVALID): too many files or bytes.
    """
    files = read_code(package)
    return files, hash_code(files, tagged_hash)


def code_hash(package: Path, tagged_hash: TaggedHash) -> bytes:
    """Hash of a plugin's code, see `code_files`."""
    return code_files(package, tagged_hash)[1]


def invalid(detail: str) -> ConfigError:
    return ConfigError("PLUGIN_SET_INVALID", detail)
