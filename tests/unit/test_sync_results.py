"""Results of blocks on the wire, and the difference between two of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hnnode.cli.app import application
from hnnode.node.differences import compare, summary
from hnnode.sync.results import BlockResults

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
