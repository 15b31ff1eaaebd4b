"""The scenarios of `hnnode bench` on real processes, as short as they go."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hnnode.bench import fill, knee, network
from hnnode.bench.budget import STAGES
from hnnode.bench.delay import relay
from hnnode.bench.localnet import LocalNet, shifted_base
from hnnode.cli import app
from hnnode.config import StorageConfig
from hnnode.storage import Home, open_storage

ROOT = Path(__file__).resolve().parents[2]
LOCUST_PYTHON = ROOT / "build" / "loadtest" / "bin" / "python"


def _bench(*arguments: str, timeout_s: float = 170.0) -> dict[str, Any]:
    command = [sys.executable, "-m", "hnnode.cli", "bench", *arguments, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def bench_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`_bench` in this process, with a search for the knee that takes seconds."""
    for name, short in (("GUESS_S", 2), ("STEP_S", 2), ("STEPS_MAX", 1), ("LIFE_S", 6), ("LIFE_STEPS_MAX", 1)):
        monkeypatch.setattr(knee, name, short)
    # So little at a time that what is signed lasts for the guess on any machine.
    monkeypatch.setattr(fill, "PROBE_TXS", 20_000)
    monkeypatch.setattr(fill, "PROBE_OUTSTANDING", 400)

    def run(*arguments: str) -> dict[str, Any]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.run(["bench", *arguments, "-o", "json"])
        out, err = capfd.readouterr()
        assert not ended.value.code, err[-2000:]
        found: dict[str, Any] = json.loads(out)
        return found

    return run


def test_chain_bills_every_stage(tmp_path: Path) -> None:
    found = _bench(
        *("chain", "--nodes", "1", "--seconds", "3", "--rate", "600", "--hot-keys", "20", "--preload", "500"),
        *("--budget", "--report", str(tmp_path / "report")),
    )
    assert found["lost"] == 0
    assert found["settings"]["knee_chain"] == "none"
    assert found["state_roots_equal"] is True
    assert found["succeeded_tps"] > 0
    assert found["signature_verifications_per_tx_per_node"] == pytest.approx(1.0, abs=0.01)
    assert found["settings"]["preloaded"] >= 500
    budget = found["budget"]
    assert sum(budget["stages_us"].values()) == pytest.approx(budget["total_us"], rel=0.01)
    assert budget["total_us"] == pytest.approx(found["cpu_us_per_tx"], rel=0.05)
    assert tuple(budget["stages_us"]) == STAGES
    assert budget["loop_samples"] > 0
    assert budget["stages_us"]["gateway"] > 0
    assert {"execution", "admission", "storage", "loop"} <= set(budget["threads_us"])
    assert len(found["series"]["committed"]) == 3
    assert "交易吞吐率" in (tmp_path / "report" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_a_knee_that_is_looked_for_leaves_nothing_to_the_measured_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench_here: Callable[..., dict[str, Any]]
) -> None:
    chains: list[tuple[str, str]] = []
    started = network.running

    @contextmanager
    def running(homes: Sequence[Path], *more: Any) -> Iterator[tuple[LocalNet, float]]:
        with started(homes, *more) as (net, ready_s):
            chains.append((net.status(0)["chain_id"], net.nodes[0].url))
            yield net, ready_s

    monkeypatch.setattr(network, "running", running)
    found = bench_here("chain", "--nodes", "1", "--seconds", "2", "--preload", "300", "--keep", str(tmp_path / "kept"))
    assert len({chain_id for chain_id, _ in chains}) == 2
    assert len({url for _, url in chains}) == 1, "the ports of the first were free again"
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["keys", "node0"]
    settings = found["settings"]
    assert (settings["knee_chain"], settings["measured_chain"], settings["rate_given"]) == ("own", "new", False)
    assert (found["lost"], found["state_roots_equal"]) == (0, True)
    assert 300 <= settings["preloaded"] < 600
    kept = open_storage(Home(tmp_path / "kept" / "node0"), StorageConfig())
    try:
        chain = kept.database
        txs = sum(len(chain.tx_ids(height)) for height in range(1, chain.tip().height + 1))
    finally:
        kept.close()
    assert txs == settings["preloaded"] + round(2 * found["accepted_tps"])


@pytest.mark.parametrize(
    ("application", "more"), [("coldchain", []), ("realestate", []), ("medical", ["--isolated", "--budget"])]
)
def test_an_application_keeps_its_invariants_under_its_mix(application: str, more: list[str]) -> None:
    found = _bench("chain", "--nodes", "1", "--app", application, "--seconds", "4", "--rate", "300", *more)
    assert (found["lost"], found["failed_by_code"]) == (0, {})
    assert (found["violations"], found["violations_first"]) == (0, [])
    assert found["flavour"] == found["settings"]["flavour"] == "mix"
    queries = found["queries"]
    assert queries["answered_per_s"] > 0
    # both of a machine that stood still: no connection was free, too many waited for a plugin's process
    assert set(queries["failed_by_code"]) <= {"UNSENT", "NOT_READY"}
    assert 0 < queries["share"] < 0.5
    assert len(found["series"]["queries"]) == 4
    assert (found["plugins_cpu_us_per_tx"] > 0) == (found["plugins_rss_mb_max"] > 0) == bool(more)
    if more:
        stages = found["budget"]["stages_us"]
        assert stages["plugins"] == pytest.approx(found["plugins_cpu_us_per_tx"], rel=0.02)
        assert sum(stages.values()) == pytest.approx(found["cpu_us_per_tx"], rel=0.02)


