"""公民身份号码 (GB 11643-1999): region 6, date of birth 8, serial 3, check 1 (modulo 11, 10 is X).

Every wrong character and every swap of two neighbours is caught. Such a number is never stored in clear: see
`hnnode.plugin_api.privacy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.plugin_api.ids.ascii import ascii_upper, is_digits
from hnnode.plugin_api.ids.fault import Fault, IdentifierError

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, repr=False)
class CitizenNumber:
    """Parts of a number. Its representation shows the region and the year alone."""

    number: str
    region: str
    year: int
    month: int
    day: int
    serial: str

    @property
    def is_male(self) -> bool:
        return int(self.serial[2]) % 2 == 1

    @property
    def masked(self) -> str:
        """The number with everything between the region and the last character hidden."""
        return f"{self.region}{'*' * 11}{self.number[17]}"

    def __repr__(self) -> str:
        return f"CitizenNumber({self.masked})"


def citizen_check_character(body: str) -> str:
    """Check character for the 17 digits before it."""
    return _CHECKS[sum(int(char) * weight for char, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def is_date(text: str) -> bool:
    """Whether eight ASCII digits are a day of the years 1800 to 2199."""
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if not (1800 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return leap or (month, day) != (2, 29)


def _fault(text: str) -> Fault | None:
    if len(text) != 18:
        return Fault.LENGTH
    if not is_digits(text[:17]) or text[17] not in "0123456789Xx":
        return Fault.CHARACTER
    if not is_date(text[6:14]):
        return Fault.DATE
    return None if citizen_check_character(text[:17]) == ascii_upper(text[17]) else Fault.CHECK


def is_citizen_number(text: str) -> bool:
    """Citizen identity number with an existing date and a valid check character."""
    return _fault(text) is None


def parse_citizen_number(text: str) -> CitizenNumber:
    """Parts, with the check character in upper case. Raises IdentifierError."""
    if (fault := _fault(text)) is not None:
        raise IdentifierError("公民身份号码", "citizen identity number", fault)
    return CitizenNumber(ascii_upper(text), text[:6], int(text[6:10]), int(text[10:12]), int(text[12:14]), text[14:17])
