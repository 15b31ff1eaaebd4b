"""Where the code of a plugin stands while a block is executed, for those who want to know what holds a block up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnnode.execution.group import ForeignTx

DUE = "due"
PAGE = "migration"
"""In the place of an action's name: an item of due work, a page of a migration."""


@dataclass(frozen=True, slots=True)
class Standing:
    """isolated: in a process of its own, which is ended and tried again; else a thread of this node waits for it.
    tx_id: of a transaction, a due item or a page."""

    application: str
    action: str
    tx_id: bytes
    isolated: bool


def standing_at(application: str, txs: Sequence[ForeignTx], tx_id: bytes, *, isolated: bool) -> Standing:
    """What is not among the transactions is an item of due work."""
    action = next((tx[3] for tx in txs if tx[1] == tx_id), DUE)
    return Standing(application, action, tx_id, isolated)
