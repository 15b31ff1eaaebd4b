"""Files of signed transactions for load generators that cannot, or should not, sign while they send.

`HNTX1\\n`, one line of JSON (chain id, application, counts), then for each transaction `u32 length ‖ 32-byte tx_id ‖
signed transaction`, big-endian: a reader needs no knowledge of transactions, and may skip to a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hnnode.bench.workload import Bundle
from hnnode.errors import ConfigError

MAGIC = b"HNTX1\n"
HEAD_BYTES_MAX = 64 * 1024
TX_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Presigned:
    tx_id: bytes
    tx: bytes


def write_presigned(path: Path, facts: Mapping[str, Any], bundles: Iterable[Bundle]) -> int:
    """Write a new file; returns the number of transactions."""
    count = 0
    with path.open("xb") as file:
        file.write(MAGIC + orjson.dumps(dict(facts)) + b"\n")
        for bundle in bundles:
            at = 0
            for tx_id in bundle.tx_ids:
                end = at + 4 + int.from_bytes(bundle.body[at : at + 4], "big")
                file.write(bundle.body[at : at + 4] + tx_id + bundle.body[at + 4 : end])
                at, count = end, count + 1
    return count


def read_presigned(path: Path) -> tuple[dict[str, Any], Iterator[Presigned]]:
    """Facts and transactions. Raises ConfigError for a file of another kind, or one that was cut."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ConfigError("CONFIG_INVALID", f"{path}: not a file of presigned transactions")
        facts: dict[str, Any] = orjson.loads(file.readline(HEAD_BYTES_MAX))
        start = file.tell()

    def txs() -> Iterator[Presigned]:
        with path.open("rb") as file:
            file.seek(start)
            while head := file.read(4):
                length = int.from_bytes(head, "big")
                body = file.read(32 + length) if length <= TX_BYTES_MAX else b""
                if len(head) < 4 or len(body) < 32 + length:
                    raise ConfigError("CONFIG_INVALID", f"{path}: cut in the middle of a transaction")
                yield Presigned(body[:32], body[32:])

    return facts, txs()
