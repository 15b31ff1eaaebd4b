"""Operators whose work depends on the size of their operands, with that work counted first.

Plain integers of ordinary size take the short way. Everything made is bounded (`limits.py`), and a float is never made.
"""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, EnumMeta
from functools import partial
from types import UnionType
from typing import Any, cast

from hnnode.execution.metering.sizes import PLAIN, SIZED, SMALL, TEXTS, Sizes
from hnnode.execution.metering.values import ITEMS, KEYS, LISTS, SETS, TABLES, VALUES, VIEWS
from hnnode.plugin_api.limits import INTEGER_BITS_MAX, ITEMS_MAX

_PLAIN_FORMAT = re.compile(r"(?:[^%]|%%|%[-#0 +]?[0-9]{0,3}(?:\.[0-9]{1,3})?[diuoxXcsb])*", re.DOTALL)

_COMPARE = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
Operation = Callable[..., Any]
Shape = tuple[bool, tuple[tuple[int, Any], ...]]
"""Targets that one value is unpacked into: whether one has a star; index and shape of those that unpack in turn."""


class Operations(Sizes):
    """The operators of one loaded copy of code. Names of methods are those that `rewrite` calls."""

    def add(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            made = a + b
            return made if -SMALL < made < SMALL else self.integer(made)
        if isinstance(a, int) and isinstance(b, int):
            return self.integer(int(a) + int(b))
        if isinstance(a, (*TEXTS, *LISTS)) and isinstance(b, SIZED):
            self.room(a, len(a) + len(b))
        return a + b

    def iadd(self, a: Any, b: Any) -> Any:
        if isinstance(a, list):
            b = self.items(b)
            self.room(a, len(b))
            if len(a) + len(b) > ITEMS_MAX:
                self._over()
            a += b
            return a
        return self.add(a, b)

    def sub(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            made = a - b
            return made if -SMALL < made < SMALL else self.integer(made)
        if isinstance(a, int) and isinstance(b, int):
            return self.integer(int(a) - int(b))
        a, b = self._operands(a, b)
        return a - b

    def mult(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            if not (-SMALL < a < SMALL and -SMALL < b < SMALL):
                bits = a.bit_length() + b.bit_length()
                if bits > INTEGER_BITS_MAX + 1:
                    self._over()
                self._charge((bits >> 7) + 1)
            return a * b
        if isinstance(a, int) and isinstance(b, int):
            return self.mult(int(a), int(b))
        if isinstance(a, int) and isinstance(b, (*TEXTS, *LISTS)):
            a, b = b, a
        if isinstance(a, (*TEXTS, *LISTS)) and isinstance(b, int):
            self.room(a, len(a) * max(b, 0))
        return a * b

    def pow(self, a: Any, b: Any, modulus: Any = None) -> Any:
        if not (isinstance(a, int) and isinstance(b, int)):
            raise TypeError("powers are of integers")
        a, b = int(a), int(b)
        if modulus is not None:
            for each in (a, b, modulus):
                self.integer(each)
            self._charge(b.bit_length() * (1 + ((modulus.bit_length() >> 6) ** 2 >> 5)))
            return pow(a, b, modulus)
        if b < 0:
            raise ValueError("a negative exponent would make a fraction")
        if a.bit_length() > 1 and b * (a.bit_length() - 1) > INTEGER_BITS_MAX:
            self._over()
        return self.integer(a**b)

    def lshift(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            a, b = int(a), int(b)
        if isinstance(a, int) and isinstance(b, int) and a and b + a.bit_length() > INTEGER_BITS_MAX:
            self._over()
        return self.integer(a << b)

    def floordiv(self, a: Any, b: Any) -> Any:
        self._division(a, b)
        return a // b

    def divmod(self, a: Any, b: Any) -> Any:
        self._division(a, b)
        return divmod(a, b)

    def rshift(self, a: Any, b: Any) -> Any:
        self.weigh(a)
        return a >> b

    def _division(self, a: Any, b: Any) -> None:
        if isinstance(a, int) and isinstance(b, int) and not -SMALL < a < SMALL:
            self._charge((a.bit_length() >> 7) + 1)

    def mod(self, a: Any, b: Any) -> Any:
        if isinstance(a, int):
            self._division(a, b)
            return a % b
        if not isinstance(a, (str, bytes)):
            raise TypeError("% is of integers and of plain formats")
        text = a if isinstance(a, str) else a.decode("latin-1")
        values = b if isinstance(b, tuple) else (b,)
        if not _PLAIN_FORMAT.fullmatch(text):
            raise ValueError("a format holds %d, %x, %o, %c, %s and %b with widths of at most three digits")
        size = len(a)
        for value in values:
            self.text(value)
            size += 1000 + (len(value) if isinstance(value, (str, bytes)) else 0)
        self.room(a, size)
        return a % b

    def bits(self, name: str, a: Any, b: Any) -> Any:
        if not (type(a) is int and type(b) is int):
            a, b = self._operands(a, b)
            for each in (a, b):
                if isinstance(each, UnionType):
                    self._charge(len(each.__args__))
        return getattr(operator, name)(a, b)

    def _operands(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Operands of a set's operator, counted. A view takes any values for its second, which become keys."""
        if isinstance(a, VIEWS) or isinstance(b, VIEWS):
            a, b = (x if isinstance(x, (*SETS, *VIEWS, dict)) else self.keys(self.items(x)) for x in (a, b))
            self.deep([view for view in (a, b) if isinstance(view, ITEMS)])
        self.weigh(a)
        self.weigh(b)
        if isinstance(a, TABLES) and isinstance(b, TABLES):
            self.crowd(a, b)
        return a, b

    def bitor(self, a: Any, b: Any) -> Any:
        return self.bits("or_", a, b)

    def bitand(self, a: Any, b: Any) -> Any:
        return self.bits("and_", a, b)

    def bitxor(self, a: Any, b: Any) -> Any:
        return self.bits("xor", a, b)

    def contains(self, item: Any, where: Any) -> bool:
        if isinstance(where, range):  # anything but an integer would be looked for one by one
            return isinstance(item, int) and int(item) in where
        if isinstance(where, TEXTS):
            self.weigh(where)
        elif isinstance(where, (*LISTS, VALUES)):
            if type(item) in PLAIN:
                self._charge(len(where) >> 3)
                if isinstance(item, (str, bytes)):
                    self._charge(len(where) * (len(item) >> 8))
            else:
                self.deep(item)
                self.deep(where)  # a comparison looks at no more than the smaller of both
                return bool(self._nested(self.depth, operator.contains, where, item))
        elif isinstance(where, (*SETS, dict, KEYS, ITEMS)):
            self.key(item, where)
        elif isinstance(where, EnumMeta):
            if not isinstance(item, Enum):  # since 3.12 it would be looked for among the values
                raise TypeError("only a member is in an enumeration or not")
        elif not hasattr(type(where), "__contains__"):
            return any(self._tick() and (each is item or self.compare("eq", each, item)) for each in where)
        return item in where

    def lacks(self, item: Any, where: Any) -> bool:
        return not self.contains(item, where)

    def compare(self, name: str, a: Any, b: Any) -> Any:
        kind = type(a)
        if kind is int:
            return _COMPARE[name](a, b)
        if kind is type(b) and (kind is str or kind is bytes):
            if len(a) > 63:
                self._charge(len(a) >> 6)
            return _COMPARE[name](a, b)
        self.deep(a)
        depth = self.depth
        self.deep(b)
        return self._nested(max(depth, self.depth), _COMPARE[name], a, b)

    def _nested(self, depth: int, function: Callable[..., Any], *args: Any) -> Any:
        """Go through values that are nested so deep: code of the plugin that is called on the way nests in them."""
        if depth < 2:
            return function(*args)
        cell = self._meter.cell
        cell[1] -= depth
        if cell[1] < 0:
            self._over()
        try:
            return function(*args)
        finally:
            cell[1] += depth

    def remove(self, where: Any, key: Any) -> None:
        """`del where[key]`: in a list all that is behind it moves."""
        self.key(key, where)
        if isinstance(where, (list, bytearray, deque)):
            self._charge(len(where) >> 6)
        del where[key]

    def subject(self, value: Any, copies: int, *values: Any) -> Any:
        """What `match` looks at: this many of its patterns copy a part of it, and it is compared with these values."""
        for _ in range(copies):
            self.deep(value)
        for each in values:
            self.deep(each)
        return value

    def slice(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        if isinstance(value, (*TEXTS, *LISTS)):
            taken = range(*slice(start, stop, step).indices(len(value)))
            self._charge(len(taken) >> (6 if isinstance(value, TEXTS) else 3))
        return value[start:stop:step]

    def store(self, value: Any, start: Any, stop: Any, step: Any, more: Any) -> None:
        """Replace a part of a list or byte array: all that is behind it moves."""
        more = self.items(more)
        if isinstance(value, (bytearray, list)):
            self.room(value, len(value) + len(more))
        value[start:stop:step] = more

    def unpacked(self, values: Any, shape: Shape) -> Any:
        """What a loop goes over whose target unpacks each value."""
        values = self.each(values)
        if type(values) is ITEMS and not shape[0] and not shape[1]:
            return values
        return self._unpacked(values, shape)

    def _unpacked(self, values: Any, shape: Shape) -> Iterator[Any]:
        parts, flat = self.parts, not shape[0] and not shape[1]
        for value in values:
            yield value if flat and type(value) is tuple else parts(value, shape)

    def parts(self, value: Any, shape: Shape) -> Any:
        """A value that is unpacked into targets of this shape: sets in it become ordered, and a star's copy counts."""
        star, nested = shape
        value = self.items(value) if star else self.each(value)
        if nested:
            value = list(self.items(value))
            for index, inner in nested:
                if -len(value) <= index < len(value):
                    value[index] = self.parts(value[index], inner)
        return value

    def text(self, value: Any) -> Any:
        """A value that becomes text the same way everywhere: no address, no set, no float. Returns it."""
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            if kind is str:
                self._charge(len(value) >> 6)
            elif kind is int and not -SMALL < value < SMALL:
                self.integer(value)
                self._charge((value.bit_length() >> 9) ** 2)
            return value
        if kind is bytes:
            self._charge(len(value) >> 4)
            return value
        raise TypeError(f"only text, integers, booleans and bytes become text, got {kind.__name__}")

    def format(self, value: Any, spec: str) -> str:
        """An f-string's field: widths of at most three digits."""
        self.text(value)
        if len(spec) > 8 or re.search(r"[0-9]{4}|[eEfFgG%n]", spec):
            raise ValueError(f"format {spec[:16]!r}: want at most three digits and no fraction")
        return format(value, spec)

    def ordered(self, values: list[Any], key: Any = None, reverse: Any = False) -> list[Any]:
        """`sorted`, with the comparisons counted."""
        if key is None:
            self._sorting(values)
            return cast("list[Any]", self._nested(self.depth, partial(sorted, reverse=reverse), values))
        keys = self._named(values, key)
        self._sorting(keys)
        order = partial(sorted, key=keys.__getitem__, reverse=reverse)
        return [values[i] for i in self._nested(self.depth, order, range(len(values)))]

    def extreme(self, choose: Callable[..., Any], values: list[Any], key: Any = None) -> Any:
        """`min` or `max` of at least one value, with the comparisons counted."""
        if key is None:
            self.deep(values)
            return self._nested(self.depth, choose, values)
        keys = self._named(values, key)
        self.deep(keys)
        return values[self._nested(self.depth, partial(choose, key=keys.__getitem__), range(len(values)))]

    def _named(self, values: list[Any], key: Any) -> list[Any]:
        key = self.made(key)
        return [key(value) for value in values if self._tick()]

    def _sorting(self, values: list[Any]) -> None:
        turns = max(1, len(values).bit_length())
        self._charge(self.deep(values) * (turns - 1))
        self._charge(len(values) * turns >> 3)
