"""Serving blocks to peers that are behind."""

from __future__ import annotations

import asyncio

from hnnode.config import SyncConfig
from hnnode.errors import CODES
from hnnode.metrics import Metrics
from hnnode.ports import Chain, Channel, Kind, Network, SkipRecords
from hnnode.primitives.skip import encode_skips
from hnnode.sync.frames import BlockRequest, BlockResponse

SERVING_MAX = 2
"""Block requests of one peer served at once; more are ignored. Counted for each peer, so that none takes the place of another."""


class BlockServing:
    """Answers block requests: one frame a block, read in a thread. On the event loop."""

    def __init__(
        self, config: SyncConfig, chain: Chain, network: Network, metrics: Metrics, skips: SkipRecords
    ) -> None:
        self._config = config
        self._skips = skips
        self._chain = chain
        self._network = network
        self._metrics = metrics
        self._tasks: dict[asyncio.Task[None], bytes] = {}

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_request(self, peer: bytes, payload: bytes) -> None:
        request = BlockRequest.decode(payload)
        if request is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
        elif sum(1 for served in self._tasks.values() if served == peer) < SERVING_MAX:
            task = asyncio.create_task(self._serve(peer, request))
            self._tasks[task] = peer
            task.add_done_callback(self._tasks.pop)
        else:
            self._metrics.dropped.labels("block_request").inc()

    async def _serve(self, peer: bytes, request: BlockRequest) -> None:
        sent = 0
        for height in range(request.height, request.height + request.count):
            response = await asyncio.to_thread(self._load, height)
            payload = response.encode()
            if not self._network.send(peer, Channel.BULK, Kind.BLOCK_RESPONSE, payload):
                return
            sent += len(payload)
            if not response.value:
                return
            if sent > self._config.response_bytes_max and height + 1 < request.height + request.count:
                self._network.send(
                    peer, Channel.BULK, Kind.BLOCK_RESPONSE, BlockResponse(height + 1, b"", b"", ()).encode()
                )
                return

    def _load(self, height: int) -> BlockResponse:
        block = self._chain.block(height)
        if block is None or height > self._chain.tip().height:
            return BlockResponse(height, b"", b"", ())
        batches = tuple(self._chain.batch_packed(location) for _, _, location in block.batches)
        return BlockResponse(height, block.value, block.certificate, batches, encode_skips(self._skips.of(height)))
