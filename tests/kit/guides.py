"""Runs the shell blocks of a guide, in order, in one shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The shell blocks of a guide."""
    return BLOCK.findall((GUIDES / page).read_text("utf-8"))


def block_seconds(text: str, number: int) -> int:
    """When a block began, in seconds from the start, by what `run_guide` gave."""
    found = re.search(rf"^#### block {number} at ([0-9]+)$", text, re.MULTILINE)
    assert found is not None, text[-2_000:]
    return int(found[1])


def run_guide(page: str, tmp_path: Path, work: Path, seconds: float) -> str:
    """What the commands of the page printed, run in `work`; fails with the end of it when one of them does."""
    command = tmp_path / "bin" / "hnnode"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hnnode.cli "$@"\n', "utf-8")
    command.chmod(0o755)
    script = ["set -e"]
    for number, block in enumerate(blocks(page)):
        script += [f"{{ echo '#### block {number} at '$SECONDS; }} 2>/dev/null", block.rstrip("\n")]
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
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-x", str(tmp_path / "guide.sh")],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            _end(process.pid)
    text = log.read_text("utf-8", "replace")
    assert status == 0, text[-6_000:]
    return text


def _end(group: int) -> None:
    """Stop what the script left behind; a network stops its nodes when it is told to."""
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