@pytest.mark.slow
def test_isolation_runs_both_and_names_the_ratio(tmp_path: Path, bench_here: Callable[..., dict[str, Any]]) -> None:
    found = bench_here(
        *("isolation", "--nodes", "1", "--app", "medical", "--seconds", "3", "--rate", "200"),
        *("--report", str(tmp_path)),
    )
    rows = {row["figure"]: row for row in found["comparison"]}
    assert min(rows["peak_tps"]["in_process"], rows["peak_tps"]["isolated"]) > 0
    assert rows["cpu_us_per_tx"]["ratio"] > 0
    assert rows["plugins_cpu_us_per_tx"]["in_process"] == 0
    assert rows["plugins_cpu_us_per_tx"]["isolated"] > 0
    assert found["in_process"]["settings"]["rate"] == found["isolated"]["settings"]["rate"] == 200
    assert "plugins_rss_mb_max" in (tmp_path / "report.md").read_text("utf-8")


def test_relay_delays_every_byte_and_keeps_their_order() -> None:
    asyncio.run(_relayed())


async def _relayed() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    target = await asyncio.start_server(echo, "127.0.0.1", 0)
    listen = shifted_base(43_000, 1)
    servers = await relay(0.05, {listen: target.sockets[0].getsockname()[1]})
    reader, writer = await asyncio.open_connection("127.0.0.1", listen)
    sent = bytes(range(256)) * 4000
    started_s = time.monotonic()
    writer.write(sent)
    first = await reader.readexactly(1)
    assert time.monotonic() - started_s >= 0.099
    assert first + await reader.readexactly(len(sent) - 1) == sent
    writer.write(b"last")
    writer.write_eof()
    assert await reader.readexactly(4) == b"last"
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.3)  # the end travels as slowly as everything else
    for server in (*servers, target):
        server.close()


@pytest.mark.slow
def test_distance_between_validators_shows_in_latency() -> None:
    near = _bench("chain", "--seconds", "5", "--rate", "300")
    far = _bench("chain", "--seconds", "5", "--rate", "300", "--delay-ms", "50")
    assert far["lost"] == 0
    assert far["latency_ms"]["p50"] >= near["latency_ms"]["p50"] + 3 * 50


@pytest.mark.slow
def test_an_empty_node_catches_up() -> None:
    found = _bench("sync", "--txs", "5000")
    assert found["txs"] >= 5000
    assert found["state_roots_equal"] is True
    assert found["heights"][-1][1] >= found["blocks"]


@pytest.mark.slow
def test_queries_are_answered_with_and_without_proof() -> None:
    found = _bench("query", "--nodes", "1", "--seconds", "2")
    assert found["queries_per_s"] > 0
    assert found["queries_with_proof_per_s"] > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_overload_and_idle_are_reported() -> None:
    found = _bench(
        *("chain", "--nodes", "4", "--seconds", "4", "--rate", "500", "--idle", "--overload", "3"),
        *("--overload-seconds", "8"),
        timeout_s=400,
    )
    assert len(found["idle"]["cpu_percent_per_node"]) == 4
    (multiple,) = found["overload"]["multiples"]
    assert {"rss_mb_per_minute", "rss_mb_per_minute_at_peak"} <= set(multiple)
    assert multiple["lost"] == 0
    assert multiple["state_roots_equal"] is True
    assert multiple["committed_tps"] > 0


@pytest.mark.slow
@pytest.mark.skipif(not LOCUST_PYTHON.exists(), reason="no Locust: run `make loadtest-env`")
@pytest.mark.parametrize("application", ["evidence", "realestate", "medical"])
def test_locust_loads_a_network_and_the_chain_agrees(application: str, tmp_path: Path) -> None:
    found = _bench(
        *(
            "locust",
            "--app",
            application,
            "--seconds",
            "15",
            "--peak-users",
            "8",
            "--presigned",
            "6000",
            "--workers",
            "2",
        ),
        *("--report", str(tmp_path)),
    )
    assert found["lost"] == 0
    assert found["committed_tps"] > 0
    assert found["state_roots_equal"] is True
    assert len(found["steps"]) >= 3
    assert {"POST /v1/txs", "POST /v1/txs:batch", "GET /v1/txs/ID/receipt"} <= {r["request"] for r in found["requests"]}
    assert (tmp_path / "report.html").exists()
