"""Committed data, logs, and the records that a block writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hnnode_native import PageLayer


@dataclass(frozen=True, slots=True)
class BatchLocation:
    """Where a batch stands in the append-only batch log."""

    segment: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class TxLocation:
    height: int
    tx_index: int


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """`batches` are (digest, tx count, location) in block order."""

    height: int
    block_hash: bytes
    value: bytes
    certificate: bytes
    tx_count: int
    batches: tuple[tuple[bytes, int, BatchLocation], ...]


@dataclass(frozen=True, slots=True)
class Tip:
    """Last committed block and its results (what the next header must carry). Height 0 is genesis, whose hash is the chain id."""

    height: int
    block_hash: bytes
    time_ms: int
    receipts_root: bytes
    state_root: bytes
    outbox_root: bytes


@dataclass(frozen=True, slots=True)
class LoggedBlock:
    """A block as the block log keeps it: enough to execute it again and to see that it comes to the same results.

    log_position: how far the consensus log was durable when the block was first written."""

    tip: Tip
    block: StoredBlock
    log_position: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """Everything one block writes, for one atomic write.

    receipts_packed: all receipts in one row (u32 count ‖ count × u32 end ‖ receipts). receipts_stored: the same as
    `hnnode_native.pack_receipts` packs it; empty keeps it as it is."""

    tip: Tip
    value: bytes
    certificate: bytes
    batches: Sequence[tuple[bytes, int, BatchLocation]]
    tx_count: int
    receipts_packed: bytes
    writes: Sequence[tuple[bytes, bytes | None]]
    pages: PageLayer
    author_seqs: Sequence[tuple[bytes, int]] = field(default=())
    receipts_stored: bytes = b""


class StateReader(Protocol):
    """State and tree pages as of one height. Thread-safe."""

    height: int

    def get(self, key: bytes) -> bytes | None:
        """key: database state key (`hnnode_native.state_key`)."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` pairs whose key starts with `prefix` and is greater than `after`, ascending."""

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]: ...


class Chain(Protocol):
    """Committed data, read side. Every method is synchronous, thread-safe and answers from durable data only."""

    def tip(self) -> Tip: ...
    def block(self, height: int) -> StoredBlock | None: ...
    def batch(self, location: BatchLocation) -> bytes: ...
    def batch_packed(self, location: BatchLocation) -> bytes:
        """As it rests in the batch log and travels."""

    def receipt(self, height: int, tx_index: int) -> bytes | None: ...
    def receipts(self, height: int) -> list[bytes]: ...
    def tx(self, location: TxLocation) -> bytes: ...
    def tx_ids(self, height: int) -> list[bytes]: ...
    def tx_locations(self, tx_ids: Sequence[bytes]) -> list[TxLocation | None]: ...
    def committed_flags(self, tx_ids_packed: bytes) -> bytes:
        """One byte an id of 32: 1 when a block holds it, however old, also one that is written and not durable yet."""

    def state(self, height: int | None = None) -> StateReader:
        """Reader at the tip or at one of the last few heights; raises `Unavailable` (code 1005) for an older one."""


class BatchLog(Protocol):
    """Append-only store of batches. Not thread-safe for writing: one thread appends and syncs; `read` is thread-safe."""

    def append(self, items: Sequence[bytes]) -> list[BatchLocation]: ...
    def sync(self) -> None:
        """fdatasync; a failure is a FatalError and is never retried."""

    def read(self, location: BatchLocation) -> bytes: ...


class ConsensusLog(Protocol):
    """Inputs of the consensus engine, for replay after a crash. One thread."""

    def append(self, height: int, record: bytes) -> None: ...
    def sync(self) -> None: ...
    def records(self) -> Iterator[bytes]: ...
    def drop_through(self, height: int) -> None:
        """Segments whose records all belong to heights up to `height` may go."""


class SignState(Protocol):
    """Height floor of the signing key, reserved ahead and synced before the first signature above it."""

    def floor(self) -> int: ...
    def reserve(self, height: int) -> None: ...
