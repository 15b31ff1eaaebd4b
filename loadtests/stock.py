"""What all users of one process share: presigned transactions, the record, and ids to ask for."""

from __future__ import annotations

import random
from collections import deque

import settings
from presigned import PresignedFile, Signed
from sent import SentLog

ASKED_MAX = 20_000
SETTLED_S = 3.0


class Stock:
    """Made when the first user starts, when the number of this worker is known."""

    def __init__(self, worker: int) -> None:
        self.files = [PresignedFile(path, worker, settings.WORKERS) for path in settings.PRESIGNED]
        self.log = SentLog(settings.SENT)
        self._accepted: deque[tuple[float, bytes]] = deque(maxlen=ASKED_MAX)

    def take(self, file: int, count: int) -> list[Signed]:
        return self.files[file].take(count) if self.files else []

    def record(self, file: int, txs: list[Signed], sent_s: float, status: int) -> None:
        """Also remembers ids that were accepted, to be asked for later."""
        self.log.add(file, txs, sent_s, status)
        if status in (200, 202):
            self._accepted.append((sent_s, random.choice(txs).tx_id))

    def asked(self, now_s: float) -> bytes | None:
        """Some id that was accepted long enough ago to be in a block; None while there is none."""
        if not self._accepted or now_s - self._accepted[0][0] < SETTLED_S:
            return None
        for _ in range(8):
            sent_s, tx_id = random.choice(self._accepted)
            if now_s - sent_s >= SETTLED_S:
                return tx_id
        return self._accepted[0][1]


_stock: list[Stock] = []


def stock(worker: int) -> Stock:
    """The one stock of this process."""
    if not _stock:
        _stock.append(Stock(worker))
    return _stock[0]


def flush() -> None:
    for own in _stock:
        own.log.flush()
