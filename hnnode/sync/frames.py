"""Frames of block sync: status, block request, block response. Strict: exact lengths, no trailing bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_STATUS = struct.Struct(">QQI")
_REQUEST = struct.Struct(">QH")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")
BATCH_COUNT_MAX = 1_024
REQUEST_BLOCKS_MAX = 64


@dataclass(frozen=True, slots=True)
class Status:
    """`committed`: last durable height. `height`, `round`: where the sender's consensus stands."""

    committed: int
    height: int
    round: int

    def encode(self) -> bytes:
        return _STATUS.pack(self.committed, self.height, self.round)

    @staticmethod
    def decode(data: bytes) -> Status | None:
        """None when the bytes are no status."""
        return Status(*_STATUS.unpack(data)) if len(data) == _STATUS.size else None


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """`count` blocks (1–64) from `height` on."""

    height: int
    count: int

    def encode(self) -> bytes:
        return _REQUEST.pack(self.height, self.count)

    @staticmethod
    def decode(data: bytes) -> BlockRequest | None:
        if len(data) != _REQUEST.size:
            return None
        request = BlockRequest(*_REQUEST.unpack(data))
        return request if request.height >= 1 and 1 <= request.count <= REQUEST_BLOCKS_MAX else None


@dataclass(frozen=True, slots=True)
class BlockResponse:
    """One committed block with everything needed to check and execute it. An empty value says "I do not have it".

    skips: skip records of the block; a part of the frame only when there are some."""

    height: int
    value: bytes
    certificate: bytes
    batches: tuple[bytes, ...]
    skips: bytes = b""

    def encode(self) -> bytes:
        parts = [_U64.pack(self.height), _sized(self.value), _sized(self.certificate), _U16.pack(len(self.batches))]
        parts += [_sized(batch) for batch in self.batches]
        if self.skips:
            parts.append(_sized(self.skips))
        return b"".join(parts)

    @staticmethod
    def decode(data: bytes) -> BlockResponse | None:
        try:
            (height,) = _U64.unpack_from(data, 0)
            value, at = _take(data, _U64.size)
            certificate, at = _take(data, at)
            (count,) = _U16.unpack_from(data, at)
            at += _U16.size
            if count > BATCH_COUNT_MAX:
                return None
            batches = []
            for _ in range(count):
                batch, at = _take(data, at)
                batches.append(batch)
            skips = b""
            if at < len(data):
                skips, at = _take(data, at)
                if not skips:
                    return None
        except (struct.error, ValueError):
            return None
        return BlockResponse(height, value, certificate, tuple(batches), skips) if at == len(data) else None


def _sized(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    start = at + _U32.size
    if start + size > len(data):
        raise ValueError("length runs past the end")
    return data[start : start + size], start + size
