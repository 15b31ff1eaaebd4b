"""Batches by digest: asking peers for missing ones, and answering those that ask here.

Nothing is asked for unless a proposed or decided block names it, so what comes in is bounded by the limits of a block.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from hnnode.errors import CODES, PeerFault
from hnnode.mempool.held import HeldBatches
from hnnode.metrics import Metrics
from hnnode.ports import BatchLog, Channel, HeldBatch, Kind, Network

DIGEST_BYTES = 32
REQUEST_MAX = 64
ASK_AGAIN_S = 0.25


def split_digests(payload: bytes, count_max: int) -> list[bytes] | None:
    """The digests of a frame; None when it is malformed."""
    if len(payload) % DIGEST_BYTES or len(payload) > DIGEST_BYTES * count_max:
        return None
    return [payload[i : i + DIGEST_BYTES] for i in range(0, len(payload), DIGEST_BYTES)]


class BatchFetch:
    """All on the event loop; disk reads in a thread."""

    def __init__(
        self, held: HeldBatches, account: bytes, batch_log: BatchLog, network: Network, metrics: Metrics
    ) -> None:
        self._held = held
        self._account = account
        self._batch_log = batch_log
        self._network = network
        self._metrics = metrics
        self._wanted: dict[bytes, set[asyncio.Future[HeldBatch]]] = {}
        self._random = random.Random(account)
        self._answers: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    def is_wanted(self, digest: bytes) -> bool:
        """Whether somebody waits for this batch. From any thread."""
        return digest in self._wanted

    def found(self, held: HeldBatch) -> None:
        """A batch is durable here."""
        for future in self._wanted.get(held.batch.digest, ()):
            if not future.done():
                future.set_result(held)

    # -------------------------------------------------------------- asking
    async def fetch(
        self, digests: Sequence[tuple[bytes, bytes]], proposer: bytes, bytes_max: int | None
    ) -> list[HeldBatch]:
        """See `ports.Batches.fetch`."""
        loop = asyncio.get_running_loop()
        found = {digest: held for digest, _ in digests if (held := self._held.get(digest)) is not None}
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

    # -------------------------------------------------------------- answering
    def answer(self, peer: bytes, payload: bytes) -> None:
        """A peer's request for batches by digest."""
        digests = split_digests(payload, REQUEST_MAX)
        if digests is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        if len(self._answers) >= REQUEST_MAX:
            self._metrics.dropped.labels("batch_request").inc()
            return
        task = asyncio.create_task(self._send(peer, digests))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _send(self, peer: bytes, digests: list[bytes]) -> None:
        missing = []
        for digest in digests:
            held = self._held.get(digest)
            location = self._held.location(digest)
            if held is not None:
                self._network.send(peer, Channel.BULK, Kind.BATCH, held.batch.packed)
            elif location is not None:
                data = await asyncio.get_running_loop().run_in_executor(None, self._batch_log.read, location)
                self._network.send(peer, Channel.BULK, Kind.BATCH, data)
            else:
                missing.append(digest)
        if missing:
            self._network.send(peer, Channel.BULK, Kind.BATCH_MISSING, b"".join(missing))
