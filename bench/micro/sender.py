"""What the generator itself costs, against a node that only pretends: it shares the cores with what it measures.

    python bench/micro/sender.py [--to FILE]

CPU µs a transaction of sending and of following blocks; the budget is 5.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from pathlib import Path

import httptools
import uvloop

from hnnode.bench import machine
from hnnode.bench.follower import Follower
from hnnode.bench.localnet import shifted_base
from hnnode.bench.sender import Sender
from hnnode.bench.tally import Tally
from hnnode.bench.workload import Bundle

BATCH = 200
COUNT = 60_000
BLOCK_S = 0.25
RUNS = 3


class _Pretender(asyncio.Protocol):
    """Accepts every batch and commits what it was sent four times a second; an id is the first 32 bytes of each item."""

    blocks: list[bytes]
    waiting: list[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._restart()

    def _restart(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._path, self._body = b"", bytearray()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        kind = "application/json"
        if self._path == b"/v1/status":
            body = f'{{"height":{len(self.blocks)}}}'.encode()
        elif self._path.endswith(b"/results"):
            kind = "application/octet-stream"
            body = self.blocks[int(self._path.split(b"/")[3]) - 1]
        else:
            step = len(self._body) // BATCH
            self.waiting.extend(
                bytes(self._body[at + 4 : at + 36]) + bytes(4) for at in range(0, len(self._body), step)
            )
            kind, body = "application/octet-stream", bytes(4 * BATCH)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)  # type: ignore[attr-defined]
        self._restart()


async def _pretend(port: int) -> None:
    _Pretender.blocks, _Pretender.waiting = [], []
    await asyncio.get_running_loop().create_server(_Pretender, "127.0.0.1", port)
    print("ready", flush=True)
    while True:
        await asyncio.sleep(BLOCK_S)
        if _Pretender.waiting:
            _Pretender.blocks.append(b"".join(_Pretender.waiting))
            _Pretender.waiting.clear()


def _bundles() -> list[Bundle]:
    bundles = []
    for number in range(COUNT // BATCH):
        ids = tuple((number * BATCH + i).to_bytes(32, "big") for i in range(BATCH))
        body = b"".join((269).to_bytes(4, "big") + tx_id + bytes(237) for tx_id in ids)
        bundles.append(Bundle(body, ids, number, -1, number))
    return bundles


async def _load(url: str, tally: Tally, bundles: list[Bundle]) -> float:
    follower = Follower(url, tally, 0)
    following = asyncio.create_task(follower.run())
    spent_s = -time.process_time()
    await Sender([url], tally, connections=16).run(bundles, 30_000, 20)
    async with asyncio.timeout(60):
        await follower.drained()
    spent_s += time.process_time()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return spent_s


def _cost_us(port: int) -> float:
    """CPU µs a transaction of one load, collector at rest as in a real run."""
    node = subprocess.Popen([sys.executable, str(Path(__file__)), "--pretend", str(port)], stdout=subprocess.PIPE)
    try:
        assert node.stdout is not None
        assert node.stdout.readline() == b"ready\n"
        tally, bundles = Tally(), _bundles()
        tally.expect(bundles)
        gc.collect()
        gc.freeze()
        spent_s = uvloop.run(_load(f"http://127.0.0.1:{port}", tally, bundles))
    finally:
        gc.unfreeze()
        node.kill()
        node.communicate()
    assert tally.committed_count == COUNT
    assert tally.outstanding() == set()
    return 1e6 * spent_s / COUNT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, help="also write the JSON into this file")
    parser.add_argument("--pretend", type=int, metavar="PORT", help="be the node")
    given = parser.parse_args()
    if given.pretend is not None:
        asyncio.run(_pretend(given.pretend))
        return
    # The least of three: what else the machine does makes it dearer, never cheaper.
    cost_us = min(_cost_us(shifted_base(44_000, 1)) for _ in range(RUNS))
    result = {
        "scenario": "sender",
        "sender.load/batch=200": round(cost_us, 2),
        "unit": "us of CPU a transaction",
        "machine": machine.facts(),
        "commit": machine.commit(),
        "reference": machine.reference(),
        "settings": {"batch": BATCH, "count": COUNT, "block_s": BLOCK_S, "runs": RUNS},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.to is not None:
        given.to.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
