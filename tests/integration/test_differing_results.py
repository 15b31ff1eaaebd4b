"""A plugin gives another result on one node: the others go on, that node stops and names the transaction and the plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hnnode.cli.app import application
from tests.kit.processes import ProcessChain

PLUGIN = Path(__file__).parents[1] / "kit" / "drifting"


def drifting_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drifting: set[int]) -> ProcessChain:
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN), prepend=":")
    chain = ProcessChain(tmp_path, 4, ["drifting"])
    for node in chain.net.nodes:
        chain.net.environment = {"DRIFT": "!" if node.index in drifting else ""}
        chain.net.start(node.index)
    chain.net.wait_ready()
    return chain


def note(chain: ProcessChain, text: str, wait: str = "committed") -> None:
    with chain.client(0) as client:
        client.submit("drifting", "note", {"text": text}, wait=wait)  # type: ignore[arg-type]


@pytest.mark.timeout(180)
def test_the_node_that_differs_stops_and_names_transaction_and_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = drifting_chain(tmp_path, monkeypatch, {3})
    with chain.net:
        chain.preserve(0, 30)
        note(chain, "calm")
        assert len({chain.net.status(i)["block_hash"] for i in range(4) if chain.settle([0, 1, 2, 3])}) == 1
        note(chain, "drift")
        differing = chain.net.nodes[3]
        chain.until(lambda: not differing.running, "the node that differs stops")
        assert differing.process is not None
        assert differing.process.returncode != 0
        log = differing.log.read_text("utf-8")
        assert "a quorum committed a block" in log
        assert "of drifting.note, different in write_set_digest" in log
        chain.preserve(0, 30)
        chain.check_equal([0, 1, 2])
    (file,) = (differing.home / "data" / "differences").glob("*.json")
    document = json.loads(file.read_text("utf-8"))
    assert [(each["application"], each["action"]) for each in document["transactions"]] == [("drifting", "note")]
    assert document["keys"] == [
        {"application": "drifting", "key": b"last".hex(), "own": b"drift!".hex(), "other": b"drift".hex()}
    ]
    assert document["write_sets"]["own"] != document["write_sets"]["other"] != []
    shown = CliRunner().invoke(application, ["plugin", "diff", str(file)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "drifting.note" in shown.output
    assert b"drift!".hex() in shown.output


@pytest.mark.timeout(180)
def test_halves_that_differ_decide_nothing_and_both_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = drifting_chain(tmp_path, monkeypatch, {2, 3})
    with chain.net:
        note(chain, "calm")
        height = int(chain.settle([0, 1, 2, 3])["height"])
        note(chain, "drift", "accepted")

        def files() -> list[Path]:
            return [f for n in chain.net.nodes for f in (n.home / "data" / "differences").glob("*.json")]

        chain.until(lambda: len(files()) == 4, "every node keeps the difference", 60)
        assert all(node.running for node in chain.net.nodes), "without a quorum for either side nobody stops"
        heights = {chain.height(i) for i in range(4)}
        assert heights == {height + 1}, "no block stands on the one that differs"
        for file in files():
            (first,) = json.loads(file.read_text("utf-8"))["transactions"]
            assert (first["application"], first["action"]) == ("drifting", "note")
