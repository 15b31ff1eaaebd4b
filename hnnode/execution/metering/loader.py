"""Modules of metered code, made from a package's files in memory."""

from __future__ import annotations
import __future__

import ast
import sys
import types
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec import Struct

from hnnode.execution.faults import CAUSES_MAX, causes
from hnnode.execution.metering.bases import COPY, typed
from hnnode.execution.metering.functions import Functions
from hnnode.execution.metering.guard import stand_ins
from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.methods import Methods
from hnnode.execution.metering.nodes import PREFIX
from hnnode.execution.metering.operations import Operations
from hnnode.execution.metering.rewrite import rewrite
from hnnode.execution.source import invalid
from hnnode.plugin_api.limits import LOAD_TICKS_MAX
from hnnode.plugin_api.outcome import TxRefused

_OPERATIONS = [
    "add",
    "iadd",
    "sub",
    "mult",
    "pow",
    "lshift",
    "mod",
    "bitor",
    "bitand",
    "bitxor",
    "contains",
    "lacks",
    "compare",
    "slice",
    "each",
    "items",
    "text",
    "format",
    "floordiv",
    "rshift",
    "charge",
    "item",
    "key",
    "mapping",
    "remove",
    "parts",
    "store",
    "subject",
    "unpacked",
]
_OWN = PREFIX + "own"
_FLAGS = __future__.annotations.compiler_flag


_COPIES = count(1)
Codes = dict[str, types.CodeType]
"""Compiled modules of one package by their file."""


def load_modules(name: str, files: Mapping[str, bytes], module: str) -> tuple[types.ModuleType, Meter]:
    """Load a module of a package, and the modules it imports, as counted code. Arguments and errors as `Loader`."""
    loader = Loader(name, files, module.partition(".")[0], {})
    return loader.load(module), loader.meter


