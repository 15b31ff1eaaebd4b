"""Batches from peers: decoded, judged and verified, many in one call of a thread.

Nobody is charged for what he did not sign: a sender for what it hands over, an author only for batches whose signature was verified.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from hnnode_native import Accounts, Batch, Pool, ValidatorSet, verify_batches

from hnnode.errors import CODES
from hnnode.mempool.fetch import BatchFetch
from hnnode.mempool.held import HeldBatches
from hnnode.mempool.writer import BatchWriter
from hnnode.metrics import Metrics
from hnnode.ports import Channel, Kind, Network

log = structlog.get_logger("mempool")

INTAKE_MAX = 256
INTAKE_BYTES_MAX = 16 * 1024 * 1024
"""Raw batches of one peer that wait for verification; more are dropped and sent again when a proposal needs them."""
GROUP_MAX = 64
GROUP_BYTES_MAX = 8 * 1024 * 1024
"""Of one call: more would keep the first of them from being acknowledged."""
BATCH_AUTHOR_UNKNOWN = CODES["BATCH_AUTHOR_UNKNOWN"]


@dataclass(slots=True)
class _Judged:
    """What one call found: (peer, batch, code) of those that were verified, and of the others what to do."""

    verified: list[tuple[bytes, Batch, int]] = field(default_factory=list)
    faults: list[tuple[bytes, int]] = field(default_factory=list)
    known: list[tuple[bytes, bytes]] = field(default_factory=list)
    over_quota: int = 0


class BatchIntake:
    """Frames in on the event loop, verification in a thread, valid ones to the writer."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        pool: Pool,
        held: HeldBatches,
        fetch: BatchFetch,
        writer: BatchWriter,
        network: Network,
        metrics: Metrics,
        verify_threads: ThreadPoolExecutor,
    ) -> None:
        self._chain_id = chain_id
        self._validators = validators
        self._accounts = accounts
        self._pool = pool
        self._held = held
        self._fetch = fetch
        self._writer = writer
        self._network = network
        self._metrics = metrics
        self._verify_threads = verify_threads
        self._raw: dict[bytes, deque[bytes]] = {}
        self._raw_bytes: dict[bytes, int] = {}
        self._ready = asyncio.Event()

    def put(self, peer: bytes, payload: bytes) -> None:
        """A batch as it came; dropped when the peer has too much waiting."""
        waiting = self._raw.setdefault(peer, deque())
        size = self._raw_bytes.get(peer, 0) + len(payload)
        if len(waiting) >= INTAKE_MAX or size > INTAKE_BYTES_MAX:
            self._metrics.dropped.labels("batch_intake").inc()
            return
        waiting.append(payload)
        self._raw_bytes[peer] = size
        self._ready.set()

    async def run(self) -> None:
        """For ever: take a group, judge it, hand the valid ones over."""
        loop = asyncio.get_running_loop()
        while True:
            await self._ready.wait()
            group = self._next_group()
            await self._settle(await loop.run_in_executor(self._verify_threads, self._judge, group))

    def _next_group(self) -> list[tuple[bytes, bytes]]:
        """Some raw batches of every peer in turn, so that none fills the way of the others."""
        group: list[tuple[bytes, bytes]] = []
        size = 0
        while self._raw and len(group) < GROUP_MAX and size < GROUP_BYTES_MAX:
            for peer in list(self._raw):
                waiting = self._raw[peer]
                if waiting:
                    payload = waiting.popleft()
                    size += len(payload)
                    self._raw_bytes[peer] -= len(payload)
                    group.append((peer, payload))
                if not waiting:
                    del self._raw[peer], self._raw_bytes[peer]
        if not self._raw:
            self._ready.clear()
        return group

    # -------------------------------------------------------------- verification thread
    def _judge(self, group: list[tuple[bytes, bytes]]) -> _Judged:
        """Only reads what belongs to the event loop; a stale answer costs a second verification or a drop, never more."""
        judged = _Judged()
        accepted: dict[bytes, tuple[bytes, Batch]] = {}
        decoded = Batch.unpack_many([data for _, data in group])
        for (peer, _), batch in zip(group, decoded, strict=True):
            if isinstance(batch, int):
                judged.faults.append((peer, batch))
                continue
            digest = batch.digest
            if self._held.is_known(digest):
                judged.known.append((peer, digest))
            elif not self._held.is_author(batch.author):
                judged.faults.append((peer, BATCH_AUTHOR_UNKNOWN))
            elif self._writer.is_writing(digest):
                continue
            elif self._fetch.is_wanted(digest) or self._held.takes(batch):
                accepted[digest] = (peer, batch)
            else:
                judged.over_quota += 1
        if accepted:
            codes = verify_batches(
                [batch for _, batch in accepted.values()], self._chain_id, self._validators, self._accounts, self._pool
            )
            judged.verified = [(*item, code) for item, code in zip(accepted.values(), codes, strict=True)]
        return judged

    # -------------------------------------------------------------- event loop
    async def _settle(self, judged: _Judged) -> None:
        for peer, code in judged.faults:
            log.warning("batch malformed", peer=peer.hex(), code=code)
            self._network.punish(peer, code)
        for peer, digest in judged.known:
            # Sent again, so the acknowledgement was lost.
            self._network.send(peer, Channel.CONSENSUS, Kind.BATCH_ACK, digest)
        if judged.over_quota:
            self._metrics.dropped.labels("batch_quota").inc(judged.over_quota)
        valid = [batch for peer, batch, code in judged.verified if self._is_valid(peer, batch, code)]
        if valid:
            await self._writer.hand_over(valid)

    def _is_valid(self, peer: bytes, batch: Batch, code: int) -> bool:
        if code:
            # Honest nodes hand on only what they verified themselves, so the sender is charged whoever the author is.
            log.warning("batch refused", peer=peer.hex(), author=batch.author.hex(), seq=batch.seq, code=code)
            self._network.punish(peer, code)
            return False
        if self._held.other_of_seq(batch) and not self._fetch.is_wanted(batch.digest):
            log.error("author signed two batches for one seq", author=batch.author.hex(), seq=batch.seq)
            self._network.punish(batch.author, CODES["BATCH_SEQ_INVALID"])
            return False
        return True
