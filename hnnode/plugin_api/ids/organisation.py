"""统一社会信用代码 (GB 32100-2015) and the 组织机构代码 (GB 11714) inside it.

    department 1 | kind 1 | region 6 | organisation code 8 + check 1 | check 1

The alphabet has no I, O, S, V, Z. The outer check is modulo 31, a prime, so every wrong character and every swap of two
neighbours is caught. The inner one is modulo 11 over values up to 35: it catches every wrong digit, and letters unless
their values differ by a multiple of 11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import mul

from hnnode.plugin_api.ids.fault import Fault, IdentifierError

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC = re.compile(f"[{_ALPHABET}]{{2}}[0-9]{{6}}[{_ALPHABET}]{{10}}")
_CHARACTERS = re.compile(f"[{_ALPHABET}]{{18}}")
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_VALUES = bytes(max(_ALPHABET.find(chr(byte)), 0) for byte in range(256))
"""Each ASCII code's place in the alphabet, for `bytes.translate`."""

_ORGANISATION = re.compile(r"[0-9A-Z]{8}-?[0-9X]")
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_VALUES = bytes(max("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(chr(byte)), 0) for byte in range(256))
_ORGANISATION_CHECKS = "0X987654321"


@dataclass(frozen=True, slots=True)
class Uscc:
    """Parts of a unified social credit code. `department` 1 is 机构编制, 5 民政, 9 市场监管; `kind` depends on it."""

    code: str
    department: str
    kind: str
    region: str
    organisation: str
    """9 characters: the organisation code with its own check."""


@dataclass(frozen=True, slots=True)
class OrganisationCode:
    """`code` has 9 characters, without the hyphen."""

    code: str

    @property
    def printed(self) -> str:
        return f"{self.code[:8]}-{self.code[8]}"


def uscc_check_character(body: str) -> str:
    """Check character for the 17 characters before it; each must be of the alphabet."""
    total: int = sum(map(mul, body.encode("ascii").translate(_VALUES), _WEIGHTS))
    return _ALPHABET[-total % 31]


def organisation_check_character(body: str) -> str:
    """Check character for the 8 characters (0–9, A–Z) before it."""
    total: int = sum(map(mul, body.encode("ascii").translate(_ORGANISATION_VALUES), _ORGANISATION_WEIGHTS))
    return _ORGANISATION_CHECKS[total % 11]


def _uscc_fault(text: str) -> Fault | None:
    if len(text) != 18:
        return Fault.LENGTH
    if _USCC.fullmatch(text) is None:
        return Fault.FIELD if _CHARACTERS.fullmatch(text) else Fault.CHARACTER
    values = text.encode().translate(_VALUES)
    total: int = sum(map(mul, values, _WEIGHTS)) + values[17]
    if total % 31 or organisation_check_character(text[8:16]) != text[16]:
        return Fault.CHECK
    return None


def is_uscc(text: str) -> bool:
    """Unified social credit code whose check character and whose organisation code's check hold, upper case."""
    return _uscc_fault(text) is None


def parse_uscc(text: str) -> Uscc:
    """Raises IdentifierError."""
    if (fault := _uscc_fault(text)) is not None:
        raise IdentifierError("统一社会信用代码", "unified social credit code", fault)
    return Uscc(text, text[0], text[1], text[2:8], text[8:17])


def _organisation_fault(text: str) -> Fault | None:
    if len(text) not in (9, 10):
        return Fault.LENGTH
    if _ORGANISATION.fullmatch(text) is None:
        return Fault.CHARACTER
    return None if organisation_check_character(text[:8]) == text[-1] else Fault.CHECK


def is_organisation_code(text: str) -> bool:
    """Organisation code with a valid check, with or without its hyphen."""
    return _organisation_fault(text) is None


def parse_organisation_code(text: str) -> OrganisationCode:
    """Raises IdentifierError."""
    if (fault := _organisation_fault(text)) is not None:
        raise IdentifierError("组织机构代码", "organisation code", fault)
    return OrganisationCode(text[:8] + text[-1])
