"""The measuring side of `hnnode bench`: counts, percentiles, chart, and reading of /proc and metrics."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import hnnode_native as native
import pytest
import uvloop

from hnnode.bench import processes
from hnnode.bench.http import Answer
from hnnode.bench.localnet import port_free, shifted_base
from hnnode.bench.report import chart
from hnnode.bench.sender import batch_codes
from hnnode.bench.workload import Signing, workload
from hnnode.cli.dev import Interrupted, interruptible
from hnnode.errors import CODES, ConfigError
from hnnode.plugin_api import WorkItem

ROOT = Path(__file__).resolve().parents[2]


def test_chart_fills_its_height_with_the_tallest_column() -> None:
    lines = chart([0, 4, 8], height=2)
    assert lines == ["  █", " ██"]
    assert chart([0, 0], height=2) == ["  ", "  "]
    assert chart([], height=1) == [""]


def test_batch_codes_reads_items_and_whole_refusals() -> None:
    ok = Answer(200, {}, b'{"results":[{"code":0},{"code":3002}]}')
    assert batch_codes(ok, 2) == [0, 3002]
    assert batch_codes(Answer(200, {}, b'{"results":[{"code":0},{"code":0}],"accepted":2,"refused":0}'), 2) is None
    assert (
        batch_codes(Answer(200, {}, b'{"results":[{"code":0}],"accepted":1,"refused":0}'), 2) == CODES["INTERNAL_ERROR"]
    )
    mixed = Answer(200, {}, b'{"results":[{"code":0},{"code":3002}],"accepted":1,"refused":1}')
    assert batch_codes(mixed, 2) == [0, 3002]
    binary = {b"content-type": b"application/octet-stream"}
    assert batch_codes(Answer(200, binary, bytes(8)), 2) is None
    assert batch_codes(Answer(200, binary, bytes(4) + (3002).to_bytes(4, "big")), 2) == [0, 3002]
    assert batch_codes(Answer(200, binary, bytes(4)), 2) == CODES["INTERNAL_ERROR"]
    assert batch_codes(Answer(200, binary, bytes(12)), 2) == CODES["INTERNAL_ERROR"]
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
    assert (found.total("hn_fsyncs_total"), found.total("hn_height"), found.total("absent")) == (7.0, 7.0, None)
    assert found.total("hn_fsyncs_total", file="b") == 4.0
    assert found.by_label("hn_fsyncs_total", "file") == {"a": 3.0, "b": 4.0}
    before = processes.parse_metrics('hn_height 5.0\nhn_fsyncs_total{file="b"} 1.0\n')
    assert processes.counter_growth(before, found, ["absent", "hn_height"]) == 2.0
    assert processes.counter_growth(before, found, ["absent"]) == 0.0
    assert processes.label_growth(before, found, "hn_fsyncs_total", "file") == {"a": 3.0, "b": 3.0}


def test_quantile_of_a_histogram_counts_what_was_observed_meanwhile() -> None:
    def buckets(*counts: int) -> processes.Figures:
        pairs = zip(("0.01", "0.1", "+Inf"), counts, strict=True)
        return processes.parse_metrics("".join(f'lag_bucket{{le="{le}"}} {count}\n' for le, count in pairs))

    assert processes.bucket_quantile(buckets(0, 0, 0), buckets(99, 100, 100), "lag", 0.99) == 0.01
    assert processes.bucket_quantile(buckets(99, 99, 99), buckets(99, 100, 100), "lag", 0.99) == 0.1
    assert processes.bucket_quantile(buckets(1, 1, 1), buckets(1, 1, 1), "lag", 0.99) is None


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


def test_commit_benchmark_writes_the_same_chain_twice() -> None:
    commit = _script("micro/commit.py")
    first, second = commit.run(tiny=True), commit.run(tiny=True)
    assert first["result_hash"] == second["result_hash"]
    assert first["us_per_tx"].keys() == {*commit.PARTS, "cpu", "other_cpu"}
    assert first["us_per_tx"]["execute"] > 0
    assert len(first["us_per_tx_by_tenth"]) == 4
    assert first["stored_bytes_per_tx"] > 273


def test_pages_benchmark_writes_the_same_pages_twice() -> None:
    pages = _script("micro/pages.py")
    first, second = pages.run(tiny=True), pages.run(tiny=True)
    for what in ("result_hash", "written_bytes_per_key", "stored_bytes_per_key"):
        assert first[what] == second[what]
    assert first["us_per_key"].keys() == {*pages.PARTS}
    assert len(first["us_per_key_by_fifth"]) == pages.SHARES
    assert first["stored_bytes_per_key"]["stopped"] > 64


def test_plugin_benchmark_leaves_the_receipts_and_state_of_old() -> None:
    """The hashes cover receipts and writes of whole shipments; they change only with a rule of the application, or with
    the names that its workload gives."""
    found = _script("micro/plugin.py").run(tiny=True, isolated=True)["results"]
    asked = _script("micro/plugin.py").run(tiny=True, flavour="mix", queries=True)["results"]
    assert len({result["result_hash"] for result in asked.values()}) == 1
    hashes = {name: result["result_hash"] for name, result in found.items()}
    isolated = {name.removesuffix("/isolated"): hashes.pop(name) for name in list(hashes) if name.endswith("/isolated")}
    assert isolated == hashes
    assert hashes == {
        "execution.execute_group/app=coldchain/flavour=declare/n=24": (
            "01b75c394f7b1804eede8fbd9c9499bd43195ff6a36d7b6d134b4a8a91236884"
        ),
        "execution.execute_group/app=coldchain/flavour=chain/n=24": (
            "f92a485c5d9f4a1afbab55b04766af5231d4f17e2a6a5f34a4af7dcf073c48ec"
        ),
        "execution.execute_group/app=coldchain/flavour=mix/n=24": (
            "0b8bd365763b7bdf3927cd3cecbfd7a5a83d3e0fc1e9ddfb480f5279d51d3233"
        ),
    }


def test_results_render_as_tables(tmp_path: Path) -> None:
    core, render = _script("micro/core.py"), _script("render.py")
    (tmp_path / "here.json").write_text(json.dumps(core.run(tiny=True)), "utf-8")
    page = render.render(tmp_path)
    assert "| here | crypto.verify_batch/n=8 |" in page
    assert "## chain" not in page


def test_evidence_payload_has_the_length_asked_for() -> None:
    shortest = len(workload("evidence", "chain", 1).waves({"writer_0": bytes(20)}, 1).__next__()[0].payload)
    for length in (shortest, shortest + 57, shortest + 200, shortest + 201, 1024):
        wave = next(workload("evidence", "chain", 1, length).waves({"writer_0": bytes(20)}, 3))
        assert {len(item.payload) for item in wave} == {length}
        assert {len(json.loads(item.payload)["name"]) for item in wave} == {min(200, length - shortest)}
        assert len({item.payload for item in wave}) == 3
    for length in (shortest - 1, 64 * 1024 + 1):
        with pytest.raises(ConfigError):
            workload("evidence", "chain", 1, length)


def test_hot_keys_take_their_share_of_the_transactions() -> None:
    def hashes(percent: int) -> list[str]:
        wave = next(workload("evidence", "chain", 1, None, percent).waves({"writer_0": bytes(20)}, 1000))
        return [json.loads(item.payload)["hash"] for item in wave]

    assert len(set(hashes(0))) == 1000
    assert len(set(hashes(100))) == 16
    assert len(set(hashes(20))) == 800 + 16
    with pytest.raises(ConfigError):
        workload("coldchain", "chain", 1, None, 20)


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_load_that_runs(number: signal.Signals) -> None:
    """Regression: uvloop reported the exception of the signal handler, and a benchmark went on to its end."""

    async def load() -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(5)

    with pytest.raises(Interrupted, match=number.name), interruptible():
        uvloop.run(load())
