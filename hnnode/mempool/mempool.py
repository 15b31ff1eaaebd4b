"""Admission, sealing, and what a client may know about its transaction.

Flow: `submit_frames` → `Admissions` (decode, id, known already?, verify, pool: native, many bodies a call) → seal → batches → block.

Invariant: a transaction is `committed` or `failed` only when its block is durable on this node.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from hnnode_native import Accounts, Pool, Receipt, SecretKey, ids_among

from hnnode.config import MempoolConfig
from hnnode.errors import CODES, Rejected, Unavailable
from hnnode.mempool.admission import ID_BYTES, TX_DUPLICATE, Admissions, PoolAdmission, unpack_codes
from hnnode.mempool.batches import BatchBuffer
from hnnode.mempool.door import Door
from hnnode.mempool.personal import PersonalDoor
from hnnode.metrics import Metrics
from hnnode.ports import Admission, Chain, SubmitResult, TxLocation, TxStatus, Wait
from hnnode.primitives.frames import encode_frames

log = structlog.get_logger("mempool")

DROPPED_MAX = 100_000
"""Dropped transactions whose reason is remembered."""
BUSY_MS = 500
"""When to come again after a refusal for want of room."""
TX_EXPIRED = CODES["TX_EXPIRED"]


class Mempool:
    """Implements `ports.Mempool`. All methods on the event loop."""

    def __init__(
        self,
        *,
        config: MempoolConfig,
        chain_id: bytes,
        key: SecretKey,
        validator: bool,
        accounts: Accounts,
        pool: Pool,
        chain: Chain,
        personal: PersonalDoor | None,
        batches: BatchBuffer,
        metrics: Metrics,
        verify_threads: ThreadPoolExecutor,
        seq_start: int,
        open_for_writes: Callable[[], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """personal: refuses numbers of people in payloads; None takes them.

        open_for_writes: raises Unavailable while the node cannot take transactions (catching up, disk low, stopping).

        seq_start: first batch seq to use, above every seq this node ever sealed.
        """
        self._config = config
        self._key = key
        self._validator = validator
        self._pool = pool
        self._chain = chain
        self._batches = batches
        self._verify_threads = verify_threads
        self._seq = seq_start
        self._open_for_writes = open_for_writes
        self._on_fatal = on_fatal
        self._door = Door(config)
        self._own_bytes = 0
        self._admissions = Admissions(
            admit=PoolAdmission(chain_id, accounts, pool, chain, personal),
            metrics=metrics,
            threads=verify_threads,
            on_admitted=self._on_admitted,
            observe=metrics.stage.labels("admit").observe,
        )
        self._dropped: OrderedDict[bytes, int] = OrderedDict()
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self._waiter_count = 0
        self._work = asyncio.Event()
        self._spacing = False
        self._gathering_from: float | None = None
        self._stage = metrics.stage
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._seal_loop(), name="seal")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._admissions.stop()

    def _on_admitted(self) -> None:
        if self._gathering_from is None:
            self._gathering_from = time.monotonic()
        # A sealer that waits for a fuller batch is woken only when there is one.
        if not self._spacing or self._pool.fills_batch():
            self._work.set()

    # -------------------------------------------------------------- the door
    def check_open(self, size: int, source: str = "", ahead: int = 0) -> None:
        self._open_for_writes()
        if not self._validator:
            raise Unavailable(
                "NOT_READY", "this node is not a validator and takes no transactions: submit to a validator"
            )
        waiting = self._admissions.bytes_waiting + ahead
        # An empty queue takes any body, a pool below its bound any queue: else a large batch might never come in.
        if waiting and waiting + size > self._config.admission_bytes_max:
            raise Unavailable("MEMPOOL_FULL", "admission is busy", retry_after_ms=BUSY_MS)
        waiting += self._admissions.pool_bytes
        if self._door.is_full(waiting, source):
            raise Unavailable(
                "MEMPOOL_FULL", f"{waiting} bytes wait already", retry_after_ms=self._door.retry_after_ms(waiting)
            )

    def submit_frames(self, data: bytes, source: str = "") -> asyncio.Future[Admission]:
        self.check_open(len(data), source)
        self._door.took(len(data), source)
        return self._admissions.put(data)

    async def submit(self, txs: Sequence[bytes]) -> list[SubmitResult]:
        admission = await self.submit_frames(encode_frames(txs))
        codes = unpack_codes(admission.codes)
        ids = admission.tx_ids
        return [
            SubmitResult(
                ids[ID_BYTES * i : ID_BYTES * (i + 1)],
                0 if code == TX_DUPLICATE else code,
                code == TX_DUPLICATE,
                admission.personal.get(i),
            )
            for i, code in enumerate(codes)
        ]

    # -------------------------------------------------------------- sealing
    async def _seal_loop(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._pool.count() > 0:
                    started = time.monotonic()
                    batch = await asyncio.get_running_loop().run_in_executor(
                        self._verify_threads, self._pool.seal, self._key, self._seq
                    )
                    if batch is None:
                        break
                    self._seq += 1
                    self._observe_seal()
                    await self._batches.publish(batch)
                    await self._space(started)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise

    def _observe_seal(self) -> None:
        """How long the oldest transaction of the batch waited in the pool, at most."""
        now = time.monotonic()
        if self._gathering_from is not None:
            self._stage.labels("seal").observe(now - self._gathering_from)
        self._gathering_from = now if self._pool.count() > 0 else None

    async def _space(self, started: float) -> None:
        """Wait until the next batch is full, or due. While own batches wait for their block, a later one loses nothing by being fuller."""
        while not self._pool.fills_batch():
            busy = self._batches.own_waiting()
            spacing_s = (self._config.seal_busy_ms if busy else self._config.seal_ms) / 1000
            left_s = started + spacing_s - time.monotonic()
            if left_s <= 0:
                return
            self._work.clear()
            self._spacing = True
            try:
                async with asyncio.timeout(left_s):
                    await self._work.wait()
            except TimeoutError:
                return
            finally:
                self._spacing = False

    # -------------------------------------------------------------- status and waiting
    def on_commit(self, height: int, tx_ids: bytes) -> None:
        """A block is durable: resolve its waiters, remember what the pool dropped. tx_ids: 32 bytes each, joined."""
        if self._waiters:
            for tx_id in ids_among(tx_ids, list(self._waiters)):
                self._resolve(tx_id)
        for tx_id, code in self._pool.drain_dropped():
            self._dropped[tx_id] = code
            self._resolve(tx_id)
        while len(self._dropped) > DROPPED_MAX:
            self._dropped.popitem(last=False)
        self._admissions.pool_bytes = self._pool.bytes_used()
        committed = self._batches.own_bytes_committed()
        self._door.committed(committed - self._own_bytes, self._admissions.pool_bytes)
        self._own_bytes = committed
        if self._pool.count() > 0:
            self._work.set()

    def _resolve(self, tx_id: bytes) -> None:
        for future in self._waiters.pop(tx_id, ()):
            if not future.done():
                future.set_result(None)

    def status(self, tx_id: bytes) -> TxStatus:
        location = self._chain.tx_locations([tx_id])[0]
        if location is not None:
            return self._committed(tx_id, location)
        if self._pool.status(tx_id) != "unknown":
            return TxStatus(tx_id, "pending")
        code = self._dropped.get(tx_id)
        if code is not None:
            return TxStatus(tx_id, "expired" if code == TX_EXPIRED else "rejected", code=code)
        # Committed between the two look-ups above?
        location = self._chain.tx_locations([tx_id])[0]
        return TxStatus(tx_id, "unknown") if location is None else self._committed(tx_id, location)

    def _committed(self, tx_id: bytes, location: TxLocation) -> TxStatus:
        data = self._chain.receipt(location.height, location.tx_index)
        if data is None:
            raise Rejected("NOT_FOUND", f"receipt of {tx_id.hex()}: got none at height {location.height}")
        receipt = Receipt.decode(data)
        state = "committed" if receipt.code == 0 else "failed"
        return TxStatus(tx_id, state, location.height, location.tx_index, receipt.code, receipt.rule)  # type: ignore[arg-type]

    async def wait(self, tx_id: bytes, until: Wait, timeout_ms: int) -> TxStatus:
        status = self.status(tx_id)
        if until == "none" or status.state != "pending":
            return status
        if self._waiter_count >= self._config.waiters_max:
            raise Unavailable("TOO_MANY_REQUESTS", "too many waiting requests", retry_after_ms=500)
        self._waiter_count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(tx_id, []).append(future)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                if until == "accepted":
                    await self._wait_accepted(tx_id, future)
                else:
                    await future
        except TimeoutError:
            pass
        finally:
            self._waiter_count -= 1
            waiters = self._waiters.get(tx_id)
            if waiters is not None and future in waiters:
                waiters.remove(future)
                if not waiters:
                    del self._waiters[tx_id]
        return self.status(tx_id)

    async def _wait_accepted(self, tx_id: bytes, committed: asyncio.Future[None]) -> None:
        while not committed.done():
            digest = self._pool.sealed_in(tx_id)
            if digest is None:
                await asyncio.wait([committed], timeout=self._config.seal_ms / 1000)
                continue
            acked = asyncio.ensure_future(self._batches.wait_acked(digest))
            try:
                await asyncio.wait([committed, acked], return_when=asyncio.FIRST_COMPLETED)
            finally:
                acked.cancel()
            return

    def depth(self) -> Mapping[str, int]:
        return {
            "tx_count": self._pool.count(),
            "bytes": self._pool.bytes_used(),
            "bytes_max": self._config.pool_bytes_max,
        }
