"""Encodings of the database's rows; they never leave this node. Integers big-endian, so that keys sort by height.

| column family | key | value |
|---|---|---|
| meta | "format" "genesis" "validators" "tip" "salt" | u32, bytes, bytes, tip, 160 bytes |
| meta | "log" "redo"; "seq" ‖ account | u32 segment ‖ u64 bytes of the consensus log and of the block log; u64 |
| blocks | u64 height | block (below) |
| receipts | u64 height | `hnnode_native.pack_receipts` |
| tx_index | `hnnode_native.TxIndex` | its rows |
| batch_index | u32 segment ‖ u64 offset | u64 height |
| state | `hnnode_native.state_key` | value |

A record of the block log is u8 version ‖ tip ‖ u32 segment ‖ u64 bytes of the consensus log ‖ block.

The families of `STAMPED` also hold their height stamp under the empty key: the same u64 in all of them, or the database is a
mixture. In the others keys rise with the height, and a stamp would make the key ranges of all their files overlap.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hnnode.ports import BatchLocation, CommitRecord, LoggedBlock, StoredBlock, Tip
from hnnode.storage.failure import corrupt

FORMAT = 6
_BLOCK_FORMAT = 1
FAMILIES = ("meta", "blocks", "receipts", "tx_index", "batch_index", "state")
STAMPED = ("meta", "batch_index", "state")
STAMP_KEY = b""
FORMAT_KEY = b"format"
GENESIS_KEY = b"genesis"
VALIDATORS_KEY = b"validators"
SALT_KEY = b"salt"
TIP_KEY = b"tip"
LOG_KEY = b"log"
REDO_KEY = b"redo"
AUTHOR_SEQ_PREFIX = b"seq"

HEIGHT = struct.Struct(">Q")
U32 = struct.Struct(">I")
LOG_POSITION = struct.Struct(">IQ")
BATCH_KEY = struct.Struct(">IQ")
_TIP = struct.Struct(">Q32sQ32s32s32s")
_BLOCK = struct.Struct(">BQ32sIIIH")
_BATCH = struct.Struct(">32sIIQI")
_LOGGED = struct.Struct(">B144sIQ")

# A receipt begins with u8 version ‖ tx_id (formats §11): enough to keep no second list of ids.
RECEIPT_ID = slice(1, 33)
# A batch is header ‖ signature ‖ body; the body repeats u32 length ‖ signed transaction (formats §3).
_BATCH_BODY_START = 133 + 64


def encode_tip(tip: Tip) -> bytes:
    return _TIP.pack(tip.height, tip.block_hash, tip.time_ms, tip.receipts_root, tip.state_root, tip.outbox_root)


def decode_tip(data: bytes) -> Tip:
    """Raises FatalError STORAGE_CORRUPT."""
    if len(data) != _TIP.size:
        raise corrupt(f"tip has {len(data)} bytes, want {_TIP.size}")
    return Tip(*_TIP.unpack(data))


def stored_block(record: CommitRecord) -> StoredBlock:
    tip = record.tip
    return StoredBlock(
        tip.height, tip.block_hash, record.value, record.certificate, record.tx_count, tuple(record.batches)
    )


def encode_block(block: StoredBlock) -> bytes:
    head = _BLOCK.pack(
        _BLOCK_FORMAT,
        block.height,
        block.block_hash,
        block.tx_count,
        len(block.value),
        len(block.certificate),
        len(block.batches),
    )
    parts = [head, block.value, block.certificate]
    for digest, tx_count, at in block.batches:
        parts.append(_BATCH.pack(digest, tx_count, at.segment, at.offset, at.length))
    return b"".join(parts)


def decode_block(data: bytes) -> StoredBlock:
    """Raises FatalError STORAGE_CORRUPT."""
    if len(data) < _BLOCK.size:
        raise corrupt(f"block has {len(data)} bytes, want at least {_BLOCK.size}")
    version, height, block_hash, tx_count, value_bytes, certificate_bytes, batch_count = _BLOCK.unpack_from(data)
    certificate_start = _BLOCK.size + value_bytes
    batches_start = certificate_start + certificate_bytes
    if version != _BLOCK_FORMAT or len(data) != batches_start + batch_count * _BATCH.size:
        raise corrupt(f"block of height {height} has version {version} and {len(data)} bytes")
    batches = tuple(
        (digest, count, BatchLocation(segment, offset, length))
        for digest, count, segment, offset, length in _BATCH.iter_unpack(data[batches_start:])
    )
    value = data[_BLOCK.size : certificate_start]
    return StoredBlock(height, block_hash, value, data[certificate_start:batches_start], tx_count, batches)


def encode_logged(logged: LoggedBlock) -> bytes:
    segment, size = logged.log_position
    return _LOGGED.pack(_BLOCK_FORMAT, encode_tip(logged.tip), segment, size) + encode_block(logged.block)


def decode_logged(data: bytes) -> LoggedBlock:
    """Raises FatalError STORAGE_CORRUPT."""
    if len(data) < _LOGGED.size:
        raise corrupt(f"logged block has {len(data)} bytes, want at least {_LOGGED.size}")
    version, tip, segment, size = _LOGGED.unpack_from(data)
    if version != _BLOCK_FORMAT:
        raise corrupt(f"logged block has version {version}, want {_BLOCK_FORMAT}")
    block = decode_block(data[_LOGGED.size :])
    logged = LoggedBlock(decode_tip(tip), block, (segment, size))
    if (block.height, block.block_hash) != (logged.tip.height, logged.tip.block_hash):
        raise corrupt(f"logged block {block.height} does not match its tip of height {logged.tip.height}")
    return logged


def pack_receipts(receipts: Sequence[bytes]) -> bytes:
    """One value a block, with a table of ends in front, so that one receipt is found without looking at the others."""
    ends: list[int] = []
    end = 0
    for receipt in receipts:
        end += len(receipt)
        ends.append(end)
    return struct.pack(f">I{len(ends)}I", len(ends), *ends) + b"".join(receipts)


def receipt_count(packed: bytes) -> int:
    if len(packed) < 4:
        raise corrupt(f"receipts have {len(packed)} bytes, want at least 4")
    count: int = U32.unpack_from(packed)[0]
    if len(packed) < 4 + 4 * count:
        raise corrupt(f"receipts have {len(packed)} bytes for a table of {count}")
    return count


def unpack_receipt(packed: bytes, index: int) -> bytes | None:
    """Receipt `index`, None past the end. Looks at no other receipt. Raises FatalError STORAGE_CORRUPT."""
    count = receipt_count(packed)
    if not 0 <= index < count:
        return None
    data_start = 4 + 4 * count
    start = data_start + (U32.unpack_from(packed, 4 * index)[0] if index else 0)
    end = data_start + U32.unpack_from(packed, 4 + 4 * index)[0]
    if not start <= end <= len(packed):
        raise corrupt(f"receipt {index} stands at {start}:{end} of {len(packed)} bytes")
    return packed[start:end]


def unpack_receipts(packed: bytes) -> list[bytes]:
    """All receipts. Raises FatalError STORAGE_CORRUPT."""
    count = receipt_count(packed)
    receipts: list[bytes] = []
    data_start = start = 4 + 4 * count
    for end in struct.unpack_from(f">{count}I", packed, 4):
        receipts.append(packed[start : data_start + end])
        start = data_start + end
    if start != len(packed):
        raise corrupt(f"receipts end at {start} of {len(packed)} bytes")
    return receipts


def tx_in_batch(batch: bytes, index: int) -> bytes:
    """Signed transaction `index` of a batch's bytes, by its length fields alone. Raises FatalError STORAGE_CORRUPT past
    the end."""
    position = _BATCH_BODY_START
    for _ in range(index):
        if position + 4 > len(batch):
            break
        position += 4 + U32.unpack_from(batch, position)[0]
    if position + 4 <= len(batch):
        end = position + 4 + U32.unpack_from(batch, position)[0]
        if end <= len(batch):
            return batch[position + 4 : end]
    raise corrupt(f"batch of {len(batch)} bytes has no transaction {index}")
