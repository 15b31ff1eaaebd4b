"""`hnnode plugin dev` on real processes: saved code is taken up, the state stays, Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from hnnode.client import Client, FileSigner, TxFailed
from hnnode.kit.scaffold import Names, make_project

START_S = 90.0
DOC = "ab" * 32


@contextmanager
def dev(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = folder.parent / "dev.log"
    environment = {**os.environ, "HNNODE_USER_DIR": str(folder.parent / "user"), "HNNODE_LANG": "en"}
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    environment["PYTHONUNBUFFERED"] = "1"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hnnode.cli", "plugin", "dev", str(folder), *arguments],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(log: Path, condition: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + START_S
    while True:
        text = log.read_text("utf-8", "replace")
        if condition(text):
            return text
        assert time.monotonic() < deadline, text
        time.sleep(0.2)


def network(folder: Path) -> tuple[str, Path]:
    """URL of the node and the folder of the keys, as other commands find them."""
    facts = msgspec.json.decode((folder.parent / "user" / "dev.json").read_bytes())
    return facts["nodes"][0], Path(facts["key_dir"])


def node_pids(keys: Path) -> list[int]:
    """Processes whose command names the network's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(str(keys.parent)) in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.timeout(300)
def test_saved_code_is_taken_up_and_the_state_stays(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    make_project(folder, Names("demo", "演示", "Demo", "演示厂商"))
    rules = folder / "hn_demo" / "rules.py"
    with dev(folder) as (process, log):
        wait_for(log, lambda text: "new chain" in text and "Ctrl-C" in text)
        url, keys = network(folder)
        with Client(url, signer=FileSigner(keys / "applicant.pem"), timeout_s=30.0) as client:
            client.submit("demo", "create", {"item": "ITEM-1", "category": "permit", "document": DOC})

        handlers = folder / "hn_demo" / "handlers.py"
        good = handlers.read_text("utf-8")
        handlers.write_text(good.replace("now = tx.block_time_ms", "now = int(tx.block_time_ms * 1.0)"), "utf-8")
        wait_for(log, lambda text: "HN201" in text and "not taken up" in text)
        handlers.write_text(good, "utf-8")

        rules.write_text(rules.read_text("utf-8").replace("the id is taken", "this id is taken"), "utf-8")
        wait_for(log, lambda text: "state kept" in text)
        with Client(url, signer=FileSigner(keys / "applicant.pem"), timeout_s=30.0) as client:
            assert client.query("demo", "item", {"item": "ITEM-1"}).result["status"] == "open"
            with pytest.raises(TxFailed) as caught:
                client.submit("demo", "create", {"item": "ITEM-1", "category": "permit", "document": DOC})
            assert caught.value.rule == "demo.item_exists"
        assert node_pids(keys)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0, log.read_text("utf-8")
        assert node_pids(keys) == []
        assert not keys.exists()
        assert not (tmp_path / "user" / "dev.json").exists()


@pytest.mark.timeout(300)
def test_a_fresh_chain_is_started_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    make_project(folder, Names("demo", "演示", "Demo", "演示厂商"), "evidence")
    rules = folder / "hn_demo" / "rules.py"
    with dev(folder, "--fresh") as (process, log):
        wait_for(log, lambda text: "Ctrl-C" in text)
        _, before = network(folder)
        rules.write_text(rules.read_text("utf-8").replace("no such entry", "no such thing"), "utf-8")
        wait_for(log, lambda text: text.count("new chain") >= 3 and text.count("Ctrl-C") == 2)
        _, after = network(folder)
        assert before != after
        assert not before.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, log.read_text("utf-8")