class Loader:
    """One loaded copy of a package. Its modules stand in `sys.modules` too, where libraries look for annotations, each
    copy's under names of its own until `forget`.
    """

    def __init__(self, name: str, files: Mapping[str, bytes], package: str, codes: Codes) -> None:
        """
        Args:
            name: the plugin, for errors.
            files: path in the package → content. codes: of the same files, when another copy was loaded before; filled.
        """
        self._name = name
        self._files = files
        self._package = package
        self._codes = codes
        self._copy = f"{COPY}{next(_COPIES)}."
        self._modules: dict[str, types.ModuleType] = {}
        self._owners: set[type] = set()
        """Classes whose values may be changed, of those asked for so far."""
        self.meter = Meter()
        operations = Operations(self.meter)
        functions = Functions(self.meter, operations)
        methods = Methods(operations)
        self._methods = methods.names
        self._allowed = stand_ins(self.meter, operations, functions)
        self._builtins = {**functions.table(), "__import__": self._import}
        self._hidden: dict[str, Any] = {
            **{PREFIX + each: getattr(operations, each) for each in _OPERATIONS},
            PREFIX + "attribute": methods.attribute,
            PREFIX + "kinds": functions.kinds,
            PREFIX + "made": functions.made,
            PREFIX + "members": functions.made(set),
            PREFIX + "pairs": functions.made(dict),
            PREFIX + "second": _second,
            PREFIX + "owner": self._owner,
            PREFIX + "typed": typed,
            PREFIX + "tick": self.meter.tick,
            PREFIX + "enter": self.meter.enter,
            PREFIX + "over": self.meter.over,
            PREFIX + "paused": self.meter.paused,
            PREFIX + "resumed": self.meter.resumed,
            PREFIX + "call": self._call,
            PREFIX + "caught": _caught,
            PREFIX + "own": self._own,
            PREFIX + "raised": _raised,
        }

    def load(self, module: str) -> types.ModuleType:
        """A module, by its dotted name whose first part is the package, loaded within its count.

        Raises: ConfigError (PLUGIN_SET_INVALID): file, line and reason.
        """
        self.meter.begin_alone(LOAD_TICKS_MAX)
        try:
            return self.module(module)
        except TxRefused as e:
            raise invalid(f"plugin {self._name}: loading it takes more than {LOAD_TICKS_MAX} ticks") from e

    @property
    def modules(self) -> Mapping[str, types.ModuleType]:
        """Those loaded so far, by their plain names."""
        return self._modules

    def show(self) -> None:
        """Let tools find this copy's modules under their plain names."""
        sys.modules.update(self._modules)

    def forget(self) -> None:
        """Nobody uses this copy any more."""
        for name in self._modules:
            sys.modules.pop(self._copy + name, None)

    def _own(self, value: Any) -> Any:
        """The owner of a private attribute."""
        kind = value if isinstance(value, type) else type(value)
        if not kind.__module__.startswith(self._copy):
            raise AttributeError("another object's private attribute")
        return value

    def _owner(self, value: Any) -> Any:
        """The object whose attribute is about to be set or deleted: one of the plugin's own classes, or a struct that
        the plugin made. Everything else may outlive the block.
        """
        kind = type(value)
        if kind in self._owners:
            return value
        if not kind.__module__.startswith(self._copy) and not isinstance(value, Struct):
            raise TypeError("attributes of classes, modules, functions and the node's objects are fixed")
        if isinstance(value, type):
            raise TypeError("attributes of classes are fixed once they are made")
        self._owners.add(kind)
        return value

    def _call(self, body: Any) -> Any:
        cell = self.meter.enter()
        try:
            return body()
        finally:
            cell[1] += 1

    def module(self, name: str) -> types.ModuleType:
        """A module of the package, loaded if it is not yet."""
        found = self._modules.get(name)
        if found is not None:
            return found
        above, _, last = name.rpartition(".")
        if above:
            self.module(above)
        path = "/".join(name.split(".")[1:])
        candidates = [f"{path}/__init__.py", f"{path}.py"] if path else ["__init__.py"]
        file = next((each for each in candidates if each in self._files), None)
        if file is None:
            raise invalid(f"plugin {self._name}: {name}: no such module")
        module = types.ModuleType(name)
        if file.endswith("__init__.py"):
            module.__path__ = [f"<{self._name}>"]
        module.__package__ = name if file.endswith("__init__.py") else above
        vars(module).update(self._hidden, __builtins__=self._builtins)
        vars(module)[PREFIX + "module"] = self._copy + name
        self._modules[name] = sys.modules[self._copy + name] = module
        self._run(module, f"{self._package}/{file}", self._files[file])
        if above:
            setattr(self._modules[above], last, module)
        return module

    def _run(self, module: types.ModuleType, where: str, content: bytes) -> None:
        code = self._codes.get(where)
        if code is None:
            code = self._codes[where] = self._compile(where, content)
        exec(code, vars(module))  # noqa: S102 - this is what a loader does

    def _compile(self, where: str, content: bytes) -> types.CodeType:
        try:
            tree = ast.parse(content, where, feature_version=(3, 11))
            made = rewrite(tree, where, self._methods)
            code: types.CodeType = compile(made, where, "exec", flags=_FLAGS, dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise invalid(f"{where}: {type(e).__name__}: {e}") from e
        return code

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        if level:
            package = str((globals or {}).get("__package__", self._package))
            base = package.split(".")[: len(package.split(".")) - level + 1]
            name = ".".join([*base, *([name] if name else [])])
        if name == "__future__":
            return __future__
        if name.partition(".")[0] == self._package:
            found = self.module(name)
            for each in fromlist or ():
                path = "/".join([*name.split(".")[1:], each])
                if not hasattr(found, each) and (f"{path}.py" in self._files or f"{path}/__init__.py" in self._files):
                    self.module(f"{name}.{each}")
            return found if fromlist else self._modules[self._package]
        if name not in self._allowed:
            raise invalid(f"plugin {self._name}: import {name}: not for plugins")
        for each in fromlist or ():
            if not hasattr(self._allowed[name], each):
                raise invalid(f"plugin {self._name}: from {name} import {each}: not for plugins")
        return self._allowed[name if fromlist else name.partition(".")[0]]


def _second(_: Any, value: Any) -> Any:
    return value


def _raised(error: Any) -> Any:
    """What code raises by itself keeps its text when it is caught."""
    if isinstance(error, type) and issubclass(error, Exception):
        error = error()
    if isinstance(error, Exception):
        vars(error)[_OWN] = True
    return error


def _caught() -> None:
    """At the head of every `except`: what is not the plugin's to handle goes on its way, also when another exception
    took its place; what the interpreter raised loses its text, which may hold an address and differs between versions.
    """
    error = sys.exception()
    assert error is not None
    found = list(causes(error))
    for each in found:
        if isinstance(each, (MemoryError, RecursionError)) or not isinstance(each, Exception):
            raise each
    if len(found) == CAUSES_MAX:
        raise RecursionError("exceptions within exceptions")
    if _OWN not in vars(error) and type(error) is not KeyError and not type(error).__module__.startswith("hnnode."):
        BaseException.args.__set__(error, ())  # type: ignore[attr-defined]
