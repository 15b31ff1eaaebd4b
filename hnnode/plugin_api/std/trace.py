"""Trace graph: lots of something countable, what became of them, who has them, and what they are packed into.

    create → carve, transform → new lots;  offer → confirm moves a lot;  put_in, take_out pack it;  consume, finish end it

A lot is a whole number of grams or pieces in one hand. Edges go from a lot to the lots made from it. A container moves
with everything inside it: a lot inside has no hand of its own, `top` finds the container that does. Holds (freeze,
recall) live in `holds.py`.

    prefix ‖ lot id      Lot, or the application's own Struct derived from it

A method changes the lots it is given and stores none: the handler stores each once, with `put`, when it is done. What
two lots of one transaction have in common must be the same object.

The lots made from one lot form a list through its children: the parent names the newest, each child the one before. So
an edge costs no row of its own, and no lot grows with the number of its children.

Invariants (`audit` checks all of them):
1. initial = quantity + moved + consumed + lost, for each lot, and none is negative.
2. What a transformation moves out of its inputs is what its outputs started with, plus the declared loss.
3. Made lots are new ids and one generation later than the newest lot they were made from: the graph has no cycle, and
   no path longer than `generations_max`.
4. A lot has one holder, who changes by the signatures of both: `offer` by the holder, `confirm` by the receiver.
5. A container has a higher layer than what is inside: no cycle, at most LAYERS_MAX steps to the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from hnnode.plugin_api.context import Context, Reader
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.records import Records

LAYERS_MAX = 8
GENERATIONS_MAX = 32
"""Most generations a trace may allow."""
INPUTS_MAX = 16
"""Inputs of one transformation; outputs are bounded by the writes of a transaction."""


class Lot(msgspec.Struct, array_like=True):
    """`parents`: (parent, its child before this one). `newest`: the child made last. `receiver`: who an open offer is
    for, `offer_ends_ms` until when. `layer`: what is inside a container has a lower one. `contents`: lots directly
    inside. `holds`: freezes and recalls that have reached it.

    An application adds fields with defaults in a Struct of its own; a field added here would move them, so this layout
    is fixed.
    """

    holder: bytes
    quantity: int
    layer: int = 0
    inside: bytes = b""
    contents: int = 0
    ended: bool = False
    initial: int = 0
    moved: int = 0
    consumed: int = 0
    lost: int = 0
    generation: int = 0
    parents: list[tuple[bytes, bytes]] = []
    newest: bytes = b""
    holds: int = 0
    receiver: bytes = b""
    offer_ends_ms: int = 0


L = TypeVar("L", bound=Lot)


@dataclass(frozen=True, slots=True)
class TraceRules:
    """Rule ids of the application; two may be the same. `unknown`, `exists`: of a lot id; `ended`: nothing is left of
    the lot; `offered`: it is on its way to somebody; `inside`: it is in a container, which is what can be moved;
    `layer`: a container needs a higher layer than its contents; `not_holder`, `not_receiver`, `own_account`: of a
    hand-over; `offer_over`, `offer_live`: its time; `exceeds`: more than there is; `deep`: too many generations; `held`:
    the lot or one that it was made from is held.
    """

    unknown: str
    exists: str
    ended: str
    offered: str
    inside: str
    layer: str
    not_holder: str
    not_receiver: str
    own_account: str
    offer_over: str
    offer_live: str
    exceeds: str
    deep: str
    held: str


@dataclass(frozen=True, slots=True)
class TransformRules:
    """Rule ids of an application that transforms. `filled`: something is inside of an input; `unbalanced`: the sides
    differ; `twice`: a lot is named twice, or there are too many.
    """

    filled: str
    unbalanced: str
    twice: str


class Trace(Generic[L]):
    """Lots of one application under `prefix`."""

    __slots__ = ("_lots", "_rules", "_transforming", "generations_max", "prefix")

    def __init__(
        self,
        prefix: bytes,
        model: type[L],
        rules: TraceRules,
        transforming: TransformRules | None = None,
        generations_max: int = GENERATIONS_MAX,
    ) -> None:
        if not 1 <= generations_max <= GENERATIONS_MAX:
            raise ModelError(f"generations_max: got {generations_max}, want 1 to {GENERATIONS_MAX}")
        self.prefix = prefix
        self.generations_max = generations_max
        self._lots: Records[L] = Records(prefix, model)
        self._rules = rules
        self._transforming = transforming

    def get(self, reader: Reader, lot_id: bytes) -> L | None:
        return self._lots.get(reader, lot_id)

    def load(self, tx: Context, lot_id: bytes) -> L:
        """The lot, or refusal by `unknown`."""
        found = self._lots.get(tx, lot_id)
        if found is None:
            tx.fail(self._rules.unknown)
        return found

    def put(self, tx: Context, lot_id: bytes, lot: L) -> None:
        self._lots.put(tx, lot_id, lot)

    def decode(self, value: bytes) -> L:
        """A value that a scan under `prefix` returned."""
        return self._lots.decode(value)

    def require_new(self, tx: Context, lot_id: bytes) -> None:
        """Refuse an id that has been a lot before."""
        if self._lots.get(tx, lot_id) is not None:
            tx.fail(self._rules.exists)

    def create(self, tx: Context, lot_id: bytes, lot: L) -> None:
        """A lot out of nothing, such as what a maker brings in; the caller says how much and who holds it."""
        self.require_new(tx, lot_id)
        lot.initial = lot.quantity

    # ---------------------------------------------------------------- whether a lot may change

    def top(self, reader: Reader, lot_id: bytes, lot: L) -> list[tuple[bytes, L]]:
        """The lot and the containers it is in, outermost last: whoever holds that one has the lot.

        Cost: one read a container, at most LAYERS_MAX.
        """
        chain = [(lot_id, lot)]
        for _ in range(LAYERS_MAX):
            if not lot.inside:
                break
            lot_id = lot.inside
            found = self._lots.get(reader, lot_id)
            if found is None:
                raise LookupError(f"container {lot_id.hex()} is not there")
            lot = found
            chain.append((lot_id, lot))
        return chain

    def require_free(self, tx: Context, chain: Sequence[tuple[bytes, L]]) -> None:
        """Refuse unless every lot of a chain (`top`) may change now: not ended, not offered, not held, nor one of its
        direct parents. A hold reaches what lies further down by its own walk.
        """
        rules = self._rules
        for _, lot in chain:
            if lot.ended:
                tx.fail(rules.ended)
            if lot.receiver:
                tx.fail(rules.offered)
        self.require_unheld(tx, chain)

    def require_unheld(self, tx: Context, chain: Sequence[tuple[bytes, L]]) -> None:
        """Refuse while a lot of the chain or one of its direct parents is held."""
        for _, lot in chain:
            if lot.holds:
                tx.fail(self._rules.held)
        known = [lot_id for lot_id, _ in chain]
        for _, lot in chain:
            for parent_id, _ in lot.parents:
                if parent_id not in known and self.load(tx, parent_id).holds:
                    tx.fail(self._rules.held)

    def require_holder(self, tx: Context, lot: L) -> None:
        """`lot` is the outermost of a chain."""
        if lot.holder != tx.sender:
            tx.fail(self._rules.not_holder)

    # ---------------------------------------------------------------- quantities

    def carve(self, tx: Context, source_id: bytes, source: L, new_id: bytes, new: L) -> None:
        """Make a new lot of `new.quantity` out of a part of another, which keeps the rest. The caller has asked
        `require_free` for the source's chain.
        """
        self.require_new(tx, new_id)
        if not 0 < new.quantity <= source.quantity:
            tx.fail(self._rules.exceeds)
        new.initial = new.quantity
        source.quantity -= new.quantity
        source.moved += new.quantity
        self._link(tx, [(source_id, source)], new_id, new)

    def transform(
        self, tx: Context, inputs: Sequence[tuple[bytes, L]], outputs: Sequence[tuple[bytes, L]], loss: int
    ) -> None:
        """End the inputs and make the outputs of all their quantity but `loss`, which is booked on the first input that
        has it. Inputs are lots of the sender that stand alone: neither inside nor filled.
        """
        rules = self._transforming
        if rules is None:
            raise LookupError("a trace without rules for transformations")
        names = [lot_id for lot_id, _ in (*inputs, *outputs)]
        if not 0 < len(inputs) <= INPUTS_MAX or not outputs or len(set(names)) < len(names):
            tx.fail(rules.twice)
        for lot_id, lot in inputs:
            self.require_holder(tx, lot)
            self.require_free(tx, ((lot_id, lot),))
            if lot.inside:
                tx.fail(self._rules.inside)
            if lot.contents:
                tx.fail(rules.filled)
        made = sum(lot.quantity for _, lot in outputs)
        if loss < 0 or any(lot.quantity <= 0 for _, lot in outputs):
            tx.fail(rules.unbalanced)
        if made + loss != sum(lot.quantity for _, lot in inputs):
            tx.fail(rules.unbalanced)
        for lot_id, lot in outputs:
            self.require_new(tx, lot_id)
            lot.initial = lot.quantity
            self._link(tx, inputs, lot_id, lot)
        for _, lot in inputs:
            lost = min(loss, lot.quantity)
            loss -= lost
            lot.lost += lost
            lot.moved += lot.quantity - lost
            lot.quantity = 0
            lot.ended = True

    def _link(self, tx: Context, parents: Sequence[tuple[bytes, L]], new_id: bytes, new: L) -> None:
        new.generation = 1 + max(parent.generation for _, parent in parents)
        if new.generation > self.generations_max:
            tx.fail(self._rules.deep)
        new.parents = [(parent_id, parent.newest) for parent_id, parent in parents]
        for _, parent in parents:
            parent.newest = new_id

    def consume(self, tx: Context, lot: L, quantity: int) -> None:
        """Use some of it up. The last of a lot with nothing inside ends it."""
        if not 0 < quantity <= lot.quantity:
            tx.fail(self._rules.exceeds)
        lot.quantity -= quantity
        lot.consumed += quantity
        lot.ended = not lot.quantity and not lot.contents

    def finish(self, tx: Context, lot: L) -> None:
        """End a lot with whatever is inside of it, by using up its own quantity; what is inside has no way out any more.
        Held lots may end: that is the way they leave.
        """
        if lot.ended:
            tx.fail(self._rules.ended)
        lot.consumed += lot.quantity
        lot.quantity = 0
        lot.ended = True
        lot.receiver = b""

    # ---------------------------------------------------------------- containers

    def put_in(self, tx: Context, lot: L, container_id: bytes, container: L) -> None:
        """Pack a lot into a container of the same holder, both the sender's and both outermost."""
        self.require_holder(tx, lot)
        self.require_holder(tx, container)
        if lot.inside or container.inside:
            tx.fail(self._rules.inside)
        self.born_inside(tx, lot, container_id, container)

    def born_inside(self, tx: Context, lot: L, container_id: bytes, container: L) -> None:
        """Say that a lot carved from a container is still in it."""
        if not lot.layer < container.layer <= LAYERS_MAX:
            tx.fail(self._rules.layer)
        lot.inside = container_id
        container.contents += 1

    def take_out(self, lot: L, container: L, holder: bytes) -> None:
        """Unpack a lot from its container; `holder` is that of the outermost one."""
        lot.inside = b""
        lot.holder = holder
        container.contents -= 1

    # ---------------------------------------------------------------- hand-over

    def offer(self, tx: Context, chain: Sequence[tuple[bytes, L]], receiver: bytes, ends_ms: int) -> None:
        """Offer the first lot of a chain to somebody; it stays the sender's until confirmed. The rest of the chain are
        the containers that it was taken out of in this transaction.
        """
        lot = chain[0][1]
        self.require_holder(tx, lot)
        if lot.inside:
            tx.fail(self._rules.inside)
        if receiver == tx.sender or not receiver:
            tx.fail(self._rules.own_account)
        self.require_free(tx, chain)
        lot.receiver = receiver
        lot.offer_ends_ms = ends_ms

    def confirm(self, tx: Context, lot_id: bytes, lot: L) -> None:
        """The receiver signs for it: from now on it is the sender's. What is held does not change hands."""
        if lot.receiver != tx.sender:
            tx.fail(self._rules.not_receiver)
        if tx.block_time_ms > lot.offer_ends_ms:
            tx.fail(self._rules.offer_over)
        self.require_unheld(tx, ((lot_id, lot),))
        lot.holder = tx.sender
        lot.receiver = b""

    def withdraw(self, tx: Context, lot: L) -> None:
        """The holder ends an offer that nobody confirmed in time."""
        self.require_holder(tx, lot)
        if not lot.receiver:
            tx.fail(self._rules.not_receiver)
        if tx.block_time_ms <= lot.offer_ends_ms:
            tx.fail(self._rules.offer_live)
        lot.receiver = b""
