"""Types that metered code may not extend, call or change: their own code would run uncounted, or every plugin of the
process would see the change.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import sys
import types
import typing
from collections import deque
from collections.abc import Callable
from typing import Any

_CLOSED = (
    str,
    bytes,
    bytearray,
    int,
    list,
    tuple,
    dict,
    set,
    frozenset,
    deque,
    property,
    staticmethod,
    classmethod,
    type,
)
"""Types whose methods, called on a class of the plugin, would bypass their counted twins."""
_SHARED = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.GenericAlias,
    types.MappingProxyType,
)
_ALIASES: tuple[Any, ...] = (types.GenericAlias, type(typing.List[int]))  # noqa: UP006 - the alias of `typing` is what is wanted
_HOST = ("builtins", "types", "functools", "collections")


def build_class(body: Any, name: str, *bases: Any, **named: Any) -> Any:
    """A `class` statement.

    Raises: TypeError: it extends a built-in type (an enumeration of integers may).
    """
    resolved = types.resolve_bases(bases)
    is_enum = any(isinstance(each, type) and issubclass(each, enum.Enum) for each in resolved)
    for base in resolved:
        if not isinstance(base, type) or issubclass(base, enum.Enum) or (is_enum and base is int):
            continue
        if issubclass(base, tuple) and hasattr(base, "_fields"):
            continue  # a named tuple, whose size is fixed
        if issubclass(base, _CLOSED):
            raise TypeError(f"{name}: extends {base.__name__}; hold one in a field (texts that enumerate: StrEnum)")
    return builtins.__build_class__(body, name, *bases, **named)


def owner(value: Any) -> Any:
    """The object whose attribute is about to be set or deleted.

    Raises: TypeError: it is a class, a module or a function, which outlive the transaction.
    """
    if isinstance(value, _SHARED):
        raise TypeError("attributes of classes, modules and functions are fixed once they are made")
    return value


def made_by_plugin(kind: Any) -> bool:
    """Whether this class was defined in a loaded copy of a plugin's code."""
    module = sys.modules.get(getattr(kind, "__module__", ""))
    return module is not None and "_hn_made" in vars(module)


def dataclass(kind: Any = None, /, **named: Any) -> Any:
    """`dataclasses.dataclass` for the plugin's own classes: it writes into the class it is given."""

    def decorate(each: Any) -> Any:
        if not made_by_plugin(each):
            raise TypeError("dataclass: a class of the plugin alone")
        return dataclasses.dataclass(**named)(each)

    return decorate if kind is None else decorate(kind)


def total_ordering(kind: Any) -> Any:
    """`functools.total_ordering` for the plugin's own classes."""
    if not made_by_plugin(kind):
        raise TypeError("total_ordering: a class of the plugin alone")
    return functools.total_ordering(kind)


def origin(function: Any) -> Any:
    """What a call of an alias such as `list[int]` calls: the type itself."""
    while isinstance(function, _ALIASES):
        function = function.__origin__
    return function


def is_closed(kind: type, known: frozenset[Any]) -> bool:
    """Whether a type of the interpreter has no counted twin, so that plugins do not call it."""
    return kind.__module__ in _HOST and kind not in known and not made_by_plugin(kind)


def typed(value: Any) -> Any:
    """An annotation when a library evaluates it.

    Raises: TypeError: it holds text, which the library would run as code.
    """
    waiting = [value]
    for _ in range(1_000):
        if not waiting:
            return value
        each = waiting.pop()
        if isinstance(each, (str, typing.ForwardRef)):
            raise TypeError("an annotation holds text")
        if isinstance(each, (list, tuple)):
            waiting.extend(each)
        elif isinstance(each, typing.TypeVar):
            waiting.extend((each.__bound__, *each.__constraints__))
        elif isinstance(each, typing.NewType):
            waiting.append(each.__supertype__)
        elif typing.get_origin(each) is typing.Annotated:
            waiting.append(each.__origin__)
        elif typing.get_origin(each) not in (None, typing.Literal):
            waiting.extend(each.__args__)
    raise TypeError("an annotation holds more than 1,000 parts")


def through(make: Callable[..., Any], made: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that calls others, with built-in types among its arguments changed for their counted twins."""

    def called(*args: Any, **named: Any) -> Any:
        return make(*(made(each) for each in args), **{name: made(each) for name, each in named.items()})

    return called
