"""The fixed facts of a chain, read from its genesis encoding (formats §9)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hnnode_native import genesis_chain_id

from hnnode.errors import ConfigError

ROLES = {1: "main", 2: "relay", 3: "city"}
_TAIL = struct.Struct(">BQ32s32s32sIIQ")


@dataclass(frozen=True, slots=True)
class GenesisFacts:
    """`valid_blocks_max`: how far ahead of the chain a transaction's `valid_until_height` may be."""

    encoding: bytes
    chain_id: bytes
    chain_name: str
    role: str
    time_ms: int
    validators_hash: bytes
    plugins_hash: bytes
    state_root: bytes
    block_bytes_max: int
    block_tx_count_max: int
    valid_blocks_max: int


def read_genesis(encoding: bytes) -> GenesisFacts:
    """Raises ConfigError 9002 when it is no genesis of version 1."""
    try:
        name_length = encoding[1]
        name = encoding[2 : 2 + name_length].decode("ascii")
        role, time_ms, validators, plugins, root, block_bytes, block_txs, valid_blocks = _TAIL.unpack(
            encoding[2 + name_length :]
        )
        if encoding[0] != 1 or role not in ROLES:
            raise ConfigError("GENESIS_INVALID", f"got version {encoding[0]}, role {role}; want version 1, role 1-3")
    except (IndexError, UnicodeDecodeError, struct.error) as e:
        raise ConfigError("GENESIS_INVALID", f"got {len(encoding)} bytes that are no genesis encoding") from e
    return GenesisFacts(
        encoding=encoding,
        chain_id=genesis_chain_id(encoding),
        chain_name=name,
        role=ROLES[role],
        time_ms=time_ms,
        validators_hash=validators,
        plugins_hash=plugins,
        state_root=root,
        block_bytes_max=block_bytes,
        block_tx_count_max=block_txs,
        valid_blocks_max=valid_blocks,
    )
