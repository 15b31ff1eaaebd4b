"""The chain of a pack: the pack and the packs it came in, nearest first, as one line of digits.

    layer (1 digit) ‖ pieces (6 digits) ‖ code (20 digits), for each of them

The line is the leaf that an activation's root commits to.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hn_medical.trace_models import CHAIN_MAX, LINK_CHARS
from hnnode.plugin_api.std.trace import LAYERS_MAX


class Link(Struct, frozen=True):
    """`units`: pieces inside, 1 for a smallest pack of one piece."""

    layer: int
    units: int
    code: str


def read_chain(text: str) -> list[Link]:
    """The links of a chain; empty when it is malformed: layers rise, pieces do not fall, no code comes
    twice, at most CHAIN_MAX links."""
    if len(text) % LINK_CHARS or not 1 <= len(text) // LINK_CHARS <= CHAIN_MAX:
        return []
    links = []
    layer, units = 0, 1
    for at in range(0, len(text), LINK_CHARS):
        link = Link(int(text[at]), int(text[at + 1 : at + 7]), text[at + 7 : at + LINK_CHARS])
        if not layer < link.layer <= LAYERS_MAX or link.units < units:
            return []
        layer, units = link.layer, link.units
        links.append(link)
    return links if len({link.code for link in links}) == len(links) else []


def write_chain(links: Sequence[Link]) -> str:
    return "".join(f"{link.layer}{link.units:06d}{link.code}" for link in links)
