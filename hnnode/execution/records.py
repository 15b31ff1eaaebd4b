"""Account records (formats §12), decoded for queries."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hnnode.errors import FatalError


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


def _corrupt(what: str, value: bytes) -> FatalError:
    return FatalError("STORAGE_CORRUPT", f"{what}: got {len(value)} bytes that do not decode")
