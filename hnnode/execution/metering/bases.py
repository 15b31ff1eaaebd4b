"""Types that metered code may not extend, call or change: their own code would run uncounted, or every plugin of the
process would see the change.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import types
import typing
from abc import ABC
from abc import abstractmethod as marked_abstract
from collections import abc, deque
from collections.abc import Callable
from typing import Any, Generic, Protocol

import msgspec

from hnnode.plugin_api import hooks

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
COPY = "#"
"""How the names of modules of a copy of a plugin's code begin; no other module's name does."""
_BASES = frozenset(
    [
        *(object, ABC, Generic, Protocol, msgspec.Struct, abc.Callable, abc.Collection, abc.Container),
        *(abc.Hashable, abc.Iterable, abc.Iterator, abc.Reversible, abc.Sized),
    ]
)
"""Classes that are extended; the others of `collections.abc` bring methods that go through values without counting."""
_API = "hnnode.plugin_api"
_ALIASES: tuple[Any, ...] = (types.GenericAlias, type(typing.List[int]))  # noqa: UP006 - the alias of `typing` is what is wanted


def build_class(body: Any, name: str, *bases: Any, **named: Any) -> Any:
    """A `class` statement.

    Raises: TypeError: it extends a built-in type (an enumeration of integers may), or a class of a library that is not
        made for it.
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
        if not (base in _BASES or is_own(base) or made_by_plugin(base) or issubclass(base, Exception)):
            raise TypeError(f"{name}: extends {base.__name__}, which is not for plugins")
    return builtins.__build_class__(body, name, *bases, **named)


def is_own(kind: type) -> bool:
    """Whether this class is of the interface of plugins."""
    return kind.__module__ == _API or kind.__module__.startswith(f"{_API}.")


def class_ticks(kind: type) -> int:
    """What making this class took: 10 µs and more, and the values of an enumeration are keys."""
    held = len(vars(kind)) + len(getattr(kind, "__struct_fields__", ()))
    members = len(kind.__members__) if isinstance(kind, enum.EnumMeta) else 0
    return 100 + 8 * held + 20 * members + (members * members >> 5)


def function_of_plugin(function: Any) -> Any:
    """A function that is about to be marked.

    Raises: TypeError: the plugin did not write it, so that others would see the mark.
    """
    if not isinstance(function, types.FunctionType) or "_hn_module" not in function.__globals__:
        raise TypeError("only a function of the plugin is marked")
    return function


def abstractmethod(function: Any) -> Any:
    """`abc.abstractmethod` for the plugin's own functions."""
    return marked_abstract(function_of_plugin(function))


def hookimpl(function: Any = None, **named: Any) -> Any:
    """The mark of hooks for the plugin's own functions."""
    if function is None:
        return lambda each: hooks.hookimpl(function_of_plugin(each), **named)
    return hooks.hookimpl(function_of_plugin(function), **named)


def unmarked(function: Any) -> Any:
    """Marks that only tools read."""
    return function


def made_by_plugin(kind: Any) -> bool:
    """Whether this class was defined in a loaded copy of a plugin's code."""
    return isinstance(kind, type) and kind.__module__.startswith(COPY)


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


def is_callable(kind: type) -> bool:
    """Whether plugins make values of this class, which has no counted twin."""
    if made_by_plugin(kind) or is_own(kind) or kind.__module__ == "typing":
        return True
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


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
