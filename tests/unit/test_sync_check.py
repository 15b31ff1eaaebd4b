"""A fetched block is judged before it is unpacked."""

from __future__ import annotations

import pytest
from hnnode_native import SecretKey, build_txs, plain_size

from hnnode.errors import PeerFault
from hnnode.sync.check import BlockCheck
from hnnode.sync.frames import BlockResponse
from tests.kit.byzantine import sealed
from tests.kit.memory_node import MemoryNode

BLOCK_BYTES_MAX = 1 << 20


@pytest.fixture(scope="module")
def honest() -> tuple[BlockCheck, BlockResponse]:
    """A certified block of three batches, and who checks it."""
    user = SecretKey.generate(b"\x09" * 32)
    node = MemoryNode([user.public_key()])
    txs = build_txs(user, node.chain_id, 1, 100, "evidence", "preserve", [b"{}" + b" " * 500] * 3)
    batches = [sealed(node.keys[0], node.chain_id, seq, [tx]) for seq, (_, tx) in enumerate(txs, 1)]
    height = node.commit_block(batches)
    block = node.chain.block(height)
    assert block is not None
    check = BlockCheck(node.chain_id, node.validator_set, node.accounts, BLOCK_BYTES_MAX)
    return check, BlockResponse(height, block.value, block.certificate, tuple(b.packed for b in batches))


def test_an_honest_block_is_taken(honest: tuple[BlockCheck, BlockResponse]) -> None:
    check, response = honest
    assert [plain_size(data) for data in response.batches] == [batch.size for batch in check.check(response)]


def bomb(size: int) -> bytes:
    """A packed batch of a few bytes that claims to be `size` bytes long."""
    return b"\x02" + size.to_bytes(4, "big") + b"\x28\xb5\x2f\xfd"


def test_nothing_is_unpacked_before_the_certificate_and_the_sizes_hold(
    honest: tuple[BlockCheck, BlockResponse],
) -> None:
    """Regression: every batch of an answer was unpacked first, a mebibyte for a few bytes, whoever had sent it."""
    check, response = honest
    bombs = (bomb(BLOCK_BYTES_MAX // 3 + 1),) * 3
    forged = response.certificate[:-1] + bytes((response.certificate[-1] ^ 1,))
    for certificate, batches, reason in (
        (forged, bombs, "certificate refused"),
        (response.certificate, bombs, "want 3 of at most"),
        (response.certificate, (*response.batches, response.batches[0]), "4 batches"),
        (response.certificate, (bomb(300),) * 3, "is no frame of its length"),
    ):
        with pytest.raises(PeerFault, match=reason):
            check.check(BlockResponse(response.height, response.value, certificate, batches))
