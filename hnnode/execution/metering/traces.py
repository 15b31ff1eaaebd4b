"""What the variables of a loaded copy of metered code hold, to see later whether anything of it was changed.

A query leaves a copy as it found it unless the code keeps something in a list, a dictionary or an object of its own. Then
the copy is as good as a new one, which takes a hundred times as long to make. A thing whose changes could not be seen (an
iterator, an object of an unknown kind) means that no copy of this code is used again.
"""

from __future__ import annotations

import functools
import gc
import types
import typing
from collections import defaultdict, deque
from collections.abc import Mapping
from operator import is_
from typing import Any, cast

import msgspec

from hnnode.execution.metering.bases import COPY
from hnnode.plugin_api.context import Context

OBJECTS_MAX = 50_000
Traces = list[tuple[Any, tuple[Any, ...]]]
"""Things that may change, with what they held."""

_FIXED = (str, bytes, int, bool, type(None), type(...), type(NotImplemented), range, types.BuiltinFunctionType)
_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType)
_OPAQUE = (
    *(*_FIXED, *_DESCRIPTORS, types.MethodDescriptorType, types.ClassMethodDescriptorType, types.BuiltinMethodType),
    *(types.UnionType, typing.TypeVar, typing.ForwardRef, Context, types.CodeType, types.MethodWrapperType),
)
"""Values that never change, or that plugins cannot change."""
_LIBRARIES = ("typing", "msgspec", "_abc", "__future__", "hnnode.execution.metering")
"""Whose objects plugins cannot change."""
_MADE = (COPY, "hnnode.plugin_api")
"""Of objects of the plugin's own classes, and of those of the interface, whose methods may change them."""
_ALIASES: tuple[Any, ...] = (types.GenericAlias, type(typing.List[int]))  # noqa: UP006 - the alias of `typing` is what is wanted
_FACTORY = type(msgspec.defstruct("_Defaults", [("held", list, [])]).__struct_defaults__[0])
"""What a struct holds for a field that is made anew in each object."""
_CHANGING = (dict, list, set, deque, types.CellType)
"""What code of the plugin changes, beside objects of its own classes; modules, classes and functions are fixed once they are
made, and so are attributes of the node's objects.
"""
_HOSTS = ("_hn_", "__builtins__")
"""How names in a module begin that are not the plugin's."""


def traces_of(modules: Mapping[str, types.ModuleType]) -> Traces | None:
    """Everything that is reached from the modules of a copy; None: its changes could not all be seen.

    Cost: some ms.
    """
    own = _namespaces(modules)
    waiting: list[Any] = [vars(module) for module in modules.values()]
    found: Traces = []
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        held = _parts(each, own)
        if held is None or len(seen) > OBJECTS_MAX:
            return None
        waiting += [part for part in held if type(part) not in _FIXED]
        if id(each) not in own and (isinstance(each, _CHANGING) or type(each).__module__.startswith(_MADE)):
            found.append((each, held))
    return found


def unchanged(traces: Traces, modules: Mapping[str, types.ModuleType]) -> bool:
    """Whether each thing holds what it held. Cost: some 0.2 ms."""
    own = _namespaces(modules)
    for each, before in traces:
        now: tuple[Any, ...] | None
        if type(each) is list:
            now = tuple(each)
        elif type(each) is dict:
            now = (*each, *each.values())
        else:
            now = _parts(each, own)
        if now is None or len(now) != len(before) or not all(map(is_, now, before)):
            return False
    return True


def _namespaces(modules: Mapping[str, types.ModuleType]) -> frozenset[int]:
    return frozenset(id(vars(module)) for module in modules.values())


def _parts(each: Any, own: frozenset[int]) -> tuple[Any, ...] | None:
    """What a thing holds that code could change or reach; None: nobody knows."""
    kind = type(each)
    if kind in _OPAQUE:
        return ()
    if id(each) in own:
        return tuple(value for name, value in each.items() if not name.startswith(_HOSTS))
    if isinstance(each, (dict, types.MappingProxyType)):
        return (*each, *each.values(), *((each.default_factory,) if isinstance(each, defaultdict) else ()))
    if isinstance(each, type):
        return _class(each)
    if isinstance(each, (list, tuple, set, frozenset, deque)) and not kind.__module__.startswith(COPY):
        return tuple(each)
    if isinstance(each, types.ModuleType):
        return (vars(each),) if id(vars(each)) in own else ()
    if isinstance(each, _ALIASES):
        return (cast(Any, each).__origin__,)
    if kind is _FACTORY:
        return (each.factory,)
    if kind in (types.CellType, msgspec.Meta):
        return tuple(gc.get_referents(each))
    if kind.__module__.startswith(_LIBRARIES):
        return ()
    if isinstance(each, (types.FunctionType, types.MethodType, functools.partial, property, staticmethod, classmethod)):
        return _callable(each, own)
    if kind.__module__.startswith(_MADE):
        names = getattr(kind, "__struct_fields__", None)
        if names is None:
            return tuple(gc.get_referents(each))
        return kind, getattr(each, "__dict__", None), *(getattr(each, name) for name in names)
    return None


def _class(kind: type) -> tuple[Any, ...]:
    """Its bases too, which need no name of their own, and what objects that are made of it begin with."""
    if kind.__module__.startswith(COPY):
        return *vars(kind).values(), *kind.__bases__, *getattr(kind, "__struct_defaults__", ())
    defaults = getattr(kind, "_field_defaults", None) if issubclass(kind, tuple) else None
    return tuple(defaults.values()) if isinstance(defaults, dict) else ()


def _callable(each: Any, own: frozenset[int]) -> tuple[Any, ...]:
    if isinstance(each, types.MethodType):
        return each.__self__, each.__func__
    if isinstance(each, functools.partial):
        return each.func, each.args, each.keywords
    if isinstance(each, property):
        return each.fget, each.fset, each.fdel
    if isinstance(each, (staticmethod, classmethod)):
        return (each.__func__,)
    function = cast("types.FunctionType", each)
    if id(function.__globals__) not in own:
        return function.__closure__ or ()
    return function.__defaults__, function.__kwdefaults__, *(function.__closure__ or ()), vars(function)
