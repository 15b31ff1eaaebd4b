"""Bodies of frames: msgpack of these, in field order. Both ends are of one release, so there is no version."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hnnode.execution.group import ForeignTx
from hnnode.plugin_api.context import Sender


class Load(msgspec.Struct, array_like=True, frozen=True):
    """What to run. `files`: path in the package → content, for metered code, which is loaded from memory behind the
    lock; other code is imported from its folder before.
    """

    name: str
    version: str
    entry: str
    root: str
    package: str
    code_hash: bytes
    metered: bool
    files: dict[str, bytes]
    memory_bytes_max: int


class ActionMessage(msgspec.Struct, array_like=True, frozen=True):
    name: str
    roles: tuple[str, ...]
    schema: bytes
    title_zh: str
    title_en: str
    has_batch: bool
    exempt: tuple[str, ...]
    key_rounds: int


class QueryMessage(msgspec.Struct, array_like=True, frozen=True):
    name: str
    schema: bytes
    title_zh: str
    title_en: str


class EventMessage(msgspec.Struct, array_like=True, frozen=True):
    name: str
    schema: bytes
    title_zh: str
    title_en: str


class DueMessage(msgspec.Struct, array_like=True, frozen=True):
    prefix: bytes
    items_max: int
    title_zh: str
    title_en: str


class Results(msgspec.Struct, array_like=True, frozen=True):
    """Packed results of a block: of its transactions, of the due items."""

    txs: bytes
    due: bytes


class Description(msgspec.Struct, array_like=True, frozen=True):
    """Everything the node must know of an application that it does not run itself. Schemas are JSON.

    missing: parts of the sandbox that this machine does not have.
    """

    name: str
    title_zh: str
    title_en: str
    state_version: int
    actions: tuple[ActionMessage, ...]
    queries: tuple[QueryMessage, ...]
    events: tuple[EventMessage, ...]
    rules: tuple[tuple[str, str, str], ...]
    reads: tuple[str, ...]
    missing: tuple[str, ...]
    migrations: tuple[tuple[int, int], ...]
    parameters: dict[str, dict[str, Any]]
    due: DueMessage | None


class Block(msgspec.Struct, array_like=True, frozen=True):
    """skipped: ids that no handler is called for. told: say of each transaction that its turn has come, with an AT."""

    height: int
    time_ms: int
    txs: list[ForeignTx]
    skipped: list[bytes]
    told: bool


class Values(msgspec.Struct, array_like=True, frozen=True):
    """Answer to keys: their values in that order. senders: those of the block, with the first answer."""

    values: list[bytes | None]
    senders: list[tuple[bytes, Sender]]


class Query(msgspec.Struct, array_like=True, frozen=True):
    """rows, scans: what it will most likely ask for, keys and prefixes with the application's. scans: (prefix, limit, rows)."""

    name: str
    arguments: bytes
    height: int
    rows: list[tuple[bytes, bytes | None]]
    scans: list[tuple[bytes, int, list[tuple[bytes, bytes]]]]


class Scan(msgspec.Struct, array_like=True, frozen=True):
    prefix: bytes
    after: bytes | None
    limit: int


class Foreign(msgspec.Struct, array_like=True, frozen=True):
    application: str
    key: bytes


class Migrate(msgspec.Struct, array_like=True, frozen=True):
    """A page of a migration: which step, which pass, its rows."""

    way: tuple[int, int]
    phase: Literal["check", "move", "verify"]
    rows: list[tuple[bytes, bytes]]


class MovedPage(msgspec.Struct, array_like=True, frozen=True):
    """What became of it."""

    writes: list[tuple[bytes, bytes | None]]
    fault: str


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """A query's answer as JSON. used: one byte, not 0 when it was asked for, of each row and scan that was sent along."""

    body: bytes
    used: bytes


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """A query that cannot be answered (`name` of the error table; `used` as of an answer), or code that cannot be loaded."""

    name: str
    detail: str
    used: bytes = b""


class Fault(msgspec.Struct, array_like=True, frozen=True):
    """A line for the node's log."""

    level: str
    event: str
    fields: dict[str, str]


encode = msgspec.msgpack.Encoder().encode
Rows = list[tuple[bytes, bytes]]


def decoder(kind: Any) -> Any:
    """Decodes a body of this type; raises ValueError for everything else."""
    return msgspec.msgpack.Decoder(kind).decode


decode_load = decoder(Load)
decode_description = decoder(Description)
decode_block = decoder(Block)
decode_values = decoder(Values)
decode_queries = decoder(list[Query])
decode_scan = decoder(Scan)
decode_foreign = decoder(Foreign)
decode_migrate = decoder(Migrate)
decode_moved = decoder(MovedPage)
decode_answer = decoder(Answer)
decode_refusal = decoder(Refusal)
decode_fault = decoder(Fault)
decode_results = decoder(Results)
decode_keys = decoder(list[bytes])
decode_value = decoder(bytes | None)
decode_rows = decoder(Rows)
decode_sender = decoder(Sender)
