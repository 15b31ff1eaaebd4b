"""Build proof bundles from committed data.

A transaction of height h is proven under header h; its receipt, and the state after h, under header h+1, whose commit
certificate anchors the whole bundle. So a bundle is ready one block after its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hnnode_native import StateTree, Value, block_proof, build_bundle, state_key, state_key_hash, verify_bundle

from hnnode.certificate.container import Certificate
from hnnode.certificate.rows import EvidenceRecord
from hnnode.errors import CODES, HnError, Rejected, Unavailable
from hnnode.ports import Chain, StateReader, StoredBlock
from hnnode.proofs.certificate_keys import certificate_keys

TX, RECEIPT, STATE_PRESENT, STATE_ABSENT = 1, 2, 3, 4
STATE_KEYS_MAX = 64
TREE_CACHE_BYTES = 4 * 1024 * 1024
TREE_ROUNDS_MAX = 300
"""A path has at most 256 bits, and each round of loading goes at least one page deeper."""
TIP_MOVES_MAX = 8

Item = tuple[int, int, bytes, bytes, bytes, bytes]


class ProofBuilder:
    """Implements `ports.Proofs`. Thread-safe: it holds no mutable state.

    Cost of `tx`: one hash a transaction and a receipt of its block; of `state`: the tree pages on the keys' paths.
    """

    def __init__(self, chain: Chain, genesis: bytes, validators: bytes) -> None:
        """genesis, validators: the encodings of formats §9 and §6 that anchor every bundle of this chain."""
        self._chain = chain
        self._genesis = genesis
        self._validators = validators

    def tx(self, tx_id: bytes) -> bytes:
        location = self._chain.tx_locations([tx_id])[0]
        if location is None:
            raise Rejected("NOT_FOUND", f"transaction {tx_id.hex()}: not in a committed block of this node")
        height, index = location.height, location.tx_index
        block = self._block(height)
        following = self._chain.block(height + 1)
        if following is None:
            raise Unavailable(
                "NOT_READY", f"results of height {height} are certified by the next block", retry_after_ms=200
            )
        receipts = self._chain.receipts(height)
        items: list[Item] = [
            (TX, 0, self._chain.tx(location), b"", b"", block_proof(self._chain.tx_ids(height), index)),
            (RECEIPT, 1, receipts[index], b"", b"", block_proof(receipts, index)),
        ]
        headers = [Value.decode(block.value).header_bytes, Value.decode(following.value).header_bytes]
        return build_bundle(self._genesis, self._validators, headers, following.certificate, items)

    def state(self, application: str, keys: Sequence[bytes]) -> bytes:
        return self._certified(lambda _: [(application, key) for key in keys])

    def certificate(self, digest: bytes, owner: bytes, case: bytes | None = None) -> bytes:
        """A certificate of evidence (formats §16). Raises Rejected 1005 for an unknown record, case or submission."""
        facts = self._certified(lambda reader: certificate_keys(reader, digest, owner, case))
        found = verify_bundle(facts).states[0]
        record = EvidenceRecord.decode(found[3] or b"")
        return Certificate(digest, owner, case, facts, self.tx(record.tx_id)).encode()

    def _certified(self, choose: Callable[[StateReader], Sequence[tuple[str, bytes]]]) -> bytes:
        """State proofs under the newest certified header; `choose` names (application, key) from the state they show."""
        for _ in range(TIP_MOVES_MAX):
            height = self._chain.tip().height
            if height == 0:
                raise Unavailable(
                    "NOT_READY", "state is certified by block 1, which is not committed yet", retry_after_ms=200
                )
            try:
                reader = self._chain.state(height - 1)
            except HnError as e:
                # The chain moved past the heights kept for reading; look again.
                if e.code != CODES["NOT_FOUND"]:
                    raise
                continue
            keys = choose(reader)
            if not 1 <= len(keys) <= STATE_KEYS_MAX:
                raise Rejected("PARAMETER_INVALID", f"keys: got {len(keys)}, want 1 to {STATE_KEYS_MAX}")
            return self._state_bundle(self._block(height), reader, keys)
        raise Unavailable("NOT_READY", "the chain moves faster than this proof is built", retry_after_ms=200)

    def _state_bundle(self, block: StoredBlock, reader: StateReader, keys: Sequence[tuple[str, bytes]]) -> bytes:
        value = Value.decode(block.value)
        hashes = [state_key_hash(application, key) for application, key in keys]
        tree = _load(reader, hashes)
        if tree.root() != value.header.state_root:
            raise Unavailable(
                "STATE_ROOT_MISMATCH",
                f"state after height {block.height - 1} is not what header {block.height} carries",
            )
        found = reader.get_many([state_key(application, key) for application, key in keys])
        items: list[Item] = []
        for (application, key), key_hash, data in zip(keys, hashes, found, strict=True):
            proof = tree.prove(key_hash)
            if not isinstance(proof, bytes):
                raise Unavailable("STORAGE_CORRUPT", f"state tree: {len(proof)} pages missing after loading")
            kind = STATE_ABSENT if data is None else STATE_PRESENT
            items.append((kind, 0, application.encode("ascii"), key, data or b"", proof))
        return build_bundle(self._genesis, self._validators, [value.header_bytes], block.certificate, items)

    def _block(self, height: int) -> StoredBlock:
        block = self._chain.block(height)
        if block is None:
            raise Rejected("NOT_FOUND", f"block {height}: not on this node")
        return block


def _load(reader: StateReader, key_hashes: Sequence[bytes]) -> StateTree:
    """A tree with every page on the keys' paths."""
    tree = StateTree(TREE_CACHE_BYTES)
    for _ in range(TREE_ROUNDS_MAX):
        missing = tree.missing(key_hashes)
        if not missing:
            return tree
        tree.load(list(zip(missing, reader.pages(missing), strict=True)))
    raise Unavailable("STORAGE_CORRUPT", f"state tree: pages still missing after {TREE_ROUNDS_MAX} rounds")
