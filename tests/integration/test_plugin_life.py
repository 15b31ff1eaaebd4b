"""Four node processes: a plugin is installed, voted in, used, upgraded with a migration, switched off and on, and rolled
back; the chain is never restarted. Every step by the command line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hnnode.client import TxFailed
from hnnode.crypto import write_key_file
from hnnode.errors import name_of
from hnnode.packaging import write_package
from tests.kit.plugin_packages import counter_package, trust_counter
from tests.kit.plugin_votes import PluginVotes, code_of
from tests.kit.processes import ProcessChain, running_chain

pytestmark = pytest.mark.timeout(400)


class Operators(PluginVotes):
    """The people at the four nodes, and their commands."""

    def __init__(self, chain: ProcessChain, folder: Path) -> None:
        super().__init__(chain)
        self.key = folder / "admin.pem"
        write_key_file(self.key, chain.key)
        self._environment = {**os.environ, "HNNODE_USER_DIR": str(folder / "user"), "HNNODE_LANG": "en"}
        for home in chain.homes:
            trust_counter(home)

    def run(self, *arguments: object, ok: bool = True) -> dict[str, Any]:
        """One command with JSON output; its error text under `error` when it is to fail."""
        command = [sys.executable, "-m", "hnnode.cli", *map(str, arguments), "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment, timeout=60, check=False)
        assert (done.returncode == 0) == ok, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {"error": done.stderr}

    def ask(self, *arguments: object) -> dict[str, Any]:
        """A command that asks the first node."""
        return self.run(*arguments, "--node", self.chain.net.nodes[0].url)

    def tx(self, *arguments: object, ok: bool = True) -> dict[str, Any]:
        """A command that signs a transaction."""
        return self.run(*arguments, "--key", self.key, "--node", self.chain.net.nodes[0].url, ok=ok)

    def stop(self, index: int) -> None:
        """Stop one node in order, so that its files hold everything."""
        process = self.chain.net.nodes[index].process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    def start(self, index: int) -> None:
        self.chain.net.start(index)
        self.chain.net.wait_ready([index])

    def refused(self, name: str = "a") -> str:
        with self.chain.client(0) as client, pytest.raises(TxFailed) as caught:
            client.submit("counter", "add", {"name": name, "amount": 1})
        return name_of(caught.value.code)

    def status(self, index: int = 0) -> str:
        found = self.run("plugin", "list", "--node", self.chain.net.nodes[index].url)["plugins"]
        return next((str(p["status"]) for p in found if p["name"] == "counter"), "absent")


@contextmanager
def operators(tmp_path: Path) -> Iterator[Operators]:
    with running_chain(tmp_path, roles=("admin",)) as chain:
        yield Operators(chain, tmp_path)


def test_a_plugin_lives_its_whole_life_without_a_restart(tmp_path: Path) -> None:
    first, second = counter_package(tmp_path, "1.0.0"), counter_package(tmp_path, "2.0.0")
    wheels = [write_package(package, tmp_path / "dist") for package in (first, second)]
    everyone = (0, 1, 2, 3)
    with operators(tmp_path) as people:
        homes = people.chain.homes
        # By command: install, propose, vote. A vote for code that is not here is not given.
        people.run("plugin", "install", wheels[0], "--home", homes[0])
        people.install(first, 1, 2)
        made = people.tx("plugin", "propose", wheels[0], "--after", 16)
        people.tx("plugin", "vote", made["proposal"], "--home", homes[0])
        refused = people.tx("plugin", "vote", made["proposal"], "--home", homes[3], ok=False)
        assert "PLUGIN_MISSING" in refused["error"]
        people.install(first, 3)
        for home in homes[1:3]:
            counted = people.tx("plugin", "vote", made["proposal"], "--home", home)
        assert (counted["power_for"], counted["power_total"]) == (3, 4)
        people.reach(int(made["activation_height"]), *everyone)
        assert people.status(3) == "enabled"
        for i in everyone:
            people.add("a", 10 * (i + 1), i)
        assert people.total("a") == (1, 100)

        # An upgrade with a migration, tried on the files of a node that rests.
        people.install(second, *everyone)
        people.stop(3)
        tried = people.run("plugin", "migrate", "counter", "--dry-run", "--home", homes[3])
        assert (tried["from_version"], tried["to_version"], tried["problem"]) == (1, 2, "")
        passes = [(p["phase"], p["rows"], p["writes"]) for p in tried["passes"]]
        assert passes == [("check", 1, 0), ("move", 1, 2), ("verify", 1, 0)]
        people.start(3)
        people.decide("upgrade", code_of(second))
        people.wait_enabled("2.0.0")
        assert people.total("a") == (2, 100)
        people.add("a", 1)
        assert people.total("a", 3) == (2, 101)

        # Off and on: queries and proofs stay.
        off = people.tx("plugin", "disable", "counter", "--after", 10)
        people.vote(int(off["proposal"]), code_of(second), 0, 1, 2)
        people.reach(int(off["activation_height"]), *everyone)
        assert people.refused() == "APPLICATION_DISABLED"
        assert people.total("a") == (2, 101)
        with people.chain.client(0) as client:
            assert client.verify_proof(client.state_proof("counter", b"na")).valid
        on = people.tx("plugin", "enable", "counter", "--after", 10)
        people.vote(int(on["proposal"]), code_of(second), 0, 1, 2)
        people.reach(int(on["activation_height"]), *everyone)
        people.add("a", 1)

        # Back to the version before, by the step that the newer code knows.
        found = people.ask("plugin", "info", "counter", "--home", homes[0])
        old = next(each["code_hash"] for each in found["installed"] if each["version"] == "1.0.0")
        back = people.tx("plugin", "propose", "counter", "--code-hash", old, "--home", homes[0], "--after", 10)
        assert back["kind"] == "upgrade"
        people.vote(int(back["proposal"]), code_of(first), 0, 1, 2)
        people.wait_enabled("1.0.0")
        assert people.total("a") == (1, 102)
        people.add("a", 1)
        people.chain.check_equal([*everyone])
        assert [p["outcome"] for p in people.ask("plugin", "proposals")["proposals"]] == ["active"] * 5
