"""Rows of the database: each comes back, and none of another length passes."""

from __future__ import annotations

import struct

import pytest
from hnnode_native import PageLayer
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import FatalError
from hnnode.ports import BatchLocation, CommitRecord, LoggedBlock
from hnnode.storage import layout
from tests.kit.store import (
    tip_of,
)

receipts_strategy = st.lists(st.binary(max_size=60), max_size=40)


@given(receipts_strategy)
def test_packed_receipts_give_each_receipt_back(receipts: list[bytes]) -> None:
    packed = layout.pack_receipts(receipts)
    assert layout.unpack_receipts(packed) == receipts
    assert [layout.unpack_receipt(packed, i) for i in range(len(receipts) + 1)] == [*receipts, None]


@given(receipts_strategy, st.data())
def test_cut_receipts_never_pass(receipts: list[bytes], data: st.DataObject) -> None:
    packed = layout.pack_receipts(receipts)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(FatalError, match="6006"):
        layout.unpack_receipts(packed[:cut])


numbers = st.integers(0, 2**32 - 1)
places = st.builds(BatchLocation, numbers, st.integers(0, 2**64 - 1), numbers)


@given(
    st.binary(max_size=50),
    st.binary(max_size=50),
    st.lists(st.tuples(st.binary(min_size=32, max_size=32), numbers, places)),
)
def test_blocks_round_trip_and_refuse_other_lengths(
    value: bytes, certificate: bytes, batches: list[tuple[bytes, int, BatchLocation]]
) -> None:
    record = CommitRecord(tip_of(9), value, certificate, batches, 2, b"", [], PageLayer([]))
    stored = layout.stored_block(record)
    data = layout.encode_block(stored)
    block = layout.decode_block(data)
    assert (block.height, block.value, block.certificate, block.tx_count) == (9, value, certificate, 2)
    assert list(block.batches) == batches
    for wrong in (data[:-1], data + b"\x00", b""):
        with pytest.raises(FatalError, match="6006"):
            layout.decode_block(wrong)
    logged = LoggedBlock(tip_of(9), stored, (3, 2**40))
    data = layout.encode_logged(logged)
    assert layout.decode_logged(data) == logged
    other_tip = layout.encode_logged(LoggedBlock(tip_of(8), stored, (3, 4)))
    for wrong in (data[:-1], data + b"\x00", b"", b"\x09" + data[1:], other_tip):
        with pytest.raises(FatalError, match="6006"):
            layout.decode_logged(wrong)


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20), st.data())
def test_a_transaction_is_found_by_its_index(txs: list[bytes], data: st.DataObject) -> None:
    batch = b"\x00" * 197 + b"".join(struct.pack(">I", len(tx)) + tx for tx in txs)
    assert [layout.tx_in_batch(batch, i) for i in range(len(txs))] == txs
    with pytest.raises(FatalError, match="no transaction"):
        layout.tx_in_batch(batch, len(txs))
    index = data.draw(st.integers(0, len(txs) - 1))
    with pytest.raises(FatalError, match="no transaction"):
        layout.tx_in_batch(batch[:-1], len(txs) - 1)
    assert layout.tx_in_batch(batch + b"\x00\x00", index) == txs[index]


def test_a_tip_of_another_length_is_refused() -> None:
    assert layout.decode_tip(layout.encode_tip(tip_of(3))) == tip_of(3)
    with pytest.raises(FatalError, match="6006"):
        layout.decode_tip(b"\x00" * 10)
