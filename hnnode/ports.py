"""Where rooms meet: the Protocols and records that cross from one room to another. `node/build.py` wires them.

Flow: gateway and network → Mempool → consensus → Execution → Storage → Events. Nothing here has behaviour.
Hashes are 32 bytes, accounts 20; formats in docs/reference/formats.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, Protocol

from hnnode_native import Batch, PageLayer

TxState = Literal["pending", "committed", "failed", "expired", "rejected", "unknown"]
Wait = Literal["none", "accepted", "committed"]


# ------------------------------------------------------------------ network
class Channel(IntEnum):
    """Two connections a peer, so that votes never queue behind batches."""

    CONSENSUS = 0
    BULK = 1


class Kind(IntEnum):
    """Frame kinds of the peer protocol; the payload's layout belongs to the room that sends it."""

    CONSENSUS_MESSAGE = 1
    STATUS = 2
    BATCH_ACK = 3
    BATCH = 16
    BATCH_REQUEST = 17
    BATCH_MISSING = 18
    BLOCK_REQUEST = 32
    BLOCK_RESPONSE = 33


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A node this node knows: its identity (an SM2 key) and where it listens."""

    name: str
    account: bytes
    public_key: bytes
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PeerInfo:
    name: str
    account: bytes
    host: str
    port: int
    connected: bool
    since_ms: int
    bytes_in: int
    bytes_out: int
    queued_bytes: int


FrameHandler = Callable[[bytes, Sequence[tuple[int, bytes]]], None]
"""(peer account, [(kind, payload), …]): all frames of one wake-up, on the event loop; must not block."""


class Network(Protocol):
    """Authenticated frames between known peers. A send never blocks: a full queue drops the frame and counts it."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def on_frames(self, channel: Channel, handler: FrameHandler) -> None: ...
    def on_peer(self, handler: Callable[[bytes, bool], None]) -> None:
        """Called with (peer account, True) when both channels are up, (…, False) when one is lost."""

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool: ...
    def broadcast(self, channel: Channel, kind: int, payload: bytes) -> int:
        """Returns the number of peers the frame was queued for."""

    def connected(self) -> list[bytes]: ...
    def peers(self) -> list[PeerInfo]: ...
    def figures(self) -> Mapping[str, int]:
        """Counts since start, for metrics: bytes, frames, drops, handshakes, bans."""

    def punish(self, peer: bytes, code: int) -> None:
        """Score a faulty peer; past the limit its connections are cut and refused for a while."""


# ------------------------------------------------------------------ storage
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


# ------------------------------------------------------------------ mempool
@dataclass(frozen=True, slots=True)
class HeldBatch:
    """A batch that is decoded, valid and durable on this node."""

    batch: Batch
    location: BatchLocation


@dataclass(frozen=True, slots=True)
class Decided:
    """A block that consensus decided, with its batches in order, before it is executed."""

    height: int
    block_hash: bytes
    value: bytes
    certificate: bytes
    time_ms: int
    proposer: bytes
    batches: tuple[HeldBatch, ...]
    tx_count: int


