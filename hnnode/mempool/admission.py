"""Submitted bodies into the pool, many in one native call.

Flow: `put` → waits while a call runs, or GATHER_S after the last one → decode, ids, committed?, verify, pool (one thread, no lock of the
interpreter held) → each body's slice of the packed answer. What a call does is the `Admit` it is given: `PoolAdmission` in a node.

Nothing here runs once a transaction: a body of a thousand and a body of one cost the same.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from hnnode_native import Accounts, DecodedTxs, Pool
from prometheus_client import Counter as MetricCounter

from hnnode.errors import CODES, Rejected, name_of
from hnnode.mempool.personal import PersonalDoor
from hnnode.ports import NOTHING, Admission, Chain, Personal

ID_BYTES = 32
CODE_BYTES = 4
GATHER_S = 0.002
"""Least time between the starts of two small calls: single posts that arrive together share one."""
LARGE_BYTES = 64 * 1024
"""A call this large is worth an own thread, and no waiting."""
GROUP_BYTES_MAX = 4 * 1024 * 1024
GROUP_COUNT_MAX = 4_096
CALLS_MAX = 2
"""Native calls at a time; one for each admission thread."""
TX_DUPLICATE = CODES["TX_DUPLICATE"]
_DUPLICATE = TX_DUPLICATE.to_bytes(CODE_BYTES, "big")


@dataclass(slots=True)
class Answer:
    """Of one call: `counts` are items of each body, -1 for broken framing; `pool_bytes` is what the pool holds now; `personal` are place,
    kind and field of what was refused as personal, ascending."""

    tx_ids: bytes
    codes: bytes
    counts: Sequence[int]
    pool_bytes: int
    personal: Sequence[tuple[int, str, str]] = ()


Admit = Callable[[list[bytes]], Answer]
"""One call, in an admission thread: many bodies of frames, and what became of their transactions."""
_Job = tuple[bytes, asyncio.Future[Admission], float]
"""A body, its answer, and when it came (monotonic)."""


class Counts(Protocol):
    """Of the metrics of the process."""

    @property
    def admitted(self) -> MetricCounter: ...
    @property
    def refused(self) -> MetricCounter:
        """By name of the code."""


class PoolAdmission:
    """Decode, ids, personal?, committed already?, verify, pool."""

    def __init__(
        self, chain_id: bytes, accounts: Accounts, pool: Pool, chain: Chain, personal: PersonalDoor | None = None
    ) -> None:
        """personal: None takes payloads as they are."""
        self._personal = personal
        self._chain_id = chain_id
        self._accounts = accounts
        self._pool = pool
        self._chain = chain

    def __call__(self, bodies: list[bytes]) -> Answer:
        scan = None if self._personal is None else self._personal.scan()
        txs, counts = DecodedTxs.decode_frames_many(bodies, self._chain_id, scan)
        tx_ids = txs.tx_ids_packed()
        committed = self._chain.committed_flags(tx_ids)
        codes, _ = self._pool.admit_packed(txs, self._accounts, committed, self._chain.tip().height)
        if 1 in committed:
            codes = mark_known(codes, committed)
        return Answer(tx_ids, codes, counts, self._pool.bytes_used(), txs.personal())


class Admissions:
    """The queue in front of the pool. All methods on the event loop."""

    def __init__(
        self,
        *,
        admit: Admit,
        metrics: Counts,
        threads: ThreadPoolExecutor,
        on_admitted: Callable[[], None],
        observe: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """on_admitted: called after each call that took something into the pool. observe: told how long the first body of each
        call took, waiting included."""
        self._admit = admit
        self._metrics = metrics
        self._threads = threads
        self._on_admitted = on_admitted
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._running = 0
        self._timer: asyncio.Handle | None = None
        self._started_at = 0.0
        self._calls: set[asyncio.Task[None]] = set()
        self._queued_bytes = 0
        self.bytes_waiting = 0
        """Bytes of the bodies that are queued or being verified."""
        self.pool_bytes = 0
        """Bytes in the pool after the last call."""

    def put(self, body: bytes) -> asyncio.Future[Admission]:
        """Queue a body of frames. The future fails with Rejected 1001 when its framing is broken."""
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self._jobs.append((body, future, time.monotonic()))
        self.bytes_waiting += len(body)
        self._queued_bytes += len(body)
        self._schedule()
        return future

    async def stop(self) -> None:
        """Let running calls end, refuse nothing: their clients still get answers."""
        await asyncio.gather(*self._calls, return_exceptions=True)

    # -------------------------------------------------------------- pace
    def _schedule(self) -> None:
        """Plan the next call: at once when none runs and the last is a while ago, or when much waits."""
        large = self._queued_bytes >= LARGE_BYTES
        if not self._jobs or self._running >= (CALLS_MAX if large else 1):
            return
        if self._timer is not None:
            if not large:
                return
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        delay_s = 0.0 if large else self._started_at + GATHER_S - time.monotonic()
        # Never inline: everything that this turn of the loop reads from sockets comes along.
        self._timer = loop.call_later(delay_s, self._start) if delay_s > 0 else loop.call_soon(self._start)

    def _start(self) -> None:
        self._timer = None
        if not self._jobs or self._running >= CALLS_MAX:
            return
        group: list[_Job] = []
        size = 0
        while self._jobs and size < GROUP_BYTES_MAX and len(group) < GROUP_COUNT_MAX:
            job = self._jobs.popleft()
            size += len(job[0])
            if job[1].cancelled():
                self.bytes_waiting -= len(job[0])
            else:
                group.append(job)
        self._queued_bytes -= size
        if group:
            self._running += 1
            self._started_at = time.monotonic()
            task = asyncio.create_task(self._call(group), name="admission")
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        self._schedule()

    async def _call(self, group: list[_Job]) -> None:
        bodies = [body for body, _, _ in group]
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._admit, bodies)
        except BaseException as e:
            for _, future, _ in group:
                if not future.done():
                    future.set_exception(e)
            if not isinstance(e, Exception):
                raise
        else:
            self.pool_bytes = answer.pool_bytes
            self._hand_out(group, answer)
            self._observe(time.monotonic() - group[0][2])
        finally:
            self._running -= 1
            self.bytes_waiting -= sum(map(len, bodies))
            self._schedule()

    # -------------------------------------------------------------- answers
    def _hand_out(self, group: list[_Job], answer: Answer) -> None:
        start = admitted = 0
        for (_, future, _), count in zip(group, answer.counts, strict=True):
            if count < 0:
                if not future.done():
                    future.set_exception(
                        Rejected("REQUEST_MALFORMED", "frames: a length runs past the end of the body")
                    )
                continue
            end = start + count
            codes = answer.codes[CODE_BYTES * start : CODE_BYTES * end]
            tx_ids = answer.tx_ids[ID_BYTES * start : ID_BYTES * end]
            personal = _personal(answer, start, end) if answer.personal else NOTHING
            start = end
            fresh, known = self._count(codes, count)
            admitted += fresh
            if not future.done():
                future.set_result(Admission(tx_ids, codes, fresh, known, personal))
        if admitted:
            self._metrics.admitted.inc(admitted)
            self._on_admitted()

    def _count(self, codes: bytes, count: int) -> tuple[int, int]:
        """(admitted, known); the refusals go to the metrics."""
        if codes.count(0) == len(codes):
            return count, 0
        by_code = Counter(unpack_codes(codes))
        for code, times in by_code.items():
            if code not in (0, TX_DUPLICATE):
                self._metrics.refused.labels(name_of(code)).inc(times)
        return by_code[0], by_code[TX_DUPLICATE]


def _personal(answer: Answer, start: int, end: int) -> Mapping[int, Personal]:
    """Of one body, by its own places."""
    return {place - start: (kind, field) for place, kind, field in answer.personal if start <= place < end}


def unpack_codes(codes: bytes) -> array[int]:
    """Packed big-endian codes as numbers."""
    numbers = array("I", codes)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def mark_known(codes: bytes, committed: bytes) -> bytes:
    """Whatever else is said of a transaction that is on the chain, the client learns that it is known."""
    marked = bytearray(codes)
    at = committed.find(1)
    while at >= 0:
        marked[CODE_BYTES * at : CODE_BYTES * (at + 1)] = _DUPLICATE
        at = committed.find(1, at + 1)
    return bytes(marked)
