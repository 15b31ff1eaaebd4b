"""Batches to disk, many a sync.

Flow: `write` → waits while a sync runs or is due → one append and one fdatasync for all that came → futures resolve.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hnnode_native import Batch

from hnnode.metrics import Metrics
from hnnode.ports import BatchLocation, BatchLog, HeldBatch

WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Verified batches that wait for the disk; `write` waits above it, so that a slow disk slows the intake down."""

OnHeld = Callable[[Sequence[HeldBatch], bool], None]
"""(batches now durable, whether to acknowledge them), on the event loop."""


@dataclass(slots=True)
class _Job:
    batches: Sequence[Batch]
    acknowledge: bool
    done: asyncio.Future[list[HeldBatch]]


class BatchWriter:
    """The one writer of the batch log. What was handed over is written and reported to `on_held` even when the caller goes away."""

    def __init__(
        self,
        batch_log: BatchLog,
        metrics: Metrics,
        thread: ThreadPoolExecutor,
        sync_ms: int,
        on_held: OnHeld,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """sync_ms: least time between two syncs while batches keep coming; the first after a pause is not delayed."""
        self._batch_log = batch_log
        self._metrics = metrics
        self._thread = thread
        self._sync_s = sync_ms / 1000
        self._on_held = on_held
        self._on_fatal = on_fatal
        self._jobs: list[_Job] = []
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None
        self._synced_at = 0.0
        self._writing: set[bytes] = set()

    def is_writing(self, digest: bytes) -> bool:
        """Whether the batch is on its way to the disk. From any thread."""
        return digest in self._writing

    async def hand_over(self, batches: Sequence[Batch]) -> None:
        """Queue batches and return; waits only while too many bytes wait already."""
        await self._room.wait()
        self._put(batches, acknowledge=True)

    async def write(self, batches: Sequence[Batch], *, acknowledge: bool) -> list[HeldBatch]:
        """The batches, once they are durable and reported. Raises FatalError when the disk failed."""
        await self._room.wait()
        return await asyncio.shield(self._put(batches, acknowledge=acknowledge))

    async def stop(self) -> None:
        """Wait for what is being written."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _put(self, batches: Sequence[Batch], *, acknowledge: bool) -> asyncio.Future[list[HeldBatch]]:
        done: asyncio.Future[list[HeldBatch]] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(batches, acknowledge, done))
        self._writing.update(batch.digest for batch in batches)
        self._bytes += sum(batch.size for batch in batches)
        if self._bytes >= WAITING_BYTES_MAX:
            self._room.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="batch log")
        return done

    async def _run(self) -> None:
        jobs: list[_Job] = []
        try:
            while self._jobs:
                pause_s = self._synced_at + self._sync_s - time.monotonic()
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                jobs, self._jobs = self._jobs, []
                await self._write(jobs)
                jobs = []
        except BaseException as e:
            if not isinstance(e, asyncio.CancelledError):
                self._on_fatal(e)
            for job in (*jobs, *self._jobs):
                job.done.cancel()
            raise
        finally:
            self._task = None

    async def _write(self, jobs: list[_Job]) -> None:
        new = {batch.digest: batch for job in jobs for batch in job.batches}
        loop = asyncio.get_running_loop()
        locations = await loop.run_in_executor(self._thread, self._append, list(new.values()))
        self._synced_at = time.monotonic()
        held = {d: HeldBatch(batch, at) for (d, batch), at in zip(new.items(), locations, strict=True)}
        self._writing.difference_update(held)
        self._bytes -= sum(batch.size for job in jobs for batch in job.batches)
        self._room.set()
        for acknowledge in (True, False):
            part = [held[b.digest] for job in jobs if job.acknowledge is acknowledge for b in job.batches]
            if part:
                self._on_held(part, acknowledge)
        for job in jobs:
            if not job.done.done():
                job.done.set_result([held[batch.digest] for batch in job.batches])

    def _append(self, batches: list[Batch]) -> list[BatchLocation]:
        locations = self._batch_log.append([batch.packed for batch in batches])
        self._batch_log.sync()
        self._metrics.fsyncs.labels("batch_log").inc()
        return locations
