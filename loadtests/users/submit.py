"""Users that submit: one transaction a request, or many."""

from __future__ import annotations

import itertools
import time

import settings
from locust import FastHttpUser, constant_throughput, task
from locust.exception import StopUser
from presigned import Signed, frames
from stock import Stock, stock

BINARY = {"Content-Type": "application/octet-stream"}
_turn = itertools.count()


class Submitter(FastHttpUser):
    """Takes a door and an application in turn; ends when nothing presigned is left."""

    abstract = True
    stock: Stock

    def __init__(self, environment) -> None:  # type: ignore[no-untyped-def]
        number = next(_turn)
        self.host = settings.NODES[number % len(settings.NODES)]
        super().__init__(environment)
        self.stock = stock(max(0, getattr(environment.runner, "worker_index", 0)))
        self.file = number % max(1, len(self.stock.files))

    def take(self, count: int) -> list[Signed]:
        txs = self.stock.take(self.file, count)
        if not txs:
            raise StopUser
        return txs

    def post(self, path: str, body: bytes, txs: list[Signed]) -> None:
        """Refusals by overload are an answer, not a failure: the report counts them from the record."""
        sent_s = time.time()
        with self.client.post(path, data=body, headers=BINARY, name=path, catch_response=True) as answer:
            status = answer.status_code
            if status in (200, 202, 429):
                answer.success()
        self.stock.record(self.file, txs, sent_s, status)
        if status == 429:
            time.sleep(min(5.0, float(answer.headers.get("retry-after", "0.1"))))


class SingleUser(Submitter):
    """An application that submits what its people do, one at a time."""

    wait_time = constant_throughput(5)

    @task
    def submit(self) -> None:
        txs = self.take(1)
        self.post("/v1/txs", txs[0].tx, txs)


class BatchUser(Submitter):
    """A back end that collects and submits many at a time."""

    wait_time = constant_throughput(4)

    @task
    def submit(self) -> None:
        txs = self.take(settings.BATCH)
        self.post("/v1/txs:batch", frames(txs), txs)
