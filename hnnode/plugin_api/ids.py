"""Checks of public identifiers, over ASCII only.

`str.upper`, `isalpha` and `\\w` over all code points follow Unicode tables that change with the Python version, so
nothing here uses them. An identifier that passes its check may still not exist: a registry decides that.
"""

from __future__ import annotations

import re
from operator import mul

_TO_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC = re.compile(f"[{_USCC_ALPHABET}]{{18}}")
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_VALUES = bytes(max(_USCC_ALPHABET.find(chr(byte)), 0) for byte in range(256))
"""Each ASCII code's place in the alphabet, for `bytes.translate`."""

_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_CHECK = "10X98765432"
_CITIZEN = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9])(?:\+?86)?1[3-9][0-9]{9}(?![0-9])")
_LONG = re.compile(r"[0-9]{11}")
"""In every citizen number and mobile number, and in few other texts."""
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def ascii_upper(text: str) -> str:
    """Upper case of the letters a–z; every other character stays as it is."""
    return text.translate(_TO_UPPER)


def is_uscc(text: str) -> bool:
    """Unified social credit code with a valid check character (GB 32100-2015), upper case."""
    if _USCC.fullmatch(text) is None:
        return False
    values = text.encode().translate(_USCC_VALUES)
    total: int = sum(map(mul, values, _USCC_WEIGHTS)) + values[17]
    return total % 31 == 0


def gtin_check_digit(digits: str) -> str:
    """Check digit for the ASCII digits before it (GS1): weights 3, 1, 3, … from the right."""
    codes = digits.encode("ascii")
    odd, even = codes[::-2], codes[-2::-2]
    total = 3 * (sum(odd) - 48 * len(odd)) + sum(even) - 48 * len(even)
    return str(-total % 10)


def is_gtin(text: str) -> bool:
    """GTIN-8, -12, -13 or -14 with a valid check digit."""
    return len(text) in (8, 12, 13, 14) and _digits(text) and gtin_check_digit(text[:-1]) == text[-1]


def is_citizen_number(text: str) -> bool:
    """Citizen identity number with an existing date and a valid check character (GB 11643-1999)."""
    if len(text) != 18 or not _digits(text[:17]):
        return False
    year, month, day = int(text[6:10]), int(text[10:12]), int(text[12:14])
    if not (1800 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2 and day == 29 and not leap:
        return False
    total = sum(int(char) * weight for char, weight in zip(text, _CITIZEN_WEIGHTS, strict=False))
    return _CITIZEN_CHECK[total % 11] == ascii_upper(text[17])


def looks_personal(text: str) -> bool:
    """Whether the text holds a citizen identity number or a mobile number of the mainland, standing alone among other
    characters.
    """
    if _LONG.search(text) is None:
        return False
    return _MOBILE.search(text) is not None or any(is_citizen_number(hit) for hit in _CITIZEN.findall(text))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
