"""Open-loop sender: every request has a time at which it is due, whatever the answers do."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from hnnode.bench.http import Answer, Connection
from hnnode.bench.tally import Tally
from hnnode.bench.workload import Bundle
from hnnode.errors import CODES, ERRORS, Unavailable

CONNECTIONS_PER_NODE = 4
SETTLE_POLL_S = 0.005
LATE_S_MAX = 0.05
UNKNOWN = ERRORS[CODES["TIMEOUT"]].http
BATCH_PATH = "/v1/txs:batch"
BINARY = "application/octet-stream"
LATER = frozenset(info.code for info in ERRORS.values() if info.retryable and info.http in (429, 503))
"""Refusals for the moment: the same transaction may come again."""
_CODE = struct.Struct(">I")
_ALL_TAKEN = re.compile(rb'"accepted":([0-9]+),"refused":0\}$')


@dataclass(slots=True)
class Schedule:
    """The requests in order, each due when its first transaction is.

    `stubborn`: a load that no refusal slows down. What was refused comes again, and a sender that falls behind goes on
    from now instead of catching up.
    """

    bundles: deque[Bundle]
    rate: float
    start_s: float
    seconds: float
    stubborn: bool = False
    _due_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._due_s = self.start_s

    def next(self) -> tuple[float, Bundle] | None:
        """(time it is due, bundle); None when the time or the bundles are over."""
        if not self.bundles or self._due_s >= self.start_s + self.seconds:
            return None
        if self.stubborn:
            self._due_s = max(self._due_s, time.monotonic() - LATE_S_MAX)
        bundle, due_s = self.bundles.popleft(), self._due_s
        self._due_s += len(bundle.tx_ids) / self.rate
        return due_s, bundle

    def give_back(self, bundle: Bundle) -> None:
        self.bundles.append(bundle)


@dataclass(slots=True)
class Sender:
    """Sends bundles in order over several keep-alive connections spread over all doors.

    A 429 pauses that door for `Retry-After`, unless the schedule is stubborn. A step of several then comes again at this
    door, until the time is over: what follows is sent only when it committed, and its latency counts from when it was due
    first. Everything else is refused for good.
    """

    urls: Sequence[str]
    tally: Tally
    outstanding_max: int | None = None
    """Accepted and uncommitted transactions above which nothing is sent; None for a true open loop."""
    connections: int = CONNECTIONS_PER_NODE
    stubborn: bool = False
    paused_until_s: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def run(self, bundles: Iterable[Bundle], rate: float, seconds: float) -> float:
        """Send at `rate` transactions a second for `seconds`. Returns the monotonic time of the start."""
        start_s = time.monotonic() + 0.05
        schedule = Schedule(deque(bundles), rate, start_s, seconds, self.stubborn)
        workers = [self._worker(url, schedule, start_s + seconds) for _ in range(self.connections) for url in self.urls]
        await asyncio.gather(*workers)
        return start_s

    async def _worker(self, url: str, schedule: Schedule, end_s: float) -> None:
        connection = Connection(url)
        try:
            while True:
                # A paused node takes nothing from the common schedule: the other nodes carry the load.
                await self._paused(url)
                item = schedule.next()
                if item is None or time.monotonic() >= end_s:
                    return
                intended_s, bundle = item
                wait_s = intended_s - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                while not self.tally.settled(bundle.after) or self._full():
                    if time.monotonic() >= end_s:
                        return
                    await asyncio.sleep(SETTLE_POLL_S)
                self.tally.on_offer(bundle, intended_s)
                rest = await self.send(connection, url, bundle, end_s)
                while rest is not None and not self.stubborn:
                    await self._paused(url)
                    rest = await self.send(connection, url, rest, end_s)
                if rest is not None:
                    schedule.give_back(rest)
        finally:
            connection.close()

    async def _paused(self, url: str) -> None:
        pause_s = self.paused_until_s.get(url, 0.0) - time.monotonic()
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    def _full(self) -> bool:
        return self.outstanding_max is not None and self.tally.outstanding_count() >= self.outstanding_max

    async def send(self, connection: Connection, url: str, bundle: Bundle, end_s: float) -> Bundle | None:
        """What is to be sent again of it; None for nothing, always so for what is no step once `end_s` is over."""
        try:
            answer = await connection.request("POST", BATCH_PATH, bundle.body, BINARY, accept=BINARY)
        except Unavailable as e:
            self.tally.on_silence(bundle)
            self.errors.append(str(e))
            self._pause(url, 0.2)
            return None
        if answer.status == 429:
            self._pause(url, answer.retry_after_s())
        if answer.status == UNKNOWN:
            # A gateway that lost its node before the answer: whether it was taken is seen in the blocks.
            self.tally.on_silence(bundle)
            self._pause(url, answer.retry_after_s())
            return None
        codes = batch_codes(answer, len(bundle.tx_ids))
        again_at_s = max(time.monotonic(), self.paused_until_s.get(url, 0.0))
        later = LATER if bundle.is_step and not self.stubborn and again_at_s < end_s else frozenset[int]()
        if isinstance(codes, int):
            if codes in later:
                self.tally.retried += len(bundle.tx_ids)
                self._pause(url, answer.retry_after_s())
                return bundle
            self.tally.on_refusal(bundle, codes, again=self.stubborn)
            return bundle if self.stubborn else None
        if codes is not None and not LATER.isdisjoint(codes):
            self._pause(url, answer.retry_after_s())
        self.tally.on_answer(bundle, codes, later)
        rest = [tx_id for tx_id, code in zip(bundle.tx_ids, codes or (), strict=False) if code in later]
        return bundle.only(set(rest)) if rest else None

    def _pause(self, url: str, seconds: float) -> None:
        if not self.stubborn:
            self.paused_until_s[url] = time.monotonic() + seconds


def batch_codes(answer: Answer, count: int) -> list[int] | int | None:
    """Code of each item, None when every one was accepted, or one code when the whole request was refused."""
    if answer.status == 200 and answer.headers.get(b"content-type", b"").startswith(BINARY.encode()):
        if not answer.body.strip(b"\0") and len(answer.body) == 4 * count:
            return None
        if len(answer.body) != 4 * count:
            return CODES["INTERNAL_ERROR"]
        return [code for (code,) in _CODE.iter_unpack(answer.body)]
    # The totals stand at the end: an answer without refusals need not be parsed, which would cost more than the sending.
    taken = _ALL_TAKEN.search(answer.body, max(0, len(answer.body) - 64))
    if answer.status == 200 and taken is not None and int(taken.group(1)) == count:
        return None
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return CODES["INTERNAL_ERROR"]
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, list) and len(results) == count:
        return [int(item.get("code", 0)) for item in results]
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) and code else CODES["INTERNAL_ERROR"]
