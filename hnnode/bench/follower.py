"""Follows the chain block by block through one node and tells the tally what committed, and when that was seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import orjson

from hnnode.bench.http import Connection
from hnnode.bench.tally import Tally
from hnnode.errors import Unavailable

POLL_S = 0.02


@dataclass(slots=True)
class Follower:
    """Polls `/v1/status` and reads the ids and codes of every new block. Runs until cancelled."""

    url: str
    tally: Tally
    height: int
    blocks: int = field(default=0)
    _seen: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        connection = Connection(self.url)
        try:
            while True:
                latest = orjson.loads(await self._get(connection, "/v1/status"))["height"]
                for height in range(self.height + 1, latest + 1):
                    body = orjson.loads(await self._get(connection, f"/v1/blocks/{height}/results"))
                    txs = body["results"]
                    ids = [bytes.fromhex(tx["tx_id"]) for tx in txs]
                    self.tally.on_block(ids, [tx["code"] for tx in txs], time.monotonic())
                    self.height = height
                    self.blocks += 1
                    self._seen.set()
                await asyncio.sleep(POLL_S)
        finally:
            connection.close()

    async def drained(self) -> None:
        """Returns once everything accepted so far is committed."""
        while self.tally.outstanding():
            self._seen.clear()
            await self._seen.wait()

    async def _get(self, connection: Connection, path: str) -> bytes:
        answer = await connection.request("GET", path)
        if answer.status != 200:
            raise Unavailable("NODE_UNREACHABLE", f"GET {path}: status {answer.status}: {answer.body[:200]!r}")
        return answer.body
