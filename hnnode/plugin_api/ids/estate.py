"""不动产单元代码 (GB/T 37346-2019), 28 characters, no check digit.

    county 6 | cadastral area 3 | sub-area 3 | parcel: kind 2, serial 5 | fixture: kind 1, number 8

A parcel without a fixture ends in W00000000, and nothing else has fixture kind W.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hnnode.plugin_api.ids.fault import Fault, IdentifierError
from hnnode.plugin_api.ids.region import PROVINCES

LENGTH = 28
_CODE = re.compile(r"[0-9]{12}[GJZ][ABSXCDEFHGWY][0-9]{5}(?:[FLQ][0-9]{8}|W00000000)")
_CHARACTERS = re.compile(r"[0-9A-Z]{28}")


@dataclass(frozen=True, slots=True)
class EstateUnit:
    """Parts of a unit code. `ownership` G state, J collective, Z disputed or unclear; `fixture` F house, L wood, Q other,
    W none."""

    code: str
    region: str
    area: str
    sub_area: str
    ownership: str
    parcel_kind: str
    parcel_serial: str
    fixture: str
    fixture_number: str

    @property
    def parcel(self) -> str:
        """The first 19 characters: the parcel under the fixture."""
        return self.code[:19]

    @property
    def printed(self) -> str:
        """In the four groups of a certificate."""
        return f"{self.code[:6]} {self.code[6:12]} {self.code[12:19]} {self.code[19:]}"


def _fault(text: str) -> Fault | None:
    if len(text) != LENGTH:
        return Fault.LENGTH
    if _CHARACTERS.fullmatch(text) is None:
        return Fault.CHARACTER
    return None if _CODE.fullmatch(text) and text[:2] in PROVINCES else Fault.FIELD


def is_estate_unit(text: str) -> bool:
    """Real estate unit code, 28 characters without spaces, upper case."""
    return _fault(text) is None


def parse_estate_unit(text: str) -> EstateUnit:
    """Raises IdentifierError."""
    if (fault := _fault(text)) is not None:
        raise IdentifierError("不动产单元代码", "real estate unit code", fault)
    return EstateUnit(text, text[:6], text[6:9], text[9:12], text[12], text[13], text[14:19], text[19], text[20:])
