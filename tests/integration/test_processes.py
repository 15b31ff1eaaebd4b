"""Four node processes on loopback: kill one, kill all, restart, join late. After each fault every acknowledged transaction is there."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from hnnode.errors import ConfigError
from hnnode.node.build import open_node
from hnnode.storage import Home
from tests.kit.processes import running_chain

pytestmark = pytest.mark.timeout(240)


def test_killed_validator_is_not_missed_and_catches_up(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        acknowledged = chain.preserve(0)
        chain.net.kill(3)
        acknowledged += chain.preserve(1)
        acknowledged += chain.preserve(2)
        chain.net.start(3)
        chain.net.wait_ready([3])
        chain.until(lambda: chain.height(3) >= chain.height(0), "node 3 caught up")
        chain.check_equal([0, 1, 2, 3])
        chain.check_committed(3, acknowledged)
        # The restarted one is needed for a quorum now.
        chain.net.kill(0)
        chain.preserve(3)


def test_all_killed_at_once_lose_nothing_acknowledged(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        acknowledged: list[str] = []
        for _ in range(3):
            for index in range(4):
                acknowledged += chain.preserve(index, 10)
            for index in range(4):
                chain.net.kill(index)
            chain.net.start_all()
            chain.net.wait_ready()
            # Node 0 may have died a block before the one that acknowledged.
            chain.settle([0, 1, 2, 3])
            chain.check_committed(0, acknowledged)
        chain.preserve(2)
        chain.check_equal([0, 1, 2, 3])


def test_late_joiner_with_an_empty_disk_reaches_the_tip(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        chain.net.kill(2)
        shutil.rmtree(Home(chain.homes[2]).data)
        Home(chain.homes[2]).sign_state.unlink()
        acknowledged = [tx for _ in range(5) for tx in chain.preserve(0, 30)]
        chain.net.start(2)
        chain.net.wait_ready([2])
        chain.until(lambda: chain.height(2) >= chain.height(0), "joined")
        chain.check_equal([0, 1, 2, 3])
        chain.check_committed(2, acknowledged)


def test_validators_killed_under_load_keep_every_acknowledged_transaction(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        acknowledged: list[str] = []
        stop = threading.Event()
        failures: list[BaseException] = []

        def load(index: int) -> None:
            try:
                while not stop.is_set():
                    acknowledged.extend(chain.preserve(index, 15, timeout_s=60.0))
            except BaseException as e:  # noqa: BLE001 - reported by the main thread
                failures.append(e)

        threads = [threading.Thread(target=load, args=(i,)) for i in (0, 1)]
        for thread in threads:
            thread.start()
        for victim in (2, 3, 2):
            time.sleep(1.0)
            chain.net.kill(victim)
            time.sleep(0.7)
            chain.net.start(victim)
            chain.net.wait_ready([victim])
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures, failures
        assert len(acknowledged) >= 100, "the load before and during the faults was too low to mean anything"
        chain.check_equal([0, 1, 2, 3])
        for index in (2, 3):
            chain.check_committed(index, acknowledged)


def test_node_refuses_a_second_process_and_a_foreign_genesis(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        chain.preserve(0, 3)
        with pytest.raises(ConfigError, match="DATABASE_LOCKED"):
            open_node(chain.homes[0], lambda _: None)
        chain.net.kill(1)
        text = Home(chain.homes[1]).genesis.read_text("utf-8")
        Home(chain.homes[1]).genesis.write_text(text.replace('"time_ms": 1', '"time_ms": 2', 1), "utf-8")
        with pytest.raises(ConfigError, match="GENESIS_INVALID"):
            open_node(chain.homes[1], lambda _: None)
