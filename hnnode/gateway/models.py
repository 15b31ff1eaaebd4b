"""Shapes of the answers, for the API document. Answers are built by hand; the tests hold them against these models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TxStateName = Literal["pending", "committed", "failed", "expired", "rejected", "unknown"]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fault(Model):
    pointer: str
    rule: str
    message_zh: str
    message_en: str


class Problem(BaseModel):
    """RFC 9457. More members may stand beside these: `state` of a transaction, `pool` when the mempool is full, `personal` (3013)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: int
    name: str
    retryable: bool
    retry_after_ms: int | None
    tx_id: str | None
    errors: list[Fault]


class Event(Model):
    """`payload` when the data is JSON, otherwise `payload_hex`."""

    cursor: str
    name: str
    entity: str
    payload: Any = None
    payload_hex: str | None = None


class ChainEvent(Event):
    height: int
    tx_index: int
    event_index: int
    block_time: str
    tx_id: str
    application: str


class Events(Model):
    events: list[ChainEvent]
    next: str
    complete: bool


class Receipt(Model):
    tx_id: str
    height: int
    tx_index: int
    block_time: str
    application: str
    action: str
    status: Literal["committed", "failed"]
    code: int
    name: str
    rule: str
    steps: int
    events: list[Event]
    write_set_digest: str


class Submitted(Model):
    """`receipt` when the transaction is committed or failed."""

    tx_id: str
    state: TxStateName
    replayed: bool
    receipt: Receipt | None = None


class SubmitItem(Model):
    tx_id: str | None
    state: TxStateName
    code: int
    name: str
    retryable: bool
    replayed: bool
    height: int | None = None
    tx_index: int | None = None
    rule: str | None = None
    personal: dict[str, str] | None = Field(None, description="`kind` and `field` of a number of a person")


class SubmittedBatch(Model):
    results: list[SubmitItem]
    accepted: int
    refused: int


class SubmitTx(Model):
    tx: str = Field(description="Signed transaction, hexadecimal or base64")


class SubmitBatch(Model):
    txs: list[str] = Field(min_length=1, description="Signed transactions, hexadecimal or base64")


class Tx(Model):
    tx_id: str
    sender: str
    nonce: int
    valid_until_height: int
    application: str
    action: str
    payload: Any = None
    payload_hex: str | None = None
    signature: str


class TxState(Model):
    tx_id: str
    state: TxStateName
    height: int | None
    tx_index: int | None
    code: int
    name: str
    rule: str
    tx: Tx | None


class CertificateView(Model):
    round: int
    signers: list[int]
    certificate_hex: str


class BatchView(Model):
    digest: str
    author: str
    seq: int
    tx_count: int


class Block(Model):
    """The last four only with `full=1`."""

    height: int
    block_hash: str
    block_time: str
    time_ms: int
    chain_id: str
    proposer: str
    parent_hash: str
    batches_root: str
    tx_root: str
    validators_hash: str
    next_validators_hash: str
    plugins_hash: str
    receipts_root: str
    state_root: str
    outbox_root: str
    tx_count: int
    batch_count: int
    header_hex: str | None = None
    certificate: CertificateView | None = None
    batches: list[BatchView] | None = None
    txs: list[Tx] | None = None


class Blocks(Model):
    blocks: list[Block]
    next: str | None


class TxOutcome(Model):
    tx_id: str
    code: int


class BlockResults(Model):
    """In block order; a repeated transaction appears again with TX_DUPLICATE."""

    height: int
    results: list[TxOutcome]


class ActionView(Model):
    action: str
    roles: list[str]
    title_zh: str
    title_en: str


class QueryView(Model):
    query: str
    title_zh: str
    title_en: str


class EventView(Model):
    event: str
    title_zh: str
    title_en: str


class RuleView(Model):
    rule: str
    message_zh: str
    message_en: str


class ApplicationView(Model):
    application: str
    plugin: str
    version: str
    actions: list[ActionView]
    queries: list[QueryView]
    events: list[EventView]
    rules: list[RuleView]


class Applications(Model):
    applications: list[ApplicationView]


class Schema(Model):
    """JSON Schemas: of payloads, of arguments, and of the data of events."""

    application: str
    actions: dict[str, Any]
    queries: dict[str, Any]
    events: dict[str, Any]


class Plugins(Model):
    plugins: list[dict[str, Any]]


class QueryAnswer(Model):
    application: str
    query: str
    height: int
    result: Any


class BuildTx(Model):
    """Exactly one of `payload`, `payload_hex`; without the others a random nonce and half the longest validity."""

    action: str
    sender: str = Field(description="Account, 40 hexadecimal digits")
    payload: Any = None
    payload_hex: str | None = None
    nonce: int | None = None
    valid_until_height: int | None = None


class SignHint(Model):
    message: str
    algorithm: str
    id: str
    form: str


class BuiltTx(Model):
    tx_id: str
    body: str
    chain_id: str
    nonce: int
    valid_until_height: int
    sign: SignHint


class PluginTrouble(Model):
    """A plugin whose process keeps ending, or that does not answer, so that its block waits. `since_ms`: Unix time. `height`,
    `block_hash`, `action` and `tx_id` name the transaction (or due item, or page of a migration) that holds the block up once it is
    known; else 0 and empty."""

    application: str
    reason: str
    since_ms: int
    times: int
    height: int
    block_hash: str
    action: str
    tx_id: str


class Status(Model):
    chain_id: str
    chain_name: str
    role: str
    version: str
    account: str
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
    disk_free_bytes: int
    loop_lag_ms: float
    uptime_s: float
    plugin_troubles: list[PluginTrouble]


class Live(Model):
    live: bool


class Ready(Model):
    ready: bool
    height: int


class Validators(Model):
    validators: list[dict[str, Any]]


class Peer(Model):
    name: str
    account: str
    host: str
    port: int
    connected: bool
    since_ms: int
    bytes_in: int
    bytes_out: int
    queued_bytes: int


class Peers(Model):
    peers: list[Peer]


class Genesis(Model):
    chain_id: str
    chain_name: str
    role: str
    time: str
    validators_hash: str
    plugins_hash: str
    state_root: str
    block_bytes_max: int
    block_tx_count_max: int
    valid_blocks_max: int
    encoding: str


class ErrorRow(Model):
    code: int
    name: str
    http: int
    retryable: bool
    message_zh: str
    message_en: str


class Errors(Model):
    errors: list[ErrorRow]
