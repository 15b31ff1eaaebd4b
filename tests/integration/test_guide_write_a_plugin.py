"""The guide for vendors is run, every shell block in order, on real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VENDOR_S_MAX = 120.0
RUN_S_MAX = 420.0


def blocks(page: str) -> list[str]:
    return BLOCK.findall((GUIDES / page).read_text("utf-8"))


def test_both_languages_have_the_same_commands() -> None:
    assert blocks("write-a-plugin.md") == blocks("write-a-plugin.zh.md")


@pytest.mark.timeout(RUN_S_MAX + 60)
def test_the_guide_works_as_it_is_written(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "hnnode"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hnnode.cli "$@"\n', "utf-8")
    command.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    script = ["set -e"]
    for number, block in enumerate(blocks("write-a-plugin.md")):
        script += [f"echo '#### block {number} at '$SECONDS", block.rstrip("\n")]
    script.append("echo '#### end at '$SECONDS")
    (tmp_path / "guide.sh").write_text("\n".join(script) + "\n", "utf-8")
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path),
        "HNNODE_USER_DIR": str(tmp_path / "user"),
        "HNNODE_LANG": "en",
    }
    for name in ("HNNODE_KEY", "HNNODE_NODE", "HNNODE_HOME", "HNNODE_KEY_DIR"):
        environment.pop(name, None)
    log = tmp_path / "guide.log"
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", str(tmp_path / "guide.sh")],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(RUN_S_MAX)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            _end(process.pid)
    text = log.read_text("utf-8", "replace")
    network = (work / "net.log").read_text("utf-8", "replace")[-2_000:] if (work / "net.log").exists() else ""
    assert status == 0, f"{text[-6_000:]}\n---- network\n{network}"
    chain_starts = next(number for number, block in enumerate(blocks("write-a-plugin.md")) if "dev up" in block)
    seconds = re.search(rf"#### block {chain_starts} at ([0-9]+)", text)
    assert seconds is not None
    assert int(seconds[1]) < VENDOR_S_MAX
    assert time.monotonic() - started < RUN_S_MAX
    assert "both runs agree" in text
    assert "APPLICATION_DISABLED" in text


def _end(group: int) -> None:
    """Stop what the script left behind; the network stops its nodes when it is told to."""
    for number, wait_s in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(0.2)
