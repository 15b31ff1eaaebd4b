"""Operators whose work depends on the size of their operands, with that work counted first.

Plain integers of ordinary size take the short way. Everything made is bounded (`limits.py`), and a float is never made.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.values import HOLDERS, ITEMS, KEYS, LISTS, SETS, VALUES, VIEWS, check_order, parts_of
from hnnode.plugin_api.limits import DEPTH_MAX, INTEGER_BITS_MAX, ITEMS_MAX, TEXT_BYTES_MAX

_SMALL = 1 << 256
_TEXTS = (str, bytes, bytearray)
_SIZED = (*_TEXTS, *LISTS, *SETS, dict, range)
_PLAIN = frozenset((str, bytes, int, bool, type(None)))
_PLAIN_FORMAT = re.compile(r"(?:[^%]|%%|%[-#0 +]?[0-9]{0,3}(?:\.[0-9]{1,3})?[diuoxXcs])*", re.DOTALL)

Operation = Callable[..., Any]
Shape = tuple[bool, tuple[tuple[int, Any], ...]]
"""Targets that one value is unpacked into: whether one has a star; index and shape of those that unpack in turn."""


class Operations:
    """The operators of one loaded copy of code. Names of methods are those that `rewrite` calls."""

    def __init__(self, meter: Meter) -> None:
        self._charge = meter.charge
        self._over = meter.over
        self._tick = meter.tick
        self.made: Callable[[Any], Any] = lambda function: function
        """The counted twin of a callable; `Functions` sets it."""

    def weigh(self, value: Any) -> None:
        """Count an operand by its size."""
        kind = type(value)
        if kind is int:
            if not -_SMALL < value < _SMALL:
                self._charge(value.bit_length() >> 9)
        elif isinstance(value, _TEXTS):
            self._charge(len(value) >> 6)
        elif isinstance(value, (*_SIZED, *VIEWS)):
            self._charge(len(value) >> 3)
        elif isinstance(value, int):
            self.integer(int(value))

    def room(self, like: Any, count: int) -> None:
        """Count a result of this many items before it is made."""
        if isinstance(like, _TEXTS):
            if count > TEXT_BYTES_MAX:
                self._over()
            self._charge(count >> 6)
        else:
            if count > ITEMS_MAX:
                self._over()
            self._charge(count >> 3)

    def integer(self, value: Any) -> Any:
        if isinstance(value, int) and not -_SMALL < value < _SMALL:
            bits = value.bit_length()
            if bits > INTEGER_BITS_MAX:
                self._over()
            self._charge(bits >> 9)
        return value

    def add(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            made = a + b
            return made if -_SMALL < made < _SMALL else self.integer(made)
        if isinstance(a, int) and isinstance(b, int):
            return self.integer(int(a) + int(b))
        if isinstance(a, (*_TEXTS, *LISTS)) and isinstance(b, _SIZED):
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
            return made if -_SMALL < made < _SMALL else self.integer(made)
        if isinstance(a, int) and isinstance(b, int):
            return self.integer(int(a) - int(b))
        a, b = self._operands(a, b)
        return a - b

    def mult(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            if not (-_SMALL < a < _SMALL and -_SMALL < b < _SMALL):
                bits = a.bit_length() + b.bit_length()
                if bits > INTEGER_BITS_MAX + 1:
                    self._over()
                self._charge((bits >> 7) + 1)
            return a * b
        if isinstance(a, int) and isinstance(b, int):
            return self.mult(int(a), int(b))
        if isinstance(a, int) and isinstance(b, (*_TEXTS, *LISTS)):
            a, b = b, a
        if isinstance(a, (*_TEXTS, *LISTS)) and isinstance(b, int):
            self.room(a, len(a) * max(b, 0))
        return a * b

    def pow(self, a: Any, b: Any, modulus: Any = None) -> Any:
        if not (isinstance(a, int) and isinstance(b, int)):
            raise TypeError("powers are of integers")
        a, b = int(a), int(b)
        if modulus is not None:
            for each in (a, b, modulus):
                self.integer(each)
            self._charge((b.bit_length() * (1 + (modulus.bit_length() >> 8))) >> 3)
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

    def rshift(self, a: Any, b: Any) -> Any:
        self.weigh(a)
        return a >> b

    def _division(self, a: Any, b: Any) -> None:
        if isinstance(a, int) and isinstance(b, int) and not -_SMALL < a < _SMALL:
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
            raise ValueError("a format holds %d, %x, %o, %c and %s with widths of at most three digits")
        size = len(a)
        for value in values:
            self.text(value)
            size += 1000 + (len(value) if isinstance(value, (str, bytes)) else 0)
        self.room(a, size)
        return a % b

    def bits(self, name: str, a: Any, b: Any) -> Any:
        if not (type(a) is int and type(b) is int):
            a, b = self._operands(a, b)
        return getattr(operator, name)(a, b)

    def _operands(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Operands of a set's operator, counted. A view takes any values for its second, which become keys."""
        if isinstance(a, VIEWS) or isinstance(b, VIEWS):
            a, b = (x if isinstance(x, (*SETS, *VIEWS, dict)) else self.keys(self.items(x)) for x in (a, b))
            self.deep([view for view in (a, b) if isinstance(view, ITEMS)])
        self.weigh(a)
        self.weigh(b)
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
        if isinstance(where, _TEXTS):
            self.weigh(where)
        elif isinstance(where, (*LISTS, VALUES)):
            if type(item) in _PLAIN:
                self._charge(len(where) >> 3)
                if isinstance(item, (str, bytes)):
                    self._charge(len(where) * (len(item) >> 8))
            else:
                self.deep(item)
                self.deep(where)  # a comparison looks at no more than the smaller of both
        elif isinstance(where, (*SETS, dict, KEYS, ITEMS)):
            self.key(item)
        elif not hasattr(type(where), "__contains__"):
            return any(self._tick() and (each is item or self.compare("eq", each, item)) for each in where)
        return item in where

    def lacks(self, item: Any, where: Any) -> bool:
        return not self.contains(item, where)

    def compare(self, name: str, a: Any, b: Any) -> Any:
        if type(a) is not int:
            self.deep(a)
            self.deep(b)
        return getattr(operator, name)(a, b)

    def deep(self, value: Any) -> int:
        """Count a value with all that it holds, as comparing or hashing it may look at all of it, and at what is held
        twice two times.

        Returns: what was counted. Raises: TxRefused: too much, or nested deeper than `DEPTH_MAX`.
        """
        self.weigh(value)
        parts = parts_of(value)
        if parts is None:
            return 0
        counted = 0
        held = [(parts, 1)]
        while held:
            parts, depth = held.pop()
            if depth > DEPTH_MAX:
                self._over()
            for item in parts:
                if type(item) in _PLAIN:
                    if type(item) is str or type(item) is bytes:
                        ticks = len(item) >> 6
                    else:
                        continue
                elif isinstance(item, _TEXTS):
                    ticks = len(item) >> 6
                elif (more := parts_of(item)) is not None:
                    ticks = 1 + (len(item) >> 3 if isinstance(item, HOLDERS) else 0)
                    held.append((more, depth + 1))
                else:
                    continue
                if ticks:
                    counted += ticks
                    self._charge(ticks)
        return counted

    def key(self, value: Any) -> Any:
        """A key, index or member; counted by what hashing it looks at. Returns it."""
        kind = type(value)
        if kind is str or kind is int or kind is bytes:
            return value
        if kind is slice:
            raise TypeError("a slice is written with colons")
        self.deep(value)
        return value

    def keys(self, values: Any) -> Any:
        """Values that become keys or members, counted. Returns them."""
        if not isinstance(values, (*_TEXTS, *SETS, dict, range, KEYS)):
            for value in values:
                if type(value) not in _PLAIN:
                    self.deep(value)
        return values

    def mapping(self, value: Any) -> Any:
        """What `**` copies, counted. Returns it."""
        if not isinstance(value, (dict, MappingProxyType)):
            raise TypeError(f"** takes a dictionary, got {type(value).__name__}")
        self._charge(len(value) >> 3)
        return value

    def subject(self, value: Any, copies: int, *values: Any) -> Any:
        """What `match` looks at: this many of its patterns copy a part of it, and it is compared with these values."""
        for _ in range(copies):
            self.deep(value)
        for each in values:
            self.deep(each)
        return value

    def slice(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        if isinstance(value, (*_TEXTS, *LISTS)):
            taken = range(*slice(start, stop, step).indices(len(value)))
            self._charge(len(taken) >> (6 if isinstance(value, _TEXTS) else 3))
        return value[start:stop:step]

    def store(self, value: Any, start: Any, stop: Any, step: Any, more: Any) -> None:
        """Replace a part of a list or byte array: all that is behind it moves."""
        more = self.items(more)
        if isinstance(value, (bytearray, list)):
            self.room(value, len(value) + len(more))
        value[start:stop:step] = more

    def each(self, values: Any) -> Any:
        """What a loop goes over: a set in ascending order, since its own differs between processes."""
        if isinstance(values, SETS):
            self._charge(1 + (len(values) >> 1))
            if len(values) < 2:
                return list(values)
            taken = list(values)
            kinds = set(map(type, taken))
            if len(kinds) > 1 or not kinds <= _PLAIN:
                self.deep(taken)
                check_order(taken)
            self._charge(self.deep(taken) * len(taken).bit_length())
            return sorted(taken)
        return values

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

    def items(self, values: Any) -> Any:
        """A sized, ordered collection of these values; counted."""
        if isinstance(values, SETS):
            return self.each(values)
        if isinstance(values, _SIZED):
            if isinstance(values, range) and len(values) > ITEMS_MAX:
                self._over()
            self.weigh(values)
            return values
        tick = self._tick
        made = [value for value in values if tick()]
        if len(made) > ITEMS_MAX:
            self._over()
        return made

    def text(self, value: Any) -> Any:
        """A value that becomes text the same way everywhere: no address, no set, no float. Returns it."""
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            if kind is str:
                self._charge(len(value) >> 6)
            elif kind is int:
                self.integer(value)
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
            return sorted(values, reverse=reverse)
        keys = self._named(values, key)
        self._sorting(keys)
        return [values[i] for i in sorted(range(len(values)), key=keys.__getitem__, reverse=reverse)]

    def extreme(self, choose: Callable[..., Any], values: list[Any], key: Any = None) -> Any:
        """`min` or `max` of at least one value, with the comparisons counted."""
        if key is None:
            self.deep(values)
            return choose(values)
        keys = self._named(values, key)
        self.deep(keys)
        return values[choose(range(len(values)), key=keys.__getitem__)]

    def _named(self, values: list[Any], key: Any) -> list[Any]:
        key = self.made(key)
        return [key(value) for value in values if self._tick()]

    def _sorting(self, values: list[Any]) -> None:
        turns = max(1, len(values).bit_length())
        self._charge(self.deep(values) * (turns - 1))
        self._charge(len(values) * turns >> 3)
