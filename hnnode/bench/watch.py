"""Records what a chain commits while somebody else loads it: `f64 seen ‖ u32 height ‖ u32 count ‖ (tx_id ‖ u32 code)…`
a block, big-endian, times in seconds since the epoch.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from hnnode.bench.follower import BINARY, POLL_S, block_results
from hnnode.bench.http import Answer, Connection
from hnnode.errors import ConfigError, Unavailable

_HEAD = struct.Struct(">dII")
_RESULT = struct.Struct(">32sI")


@dataclass(frozen=True, slots=True)
class SeenBlock:
    seen_s: float
    height: int
    tx_ids: list[bytes]
    codes: list[int]


async def watch(url: str, path: Path, until: asyncio.Event) -> int:
    """Write every block committed from now on until the event is set; returns the last height. Raises Unavailable when
    the node does not answer.
    """
    connection = Connection(url)
    height = orjson.loads((await _get(connection, "/v1/status")).body)["height"]
    try:
        with path.open("wb") as file:
            while not until.is_set():
                latest = orjson.loads((await _get(connection, "/v1/status")).body)["height"]
                while height < latest:
                    answer = await _get(connection, f"/v1/blocks/{height + 1}/results", BINARY)
                    height += 1
                    tx_ids, codes = block_results(answer)
                    file.write(_HEAD.pack(time.time(), height, len(tx_ids)))
                    file.write(b"".join(map(_RESULT.pack, tx_ids, codes)))
                    file.flush()
                await asyncio.sleep(POLL_S)
    finally:
        connection.close()
    return int(height)


async def _get(connection: Connection, path: str, accept: str = "") -> Answer:
    answer = await connection.request("GET", path, accept=accept)
    if answer.status != 200:
        raise Unavailable("NODE_UNREACHABLE", f"GET {path}: status {answer.status}: {answer.body[:200]!r}")
    return answer


def read_blocks(path: Path) -> Iterator[SeenBlock]:
    """Raises ConfigError for a record that was cut."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise ConfigError("CONFIG_INVALID", f"{path}: cut in the middle of a block")
            seen_s, height, count = _HEAD.unpack(head)
            body = file.read(count * _RESULT.size)
            if len(body) < count * _RESULT.size:
                raise ConfigError("CONFIG_INVALID", f"{path}: cut in block {height}")
            pairs = list(_RESULT.iter_unpack(body))
            yield SeenBlock(seen_s, height, [tx_id for tx_id, _ in pairs], [code for _, code in pairs])
