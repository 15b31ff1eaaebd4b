"""Four node processes: a plugin is installed, voted in, used, upgraded with a migration, switched off and on, and rolled
back; the chain is never restarted. Every step by the command line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hnnode.client import TxFailed
from hnnode.crypto import write_key_file
from hnnode.storage import Home
from tests.kit.plugin_packages import counter_wheel, trust_counter
from tests.kit.processes import ProcessChain, running_chain

pytestmark = pytest.mark.timeout(240)


class Operators:
    """The people at the four nodes, and their commands."""

    def __init__(self, chain: ProcessChain, folder: Path) -> None:
        self.chain = chain
        self._key = folder / "admin.pem"
        write_key_file(self._key, chain.key)
        self._environment = {**os.environ, "HNNODE_USER_DIR": str(folder / "user"), "HNNODE_LANG": "en"}
        for home in chain.homes:
            trust_counter(home)

    def run(self, *arguments: object, ok: bool = True) -> dict[str, Any]:
        """One command with JSON output; its error text under `error` when it is to fail."""
        command = [sys.executable, "-m", "hnnode.cli", *map(str, arguments), "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment, timeout=60, check=False)
        assert (done.returncode == 0) == ok, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {"error": done.stderr}

    def tx(self, *arguments: object, ok: bool = True) -> dict[str, Any]:
        """A command that signs a transaction."""
        url = self.chain.net.nodes[0].url
        return self.run(*arguments, "--key", self._key, "--node", url, ok=ok)

    def install(self, wheel: Path, *indices: int) -> None:
        for index in indices:
            self.run("plugin", "install", wheel, "--home", self.chain.homes[index])

    def decide(self, *propose: object, voters: tuple[int, ...] = (0, 1, 2), after: int = 12) -> int:
        """Propose and vote; returns the height from which it counts."""
        made = self.tx("plugin", *propose, "--after", after)
        for index in voters:
            self.tx("plugin", "vote", made["proposal"], "--home", self.chain.homes[index])
        return int(made["activation_height"])

    def reach(self, height: int, *indices: int) -> None:
        """Until these nodes stand at a height; without an accepted proposal something must be sent for it."""
        deadline = time.monotonic() + 60
        while min(self.chain.height(i) for i in indices) < height:
            assert time.monotonic() < deadline, f"height {height} is not reached"
            time.sleep(0.1)

    def add(self, name: str, amount: int, index: int = 0) -> None:
        with self.chain.client(index) as client:
            client.submit("counter", "add", {"name": name, "amount": amount})

    def refused(self, name: str = "a") -> str:
        with self.chain.client(0) as client, pytest.raises(TxFailed) as caught:
            client.submit("counter", "add", {"name": name, "amount": 1})
        return caught.value.name

    def total(self, name: str, index: int = 0) -> dict[str, Any]:
        with self.chain.client(index) as client:
            found = client.query("counter", "total", {"name": name}).result
            return {field: found[field] for field in ("layout", "total")}

    def status(self, index: int = 0) -> str:
        found = self.run("plugin", "list", "--node", self.chain.net.nodes[index].url)["plugins"]
        return next((str(p["status"]) for p in found if p["name"] == "counter"), "absent")


@contextmanager
def operators(tmp_path: Path) -> Iterator[Operators]:
    with running_chain(tmp_path, roles=("admin",)) as chain:
        yield Operators(chain, tmp_path)


def test_a_plugin_lives_its_whole_life_without_a_restart(tmp_path: Path) -> None:
    first, second = counter_wheel(tmp_path, "1.0.0"), counter_wheel(tmp_path, "2.0.0")
    with operators(tmp_path) as people:
        everyone = (0, 1, 2, 3)
        people.install(first, *everyone)
        height = people.decide("propose", first)
        people.reach(height, *everyone)
        assert {people.status(i) for i in everyone} == {"enabled"}
        for i in range(4):
            people.add("a", 10 * (i + 1), i)
        assert people.total("a") == {"layout": 1, "total": 100}

        people.install(second, *everyone)
        tried = people.run("plugin", "migrate", "counter", "--dry-run", "--home", people.chain.homes[0], ok=True)
        assert (tried["from_version"], tried["to_version"], tried["problem"]) == (1, 2, "")
        height = people.decide("propose", second)
        people.reach(height + 3, *everyone)
        people.chain.until(lambda: people.total("a") == {"layout": 2, "total": 100}, "the migration")
        people.add("a", 1)
        assert people.total("a", 3) == {"layout": 2, "total": 101}

        people.reach(people.decide("disable", "counter"), *everyone)
        assert people.refused() == "APPLICATION_DISABLED"
        assert people.total("a") == {"layout": 2, "total": 101}
        with people.chain.client(0) as client:
            assert client.verify_proof(client.state_proof("counter", b"na")).valid
        people.reach(people.decide("enable", "counter"), *everyone)
        people.add("a", 1)

        found = people.run("plugin", "info", "counter", "--home", people.chain.homes[0], "--node", people.chain.net.nodes[0].url)
        old = next(each["code_hash"] for each in found["installed"] if each["version"] == "1.0.0")
        height = people.decide("propose", "counter", "--code-hash", old, "--home", people.chain.homes[0])
        people.reach(height + 3, *everyone)
        people.chain.until(lambda: people.total("a") == {"layout": 1, "total": 102}, "the way back")
        people.add("a", 1)
        people.chain.check_equal([0, 1, 2, 3])
        outcomes = [p["outcome"] for p in people.run("plugin", "proposals", "--node", people.chain.net.nodes[0].url)["proposals"]]
        assert outcomes == ["active"] * 5
