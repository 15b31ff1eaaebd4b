"""What a benchmark sends: accounts of the genesis and transactions signed before the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import hnnode_native as native
import orjson

from hnnode.errors import Rejected

SIGN_CHUNK = 2_000
NAME_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Bundle:
    """One request: `u32 length || signed transaction` repeated, and the ids in the same order."""

    body: bytes
    tx_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """`payloads(start, count)` yields payload bytes that are valid in any order and never repeat."""

    application: str
    action: str
    roles: tuple[str, ...]
    payloads: Callable[[int, int], Sequence[bytes]]


def evidence(run: bytes, payload_bytes: int | None) -> Workload:
    """One preserved hash a transaction: pure append, no two touch one key."""
    base = len(_evidence_payload(run, 0, ""))
    filler = 0 if payload_bytes is None else payload_bytes - base
    if not 0 <= filler <= NAME_CHARS_MAX:
        raise Rejected("PARAMETER_INVALID", f"payload: got {payload_bytes} bytes, want {base} to {base + NAME_CHARS_MAX}")

    def payloads(start: int, count: int) -> list[bytes]:
        return [_evidence_payload(run, i, "x" * filler) for i in range(start, start + count)]

    return Workload("evidence", "preserve", (), payloads)


def _evidence_payload(run: bytes, index: int, name: str) -> bytes:
    digest = native.sm3(run + index.to_bytes(8, "big"))
    return orjson.dumps({"hash": digest.hex(), "algorithm": "sm3", "size": 1_048_576, "name": name})


@dataclass(slots=True)
class Signing:
    """Signs with several accounts in turn, so that no single account's quota shapes the result."""

    workload: Workload
    keys: Sequence[native.SecretKey]
    chain_id: bytes
    next_index: int = 0

    def bundles(self, count: int, batch: int, valid_until_height: int) -> Iterator[Bundle]:
        """`count` transactions in requests of `batch`, signed on all cores in chunks."""
        signed: list[tuple[bytes, bytes]] = []
        left = count
        while left:
            chunk = min(left, SIGN_CHUNK)
            payloads = self.workload.payloads(self.next_index, chunk)
            key = self.keys[self.next_index // SIGN_CHUNK % len(self.keys)]
            nonce = int.from_bytes(os.urandom(7), "big")
            signed += native.build_txs(
                key, self.chain_id, nonce, valid_until_height, self.workload.application, self.workload.action, payloads
            )
            self.next_index += chunk
            left -= chunk
            while len(signed) >= batch or (signed and not left):
                part, signed = signed[:batch], signed[batch:]
                yield Bundle(b"".join(len(tx).to_bytes(4, "big") + tx for _, tx in part), tuple(tx_id for tx_id, _ in part))
