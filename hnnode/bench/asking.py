"""Queries beside a load: the share that a mix states, in an open loop, every answer checked.

    every door asked once → bundle committed → its questions wait SETTLED_S, so that every node has the block → pool →
    asked at random, each when it is due, over as many connections as are busy at a time

Latency counts from the time a query was due. One that no connection was free for until the end counts as failed.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx
import orjson

from hnnode.bench.http import Connection
from hnnode.bench.pool import Pool
from hnnode.bench.tally import percentiles_ms
from hnnode.errors import ERRORS, Unavailable
from hnnode.plugin_api.workload import Question

CONNECTIONS_PER_NODE = 32
TIMEOUT_S = 10.0
TICK_S = 0.004
WARM_S = 20.0
WRONG, UNSENT = "WRONG_ANSWER", "UNSENT"


@dataclass(slots=True)
class Asked:
    """What became of the queries of a run."""

    offered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    answered_s: array[float] = field(default_factory=lambda: array("d"))
    """Moments of the answers that were as expected."""
    latencies_s: dict[str, array[float]] = field(default_factory=dict)
    """Of those answered as expected, by query."""

    @property
    def answered(self) -> int:
        return sum(map(len, self.latencies_s.values()))

    def on_answer(self, query: str, due_s: float, now_s: float) -> None:
        self.latencies_s.setdefault(query, array("d")).append(now_s - due_s)
        self.answered_s.append(now_s)

    def per_second(self, start_s: float, seconds: int) -> list[int]:
        """Answers in each second of the run."""
        counts = Counter(math.floor(each - start_s) for each in self.answered_s)
        return [counts[second] for second in range(seconds)]

    def facts(self, seconds: int, txs_offered: int) -> dict[str, Any]:
        """JSON-ready: rates, share of all requests, latency of what was answered as expected."""
        return {
            "offered_per_s": round(self.offered / seconds, 1),
            "answered_per_s": round(self.answered / seconds, 1),
            "failed_per_s": round(self.failed.total() / seconds, 1),
            "failed": self.failed.total(),
            "failed_by_code": dict(sorted(self.failed.items())),
            "share": round(self.offered / max(1, self.offered + txs_offered), 3),
            "latency_ms": percentiles_ms([(each, 1) for own in self.latencies_s.values() for each in own]),
            "by_query": [
                {
                    "query": name,
                    "answered_per_s": round(len(own) / seconds, 1),
                    "latency_ms": percentiles_ms([(each, 1) for each in own]),
                }
                for name, own in sorted(self.latencies_s.items())
            ],
        }


@dataclass(slots=True)
class Asker:
    """Asks the doors in turn. The busiest connections stay warm: one is opened only when all open ones are busy."""

    urls: Sequence[str]
    application: str
    pool: Pool
    asked: Asked
    _idle: dict[str, list[Connection]] = field(default_factory=dict)
    _open: Counter[str] = field(default_factory=Counter)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, due: Callable[[float], float], end_s: float, rate: float | None = None) -> None:
        """Ask until `end_s` on the monotonic clock, then wait for what is under way.

        Args:
            due: how many queries are due at a moment.
            rate: a second, where it is fixed: the moment at which each is due follows from it.
        """
        start_s, done, turn = time.monotonic(), 0, cycle(self.urls)
        try:
            while True:
                now_s = min(time.monotonic(), end_s)
                wanted = int(due(now_s))
                while done < wanted:
                    question = self.pool.take(now_s)
                    if question is None:
                        done = wanted  # nothing is known yet: these are not offered
                        break
                    connection = self._free(turn)
                    if connection is None:
                        break
                    due_s = now_s if rate is None else min(now_s, start_s + done / rate)
                    done += 1
                    self._begin(connection, question, due_s)
                if now_s >= end_s:
                    break
                await asyncio.sleep(TICK_S if rate is None else min(max(TICK_S, 1 / rate), end_s - now_s))
            if rate is not None and (missed := wanted - done) > 0:
                self.asked.offered += missed
                self.asked.failed[UNSENT] += missed
            await asyncio.gather(*self._running)
        finally:
            for task in self._running:
                task.cancel()
            for idle in self._idle.values():
                for each in idle:
                    each.close()

    def _free(self, turn: Iterable[str]) -> tuple[str, Connection] | None:
        """A connection of the door whose turn it is, or of the next that has one; None when all are busy."""
        for _, url in zip(self.urls, turn, strict=False):
            idle = self._idle.setdefault(url, [])
            if idle:
                return url, idle.pop()
            if self._open[url] < CONNECTIONS_PER_NODE:
                self._open[url] += 1
                return url, Connection(url)
        return None

    def _begin(self, connection: tuple[str, Connection], question: Question, due_s: float) -> None:
        self.asked.offered += 1
        task = asyncio.create_task(self._ask(*connection, question, due_s))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _ask(self, url: str, connection: Connection, question: Question, due_s: float) -> None:
        path = f"/v1/applications/{self.application}/queries/{question.query}"
        try:
            answer = await connection.request("POST", path, question.arguments, "application/json", timeout_s=TIMEOUT_S)
        except Unavailable as e:
            connection.close()
            self.asked.failed[e.info.name] += 1
            return
        finally:
            self._idle[url].append(connection)
        failure = failed(answer.status, answer.body, question)
        if failure is None:
            self.asked.on_answer(question.query, due_s, time.monotonic())
        else:
            self.asked.failed[failure] += 1


def warm_up(urls: Iterable[str], application: str, question: Question) -> None:
    """Ask every door once, whatever it answers: a node starts the process that answers for an isolated plugin when it is
    first asked."""
    deadline_s = time.monotonic() + WARM_S
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        for url in urls:
            path = f"{url}/v1/applications/{application}/queries/{question.query}"
            while client.post(path, content=question.arguments).status_code == 503 and time.monotonic() < deadline_s:
                time.sleep(0.1)


def failed(status: int, body: bytes, question: Question) -> str | None:
    """Why an answer counts as failed: the name of the error's code, or WRONG; None for the answer that was expected."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return WRONG
    if status != 200:
        code = said.get("code") if isinstance(said, dict) else None
        return ERRORS[code].name if code in ERRORS else f"HTTP_{status}"
    return None if isinstance(said, dict) and question.is_answered_by(said.get("result")) else WRONG
