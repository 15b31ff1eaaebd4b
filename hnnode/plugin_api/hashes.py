"""SM3, HMAC-SM3, block trees and their proofs for plugins; thin faces of the compiled core. Formats §1 and §4."""

from __future__ import annotations

from collections.abc import Sequence

import hnnode_native


def sm3(data: bytes) -> bytes:
    """SM3 digest, 32 bytes (GB/T 32905)."""
    return hnnode_native.sm3(data)


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC-SM3, 32 bytes (GB/T 15852.2). Whoever holds the key is outside the chain: no handler has one."""
    return hnnode_native.hmac_sm3(key, data)


def block_root(leaves: Sequence[bytes]) -> bytes:
    """Root of the block tree over the leaves; each leaf can later be proved with `BlockTree.proof`."""
    return hnnode_native.block_root(leaves)


def block_proof(leaves: Sequence[bytes], index: int) -> bytes:
    """Inclusion proof of the leaf at `index`; of many leaves `BlockTree` makes them at less cost."""
    return hnnode_native.block_proof(leaves, index)


def verify_inclusion(proof: bytes, data: bytes, root: bytes) -> bool:
    """Whether a proof shows that `data` is a leaf under `root`; False for a malformed one too.

    Cost: 8 µs for a tree of 4,000 leaves, 0.5 µs more for twice as many.
    """
    try:
        return hnnode_native.verify_inclusion(proof, data, root)
    except hnnode_native.NativeError:
        return False


class BlockTree:
    """A block tree with all its levels, for whoever makes many proofs of one list. Not for handlers: it grows with the
    list.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.count = len(leaves)
        level = [hnnode_native.sm3(_LEAF + leaf) for leaf in leaves]
        self._levels = [level]
        while len(level) > 1:
            paired = [
                hnnode_native.sm3(_NODE + level[at] + level[at + 1]) for at in range(0, len(level) - len(level) % 2, 2)
            ]
            level = paired + level[len(level) - len(level) % 2 :]
            self._levels.append(level)
        self.root = hnnode_native.sm3(_ROOT + self.count.to_bytes(8, "big") + (level[0] if level else bytes(32)))

    def proof(self, index: int) -> bytes:
        """Inclusion proof of the leaf at `index`, as formats §4 lays it out. Raises IndexError for one not there."""
        if not 0 <= index < self.count:
            raise IndexError(f"leaf: got {index}, want 0 to {self.count - 1}")
        siblings = []
        at = index
        for level in self._levels[:-1]:
            beside = at ^ 1
            if beside < len(level):
                siblings.append(level[beside])
            at //= 2
        head = index.to_bytes(8, "big") + self.count.to_bytes(8, "big") + len(siblings).to_bytes(1, "big")
        return head + b"".join(siblings)


_LEAF, _NODE, _ROOT = (tag.ljust(64, b"\0") for tag in (b"hn/leaf/v1", b"hn/node/v1", b"hn/root/v1"))
