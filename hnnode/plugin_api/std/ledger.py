"""Conserved ledger: whole numbers of an asset in the hands of holders.

    issue → move, move, … → retire          split: one holder's position becomes new assets; merge: the other way
    lock → settle                           a locked asset stands still until whoever locked it settles

Amounts are integers (fen, grams, square centimetres); for parts of one thing see `shares.py`.

    prefix ‖ "a" ‖ asset                Asset
    prefix ‖ "p" ‖ asset ‖ 0 ‖ holder   Position           (asset names hold no zero byte)

Invariants:
1. Σ positions of an asset = its total; the total changes by issue, retire, split and merge alone.
2. No position is negative; one of nothing is not kept.
3. Σ of what a split makes = what it took, and a merge the same backwards: over all assets nothing comes or goes.
4. An asset has at most one live lock, and nothing of it moves meanwhile but by settling that lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from hnnode.plugin_api.context import Context, Reader
from hnnode.plugin_api.records import Records

AMOUNT_MAX = 2**63 - 1
PARTS_MAX = 16
"""Assets that one split makes or one merge takes, and moves that settle a lock."""


class Asset(msgspec.Struct, array_like=True):
    """`lock`: id of the live lock, empty while there is none; `lock_by`: who may settle it."""

    total: int
    lock: bytes = b""
    lock_by: bytes = b""
    locks: int = 0


class Position(msgspec.Struct, array_like=True):
    """What a holder has of an asset, more than nothing."""

    amount: int


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """Rule ids of the application, by what they refuse. exists, unknown: the asset; amount: nothing, too much for one
    asset, or more parts than one call takes; short: more than the holder has; unbalanced: parts do not add up; locked:
    the asset has a live lock; lock: there is no such lock, or it is not the sender's.
    """

    exists: str
    unknown: str
    amount: str
    short: str
    unbalanced: str
    locked: str
    lock: str


class Ledger:
    """Assets and positions under `prefix`. Who may issue or move is the application's affair."""

    __slots__ = ("_assets", "_positions", "_rules")

    def __init__(self, prefix: bytes, rules: LedgerRules) -> None:
        self._assets: Records[Asset] = Records(prefix + b"a", Asset)
        self._positions: Records[Position] = Records(prefix + b"p", Position)
        self._rules = rules

    def asset(self, reader: Reader, asset: bytes) -> Asset | None:
        return self._assets.get(reader, asset)

    def amount(self, reader: Reader, asset: bytes, holder: bytes) -> int:
        """What a holder has of an asset, 0 without a position."""
        found = self._positions.get(reader, asset + b"\0" + holder)
        return 0 if found is None else found.amount

    def keys(self, asset: bytes, *holders: bytes) -> tuple[bytes, ...]:
        """Keys of an asset and some positions, for key functions."""
        positions = self._positions.prefix + asset + b"\0"
        return (self._assets.prefix + asset, *(positions + holder for holder in holders))

    def issue(self, tx: Context, asset: bytes, holder: bytes, amount: int) -> None:
        """Bring an amount into the world, of a new asset or more of one that is there."""
        found = self._assets.get(tx, asset) or Asset(0)
        self._require_free(tx, found)
        tx.require(self._rules.amount, 0 < amount <= AMOUNT_MAX - found.total)
        found.total += amount
        self._assets.put(tx, asset, found)
        self._change(tx, asset, holder, amount)

    def retire(self, tx: Context, asset: bytes, holder: bytes, amount: int) -> None:
        """Take an amount out of the world."""
        found = self._require(tx, asset)
        self._require_free(tx, found)
        tx.require(self._rules.amount, amount > 0)
        self._change(tx, asset, holder, -amount)
        found.total -= amount
        self._assets.put(tx, asset, found)

    def move(self, tx: Context, asset: bytes, giver: bytes, taker: bytes, amount: int) -> None:
        self._require_free(tx, self._require(tx, asset))
        self._move(tx, asset, giver, taker, amount)

    def split(self, tx: Context, asset: bytes, holder: bytes, parts: Sequence[tuple[bytes, int]]) -> None:
        """The holder's whole position becomes positions of new assets, which add up to it."""
        found = self._require(tx, asset)
        self._require_free(tx, found)
        tx.require(self._rules.amount, 0 < len(parts) <= PARTS_MAX and all(amount > 0 for _, amount in parts))
        whole = self.amount(tx, asset, holder)
        tx.require(self._rules.unbalanced, sum(amount for _, amount in parts) == whole)
        self._change(tx, asset, holder, -whole)
        found.total -= whole
        self._assets.put(tx, asset, found)
        for name, amount in parts:
            tx.require(self._rules.exists, self._assets.get(tx, name) is None)
            self._assets.put(tx, name, Asset(amount))
            self._change(tx, name, holder, amount)

    def merge(self, tx: Context, assets: Sequence[bytes], holder: bytes, into: bytes) -> None:
        """The holder's whole positions of some assets become one of a new asset."""
        tx.require(self._rules.amount, 0 < len(assets) <= PARTS_MAX)
        tx.require(self._rules.exists, self._assets.get(tx, into) is None)
        total = 0
        for name in assets:
            found = self._require(tx, name)
            self._require_free(tx, found)
            whole = self.amount(tx, name, holder)
            tx.require(self._rules.short, whole > 0)
            self._change(tx, name, holder, -whole)
            found.total -= whole
            self._assets.put(tx, name, found)
            total += whole
        tx.require(self._rules.amount, total <= AMOUNT_MAX)
        self._assets.put(tx, into, Asset(total))
        self._change(tx, into, holder, total)

    def lock(self, tx: Context, asset: bytes, lock: bytes) -> None:
        """Hold an asset still under an id that is not empty; the sender alone settles it."""
        found = self._require(tx, asset)
        self._require_free(tx, found)
        tx.require(self._rules.lock, len(lock) > 0)
        found.lock, found.lock_by = lock, tx.sender
        found.locks += 1
        self._assets.put(tx, asset, found)

    def settle(self, tx: Context, asset: bytes, lock: bytes, moves: Sequence[tuple[bytes, bytes, int]] = ()) -> None:
        """End the lock with the moves (giver, taker, amount) that it was made for, or with none: all stays where it
        was.
        """
        found = self._require(tx, asset)
        tx.require(self._rules.lock, found.lock == lock and len(lock) > 0 and found.lock_by == tx.sender)
        tx.require(self._rules.amount, len(moves) <= PARTS_MAX)
        found.lock = found.lock_by = b""
        self._assets.put(tx, asset, found)
        for giver, taker, amount in moves:
            self._move(tx, asset, giver, taker, amount)

    def _require(self, tx: Context, asset: bytes) -> Asset:
        found = self._assets.get(tx, asset)
        if found is None:
            tx.fail(self._rules.unknown)
        return found

    def _require_free(self, tx: Context, found: Asset) -> None:
        if found.lock:
            tx.fail(self._rules.locked)

    def _move(self, tx: Context, asset: bytes, giver: bytes, taker: bytes, amount: int) -> None:
        tx.require(self._rules.amount, amount > 0)
        self._change(tx, asset, giver, -amount)
        self._change(tx, asset, taker, amount)

    def _change(self, tx: Context, asset: bytes, holder: bytes, by: int) -> None:
        key = asset + b"\0" + holder
        position = self._positions.get(tx, key) or Position(0)
        position.amount += by
        if position.amount < 0:
            tx.fail(self._rules.short)
        if position.amount:
            self._positions.put(tx, key, position)
        else:
            self._positions.delete(tx, key)
