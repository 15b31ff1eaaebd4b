"""The data plane: batches of all authors, durable on this node, and who else holds them.

Flow: own seal or a peer's frame → decode and verify (`intake`) → batch log, one fdatasync a group (`writer`) → held → acknowledged to all.

Invariants:
1. A batch is held only when it is decoded, valid and durable here; only then is it acknowledged.
2. An acknowledgement is a hint for proposers and for `wait=accepted`; safety never depends on it, because validators
   vote only for batches they hold.
3. Memory is bounded: per author at most `author_batches_max` and `author_bytes_max` uncommitted; what a decided or proposed block asks for
   is fetched beyond the quota, bounded by the block limits, and let go with the next commit. Acknowledgements of unknown
   batches are bounded for each peer.
4. Nobody is charged for what he did not sign: a sender for what it hands over, an author only for batches whose signature was verified.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from hnnode_native import Accounts, Batch, Pool, ValidatorSet

from hnnode.config import MempoolConfig
from hnnode.errors import CODES
from hnnode.mempool.fetch import BatchFetch, split_digests
from hnnode.mempool.held import HeldBatches
from hnnode.mempool.intake import BatchIntake
from hnnode.mempool.writer import BatchWriter
from hnnode.metrics import Metrics
from hnnode.ports import BatchLog, Channel, HeldBatch, Kind, Network
from hnnode.primitives.guard import guarded

log = structlog.get_logger("mempool")

ACK_COUNT_MAX = 1_024
PUSH_AGAIN_S = 1.0
"""An own batch that a connected validator has not acknowledged for this long is sent to it again."""
PUSH_OTHERS_S = 3.0
"""The same for a batch of another author, whose node may be gone."""
PUSH_AGAIN_MAX = 32


class BatchBuffer:
    """See the module. Everything but verification and disk runs on the event loop."""

    def __init__(
        self,
        *,
        config: MempoolConfig,
        chain_id: bytes,
        account: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        pool: Pool,
        batch_log: BatchLog,
        network: Network,
        metrics: Metrics,
        verify_threads: ThreadPoolExecutor,
        disk_thread: ThreadPoolExecutor,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._account = account
        self._pool = pool
        self._network = network
        self._on_fatal = on_fatal
        self._stage = metrics.stage
        self._held = HeldBatches(config, account, validators)
        self._fetch = BatchFetch(self._held, account, batch_log, network, metrics)
        self._writer = BatchWriter(batch_log, metrics, disk_thread, config.batch_sync_ms, self._on_held, on_fatal)
        self._intake = BatchIntake(
            chain_id=chain_id,
            validators=validators,
            accounts=accounts,
            pool=pool,
            held=self._held,
            fetch=self._fetch,
            writer=self._writer,
            network=network,
            metrics=metrics,
            verify_threads=verify_threads,
        )
        self._is_validator = account in self._held.powers
        self._listeners: list[Callable[[], None]] = []
        self._other_bulk: list[Callable[[bytes, int, bytes], None]] = []
        self._filled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # -------------------------------------------------------------- life
    def start(self) -> None:
        self._network.on_frames(Channel.BULK, self._on_bulk_frames)
        for work, name in ((self._intake.run, "batches"), (self._push_again, "batches again")):
            self._tasks.append(asyncio.create_task(guarded(work, self._on_fatal), name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetch.stop()
        await self._writer.stop()

    def restore(self, batches: Iterable[HeldBatch], author_seqs: Iterable[tuple[bytes, int]]) -> None:
        """Fill from disk before `start`: the uncommitted tail of the batch log and the last committed seq of each author."""
        for author, seq in author_seqs:
            self._held.set_last_seq(author, seq)
        for held in batches:
            self._held.hold(held)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called when batches became held, or acknowledged by a quorum."""
        self._listeners.append(listener)

    def on_other_bulk(self, handler: Callable[[bytes, int, bytes], None]) -> None:
        """Where bulk frames go that are not batches (block sync)."""
        self._other_bulk.append(handler)

    # -------------------------------------------------------------- reading
    def get(self, digest: bytes) -> HeldBatch | None:
        return self._held.get(digest)

    def held(self) -> list[HeldBatch]:
        """Every uncommitted batch."""
        return [entry.held for entry in self._held.entries()]

    def byte_count(self) -> int:
        """Of uncommitted batches."""
        return self._held.byte_count()

    def waiting(self) -> bool:
        return self._held.waiting()

    def own_waiting(self) -> bool:
        """Whether an own batch waits for its commit."""
        return self._held.own_waiting()

    def own_bytes_committed(self) -> int:
        """Bytes of this node's batches that blocks took, since start."""
        return self._held.own_bytes_committed

    def ready(self) -> tuple[int, int]:
        return self._held.acked_tx_count, self._held.acked_bytes

    def last_seqs(self) -> list[tuple[bytes, int]]:
        return self._held.last_seqs()

    def observe_wait(self, batches: Sequence[HeldBatch], proposed_at: float) -> None:
        """Measure how long the own ones waited for their quorum, and then for the proposal of this time (monotonic)."""
        for held in batches:
            if (waits := self._held.waits(held.batch.digest, proposed_at)) is not None:
                for stage, wait_s in zip(("acknowledge", "propose"), waits, strict=True):
                    self._stage.labels(stage).observe(wait_s)

    def proposable(self, batches_max: int, bytes_max: int, tx_count_max: int) -> list[HeldBatch]:
        return self._held.proposable(batches_max, bytes_max, tx_count_max)

    async def wait_acked(self, digest: bytes) -> None:
        """Until a quorum of validators holds the batch durably."""
        await self._held.wait_acked(digest)

    async def fetch(
        self, digests: Sequence[tuple[bytes, bytes]], proposer: bytes, bytes_max: int | None
    ) -> list[HeldBatch]:
        return await self._fetch.fetch(digests, proposer, bytes_max)

    # -------------------------------------------------------------- writing
    async def publish(self, batch: Batch) -> None:
        """Push an own sealed batch to all validators and make it durable here."""
        started = time.monotonic()
        self._network.broadcast(Channel.BULK, Kind.BATCH, batch.packed)
        await self.store([batch])
        self._stage.labels("store").observe(time.monotonic() - started)

    async def store(self, batches: Sequence[Batch], *, acknowledge: bool = True) -> list[HeldBatch]:
        known = {b.digest: held for b in batches if (held := self._held.get(b.digest)) is not None}
        new = [b for b in batches if b.digest not in known]
        if new:
            written = await self._writer.write(new, acknowledge=acknowledge)
            known |= {held.batch.digest: held for held in written}
        return [known[b.digest] for b in batches]

    def _on_held(self, batches: Sequence[HeldBatch], acknowledge: bool) -> None:
        for held in batches:
            self._fetch.found(held)
            self._held.hold(held)
        self._filled.set()
        if acknowledge and self._is_validator:
            for acks in _ack_frames([held.batch.digest for held in batches]):
                self._network.broadcast(Channel.CONSENSUS, Kind.BATCH_ACK, acks)
        self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def on_commit(self, batches: Sequence[HeldBatch], height: int) -> None:
        for digest in self._held.commit(batches, height):
            self._pool.requeue(digest)

    def refuse(self, digest: bytes, code: int) -> None:
        held = self._held.get(digest)
        if held is None:
            return
        log.error("batch turned out invalid", author=held.batch.author.hex(), seq=held.batch.seq, code=code)
        self._network.punish(held.batch.author, code)
        self._held.forget(digest)

    # -------------------------------------------------------------- peers
    def on_peer(self, peer: bytes, connected: bool) -> None:
        """A peer is linked (again): tell it what is held here; what it lacks follows by the re-push of the authors."""
        if connected and self._is_validator:
            for acks in _ack_frames(self._held.digests()):
                self._network.send(peer, Channel.CONSENSUS, Kind.BATCH_ACK, acks)

    def on_ack(self, peer: bytes, payload: bytes) -> None:
        """Digests that a peer holds durably."""
        digests = split_digests(payload, ACK_COUNT_MAX)
        if digests is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
        elif self._held.acknowledge(peer, digests):
            self._changed()

    def _on_bulk_frames(self, peer: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
        for kind, payload in frames:
            if kind == Kind.BATCH:
                self._intake.put(peer, payload)
            elif kind == Kind.BATCH_REQUEST:
                self._fetch.answer(peer, payload)
            elif kind != Kind.BATCH_MISSING:
                for handler in self._other_bulk:
                    handler(peer, kind, payload)

    async def _push_again(self) -> None:
        """Frames get lost with a connection, and authors with their nodes: send batches on to validators that did not acknowledge them."""
        while True:
            if not self._held.digests():
                self._filled.clear()
                await self._filled.wait()
            await asyncio.sleep(PUSH_AGAIN_S / 2)
            now = time.monotonic()
            due = [
                entry
                for entry in self._held.entries()
                if not entry.is_acked
                and now - entry.pushed_at >= (PUSH_AGAIN_S if entry.author == self._account else PUSH_OTHERS_S)
            ][:PUSH_AGAIN_MAX]
            if not due:
                continue
            connected = [p for p in self._network.connected() if p in self._held.powers and p != self._account]
            for entry in due:
                entry.pushed_at = now
                for peer in connected:
                    if peer not in entry.acks:
                        self._network.send(peer, Channel.BULK, Kind.BATCH, entry.held.batch.packed)


def _ack_frames(digests: Sequence[bytes]) -> list[bytes]:
    return [b"".join(digests[start : start + ACK_COUNT_MAX]) for start in range(0, len(digests), ACK_COUNT_MAX)]
