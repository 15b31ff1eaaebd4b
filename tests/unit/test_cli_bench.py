"""The measuring side of `hnnode bench`: counts, percentiles, chart, and reading of /proc and metrics."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import hnnode_native as native
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.bench import processes
from hnnode.bench.http import Answer
from hnnode.bench.localnet import port_free, shifted_base
from hnnode.bench.report import chart
from hnnode.bench.sender import batch_codes
from hnnode.bench.tally import Tally, percentiles_ms
from hnnode.bench.workload import Bundle, Signing, workload
from hnnode.errors import CODES, ConfigError
from hnnode.plugin_api import WorkItem

ROOT = Path(__file__).resolve().parents[2]


def _ids(*numbers: int) -> tuple[bytes, ...]:
    return tuple(bytes([n]) * 32 for n in numbers)


def test_latency_counts_from_the_intended_time_in_either_order() -> None:
    tally = Tally()
    a, b = _ids(1, 2)
    tally.on_offer([a], 10.0)
    tally.on_answer([a], [0])
    tally.on_offer([b], 10.5)
    assert tally.on_block([b, a, _ids(9)[0]], [0, 4001, 0], 11.0) == 2
    tally.on_answer([b], [0])  # the block was seen before the answer
    assert sorted(tally.latencies_s) == [0.5, 1.0]
    assert tally.failed == {4001: 1}
    assert tally.outstanding() == set()
    assert tally.per_second(10.0, 2) == [0, 2]


def test_accepted_and_never_seen_stays_outstanding() -> None:
    tally = Tally()
    a, b, c = _ids(1, 2, 3)
    tally.on_offer([a, b, c], 0.0)
    tally.on_answer([a, b, c], [0, 3002, 0])
    tally.on_block([a], [0], 1.0)
    assert tally.outstanding() == {c}
    assert tally.refused == {3002: 1}


def test_a_block_seen_twice_counts_once() -> None:
    tally = Tally()
    (a,) = _ids(1)
    tally.on_offer([a], 0.0)
    assert (tally.on_block([a], [0], 1.0), tally.on_block([a], [0], 2.0)) == (1, 0)
    assert list(tally.latencies_s) == [1.0]


def test_a_group_is_settled_when_each_of_its_transactions_is_committed_or_refused() -> None:
    tally = Tally()
    a, b, c, d = _ids(1, 2, 3, 4)
    tally.expect([Bundle(b"", (a, b), 0, -1), Bundle(b"", (c, d), 0, -1)])
    assert tally.settled(-1)
    tally.on_offer([a, b, c, d], 0.0)
    tally.on_answer([a, b], [0, 4001])
    tally.on_block([a], [0], 1.0)
    assert not tally.settled(0)
    tally.on_silence([c])
    tally.on_refusal([d], 3002)
    assert tally.settled(0)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200))
def test_percentiles_are_nearest_rank(values: list[float]) -> None:
    found = percentiles_ms(values)
    ordered = sorted(values)
    for name, share in {"p50": (1, 2), "p90": (9, 10), "p99": (99, 100), "p999": (999, 1000), "max": (1, 1)}.items():
        rank = -(-share[0] * len(ordered) // share[1])
        assert found[name] == round(1e3 * ordered[rank - 1], 2)


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles_ms([]) == {"p50": None, "p90": None, "p99": None, "p999": None, "max": None}


def test_chart_fills_its_height_with_the_tallest_column() -> None:
    lines = chart([0, 4, 8], height=2)
    assert lines == ["  █", " ██"]
    assert chart([0, 0], height=2) == ["  ", "  "]
    assert chart([], height=1) == [""]


def test_batch_codes_reads_items_and_whole_refusals() -> None:
    ok = Answer(200, {}, b'{"results":[{"code":0},{"code":3002}]}')
    assert batch_codes(ok, 2) == [0, 3002]
    assert batch_codes(ok, 3) == CODES["INTERNAL_ERROR"]
    assert batch_codes(Answer(429, {}, b'{"code":3002}'), 2) == 3002
    assert batch_codes(Answer(502, {}, b"<html>"), 2) == CODES["INTERNAL_ERROR"]


def test_retry_after_is_seconds_and_never_negative() -> None:
    assert Answer(429, {b"retry-after": b"2"}, b"").retry_after_s() == 2.0
    assert Answer(429, {b"retry-after": b"soon"}, b"").retry_after_s() == 0.1
    assert Answer(429, {b"retry-after": b"-1"}, b"").retry_after_s() == 0.0


def test_cpu_time_of_this_process_grows_with_work() -> None:
    before = processes.cpu_s(os.getpid())
    spent = time.process_time()
    while time.process_time() - spent < 0.1:
        math.factorial(500)
    assert 0.05 <= processes.cpu_s(os.getpid()) - before < 5.0
    assert processes.rss_bytes(os.getpid()) > 5 * 2**20


def test_disk_bytes_counts_what_is_allocated(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "full").write_bytes(os.urandom(100_000))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(50_000_000)
    assert 100_000 <= processes.disk_bytes(tmp_path) < 1_000_000


def test_metrics_are_summed_over_labels() -> None:
    text = '# HELP x y\nhn_fsyncs_total{file="a"} 3.0\nhn_fsyncs_total{file="b"} 4.0\nhn_height 7.0\n'
    found = processes.parse_metrics(text)
    assert found == {"hn_fsyncs_total": 7.0, "hn_height": 7.0}
    assert processes.counter_growth({"hn_height": 5.0}, found, ["absent", "hn_height"]) == 2.0
    assert processes.counter_growth({}, found, ["absent"]) == 0.0


def test_ports_shift_past_a_busy_one() -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert not port_free(port)
        assert shifted_base(port, 1) > port


@pytest.mark.parametrize("count", [1, 4])
def test_shifted_base_gives_free_ports_in_a_row(count: int) -> None:
    base = shifted_base(40_000, count)
    assert all(port_free(port) for port in range(base, base + count))


def _script(name: str) -> Any:
    """A script of `bench/`, which is no package."""
    path = ROOT / "bench" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_micro_benchmarks_run_on_tiny_input_and_repeat_their_work() -> None:
    core = _script("micro/core.py")
    first, second = core.run(tiny=True)["results"], core.run(tiny=True)["results"]
    assert len(first) >= 7
    for name, found in first.items():
        assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+(/[a-z]+=\d+)*", name)
        assert found["us_per_item"] > 0
        assert found["result_hash"] == second[name]["result_hash"]


def test_results_render_as_tables(tmp_path: Path) -> None:
    core, render = _script("micro/core.py"), _script("render.py")
    (tmp_path / "here.json").write_text(json.dumps(core.run(tiny=True)), "utf-8")
    page = render.render(tmp_path)
    assert "| here | crypto.verify_batch/n=8 |" in page
    assert "## chain" not in page


def test_evidence_payload_has_the_length_asked_for() -> None:
    shortest = len(workload("evidence", "chain", 1).waves({"writer_0": bytes(20)}, 1).__next__()[0].payload)
    for length in (shortest, shortest + 57, shortest + 200):
        wave = next(workload("evidence", "chain", 1, length).waves({"writer_0": bytes(20)}, 3))
        assert {len(item.payload) for item in wave} == {length}
        assert len({item.payload for item in wave}) == 3
    for length in (shortest - 1, shortest + 201):
        with pytest.raises(ConfigError):
            workload("evidence", "chain", 1, length)


def test_signing_keeps_the_order_of_waves_and_chains_their_groups() -> None:
    class TwoWaves:
        application = "demo"
        actors: ClassVar[dict[str, tuple[str, ...]]] = {"a": (), "b": ()}

        def waves(self, accounts: dict[str, bytes], count: int) -> Iterator[list[WorkItem]]:
            assert sorted(accounts) == ["a", "b"]
            for wave in range(2):
                yield [WorkItem("ab"[i % 2], f"do{i % 3}", f"{wave}/{i}".encode()) for i in range(count)]

    keys = {name: native.SecretKey.generate(name.encode() * 32) for name in "ab"}
    signing = Signing(keys, bytes(32), "demo")
    bundles = signing.bundles([TwoWaves(), TwoWaves()], 10, 3, 100, lambda more: None)
    assert [(b.group, b.after, len(b.tx_ids)) for b in bundles] == [
        *[(0, -1, 3), (0, -1, 2), (1, -1, 3), (1, -1, 2)],
        *[(2, 0, 3), (2, 0, 2), (3, 1, 3), (3, 1, 2)],
    ]
    payloads = []
    for bundle in bundles[:2]:
        at = 0
        for tx_id in bundle.tx_ids:
            length = int.from_bytes(bundle.body[at : at + 4], "big")
            tx = native.Tx.decode(bundle.body[at + 4 : at + 4 + length])
            assert tx.tx_id == tx_id
            assert native.verify(keys["ab"[len(payloads) % 2]].public_key(), tx_id, tx.signature)
            payloads.append(tx.payload)
            at += 4 + length
        assert at == len(bundle.body)
    assert payloads == [f"0/{i}".encode() for i in range(5)]
