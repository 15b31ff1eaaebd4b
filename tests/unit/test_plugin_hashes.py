"""Block trees of plugins are those of the core, and proofs fail for everything but their leaf."""

from __future__ import annotations

import hnnode_native
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.plugin_api.hashes import BlockTree, block_root, verify_inclusion


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_a_tree_agrees_with_the_core(leaves: list[bytes]) -> None:
    tree = BlockTree(leaves)
    assert tree.root == block_root(leaves)
    for index, leaf in enumerate(leaves):
        assert tree.proof(index) == hnnode_native.block_proof(leaves, index)
        assert verify_inclusion(tree.proof(index), leaf, tree.root)


def test_anything_else_is_no_proof() -> None:
    leaves = [b"%d" % n for n in range(11)]
    tree = BlockTree(leaves)
    proof = tree.proof(3)
    assert not verify_inclusion(proof, b"4", tree.root)
    assert not verify_inclusion(tree.proof(4), b"3", tree.root)
    assert not verify_inclusion(proof, b"3", bytes(32))
    for at in range(len(proof)):
        broken = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        assert not verify_inclusion(broken, b"3", tree.root)
        assert not verify_inclusion(proof[:at], b"3", tree.root)
    assert not verify_inclusion(proof + b"\0", b"3", tree.root)
    for index in (-1, 11):
        with pytest.raises(IndexError):
            tree.proof(index)
