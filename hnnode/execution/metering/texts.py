"""Encodings of texts that are the same everywhere: the others are files of the interpreter, which an isolated process
cannot read, or tables that change with its version.
"""

from __future__ import annotations

ENCODINGS = frozenset(("utf-8", "utf8", "UTF-8", "ascii", "latin-1"))
ERRORS = frozenset(("strict", "ignore", "replace", "surrogateescape", "backslashreplace"))


def check_codec(encoding: str = "utf-8", errors: str = "strict") -> tuple[str, str]:
    """Arguments of `encode` and `decode`. Raises: ValueError: not for plugins."""
    if encoding not in ENCODINGS or errors not in ERRORS:
        raise ValueError(f"want one of {', '.join(sorted(ENCODINGS))} and one of {', '.join(sorted(ERRORS))}")
    return encoding, errors
