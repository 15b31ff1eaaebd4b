"""A chain of node processes on loopback for fault tests: real `hnnode start`, real sockets, SIGKILL."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from hnnode_native import SecretKey

from hnnode.bench.localnet import LocalNet, shifted_base
from hnnode.client import Client
from hnnode.crypto import MemorySigner
from hnnode.crypto.keys import generate_key
from hnnode.node.genesis import GenesisAccount, PortPlan, write_testnet


class ProcessChain:
    """`net` starts, kills and stops the processes; `client(i)` talks to node i."""

    def __init__(self, directory: Path, count: int, applications: Sequence[str] = ()) -> None:
        self.key: SecretKey = generate_key()
        base = shifted_base(21_000, count * 3)
        self.homes = write_testnet(
            directory,
            nodes=count,
            chain_name="hn_test",
            role="city",
            applications=applications,
            accounts=[GenesisAccount(self.key.public_key(), "委办局", ())],
            ports=PortPlan(p2p=base, http=base + count, metrics=base + 2 * count),
        )
        self.net = LocalNet.of(self.homes)
        self._number = 0

    def client(self, index: int) -> Client:
        return Client(self.net.nodes[index].url, signer=MemorySigner(self.key))

    def preserve(self, index: int, count: int = 20, timeout_s: float = 30.0) -> list[str]:
        """Commit `count` records through one node; returns their ids once each is committed with code 0."""
        start = self._number
        self._number += count
        payloads = [{"hash": f"{start + i:064x}", "algorithm": "sm3"} for i in range(count)]
        with self.client(index) as client:
            results = client.submit_many("evidence", "preserve", payloads, wait="committed", timeout_s=timeout_s)
        assert [(r.state, r.code) for r in results] == [("committed", 0)] * count, results[0]
        return [str(r.tx_id) for r in results]

    def height(self, index: int) -> int:
        return int(self.net.status(index)["height"])

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.05)

    def settle(self, indices: list[int]) -> dict[str, Any]:
        """Until the given nodes report one height and block hash twice in a row; returns that status."""

        def statuses() -> list[dict[str, Any]]:
            return [self.net.status(i) for i in indices]

        def equal() -> bool:
            first, second = statuses(), statuses()
            return len({(s["height"], s["block_hash"]) for s in (*first, *second)}) == 1

        self.until(equal, "equal tips")
        return self.net.status(indices[0])

    def check_equal(self, indices: list[int]) -> None:
        """One block hash and one set of roots at every height, on every node."""
        height = int(self.settle(indices)["height"])
        for h in range(1, height + 1):
            blocks = [httpx.get(f"{self.net.nodes[i].url}/v1/blocks/{h}", trust_env=False).json() for i in indices]
            facts = {json.dumps({k: b[k] for k in ("block_hash", "state_root", "receipts_root")}) for b in blocks}
            assert len(facts) == 1, f"fork at height {h}: {facts}"

    def check_committed(self, index: int, tx_ids: list[str]) -> None:
        with self.client(index) as client:
            for tx_id in tx_ids:
                receipt = client.receipt(tx_id)
                assert (receipt.status, receipt.code) == ("committed", 0)


@contextmanager
def running_chain(directory: Path, count: int = 4) -> Iterator[ProcessChain]:
    chain = ProcessChain(directory, count)
    with chain.net:
        chain.net.start_all()
        chain.net.wait_ready()
        yield chain
