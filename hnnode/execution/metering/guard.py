"""What metered code may import: stand-ins with the public names of a few modules, counted where they hide work.

A stand-in holds no module but stand-ins, so nothing else can be reached through it.
"""

from __future__ import annotations

import abc
import collections
import collections.abc
import dataclasses
import enum
import functools
import importlib
import itertools
import pkgutil
import string
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

import hnnode.plugin_api
from hnnode.execution.metering import bases
from hnnode.execution.metering.functions import Functions
from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.operations import Operations
from hnnode.plugin_api import hooks

API = "hnnode.plugin_api"
_NOT_FOR_CHAINS = frozenset(("testing",))
"""Parts of `plugin_api` for tests."""
_HOST_NAMES = [
    "ReadFailed",
    "TxRefused",
    "make_context",
    "action_handling",
    "bare_schema",
    "check_model",
    "guard_batch",
    "guard_handler",
    "guarded_texts",
    "json_schema",
    "known_models",
    "models_of_first",
    "parse_manifest",
    "version_order",
]
"""Names of `plugin_api` that are the host's or its tools'."""
_TYPING_LEFT_OUT = frozenset(
    (
        "BinaryIO",
        "ForwardRef",
        "clear_overloads",
        "dataclass_transform",
        "get_args",
        "get_origin",
        "get_overloads",
        "get_protocol_members",
        "is_protocol",
        "is_typeddict",
        "reveal_type",
        "IO",
        "NamedTuple",
        "TextIO",
        "TypedDict",
        "evaluate_forward_ref",
        "get_type_hints",
        "no_type_check",
        "no_type_check_decorator",
        "runtime_checkable",
    )
)
"""What evaluates text, writes into what it is given, or shows what the library keeps for all."""
_PLAIN = (int, str, bytes, tuple, frozenset, dict, types.GenericAlias, types.UnionType, type(typing.List[int]))  # noqa: UP006

_NAMES: dict[str, tuple[Any, str]] = {
    "abc": (abc, "ABC"),
    "collections": (collections, "OrderedDict defaultdict"),
    "dataclasses": (dataclasses, "field fields replace FrozenInstanceError"),
    "enum": (enum, "Enum Flag IntEnum IntFlag StrEnum auto unique"),
    "msgspec": (msgspec, "DecodeError EncodeError Meta MsgspecError Struct UNSET UnsetType ValidationError field"),
    "msgspec.structs": (msgspec.structs, ""),
    "string": (
        string,
        "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation whitespace",
    ),
}


def stand_ins(meter: Meter, operations: Operations, functions: Functions) -> dict[str, types.ModuleType]:
    """Every module that may be imported beside the plugin's own, by name."""
    made = {name: _module(name, {n: getattr(real, n) for n in names.split()}) for name, (real, names) in _NAMES.items()}
    public = {name: getattr(typing, name) for name in typing.__all__ if name not in _TYPING_LEFT_OUT}
    public.update(dict.fromkeys(("final", "overload", "override"), bases.unmarked), TYPE_CHECKING=False)
    made["typing"] = _module("typing", public)
    vars(made["abc"])["abstractmethod"] = bases.abstractmethod
    abstract = {name: getattr(collections.abc, name) for name in collections.abc.__all__}
    made["collections.abc"] = _module("collections.abc", abstract)
    vars(made["collections"]).update(
        abc=made["collections.abc"], deque=_deque(operations), namedtuple=functions.namedtuple
    )
    for name in ("asdict", "astuple", "fields", "replace"):
        vars(made["msgspec.structs"])[name] = _counted(getattr(msgspec.structs, name), operations, 300)
    vars(made["msgspec"])["structs"] = made["msgspec.structs"]
    vars(made["dataclasses"])["dataclass"] = functions.dataclass
    made["functools"] = _module("functools", {})
    vars(made["functools"]).update(
        cmp_to_key=bases.through(functools.cmp_to_key, functions.made),
        partial=functions.partial,
        reduce=bases.through(_reduce(meter, operations), functions.made),
        total_ordering=bases.total_ordering,
    )
    made["operator"] = _module("operator", {"itemgetter": _itemgetter(operations)})
    lazy = _itertools(meter, operations)
    for name in ("accumulate", "dropwhile", "groupby", "starmap", "takewhile"):
        lazy[name] = bases.through(lazy[name], functions.made)
    made["itertools"] = _module("itertools", lazy)
    made["hnnode"] = _module("hnnode", {})
    _add_api(made, operations)
    return made


