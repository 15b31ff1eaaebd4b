"""The data plane: batches of all authors, durable on this node, and who else holds them.

Flow: own seal or a peer's frame → decode and verify (native threads) → batch log, one fdatasync a group → held → acknowledged to all.

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
import random
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from hnnode_native import Accounts, Batch, NativeError, Pool, ValidatorSet, verify_batches

from hnnode.config import MempoolConfig
from hnnode.errors import CODES, PeerFault
from hnnode.metrics import Metrics
from hnnode.ports import BatchLocation, BatchLog, Channel, HeldBatch, Kind, Network

log = structlog.get_logger("mempool")

DIGEST_BYTES = 32
INTAKE_MAX = 256
INTAKE_BYTES_MAX = 16 * 1024 * 1024
"""Raw batches of one peer that wait for verification; more are dropped and sent again when a proposal needs them."""
GROUP_MAX = 64
RECENT_MAX = 4_096
"""Committed batches that lagging peers may still ask for by digest."""
REQUEST_MAX = 64
ACK_COUNT_MAX = 1_024
ASK_AGAIN_S = 0.25
PUSH_AGAIN_S = 1.0
"""An own batch that a connected validator has not acknowledged for this long is sent to it again."""
PUSH_OTHERS_S = 3.0
"""The same for a batch of another author, whose node may be gone."""
PUSH_AGAIN_MAX = 32
FRESH_S = 2.0
"""A batch that no quorum acknowledged is a reason for a block only while it is this young."""


_ABSENT = object()


@dataclass(slots=True)
class _Author:
    """Uncommitted batches of one validator, by seq."""

    batches: dict[int, HeldBatch] = field(default_factory=dict)
    bytes_held: int = 0
    last_committed_seq: int = -1


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
        self._config = config
        self._chain_id = chain_id
        self._account = account
        self._validators = validators
        self._powers = {account: power for account, _, power in validators.validators}
        self._accounts = accounts
        self._pool = pool
        self._batch_log = batch_log
        self._network = network
        self._metrics = metrics
        self._verify_threads = verify_threads
        self._disk_thread = disk_thread
        self._on_fatal = on_fatal
        self._held: dict[bytes, HeldBatch] = {}
        self._pushed_at: dict[bytes, float] = {}
        self._authors: dict[bytes, _Author] = {a: _Author() for a in self._powers}
        self._acks: dict[bytes, set[bytes]] = {}
        self._early_acks: dict[bytes, OrderedDict[bytes, None]] = {a: OrderedDict() for a in self._powers}
        self._beyond_quota: set[bytes] = set()
        self._held_at: dict[bytes, float] = {}
        self._recent: OrderedDict[bytes, BatchLocation] = OrderedDict()
        self._intake: dict[bytes, deque[bytes]] = {}
        self._intake_bytes: dict[bytes, int] = {}
        self._intake_ready = asyncio.Event()
        self._wanted: dict[bytes, set[asyncio.Future[HeldBatch]]] = {}
        self._acked_waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._random = random.Random(account)
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: set[asyncio.Task[None]] = set()

    # -------------------------------------------------------------- life
    def start(self) -> None:
        self._network.on_frames(Channel.BULK, self._on_bulk_frames)
        for work, name in ((self._work, "batches"), (self._push_again, "batches again")):
            self._tasks.append(asyncio.create_task(self._guarded(work), name=name))

    async def stop(self) -> None:
        tasks = [*self._tasks, *self._answers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise

    def restore(self, batches: Iterable[HeldBatch], author_seqs: Iterable[tuple[bytes, int]]) -> None:
        """Fill from disk before `start`: the uncommitted tail of the batch log and the last committed seq of each author."""
        for author, seq in author_seqs:
            if author in self._authors:
                self._authors[author].last_committed_seq = seq
        for held in batches:
            self._hold(held)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Called when a batch became held or acknowledged by a quorum."""
        self._listeners.append(listener)

    # -------------------------------------------------------------- reading
    def get(self, digest: bytes) -> HeldBatch | None:
        return self._held.get(digest)

    def held(self) -> list[HeldBatch]:
        """Every uncommitted batch."""
        return list(self._held.values())

    def waiting(self) -> bool:
        now = time.monotonic()
        return any(self._acked_by_quorum(d) or now - at < FRESH_S for d, at in self._held_at.items())

    def last_seqs(self) -> list[tuple[bytes, int]]:
        """(author, last committed seq) of the authors that have committed any batch."""
        return [(a, s.last_committed_seq) for a, s in self._authors.items() if s.last_committed_seq >= 0]

    def proposable(self, batches_max: int, bytes_max: int, tx_count_max: int) -> list[HeldBatch]:
        queues = []
        for account in sorted(self._authors):
            author = self._authors[account]
            ready = []
            for seq in sorted(author.batches):
                held = author.batches[seq]
                if self._acked_by_quorum(held.batch.digest):
                    ready.append(held)
                elif time.monotonic() - self._held_at[held.batch.digest] < FRESH_S:
                    break  # in a moment it is acknowledged as well; skipping it would send its transactions round again
            if ready:
                queues.append(deque(ready))
        chosen: list[HeldBatch] = []
        total_bytes = total_txs = 0
        while queues and len(chosen) < batches_max:
            for queue in list(queues):
                head = queue[0].batch
                size, txs = head.size, head.tx_count
                if len(chosen) == batches_max or total_bytes + size > bytes_max or total_txs + txs > tx_count_max:
                    queues.remove(queue)
                    continue
                chosen.append(queue.popleft())
                total_bytes += size
                total_txs += txs
                if not queue:
                    queues.remove(queue)
        return chosen

    def _acked_by_quorum(self, digest: bytes) -> bool:
        return sum(self._powers.get(a, 0) for a in self._acks.get(digest, ())) >= self._validators.quorum

    async def wait_acked(self, digest: bytes) -> None:
        """Until a quorum of validators holds the batch durably."""
        if self._acked_by_quorum(digest) or digest in self._recent:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acked_waiters.setdefault(digest, []).append(future)
        try:
            await future
        finally:
            waiters = self._acked_waiters.get(digest)
            if waiters is not None and future in waiters:
                waiters.remove(future)
                if not waiters:
                    del self._acked_waiters[digest]

    # -------------------------------------------------------------- writing
    async def publish(self, batch: Batch) -> None:
        """Push an own sealed batch to all validators and make it durable here."""
        self._network.broadcast(Channel.BULK, Kind.BATCH, batch.data)
        await self.store([batch])

    def on_peer(self, peer: bytes, connected: bool) -> None:
        """A peer is linked (again): tell it what is held here; what it lacks follows by the re-push of the authors."""
        if connected and self._account in self._powers:
            digests = list(self._held)
            for start in range(0, len(digests), ACK_COUNT_MAX):
                acks = b"".join(digests[start : start + ACK_COUNT_MAX])
                self._network.send(peer, Channel.CONSENSUS, Kind.BATCH_ACK, acks)

    async def _push_again(self) -> None:
        """Frames get lost with a connection, and authors with their nodes: send batches on to validators that did not acknowledge them."""
        while True:
            await asyncio.sleep(PUSH_AGAIN_S / 2)
            now = time.monotonic()
            connected = [p for p in self._network.connected() if p in self._powers and p != self._account]
            due = [
                held
                for digest, held in self._held.items()
                if now - self._pushed_at[digest]
                >= (PUSH_AGAIN_S if held.batch.author == self._account else PUSH_OTHERS_S)
                and not self._acked_by_quorum(digest)
            ]
            for held in due[:PUSH_AGAIN_MAX]:
                digest = held.batch.digest
                self._pushed_at[digest] = now
                for peer in connected:
                    if peer not in self._acks[digest]:
                        self._network.send(peer, Channel.BULK, Kind.BATCH, held.batch.data)

    async def store(self, batches: Sequence[Batch], *, acknowledge: bool = True) -> list[HeldBatch]:
        known = {b.digest: self._held[b.digest] for b in batches if b.digest in self._held}
        new = [b for b in batches if b.digest not in known]
        if new:
            loop = asyncio.get_running_loop()
            locations = await loop.run_in_executor(self._disk_thread, self._append, [b.data for b in new])
            for batch, location in zip(new, locations, strict=True):
                held = HeldBatch(batch, location)
                known[batch.digest] = held
                self._hold(held)
            if acknowledge:
                self._acknowledge([b.digest for b in new])
            self._changed()
        return [known[b.digest] for b in batches]

    def _append(self, items: list[bytes]) -> list[BatchLocation]:
        locations = self._batch_log.append(items)
        self._batch_log.sync()
        self._metrics.fsyncs.labels("batch_log").inc()
        return locations

    def _hold(self, held: HeldBatch) -> None:
        batch = held.batch
        for future in self._wanted.get(batch.digest, ()):
            if not future.done():
                future.set_result(held)
        author = self._authors.get(batch.author)
        late = batch.digest in self._recent or (author is not None and batch.seq <= author.last_committed_seq)
        if author is None or late or batch.digest in self._held:
            return
        self._held[batch.digest] = held
        self._held_at[batch.digest] = self._pushed_at[batch.digest] = time.monotonic()
        within = (
            len(author.batches) < self._config.author_batches_max
            and author.bytes_held + batch.size <= self._config.author_bytes_max
        )
        if batch.seq not in author.batches and (within or batch.author == self._account):
            author.batches[batch.seq] = held
            author.bytes_held += batch.size
        else:
            self._beyond_quota.add(batch.digest)
        acks = self._acks.setdefault(batch.digest, set())
        acks.add(self._account)
        acks.update(peer for peer, early in self._early_acks.items() if early.pop(batch.digest, _ABSENT) is None)

    def _acknowledge(self, digests: list[bytes]) -> None:
        if self._account in self._powers:
            self._network.broadcast(Channel.CONSENSUS, Kind.BATCH_ACK, b"".join(digests))
        for digest in digests:
            self._resolve_acked(digest)

    def _resolve_acked(self, digest: bytes) -> None:
        if digest in self._acked_waiters and self._acked_by_quorum(digest):
            for future in self._acked_waiters.pop(digest):
                if not future.done():
                    future.set_result(None)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def on_commit(self, batches: Sequence[HeldBatch], height: int) -> None:
        for held in batches:
            batch = held.batch
            self._recent[batch.digest] = held.location
            author = self._authors[batch.author]
            author.last_committed_seq = max(author.last_committed_seq, batch.seq)
            self._forget(batch.digest)
        for digest, held in list(self._held.items()):
            batch = held.batch
            skipped = batch.seq <= self._authors[batch.author].last_committed_seq
            if skipped and batch.author == self._account:
                self._pool.requeue(digest)
            if skipped or digest in self._beyond_quota or batch.valid_until_max() <= height:
                self._forget(digest)
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    def refuse(self, digest: bytes, code: int) -> None:
        held = self._held.get(digest)
        if held is None:
            return
        log.error("batch turned out invalid", author=held.batch.author.hex(), seq=held.batch.seq, code=code)
        self._network.punish(held.batch.author, code)
        self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        held = self._held.pop(digest, None)
        self._held_at.pop(digest, None)
        self._pushed_at.pop(digest, None)
        self._beyond_quota.discard(digest)
        self._acks.pop(digest, None)
        if digest in self._recent:
            for future in self._acked_waiters.pop(digest, ()):
                if not future.done():
                    future.set_result(None)
        if held is None:
            return
        author = self._authors[held.batch.author]
        if author.batches.get(held.batch.seq) is held:
            del author.batches[held.batch.seq]
            author.bytes_held -= held.batch.size

    # -------------------------------------------------------------- fetching
    async def fetch(
        self, digests: Sequence[tuple[bytes, bytes]], proposer: bytes, bytes_max: int | None
    ) -> list[HeldBatch]:
        loop = asyncio.get_running_loop()
        found = {digest: self._held[digest] for digest, _ in digests if digest in self._held}
        futures = {digest: loop.create_future() for digest, _ in digests if digest not in found}
        for digest, future in futures.items():
            self._wanted.setdefault(digest, set()).add(future)
        attempt = 0
        try:
            while True:
                found.update((d, f.result()) for d, f in futures.items() if f.done())
                size = sum(held.batch.size for held in found.values())
                if bytes_max is not None and size > bytes_max:
                    raise PeerFault("BATCH_LIST_INVALID", f"proposed batches: got more than {bytes_max} bytes")
                missing = [(d, a) for d, a in digests if d not in found]
                if not missing:
                    return [found[d] for d, _ in digests]
                self._ask(missing, proposer, attempt)
                attempt += 1
                open_futures = [futures[d] for d, _ in missing]
                await asyncio.wait(open_futures, timeout=ASK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for digest, future in futures.items():
                waiting = self._wanted.get(digest)
                if waiting is not None:
                    waiting.discard(future)
                    if not waiting:
                        del self._wanted[digest]

    def _ask(self, missing: Sequence[tuple[bytes, bytes]], proposer: bytes, attempt: int) -> None:
        """First the proposer, then each batch's author, then anybody."""
        connected = [p for p in self._network.connected() if p != self._account]
        if not connected:
            return
        asked: dict[bytes, list[bytes]] = {}
        for digest, author in missing[:REQUEST_MAX]:
            choices = [p for p in (proposer, author) if p in connected]
            peer = choices[attempt] if attempt < len(choices) else self._random.choice(connected)
            asked.setdefault(peer, []).append(digest)
        for peer, wanted in asked.items():
            self._network.send(peer, Channel.BULK, Kind.BATCH_REQUEST, b"".join(wanted))

    # -------------------------------------------------------------- frames
    def on_ack(self, peer: bytes, payload: bytes) -> None:
        """Digests that a peer holds durably."""
        if len(payload) % DIGEST_BYTES or len(payload) > DIGEST_BYTES * ACK_COUNT_MAX:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        early = self._early_acks.get(peer)
        if early is None:
            return
        changed = False
        for start in range(0, len(payload), DIGEST_BYTES):
            digest = payload[start : start + DIGEST_BYTES]
            if digest in self._held:
                self._acks[digest].add(peer)
                self._resolve_acked(digest)
                changed = True
            elif digest not in self._recent:
                early[digest] = None
                if len(early) > self._config.author_batches_max * 4:
                    early.popitem(last=False)
        if changed:
            self._changed()

    def _on_bulk_frames(self, peer: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
        for kind, payload in frames:
            if kind == Kind.BATCH:
                waiting = self._intake.setdefault(peer, deque())
                size = self._intake_bytes.get(peer, 0) + len(payload)
                if len(waiting) >= INTAKE_MAX or size > INTAKE_BYTES_MAX:
                    self._metrics.dropped.labels("batch_intake").inc()
                    continue
                waiting.append(payload)
                self._intake_bytes[peer] = size
                self._intake_ready.set()
            elif kind == Kind.BATCH_REQUEST:
                self._answer(peer, payload)
            elif kind != Kind.BATCH_MISSING:
                for handler in self._other_bulk:
                    handler(peer, kind, payload)

    _other_bulk: tuple[Callable[[bytes, int, bytes], None], ...] = ()

    def on_other_bulk(self, handler: Callable[[bytes, int, bytes], None]) -> None:
        """Where bulk frames go that are not batches (block sync)."""
        self._other_bulk = (*self._other_bulk, handler)

    def _answer(self, peer: bytes, payload: bytes) -> None:
        if len(payload) % DIGEST_BYTES or len(payload) > DIGEST_BYTES * REQUEST_MAX:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        if len(self._answers) >= REQUEST_MAX:
            self._metrics.dropped.labels("batch_request").inc()
            return
        digests = [payload[i : i + DIGEST_BYTES] for i in range(0, len(payload), DIGEST_BYTES)]
        task = asyncio.create_task(self._send_batches(peer, digests))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _send_batches(self, peer: bytes, digests: list[bytes]) -> None:
        missing = []
        for digest in digests:
            held = self._held.get(digest)
            location = self._recent.get(digest)
            if held is not None:
                self._network.send(peer, Channel.BULK, Kind.BATCH, held.batch.data)
            elif location is not None:
                data = await asyncio.get_running_loop().run_in_executor(None, self._batch_log.read, location)
                self._network.send(peer, Channel.BULK, Kind.BATCH, data)
            else:
                missing.append(digest)
        if missing:
            self._network.send(peer, Channel.BULK, Kind.BATCH_MISSING, b"".join(missing))

    # -------------------------------------------------------------- intake
    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._intake_ready.wait()
            group = self._next_group()
            decoded = await loop.run_in_executor(self._verify_threads, self._decode, group)
            accepted = self._accept(decoded)
            if not accepted:
                continue
            codes = await loop.run_in_executor(self._verify_threads, self._verify, [b for _, b in accepted])
            valid = []
            for (peer, batch), code in zip(accepted, codes, strict=True):
                other = self._authors[batch.author].batches.get(batch.seq)
                if code == 0 and other is not None and batch.digest not in self._wanted:
                    log.error("author signed two batches for one seq", author=batch.author.hex(), seq=batch.seq)
                    self._network.punish(batch.author, CODES["BATCH_SEQ_INVALID"])
                    continue
                if code == 0:
                    valid.append(batch)
                    continue
                # Honest nodes hand on only what they verified themselves, so the sender is charged whoever the author is.
                log.warning("batch refused", peer=peer.hex(), author=batch.author.hex(), seq=batch.seq, code=code)
                self._network.punish(peer, code)
            if valid:
                await self.store(valid)

    def _next_group(self) -> list[tuple[bytes, bytes]]:
        """Some raw batches of every peer in turn, so that none fills the way of the others."""
        group: list[tuple[bytes, bytes]] = []
        while self._intake and len(group) < GROUP_MAX:
            for peer in list(self._intake):
                waiting = self._intake[peer]
                if waiting:
                    payload = waiting.popleft()
                    self._intake_bytes[peer] -= len(payload)
                    group.append((peer, payload))
                if not waiting:
                    del self._intake[peer], self._intake_bytes[peer]
        if not self._intake:
            self._intake_ready.clear()
        return group

    def _decode(self, group: list[tuple[bytes, bytes]]) -> list[tuple[bytes, Batch | int]]:
        out: list[tuple[bytes, Batch | int]] = []
        for peer, data in group:
            try:
                out.append((peer, Batch.decode(data)))
            except NativeError as e:
                out.append((peer, e.code))
        return out

    def _accept(self, decoded: list[tuple[bytes, Batch | int]]) -> list[tuple[bytes, Batch]]:
        accepted: dict[bytes, tuple[bytes, Batch]] = {}
        for peer, batch in decoded:
            if isinstance(batch, int):
                log.warning("batch malformed", peer=peer.hex(), code=batch)
                self._network.punish(peer, batch)
                continue
            if batch.digest in self._held or batch.digest in self._recent:
                # Sent again, so the acknowledgement was lost.
                self._network.send(peer, Channel.CONSENSUS, Kind.BATCH_ACK, batch.digest)
                continue
            author = self._authors.get(batch.author)
            if author is None:
                self._network.punish(peer, CODES["BATCH_AUTHOR_UNKNOWN"])
                continue
            if batch.digest not in self._wanted:
                full = (
                    len(author.batches) >= self._config.author_batches_max
                    or author.bytes_held + batch.size > self._config.author_bytes_max
                )
                if full or batch.seq <= author.last_committed_seq:
                    self._metrics.dropped.labels("batch_quota").inc()
                    continue
            accepted[batch.digest] = (peer, batch)
        return list(accepted.values())

    def _verify(self, batches: list[Batch]) -> list[int]:
        return verify_batches(batches, self._chain_id, self._validators, self._accounts, self._pool)
