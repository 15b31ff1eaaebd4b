"""Where an opened database stands, and whether all its families stand there."""

from __future__ import annotations

from pathlib import Path

from hnnode.ports import Tip
from hnnode.storage import layout
from hnnode.storage.failure import corrupt
from hnnode.storage.families import Families
from hnnode.storage.layout import HEIGHT, STAMP_KEY, STAMPED


def load_tip(path: Path, families: Families) -> Tip | None:
    """None before genesis. Inside `with STORAGE`. Raises FatalError STORAGE_CORRUPT for a mixture of heights, another format, or
    a tip without its block and receipts."""
    stamps = {name: families[name].get(STAMP_KEY) for name in STAMPED}
    if len(set(stamps.values())) != 1:
        heights = {name: None if stamp is None else HEIGHT.unpack(stamp)[0] for name, stamp in stamps.items()}
        raise corrupt(f"{path}: column families stand at different heights: {heights}")
    row = families["meta"].get(layout.TIP_KEY)
    if row is None:
        if stamps["meta"] is not None:
            raise corrupt(f"{path}: the tip is missing")
        return None
    form = families["meta"].get(layout.FORMAT_KEY)
    if form != layout.U32.pack(layout.FORMAT):
        raise corrupt(f"{path}: format is {form!r}, want {layout.FORMAT}")
    tip = layout.decode_tip(row)
    block_row = families["blocks"].get(HEIGHT.pack(tip.height))
    if stamps["meta"] != HEIGHT.pack(tip.height) or (tip.height > 0 and block_row is None):
        raise corrupt(f"{path}: tip {tip.height} does not match its stamp or has no block")
    # Blocks and receipts have no stamp: the row of the tip is theirs, and one above it is of another write.
    for name in ("blocks", "receipts"):
        here, above = (families[name].get(HEIGHT.pack(at)) for at in (tip.height, tip.height + 1))
        if (here is None) != (tip.height == 0) or above is not None:
            raise corrupt(f"{path}: {name} do not end at the tip, height {tip.height}")
    if block_row is not None and layout.decode_block(block_row).block_hash != tip.block_hash:
        raise corrupt(f"{path}: tip {tip.height} and its block have different hashes")
    return tip
