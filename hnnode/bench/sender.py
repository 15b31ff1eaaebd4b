"""Open-loop sender: every request has a time at which it is due, whatever the answers do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from hnnode.bench.http import Answer, Connection
from hnnode.bench.tally import Tally
from hnnode.bench.workload import Bundle
from hnnode.errors import CODES, Unavailable

CONNECTIONS_PER_NODE = 4
SETTLE_POLL_S = 0.005
BATCH_PATH = "/v1/txs:batch"
BINARY = "application/octet-stream"


@dataclass(slots=True)
class Sender:
    """Sends bundles in order over several keep-alive connections spread over all nodes.

    A 429 counts its transactions as refused and pauses that node for `Retry-After`; nothing is sent twice.
    """

    urls: Sequence[str]
    tally: Tally
    outstanding_max: int | None = None
    """Accepted and uncommitted transactions above which nothing is sent; None for a true open loop."""
    paused_until_s: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def run(self, bundles: Sequence[Bundle], rate: float, seconds: float) -> float:
        """Send at `rate` transactions a second for `seconds`. Returns the monotonic time of the start."""
        start_s = time.monotonic() + 0.05
        due = iter(_schedule(bundles, rate, start_s, seconds))
        workers = [self._worker(url, due, start_s + seconds) for _ in range(CONNECTIONS_PER_NODE) for url in self.urls]
        await asyncio.gather(*workers)
        return start_s

    async def _worker(self, url: str, due: Iterator[tuple[float, Bundle]], end_s: float) -> None:
        connection = Connection(url)
        try:
            while True:
                # A paused node takes nothing from the common schedule: the other nodes carry the load.
                pause_s = self.paused_until_s.get(url, 0.0) - time.monotonic()
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                item = next(due, None)
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
                await self.send(connection, url, bundle, intended_s)
        finally:
            connection.close()

    def _full(self) -> bool:
        return self.outstanding_max is not None and self.tally.outstanding_count() >= self.outstanding_max

    async def send(self, connection: Connection, url: str, bundle: Bundle, intended_s: float) -> None:
        self.tally.on_offer(bundle.tx_ids, intended_s)
        try:
            answer = await connection.request("POST", BATCH_PATH, bundle.body, BINARY)
        except Unavailable as e:
            self.tally.on_silence(bundle.tx_ids)
            self.errors.append(str(e))
            self.paused_until_s[url] = time.monotonic() + 0.2
            return
        if answer.status == 429:
            self.paused_until_s[url] = time.monotonic() + answer.retry_after_s()
        codes = batch_codes(answer, len(bundle.tx_ids))
        if isinstance(codes, int):
            self.tally.on_refusal(bundle.tx_ids, codes)
        else:
            self.tally.on_answer(bundle.tx_ids, codes)
            if CODES["MEMPOOL_FULL"] in codes:
                self.paused_until_s[url] = time.monotonic() + answer.retry_after_s()


def _schedule(bundles: Sequence[Bundle], rate: float, start_s: float, seconds: float) -> list[tuple[float, Bundle]]:
    """(time it is due, bundle): each is due when its first transaction is."""
    items: list[tuple[float, Bundle]] = []
    sent = 0
    for bundle in bundles:
        offset_s = sent / rate
        if offset_s >= seconds:
            break
        items.append((start_s + offset_s, bundle))
        sent += len(bundle.tx_ids)
    return items


def batch_codes(answer: Answer, count: int) -> list[int] | int:
    """Code of each item, or one code when the whole request was refused."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return CODES["INTERNAL_ERROR"]
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, list) and len(results) == count:
        return [int(item.get("code", 0)) for item in results]
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) and code else CODES["INTERNAL_ERROR"]
