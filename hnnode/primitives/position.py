"""Positions of events as text: `height.tx_index.event_index`, the id of an event on every wire.

The first event of a chain is `1.0.0`, so `0.0.0` stands before all of them.
"""

from __future__ import annotations

import re

from hnnode.errors import Rejected

BEGINNING = "0.0.0"
INDEX_MAX = 2**32 - 1
_SHAPE = re.compile(r"([0-9]{1,19})\.([0-9]{1,10})\.([0-9]{1,10})", re.ASCII)


def format_position(height: int, tx_index: int, event_index: int) -> str:
    return f"{height}.{tx_index}.{event_index}"


def parse_position(text: str, what: str = "cursor") -> tuple[int, int, int]:
    """(height, tx_index, event_index). Raises Rejected 1009."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise Rejected(
            "PARAMETER_INVALID", f"{what}: got {text[:60]!r}, want height.tx_index.event_index such as {BEGINNING}"
        )
    height, tx_index, event_index = (int(part) for part in found.groups())
    if height >= 2**63 or tx_index > INDEX_MAX or event_index > INDEX_MAX:
        raise Rejected("PARAMETER_INVALID", f"{what}: got {text}, want numbers in range")
    return height, tx_index, event_index


class ScanEnded(Rejected):
    """A bounded scan met nothing to return before its budget was used up; go on after `position`."""

    def __init__(self, position: tuple[int, int, int]) -> None:
        self.position = position
        at = format_position(*position)
        super().__init__("QUERY_TOO_BROAD", f"no match up to {at}: continue with after={at}, or name fewer filters")
