"""Evidence: commitments to documents that stay outside, roots over many of them, and co-signatures, k of n.

    preserve, preserve_batch → cosign, cosign, … → require_cosigned;  verify, verify_leaf and prove at any time

What is committed to is a hash; whose it is, is a reference that the application chooses, such as a keyed reference to a
person or the id of a case. A commitment is found by what it is: its key holds the hash, the algorithm and the owner.

    prefix ‖ "c" ‖ hash ‖ algorithm ‖ owner              Commitment
    prefix ‖ "b" ‖ root ‖ leaf count ‖ owner             Commitment to a batch; its size is the leaf count
    prefix ‖ "s" ‖ SM3(key of a commitment) ‖ signer     Cosignature

Invariants:
1. Append-only: nothing written is ever changed or removed.
2. Idempotent on (owner, algorithm, hash): what is preserved again stays as it was, whatever else is said about it.
3. A batch is its root together with its leaf count, and the root is made from both: no leaf can be proven under another
   count, and the same leaves have one root.
4. Every commitment and co-signature lies under a key that anybody can compute from what it is about, so that a state
   proof of that key proves it offline: `prove` names the keys.
5. A signer stands under a commitment once, and never under an own one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from hnnode.plugin_api.context import Context, QueryView, Reader
from hnnode.plugin_api.hashes import sm3, verify_inclusion
from hnnode.plugin_api.records import Records

SM3, SHA256 = 1, 2
ALGORITHMS = {"sm3": SM3, "sha256": SHA256}
HASH_BYTES = 32
OWNER_BYTES_MAX = 64
SIGNERS_MAX = 32
"""Signers that one check or one proof may name."""
SIZE_MAX = 2**63 - 1


class Commitment(msgspec.Struct, array_like=True):
    """`size`: bytes of the document, 0 when not stated; of a batch its leaf count. `previous`: key of the owner's
    commitment that this one continues, or empty.
    """

    size: int
    height: int
    time_ms: int
    tx_id: bytes
    by: bytes
    previous: bytes = b""


class Cosignature(msgspec.Struct, array_like=True):
    """`role`: as the application says it was given; empty in none."""

    height: int
    time_ms: int
    tx_id: bytes
    role: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """Rule ids of the application; two may be the same. `malformed`: no such algorithm, a hash of another length, an
    owner or size out of bounds; `previous`: nothing to continue; `unknown`: of a commitment; `own`: nobody co-signs what
    he preserved; `twice`: co-signed already; `missing`: too few co-signatures.
    """

    malformed: str
    previous: str
    unknown: str
    own: str
    twice: str
    missing: str


class Evidence:
    """Commitments of one application under `prefix`."""

    __slots__ = ("_batches", "_cosignatures", "_files", "prefix", "rules")

    def __init__(self, prefix: bytes, rules: EvidenceRules) -> None:
        self.prefix = prefix
        self.rules = rules
        self._files: Records[Commitment] = Records(prefix + b"c", Commitment)
        self._batches: Records[Commitment] = Records(prefix + b"b", Commitment)
        self._cosignatures: Records[Cosignature] = Records(prefix + b"s", Cosignature)

    # ---------------------------------------------------------------- keys
    def key(self, owner: bytes, algorithm: int, digest: bytes) -> bytes:
        """Key of a commitment, also its id; for key functions, `previous` and `prove`."""
        return self._files.prefix + digest + bytes((algorithm,)) + owner

    def batch_key(self, owner: bytes, root: bytes, leaf_count: int) -> bytes:
        """Key of a commitment to a batch, also its id."""
        return self._batches.prefix + root + leaf_count.to_bytes(8, "big") + owner

    def cosign_key(self, ident: bytes, signer: bytes) -> bytes:
        """Key of a co-signature under the commitment at key `ident`."""
        return self._cosignatures.prefix + sm3(ident) + signer

    # ---------------------------------------------------------------- writing
    def preserve(
        self, tx: Context, owner: bytes, algorithm: int, digest: bytes, size: int = 0, previous: bytes = b""
    ) -> Commitment:
        """Commit to a document; one preserved before is returned as it stands and nothing is written.

        `previous`: key of a commitment of the same owner; refused by `previous` when there is none.
        """
        sound = algorithm in (SM3, SHA256) and len(digest) == HASH_BYTES
        self._bound(tx, sound and len(owner) <= OWNER_BYTES_MAX and 0 <= size <= SIZE_MAX)
        key = self.key(owner, algorithm, digest)
        known = self._get(tx, key)
        if known is not None:
            return known
        if previous:
            theirs = previous[len(self._files.prefix) + HASH_BYTES + 1 :]
            ours = previous.startswith(self._files.prefix) and theirs == owner
            tx.require(self.rules.previous, ours and self._get(tx, previous) is not None)
        return self._put(tx, key, size, previous)

    def preserve_batch(self, tx: Context, owner: bytes, root: bytes, leaf_count: int) -> Commitment:
        """Commit to `leaf_count` leaves by the root of the block tree over them (`hashes.block_root`); else as
        `preserve`.
        """
        sound = len(root) == HASH_BYTES and 1 <= leaf_count <= SIZE_MAX
        self._bound(tx, sound and len(owner) <= OWNER_BYTES_MAX)
        key = self.batch_key(owner, root, leaf_count)
        known = self._get(tx, key)
        return self._put(tx, key, leaf_count, b"") if known is None else known

    def cosign(self, tx: Context, ident: bytes, role: str = "") -> Cosignature:
        """The sender co-signs the commitment at key `ident`. Whether the sender holds `role` is for the application to
        check.
        """
        known = self.require(tx, ident)
        tx.require(self.rules.own, known.by != tx.sender)
        key = self.cosign_key(ident, tx.sender)
        tx.require(self.rules.twice, tx.get(key) is None)
        made = Cosignature(tx.height, tx.block_time_ms, tx.tx_id, role)
        self._cosignatures.put(tx, key[len(self._cosignatures.prefix) :], made)
        return made

    # ---------------------------------------------------------------- reading
    def require(self, tx: Context, ident: bytes) -> Commitment:
        """The commitment at key `ident`, or refusal by `unknown`."""
        found = self._get(tx, ident)
        if found is None:
            tx.fail(self.rules.unknown)
        return found

    def verify(self, reader: Reader, owner: bytes, algorithm: int, digest: bytes) -> Commitment | None:
        """The owner's commitment to this very hash; None: there is none."""
        return self._get(reader, self.key(owner, algorithm, digest))

    def owners(
        self, view: QueryView, algorithm: int, digest: bytes, limit: int, after: bytes = b""
    ) -> list[tuple[bytes, Commitment]]:
        """Who has a commitment to this hash, behind owner `after`; up to `limit` (≤ 200) owners in their order."""
        prefix = self._files.prefix + digest + bytes((algorithm,))
        rows = view.scan(prefix, limit, prefix + after if after else None)
        return [(key[len(prefix) :], self._files.decode(value)) for key, value in rows]

    def verify_leaf(
        self, reader: Reader, owner: bytes, root: bytes, leaf_count: int, leaf: bytes, proof: bytes
    ) -> bool:
        """Whether `proof` (formats §4) shows `leaf` in a batch that was preserved with this count."""
        if len(root) != HASH_BYTES or not 1 <= leaf_count <= SIZE_MAX:
            return False
        if self._get(reader, self.batch_key(owner, root, leaf_count)) is None:
            return False
        return int.from_bytes(proof[8:16], "big") == leaf_count and verify_inclusion(proof, leaf, root)

    def cosignatures(self, reader: Reader, ident: bytes, signers: Sequence[bytes]) -> list[tuple[bytes, Cosignature]]:
        """Which of `signers` (at most SIGNERS_MAX are looked at, each once) have co-signed, in their order."""
        found = []
        for signer in list(dict.fromkeys(signers))[:SIGNERS_MAX]:
            known = self._cosignatures.get(reader, sm3(ident) + signer)
            if known is not None:
                found.append((signer, known))
        return found

    def require_cosigned(self, tx: Context, ident: bytes, signers: Sequence[bytes], needed: int) -> None:
        """Refused by `missing` unless at least `needed` of `signers` have co-signed."""
        tx.require(self.rules.missing, len(self.cosignatures(tx, ident, signers)) >= needed)

    def prove(self, ident: bytes, signers: Sequence[bytes] = ()) -> list[bytes]:
        """Keys of the application's state whose proofs show a commitment and these co-signatures with no node at hand."""
        return [ident, *(self.cosign_key(ident, signer) for signer in signers[:SIGNERS_MAX])]

    def _bound(self, tx: Context, holds: bool) -> None:
        tx.require(self.rules.malformed, holds)

    def _get(self, reader: Reader, key: bytes) -> Commitment | None:
        for records in (self._files, self._batches):
            if key.startswith(records.prefix):
                return records.get(reader, key[len(records.prefix) :])
        return None

    def _put(self, tx: Context, key: bytes, size: int, previous: bytes) -> Commitment:
        made = Commitment(size, tx.height, tx.block_time_ms, tx.tx_id, tx.sender, previous)
        records = self._files if key.startswith(self._files.prefix) else self._batches
        records.put(tx, key[len(records.prefix) :], made)
        return made
