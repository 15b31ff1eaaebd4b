"""Results of blocks on the wire, and the difference between two of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hnnode.cli.app import application
from hnnode.node.differences import compare, summary
from hnnode.sync.results import KEPT_MAX, BlockResults, RecentResults, ResultsExchange

ROOT = st.binary(min_size=32, max_size=32)
KEYS = st.binary(max_size=6).map(lambda key: b"\x04abcd" + key)
WRITES = st.dictionaries(KEYS, st.none() | st.binary(max_size=40), max_size=8).map(lambda d: tuple(sorted(d.items())))
RECEIPTS = st.lists(st.binary(max_size=80), max_size=8).map(tuple)
RESULTS = st.builds(BlockResults, st.integers(0, 2**64 - 1), ROOT, ROOT, receipts=RECEIPTS, writes=st.none() | WRITES)


@given(RESULTS)
def test_results_survive_the_wire(results: BlockResults) -> None:
    assert BlockResults.decode(results.encode(1 << 20)) == results


@given(RESULTS, st.integers(100, 900))
def test_an_answer_never_exceeds_its_frame(results: BlockResults, most: int) -> None:
    data = results.encode(most)
    assert len(data) <= most
    found = BlockResults.decode(data)
    assert found is not None
    assert found.receipts in (results.receipts, ())
    assert found.writes in (results.writes, None)


@given(RESULTS, st.data())
def test_damaged_answers_are_refused_or_read_without_an_error(results: BlockResults, data: st.DataObject) -> None:
    good = results.encode(1 << 20)
    cut = data.draw(st.integers(0, len(good) - 1))
    assert BlockResults.decode(good[:cut]) is None
    assert BlockResults.decode(good + b"\x00") is None
    at = data.draw(st.integers(0, len(good) - 1))
    BlockResults.decode(good[:at] + bytes((data.draw(st.integers(0, 255)),)) + good[at + 1 :])
    BlockResults.decode(data.draw(st.binary(max_size=200)))


@given(RESULTS, RESULTS)
def test_the_difference_is_what_a_plain_comparison_finds(own: BlockResults, other: BlockResults) -> None:
    document = compare(own, other, lambda _: None, b"p" * 20)
    longest = max(len(own.receipts), len(other.receipts))
    want = [i for i in range(longest) if own.receipts[i : i + 1] != other.receipts[i : i + 1]]
    assert [each["index"] for each in document["transactions"]] == (want if other.receipts else [])
    if other.writes is not None:
        mine, theirs = set(own.writes or ()), set(other.writes)
        assert {bytes.fromhex(each["key"]) for each in document["keys"]} == {key[5:] for key, _ in mine ^ theirs}
    assert json.loads(json.dumps(document)) == document
    assert summary(document)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"other_receipts_known": true, "transactions": [1], "keys": []}'])
def test_a_file_that_is_no_difference_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    result = CliRunner().invoke(application, ["plugin", "diff", str(path)])
    assert result.exit_code != 0
    assert "not a file of differences" in str(result.exception or result.output) + result.output


class Counted(RecentResults):
    """Results of any height, and how often they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def of(self, height: int) -> BlockResults | None:
        self.asked.append(height)
        return None if height == 0 else BlockResults(height, bytes(32), bytes(32), (b"r",), ())


class Sent:
    """The network of a node that only sends."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, peer: bytes, channel: object, kind: int, payload: bytes) -> bool:
        self.frames.put_nowait(payload)
        return True


def test_a_block_is_encoded_once_however_often_it_is_asked_for() -> None:
    """Regression: each request of eight bytes cost 24 ms with the interpreter held."""

    async def story() -> tuple[list[int], list[bytes]]:
        recent, sent = Counted(), Sent()
        exchange = ResultsExchange(sent, recent, 1 << 20)  # type: ignore[arg-type]
        for turn in range(5):
            for height in (7, 8, 0):
                for peer in range(4):
                    exchange.on_request(bytes([turn, height, peer]), height.to_bytes(8, "big"))
        frames = [await sent.frames.get() for _ in range(40)]
        for height in range(10, 10 + KEPT_MAX + 1):
            exchange.on_request(b"p%d" % height, height.to_bytes(8, "big"))
        frames += [await sent.frames.get() for _ in range(KEPT_MAX + 1)]
        exchange.on_request(b"again", (7).to_bytes(8, "big"))
        frames.append(await sent.frames.get())
        await exchange.stop()
        return recent.asked, frames

    asked, frames = asyncio.run(story())
    assert asked.count(8) == 1
    assert asked.count(7) == 2, "what is no more kept is encoded again"
    assert {found.height for frame in frames if (found := BlockResults.decode(frame))} == {7, 8, 10, 11, 12, 13}
