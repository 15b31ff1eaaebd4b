"""电子证照标识 (GB/T 36904-2018).

    1.2.156.3005.2. | type: organisation's USCC 18 + number 3 | issuer's USCC 18 | serial | version 3 | check 1

The check character is ISO 7064 MOD 37,36 (GB/T 17710) over type, issuer, serial and version without dots; the root before
them is left out, and may be left out of the text. Every wrong character is caught.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hnnode.plugin_api.ids.fault import Fault, IdentifierError
from hnnode.plugin_api.ids.organisation import is_uscc

ROOT = "1.2.156.3005.2."
SERIAL_LENGTH_MAX = 40
_PARTS = re.compile(
    rf"([0-9A-Z]{{18}})([0-9A-Z]{{3}})\.([0-9A-Z]{{18}})\.([0-9A-Z]{{1,{SERIAL_LENGTH_MAX}}})\.([0-9]{{3}})\.([0-9A-Z])"
)
_CHARACTERS = re.compile(r"[0-9A-Z.]*")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class LicenceId:
    """Parts of a licence identifier; `code` has no root."""

    code: str
    type_owner: str
    """USCC of the organisation that defined the type."""
    type_number: str
    issuer: str
    serial: str
    version: str

    @property
    def type(self) -> str:
        return self.type_owner + self.type_number

    @property
    def full(self) -> str:
        return ROOT + self.code


def mod_37_36_check_character(body: str) -> str:
    """ISO 7064 MOD 37,36 over characters 0–9 and A–Z."""
    product = 36
    for char in body:
        value = int(char) if char < "A" else ord(char) - 55
        product = (product + value) % 36 or 36
        product = product * 2 % 37
    return _ALPHABET[(37 - product) % 36]


def _parse(text: str) -> LicenceId | Fault:
    code = text.removeprefix(ROOT)
    if _CHARACTERS.fullmatch(code) is None:
        return Fault.CHARACTER
    parts = _PARTS.fullmatch(code)
    if parts is None:
        return Fault.LENGTH
    owner, number, issuer, serial, version, check = parts.groups()
    if mod_37_36_check_character(owner + number + issuer + serial + version) != check:
        return Fault.CHECK
    if not (is_uscc(owner) and is_uscc(issuer)):
        return Fault.FIELD
    return LicenceId(code, owner, number, issuer, serial, version)


def is_licence_id(text: str) -> bool:
    """Licence identifier with valid check character and valid codes inside, with or without its root."""
    return isinstance(_parse(text), LicenceId)


def parse_licence_id(text: str) -> LicenceId:
    """Raises IdentifierError."""
    found = _parse(text)
    if isinstance(found, Fault):
        raise IdentifierError("电子证照标识", "electronic licence identifier", found)
    return found
