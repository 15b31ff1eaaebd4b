"""学历证书编号 and 学位证书编号; neither has a check digit, so the parts must fit the record they stand in.

学历   school 5 | kind 1 | year 4 | level 2 | serial 6
学位   school 5 | level 1 | year 4 | serial 6
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.plugin_api.ids.ascii import is_digits
from hnnode.plugin_api.ids.fault import Fault, IdentifierError

DIPLOMA_LENGTH = 18
DEGREE_LENGTH = 16
DIPLOMA_KINDS = ("1", "5", "6", "7")
DIPLOMA_LEVELS = ("01", "02", "04", "05", "06")
DEGREE_LEVELS = ("2", "3", "4")
_YEARS = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class DiplomaNumber:
    """`level` 01 doctor, 02 master, 04 second bachelor, 05 bachelor, 06 junior college."""

    number: str
    school: str
    kind: str
    year: int
    level: str
    serial: str


@dataclass(frozen=True, slots=True)
class DegreeNumber:
    """`level` 2 doctor, 3 master, 4 bachelor."""

    number: str
    school: str
    level: str
    year: int
    serial: str


def _diploma_fault(text: str) -> Fault | None:
    if len(text) != DIPLOMA_LENGTH:
        return Fault.LENGTH
    if not is_digits(text):
        return Fault.CHARACTER
    fits = text[5] in DIPLOMA_KINDS and int(text[6:10]) in _YEARS and text[10:12] in DIPLOMA_LEVELS
    return None if fits else Fault.FIELD


def is_diploma_number(text: str) -> bool:
    """学历证书编号 by its shape."""
    return _diploma_fault(text) is None


def parse_diploma_number(text: str) -> DiplomaNumber:
    """Raises IdentifierError."""
    if (fault := _diploma_fault(text)) is not None:
        raise IdentifierError("学历证书编号", "diploma number", fault)
    return DiplomaNumber(text, text[:5], text[5], int(text[6:10]), text[10:12], text[12:])


def _degree_fault(text: str) -> Fault | None:
    if len(text) != DEGREE_LENGTH:
        return Fault.LENGTH
    if not is_digits(text):
        return Fault.CHARACTER
    return None if text[5] in DEGREE_LEVELS and int(text[6:10]) in _YEARS else Fault.FIELD


def is_degree_number(text: str) -> bool:
    """学位证书编号 by its shape."""
    return _degree_fault(text) is None


def parse_degree_number(text: str) -> DegreeNumber:
    """Raises IdentifierError."""
    if (fault := _degree_fault(text)) is not None:
        raise IdentifierError("学位证书编号", "degree number", fault)
    return DegreeNumber(text, text[:5], text[5], int(text[6:10]), text[10:])
