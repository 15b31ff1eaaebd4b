"""SM3, HMAC-SM3 and block trees for plugins; thin faces of the compiled core. Formats §1 and §4."""

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
    """Root of the block tree over the leaves; it fixes their number and order."""
    return hnnode_native.block_root(leaves)


def block_proof(leaves: Sequence[bytes], index: int) -> bytes:
    """Proof that a leaf stands at `index` of the tree."""
    return hnnode_native.block_proof(leaves, index)


def verify_inclusion(proof: bytes, leaf: bytes, root: bytes) -> bool:
    """Whether the proof shows the leaf under the root; a malformed proof shows nothing."""
    try:
        return hnnode_native.verify_inclusion(proof, leaf, root)
    except hnnode_native.NativeError:
        return False
