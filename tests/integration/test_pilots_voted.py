"""The three pilots as packages of a vendor: each is packed with its work counted, signed, installed and voted onto a running
chain of four nodes whose Python does not have it, and does a day's work and answers there. By the documented commands.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash

from hnnode.client import Client
from hnnode.crypto import MemorySigner, write_key_file
from hnnode.governance import PluginStore
from hnnode.packaging import PluginPackage, read_package, save_trust, sign, write_package
from hnnode.plugin_api.workload import AskingWorkload, WorkItem
from tests.kit.bare_python import bare_python
from tests.kit.plugin_packages import OPERATOR, TRUST, VENDOR
from tests.kit.plugin_votes import PluginVotes, code_of
from tests.kit.processes import ProcessChain, running_chain

pytestmark = pytest.mark.timeout(300)
PLUGINS = Path(__file__).parents[2] / "plugins"
PILOTS = ("coldchain", "medical", "realestate")
TXS = 24
AFTER = 28
"""Blocks until a proposal counts. Each of twelve proposals and votes may take two: its own and the one that certifies it."""
ABSENT = """
import importlib.metadata, importlib.util
assert not importlib.metadata.entry_points(group="hnnode.plugins")
assert not any(map(importlib.util.find_spec, ("hn_coldchain", "hn_medical", "hn_realestate")))
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands and nodes of this test run in an environment without the pilots."""
    python = bare_python(tmp_path / "python")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    subprocess.run([python, "-c", ABSENT], check=True, cwd=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        yield python


def run(*arguments: object, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "hnnode.cli", *map(str, arguments), "-o", "json"]
    environment = {**os.environ, "HNNODE_USER_DIR": str(folder / "user"), "HNNODE_LANG": "en"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder, timeout=120, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def packed(pilot: str, folder: Path) -> PluginPackage:
    """What `hnnode plugin pack --counted` makes, signed by a vendor and a data centre."""
    to = folder / "dist"
    made = run("plugin", "pack", PLUGINS / pilot, "--counted", "--to", to, folder=folder)
    package = read_package(Path(made["package"]["wheel"]), None)
    for role, signer in (("vendor", VENDOR), ("operator", OPERATOR)):
        package = package.signed(sign(package.manifest, package.code_hash, role, signer))  # type: ignore[arg-type]
    write_package(package, to)
    return package


class People:
    """Everybody a workload names, registered on the chain with the roles that it wants."""

    def __init__(self, chain: ProcessChain, workload: Any) -> None:
        self._signers = {name: MemorySigner.generate() for name in workload.actors}
        self.accounts = {name: signer.account for name, signer in self._signers.items()}
        with chain.client(0) as client:
            chain_id = bytes.fromhex(client.genesis().chain_id)
            payloads = [
                {
                    "public_key": (key := signer.public_key).hex(),
                    "organisation": name,
                    "roles": sorted(workload.actors[name]),
                    "proof": signer.sign(tagged_hash("hn/register/v1", chain_id + key)).hex(),
                }
                for name, signer in self._signers.items()
            ]
            done = client.submit_many("identity", "register", payloads, wait="committed", timeout_s=30)
        assert {(each.state, each.code) for each in done} == {("committed", 0)}

    def work(self, workload: Any, client: Client) -> list[WorkItem]:
        """Sends it wave by wave; what was committed."""
        sent: list[WorkItem] = []
        for wave in workload.waves(self.accounts, TXS):
            signed = [
                client.sign(workload.application, item.action, [item.payload], self._signers[item.actor])[0]
                for item in wave
            ]
            for item, done in zip(wave, client.send_many(signed, wait="committed", timeout_s=30), strict=True):
                assert (done.state, done.code) == ("committed", 0), (item, done)
                sent.append(item)
        return sent


def test_packages_of_the_pilots_are_voted_in_and_work_where_nobody_has_them(tmp_path: Path, bare: Path) -> None:
    with ThreadPoolExecutor(2) as pool, running_chain(tmp_path, roles=("admin",)) as chain:
        key = tmp_path / "admin.pem"
        write_key_file(key, chain.key)
        signed = ("--key", key, "--node", chain.net.nodes[0].url)
        first = chain.homes[0]
        for home in chain.homes:
            save_trust(PluginStore(home).trust, TRUST)

        def admitted(pilot: str) -> PluginPackage:
            package = packed(pilot, tmp_path)
            run("plugin", "install", tmp_path / "dist" / package.wheel_name, "--home", first, folder=tmp_path)
            for home in chain.homes[1:]:
                assert PluginStore(home).install(package)
            return package

        def proposed(package: PluginPackage) -> int:
            made = run("plugin", "propose", package.name, "--home", first, "--after", AFTER, *signed, folder=tmp_path)
            assert (made["kind"], made["code_hash"]) == ("activate", package.code_hash.hex())
            return int(made["proposal"])

        def voted(number: int) -> None:
            counted = run("plugin", "vote", number, "--home", first, *signed, folder=tmp_path)
            assert counted["power_total"] == 4

        packages = list(pool.map(admitted, PILOTS))
        numbers = list(pool.map(proposed, packages))
        list(pool.map(voted, numbers))
        others = PluginVotes(chain)
        for index in (1, 2):
            for number, package in zip(numbers, packages, strict=True):
                others.vote(number, code_of(package), index)
        chain.until(lambda: enabled(chain) == set(PILOTS), "the pilots are enabled", 60)
        for seed, pilot in enumerate(PILOTS):
            works_and_answers(chain, pilot, seed)
        chain.check_equal([0, 1, 2, 3])


def works_and_answers(chain: ProcessChain, pilot: str, seed: int) -> None:
    """Sends the pilot's workload through one node and asks another what follows from it."""
    workload = importlib.import_module(f"hn_{pilot}.workload").make_workload(seed, "mix")
    assert isinstance(workload, AskingWorkload)
    people = People(chain, workload)
    with chain.client(1) as client:
        sent = people.work(workload, client)
    asked = [question for item in sent if (question := workload.question(item)) is not None]
    assert asked
    with chain.client(2) as client:
        for question in asked[-3:]:
            found = client.query(pilot, question.query, json.loads(question.arguments)).result
            assert question.is_answered_by(found), (question, found)


def enabled(chain: ProcessChain) -> set[str]:
    """Applications that every node runs."""
    running = []
    for index in range(4):
        with chain.client(index) as client:
            plugins = client.query("governance", "plugins").result["plugins"]
        running.append({each["name"] for each in plugins if each["status"] == "enabled"})
    return set.intersection(*running)
