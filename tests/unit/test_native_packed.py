"""The packed forms of the compiled core beside the lists that they stand for, and beside storage's own encoding."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys

import hnnode_native as native
import pytest

from hnnode.errors import CODES
from hnnode.storage import layout

CHAIN = bytes(31) + b"\x01"
KEYS = [native.SecretKey.generate(bytes([n]) * 32) for n in (1, 2)]
STRANGER = native.SecretKey.generate(bytes([3]) * 32)


def accounts() -> native.Accounts:
    known = native.Accounts(1 << 20)
    record = native.encode_account_record
    known.load([(key.account(), record(key.public_key(), True, 0, "org", [])) for key in KEYS])
    return known


def preserve(key: native.SecretKey, first: int, count: int) -> list[bytes]:
    payloads = [b'{"algorithm":"sm3","hash":"%064x"}' % (first + n) for n in range(count)]
    return [tx for _, tx in native.build_txs(key, CHAIN, first, 50, "evidence", "preserve", payloads)]


def frames(txs: list[bytes]) -> bytes:
    return b"".join(len(tx).to_bytes(4, "big") + tx for tx in txs)


def codes(packed: bytes) -> list[int]:
    return list(struct.unpack(f">{len(packed) // 4}I", packed))


def pool() -> native.Pool:
    return native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, 100, 10)


def test_a_result_packs_what_its_lists_hold() -> None:
    known, txs = accounts(), pool()
    mixed = preserve(KEYS[0], 0, 20) + preserve(KEYS[1], 7, 3)
    mixed.append(native.build_txs(KEYS[0], CHAIN, 99, 50, "evidence", "preserve", [b"{}"])[0][1])
    decoded = native.DecodedTxs.decode(mixed, CHAIN)
    assert txs.admit(decoded, known, bytes(len(mixed)), 0) == [0] * len(mixed)
    batch = txs.seal(KEYS[0], 1)
    assert batch is not None
    assert batch.tx_ids_packed() == b"".join(batch.tx_ids())
    dispatch = native.DispatchTable([])
    block = native.BlockExecution(CHAIN, 9, 1, KEYS[0].account(), 100, [batch, batch], known, dispatch)
    assert block.tx_ids_packed() == b"".join(block.tx_ids())
    block.set_committed(bytes(47) + b"\1")
    block.supply([None] * len(block.native_keys()))
    block.run_native()
    result = block.finish()

    assert result.tx_ids_packed == b"".join(result.tx_ids)
    assert result.receipts_packed == layout.pack_receipts(result.receipts)
    assert layout.unpack_receipts(result.receipts_packed) == result.receipts
    index = native.TxIndex(hashlib.shake_128(b"salt").digest(160), [], 0)
    index.add(1, result.receipts_packed)
    search = index.search(result.tx_ids_packed)
    assert search.step() == []
    unsettled = {CODES["TX_DUPLICATE"], CODES["ACCOUNT_UNKNOWN"]}
    first: dict[bytes, tuple[int, int]] = {}
    for i, (tx_id, code) in enumerate(zip(result.tx_ids, result.codes, strict=True)):
        if code not in unsettled:
            first[tx_id] = (1, i)
    assert len(first) == 24
    assert search.places() == [first.get(tx_id) for tx_id in result.tx_ids]
    assert search.flags() == bytes(tx_id in first for tx_id in result.tx_ids)
    assert result.failed == [(i, code) for i, code in enumerate(result.codes) if code]
    assert (result.succeeded_count, result.failed_count) == (23, 25)
    assert result.codes[23] == CODES["PAYLOAD_INVALID"]


def test_an_empty_result_packs_an_empty_table() -> None:
    block = native.BlockExecution(CHAIN, 9, 1, bytes(20), 100, [], accounts(), native.DispatchTable([]))
    block.set_committed(b"")
    block.supply([])
    block.run_native()
    result = block.finish()
    assert result.receipts_packed == layout.pack_receipts([])
    assert (result.tx_ids_packed, result.failed) == (b"", [])
    assert (result.succeeded_count, result.failed_count) == (0, 0)


def test_gathered_bodies_are_decoded_and_admitted_as_one() -> None:
    first, second = preserve(KEYS[0], 0, 5), preserve(KEYS[1], 50, 6)
    spoiled = [bytes([tx[0] ^ 2]) + tx[1:] for tx in first[:1]]
    bodies = [frames(first), frames(spoiled), b"", frames(second)[:-1], frames(second)]
    gathered, counts = native.DecodedTxs.decode_frames_many(bodies, CHAIN)
    assert counts == [5, 1, 0, -1, 6]
    parts = [native.DecodedTxs.decode_frames(body, CHAIN) for body in bodies if body is not bodies[3]]
    joined = native.DecodedTxs.concat(parts)
    assert gathered.tx_ids() == joined.tx_ids() == [tx_id for part in parts for tx_id in part.tx_ids()]
    assert gathered.codes() == joined.codes() == [code for part in parts for code in part.codes()]
    assert gathered.tx_ids_packed() == b"".join(gathered.tx_ids())

    known = accounts()
    one, other, apart = pool(), pool(), pool()
    packed, admitted = one.admit_packed(gathered, known, bytes(12), 0)
    assert codes(packed) == other.admit(joined, known, bytes(12), 0)
    assert codes(packed) == [code for part in parts for code in apart.admit(part, known, bytes(len(part)), 0)]
    assert (admitted, one.count(), codes(packed)[5]) == (11, 11, CODES["TX_MALFORMED"])
    again, admitted = one.admit_packed(gathered, known, b"\1" * 12, 0)
    assert admitted == 0
    assert set(codes(again)) == {CODES["TX_DUPLICATE"], CODES["TX_MALFORMED"]}
    sealed, twin = one.seal(KEYS[0], 1), apart.seal(KEYS[0], 1)
    assert sealed is not None
    assert twin is not None
    assert sealed.tx_ids() == twin.tx_ids()


def test_what_one_call_gathers_is_bounded() -> None:
    with pytest.raises(native.NativeError) as too_many:
        native.DecodedTxs.decode_frames_many([b""] * 65_537, CHAIN)
    with pytest.raises(native.NativeError) as too_long:
        native.DecodedTxs.decode_frames_many([bytes(1 << 20)] * 65, CHAIN)
    assert too_many.value.code == too_long.value.code == CODES["PARAMETER_INVALID"]


def test_batches_decoded_together_answer_as_alone() -> None:
    known, txs = accounts(), pool()
    sealed = []
    for seq in range(3):
        decoded = native.DecodedTxs.decode(preserve(KEYS[0], 100 * seq, 4), CHAIN)
        assert txs.admit(decoded, known, bytes(4), 0) == [0] * 4
        batch = txs.seal(KEYS[0], seq)
        assert batch is not None
        sealed.append(batch.data)
    good, cut, spoiled = sealed[0], sealed[1][:-1], sealed[2][:150] + b"!" + sealed[2][151:]
    first, refused, third = native.Batch.unpack_many([good, cut, spoiled])
    assert isinstance(first, native.Batch)
    assert isinstance(third, native.Batch)
    assert (first.data, refused) == (good, CODES["BATCH_MALFORMED"])
    assert (first.digest, first.tx_ids()) == (native.Batch.decode(good).digest, native.Batch.decode(good).tx_ids())
    validators = native.ValidatorSet(0, [(KEYS[0].public_key(), 1)])
    codes_of = native.verify_batches
    assert codes_of([first, third], CHAIN, validators, known, None) == [0, CODES["BATCH_SIGNATURE_INVALID"]]
    assert native.Batch.unpack_many([]) == []


def sealed(count: int, seq: int = 1) -> native.Batch:
    known, txs = accounts(), pool()
    decoded = native.DecodedTxs.decode(preserve(KEYS[0], 0, count), CHAIN)
    assert txs.admit(decoded, known, bytes(count), 0) == [0] * count
    batch = txs.seal(KEYS[0], seq)
    assert batch is not None
    return batch


def test_a_batch_travels_packed_and_keeps_the_bytes_it_came_in() -> None:
    batch = sealed(300)
    assert len(batch.packed) < 0.45 * batch.size
    assert native.unpack_batch(batch.packed) == native.unpack_batch(batch.data) == batch.data
    came = native.Batch.unpack(batch.packed)
    assert (came.digest, came.data, came.packed) == (batch.digest, batch.data, batch.packed)
    plain = native.Batch.unpack(batch.data)
    assert (plain.digest, plain.packed) == (batch.digest, batch.packed)
    with pytest.raises(native.NativeError):
        native.Batch.decode(batch.packed)  # the format of the chain knows no packed batch


def test_a_frame_of_a_peer_is_not_believed() -> None:
    packed = sealed(10).packed
    longest = native.LIMITS["batch_bytes_max"]
    bad = [
        packed[:-1],
        packed + b"!",
        packed[:1] + (longest + 1).to_bytes(4, "big") + packed[5:],
        packed[:1] + (2**32 - 1).to_bytes(4, "big") + packed[5:],
        packed[:5],
        b"\x02",
        b"",
    ]
    first, *refused, last = native.Batch.unpack_many([packed, *bad, packed])
    assert isinstance(first, native.Batch)
    assert isinstance(last, native.Batch)
    assert refused == [CODES["BATCH_MALFORMED"]] * len(bad)
    for data in bad:
        with pytest.raises(native.NativeError) as e:
            native.Batch.unpack(data)
        assert e.value.code == CODES["BATCH_MALFORMED"]


def test_the_threads_are_set_once() -> None:
    for count in (0, 1_025):
        with pytest.raises(native.NativeError) as refused:
            native.set_threads(count)
        assert refused.value.code == CODES["PARAMETER_INVALID"]
    code = """
import hnnode_native as native
native.set_threads(1)
try:
    native.set_threads(2)
except native.NativeError as e:
    print(e.code)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(CODES["PARAMETER_INVALID"])
