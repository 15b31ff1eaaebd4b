"""不动产单元代码 (GB/T 37346-2019): 28 characters, 6 county ‖ 3 cadastral zone ‖ 3 sub-zone ‖ 2 parcel class ‖ 5 parcel ‖
1 fixture ‖ 8 fixture number. It has no check character; land without a fixture ends in W00000000.
"""

from __future__ import annotations

from hnnode.plugin_api.ids import ascii_upper

BARE_LAND = "W00000000"
_RIGHTS, _CLASSES, _FIXTURES = "GJZ", "ABCDEFGHSWXY", "FLQW"


def is_unit_code(text: str) -> bool:
    """Whether the text has the layout of a unit code, upper case."""
    if len(text) != 28 or not text.isascii() or ascii_upper(text) != text:
        return False
    digits = text[:12] + text[14:19] + text[20:]
    if not digits.isdigit() or text[12] not in _RIGHTS or text[13] not in _CLASSES or text[19] not in _FIXTURES:
        return False
    return text[19] != "W" or text[19:] == BARE_LAND
