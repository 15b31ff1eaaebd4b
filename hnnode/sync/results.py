"""What blocks came to on this node and on its peers, compared when two nodes came to different results.

The last few blocks' results are kept as the core made them. A peer asks for one block at a time; the answer fits one frame, without the
writes when they would not fit or are not kept any more. An answer is a claim: who asked checks it against a certified header.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from hnnode_native import BlockResult

from hnnode.errors import CODES
from hnnode.ports import Channel, HeldBatch, Kind, Network, Tip

KEPT_MAX = 3
"""Blocks whose results are kept: a node that finds itself alone is one or two blocks behind those it asks."""
FRAME_RESERVE_BYTES = 64 * 1024
_U64, _U32, _U16 = struct.Struct(">Q"), struct.Struct(">I"), struct.Struct(">H")
_HEAD = struct.Struct(">Q32s32sI")
_ABSENT = 0xFFFFFFFF
_TOO_LARGE = 0xFFFFFFFF

StateWrite = tuple[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class BlockResults:
    """Receipts in block order; `writes` as (database state key, value or None) ascending, None when not to be had."""

    height: int
    receipts_root: bytes
    state_root: bytes
    receipts: tuple[bytes, ...]
    writes: tuple[StateWrite, ...] | None

    def encode(self, bytes_max: int) -> bytes:
        """At most `bytes_max` bytes: without the writes when they do not fit, and without receipts when these do not."""
        receipts = b"".join(_sized(receipt) for receipt in self.receipts)
        head = _HEAD.pack(self.height, self.receipts_root, self.state_root, len(self.receipts))
        if len(head) + len(receipts) + _U32.size > bytes_max:
            return _HEAD.pack(self.height, self.receipts_root, self.state_root, 0) + _U32.pack(_TOO_LARGE)
        writes = b"".join(_write(key, value) for key, value in self.writes or ())
        size = len(head) + len(receipts) + _U32.size + len(writes)
        count = _TOO_LARGE if self.writes is None or size > bytes_max else len(self.writes)
        return head + receipts + _U32.pack(count) + (b"" if count == _TOO_LARGE else writes)

    @staticmethod
    def decode(data: bytes) -> BlockResults | None:
        """None when the bytes are no such answer. Cost and memory are bounded by the bytes."""
        try:
            height, receipts_root, state_root, count = _HEAD.unpack_from(data)
            at, receipts, writes = _HEAD.size, [], []
            for _ in range(count):
                receipt, at = _take(data, at)
                receipts.append(receipt)
            (write_count,) = _U32.unpack_from(data, at)
            at += _U32.size
            for _ in range(0 if write_count == _TOO_LARGE else write_count):
                write, at = _take_write(data, at)
                writes.append(write)
        except (struct.error, ValueError):
            return None
        if at != len(data):
            return None
        known = None if write_count == _TOO_LARGE else tuple(writes)
        return BlockResults(height, receipts_root, state_root, tuple(receipts), known)


class RecentResults:
    """Results of the last `KEPT_MAX` executed blocks. Written by the execution thread, read by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Tip, BlockResult, tuple[HeldBatch, ...]]] = OrderedDict()

    def keep(self, tip: Tip, result: BlockResult, batches: Sequence[HeldBatch]) -> None:
        with self._lock:
            self._kept[tip.height] = (tip, result, tuple(batches))
            # What falls out is freed here, in the execution thread, when nobody reads it.
            gone = self._kept.popitem(last=False) if len(self._kept) > KEPT_MAX else None
        del gone

    def of(self, height: int) -> BlockResults | None:
        with self._lock:
            kept = self._kept.get(height)
        if kept is None:
            return None
        tip, result, _ = kept
        return BlockResults(
            height, tip.receipts_root, tip.state_root, tuple(result.receipts), tuple(sorted(result.writes))
        )

    def tx(self, height: int, tx_index: int) -> bytes | None:
        """A signed transaction of a kept block; None when it is not there."""
        with self._lock:
            kept = self._kept.get(height)
        for held in () if kept is None else kept[2]:
            if tx_index < held.batch.tx_count:
                return held.batch.tx(tx_index)
            tx_index -= held.batch.tx_count
        return None


class ResultsExchange:
    """Asks peers for results and answers them. On the event loop; heavy work in threads."""

    def __init__(self, network: Network, recent: RecentResults, frame_bytes_max: int) -> None:
        self._network = network
        self._recent = recent
        self._bytes_max = frame_bytes_max - FRAME_RESERVE_BYTES
        self._asked: dict[tuple[bytes, int], asyncio.Future[BlockResults]] = {}
        self._answers: dict[bytes, asyncio.Task[None]] = {}
        self._encoded: OrderedDict[int, bytes] = OrderedDict()
        self._encoding = asyncio.Lock()

    async def stop(self) -> None:
        for task in self._answers.values():
            task.cancel()
        await asyncio.gather(*self._answers.values(), return_exceptions=True)

    async def ask(self, peer: bytes, height: int, seconds: float) -> BlockResults | None:
        """The peer's results of a block; None when it does not answer in time or has them no more."""
        answer: asyncio.Future[BlockResults] = asyncio.get_running_loop().create_future()
        if self._asked.setdefault((peer, height), answer) is not answer:
            return None
        try:
            self._network.send(peer, Channel.BULK, Kind.RESULTS_REQUEST, _U64.pack(height))
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._asked[peer, height]

    def on_request(self, peer: bytes, payload: bytes) -> None:
        if len(payload) != _U64.size:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
        elif peer not in self._answers:  # one at a time for each peer; who asks faster waits in vain
            task = asyncio.create_task(self._answer(peer, _U64.unpack(payload)[0]), name="results answer")
            self._answers[peer] = task
            task.add_done_callback(lambda _: self._answers.pop(peer, None))

    async def _answer(self, peer: bytes, height: int) -> None:
        """A block is encoded once, whoever asks and however often: 24 ms with the interpreter held for 10,000 transactions."""
        async with self._encoding:
            payload = self._encoded.get(height)
            if payload is None:
                payload = await asyncio.to_thread(self._encode, height)
                if payload is None:
                    return
                self._encoded[height] = payload
                if len(self._encoded) > KEPT_MAX:
                    self._encoded.popitem(last=False)
        self._network.send(peer, Channel.BULK, Kind.RESULTS_RESPONSE, payload)

    def _encode(self, height: int) -> bytes | None:
        results = self._recent.of(height)
        return None if results is None else results.encode(self._bytes_max)

    def on_response(self, peer: bytes, payload: bytes) -> None:
        """Answers that nobody waits for are not even decoded."""
        wanted = [height for asked, height in self._asked if asked == peer]
        if not wanted:
            return
        results = BlockResults.decode(payload)
        if results is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        answer = self._asked.get((peer, results.height))
        if answer is not None and not answer.done():
            answer.set_result(results)


def _sized(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _write(key: bytes, value: bytes | None) -> bytes:
    return _U16.pack(len(key)) + key + (_U32.pack(_ABSENT) if value is None else _sized(value))


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _U32.unpack_from(data, at)
    start = at + _U32.size
    if start + size > len(data):
        raise ValueError("length runs past the end")
    return data[start : start + size], start + size


def _take_write(data: bytes, at: int) -> tuple[StateWrite, int]:
    (size,) = _U16.unpack_from(data, at)
    start = at + _U16.size
    key, at = data[start : start + size], start + size
    (length,) = _U32.unpack_from(data, at)
    if length == _ABSENT:
        return (key, None), at + _U32.size
    value, at = _take(data, at)
    return (key, value), at
