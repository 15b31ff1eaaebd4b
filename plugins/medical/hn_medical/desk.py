"""The packs of one transaction: each is loaded once, changed in place, and stored once at the end.

A pack comes onto the chain when somebody first names it. Its proof shows the leaf under the root of an activation: the
pack and the packs it came in. Those of them that the chain has not seen are carved from the nearest one that it has, or
from the activation, and lie one inside the other.
"""

from __future__ import annotations

from hn_medical.chain import Link, read_chain
from hn_medical.trace_models import Proof
from hn_medical.trace_state import PACKS, Batch, PackLot, activation_id, load_batch
from hnnode.plugin_api import Context, ids
from hnnode.plugin_api.hashes import verify_inclusion

Chain = list[tuple[bytes, PackLot]]
"""A pack and the containers it is in, outermost last."""


class Desk:
    """`carved`: a pack came onto the chain in this transaction."""

    __slots__ = ("_batches", "_changed", "_lots", "_tx", "carved")

    def __init__(self, tx: Context) -> None:
        self._tx = tx
        self._lots: dict[bytes, PackLot | None] = {}
        self._batches: dict[bytes, Batch] = {}
        self._changed: dict[bytes, PackLot] = {}
        self.carved = False

    def find(self, lot_id: bytes) -> PackLot | None:
        if lot_id in self._lots:
            return self._lots[lot_id]
        found = self._lots[lot_id] = PACKS.get(self._tx, lot_id)
        return found

    def load(self, lot_id: bytes) -> PackLot:
        """The lot, or refusal by `pack_unknown`."""
        found = self.find(lot_id)
        if found is None:
            self._tx.fail("medical.pack_unknown")
        return found

    def change(self, lot_id: bytes) -> PackLot:
        """The lot, to be stored at the end."""
        lot = self._changed[lot_id] = self.load(lot_id)
        return lot

    def add(self, lot_id: bytes, lot: PackLot) -> None:
        """A new lot, to be stored at the end."""
        self._lots[lot_id] = self._changed[lot_id] = lot

    def batch(self, key: bytes) -> Batch:
        """A batch, read once; it is not stored."""
        found = self._batches.get(key)
        if found is None:
            found = self._batches[key] = load_batch(self._tx, key)
        return found

    def open(self, code: str, proof: Proof | None) -> Chain:
        """The pack with its containers; carved now, by its proof, when the chain has not seen it yet. The caller asks
        `PACKS.require_free` for the answer, in any case when `carved` says so.
        """
        pack_id = code.encode()
        pack = self.find(pack_id)
        if pack is None:
            if proof is None:
                self._tx.fail("medical.code_unproven")
            pack = self._carve_all(code, proof)
        return self.chain(pack_id, pack)

    def chain(self, lot_id: bytes, lot: PackLot) -> Chain:
        chain = [(lot_id, lot)]
        while lot.inside:  # layers rise along it, so there are at most LAYERS_MAX
            lot_id = lot.inside
            lot = self.load(lot_id)
            chain.append((lot_id, lot))
        return chain

    def take_out(self, chain: Chain) -> PackLot:
        """The pack by itself, with the holder and state of what it lay in."""
        pack_id, pack = chain[0]
        self._changed[pack_id] = pack
        if len(chain) > 1:
            top = chain[-1][1]
            self._changed[chain[1][0]] = chain[1][1]
            PACKS.take_out(pack, chain[1][1], top.holder)
            pack.state = top.state
        return pack

    def store(self) -> None:
        """Write every changed lot once."""
        for lot_id, lot in self._changed.items():
            PACKS.put(self._tx, lot_id, lot)

    def _carve_all(self, code: str, proof: Proof) -> PackLot:
        """Carve the links of a proof that the chain has not seen, from the outermost inwards; the pack."""
        tx = self._tx
        links = read_chain(proof.chain)
        if not links or links[0].code != code:
            tx.fail("medical.chain_invalid")
        root = bytes.fromhex(proof.root)
        known = 1
        while known < len(links) and self.find(links[known].code.encode()) is None:
            known += 1
        if known < len(links):
            source_id = links[known].code.encode()
            source = self.load(source_id)
            if source.root != root:
                tx.fail("medical.proof_invalid")
        else:
            source_id = activation_id(root)
            found = self.find(source_id)
            if found is None:
                tx.fail("medical.activation_unknown")
            source = found
        if len(proof.path) % 2 or not verify_inclusion(bytes.fromhex(proof.path), proof.chain.encode(), root):
            tx.fail("medical.proof_invalid")
        above = self.chain(source_id, source)
        if above[-1][1].ended:
            tx.fail("medical.pack_ended")
        self.carved = True
        known_codes = self.batch(source.batch).drug_codes
        holder, state = above[-1][1].holder, above[-1][1].state
        for link in reversed(links[:known]):
            if ids.parse_drug_trace_code(link.code).product not in known_codes:
                tx.fail("medical.code_foreign")
            source_id, source = self._carve(link, source_id, source, holder, state)
        return source

    def _carve(self, link: Link, source_id: bytes, source: PackLot, holder: bytes, state: int) -> tuple[bytes, PackLot]:
        new_id = link.code.encode()
        new = PackLot(holder, link.units, link.layer, batch=source.batch, root=source.root, state=state)
        PACKS.carve(self._tx, source_id, source, new_id, new)
        if source.layer:  # an activation is no container
            PACKS.born_inside(self._tx, new, source_id, source)
        self.add(new_id, new)
        self._changed[source_id] = source
        return new_id, new
