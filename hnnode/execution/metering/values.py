"""Built-in kinds of values that hold others: what comparing them looks at, and which have an order of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import astuple

LISTS = (list, tuple, deque)
SETS = (set, frozenset)
_NOTHING: dict[Any, Any] = {}
KEYS: type[Any] = type(_NOTHING.keys())
VALUES: type[Any] = type(_NOTHING.values())
ITEMS: type[Any] = type(_NOTHING.items())
VIEWS = (KEYS, VALUES, ITEMS)
HOLDERS = (*LISTS, *SETS, *VIEWS, dict)
TABLES = (*SETS, KEYS, ITEMS, dict)
ORDERED = (int, str, bytes, tuple)


def parts_of(value: Any) -> Iterable[Any] | None:
    """What comparing or hashing this value looks at; None: it holds nothing, or has methods that count themselves."""
    kind = type(value)
    if kind is tuple or kind is list:
        return cast("Iterable[Any]", value)
    if isinstance(value, dict):
        return chain(value, value.values())
    if isinstance(value, HOLDERS):
        return value
    if isinstance(value, Struct) and cast("Any", kind).__eq__ is Struct.__eq__:
        return astuple(value)
    names = getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", None)
    if not names or isinstance(value, type) or cast(Any, kind).__eq__ is object.__eq__:
        return None
    return [getattr(value, name, None) for name in names]


def ordered_as(kind: type) -> type | None:
    """The built-in type whose order the values of a type have."""
    return next((each for each in ORDERED if issubclass(kind, each) and kind.__lt__ is each.__lt__), None)


def check_order(values: list[Any]) -> None:
    """Raises: TypeError: the order of these would depend on the order they came in."""
    columns = [values]
    while columns:
        column = columns.pop()
        kinds = {ordered_as(type(value)) for value in column}
        if len(kinds) != 1 or None in kinds:
            raise TypeError("a set of unlike values has no order: want all integers, all texts, or tuples of these")
        if tuple in kinds:
            longest = max(map(len, column))
            columns += [[value[i] for value in column if i < len(value)] for i in range(longest)]