def _module(name: str, names: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(names)
    return module


@functools.cache
def api_modules() -> tuple[types.ModuleType, ...]:
    """The parts of `plugin_api` that plugins may import, parents first. A process without files calls this before it
    gives them up.
    """
    found = [API]
    for info in pkgutil.walk_packages(hnnode.plugin_api.__path__, f"{API}."):
        if not any(part.startswith("_") or part in _NOT_FOR_CHAINS for part in info.name.split(".")[2:]):
            found.append(info.name)
    return tuple(importlib.import_module(name) for name in found)


def _add_api(made: dict[str, types.ModuleType], operations: Operations) -> None:
    for name, names in _api_names():
        made[name] = _module(name, {each: _taken(value, operations) for each, value in names})
        above, _, last = name.rpartition(".")
        vars(made[above])[last] = made[name]


@functools.cache
def _api_names() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Of each part of the interface its name, and the names in it with their values."""
    found = []
    for real in api_modules():
        own = [each for each, value in vars(real).items() if not each.startswith("_") and _is_own(value)]
        names = [each for each in getattr(real, "__all__", None) or own if each not in _HOST_NAMES]
        values = [(each, getattr(real, each)) for each in names]
        found.append(
            (real.__name__, [(each, value) for each, value in values if not isinstance(value, types.ModuleType)])
        )
    return found


def _is_own(value: Any) -> bool:
    """Whether a module's public name is the interface's and not one that the module imported for itself."""
    if isinstance(value, (type, types.FunctionType)):
        return value.__module__ == API or value.__module__.startswith(f"{API}.")
    return isinstance(value, _PLAIN)


def _taken(value: Any, operations: Operations) -> Any:
    """A name of the interface: functions count what they are given, and constants are not changed by one for another."""
    if value is hooks.hookimpl:
        return bases.hookimpl
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return _counted(value, operations)
    return types.MappingProxyType(value) if type(value) is dict else value


def _counted(function: Callable[..., Any], operations: Operations, ticks: int = 0) -> Callable[..., Any]:
    """A function that counts its arguments first, and `ticks`."""

    def counted(*args: Any, **named: Any) -> Any:
        if ticks:
            operations.charge(ticks)
        operations.given(args)
        operations.given(named.values())
        return function(*args, **named)

    counted.__name__ = function.__name__
    return counted


def _itemgetter(operations: Operations) -> Callable[..., Any]:
    item = operations.item

    def itemgetter(*keys: Any) -> Callable[[Any], Any]:
        if not keys or not all(isinstance(key, (int, str, bytes)) for key in keys):
            raise TypeError("itemgetter: keys are integers, texts or bytes")
        if len(keys) == 1:
            return lambda value: item(value, keys[0])
        return lambda value: tuple(item(value, key) for key in keys)

    return itemgetter


def _reduce(meter: Meter, operations: Operations) -> Callable[..., Any]:
    def reduce(function: Callable[[Any, Any], Any], values: Iterable[Any], *start: Any) -> Any:
        taken = operations.items(values)
        meter.charge(len(taken))
        return functools.reduce(function, taken, *start)

    return reduce


def _deque(operations: Operations) -> Callable[..., Any]:
    def deque(values: Iterable[Any] = (), maxlen: int | None = None) -> Any:
        return collections.deque(operations.items(values), maxlen)

    return deque


def _itertools(meter: Meter, operations: Operations) -> dict[str, Any]:
    """The bounded part of itertools; each gives a list."""
    items, room, tick = operations.items, operations.room, meter.tick

    def chain(*parts: Any) -> list[Any]:
        taken = [items(part) for part in parts]
        room([], sum(len(part) for part in taken))
        return [value for part in taken for value in part]

    def islice(values: Any, *bounds: Any) -> list[Any]:
        cut = slice(*bounds)
        if cut.stop is None or isinstance(values, (list, tuple, str, bytes, range)):
            return list(operations.slice(items(values), cut.start, cut.stop, cut.step))
        source, taken = iter(operations.each(values)), []
        for number in range(cut.stop):
            tick()
            try:
                value = next(source)
            except StopIteration:
                break
            if number >= (cut.start or 0) and (number - (cut.start or 0)) % (cut.step or 1) == 0:
                taken.append(value)
        return taken

    def repeat(value: Any, count: int) -> list[Any]:
        room([], count)
        return [value] * count

    def accumulate(values: Any, function: Callable[[Any, Any], Any] = operations.add) -> list[Any]:
        taken: list[Any] = []
        for value in items(values):
            tick()
            taken.append(function(taken[-1], value) if taken else value)
        return taken

    def pairwise(values: Any) -> list[Any]:
        taken = list(items(values))
        return list(itertools.pairwise(taken))

    def product(*parts: Any) -> list[Any]:
        made: list[tuple[Any, ...]] = [()]
        for part in parts:
            taken = items(part)
            room([], len(made) * len(taken))
            meter.charge(len(made) * len(taken))
            made = [(*one, value) for one in made for value in taken]
        return made

    def groupby(values: Any, key: Callable[[Any], Any] | None = None) -> list[tuple[Any, list[Any]]]:
        groups: list[tuple[Any, list[Any]]] = []
        for value in items(values):
            tick()
            name = value if key is None else key(value)
            if not groups or groups[-1][0] != name:
                groups.append((name, []))
            groups[-1][1].append(value)
        return groups

    def takewhile(test: Callable[[Any], Any], values: Any) -> list[Any]:
        taken = []
        for value in items(values):
            tick()
            if not test(value):
                break
            taken.append(value)
        return taken

    def dropwhile(test: Callable[[Any], Any], values: Any) -> list[Any]:
        taken = list(items(values))
        start = 0
        while start < len(taken) and tick() and test(taken[start]):
            start += 1
        return taken[start:]

    def starmap(function: Callable[..., Any], values: Any) -> list[Any]:
        return [function(*value) for value in items(values) if tick()]

    def zip_longest(*parts: Any, fillvalue: Any = None) -> list[Any]:
        taken = [items(part) for part in parts]
        longest = max((len(part) for part in taken), default=0)
        room([], longest * len(taken))
        padded = [[*part, *([fillvalue] * (longest - len(part)))] for part in taken]
        return list(zip(*padded, strict=True))

    chain.from_iterable = lambda parts: chain(*items(parts))  # type: ignore[attr-defined]
    return {
        made.__name__: made
        for made in (
            accumulate,
            chain,
            dropwhile,
            groupby,
            islice,
            pairwise,
            product,
            repeat,
            starmap,
            takewhile,
            zip_longest,
        )
    }
