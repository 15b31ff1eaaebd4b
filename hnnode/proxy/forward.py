"""Verified bodies to the node: many clients' transactions in one binary `txs:batch`, each client's codes out of its answer.

Flow: `put` → waits while all lanes are busy → one request of up to `batch_count_max` transactions → codes of each body.
A node that is full closes this way in for as long as it says, so that nothing is verified that it would refuse.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass

from hnnode.errors import CODES, ERRORS, HnError, Unavailable
from hnnode.gateway.body import OCTETS
from hnnode.gateway.problem import RETRY_AFTER_MS
from hnnode.mempool.admission import CODE_BYTES, TX_DUPLICATE, unpack_codes
from hnnode.proxy.delivery import LASTING, Problem, deliver, unknown
from hnnode.proxy.metrics import GatewayMetrics
from hnnode.proxy.nodes import LANES_MAX, Nodes
from hnnode.proxy.wire import Request

ANSWER_S_MAX = 10.0
GROUP_BYTES_MAX = 1024 * 1024
TIMEOUT = CODES["TIMEOUT"]
_HEADERS = ((b"content-type", OCTETS.encode("ascii")), (b"accept", OCTETS.encode("ascii")))


@dataclass(slots=True)
class _Job:
    frames: bytes
    count: int
    future: asyncio.Future[bytes]


class Forwarder:
    """All methods on the event loop."""

    def __init__(self, nodes: Nodes, metrics: GatewayMetrics) -> None:
        self._nodes = nodes
        self._metrics = metrics
        self._jobs: deque[_Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_planned = False
        self._closed_until = 0.0
        self.pool: dict[str, int] | None = None
        """Depth of the node's pool, as its last refusal told."""

    def put(self, frames: bytes, count: int) -> asyncio.Future[bytes]:
        """Packed codes of the frames: 0, TX_DUPLICATE, TIMEOUT for an unknown outcome, or a refusal.

        Fails with HnError when surely none was taken."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._jobs.append(_Job(frames, count, future))
        if not self._is_planned and len(self._tasks) < LANES_MAX:
            # Not at once: what this turn of the loop finds verified goes along.
            self._is_planned = True
            loop.call_soon(self._start)
        return future

    def closed_ms(self) -> int:
        """How long the node still wants nothing; 0 when it is open."""
        return max(0, int(1000 * (self._closed_until - time.monotonic())))

    async def stop(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -------------------------------------------------------------- lanes
    def _start(self) -> None:
        self._is_planned = False
        while self._jobs and len(self._tasks) < LANES_MAX:
            group: list[_Job] = []
            size = count = 0
            count_max = self._nodes.config.batch_count_max
            bytes_max = min(GROUP_BYTES_MAX, self._nodes.config.batch_body_bytes_max)
            while self._jobs:
                job = self._jobs[0]
                if group and (count + job.count > count_max or size + len(job.frames) > bytes_max):
                    break
                group.append(self._jobs.popleft())
                size += len(job.frames)
                count += job.count
            task = asyncio.create_task(self._run(group, count), name="forward")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _run(self, group: list[_Job], count: int) -> None:
        started = time.monotonic()
        try:
            await self._send(group, count)
        except BaseException as e:
            for job in group:
                if not job.future.done():
                    job.future.set_exception(unknown() if isinstance(e, asyncio.CancelledError) else e)
            if not isinstance(e, Exception):
                raise
        finally:
            self._metrics.forward_s.observe(time.monotonic() - started)

    async def _send(self, group: list[_Job], count: int) -> None:
        body = group[0].frames if len(group) == 1 else b"".join([job.frames for job in group])
        request = Request("POST", b"/v1/txs:batch", _HEADERS, body)
        self._metrics.forwards.inc()
        try:
            answer = await deliver(
                self._nodes, lambda node: node.lanes, request, ANSWER_S_MAX, on_resend=self._metrics.resent.inc
            )
        except Unavailable as e:
            if e.code != TIMEOUT:
                raise
            self._hand_out(group, TIMEOUT.to_bytes(CODE_BYTES, "big") * count)
            return
        if (
            answer.status == 200
            and len(answer.body) == CODE_BYTES * count
            and answer.header(b"content-type") == _HEADERS[1][1]
        ):
            self._hand_out(group, _certain(answer.body) if answer.is_uncertain else answer.body)
            return
        problem = answer.problem()
        if problem is None:
            # Something answered that is no node; whether one stands behind it nobody knows.
            self._hand_out(group, TIMEOUT.to_bytes(CODE_BYTES, "big") * count)
        elif answer.status == 429:
            self._close(problem)
            if "state" not in problem.members:
                raise problem.error()
            # It looked at each transaction, and the same holds for all.
            self._hand_out(group, problem.code.to_bytes(CODE_BYTES, "big") * count)
        elif len(group) > 1 and answer.status < 500:
            await self._send_singly(group)
        else:
            raise problem.error()

    async def _send_singly(self, group: list[_Job]) -> None:
        """The node refuses the request as a whole: nobody shall suffer for what another one sent."""
        for job in group:
            try:
                await self._send([job], job.count)
            except HnError as e:
                if not job.future.done():
                    job.future.set_exception(e)

    def _close(self, problem: Problem) -> None:
        pool = problem.members.get("pool")
        if isinstance(pool, dict):
            self.pool = pool
        if ERRORS[problem.code].name == "MEMPOOL_FULL":
            after_ms = RETRY_AFTER_MS if problem.retry_after_ms is None else problem.retry_after_ms
            self._closed_until = time.monotonic() + min(after_ms, RETRY_AFTER_MS) / 1000

    def _hand_out(self, group: list[_Job], codes: bytes) -> None:
        start = 0
        for job in group:
            end = start + CODE_BYTES * job.count
            if not job.future.done():
                job.future.set_result(codes[start:end])
            start = end
        if codes.count(0) == len(codes):
            self._metrics.answered.labels("OK").inc(start // CODE_BYTES)
            return
        for code, times in Counter(unpack_codes(codes)).items():
            name = "OK" if code == 0 else ERRORS[code].name if code in ERRORS else str(code)
            self._metrics.answered.labels(name).inc(times)


def _certain(codes: bytes) -> bytes:
    """Of an answer after a lost one: a refusal that depends on the moment says nothing of the first attempt."""
    told = (code if code in (0, TX_DUPLICATE) or code in LASTING else TIMEOUT for code in unpack_codes(codes))
    return b"".join([code.to_bytes(CODE_BYTES, "big") for code in told])
