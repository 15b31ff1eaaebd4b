"""Brings a plugin's code into this process and fills its table.

Two versions of one package may be needed in the life of a process, when old heights are executed again: a package that
comes from another folder than the one asked for is forgotten first. What the older version holds lives on with it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from weakref import finalize

import pluggy

from hnnode.execution.metering import Meter
from hnnode.execution.metering.loader import Codes, Loader
from hnnode.execution.metering.patterns import check_patterns
from hnnode.execution.metering.traces import Traces, traces_of, unchanged
from hnnode.execution.source import PluginSource, code_files, invalid
from hnnode.execution.table import Application
from hnnode.plugin_api.hooks import PROJECT, Hooks
from hnnode.plugin_api.limits import LOAD_TICKS_MAX
from hnnode.plugin_api.model import ModelError, known_models, models_of_first
from hnnode.plugin_api.outcome import TxRefused
from hnnode.plugin_api.registry import Registry


@dataclass(frozen=True, slots=True)
class Loaded:
    """The object with a plugin's hooks; `meter` counts its work when it is metered."""

    implementation: object
    meter: Meter | None = None


class Copies:
    """Copies of a metered plugin's code in which nothing has run yet, one after the other, for one user of it.

    What a block, a query or a page of a migration leaves in the variables of the code is gone with its copy, so the
    next one's result cannot depend on what this process did before.
    """

    def __init__(self, source: PluginSource, files: Mapping[str, bytes], codes: Codes) -> None:
        self._source = source
        self._files = files
        self._codes = codes
        self._held: list[Loader] = []
        self._like: Application | None = None
        self._last: Application | None = None
        self._traces: Traces | None = None
        self._reusable = True
        self._kept = 0
        finalize(self, _forget_copies, self._held)

    def first(self) -> tuple[Loaded, Application, pluggy.HookRelay]:
        """The copy that describes the plugin and serves tools, which find its modules by their names; a package that was
        imported from the same folder keeps them, since its own code goes on to import.
        """
        package = self._source.entry.partition(":")[0].partition(".")[0]
        with self._models():
            loader, loaded = self._load()
            self._held.append(loader)
            self._kept = 1
            folder = _folder(package)
            if folder is None or folder != self._source.package.resolve():  # a locked process may not ask where it is
                forget(package)
                loader.show()
            return loaded, *self._register(loaded)

    def next(self) -> Application:
        """A new copy; the one that was given before is forgotten. The first was checked; what is known of its models is
        taken over. Cost: 2 ms and what the plugin's modules take.
        """
        while len(self._held) > self._kept:
            self._held.pop().forget()
        with self._models():
            loader, loaded = self._load()
            self._held.append(loader)
            return self._register(loaded)[0]

    def reuse(self) -> Application:
        """The copy that was given before, when nothing in it has changed since; a new one otherwise. For queries, of which
        no result of a block depends: what one leaves behind, the next one never sees.
        """
        if self._last is not None and self._traces is not None and unchanged(self._traces, self._held[-1].modules):
            return self._last
        self._last = self.next()
        if self._reusable:
            self._traces = traces_of(self._held[-1].modules)
            self._reusable = self._traces is not None
        return self._last

    @contextmanager
    def _models(self) -> Iterator[None]:
        """Models are checked in the first copy, and none of the code sees which copy that is."""
        try:
            with models_of_first() if self._like is None else known_models():
                yield
        except ModelError as e:
            raise invalid(f"plugin {self._source.name}: {e}") from e

    def _load(self) -> tuple[Loader, Loaded]:
        module, _, name = self._source.entry.partition(":")
        loader = Loader(self._source.name, self._files, module.partition(".")[0], self._codes)
        found = loader.load(module)
        try:
            return loader, Loaded(_named(found, name), loader.meter)
        except AttributeError as e:
            raise invalid(f"plugin {self._source.name}: {self._source.entry}: {e}") from e

    def _register(self, loaded: Loaded) -> tuple[Application, pluggy.HookRelay]:
        source = self._source
        table, hooks = register(source.name, source.version, source.code_hash, loaded, self._like)
        self._like = self._like or table
        return replace(table, renew=self.next, reuse=self.reuse), hooks


_imported: dict[str, bytes] = {}
"""Code hash of each package that `load` imported."""


def load(source: PluginSource) -> Loaded:
    """What the source's entry names, imported from its folder, not counted. A package whose files were replaced since it was
    imported is imported again: the hash that the chain commits is that of the code that runs.

    Raises: ConfigError (PLUGIN_SET_INVALID): it cannot be imported, another package took its place, or its files are not those
    of the source.
    """
    module, _, name = source.entry.partition(":")
    package = module.partition(".")[0]
    source_files(source)
    if _folder(package) != source.package.resolve() or _imported.get(package, source.code_hash) != source.code_hash:
        forget(package)
    root = str(source.root)
    sys.path.insert(0, root)
    importlib.invalidate_caches()
    try:
        found = _named(importlib.import_module(module), name)
    except Exception as e:
        raise invalid(f"plugin {source.name}: cannot be imported: {type(e).__name__}: {e}") from e
    finally:
        sys.path.remove(root)
    if _folder(package) != source.package.resolve():
        raise invalid(f"plugin {source.name}: {package} was imported from elsewhere, want {source.package.name}")
    _imported[package] = source.code_hash
    source_files(source)  # they may have changed while they were imported
    return Loaded(found)


def _named(module: object, name: str) -> object:
    return reduce(getattr, name.split(".") if name else (), module)


def source_files(source: PluginSource) -> dict[str, bytes]:
    """The files of a source as its code hash covers them.

    Raises: ConfigError: they are not those that the source was made from.
    """
    import hnnode_native

    files, digest = code_files(source.package, hnnode_native.tagged_hash)
    if digest != source.code_hash:
        raise invalid(f"plugin {source.name}: its files changed: got {digest.hex()}, want {source.code_hash.hex()}")
    return files


def register(
    name: str, version: str, code_hash: bytes, loaded: Loaded, like: Application | None = None
) -> tuple[Application, pluggy.HookRelay]:
    """Let the plugin fill its table.

    Args:
        like: the table of another copy of the same code, which was checked.
    Raises: ConfigError (PLUGIN_SET_INVALID): naming the plugin and what is wrong with it.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    registry = Registry(name)
    if loaded.meter is not None:
        loaded.meter.begin_alone(LOAD_TICKS_MAX)
    try:
        manager.register(loaded.implementation, name=name)
        manager.check_pending()
        manager.hook.hn_register(registry=registry)
        migrations = tuple(manager.hook.hn_migrations() or ())
        table = Application.freeze(registry, version, code_hash, loaded.meter, migrations, like)
        if loaded.meter is not None and like is None:
            check_patterns(registry)
    except (pluggy.PluginValidationError, ModelError) as e:
        raise invalid(f"plugin {name}: {e}") from e
    except TxRefused as e:
        raise invalid(f"plugin {name}: filling its table takes more than {LOAD_TICKS_MAX} ticks") from e
    if not registry.actions:
        raise invalid(f"plugin {name}: registered no action")
    return table, manager.hook


def _forget_copies(held: list[Loader]) -> None:
    for each in held:
        each.forget()


def forget(package: str) -> None:
    """Remove a package and its modules from those that are imported."""
    _imported.pop(package, None)
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _folder(package: str) -> Path | None:
    """Where the imported package lies; None when it is not imported."""
    paths = getattr(sys.modules.get(package), "__path__", None)
    return Path(next(iter(paths))).resolve() if paths else None
