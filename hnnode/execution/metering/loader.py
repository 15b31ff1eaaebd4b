"""Modules of metered code, made from a package's files in memory."""

from __future__ import annotations
import __future__

import ast
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

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
    "key",
    "mapping",
    "parts",
    "store",
    "subject",
    "unpacked",
]
_OWN = PREFIX + "own"
_FLAGS = __future__.annotations.compiler_flag


def load_modules(name: str, files: Mapping[str, bytes], module: str) -> tuple[types.ModuleType, Meter]:
    """Load a module of a package, and the modules it imports, as counted code.

    Args:
        name: the plugin, for errors.
        files: path in the package → content. module: dotted name; its first part is the package.
    Raises: ConfigError (PLUGIN_SET_INVALID): file, line and reason.
    """
    loader = Loader(name, files, module.partition(".")[0])
    loader.meter.begin_alone(LOAD_TICKS_MAX)
    try:
        return loader.module(module), loader.meter
    except TxRefused as e:
        raise invalid(f"plugin {name}: loading it takes more than {LOAD_TICKS_MAX} ticks") from e


class Loader:
    """One loaded copy of a package. Its modules stand in `sys.modules` too, where libraries look for annotations."""

    def __init__(self, name: str, files: Mapping[str, bytes], package: str) -> None:
        self._name = name
        self._files = files
        self._package = package
        self._modules: dict[str, types.ModuleType] = {}
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
            PREFIX + "made": functions.made,
            PREFIX + "tick": self.meter.tick,
            PREFIX + "enter": self.meter.enter,
            PREFIX + "over": self.meter.over,
            PREFIX + "call": self._call,
            PREFIX + "caught": _caught,
            PREFIX + "raised": _raised,
        }

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
        self._modules[name] = sys.modules[name] = module
        self._run(module, f"{self._package}/{file}", self._files[file])
        if above:
            setattr(self._modules[above], last, module)
        return module

    def _run(self, module: types.ModuleType, where: str, content: bytes) -> None:
        try:
            tree = ast.parse(content, where, feature_version=(3, 11))
            made = rewrite(tree, where, self._methods)
            code = compile(made, where, "exec", flags=_FLAGS, dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise invalid(f"{where}: {type(e).__name__}: {e}") from e
        exec(code, vars(module))  # noqa: S102 - this is what a loader does

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


def _raised(error: Any) -> Any:
    """What code raises by itself keeps its text when it is caught."""
    if isinstance(error, type) and issubclass(error, Exception):
        error = error()
    if isinstance(error, Exception):
        vars(error)[_OWN] = True
    return error


def _caught() -> None:
    """At the head of every `except`: what is not the plugin's to handle goes on its way; what the interpreter raised loses
    its text, which may hold an address and differs between versions.
    """
    error = sys.exception()
    if isinstance(error, (MemoryError, RecursionError)) or not isinstance(error, Exception):
        raise error  # type: ignore[misc]
    if _OWN not in vars(error) and type(error) is not KeyError and not type(error).__module__.startswith("hnnode."):
        BaseException.args.__set__(error, ())  # type: ignore[attr-defined]
