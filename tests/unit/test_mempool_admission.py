"""Admission of many bodies in one native call: each body gets its own slice, nothing is kept waiting, errors stay apart."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import uvloop

from hnnode.crypto import MemorySigner
from hnnode.errors import CODES, Rejected
from hnnode.mempool import admission
from hnnode.mempool.admission import Admissions, PoolAdmission, mark_known, unpack_codes
from hnnode.metrics import Metrics
from hnnode.ports import Admission
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

SIGNER = MemorySigner.generate()


class World:
    """A memory node's accounts, pool and chain behind `Admissions`; `calls` are the bodies of each native call."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.node = MemoryNode([SIGNER.public_key])
        self.metrics = Metrics()
        self.admitted = 0
        self.calls: list[int] = []
        self.took_s: list[float] = []
        self.gate = Event()
        self.gate.set()
        node = self.node
        self.admissions = Admissions(
            admit=PoolAdmission(node.chain_id, node.accounts, node.pool, node.chain),
            metrics=self.metrics,
            threads=threads,
            on_admitted=self._on_admitted,
            observe=self.took_s.append,
        )
        native = self.admissions._admit

        def admit(bodies: list[bytes]) -> admission.Answer:
            self.calls.append(len(bodies))
            assert self.gate.wait(10)
            return native(bodies)

        self.admissions._admit = admit
        self._next = 0

    def _on_admitted(self) -> None:
        self.admitted += 1

    async def until_calls(self, count: int) -> None:
        for _ in range(5_000):
            if len(self.calls) >= count:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(self.calls)

    def txs(self, count: int) -> list[bytes]:
        start, self._next = self._next, self._next + count
        return [evidence_tx(self.node.chain_id, SIGNER, f"{start + i:064x}").data for i in range(count)]

    def one(self) -> bytes:
        return encode_frames(self.txs(1))


def run(story: Callable[[World], Awaitable[None]]) -> None:
    with ThreadPoolExecutor(2) as threads:

        async def main() -> None:
            await story(World(threads))

        uvloop.run(main())


def codes(answer: Admission) -> list[int]:
    return list(unpack_codes(answer.codes))


def test_posts_that_come_together_share_a_call_and_get_their_own_answers() -> None:
    async def story(w: World) -> None:
        bodies = [w.one() for _ in range(50)]
        stranger = encode_frames([evidence_tx(w.node.chain_id, MemorySigner.generate()).data])
        mixed = encode_frames([*w.txs(2), b"junk", *w.txs(1)])
        futures = [w.admissions.put(body) for body in (*bodies, stranger, b"\x00\x00\x00\x09short", mixed, b"")]
        done: Sequence[Admission | BaseException] = await asyncio.gather(*futures, return_exceptions=True)
        assert w.calls == [54]
        for body, answer in zip(bodies, done[:50], strict=True):
            assert isinstance(answer, Admission)
            assert (codes(answer), answer.admitted_count, answer.known_count) == ([0], 1, 0)
            assert w.node.pool.status(answer.tx_ids) == "pending", body
        assert codes(done[50]) == [CODES["ACCOUNT_UNKNOWN"]]  # type: ignore[arg-type]
        assert isinstance(done[51], Rejected)
        assert done[51].info.name == "REQUEST_MALFORMED"
        assert codes(done[52]) == [0, 0, CODES["TX_MALFORMED"], 0]  # type: ignore[arg-type]
        assert done[53] == Admission(b"", b"", 0, 0)
        assert w.admissions.bytes_waiting == 0
        assert w.admissions.pool_bytes == w.node.pool.bytes_used() > 0
        assert w.admitted == 1
        assert len(w.took_s) == 1
        assert 0 < w.took_s[0] < 60

    run(story)


def test_single_posts_wait_for_the_running_call_and_large_bodies_do_not() -> None:
    async def story(w: World) -> None:
        w.gate.clear()
        first = w.admissions.put(w.one())
        await w.until_calls(1)
        singles = [w.admissions.put(w.one()) for _ in range(9)]
        await asyncio.sleep(0.02)
        assert w.calls == [1]
        large = w.admissions.put(encode_frames(w.txs(300)))
        await w.until_calls(2)
        assert w.calls == [1, 10]
        w.gate.set()
        answers = await asyncio.gather(first, *singles, large)
        assert sum(a.admitted_count for a in answers) == 310

    run(story)


def test_what_the_chain_holds_is_known_whatever_else_is_said_of_it() -> None:
    async def story(w: World) -> None:
        txs = w.txs(3)
        await w.admissions.put(encode_frames(txs[:2]))
        w.node.commit_block()
        again = await w.admissions.put(encode_frames(txs))
        known = CODES["TX_DUPLICATE"]
        assert (codes(again), again.admitted_count, again.known_count) == ([known, known, 0], 1, 2)

    run(story)


def test_a_client_that_left_frees_its_bytes_and_a_failed_call_fails_its_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(w: World) -> None:
        gone = w.admissions.put(w.one())
        gone.cancel()
        kept = w.admissions.put(w.one())
        assert (await kept).admitted_count == 1
        assert w.calls == [1]

        def broken(_: list[bytes]) -> admission.Answer:
            raise OSError("disk")

        w.admissions._admit = broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="disk"):
            await w.admissions.put(w.one())
        assert w.admissions.bytes_waiting == 0

    run(story)


def test_packed_codes() -> None:
    packed = struct.pack(">4I", 0, 7, 3_001, 0)
    assert list(unpack_codes(packed)) == [0, 7, 3_001, 0]
    assert list(unpack_codes(mark_known(packed, b"\x01\x00\x01\x00"))) == [
        CODES["TX_DUPLICATE"],
        7,
        CODES["TX_DUPLICATE"],
        0,
    ]
