"""The binary batch body: repeated `u32 length || signed transaction`, big-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from hnnode_native import frame_count

from hnnode.errors import Rejected

CONTENT_TYPE = "application/octet-stream"
_LENGTH = struct.Struct(">I")


def encode_frames(txs: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for tx in txs:
        parts += (_LENGTH.pack(len(tx)), tx)
    return b"".join(parts)


def decode_frames(data: bytes) -> list[bytes]:
    """The items of a body that `count_frames` found whole."""
    items: list[bytes] = []
    offset = 0
    while offset < len(data):
        start = offset + _LENGTH.size
        offset = start + _LENGTH.unpack_from(data, offset)[0]
        items.append(data[start:offset])
    return items


def count_frames(data: bytes, count_max: int) -> int:
    """Number of frames. Raises Rejected 1001 for broken or empty framing, 1008 for more than `count_max`."""
    count = frame_count(data, count_max)
    return count or _refuse(data, count_max)


def _refuse(data: bytes, count_max: int) -> int:
    """What is wrong with the framing, in words."""
    offset = 0
    count = 0
    size = len(data)
    try:
        while offset < size:
            offset += _LENGTH.size + _LENGTH.unpack_from(data, offset)[0]
            count += 1
            if count > count_max:
                raise Rejected("BATCH_TOO_LARGE", f"got more than {count_max} transactions, want at most {count_max}")
    except struct.error as e:
        raise Rejected("REQUEST_MALFORMED", f"frame {count}: got {size - offset} bytes, want a 4-byte length") from e
    if offset > size:
        raise Rejected("REQUEST_MALFORMED", f"frame {count - 1}: {offset - size} bytes are missing")
    if count == 0:
        raise Rejected("REQUEST_MALFORMED", "got an empty batch, want at least one transaction")
    return count
