"""`hnnode doctor` of a node that rests: code that the chain runs, or has decided on, and that is not here."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hnnode_native import state_key

from hnnode import storage
from hnnode.cli.dev import CHAIN_NAME
from hnnode.cli.doctor import examine
from hnnode.cli.doctor_plugins import due_plugins
from hnnode.cli.network import make_homes
from hnnode.config import ExecutionConfig, load_config
from hnnode.execution.governance_records import OPEN_KEY, SET_KEY
from hnnode.storage.home import Home

CODE = {"version": "1.0", "api_version": 1, "state_version": 1, "code_hash": "ab" * 32}


class Files:
    """Stands for the files of a home: `rows` of `governance`."""

    def __init__(self, rows: Mapping[bytes, Any]) -> None:
        self._rows = {state_key("governance", key): msgspec.json.encode(row) for key, row in rows.items()}

    def __call__(self, path: Path) -> Files:
        return self

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)


def proposal(number: int, kind: str, power_for: int) -> dict[str, Any]:
    return {
        "number": number,
        "kind": kind,
        "name": f"p{number}",
        "code": CODE,
        "activation_height": 40,
        "proposed_by": "cd" * 20,
        "proposed_height": 3,
        "power_for": power_for,
        "power_against": 0,
    }


def test_code_of_the_set_and_of_decided_proposals_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = make_homes(tmp_path, 4, CHAIN_NAME, "city", ["evidence"], [])
    running = {
        "name": "runs",
        "code": CODE,
        "status": "enabled",
        "since_height": 1,
        "proposal": 0,
        "data_version": 1,
        "migration": None,
        "fault": "",
    }
    opened = [proposal(1, "activate", 3), proposal(2, "activate", 2), proposal(3, "disable", 3)]
    rows = {SET_KEY: {"plugins": [running]}, OPEN_KEY: {"next": 4, "open": opened}}
    monkeypatch.setattr(storage, "DiskReader", Files(rows))
    found = list(due_plugins(Home(homes[0]), ExecutionConfig()))
    assert [(each.level, each.check) for each in found] == [("fail", "plugins")] * 2
    assert "plugin runs 1.0" in found[0].text
    assert "plugin p1 1.0" in found[1].text
    assert found[1].text.endswith(" (proposal 1, from height 40)")


def test_a_home_without_a_chain_has_nothing_to_say(tmp_path: Path) -> None:
    homes = make_homes(tmp_path, 1, CHAIN_NAME, "city", ["evidence"], [])
    assert list(due_plugins(Home(homes[0]), ExecutionConfig())) == []


def test_a_process_that_holds_the_home_and_does_not_answer_is_named(tmp_path: Path) -> None:
    home = Home(make_homes(tmp_path, 1, CHAIN_NAME, "city", ["evidence"], [])[0])
    port = load_config(home.config).gateway.port

    def named(url: str) -> list[str]:
        return [each.text for each in examine(url, home) if each.check == "process"]

    url = f"http://127.0.0.1:{port}"
    assert named(url) == []
    with home.lock.open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        (text,) = named(url)
        assert "kill -9 4711" in text
        assert f"isolated = true under [execution] of {home.config}" in text
        assert named("http://127.0.0.1:9") == []
    assert named(url) == []
