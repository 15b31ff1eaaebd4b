"""A page of a migration that never ends, on four node processes: the validators sign that it is skipped, the migration is given up and
the old version runs on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from hnnode_native import tagged_hash
from typer.testing import CliRunner

from hnnode.cli.app import application
from hnnode.execution.governance_records import Code
from hnnode.execution.migrating import FAULT_SKIPPED
from hnnode.execution.source import code_hash
from hnnode.primitives.skip import page_id
from tests.integration.test_skip_record import HANG_MS, give, hanging, sign, skip
from tests.kit.plugin_packages import counter_package
from tests.kit.plugin_votes import PluginVotes, code_of
from tests.kit.processes import ProcessChain

pytestmark = pytest.mark.timeout(180)
APART = (0, 1)
ALL = (0, 1, 2, 3)

HANGING = """

def hang(rows):
    while True:
        pass


class Uncounted(Plugin):
    @hookimpl
    def hn_migrations(self):
        return [Migration(1, 2, move, check=hang)]


plugin = Uncounted()
"""


def environment(folder: Path) -> Path:
    """A folder for PYTHONPATH with version 3.0.0 of the counter, uncounted, whose migration hangs in its first pass."""
    counter_package(folder, "2.0.0")
    root = folder / "counter-2.0.0"
    package = root / "hn_counter"
    manifest = (package / "hnplugin.toml").read_text("utf-8").replace("2.0.0", "3.0.0")
    manifest = manifest.replace("[privacy]", "metered = false\n[privacy]")
    (package / "hnplugin.toml").write_text(manifest, "utf-8")
    with (package / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(HANGING)
    about = root / "hnnode_counter-3.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hnnode-counter\nVersion: 3.0.0\n", "utf-8")
    (about / "entry_points.txt").write_text("[hnnode.plugins]\ncounter = hn_counter:plugin\n", "utf-8")
    return root


def test_a_quorum_gives_a_migration_up_and_the_old_version_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    first, own = counter_package(tmp_path), environment(tmp_path)
    chain = ProcessChain(tmp_path, 4, roles=("admin",))
    net, votes = chain.net, PluginVotes(chain)
    net.environment["PYTHONPATH"] = os.pathsep.join([str(own), os.environ.get("PYTHONPATH", "")])
    for node in net.nodes:
        execution = msgspec.structs.replace(
            node.config.execution, isolated=node.index in APART, block_cpu_ms_max=1_000, hang_ms=HANG_MS
        )
        chain.net.configure(node.index, msgspec.structs.replace(node.config, execution=execution))
    with net:
        net.start_all()
        net.wait_ready()
        votes.install(first, *ALL)
        votes.reach(votes.decide("activate", code_of(first)), *ALL)
        votes.add("a", 5)
        votes.decide("upgrade", Code("3.0.0", 1, 2, code_hash(own / "hn_counter", tagged_hash).hex()))
        chain.until(lambda: all(hanging(chain, i) for i in ALL), "every node names the page", 60)
        (trouble,) = net.status(2)["plugin_troubles"]
        height = int(trouble["height"])
        assert (trouble["application"], trouble["action"]) == ("counter", "migration")
        assert {hanging(chain, i)[0] for i in ALL} == {page_id(height, "counter").hex()}
        for index in (0, 2):
            assert "a page of a migration holds up the chain" in net.nodes[index].log.read_text("utf-8")
        said = CliRunner().invoke(application, ["doctor", "--home", str(chain.homes[1]), "-o", "json"])
        (told,) = [each["text"] for each in json.loads(said.stdout)["findings"] if each["check"] == "plugin"]
        assert f"block {height} hangs at counter.migration" in told
        net.kill(3)
        preview = skip(chain, 0, "sign", "--dry-run")
        assert json.loads(preview.stdout)["hanging"]["action"] == "migration"
        files = [sign(chain, index, carried) for index in (0, 1, 2)]
        give(chain, files)
        # Inside the node nothing ends the code of the migration: the node ends itself, and its next start uses the record.
        chain.until(lambda: not net.nodes[2].running, "the node that runs it inside ends itself", 60)
        assert "HANDLER_SKIPPED" in net.nodes[2].log.read_text("utf-8")
        net.start(2)
        chain.until(lambda: chain.height(0) > height and chain.height(2) > height, "the chain goes on", 60)
        net.start(3)
        chain.until(lambda: not net.nodes[3].running, "node 3 gets the record and ends itself", 60)
        net.start(3)
        net.wait_ready([*ALL])
        with chain.client(0) as client:
            (plugin,) = client.query("governance", "plugins").result["plugins"]
        assert (plugin["status"], plugin["code"]["version"], plugin["fault"]) == ("enabled", "1.0.0", FAULT_SKIPPED)
        votes.add("a", 6, 3)
        assert {votes.total("a", index) for index in ALL} == {(1, 11)}
        chain.check_equal([*ALL])
        # What should have been done before the vote.
        rests = net.nodes[3].process
        assert rests is not None
        rests.terminate()
        rests.wait(30)
        monkeypatch.syspath_prepend(str(own))
        command = ["plugin", "migrate", "counter", "--dry-run", "--home", str(chain.homes[3])]
        tried = CliRunner().invoke(application, command)
        assert tried.exit_code != 0
        assert "pass check from state version 1: more than 1 s of processor time" in str(tried.exception)
