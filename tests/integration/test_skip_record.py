"""A transaction whose handler never answers, on four node processes: the validators sign that it is skipped and the chain goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from hnnode.cli.app import application
from hnnode.client.errors import TxFailed
from hnnode.crypto.keys import generate_key
from hnnode.errors import CODES
from hnnode.execution.governance_records import Code
from hnnode.governance.skips import read_skip
from hnnode.node.skip_desk import APPLY, SIGN, ask
from hnnode.primitives.skip import merge
from hnnode.storage import Home, reset_home
from tests.kit.plugin_votes import PluginVotes
from tests.kit.processes import ProcessChain

pytestmark = pytest.mark.timeout(180)

PLUGIN = Path(__file__).parents[1] / "kit" / "stuck"
APART = (0, 1)
HANG_MS = 1_000


def stuck_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: Sequence[int] = APART) -> ProcessChain:
    monkeypatch.syspath_prepend(str(PLUGIN))
    chain = ProcessChain(tmp_path, 4, ["stuck"], ("admin",))
    chain.net.environment["PYTHONPATH"] = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    for node in chain.net.nodes:
        execution = msgspec.structs.replace(
            node.config.execution, isolated=node.index in apart, block_cpu_ms_max=1_000, hang_ms=HANG_MS
        )
        chain.net.configure(node.index, msgspec.structs.replace(node.config, execution=execution))
    return chain


def submit(chain: ProcessChain, action: str, payload: dict[str, Any], through: int = 0) -> str:
    with chain.client(through) as client:
        return str(client.submit("stuck", action, payload, wait="accepted").tx_id)


def hanging(chain: ProcessChain, index: int) -> list[str]:
    return [each["tx_id"] for each in chain.net.status(index)["plugin_troubles"] if each["tx_id"]]


def skip(chain: ProcessChain, index: int, *words: str) -> Result:
    home = str(chain.homes[index])
    return CliRunner().invoke(
        application, ["plugin", "skip", *words, "--home", home, "-o", "json"], env={"COLUMNS": "300"}
    )


def sign(chain: ProcessChain, index: int, directory: Path, *words: str) -> Path:
    file = directory / f"{index}-{len(list(directory.iterdir()))}.signed"
    done = skip(chain, index, "sign", *words, "--yes", "--out", str(file))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["signed"] is True
    return file


def give(chain: ProcessChain, files: Sequence[Path]) -> None:
    """To three nodes, first to the one that ends itself: once two others went on it gets the record from them as well, and ends
    before anybody asks it."""
    for index in (2, 0, 1):
        done = skip(chain, index, "apply", *map(str, files), "--yes")
        assert done.exit_code == 0, done.output


def receipt_code(chain: ProcessChain, index: int, tx_id: str) -> int:
    with chain.client(index) as client:
        return int(client.receipt(tx_id).code)


def test_a_quorum_skips_what_hangs_and_every_node_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    chain = stuck_chain(tmp_path, monkeypatch)
    net = chain.net
    with net:
        net.start_all()
        net.wait_ready()
        chain.preserve(0, 5)
        height = int(chain.settle([0, 1, 2, 3])["height"])
        early = skip(chain, 0, "sign", "--yes")
        assert early.exit_code != 0
        tx_id = submit(chain, "work", {"item": "a", "loops": True})
        chain.until(lambda: all(hanging(chain, i) == [tx_id] for i in range(4)), "every node names the transaction", 60)
        (trouble,) = net.status(2)["plugin_troubles"]
        assert (trouble["application"], trouble["action"], trouble["height"]) == ("stuck", "work", height + 1)
        said = net.nodes[2].log.read_text("utf-8")
        assert f"hnnode plugin skip sign --home {chain.homes[2]}" in said
        net.kill(3)

        preview = skip(chain, 0, "sign", "--dry-run")
        assert preview.exit_code == 0, preview.output
        assert json.loads(preview.stdout)["hanging"]["tx_id"] == tx_id
        assert skip(chain, 0, "sign", "ff" * 32, "--yes").exit_code != 0
        assert not list(carried.iterdir())
        assert not (chain.homes[0] / "skips").exists()
        files = [sign(chain, index, carried) for index in (0, 1, 2)]

        few = skip(chain, 0, "apply", *map(str, files[:2]), "--yes")
        assert few.exit_code != 0
        assert "CERTIFICATE_QUORUM" in str(few.exception)
        forged = carried / "forged"
        record = read_skip(files[0])
        forged.write_bytes(msgspec.structs.replace(record, height=record.height + 1).encode())
        foreign = carried / "foreign"
        foreign.write_bytes(record.signed(generate_key()).encode())
        rubbish = carried / "rubbish"
        rubbish.write_bytes(b"[" * 100_000)
        for bad, name in (
            (forged, "CERTIFICATE_SIGNATURE"),
            (foreign, "CERTIFICATE_SIGNER"),
            (rubbish, "REQUEST_MALFORMED"),
        ):
            refused = skip(chain, 0, "apply", *map(str, [*files, bad]), "--yes")
            assert refused.exit_code != 0
            assert name in str(refused.exception)
            assert str(bad) in str(refused.exception)
        assert chain.height(0) == height
        assert not list((chain.homes[0] / "skips").glob("*.record"))

        give(chain, files)
        # Inside the node nothing ends the handler: the node ends itself, and its next start uses the record.
        chain.until(lambda: not net.nodes[2].running, "the node that runs the plugin inside ends itself", 60)
        assert "HANDLER_SKIPPED" in net.nodes[2].log.read_text("utf-8")
        net.start(2)
        chain.until(lambda: chain.height(0) > height and chain.height(2) > height, "the chain goes on", 60)
        # It signed nothing and got no file: block sync brings the record.
        net.start(3)
        chain.until(lambda: not net.nodes[3].running, "node 3 gets the record and ends itself", 60)
        net.start(3)
        net.wait_ready([0, 1, 2, 3])
        chain.preserve(0, 5)
        assert submit(chain, "work", {"item": "b"})
        assert submit(chain, "many", {"item": "c"})
        chain.check_equal([0, 1, 2, 3])
        assert {receipt_code(chain, index, tx_id) for index in range(4)} == {CODES["HANDLER_SKIPPED"]}
        assert {len(list((home / "skips").glob("*.record"))) for home in chain.homes} == {1}

        # A power cut on all of them, and a disk that is empty.
        for index in range(4):
            net.kill(index)
        shutil.rmtree(Home(chain.homes[3]).data)
        shutil.rmtree(Home(chain.homes[3]).skips)
        Home(chain.homes[3]).sign_state.unlink()
        net.start_all()
        net.wait_ready()
        chain.preserve(1, 5)
        chain.check_equal([0, 1, 2, 3])
        assert receipt_code(chain, 3, tx_id) == CODES["HANDLER_SKIPPED"]


@pytest.mark.slow
def test_who_executed_it_cannot_sign_stops_and_fetches_the_chain_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node gets through what hangs on the others; due work this time."""
    chain = stuck_chain(tmp_path, monkeypatch, (0, 1, 2))
    net = chain.net
    with net:
        for index in range(3):
            net.start(index)
        net.environment["UNSTUCK"] = "1"
        net.start(3)
        net.wait_ready()
        submit(chain, "work", {"item": "a", "loops": True, "where": "due"})
        chain.until(lambda: all(hanging(chain, i) for i in range(3)), "three nodes hang", 60)
        (trouble,) = net.status(0)["plugin_troubles"]
        assert trouble["action"] == "due"
        height = int(trouble["height"])
        chain.until(lambda: chain.height(3) == height, "node 3 has results")
        assert hanging(chain, 3) == []
        files = [
            sign(chain, 0, tmp_path, "--all"),
            sign(chain, 1, tmp_path, "--all"),
            sign(chain, 2, tmp_path, "--all"),
        ]
        # Its operator asks it for a signature about the same block all the same.
        asked = read_skip(files[0])
        for suffix, record in (
            (SIGN, msgspec.structs.replace(asked, signatures=())),
            (APPLY, merge(list(map(read_skip, files)))),
        ):
            answer = ask(chain.homes[3] / "skips", "asked", suffix, record, 30.0)
            assert answer is not None
            assert answer.name == "NOT_FOUND"
        assert list((chain.homes[3] / "skips").iterdir()) == []
        for index in range(3):
            done = skip(chain, index, "apply", *map(str, files), "--yes")
            assert done.exit_code == 0, done.output
        chain.until(lambda: all(chain.height(i) > height for i in range(3)), "the others go on", 60)
        chain.until(lambda: not net.nodes[3].running, "node 3 stops", 60)
        last = net.nodes[3].log.read_text("utf-8").splitlines()[-1]
        assert "node halted" in last
        assert "of stuck.work, different in code" in last
        # The application is stopped by the votes there are; what would hang again is refused.
        votes = PluginVotes(chain, "stuck")
        with chain.client(0) as client:
            (plugin,) = client.query("governance", "plugins").result["plugins"]
        votes.reach(votes.decide("disable", msgspec.convert(plugin["code"], Code)), 0, 1, 2)
        with chain.client(0) as client, pytest.raises(TxFailed, match="APPLICATION_DISABLED"):
            client.submit("stuck", "work", {"item": "b", "loops": True}, wait="committed")
        chain.preserve(0, 5)
        reset_home(Home(chain.homes[3]))
        del net.environment["UNSTUCK"]
        net.start(3)
        net.wait_ready([3])
        chain.preserve(3, 5)
        chain.check_equal([0, 1, 2, 3])
        assert len(list((chain.homes[3] / "skips").glob("*.record"))) == 1
