"""The built-in functions that metered code has. What is lazy in Python is done at once here, so that no chain of
iterators hides work or depth: `map`, `filter`, `zip`, `enumerate`, `reversed` give lists.
"""

from __future__ import annotations

import builtins
import collections
import enum
import functools
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from enum import EnumMeta
from types import MappingProxyType
from typing import Any

import msgspec

from hnnode.execution.metering.bases import build_class, class_ticks, dataclass, is_callable, origin
from hnnode.execution.metering.host_methods import HOST_METHODS
from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.operations import Operations
from hnnode.execution.metering.texts import check_codec
from hnnode.plugin_api.limits import ITEMS_MAX, TEXT_BYTES_MAX

PLAIN = [
    "None",
    "True",
    "False",
    "NotImplemented",
    "Ellipsis",
    "abs",
    "bool",
    "callable",
    "chr",
    "len",
    "next",
    "object",
    "ord",
    "range",
    "property",
    "staticmethod",
    "classmethod",
    "super",
    "__build_class__",
    "__debug__",
    "Exception",
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "IndexError",
    "KeyError",
    "LookupError",
    "NameError",
    "NotImplementedError",
    "OverflowError",
    "RuntimeError",
    "StopIteration",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
]
"""What is taken over as it is. `iter` and `next` give no work that their loop does not count."""

COUNTED = [
    "all",
    "any",
    "enumerate",
    "filter",
    "hex",
    "oct",
    "bin",
    "map",
    "max",
    "min",
    "pow",
    "reversed",
    "round",
    "sorted",
    "sum",
    "type",
    "zip",
    "iter",
    "isinstance",
    "issubclass",
    "divmod",
]
WRAPPERS = frozenset(("classmethod", "property", "staticmethod"))
_FAULTS = (msgspec.DecodeError, msgspec.EncodeError, msgspec.MsgspecError, msgspec.ValidationError)
_CLASS_TICKS = 100
_NAMED_TUPLE_TICKS = 600
_DATACLASS_TICKS = 3_000
FUNCTIONS = frozenset((*PLAIN, *COUNTED)) - WRAPPERS
"""Names whose call is counted already or takes bounded work."""
_MISSING = object()


