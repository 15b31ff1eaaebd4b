"""Imports a plugin's code into this process.

Two versions of one package may be needed in the life of a process, when old heights are executed again: a package that
comes from another folder than the one asked for is forgotten first. What the older version holds lives on with it.
"""

from __future__ import annotations

import importlib
import sys
from functools import reduce
from pathlib import Path

from hnnode.execution.source import PluginSource, invalid


def load(source: PluginSource) -> object:
    """The object that the source's entry names.

    Raises: ConfigError (PLUGIN_SET_INVALID): it cannot be imported, or another package took its place.
    """
    module, _, name = source.entry.partition(":")
    package = module.partition(".")[0]
    if _folder(package) != source.package.resolve():
        forget(package)
    root = str(source.root)
    sys.path.insert(0, root)
    importlib.invalidate_caches()
    try:
        found: object = reduce(getattr, name.split(".") if name else (), importlib.import_module(module))
    except Exception as e:
        raise invalid(f"plugin {source.name}: cannot be imported: {type(e).__name__}: {e}") from e
    finally:
        sys.path.remove(root)
    if _folder(package) != source.package.resolve():
        raise invalid(f"plugin {source.name}: {package} was imported from elsewhere, want {source.package.name}")
    return found


def forget(package: str) -> None:
    """Remove a package and its modules from those that are imported."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _folder(package: str) -> Path | None:
    """Where the imported package lies; None when it is not imported."""
    paths = getattr(sys.modules.get(package), "__path__", None)
    return Path(next(iter(paths))).resolve() if paths else None
