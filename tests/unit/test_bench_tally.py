"""Counts of a run: latency, what is lost, what is settled, and that counting costs little."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.bench.follower import block_results
from hnnode.bench.http import Answer
from hnnode.bench.sender import Schedule, batch_codes
from hnnode.bench.tally import Tally, histogram_ms, percentiles_ms
from hnnode.bench.workload import Bundle


def _id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _bundle(number: int, *ids: int, group: int = 0, after: int = -1) -> Bundle:
    return Bundle(b"", tuple(map(_id, ids)), group, after, number)


def _tally(*bundles: Bundle) -> Tally:
    tally = Tally()
    tally.expect(bundles)
    return tally


def test_latency_counts_from_the_intended_time_in_either_order() -> None:
    a, b = _bundle(0, 1), _bundle(1, 2)
    tally = _tally(a, b)
    tally.on_offer(a, 10.0)
    tally.on_answer(a, [0])
    tally.on_offer(b, 10.5)
    assert tally.on_block([_id(2), _id(1), _id(9)], [0, 4001, 0], 11.0) == 2
    tally.on_answer(b, None)  # the block was seen before the answer
    assert sorted(tally.latencies()) == [(0.5, 1), (1.0, 1)]
    assert tally.failed == {4001: 1}
    assert tally.outstanding() == set()
    assert tally.outstanding_count() == 0
    assert tally.per_second(10.0, 2) == [0, 2]


def test_accepted_and_never_seen_stays_outstanding() -> None:
    bundle, unsent = _bundle(0, 1, 2, 3), _bundle(1, 4)
    tally = _tally(bundle, unsent)
    tally.on_offer(bundle, 0.0)
    tally.on_answer(bundle, [0, 3002, 0])
    tally.on_block([_id(1)], [0], 1.0)
    assert tally.outstanding() == {_id(3)}
    assert tally.outstanding_count() == 1
    assert tally.refused == {3002: 1}


def test_a_block_seen_twice_counts_once_and_a_failure_of_others_never() -> None:
    bundle = _bundle(0, 1)
    tally = _tally(bundle)
    tally.on_offer(bundle, 0.0)
    assert (tally.on_block([_id(1)], [7], 1.0), tally.on_block([_id(1), _id(8)], [7, 7], 2.0)) == (1, 0)
    assert tally.latencies() == [(1.0, 1)]
    assert tally.failed == {7: 1}


def test_a_group_is_settled_when_each_of_its_transactions_is_committed_or_refused() -> None:
    first, second, third = _bundle(0, 1, 2), _bundle(1, 3), _bundle(2, 4)
    tally = _tally(first, second, third)
    assert tally.settled(-1)
    for bundle in (first, second, third):
        tally.on_offer(bundle, 0.0)
    tally.on_answer(first, [0, 4001])
    tally.on_block([_id(1)], [0], 1.0)
    tally.on_silence(second)
    assert not tally.settled(0)
    tally.on_block([_id(3)], [0], 1.0)  # silent, yet it committed: settled once
    assert not tally.settled(0)
    tally.on_refusal(third, 3002)
    assert tally.settled(0)


def test_what_is_refused_and_comes_again_is_neither_lost_nor_settled() -> None:
    bundle = _bundle(0, 1, 2)
    tally = _tally(bundle)
    tally.on_offer(bundle, 0.0)
    tally.on_refusal(bundle, 3002, again=True)
    assert (tally.outstanding(), tally.settled(0)) == (set(), False)
    tally.on_offer(bundle, 5.0)
    tally.on_answer(bundle, None)
    tally.on_block([_id(1), _id(2)], [0, 0], 6.0)
    assert tally.latencies() == [(1.0, 2)]
    assert (tally.offered, tally.committed_count, tally.settled(0)) == (4, 2, True)


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 5)), min_size=1, max_size=100))
def test_percentiles_are_nearest_rank_over_transactions(values: list[tuple[float, int]]) -> None:
    found = percentiles_ms(values)
    ordered = sorted(latency for latency, count in values for _ in range(count))
    for name, share in {"p50": (1, 2), "p90": (9, 10), "p99": (99, 100), "p999": (999, 1000), "max": (1, 1)}.items():
        rank = -(-share[0] * len(ordered) // share[1])
        assert found[name] == round(1e3 * ordered[rank - 1], 2)
    histogram = histogram_ms(values)
    assert sum(count for _, count in histogram) == len(ordered)
    bounds = [bound for bound, _ in histogram]
    assert bounds == sorted(bounds)
    assert bounds[-1] >= min(1e3 * ordered[-1], bounds[-1] + 0.01) - 0.01


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles_ms([]) == {"p50": None, "p90": None, "p99": None, "p999": None, "max": None}
    assert histogram_ms([]) == []


def test_an_open_schedule_keeps_its_times_and_a_stubborn_one_goes_on_from_now() -> None:
    from collections import deque

    bundles = [_bundle(i, 2 * i, 2 * i + 1) for i in range(4)]
    long_ago = time.monotonic() - 100.0
    schedule = Schedule(deque(bundles), 4.0, long_ago, 1.2)
    assert [schedule.next()[0] - long_ago for _ in range(3)] == pytest.approx([0.0, 0.5, 1.0])  # type: ignore[index]
    assert schedule.next() is None
    stubborn = Schedule(deque(bundles), 4.0, long_ago, 200.0, stubborn=True)
    due_s, first = stubborn.next()  # type: ignore[misc]
    assert due_s >= long_ago + 99.0
    stubborn.give_back(first)
    assert [bundle.number for _, bundle in iter(stubborn.next, None)] == [1, 2, 3, 0]


def test_results_of_a_block_are_read_in_both_forms() -> None:
    ids = [_id(1), _id(2)]
    binary = b"".join(tx_id + code.to_bytes(4, "big") for tx_id, code in zip(ids, (0, 4001), strict=True))
    assert block_results(Answer(200, {b"content-type": b"application/octet-stream"}, binary)) == (ids, [0, 4001])
    text = f'{{"height":1,"results":[{{"tx_id":"{ids[0].hex()}","code":0}}]}}'.encode()
    assert block_results(Answer(200, {b"content-type": b"application/json"}, text)) == ([ids[0]], [0])


def test_a_long_load_is_counted_whole() -> None:
    count, batch, block = 100_000, 200, 2_000
    bundles = [_bundle(n, *range(n * batch, (n + 1) * batch)) for n in range(count // batch)]
    tally = _tally(*bundles)
    body = b'{"results":[' + b'{"code":0},' * batch + b'],"accepted":200,"refused":0}'
    blocks = [
        Answer(
            200,
            {b"content-type": b"application/octet-stream"},
            b"".join(_id(i) + bytes(4) for i in range(at, at + block)),
        )
        for at in range(0, count, block)
    ]
    for bundle in bundles:
        tally.on_offer(bundle, 0.0)
        codes = batch_codes(Answer(200, {}, body), batch)
        assert codes is None
        tally.on_answer(bundle, codes)
    for answer in blocks:
        tally.on_block(*block_results(answer), 1.0)
    assert tally.committed_count == count


def test_a_refused_sender_comes_again_when_the_problem_says() -> None:
    header = {b"retry-after": b"1"}
    assert Answer(429, header, b'{"code":1101,"retry_after_ms":250,"tx_id":null}').retry_after_s() == 0.25
    assert Answer(429, header, b'{"code":1101,"retry_after_ms":null,"tx_id":null}').retry_after_s() == 1.0
    assert Answer(429, header, b"").retry_after_s() == 1.0
    assert Answer(429, {b"retry-after": b"soon"}, b"").retry_after_s() == 0.1
    assert Answer(200, {}, b" " * 5_000 + b'"retry_after_ms":250}').retry_after_s() == 0.1
