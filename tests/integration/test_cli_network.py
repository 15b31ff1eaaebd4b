"""The command line over real node processes: the demo story, a dev network, a measured chain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hnnode.cli", *map(str, arguments)]


def _environment(tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HNNODE_")}
    return {**clean, "HNNODE_LANG": "en", "HNNODE_USER_DIR": str(tmp_path / "user"), "TMPDIR": str(tmp_path)}


def _run(tmp_path: Path, *arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=_environment(tmp_path)
    )


@pytest.mark.timeout(240)
def test_the_demo_story_holds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = _run(tmp_path, "dev", "demo", "--once", timeout=200)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "All of it holds" in ended.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("hn-")] == []
    assert not (tmp_path / "user" / "dev.json").exists()


@pytest.mark.timeout(240)
def test_dev_up_serves_other_commands_and_stops_its_children(tmp_path: Path) -> None:
    command = _command("dev", "up", "--nodes", 2, "--plugins", "evidence", "--home", tmp_path / "net")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=_environment(tmp_path)
    ) as up:
        try:
            note = tmp_path / "user" / "dev.json"
            deadline = time.monotonic() + 60
            while not note.exists() and up.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            assert note.exists(), up.stderr.read() if up.poll() is not None and up.stderr else "not ready in time"
            sent = _run(tmp_path, "tx", "submit", "evidence", "preserve", "--file", "LICENSE", "-o", "json")
            assert sent.returncode == 0, sent.stderr
            assert json.loads(sent.stdout)["receipt"]["code"] == 0
            assert _run(tmp_path, "doctor", "--home", tmp_path / "net" / "node0").returncode == 0
            pids = [_holder(tmp_path / "net" / f"node{i}" / "lock") for i in range(2)]
            # One session, so that they share the processor as threads of one another do; a group each, so that Ctrl-C spares them.
            assert [(os.getsid(pid), os.getpgid(pid)) for pid in pids] == [(os.getsid(up.pid), pid) for pid in pids]
        finally:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=40)
        assert up.returncode == 0
    assert not any(_alive(pid) for pid in pids)
    assert (tmp_path / "net" / "genesis.json").exists() is False
    assert (tmp_path / "net" / "node0" / "genesis.json").exists(), "a given folder is kept"


def _holder(lock: Path) -> int:
    return int(lock.read_text("ascii"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(120)
def test_nodes_stop_by_themselves_when_their_parent_is_killed(tmp_path: Path) -> None:
    assert _run(tmp_path, "testnet", tmp_path / "net", "--nodes", 1, "--plugins", "evidence").returncode == 0
    home = tmp_path / "net" / "node0"
    program = (
        "import sys, time; from pathlib import Path; from hnnode.bench.localnet import LocalNet; "
        "net = LocalNet.of([Path(sys.argv[1])]); net.start_all(); net.wait_ready(); print('up', flush=True); time.sleep(99)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=_environment(tmp_path),
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "up\n"
            pid = _holder(home / "lock")
        finally:
            parent.kill()
    deadline = time.monotonic() + 20
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(pid)


@pytest.mark.timeout(240)
def test_bench_chain_measures_a_small_load_and_loses_nothing(tmp_path: Path) -> None:
    ended = _run(
        tmp_path,
        "bench",
        "chain",
        "--nodes",
        4,
        "--seconds",
        3,
        "--rate",
        200,
        "--batch",
        20,
        "-o",
        "json",
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    assert result["lost"] == 0
    assert result["state_roots_equal"] is True
    assert result["unanswered"] == 0
    assert result["refused"] == 0
    assert sum(result["committed_per_second"]) > 0
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["max"]
    assert result["signature_verifications_per_tx_per_node"] == pytest.approx(1.0, abs=0.05)
    assert result["cpu_us_per_tx"] > 0
    assert result["ledger_bytes_per_tx"] > result["tx_bytes"]
