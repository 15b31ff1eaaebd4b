"""Rows of the transaction index, made from receipts as the core makes them."""

from __future__ import annotations

from collections.abc import Sequence

from hnnode.storage import layout


def index_rows(height: int, receipts: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """(tx id, place) of the receipts that decide their transaction."""
    return [
        (receipt[layout.RECEIPT_ID], layout.TX_LOCATION.pack(height, index))
        for index, receipt in enumerate(receipts)
        if receipt[layout.RECEIPT_CODE] not in layout.NOT_FINAL
    ]
