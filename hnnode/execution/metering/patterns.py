"""Patterns of texts that metered code declares: only those whose matching takes bounded work are let through.

Matching is the one thing that the decoder of payloads does by the vendor's word alone, before any code that is counted
runs. A pattern is bounded here by the ways in which its variable parts can share a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from msgspec import inspect

from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.registry import Registry

WAYS_MAX = 10_000
"""Ways in which the variable parts of one pattern, but for the widest, may take their share of a text."""
_UNBOUNDED = 1 << 20


def check_patterns(registry: Registry) -> None:
    """Raises: ModelError: a pattern of an action, query or event may take work without bound."""
    models = [action.model for action in registry.actions.values()]
    models += [query.model for query in registry.queries.values()]
    models += [event.model for event in registry.events.values()]
    for model in models:
        for pattern in _patterns(inspect.type_info(model)):
            check_pattern(pattern)


def _patterns(info: inspect.Type) -> Iterator[str]:
    match info:
        case inspect.StrType():
            if info.pattern is not None:
                yield info.pattern
        case inspect.Metadata():
            yield from _patterns(info.type)
        case inspect.StructType():
            for field in info.fields:
                yield from _patterns(field.type)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _patterns(info.item_type)
        case inspect.TupleType():
            for item in info.item_types:
                yield from _patterns(item)
        case inspect.UnionType():
            for member in info.types:
                yield from _patterns(member)


def check_pattern(pattern: str) -> None:
    """Raises: ModelError."""
    try:
        widths = list(_widths(parser.parse(pattern), False))
    except (re.error, RecursionError, OverflowError) as e:
        raise ModelError(f"pattern {pattern!r}: {e}") from e
    ways = 1
    for width in sorted(widths)[:-1]:
        ways *= width
    if ways > WAYS_MAX:
        raise ModelError(f"pattern {pattern!r}: its parts can share a text in more than {WAYS_MAX} ways")


def _widths(items: Any, repeated: bool) -> Iterator[int]:
    """How many lengths each variable part may have."""
    for op, argument in items:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, inner = argument
            width = _UNBOUNDED if high is sre.MAXREPEAT else int(high) - int(low) + 1
            if repeated and width > 1:
                raise ModelError("pattern: a repetition within a repetition")
            yield width
            yield from _widths(inner, True)
        elif op is sre.SUBPATTERN:
            yield from _widths(argument[-1], repeated)
        elif op is sre.BRANCH:
            yield len(argument[1]) if not repeated else WAYS_MAX + 1
            for branch in argument[1]:
                yield from _widths(branch, repeated)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _widths(argument[1], repeated)
        elif op not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY, sre.AT):
            raise ModelError(f"pattern: {op} is not for plugins")
