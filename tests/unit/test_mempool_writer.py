"""Batches to disk: many a sync, reported once durable, also when the caller is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop
from hnnode_native import Batch, Pool

from hnnode.crypto import MemorySigner
from hnnode.errors import FatalError
from hnnode.mempool.writer import BatchWriter
from hnnode.metrics import Metrics
from hnnode.ports import BatchLocation, HeldBatch
from hnnode.storage.batch_log import BatchLog
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

SIGNER = MemorySigner.generate()


def sealed(count: int) -> list[Batch]:
    """Small batches of one author."""
    node = MemoryNode([SIGNER.public_key])
    out: list[Batch] = []
    for i in range(count):
        asyncio.run(node.submit([evidence_tx(node.chain_id, SIGNER, f"{i:064x}").data]))
        batch = node.pool.seal(node.keys[0], i + 1)
        assert batch is not None
        out.append(batch)
    assert isinstance(node.pool, Pool)
    return out


class World:
    def __init__(self, path: Path, thread: ThreadPoolExecutor, sync_ms: int) -> None:
        path.mkdir(exist_ok=True)
        self.log = BatchLog(path, 1 << 20)
        list(self.log.recover(0, lambda places: [False] * len(places)))
        self.reports: list[tuple[list[bytes], bool]] = []
        self.fatal: list[BaseException] = []
        self.writer = BatchWriter(self.log, Metrics(), thread, sync_ms, self._on_held, self.fatal.append)

    def _on_held(self, batches: Sequence[HeldBatch], acknowledge: bool) -> None:
        assert all(self.log.read(held.location) == held.batch.packed for held in batches)
        self.reports.append(([held.batch.digest for held in batches], acknowledge))


def test_batches_that_come_while_a_sync_runs_share_the_next(tmp_path: Path) -> None:
    batches = sealed(12)

    async def story(w: World) -> None:
        started = time.monotonic()
        first = asyncio.create_task(w.writer.write(batches[:1], acknowledge=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [asyncio.create_task(w.writer.write([b], acknowledge=b is not batches[3])) for b in batches[1:11]]
        await w.writer.hand_over(batches[11:])
        held = [(await task)[0] for task in (first, *rest)]
        assert time.monotonic() - started >= 0.05
        await w.writer.stop()
        assert [h.batch.digest for h in held] == [b.digest for b in batches[:11]]
        assert w.log.sync_count == 2
        acknowledged = [d for digests, yes in w.reports if yes for d in digests]
        assert sorted(acknowledged) == sorted(b.digest for b in batches if b is not batches[3])
        assert not any(w.writer.is_writing(b.digest) for b in batches)

    with ThreadPoolExecutor(1) as thread:
        uvloop.run(_in_loop(story, tmp_path, thread, 50))


def test_a_caller_that_leaves_loses_nothing(tmp_path: Path) -> None:
    (batch,) = sealed(1)

    async def story(w: World) -> None:
        task = asyncio.create_task(w.writer.write([batch], acknowledge=True))
        await asyncio.sleep(0)
        assert w.writer.is_writing(batch.digest)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await w.writer.stop()
        assert w.reports == [([batch.digest], True)]

    with ThreadPoolExecutor(1) as thread:
        uvloop.run(_in_loop(story, tmp_path, thread, 1))


def test_a_failed_disk_stops_the_node_and_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = sealed(2)

    async def story(w: World) -> None:
        def broken(_: Sequence[bytes]) -> list[BatchLocation]:
            raise FatalError("STORAGE_FAILED", "disk")

        monkeypatch.setattr(w.log, "append", broken)
        tasks = [asyncio.create_task(w.writer.write([b], acknowledge=True)) for b in batches]
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in done)
        assert [str(e.args[0]) if e.args else "" for e in w.fatal]
        assert w.reports == []

    with ThreadPoolExecutor(1) as thread:
        uvloop.run(_in_loop(story, tmp_path, thread, 1))


async def _in_loop(story: object, path: Path, thread: ThreadPoolExecutor, sync_ms: int) -> None:
    world = World(path / "batches", thread, sync_ms)
    await story(world)  # type: ignore[operator]
    world.log.close()
