"""Methods of built-in types whose work depends on sizes, with that work counted first.

`rewrite` turns every use of an attribute of these names into `attribute(value, name)`; for values of other types that is
the attribute itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from hnnode.execution.metering.operations import Operations
from hnnode.execution.metering.texts import check_codec
from hnnode.execution.metering.values import ITEMS, KEYS
from hnnode.plugin_api.limits import INTEGER_BITS_MAX, ITEMS_MAX, TEXT_BYTES_MAX

Made = Callable[..., Any]

_TEXT_TYPES = (str, bytes, bytearray)
_CLASSES = (str, bytes, bytearray, list, tuple, set, frozenset, dict, int, deque)

REFUSED = frozenset(("format", "format_map", "translate", "maketrans"))
"""Methods of texts that reach into values by name or make tables."""


class Methods:
    """`METHODS` names those that are handled; the others of a built-in type take bounded work."""

    def __init__(self, operations: Operations) -> None:
        self._ops = operations
        self._text: dict[str, Made] = {
            **dict.fromkeys(("center", "ljust", "rjust", "zfill"), self._width),
            **dict.fromkeys(
                [
                    "count",
                    "endswith",
                    "find",
                    "index",
                    "startswith",
                    "partition",
                    "hex",
                    "removeprefix",
                    "removesuffix",
                    "isascii",
                ],
                self._linear,
            ),
            **dict.fromkeys(("rfind", "rindex", "rpartition", "strip", "lstrip", "rstrip"), self._product),
            **dict.fromkeys(("encode", "decode"), self._codec),
            **dict.fromkeys(("isdigit", "isdecimal"), self._digits),
            **dict.fromkeys(
                [
                    "capitalize",
                    "casefold",
                    "isalnum",
                    "isalpha",
                    "islower",
                    "isnumeric",
                    "isprintable",
                    "isspace",
                    "istitle",
                    "isupper",
                    "lower",
                    "swapcase",
                    "title",
                    "upper",
                    "isidentifier",
                ],
                self._ascii,
            ),
            **dict.fromkeys(("split", "rsplit", "splitlines"), self._split),
            "expandtabs": self._never,
            "join": self._join,
            "replace": self._replace,
        }
        self._list: dict[str, Made] = {
            **dict.fromkeys(["copy", "count", "index", "insert", "remove", "reverse", "clear", "rotate"], self._linear),
            **dict.fromkeys(("extend", "extendleft"), self._extend),
            "pop": self._pop,
            "sort": self._sort,
        }
        self._set: dict[str, Made] = {
            **dict.fromkeys(
                [
                    "copy",
                    "difference",
                    "difference_update",
                    "intersection",
                    "intersection_update",
                    "isdisjoint",
                    "issubset",
                    "issuperset",
                    "symmetric_difference",
                    "symmetric_difference_update",
                    "union",
                    "update",
                ],
                self._all_linear,
            ),
            **dict.fromkeys(("add", "discard", "remove"), self._keyed),
            "pop": self._set_pop,
        }
        self._dict: dict[str, Made] = {
            **dict.fromkeys(["copy", "items", "keys", "values", "clear"], self._bound),
            **dict.fromkeys(("get", "pop", "setdefault", "move_to_end"), self._keyed),
            "update": self._update,
        }
        self._bytearray: dict[str, Made] = {
            **self._text,
            **dict.fromkeys(["copy", "insert", "remove", "reverse", "clear"], self._linear),
            "extend": self._extend,
            "pop": self._pop,
        }
        self._view: dict[str, Made] = {"isdisjoint": self._all_linear}
        self._dict["copy"] = self._linear
        self._int: dict[str, Made] = {"to_bytes": self._to_bytes}
        self._classes: dict[str, Made] = {
            "fromhex": self._class_linear,
            "from_bytes": self._from_bytes,
            "fromkeys": self._class_linear,
        }
        self._property: dict[str, Made] = dict.fromkeys(("getter", "setter", "deleter"), self._wrapped)
        tables: list[dict[str, Made]] = [self._bytearray, self._list, self._set, self._dict, self._int, self._view]
        tables += [self._classes, self._property]
        self.names = frozenset().union(*tables) | REFUSED | {"register"}

    def attribute(self, value: Any, name: str) -> Any:
        if name in self._classes and isinstance(value, _CLASSES):
            made: Made | None = self._classes[name]
        elif isinstance(value, _TEXT_TYPES):
            if name in REFUSED:
                raise AttributeError(f"{name}: not for plugins; use f-strings")
            made = (self._bytearray if isinstance(value, bytearray) else self._text).get(name)
        elif isinstance(value, (list, deque)):
            made = self._list.get(name)
        elif isinstance(value, (tuple, range)):
            made = self._linear if name in ("count", "index") else None
        elif isinstance(value, (set, frozenset)):
            made = self._set.get(name)
        elif isinstance(value, dict):
            made = self._dict.get(name)
        elif isinstance(value, int):
            made = self._int.get(name)
        elif isinstance(value, (KEYS, ITEMS)):
            made = self._view.get(name)
        elif isinstance(value, property):
            made = self._property.get(name)
        elif hasattr(type(value), "__mro_entries__") or (isinstance(value, type) and name == "register"):
            made = self._never  # an alias passes on the methods of its type; registering writes into the class
        elif isinstance(value, type) and issubclass(value, _CLASSES):
            made = self._classes.get(name, self._never)
        else:
            made = None
        found = getattr(value, name)
        if made is None or made == self._bound:
            return found
        count = made  # held in a closure: the parts of a partial are public

        def counted(*args: Any, **named: Any) -> Any:
            return count(value, name, found, *args, **named)

        return counted

    # -------------------------------------------------------------- one for each kind of work
    def _bound(self, value: Any, name: str, method: Made, *args: Any) -> Any:
        return method(*args)

    def _never(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> Any:
        raise AttributeError(f"{name}: not for plugins")

    def _wrapped(self, value: Any, name: str, method: Made, function: Any) -> Any:
        return method(self._ops.made(function))

    def _linear(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> Any:
        self._ops.deep(value)
        for each in args:
            if isinstance(each, tuple):
                self._ops.deep(each)
            self._ops.weigh(each)
        return method(*args, **named)

    def _product(self, value: Any, name: str, method: Made, *args: Any) -> Any:
        """Each character may be compared with each of the argument."""
        self._ops.weigh(value)
        if args and isinstance(args[0], _TEXT_TYPES):
            self._ops.charge(len(value) * len(args[0]) >> 8)
        return method(*args)

    def _codec(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> Any:
        self._ops.weigh(value)
        return method(*check_codec(*args, **named)) if args or named else method()

    def _digits(self, value: Any, name: str, method: Made) -> bool:
        """Digits of other scripts are added with versions of the interpreter."""
        self._ops.weigh(value)
        return bool(value.isascii() and method())

    def _all_linear(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> Any:
        self._ops.weigh(value)
        taken = [each if isinstance(each, dict) else self._ops.keys(self._ops.items(each)) for each in args]
        self._ops.room([], sum(len(each) for each in taken))
        self._ops.crowd(value, *taken)
        return method(*taken, **named)

    def _update(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> None:
        taken = [self._ops.made(dict)(each) for each in args]
        self._ops.crowd(value, *taken)
        method(*taken, **named)

    def _keyed(self, value: Any, name: str, method: Made, key: Any, *args: Any, **named: Any) -> Any:
        return method(self._ops.key(key, value), *args, **named)

    def _split(self, value: Any, name: str, method: Made, *args: Any, **named: Any) -> Any:
        """The parts, each an object of its own: more than a list may hold are not even made."""
        self._ops.weigh(value)
        if name == "splitlines":
            self._ops.room([], len(value) >> 1)
            found = method(*args, **named)
        else:
            separator = args[0] if args else named.get("sep")
            if name == "rsplit" and isinstance(separator, _TEXT_TYPES):
                self._ops.charge(len(value) * len(separator) >> 8)
            most = args[1] if len(args) > 1 else named.get("maxsplit", -1)
            found = method(separator, ITEMS_MAX if most < 0 else min(most, ITEMS_MAX))
        self._ops.room([], len(found) << 2)
        return found

    def _pop(self, value: Any, name: str, method: Made, *index: Any) -> Any:
        """What is behind the item moves."""
        if index:
            self._ops.room(b"", min(len(value), ITEMS_MAX))
        return method(*index)

    def _ascii(self, value: Any, name: str, method: Made, *args: Any) -> Any:
        """Tables of characters differ between versions of the interpreter: ASCII alone is the same everywhere."""
        self._ops.weigh(value)
        if isinstance(value, str) and not value.isascii():
            raise ValueError(f"{name}: only for ASCII text")
        return method(*args)

    def _width(self, value: Any, name: str, method: Made, width: int, *fill: Any) -> Any:
        self._ops.room(value, max(len(value), width))
        return method(width, *fill)

    def _join(self, value: Any, name: str, method: Made, parts: Any) -> Any:
        taken = list(self._ops.items(parts))
        size = len(value) * len(taken)
        for part in taken:
            if not isinstance(part, _TEXT_TYPES):
                raise TypeError("join takes texts or bytes")
            size += len(part)
        self._ops.room(value, size)
        return method(taken)

    def _replace(self, value: Any, name: str, method: Made, old: Any, new: Any, *count: Any) -> Any:
        found = value.count(old)
        self._ops.room(value, len(value) + max(0, len(new) - len(old)) * found)
        return method(old, new, *count)

    def _extend(self, value: Any, name: str, method: Made, more: Any) -> None:
        taken = self._ops.items(more)
        if isinstance(value, bytearray):
            self._ops.room(value, len(value) + len(taken))
        elif len(value) + len(taken) > ITEMS_MAX:
            self._ops.room([], ITEMS_MAX + 1)
        method(taken)

    def _sort(self, value: Any, name: str, method: Made, **named: Any) -> None:
        value[:] = self._ops.ordered(value, **named)

    def _set_pop(self, value: Any, name: str, method: Made) -> Any:
        raise AttributeError("pop of a set: which one is not the same everywhere; take min or max and discard it")

    def _to_bytes(self, value: Any, name: str, method: Made, length: int = 1, *args: Any, **named: Any) -> Any:
        if length > TEXT_BYTES_MAX:
            self._ops.room(b"", length)
        self._ops.room(b"", length)
        return method(length, *args, **named)

    def _from_bytes(self, value: Any, name: str, method: Made, data: Any, *args: Any, **named: Any) -> Any:
        if not isinstance(data, (bytes, bytearray)) or len(data) * 8 > INTEGER_BITS_MAX:
            raise ValueError(f"from_bytes takes at most {INTEGER_BITS_MAX // 8} bytes")
        return method(data, *args, **named)

    def _class_linear(self, value: Any, name: str, method: Made, first: Any, *args: Any) -> Any:
        if isinstance(first, (str, bytes)):
            self._ops.weigh(first)
            return method(first, *args)
        taken = self._ops.keys(self._ops.items(first))
        self._ops.room([], len(taken))
        return method(taken, *args)