class Batches(Protocol):
    """The data plane as consensus and sync see it. All calls on the event loop."""

    def get(self, digest: bytes) -> HeldBatch | None: ...
    def proposable(self, batches_max: int, bytes_max: int, tx_count_max: int) -> list[HeldBatch]:
        """Batches that a quorum of validators holds, oldest first, round-robin over authors, seq rising for each."""

    def last_seqs(self) -> list[tuple[bytes, int]]:
        """(author, last committed seq) of the authors that have committed any batch."""

    def waiting(self) -> bool:
        """Whether any uncommitted batch is held, acknowledged or not."""

    def ready_tx_count(self) -> int:
        """Transactions in uncommitted batches that a quorum holds."""

    async def fetch(
        self, digests: Sequence[tuple[bytes, bytes]], proposer: bytes, bytes_max: int | None
    ) -> list[HeldBatch]:
        """Wait for batches (digest, author), asking proposer, author and then others for missing ones. Cancel to give up.

        Raises PeerFault BATCH_LIST_INVALID as soon as those that came have more than `bytes_max` bytes."""

    def refuse(self, digest: bytes, code: int) -> None:
        """Forget a held batch that turned out invalid; its author is charged."""

    async def store(self, batches: Sequence[Batch], *, acknowledge: bool = True) -> list[HeldBatch]:
        """Make verified batches durable and hold them. acknowledge: tell the validators."""

    def on_commit(self, batches: Sequence[HeldBatch], height: int) -> None: ...


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """code 0: admitted (`pending`) or already there; `replayed` when the same tx is known or committed."""

    tx_id: bytes
    code: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Answers to one submitted body, packed in the order of its transactions, so that nothing is built for each.

    tx_ids: 32 bytes each, zero where it did not decode. codes: big-endian u32 each; 0 is admitted (`pending`), TX_DUPLICATE is known
    already (pending or committed), everything else is a refusal. admitted_count, known_count: how many have these two."""

    tx_ids: bytes
    codes: bytes
    admitted_count: int
    known_count: int


@dataclass(frozen=True, slots=True)
class TxStatus:
    """`height`, `tx_index`, `code` and `rule` are set for committed and failed; `code` also for rejected and expired."""

    tx_id: bytes
    state: TxState
    height: int | None = None
    tx_index: int | None = None
    code: int = 0
    rule: str = ""


class Mempool(Protocol):
    """The one door for transactions, of the gateway and of the SDKs alike."""

    async def submit(self, txs: Sequence[bytes]) -> list[SubmitResult]:
        """Decode, check, verify and pool signed transactions; one result an item. Raises `Unavailable` as `check_open`."""

    def submit_frames(self, data: bytes, source: str = "") -> asyncio.Future[Admission]:
        """As `submit`, from repeated `u32 length || signed transaction`. Bodies that come together share one native call.

        source: whom it came from (`host port` of the connection), so that one client or gateway does not take the room of all.
        Raises `Unavailable` at once; the future fails with `Rejected` 1001 for broken framing."""

    def check_open(self, size: int, source: str = "") -> None:
        """Whether a body of `size` bytes of this source would be taken. It costs nothing; what cannot be kept is refused before it is read.

        Raises `Unavailable`: catching up, stopping, no validator, or so much waits already that it would wait too long."""

    async def wait(self, tx_id: bytes, until: Wait, timeout_ms: int) -> TxStatus:
        """Status when `until` is reached or the time is over (then `pending`).

        accepted: in a batch that a quorum of validators holds durably."""

    def status(self, tx_id: bytes) -> TxStatus: ...
    def depth(self) -> Mapping[str, int]:
        """{"tx_count": …, "bytes": …, "bytes_max": …}"""


class BlockApplier(Protocol):
    """Consensus as block sync sees it. All calls on the event loop."""

    @property
    def tip(self) -> Tip:
        """Last executed block."""

    def stats(self) -> Mapping[str, int | str]: ...
    def on_peer_height(self, peer: bytes, height: int, round_: int) -> None: ...
    def check_decided(self, height: int, value: bytes) -> int:
        """First broken rule of a certified value on top of the tip, 0 when it holds."""

    async def apply_synced(self, height: int, value: bytes, certificate: bytes, timeout_s: float) -> bool: ...


# ------------------------------------------------------------------ execution
@dataclass(frozen=True, slots=True)
class ActionInfo:
    application: str
    action: str
    plugin: str
    version: str
    roles: tuple[str, ...]
    schema: Mapping[str, Any]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class QueryInfo:
    application: str
    query: str
    schema: Mapping[str, Any]
    title_zh: str
    title_en: str


class Applications(Protocol):
    """What the enabled plugins and the native applications offer, for gateway and CLI."""

    def actions(self) -> list[ActionInfo]: ...
    def queries(self) -> list[QueryInfo]: ...
    def plugins(self) -> list[Mapping[str, Any]]:
        """name, version, applications, code_hash, native, title_zh, title_en"""

    def query(self, application: str, query: str, arguments: bytes, state: StateReader) -> Any:
        """Run a query with JSON arguments; the answer is JSON-ready. Raises `Rejected` (1009, 1010, 1011)."""


# ------------------------------------------------------------------ events, proofs, node
@dataclass(frozen=True, slots=True)
class Cursor:
    """Position of an event; as text `height.tx_index.event_index`."""

    height: int
    tx_index: int
    event_index: int


@dataclass(frozen=True, slots=True)
class ChainEvent:
    cursor: Cursor
    time_ms: int
    tx_id: bytes
    application: str
    name: str
    entity: str
    data: bytes


class Events(Protocol):
    def read(self, after: Cursor | None, limit: int, application: str | None, name: str | None) -> list[ChainEvent]:
        """Events of committed blocks, ascending, from storage; synchronous, thread-safe."""

    def follow(self, after: Cursor | None, application: str | None, name: str | None) -> AsyncIterator[ChainEvent]:
        """Stored events after the cursor, then new ones as blocks commit, without gap or repetition."""


class Proofs(Protocol):
    """Build proof bundles (formats §13). Synchronous, thread-safe.

    Raise `Unavailable` (NOT_READY) while the results are not certified yet."""

    def tx(self, tx_id: bytes) -> bytes:
        """Transaction and receipt, with both headers and the certificate. Raises `Rejected` 1005 for an unknown id."""

    def state(self, application: str, keys: Sequence[bytes]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What `status` answers; built fresh on each call."""

    chain_id: bytes
    chain_name: str
    role: str
    version: str
    account: bytes
    node_name: str
    validator: bool
    height: int
    block_hash: bytes
    block_time_ms: int
    syncing: bool
    ready: bool
    halted: str
    consensus: Mapping[str, int | str]
    peers_connected: int
    peers_known: int
    pool: Mapping[str, int]
    disk_free_bytes: int
    loop_lag_ms: float
    uptime_s: float


class Node(Protocol):
    """Everything the gateway stands in front of."""

    @property
    def chain(self) -> Chain: ...
    @property
    def mempool(self) -> Mempool: ...
    @property
    def applications(self) -> Applications: ...
    @property
    def events(self) -> Events: ...
    @property
    def proofs(self) -> Proofs: ...

    def facts(self) -> NodeFacts: ...
    def peers(self) -> list[PeerInfo]: ...
    def validators(self) -> list[Mapping[str, Any]]:
        """account, public_key, power, name, last_seen_ms"""

    def genesis(self) -> bytes: ...


Clock = Callable[[], int]
"""Unix milliseconds."""
