"""Load tests in Locust: what they read and write, and what the chain says about it. Locust itself is not needed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hnnode_native as native
import pytest

from hnnode.bench.locust_join import chain_view, knee, locust_view, read_sent, steps, tally_of, users_by_second
from hnnode.bench.presigned import read_presigned, write_presigned
from hnnode.bench.watch import SeenBlock, read_blocks
from hnnode.bench.workload import Signing, workload
from hnnode.errors import ConfigError

LOADTESTS = Path(__file__).resolve().parents[2] / "loadtests"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports modules of `loadtests/`, which are scripts of another environment, and forgets them again."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(LOADTESTS))

    def load(name: str) -> Any:
        __import__(name)
        return sys.modules[name]

    yield load
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(LOADTESTS)):
            del sys.modules[name]


def _presigned(path: Path, count: int) -> list[bytes]:
    keys = {f"writer_{i}": native.SecretKey.generate(bytes([i + 1]) * 32) for i in range(8)}
    bundles = Signing(keys, bytes(32), "evidence").bundles([workload("evidence", "", 1)], count, 7, 100, lambda _: None)
    assert write_presigned(path, {"application": "evidence"}, bundles) == count
    return [tx_id for bundle in bundles for tx_id in bundle.tx_ids]


def test_nothing_in_loadtests_imports_the_node() -> None:
    files = sorted(LOADTESTS.rglob("*.py"))
    assert len(files) >= 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("hnnode", "hnnode_native", "uvloop")], file


def test_presigned_files_are_read_alike_on_both_sides(tmp_path: Path, modules: Any) -> None:
    path = tmp_path / "txs.bin"
    ids = _presigned(path, 1200)
    facts, txs = read_presigned(path)
    read = list(txs)
    assert facts == {"application": "evidence"}
    assert [signed.tx_id for signed in read] == ids
    assert native.Tx.decode(read[0].tx).tx_id == ids[0]
    presigned = modules("presigned")
    parts = [presigned.PresignedFile(path, worker, 2) for worker in range(2)]
    taken = [[tx for _ in range(30) for tx in part.take(50)] for part in parts]
    assert [len(part) for part in taken] == [700, 500]
    for signed in taken[0] + taken[1]:
        assert (signed.tx_id, signed.tx) == (read[signed.index].tx_id, read[signed.index].tx)
    assert sorted(signed.index for part in taken for signed in part) == list(range(1200))
    for part in parts:
        part.close()
    body = presigned.frames(taken[0][:2])
    assert body == b"".join(len(s.tx).to_bytes(4, "big") + s.tx for s in taken[0][:2])


def test_a_file_that_is_cut_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "txs.bin"
    _presigned(path, 3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError):
        list(read_presigned(path)[1])
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError):
        read_presigned(path)
    (tmp_path / "blocks").write_bytes(bytes(16))
    assert list(read_blocks(tmp_path / "blocks")) == [SeenBlock(0.0, 0, [], [])]
    (tmp_path / "blocks").write_bytes(bytes(12) + (2).to_bytes(4, "big") + bytes(36))
    with pytest.raises(ConfigError):
        list(read_blocks(tmp_path / "blocks"))


def test_what_was_sent_is_joined_with_what_committed(tmp_path: Path, modules: Any) -> None:
    path = tmp_path / "txs.bin"
    ids = _presigned(path, 8)
    log = modules("sent").SentLog(tmp_path / "sent")
    file = modules("presigned").PresignedFile(path, 0, 1)
    signed = file.take(8)
    file.close()
    log.add(0, signed[:4], 1000.2, 200)
    log.add(0, signed[4:5], 1001.5, 202)
    log.add(0, signed[5:6], 1001.6, 429)
    log.add(0, signed[6:7], 1001.7, 0)
    log.add(0, signed[7:8], 1001.9, 200)
    log.flush()
    log.close()
    requests = read_sent(tmp_path / "sent")
    blocks = [SeenBlock(1000.7, 1, ids[:4], [0, 0, 4001, 0]), SeenBlock(1002.0, 2, ids[4:5], [0])]
    tally = tally_of(requests, [path], blocks)
    view = chain_view(tally, 1000.0, 3)
    assert (view["offered_tps"], view["refused"], view["unanswered"], view["lost"]) == (2.7, 1, 1, 1)
    assert view["committed_per_second"] == [4, 0, 1]
    assert view["refused_by_code"] == {"429": 1}
    assert view["failed_by_code"] == {"RULE_VIOLATION": 1}
    assert view["latency_ms"]["p50"] == 500.0
    (tmp_path / "history.csv").write_text(
        "Timestamp,User Count,Type,Name\n1000,1,,Aggregated\n1001,5,,Aggregated\n1001,5,POST,/v1/txs\n", "utf-8"
    )
    users = users_by_second(tmp_path / "history.csv")
    assert users == {1000: 1, 1001: 5}
    found = list(steps(tally, requests, users, 1000.2))
    assert [(step["users"], step["offered_tps"], step["committed_tps"]) for step in found] == [(1, 4, 4), (5, 4, 1)]
    assert (knee(found) or {})["users"] == 1
    assert knee([{**found[0], "p99_ms": 5_000.0}]) is None
    (tmp_path / "sent" / "sent-9.csv").write_text("0,1,x,200\n", "ascii")
    with pytest.raises(ConfigError):
        read_sent(tmp_path / "sent")


def test_stats_of_locust_are_read(tmp_path: Path) -> None:
    (tmp_path / "stats.csv").write_text(
        "Type,Name,Request Count,Failure Count,Requests/s,50%,99%\nPOST,/v1/txs,5,1,2.55,10,N/A\n", "utf-8"
    )
    assert locust_view(tmp_path / "stats.csv") == [
        {
            "request": "POST /v1/txs",
            "count": 5,
            "failures": 1,
            "per_s": 2.5,
            "answer_p50_ms": 10.0,
            "answer_p99_ms": None,
        }
    ]


def test_shapes_have_their_form_at_any_length(modules: Any) -> None:
    levels = modules("shapes.levels").LEVELS
    assert set(levels) == {"steady", "stress", "spike", "soak"}
    for seconds in (20, 120, 3600):
        times = [seconds * i / 1000 for i in range(1000)]
        rising = [levels["stress"](t, seconds, 100) for t in times]
        assert rising == sorted(rising)
        assert sorted(set(rising)) == list(range(10, 101, 10))
        assert {levels["spike"](t, seconds, 100) for t in times} == {30, 150, 300}
        assert {levels["soak"](t, seconds, 100) for t in times} == {70}
        assert {levels["steady"](t, seconds, 100) for t in times} == {100}
    assert levels["soak"](0, 10, 1) == 1
