"""Admission, sealing, and what a client may know about its transaction.

Flow: `submit` → decode and id (native) → known already? → verify and pool (native, admission threads) → seal → batches → commit.
One call carries many transactions; single posts that arrive together are gathered into one native call.

Invariant: a transaction is `committed` or `failed` only when its block is durable on this node.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from hnnode_native import Accounts, DecodedTxs, NativeError, Pool, Receipt, SecretKey

from hnnode.config import MempoolConfig
from hnnode.errors import CODES, Rejected, Unavailable, name_of
from hnnode.mempool.batches import BatchBuffer
from hnnode.metrics import Metrics
from hnnode.ports import Chain, SubmitResult, TxLocation, TxStatus, Wait

log = structlog.get_logger("mempool")

DROPPED_MAX = 100_000
"""Dropped transactions whose reason is remembered."""
ADMISSIONS_PENDING_MAX = 256
"""Native admission calls that may wait for a thread; past it the door answers MEMPOOL_FULL."""
TX_DUPLICATE = CODES["TX_DUPLICATE"]
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
        batches: BatchBuffer,
        metrics: Metrics,
        verify_threads: ThreadPoolExecutor,
        seq_start: int,
        open_for_writes: Callable[[], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """open_for_writes: raises Unavailable while the node cannot take transactions (catching up, disk low, stopping).

        seq_start: first batch seq to use, above every seq this node ever sealed.
        """
        self._config = config
        self._chain_id = chain_id
        self._key = key
        self._validator = validator
        self._accounts = accounts
        self._pool = pool
        self._chain = chain
        self._batches = batches
        self._metrics = metrics
        self._verify_threads = verify_threads
        self._seq = seq_start
        self._open_for_writes = open_for_writes
        self._on_fatal = on_fatal
        self._admissions = 0
        self._dropped: OrderedDict[bytes, int] = OrderedDict()
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self._waiter_count = 0
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._seal_loop(), name="seal")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -------------------------------------------------------------- the door
    async def submit(self, txs: Sequence[bytes]) -> list[SubmitResult]:
        return await self._admit(lambda: DecodedTxs.decode(txs, self._chain_id))

    async def submit_frames(self, data: bytes) -> list[SubmitResult]:
        try:
            return await self._admit(lambda: DecodedTxs.decode_frames(data, self._chain_id))
        except NativeError as e:
            raise Rejected(name_of(e.code), str(e)) from e

    async def _admit(self, decode: Callable[[], DecodedTxs]) -> list[SubmitResult]:
        self._open_for_writes()
        if not self._validator:
            raise Unavailable(
                "NOT_READY", "this node is not a validator and takes no transactions: submit to a validator"
            )
        if self._admissions >= ADMISSIONS_PENDING_MAX:
            raise Unavailable("MEMPOOL_FULL", "admission is busy", retry_after_ms=200)
        self._admissions += 1
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                self._verify_threads, self._admit_blocking, decode
            )
        finally:
            self._admissions -= 1
        self._work.set()
        return results

    def _admit_blocking(self, decode: Callable[[], DecodedTxs]) -> list[SubmitResult]:
        """Admission thread. Native calls release the GIL; what remains in Python is one result object a transaction."""
        txs = decode()
        ids = txs.tx_ids()
        locations = self._chain.tx_locations(ids)
        committed = bytes(0 if location is None else 1 for location in locations)
        codes = self._pool.admit(txs, self._accounts, committed, self._chain.tip().height)
        results = []
        admitted = 0
        for tx_id, code, location in zip(ids, codes, locations, strict=True):
            if code == 0:
                admitted += 1
                results.append(SubmitResult(tx_id, 0))
            elif code == TX_DUPLICATE or location is not None:
                results.append(SubmitResult(tx_id, 0, replayed=True))
            else:
                self._metrics.refused.labels(name_of(code)).inc()
                results.append(SubmitResult(tx_id, code))
        self._metrics.admitted.inc(admitted)
        return results

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
                    await self._batches.publish(batch)
                    # A full batch is followed at once; otherwise small ones are spaced, so that each fdatasync carries more.
                    if batch.tx_count < self._config.batch_tx_count_max:
                        await asyncio.sleep(max(0.0, self._config.seal_ms / 1000 - (time.monotonic() - started)))
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise

    # -------------------------------------------------------------- status and waiting
    def on_commit(self, height: int, tx_ids: Sequence[bytes]) -> None:
        """A block is durable: resolve its waiters, remember what the pool dropped."""
        if self._waiters:
            for tx_id in tx_ids:
                self._resolve(tx_id)
        for tx_id, code in self._pool.drain_dropped():
            self._dropped[tx_id] = code
            self._resolve(tx_id)
        while len(self._dropped) > DROPPED_MAX:
            self._dropped.popitem(last=False)
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
