"""Exceptions that plugin code left behind, looked at without running any more of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hnnode.plugin_api.outcome import QueryRefused

CAUSES_MAX = 64
"""Exceptions looked at behind one; code that hides more of them is stopped where it handles the first."""
REFUSALS = frozenset(("NOT_FOUND", "PARAMETER_INVALID", "QUERY_TOO_BROAD"))

FAULT_CHARS = 300
"""What a log line or an answer shows of an exception."""


def arguments(fault: BaseException) -> tuple[Any, ...]:
    """Its arguments, whatever its class calls so."""
    found: tuple[Any, ...] = vars(BaseException)["args"].__get__(fault)
    return found


def fault_text(fault: BaseException) -> str:
    """The exception's type and those of its arguments that are texts and integers. Its `__str__` may be the plugin's and
    fail in turn, so it is not asked.
    """
    args = arguments(fault)
    shown = [str(each)[:FAULT_CHARS] for each in args[:8] if type(each) is str or type(each) is int]
    return plain(f"{type(fault).__name__}: {', '.join(shown)}"[:FAULT_CHARS])


def plain(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def refusal_text(refusal: QueryRefused) -> tuple[str, str]:
    """Name and detail of a query's refusal; HANDLER_FAILED when they are not those that a query may give."""
    match arguments(refusal):
        case (name, detail) if type(name) is str and type(detail) is str and name in REFUSALS:
            return name, plain(detail)
    return "HANDLER_FAILED", fault_text(refusal)


def causes(fault: BaseException) -> Iterator[BaseException]:
    """The exception and those that it took the place of while they were on their way, the newest `CAUSES_MAX` of them."""
    each: BaseException | None = fault
    for _ in range(CAUSES_MAX):
        if each is None:
            return
        yield each
        each = each.__context__
