"""Proposals and votes for tests that are about what follows from them: submitted directly, without the command line."""

from __future__ import annotations

import time

from hnnode.crypto import read_key_file
from hnnode.execution.governance_records import Code, proposal_of
from hnnode.governance.voting import propose_payload, vote_payload
from hnnode.node.genesis import load_genesis
from hnnode.packaging import PluginPackage
from hnnode.storage import Home
from tests.kit.plugin_packages import trust_counter
from tests.kit.processes import ProcessChain


class PluginVotes:
    """One chain whose account is an administrator's."""

    def __init__(self, chain: ProcessChain, name: str = "counter") -> None:
        self.chain = chain
        self._name = name
        self._genesis = load_genesis(Home(chain.homes[0]).genesis)

    def install(self, package: PluginPackage, *indices: int) -> None:
        for index in indices:
            trust_counter(self.chain.homes[index]).install(package)

    def propose(self, kind: str, code: Code, *, after: int = 6, through: int = 0) -> tuple[int, int]:
        """(number, height from which it counts)."""
        height = self.chain.height(through) + after
        with self.chain.client(through) as client:
            client.submit("governance", "propose", propose_payload(kind, self._name, code, height))
            opened = client.query("governance", "proposals").result["open"]
        return next(int(each["number"]) for each in opened if each["name"] == self._name), height

    def vote(self, number: int, code: Code, *indices: int, through: int = 0, approve: bool = True) -> None:
        facts = self._genesis
        with self.chain.client(through) as client:
            proposal = proposal_of(client.query("governance", "proposal", {"number": number}).result)
            assert proposal.code == code
            for index in indices:
                key = read_key_file(Home(self.chain.homes[index]).key)
                payload = vote_payload(key, facts.validators, facts.chain_id, proposal, approve=approve)
                client.submit("governance", "vote", payload)

    def decide(
        self, kind: str, code: Code, *, voters: tuple[int, ...] = (0, 1, 2), after: int = 10, through: int = 0
    ) -> int:
        """Height from which it counts."""
        number, height = self.propose(kind, code, after=after, through=through)
        self.vote(number, code, *voters, through=through)
        return height

    def reach(self, height: int, *indices: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while min(self.chain.height(i) for i in indices) < height:
            assert time.monotonic() < deadline, f"height {height} is not reached"
            time.sleep(0.1)

    def wait_enabled(self, version: str, *, through: int = 0) -> None:
        """Until the chain runs this version and its migration is over."""

        def enabled() -> bool:
            with self.chain.client(through) as client:
                plugins = client.query("governance", "plugins").result["plugins"]
            return [(p["status"], p["code"]["version"]) for p in plugins] == [("enabled", version)]

        self.chain.until(enabled, f"version {version} is enabled", 60)

    def add(self, name: str, amount: int, index: int = 0) -> None:
        with self.chain.client(index) as client:
            client.submit("counter", "add", {"name": name, "amount": amount})

    def total(self, name: str, index: int = 0) -> tuple[int, int]:
        """(layout, total)."""
        with self.chain.client(index) as client:
            found = client.query("counter", "total", {"name": name}).result
        return found["layout"], found["total"]


def code_of(package: PluginPackage) -> Code:
    plugin = package.manifest.plugin
    return Code(plugin.version, plugin.api_version, plugin.state_version, package.code_hash.hex())
