"""Transactions and batches before they are committed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from hnnode_native import Batch

from hnnode.ports.storage import BatchLocation, Tip

TxState = Literal["pending", "committed", "failed", "expired", "rejected", "unknown"]
Wait = Literal["none", "accepted", "committed"]
Personal = tuple[str, str]
"""Kind of a number of a person (`plugin_api.ids.Personal`) and the field of the payload that holds it, "" without a plain name."""
NOTHING: Mapping[int, Personal] = MappingProxyType({})


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

    def observe_wait(self, batches: Sequence[HeldBatch], proposed_at: float) -> None:
        """Measure how long the own ones waited for their quorum, and then for the proposal of this time (monotonic)."""

    def waiting(self) -> bool:
        """Whether any uncommitted batch is held, acknowledged or not."""

    def ready(self) -> tuple[int, int]:
        """Transactions in uncommitted batches that a quorum holds, and the bytes of those batches."""

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
    """code 0: admitted (`pending`) or already there; `replayed` when the same tx is known or committed; `personal` as in `Admission`."""

    tx_id: bytes
    code: int
    replayed: bool = False
    personal: Personal | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Answers to one submitted body, packed in the order of its transactions, so that nothing is built for each.

    tx_ids: 32 bytes each, zero where it did not decode. codes: big-endian u32 each; 0 is admitted (`pending`), TX_DUPLICATE is known
    already (pending or committed), everything else is a refusal. admitted_count, known_count: how many have these two. personal: place of
    a transaction → what was found in it, of the first of those refused with PERSONAL_DATA."""

    tx_ids: bytes
    codes: bytes
    admitted_count: int
    known_count: int
    personal: Mapping[int, Personal] = field(default_factory=lambda: NOTHING)


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

    def check_open(self, size: int, source: str = "", ahead: int = 0) -> None:
        """Whether a body of `size` bytes of this source would be taken. It costs nothing; what cannot be kept is refused before it is read.

        ahead: bytes that were told so just before and did not come yet.
        Raises `Unavailable`: catching up, stopping, no validator, or so much waits already that it would wait too long."""

    async def wait(self, tx_id: bytes, until: Wait, timeout_ms: int) -> TxStatus:
        """Status when `until` is reached or the time is over (then `pending`).

        accepted: in a batch that a quorum of validators holds durably."""

    def status(self, tx_id: bytes) -> TxStatus: ...
    def depth(self) -> Mapping[str, int]:
        """{"tx_count": …, "bytes": …, "bytes_max": …}"""


class ResultDifferences(Protocol):
    """What to do when another node came to other results of a block. roots: (receipts root, state root) of the other side."""

    def notice(self, height: int, roots: tuple[bytes, bytes], peer: bytes) -> None:
        """A proposal of `peer` carries other results."""

    async def noticed(self, height: int) -> str:
        """What notices about this height came to, in one sentence; empty when there were none."""

    async def explain(self, height: int, roots: tuple[bytes, bytes]) -> str:
        """A quorum has other results: what differs, in one sentence, after a few seconds at most."""


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
