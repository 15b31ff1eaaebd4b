"""Text over ASCII alone.

`str.upper`, `isalpha` and `\\w` over all code points follow Unicode tables that change with the Python version, so
nothing here uses them.
"""

from __future__ import annotations

_TO_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_TO_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def ascii_upper(text: str) -> str:
    """Upper case of the letters a–z; every other character stays as it is."""
    return text.translate(_TO_UPPER)


def half_width(text: str) -> str:
    """Full-width forms of ASCII (U+FF01–FF5E) and the wide space as ASCII. For a gateway or a client: an identifier on
    the chain is ASCII already."""
    return text.translate(_TO_HALF)


def is_digits(text: str) -> bool:
    """Whether the text holds ASCII digits alone, one at least."""
    return text.isascii() and text.isdigit()
