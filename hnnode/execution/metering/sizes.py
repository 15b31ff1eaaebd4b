"""What values take: their size, all that they hold, and the keys of dictionaries and sets.

Keys other than texts and bytes have hashes that their author knows: they may be made so that looking one up goes past
all that are there. So such a key counts by the size of what it is looked up in (`CROWD`, `SPREAD`). The hashes of texts
and bytes are other ones in each process; nobody can make them meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from types import MappingProxyType
from typing import Any

from hnnode.execution.metering.bases import COPY
from hnnode.execution.metering.meter import Meter
from hnnode.execution.metering.values import HOLDERS, KEYS, LISTS, SETS, TABLES, VIEWS, check_order, parts_of
from hnnode.plugin_api.context import Context
from hnnode.plugin_api.limits import DEPTH_MAX, INTEGER_BITS_MAX, ITEMS_MAX, TEXT_BYTES_MAX

SMALL = 1 << 256
TEXTS = (str, bytes, bytearray)
SIZED = (*TEXTS, *LISTS, *SETS, dict, range)
PLAIN = frozenset((str, bytes, int, bool, type(None)))
_SECRET = frozenset((str, bytes, bool, type(None)))
"""Types whose hashes are not known before the process runs, or that have no more than two values."""
CROWD = 64
"""Keys among which one more is looked up for nothing."""
SPREAD = 4
"""One tick for so many keys that a look-up may go past, as a power of two."""


class Sizes:
    """Counts values of one loaded copy of code."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._charge = self.charge = meter.charge
        self._over = meter.over
        self._tick = meter.tick
        self.depth = 0
        """Nesting of what `deep` looked at last."""
        self.made: Callable[[Any], Any] = lambda function: function
        """The counted twin of a callable; `Functions` sets it."""

    def weigh(self, value: Any) -> None:
        """Count an operand by its size."""
        kind = type(value)
        if kind is str or kind is bytes:
            if len(value) > 63:
                self._charge(len(value) >> 6)
        elif kind is int:
            if not -SMALL < value < SMALL:
                self._charge(value.bit_length() >> 9)
        elif isinstance(value, bytearray):
            self._charge(len(value) >> 6)
        elif isinstance(value, (*SIZED, *VIEWS)):
            self._charge(len(value) >> 3)
        elif isinstance(value, int):
            self.integer(int(value))

    def room(self, like: Any, count: int) -> None:
        """Count a result of this many items before it is made."""
        if isinstance(like, TEXTS):
            if count > TEXT_BYTES_MAX:
                self._over()
            if count > 63:
                self._charge(count >> 6)
        else:
            if count > ITEMS_MAX:
                self._over()
            self._charge(count >> 3)

    def integer(self, value: Any) -> Any:
        if isinstance(value, int) and not -SMALL < value < SMALL:
            bits = value.bit_length()
            if bits > INTEGER_BITS_MAX:
                self._over()
            self._charge(bits >> 9)
        return value

    def deep(self, value: Any) -> int:
        """Count a value with all that it holds, as comparing or hashing it may look at all of it, and at what is held
        twice two times.

        Returns: what was counted. Raises: TxRefused: too much, or nested deeper than `DEPTH_MAX`.
        """
        self.weigh(value)
        if isinstance(value, TABLES) and len(value) > CROWD:
            self.crowd(value)
        parts = parts_of(value)
        if parts is None:
            self.depth = 0
            return 0
        counted, self.depth = 0, 1
        held = [(parts, 1)]
        while held:
            parts, depth = held.pop()
            if depth > self.depth:
                self.depth = depth
                if depth > DEPTH_MAX:
                    self._over()
            for item in parts:
                if type(item) in PLAIN:
                    if type(item) is str or type(item) is bytes:
                        ticks = len(item) >> 6
                    else:
                        continue
                elif isinstance(item, TEXTS):
                    ticks = len(item) >> 6
                elif (more := parts_of(item)) is not None:
                    ticks = 4 + (len(item) >> 3 if isinstance(item, HOLDERS) else 0)
                    if isinstance(item, TABLES) and len(item) > CROWD:
                        self.crowd(item)
                    held.append((more, depth + 1))
                else:
                    continue
                if ticks:
                    counted += ticks
                    self._charge(ticks)
        return counted

    def key(self, value: Any, where: Any = None) -> Any:
        """A key, index or member; counted by what hashing it looks at, and by what it is looked up in. Returns it."""
        kind = type(value)
        if kind is str or kind is bytes:
            return value
        work = 0
        if kind is not int:
            if kind is slice:
                raise TypeError("a slice is written with colons")
            before = self._meter.cell[0]
            self.deep(value)
            work = 1 + before - self._meter.cell[0]
        if isinstance(where, TABLES) and len(where) > CROWD and kind not in _SECRET:
            self._charge((len(where) >> SPREAD) * (1 + work))
        return value

    def item(self, where: Any, key: Any) -> Any:
        """`where[key]`."""
        kind = type(where)
        if (kind is list or kind is tuple or kind is bytes) and type(key) is int:
            return where[key]
        if kind is not dict or type(key) is not str:
            self.key(key, where)
            if not isinstance(where, _INDEXED):
                self.deep(key)
                if _is_type(where):
                    self._charge(_TYPE_TICKS)
                    _check_parts(key)
        return where[key]

    def given(self, values: Iterable[Any]) -> None:
        """Count what a function of the interface is given."""
        for value in values:
            kind = type(value)
            if kind is bytes or kind is str:
                if len(value) > 64:
                    self._charge(len(value) >> 6)
            elif kind is not int and kind is not Context:
                self.deep(value)

    def method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method of the interface that goes through its arguments, with them counted."""

        def counted(*args: Any, **named: Any) -> Any:
            self.given(args)
            if named:
                self.given(named.values())
            return method(*args, **named)

        return counted

    def crowd(self, *tables: Any) -> None:
        """Count putting all keys or members of these into one dictionary or set."""
        count = sum(map(len, tables))
        if count <= CROWD or all(_SECRET.issuperset(map(type, table)) for table in tables):
            return
        each = 1
        for table in tables:
            if not PLAIN.issuperset(map(type, table)):
                each += 1 + self._held(table) // count
        self._charge((count * count >> (SPREAD + 1)) * each)

    def _held(self, table: Any) -> int:
        """Ticks of comparing all keys of a table once."""
        before = self._meter.cell[0]
        for key in table:
            if type(key) not in PLAIN and not isinstance(key, SETS):
                self.deep(key)
        return before - self._meter.cell[0]

    def keys(self, values: Any) -> Any:
        """Values that become keys or members, counted. Returns them."""
        if not isinstance(values, (*TEXTS, *SETS, dict, range, KEYS)):
            for value in values:
                if type(value) not in PLAIN:
                    self.deep(value)
        self.crowd(values)
        return values

    def mapping(self, value: Any, parts: int = 1) -> Any:
        """What `**` copies into one of so many parts, counted. Returns it."""
        if not isinstance(value, (dict, MappingProxyType)):
            raise TypeError(f"** takes a dictionary, got {type(value).__name__}")
        self._charge(len(value) >> 3)
        for _ in range(parts):
            self.crowd(value)
        return value

    def each(self, values: Any) -> Any:
        """What a loop goes over: a set in ascending order, since its own differs between processes."""
        if isinstance(values, SETS):
            self._charge(1 + (len(values) >> 1))
            if len(values) < 2:
                return list(values)
            taken = list(values)
            kinds = set(map(type, taken))
            if len(kinds) > 1 or not kinds <= PLAIN:
                self.deep(taken)
                check_order(taken)
            self._charge(self.deep(taken) * len(taken).bit_length())
            return sorted(taken)
        return values

    def items(self, values: Any) -> Any:
        """A sized, ordered collection of these values; counted."""
        if isinstance(values, SETS):
            return self.each(values)
        if isinstance(values, SIZED):
            if isinstance(values, range) and len(values) > ITEMS_MAX:
                self._over()
            self.weigh(values)
            return values
        tick = self._tick
        made = [value for value in values if tick()]
        if len(made) > ITEMS_MAX:
            self._over()
        return made


_TYPE_TICKS = 100
"""What a library takes to make `alias[key]`."""
_INDEXED = (*SIZED, MappingProxyType)


def _is_type(value: Any) -> bool:
    return isinstance(value, type) or hasattr(type(value), "__mro_entries__") or type(value).__module__ == "typing"


def _check_parts(key: Any) -> None:
    """A library that is asked for `alias[key]` may keep the key and compare it with those of other copies of the code.

    Raises: TypeError: an object of the plugin is no part of a type.
    """
    waiting = [key]
    for each in waiting:
        if isinstance(each, (tuple, list)):
            waiting.extend(each)
        elif type(each).__module__.startswith(COPY) and not isinstance(each, Enum):
            raise TypeError("a type is made of types and of Meta alone")


def event_counter(meter: Meter) -> Callable[[Any], None]:
    """Counts an event's data before it is encoded."""
    sizes = Sizes(meter)

    def given(data: Any) -> None:
        if type(data) is not dict or len(data) > CROWD:
            sizes.deep(data)
            return
        size = 0
        for value in data.values():
            kind = type(value)
            if kind is str:
                size += len(value)
            elif kind not in PLAIN:
                sizes.deep(data)
                return
        if size > CROWD:
            sizes.charge(size >> 6)

    return given
