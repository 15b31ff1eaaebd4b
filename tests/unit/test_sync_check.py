"""A fetched block is judged before it is unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import SecretKey, build_txs, plain_size

from hnnode.errors import PeerFault
from hnnode.governance import Skips
from hnnode.primitives.skip import Skip, Subject, encode_skips, merge, unsigned
from hnnode.sync.check import BlockCheck
from hnnode.sync.frames import BlockResponse
from tests.kit.byzantine import sealed
from tests.kit.memory_node import MemoryNode

BLOCK_BYTES_MAX = 1 << 20


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[BlockCheck, BlockResponse]:
    """A certified block of three batches, and who checks it."""
    user = SecretKey.generate(b"\x09" * 32)
    node = MemoryNode([user.public_key()])
    txs = build_txs(user, node.chain_id, 1, 100, "evidence", "preserve", [b"{}" + b" " * 500] * 3)
    batches = [sealed(node.keys[0], node.chain_id, seq, [tx]) for seq, (_, tx) in enumerate(txs, 1)]
    height = node.commit_block(batches)
    block = node.chain.block(height)
    assert block is not None
    skips = Skips(tmp_path_factory.mktemp("skips"), node.chain_id, node.validator_set)
    check = BlockCheck(node.chain_id, node.validator_set, node.accounts, BLOCK_BYTES_MAX, skips)
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


def test_records_that_travel_with_a_block_are_all_checked(tmp_path: Path) -> None:
    user = SecretKey.generate(b"\x09" * 32)
    node = MemoryNode([user.public_key()], validators=4)
    height = node.commit_block([])
    block = node.chain.block(height)
    assert block is not None
    skips = Skips(tmp_path / "skips", node.chain_id, node.validator_set)
    check = BlockCheck(node.chain_id, node.validator_set, node.accounts, BLOCK_BYTES_MAX, skips)

    def adopt(*records: Skip, data: bytes = b"") -> None:
        check.adopt_skips(BlockResponse(height, block.value, block.certificate, (), data or encode_skips(records)))

    def record(keys: Sequence[SecretKey], **other: Any) -> Skip:
        subject = Subject(height, block.block_hash, "stuck", b"\x05" * 32)._replace(**other)
        base = unsigned(node.chain_id, subject)
        return merge([base.signed(key) for key in keys])

    good = record(node.keys[:3])
    for bad, reason in (
        (record(node.keys[:2]), "CERTIFICATE_QUORUM"),
        (record(node.keys[:3], height=height + 1), "CERTIFICATE_BLOCK"),
        (record(node.keys[:3], block_hash=bytes(32)), "CERTIFICATE_BLOCK"),
        (record([*node.keys[:2], user]), "CERTIFICATE_SIGNER"),
    ):
        with pytest.raises(PeerFault, match=reason):
            adopt(good, bad)
    for data in (b"{}", b"[", b"[]" + b" " * (1 << 18)):
        with pytest.raises(PeerFault, match="REQUEST_MALFORMED"):
            adopt(data=data)
    assert skips.of(height) == []
    adopt(good)
    assert skips.of(height) == [good]
    assert skips.begin(height, block.block_hash) == {"stuck": frozenset((b"\x05" * 32,))}


def test_records_are_a_part_of_the_frame_only_when_there_are_some() -> None:
    plain = BlockResponse(1, b"v", b"c", (b"b",))
    more = BlockResponse(1, b"v", b"c", (b"b",), b"[1]")
    assert more.encode() == plain.encode() + b"\x00\x00\x00\x03[1]"
    for each in (plain, more):
        assert BlockResponse.decode(each.encode()) == each
    for tail in (b"\x00\x00\x00\x00", b"\x00\x00\x00\x04[1]", b"\x00\x00\x00\x02[1]", b"\x00"):
        assert BlockResponse.decode(plain.encode() + tail) is None
