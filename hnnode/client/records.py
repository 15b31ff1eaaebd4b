"""Answers of a node, typed. Fields a newer node adds are ignored, so that an older client keeps working."""

from __future__ import annotations

from typing import Any

import msgspec


class ReceiptEvent(msgspec.Struct, frozen=True):
    """`payload` when the data is JSON, otherwise `payload_hex`."""

    cursor: str
    name: str
    entity: str
    payload: Any = None
    payload_hex: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """`status` is `committed` or `failed`; `code` 0 when committed."""

    tx_id: str
    height: int
    tx_index: int
    block_time: str
    application: str
    action: str
    status: str
    code: int
    name: str
    rule: str
    steps: int
    events: list[ReceiptEvent]
    write_set_digest: str


class TxResult(msgspec.Struct, frozen=True):
    """What became of a submission: `pending` (202) or `committed` with its receipt."""

    tx_id: str
    state: str
    replayed: bool = False
    receipt: Receipt | None = None


class ItemResult(msgspec.Struct, frozen=True):
    """One transaction of `submit_many`, in the order of the payloads."""

    tx_id: str | None
    state: str
    code: int
    name: str
    retryable: bool = False
    replayed: bool = False
    height: int | None = None
    tx_index: int | None = None
    rule: str | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    results: list[ItemResult]


class Tx(msgspec.Struct, frozen=True):
    tx_id: str
    sender: str
    nonce: int
    valid_until_height: int
    application: str
    action: str
    signature: str
    payload: Any = None
    payload_hex: str | None = None


class TxState(msgspec.Struct, frozen=True):
    tx_id: str
    state: str
    height: int | None = None
    tx_index: int | None = None
    code: int = 0
    name: str = ""
    rule: str = ""
    tx: Tx | None = None


class Certificate(msgspec.Struct, frozen=True):
    round: int
    signers: list[int]
    certificate_hex: str


class BatchOfBlock(msgspec.Struct, frozen=True):
    digest: str
    author: str
    seq: int
    tx_count: int


class Block(msgspec.Struct, frozen=True):
    """The last four only when asked for with `full`."""

    height: int
    block_hash: str
    block_time: str
    time_ms: int
    proposer: str
    parent_hash: str
    batches_root: str
    tx_root: str
    receipts_root: str
    state_root: str
    tx_count: int
    batch_count: int
    header_hex: str | None = None
    certificate: Certificate | None = None
    batches: list[BatchOfBlock] | None = None
    txs: list[Tx] | None = None


class BlockPage(msgspec.Struct, frozen=True):
    blocks: list[Block]
    next: str | None = None


class Event(msgspec.Struct, frozen=True):
    """`cursor` is what `events(after=…)` takes to go on behind this event."""

    cursor: str
    height: int
    tx_index: int
    event_index: int
    block_time: str
    tx_id: str
    application: str
    name: str
    entity: str
    payload: Any = None
    payload_hex: str | None = None


class Status(msgspec.Struct, frozen=True):
    chain_id: str
    chain_name: str
    role: str
    version: str
    node_name: str
    validator: bool
    height: int
    block_hash: str
    block_time: str
    syncing: bool
    ready: bool
    halted: str
    consensus: dict[str, int | str]
    peers_connected: int
    peers_known: int
    pool: dict[str, int]


class Genesis(msgspec.Struct, frozen=True):
    chain_id: str
    chain_name: str
    role: str
    valid_blocks_max: int
    encoding: str


class QueryAnswer(msgspec.Struct, frozen=True):
    """`result` as of `height`."""

    height: int
    result: Any


class Schema(msgspec.Struct, frozen=True):
    """JSON Schemas of an application by name: of payloads, of the arguments of queries, of the data of events."""

    application: str
    actions: dict[str, Any]
    queries: dict[str, Any]
    events: dict[str, Any]
