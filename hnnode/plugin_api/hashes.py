"""SM3 and block-tree roots for plugins; thin faces of the compiled core. Formats §1 and §4."""

from __future__ import annotations

from collections.abc import Sequence

import hnnode_native


def sm3(data: bytes) -> bytes:
    """SM3 digest, 32 bytes (GB/T 32905)."""
    return hnnode_native.sm3(data)


def block_root(leaves: Sequence[bytes]) -> bytes:
    """Root of the block tree over the leaves; each leaf can later be proved with `hnnode_native.block_proof`."""
    return hnnode_native.block_root(leaves)
