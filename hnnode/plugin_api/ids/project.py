"""项目代码 (GB/T 40058-2021): `tttt-rrrrrr-mm-kk-nnnnnc`, 24 characters with hyphens.

Time 4 (a year, or year and month of two digits each), region 6, ministry 2, kind 2, random 5, check 1. The rule of the
check digit is not enforced: any digit passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hnnode.plugin_api.ids.fault import Fault, IdentifierError
from hnnode.plugin_api.ids.region import PROVINCES

LENGTH = 24
_CODE = re.compile(r"([0-9]{4})-([0-9]{6})-([0-9]{2})-([0-9]{2})-([0-9]{6})")


@dataclass(frozen=True, slots=True)
class ProjectCode:
    """Parts of a project code."""

    code: str
    time: str
    region: str
    ministry: str
    kind: str
    serial: str
    """6 digits, the last one is the check digit."""


def _parse(text: str) -> ProjectCode | Fault:
    if len(text) != LENGTH:
        return Fault.LENGTH
    parts = _CODE.fullmatch(text)
    if parts is None:
        return Fault.CHARACTER
    time, region, ministry, kind, serial = parts.groups()
    month = int(time[2:])
    if region[:2] not in PROVINCES or not (time[:2] in ("19", "20") or 1 <= month <= 12):
        return Fault.FIELD
    return ProjectCode(text, time, region, ministry, kind, serial)


def is_project_code(text: str) -> bool:
    """Project code by its shape."""
    return isinstance(_parse(text), ProjectCode)


def parse_project_code(text: str) -> ProjectCode:
    """Raises IdentifierError."""
    found = _parse(text)
    if isinstance(found, Fault):
        raise IdentifierError("项目代码", "project code", found)
    return found