class Functions:
    """Counted twins of built-ins; `table()` is the `__builtins__` of a module, without its `__import__`."""

    def __init__(self, meter: Meter, operations: Operations) -> None:
        self._meter = meter
        self._ops = operations
        self._constructors: dict[Any, Callable[..., Any]] = {
            bytes: self._bytes,
            bytearray: self._bytearray,
            dict: self._dict,
            OrderedDict: self._ordered_dict,
            defaultdict: self._defaultdict,
            frozenset: self._collection(frozenset),
            int: self._int,
            list: self._collection(list),
            set: self._collection(set),
            str: self._str,
            tuple: self._collection(tuple),
            deque: lambda values=(), maxlen=None: deque(self._ops.items(values), maxlen),
            type: self._type,
            msgspec.Meta: self._meta,
            functools.partial: self.partial,
            property: self._wrapper(property),
            classmethod: self._wrapper(classmethod),
            staticmethod: self._wrapper(staticmethod),
        }
        plain = (getattr(builtins, name, None) for name in PLAIN)
        self._known: set[Any] = {each for each in plain if isinstance(each, type)}
        self._known |= {enum.auto, FrozenInstanceError, *_FAULTS}
        self._known -= self._constructors.keys()
        operations.made = self.made

    def table(self) -> dict[str, Any]:
        made: dict[str, Any] = {name: getattr(builtins, name) for name in PLAIN if hasattr(builtins, name)}
        for name in COUNTED:
            made[name] = getattr(self, f"_{name}")
        made["__build_class__"] = self._build_class
        for kind in (bytes, bytearray, dict, frozenset, int, list, set, str, tuple):
            made[kind.__name__] = kind
        return made

    def made(self, function: Any) -> Any:
        """The counted twin of a built-in type or an enumeration; any other callable itself.

        Raises: TypeError: a type of the interpreter that plugins do not call.
        """
        kind = type(function)
        if kind is types.FunctionType or kind is types.BuiltinFunctionType:
            return function
        if kind is types.MethodType:
            return self._ops.method(function) if function.__func__ in HOST_METHODS else function
        if isinstance(function, type) and function in self._known:
            return function
        function = origin(function)
        if isinstance(function, EnumMeta):
            members = function._value2member_map_
            return lambda value: function(self._ops.key(value, members))
        if not isinstance(function, type):
            return function
        twin = self._constructors.get(function)
        if twin is not None:
            return twin
        if function not in self._known:
            if not is_callable(function):
                raise TypeError(f"{function.__name__}: not made by plugins")
            self._known.add(function)
        return function

    def _build_class(self, *args: Any, **named: Any) -> Any:
        self._meter.charge(_CLASS_TICKS)
        made = build_class(*args, **named)
        self._meter.charge(class_ticks(made))
        return made

    def namedtuple(self, name: str, fields: Any, *, rename: bool = False, defaults: Any = None) -> Any:
        given = fields.replace(",", " ").split() if isinstance(fields, str) else list(self._ops.items(fields))
        self._meter.charge(_NAMED_TUPLE_TICKS + 40 * len(given))
        taken = None if defaults is None else self._ops.items(defaults)
        return collections.namedtuple(name, given, rename=rename, defaults=taken)

    def dataclass(self, kind: Any = None, /, **named: Any) -> Any:
        def decorate(each: Any) -> Any:
            self._meter.charge(_DATACLASS_TICKS + 200 * len(vars(each).get("__annotations__", ())))
            return dataclass(each, **named)

        return decorate if kind is None else decorate(kind)

    def partial(self, function: Any, /, *args: Any, **named: Any) -> Any:
        return functools.partial(self.made(function), *args, **named)

    def _wrapper(self, kind: Callable[..., Any]) -> Callable[..., Any]:
        def wrap(*functions: Any) -> Any:
            return kind(*(self.made(each) for each in functions))

        return wrap

    def _collection(self, kind: Callable[..., Any]) -> Callable[..., Any]:
        items, keys, hashes = self._ops.items, self._ops.keys, kind in (set, frozenset)

        def make(values: Any = ()) -> Any:
            taken = items(values)
            if len(taken) > ITEMS_MAX:
                self._meter.over()
            return kind(keys(taken) if hashes else taken)

        return make

    def _dict(self, values: Any = (), **named: Any) -> dict[Any, Any]:
        return dict(self._pairs(values, named), **named)

    def _ordered_dict(self, values: Any = (), **named: Any) -> OrderedDict[Any, Any]:
        return OrderedDict(self._pairs(values, named), **named)

    def _defaultdict(self, factory: Any = None, values: Any = (), **named: Any) -> defaultdict[Any, Any]:
        return defaultdict(factory, self._pairs(values, named), **named)

    def _pairs(self, values: Any, named: dict[str, Any]) -> Any:
        """What a dictionary is made of: a dictionary, or pairs of which none is a set."""
        if not isinstance(values, (dict, MappingProxyType)):
            values = [tuple(self._ops.items(pair)) for pair in self._ops.items(values)]
            self._ops.keys([pair[0] for pair in values if pair])
        else:
            self._ops.crowd(values)
        self._ops.room([], len(values) + len(named))
        return values

    def _str(self, value: Any = "", *encoding: Any) -> str:
        if encoding:
            self._ops.weigh(value)
            return str(value, *check_codec(*encoding))
        if isinstance(value, bytes):
            raise TypeError("str of bytes: use decode or hex")
        if isinstance(value, Exception):
            return str(value.args[0]) if len(value.args) == 1 and isinstance(value.args[0], str) else ""
        return str(self._ops.text(value))

    def _int(self, value: Any = 0, base: Any = _MISSING) -> int:
        if isinstance(value, (str, bytes)):
            if not value.isascii():  # digits of other scripts are those of the interpreter's version
                raise ValueError("a number as text has ASCII digits")
            if len(value) > 1_024:
                raise ValueError("a number as text has at most 1,024 digits")
            self._meter.charge(len(value) >> 4)
            return int(value) if base is _MISSING else int(value, base)
        if isinstance(value, int):
            return int(value)
        raise TypeError("int takes an integer or text")

    def _bytes(self, value: Any = b"", *encoding: Any) -> bytes:
        return bytes(self._raw(value, encoding))

    def _bytearray(self, value: Any = b"", *encoding: Any) -> bytearray:
        return bytearray(self._raw(value, encoding))

    def _raw(self, value: Any, encoding: tuple[Any, ...]) -> Any:
        if isinstance(value, int):
            self._ops.room(b"", max(0, value))
            if value > TEXT_BYTES_MAX:
                self._meter.over()
            return value
        if isinstance(value, str):
            self._ops.weigh(value)
            return value.encode(*check_codec(*encoding))
        return self._ops.items(value)

    def _iter(self, values: Any) -> Any:
        return iter(self._ops.each(values))

    def _all(self, values: Any) -> bool:
        return all(self._ops.items(values))

    def _any(self, values: Any) -> bool:
        return any(self._ops.items(values))

    def _sum(self, values: Any, start: Any = 0) -> Any:
        add = self._ops.add
        total = start
        for value in self._ops.items(values):
            self._meter.tick()
            total = add(total, value)
        return total

    def _min(self, *values: Any, **named: Any) -> Any:
        return self._extreme(min, values, named)

    def _max(self, *values: Any, **named: Any) -> Any:
        return self._extreme(max, values, named)

    def _extreme(self, choose: Callable[..., Any], values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        taken = list(self._ops.items(values[0]) if len(values) == 1 else values)
        if not taken and "default" in named:
            return named["default"]
        if not taken:
            raise ValueError("the least or greatest of nothing")
        return self._ops.extreme(choose, taken, named.get("key"))

    def _sorted(self, values: Any, **named: Any) -> list[Any]:
        return self._ops.ordered(list(self._ops.items(values)), **named)

    def _reversed(self, values: Any) -> list[Any]:
        return list(self._ops.items(values))[::-1]

    def _enumerate(self, values: Any, start: int = 0) -> list[tuple[int, Any]]:
        taken = self._ops.items(values)
        self._meter.charge(len(taken) >> 2)
        return list(enumerate(taken, start))

    def _zip(self, *values: Any, strict: bool = False) -> list[tuple[Any, ...]]:
        taken = [self._ops.items(each) for each in values]
        self._meter.charge(min(map(len, taken), default=0) >> 2)
        return list(zip(*taken, strict=strict))

    def _map(self, function: Callable[..., Any], *values: Any) -> list[Any]:
        tick = self._meter.tick
        taken = [self._ops.items(each) for each in values]
        function = self.made(function)
        return [function(*each) for each in zip(*taken, strict=False) if tick()]

    def _filter(self, function: Callable[..., Any] | None, values: Any) -> list[Any]:
        tick = self._meter.tick
        taken = self._ops.items(values)
        function = self.made(function)
        return [each for each in taken if tick() and (each if function is None else function(each))]

    def _pow(self, a: Any, b: Any, modulus: Any = None) -> Any:
        return self._ops.pow(a, b, modulus)

    def _divmod(self, a: Any, b: Any) -> Any:
        return self._ops.divmod(a, b)

    def _meta(self, **named: Any) -> Any:
        """A pattern is compiled."""
        pattern = named.get("pattern")
        self._meter.charge(100 if pattern is None else 1_000 + 16 * len(pattern))
        return msgspec.Meta(**named)

    def _round(self, value: Any) -> int:
        if not isinstance(value, int):
            raise TypeError("round takes an integer")
        return int(value)

    def _hex(self, value: int) -> str:
        return hex(self._ops.integer(value))

    def _oct(self, value: int) -> str:
        return oct(self._ops.integer(value))

    def _bin(self, value: int) -> str:
        return bin(self._ops.integer(value))

    def kinds(self, kinds: Any) -> Any:
        """Classes that a value or a fault may be of: tuples of tuples are gone through."""
        if type(kinds) is tuple:
            self._ops.deep(kinds)
        return kinds

    def _isinstance(self, value: Any, kinds: Any) -> bool:
        return isinstance(value, self.kinds(kinds))

    def _issubclass(self, value: Any, kinds: Any) -> bool:
        return issubclass(value, self.kinds(kinds))

    def _type(self, value: Any) -> Any:
        if isinstance(value, type):
            raise TypeError("type of a class: not for plugins")
        return type(value)
