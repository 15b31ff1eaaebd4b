"""`hnnode dev up`: what becomes of the network when nodes of it end by themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hnnode.bench.localnet import LocalNet
from hnnode.cli.dev import CHAIN_NAME, watch
from hnnode.cli.network import make_homes
from hnnode.cli.plugin_dev import actions_to_try
from hnnode.errors import Unavailable
from hnnode.kit.project import Project
from hnnode.kit.scaffold import Names, make_project


def test_others_go_on_without_a_node_that_ended_and_its_last_words_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = LocalNet.of(make_homes(tmp_path, 2, CHAIN_NAME, "city", ["evidence"], []))
    first, second = net.nodes
    first.log.write_text('{"level": "critical", "event": "node halted"}\n{"level": "info", "event": "node stopped"}\n')
    for node, seconds in ((first, 0), (second, 1)):
        node.process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    with pytest.raises(Unavailable, match=second.name):
        watch(net)
    told = capsys.readouterr().err
    assert told.count(f"{first.name} has ended, the others go on") == 1
    assert "node halted" in told
    assert "node stopped" not in told
    assert f"hnnode start --home {first.home}" in told


def test_what_to_try_begins_with_what_a_thing_begins_with(tmp_path: Path) -> None:
    make_project(tmp_path / "demo", Names("demo", "演示", "Demo", "厂商"))
    tried = actions_to_try(Project.open(tmp_path / "demo"))
    assert next(iter(tried.items())) == ("create", "applicant")
    assert set(tried) == {"create", "approve", "close"}
