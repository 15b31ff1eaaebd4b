"""Binary values that the native applications keep in state (formats §12 and the evidence records), decoded for
queries.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hnnode.errors import FatalError

ALGORITHMS = {1: "sm3", 2: "sha256"}

_HEAD = struct.Struct(">BQQ32s")
_EVIDENCE = struct.Struct(">BQQ32sBQB")


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A registered account. `since_height`: the block that registered or revoked it last."""

    public_key: bytes
    active: bool
    since_height: int
    organisation: str
    roles: tuple[str, ...]

    @classmethod
    def decode(cls, value: bytes) -> AccountRecord:
        """Raises FatalError when the value is not an account record: the state is then corrupt."""
        try:
            version, key, active, since = struct.unpack_from(">B65sBQ", value)
            size = int.from_bytes(value[75:77], "big")
            organisation = value[77 : 77 + size].decode("utf-8")
            at = 77 + size
            roles = []
            count = value[at]
            at += 1
            for _ in range(count):
                end = at + 1 + value[at]
                roles.append(value[at + 1 : end].decode("ascii"))
                at = end
        except (struct.error, IndexError, UnicodeDecodeError) as e:
            raise _corrupt("account record", value) from e
        if version != 1 or active > 1 or at != len(value):
            raise _corrupt("account record", value)
        return cls(key, active == 1, since, organisation, tuple(roles))


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """A preserved hash or batch root. `size` is the number of leaves for a batch; `previous` is empty when there is
    none.
    """

    height: int
    time_ms: int
    tx_id: bytes
    algorithm: str
    size: int
    name: str
    previous: bytes

    @classmethod
    def decode(cls, value: bytes) -> EvidenceRecord:
        """Raises FatalError when the value is not an evidence record."""
        try:
            version, height, time_ms, tx_id, algorithm, size, length = _EVIDENCE.unpack_from(value)
            name = value[_EVIDENCE.size : _EVIDENCE.size + length].decode("utf-8")
            has_previous, previous = struct.unpack(">B32s", value[_EVIDENCE.size + length :])
        except (struct.error, UnicodeDecodeError) as e:
            raise _corrupt("evidence record", value) from e
        if version != 1 or algorithm not in ALGORITHMS or has_previous > 1:
            raise _corrupt("evidence record", value)
        return cls(height, time_ms, tx_id, ALGORITHMS[algorithm], size, name, previous if has_previous else b"")


@dataclass(frozen=True, slots=True)
class CosignRecord:
    """One co-signature under a preserved hash."""

    height: int
    time_ms: int
    tx_id: bytes

    @classmethod
    def decode(cls, value: bytes) -> CosignRecord:
        """Raises FatalError when the value is not a co-signature."""
        if len(value) != _HEAD.size or value[0] != 1:
            raise _corrupt("co-signature", value)
        _, height, time_ms, tx_id = _HEAD.unpack(value)
        return cls(height, time_ms, tx_id)


def _corrupt(what: str, value: bytes) -> FatalError:
    return FatalError("STORAGE_CORRUPT", f"{what}: got {len(value)} bytes that do not decode")
