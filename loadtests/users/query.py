"""Users that ask: status, transaction, receipt, proof."""

from __future__ import annotations

import itertools
import time

import settings
from locust import FastHttpUser, constant_throughput, task
from stock import stock

from users.submit import SingleUser

_turn = itertools.count()


class LoneWriter(SingleUser):
    """Keeps readers in ids to ask for."""

    fixed_count = 1


class QueryUser(FastHttpUser):
    """A reader: mostly receipts, sometimes a proof."""

    wait_time = constant_throughput(10)

    def __init__(self, environment) -> None:  # type: ignore[no-untyped-def]
        self.host = settings.NODES[next(_turn) % len(settings.NODES)]
        super().__init__(environment)
        self.stock = stock(max(0, getattr(environment.runner, "worker_index", 0)))

    def ask(self, suffix: str) -> None:
        tx_id = self.stock.asked(time.time())
        if tx_id is None:
            self.client.get("/v1/status", name="/v1/status")
        else:
            self.client.get(f"/v1/txs/{tx_id.hex()}{suffix}", name=f"/v1/txs/ID{suffix}")

    @task(6)
    def receipt(self) -> None:
        self.ask("/receipt")

    @task(3)
    def tx(self) -> None:
        self.ask("")

    @task(1)
    def proof(self) -> None:
        self.ask("/proof")
