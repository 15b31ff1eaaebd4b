"""Operators whose work depends on the size of their operands, with that work counted first.

Plain integers of ordinary size take the short way. Everything made is bounded (`limits.py`), and a float is never made.
"""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from hnnode.execution.metering.meter import Meter
from hnnode.plugin_api.limits import INTEGER_BITS_MAX, ITEMS_MAX, NESTING_MAX, TEXT_BYTES_MAX

_SMALL = 1 << 256
_TEXTS = (str, bytes, bytearray)
_LISTS = (list, tuple, deque)
_SETS = (set, frozenset)
_SIZED = (*_TEXTS, *_LISTS, *_SETS, dict, range)
_PLAIN_FORMAT = re.compile(r"(?:[^%]|%%|%[-#0 +]?[0-9]{0,3}(?:\.[0-9]{1,3})?[diuoxXcs])*", re.DOTALL)

Operation = Callable[..., Any]


class Operations:
    """The operators of one loaded copy of code. Names of methods are those that `rewrite` calls."""

    def __init__(self, meter: Meter) -> None:
        self._charge = meter.charge
        self._over = meter.over
        self._tick = meter.tick

    def weigh(self, value: Any) -> None:
        """Count an operand by its size."""
        kind = type(value)
        if kind is int:
            if not -_SMALL < value < _SMALL:
                self._charge(value.bit_length() >> 9)
        elif isinstance(value, _TEXTS):
            self._charge(len(value) >> 6)
        elif isinstance(value, _SIZED):
            self._charge(len(value) >> 3)

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
        if isinstance(a, (*_TEXTS, *_LISTS)) and isinstance(b, _SIZED):
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
        self.weigh(a)
        return a - b

    def mult(self, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            if not (-_SMALL < a < _SMALL and -_SMALL < b < _SMALL):
                bits = a.bit_length() + b.bit_length()
                if bits > INTEGER_BITS_MAX + 1:
                    self._over()
                self._charge((bits >> 7) + 1)
            return a * b
        if isinstance(a, int) and isinstance(b, (*_TEXTS, *_LISTS)):
            a, b = b, a
        if isinstance(a, (*_TEXTS, *_LISTS)) and isinstance(b, int):
            self.room(a, len(a) * max(b, 0))
        return a * b

    def pow(self, a: Any, b: Any, modulus: Any = None) -> Any:
        if not (isinstance(a, int) and isinstance(b, int)):
            raise TypeError("powers are of integers")
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
        if isinstance(a, int) and isinstance(b, int) and a and b + a.bit_length() > INTEGER_BITS_MAX:
            self._over()
        return self.integer(a << b)

    def mod(self, a: Any, b: Any) -> Any:
        if isinstance(a, int):
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
            self.weigh(a)
            self.weigh(b)
        return getattr(operator, name)(a, b)

    def bitor(self, a: Any, b: Any) -> Any:
        return self.bits("or_", a, b)

    def bitand(self, a: Any, b: Any) -> Any:
        return self.bits("and_", a, b)

    def bitxor(self, a: Any, b: Any) -> Any:
        return self.bits("xor", a, b)

    def contains(self, item: Any, where: Any) -> bool:
        if type(item) is not int and type(item) is not str and type(item) is not bytes:
            self.deep(item)
            if isinstance(where, _LISTS):
                self.deep(where)
        if isinstance(where, (*_TEXTS, *_LISTS)):
            self.weigh(where)
        return item in where

    def lacks(self, item: Any, where: Any) -> bool:
        return not self.contains(item, where)

    def compare(self, name: str, a: Any, b: Any) -> Any:
        if type(a) is not int:
            self.deep(a)
            self.deep(b)
        return getattr(operator, name)(a, b)

    def deep(self, value: Any) -> None:
        """Count a value with all that it holds, as comparing it may look at all of it. How deep the interpreter itself
        can go differs between hosts, so the depth is bounded here.
        """
        self.weigh(value)
        if isinstance(value, (*_LISTS, *_SETS, dict)):
            held: list[tuple[int, Iterable[Any]]] = [(1, value.values() if isinstance(value, dict) else value)]
            while held:
                depth, holder = held.pop()
                if depth > NESTING_MAX:
                    self._over()
                for item in holder:
                    if isinstance(item, (*_LISTS, *_SETS, dict)):
                        self._charge(1 + (len(item) >> 3))
                        held.append((depth + 1, item.values() if isinstance(item, dict) else item))
                    elif isinstance(item, _TEXTS):
                        self._charge(len(item) >> 6)

    def slice(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        if isinstance(value, (*_TEXTS, *_LISTS)):
            taken = range(*slice(start, stop, step).indices(len(value)))
            self._charge(len(taken) >> (6 if isinstance(value, _TEXTS) else 3))
        return value[start:stop:step]

    def each(self, values: Any) -> Any:
        """What a loop goes over: a set in ascending order, since its own differs between processes."""
        if isinstance(values, _SETS):
            self._charge(1 + (len(values) >> 1))
            return sorted(values)
        return values

    def items(self, values: Any) -> Any:
        """A sized, ordered collection of these values; counted."""
        if isinstance(values, _SETS):
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

    def sorting(self, values: Any) -> None:
        """Count the comparisons of putting these in order."""
        self.deep(values)
        self._charge(len(values) * max(1, len(values).bit_length()) >> 3)
