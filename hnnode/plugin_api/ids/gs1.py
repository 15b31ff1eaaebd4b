"""GS1 keys: GTIN (trade items), GLN (places and parties), SSCC (logistic units).

The check digit is the same for all: weights 3, 1, 3, … from the right, modulo 10. Every wrong digit is caught, and swaps
of two neighbours unless the digits differ by 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from hnnode.plugin_api.ids.ascii import is_digits
from hnnode.plugin_api.ids.fault import Fault, IdentifierError

GTIN_LENGTHS = (8, 12, 13, 14)
GLN_LENGTH = 13
SSCC_LENGTH = 18


@dataclass(frozen=True, slots=True)
class Gtin:
    """`code` as given; `gtin14` is the form in which two writings of one item are equal."""

    code: str

    @property
    def gtin14(self) -> str:
        return self.code.rjust(14, "0")

    @property
    def indicator(self) -> str:
        """Packing level, 0 for the item itself, 9 for variable measure."""
        return self.gtin14[0]

    @property
    def is_from_china(self) -> bool:
        """Whether the number was given out by GS1 China (690–699)."""
        return self.gtin14[1:3] == "69"


@dataclass(frozen=True, slots=True)
class Sscc:
    """A logistic unit: extension digit and serial with the company's prefix, whose length is not in the number."""

    code: str

    @property
    def extension(self) -> str:
        return self.code[0]


def gtin_check_digit(digits: str) -> str:
    """Check digit for the ASCII digits before it: weights 3, 1, 3, … from the right."""
    codes = digits.encode("ascii")
    odd, even = codes[::-2], codes[-2::-2]
    total = 3 * (sum(odd) - 48 * len(odd)) + sum(even) - 48 * len(even)
    return str(-total % 10)


def gs1_fault(text: str, lengths: tuple[int, ...]) -> Fault | None:
    """What is wrong with a number that ends in a GS1 check digit."""
    if len(text) not in lengths:
        return Fault.LENGTH
    if not is_digits(text):
        return Fault.CHARACTER
    return None if gtin_check_digit(text[:-1]) == text[-1] else Fault.CHECK


def is_gtin(text: str) -> bool:
    """GTIN-8, -12, -13 or -14 with a valid check digit."""
    return gs1_fault(text, GTIN_LENGTHS) is None


def is_gln(text: str) -> bool:
    """Global location number with a valid check digit."""
    return gs1_fault(text, (GLN_LENGTH,)) is None


def is_sscc(text: str) -> bool:
    """Serial shipping container code with a valid check digit."""
    return gs1_fault(text, (SSCC_LENGTH,)) is None


def parse_gtin(text: str) -> Gtin:
    """Raises IdentifierError."""
    if (fault := gs1_fault(text, GTIN_LENGTHS)) is not None:
        raise IdentifierError("商品条码", "GTIN", fault)
    return Gtin(text)


def parse_sscc(text: str) -> Sscc:
    """Raises IdentifierError."""
    if (fault := gs1_fault(text, (SSCC_LENGTH,))) is not None:
        raise IdentifierError("系列货运包装箱代码", "SSCC", fault)
    return Sscc(text)
