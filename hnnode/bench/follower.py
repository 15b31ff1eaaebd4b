"""Follows the chain block by block through one node and tells the tally what committed, and when that was seen."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from dataclasses import dataclass, field

import orjson

from hnnode.bench.http import Answer, Connection
from hnnode.bench.tally import Tally
from hnnode.errors import Unavailable

POLL_S = 0.02
QUIET_SHARE = 0.8
"""Of the shortest of the latest intervals between blocks: nothing is asked for so long after one was seen."""
INTERVALS = 16
BINARY = "application/octet-stream"
_RESULT = struct.Struct(">32sI")


@dataclass(slots=True)
class Follower:
    """Polls `/v1/status` and reads the ids and codes of every new block. Runs until cancelled.

    Asking costs the node more than it costs here, so it begins only when the next block may be there.
    """

    url: str
    tally: Tally
    height: int
    poll_s: float = POLL_S
    blocks: int = field(default=0)
    _intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS))
    _seen: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        connection = Connection(self.url)
        last_s = time.monotonic()
        try:
            while True:
                latest = orjson.loads((await self._get(connection, "/v1/status")).body)["height"]
                for height in range(self.height + 1, latest + 1):
                    answer = await self._get(connection, f"/v1/blocks/{height}/results", BINARY)
                    seen_s = time.monotonic()
                    self._intervals_s.append(seen_s - last_s)
                    last_s = seen_s
                    self.tally.on_block(*block_results(answer), seen_s)
                    self.height = height
                    self.blocks += 1
                    self._seen.set()
                quiet_s = QUIET_SHARE * min(self._intervals_s, default=0.0) - (time.monotonic() - last_s)
                await asyncio.sleep(max(self.poll_s, quiet_s))
        finally:
            connection.close()

    async def drained(self) -> None:
        """Returns once everything accepted so far is committed."""
        while self.tally.outstanding_count() or self.tally.outstanding():
            self._seen.clear()
            await self._seen.wait()

    async def _get(self, connection: Connection, path: str, accept: str = "") -> Answer:
        answer = await connection.request("GET", path, accept=accept)
        if answer.status != 200:
            raise Unavailable("NODE_UNREACHABLE", f"GET {path}: status {answer.status}: {answer.body[:200]!r}")
        return answer


def block_results(answer: Answer) -> tuple[list[bytes], list[int]]:
    """Ids and codes of a block: 36 bytes a transaction, or the JSON of a node that knows only that."""
    if answer.headers.get(b"content-type", b"").startswith(BINARY.encode()):
        pairs = list(_RESULT.iter_unpack(answer.body))
        return [tx_id for tx_id, _ in pairs], [code for _, code in pairs]
    results = orjson.loads(answer.body)["results"]
    return [bytes.fromhex(tx["tx_id"]) for tx in results], [tx["code"] for tx in results]
