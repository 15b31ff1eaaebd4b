"""A user on a raw socket: a fifth of FastHttpUser's cost a request, for loads near the limit of a generator."""

from __future__ import annotations

import itertools
import socket
import time
from urllib.parse import urlsplit

import settings
from locust import User, constant_throughput, task
from locust.exception import StopUser
from presigned import frames
from stock import stock

_turn = itertools.count()
ANSWER_BYTES_MAX = 16 * 1024 * 1024
TIMEOUT_S = 30.0
PATH = "/v1/txs:batch"


class Broken(Exception):
    """The connection ended inside an answer."""


class FastUser(User):
    """One keep-alive connection; Locust's patched sockets let other users run while it waits."""

    wait_time = constant_throughput(10)

    def __init__(self, environment) -> None:  # type: ignore[no-untyped-def]
        super().__init__(environment)
        number = next(_turn)
        parts = urlsplit(settings.NODES[number % len(settings.NODES)])
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.stock = stock(max(0, getattr(environment.runner, "worker_index", 0)))
        self.file = number % max(1, len(self.stock.files))
        self.socket: socket.socket | None = None

    @task
    def submit(self) -> None:
        txs = self.stock.take(self.file, settings.BATCH)
        if not txs:
            raise StopUser
        sent_s, clock_s = time.time(), time.perf_counter()
        error: Exception | None = None
        status = length = 0
        try:
            status, length = self.post(frames(txs))
            if status not in (200, 202, 429):
                error = Broken(f"status {status}")
        except (OSError, Broken, ValueError) as e:
            error = e
            self.on_stop()
        self.stock.record(self.file, txs, sent_s, status)
        self.environment.events.request.fire(
            request_type="POST",
            name=PATH,
            response_time=1e3 * (time.perf_counter() - clock_s),
            response_length=length,
            exception=error,
            context={},
        )

    def post(self, body: bytes) -> tuple[int, int]:
        """Status and length of the answer's body. Raises OSError, Broken."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, TIMEOUT_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode("ascii") + body)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.receive(len(data))
        lines = data[:end].lower().split(b"\r\n")
        lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
        if len(lengths) != 1 or not 0 <= lengths[0] <= ANSWER_BYTES_MAX:
            raise Broken("an answer without a length")
        missing = lengths[0] - (len(data) - end - 4)
        while missing > 0:
            missing -= len(self.receive(0))
        return int(lines[0].split(b" ", 2)[1]), lengths[0]

    def receive(self, held: int) -> bytes:
        piece = self.socket.recv(1 << 16) if self.socket is not None and held < ANSWER_BYTES_MAX else b""
        if not piece:
            raise Broken("connection closed")
        return piece

    def on_stop(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
