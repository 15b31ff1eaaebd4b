"""A client whose next step needs the one before: what it does when a door is full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from hnnode.bench.sender import Sender
from hnnode.bench.tally import Tally
from hnnode.bench.workload import Bundle, frames
from hnnode.errors import CODES

FULL, EXPIRED = CODES["MEMPOOL_FULL"], CODES["TX_EXPIRED"]
_FULL_BODY = b'{"code":%d,"retry_after_ms":30}' % FULL


def _bundle(number: int, *names: str, after: int = -1, is_step: bool = True) -> Bundle:
    txs = [name.encode() for name in names]
    return Bundle(frames(txs), tuple(tx.ljust(32) for tx in txs), number, after, number, (), is_step)


def _names(body: bytes) -> list[str]:
    found, at = [], 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        found.append(body[at + 4 : end].decode())
        at = end
    return found


async def _send(
    bundles: Sequence[Bundle], answers: Sequence[list[int] | None], seconds: float
) -> tuple[Tally, list[list[str]]]:
    """Send over one connection to a door that gives these answers in turn, then accepts; what it accepts is in a block at once.
    An answer is a code for each transaction, None refuses the whole request."""
    tally, asked, left = Tally(), list[list[str]](), list(answers)
    tally.expect(bundles)
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            names = _names(
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            )
            asked.append(names)
            codes = left.pop(0) if left else [0] * len(names)
            if codes is None:
                writer.write(b"HTTP/1.1 429 Full\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL_BODY), _FULL_BODY))
                continue
            body = b"".join(code.to_bytes(4, "big") for code in codes)
            kind = b"content-type: application/octet-stream\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (kind, len(body), body))
            taken = [name.encode().ljust(32) for name, code in zip(names, codes, strict=True) if not code]
            tally.on_block(taken, [0] * len(taken), time.monotonic())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await Sender([url], tally, connections=1).run(bundles, 1_000_000.0, seconds)
    server.close()
    await asyncio.gather(*(task for task in serving if task is not None))
    await asyncio.sleep(0.05)
    return tally, asked


def test_a_refused_step_comes_again_before_the_next_one() -> None:
    bundles = [_bundle(0, "a1", "b1"), _bundle(1, "a2", "b2", after=0)]
    tally, asked = asyncio.run(_send(bundles, [None, None], 5.0))
    assert asked == [["a1", "b1"]] * 3 + [["a2", "b2"]]
    assert (tally.offered, tally.accepted_count, tally.committed_count, tally.retried) == (4, 4, 4, 4)
    assert (tally.refused.total(), tally.outstanding()) == (0, set())
    # counted from when it was due first: two waits of 30 ms
    assert max(latency_s for latency_s, _ in tally.latencies()) >= 0.06


def test_only_what_was_refused_for_the_moment_comes_again() -> None:
    tally, asked = asyncio.run(_send([_bundle(0, "a", "bc", "def", "g")], [[0, FULL, EXPIRED, FULL], [0, FULL]], 5.0))
    assert asked == [["a", "bc", "def", "g"], ["bc", "g"], ["g"]]
    assert (tally.offered, tally.accepted_count, tally.retried, tally.settled(0)) == (4, 3, 3, True)
    assert tally.refused == {EXPIRED: 1}


@pytest.mark.parametrize("is_step", [True, False])
def test_a_step_is_given_up_when_the_time_is_over_and_anything_else_at_once(is_step: bool) -> None:
    tally, asked = asyncio.run(_send([_bundle(0, "a", is_step=is_step)], [None] * 1_000, 0.2))
    assert (len(asked) > 1) == is_step
    assert tally.refused == {FULL: 1}
    assert tally.retried == len(asked) - 1
    assert tally.settled(0)
    assert tally.outstanding() == set()


def test_a_request_is_cut_down_to_some_of_its_transactions() -> None:
    bundle = _bundle(3, "a", "bcd", "ef")
    part = bundle.only({b"bcd".ljust(32), b"ef".ljust(32)})
    assert _names(part.body) == ["bcd", "ef"]
    assert (part.tx_ids, part.number, part.is_step) == (bundle.tx_ids[1:], 3, True)
