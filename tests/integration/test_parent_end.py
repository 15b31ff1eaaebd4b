"""A node that was told to stop with its parent does so on real processes, also when the parent is gone before the node looks."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hnnode.bench.localnet import LocalNet, shifted_base
from hnnode.cli.node import holder_of
from hnnode.node.genesis import PortPlan, write_testnet
from hnnode.storage import Home

END_S = 30.0
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[LocalNet]:
    base = shifted_base(23_000 + os.getpid() % 200 * 3, 3)
    homes = write_testnet(
        tmp_path,
        nodes=1,
        chain_name="hn_test",
        role="city",
        applications=[],
        accounts=[],
        ports=PortPlan(p2p=base, http=base + 1, metrics=base + 2),
    )
    yield LocalNet.of(homes)
    if (left := holder_of(Home(homes[0]).lock)) is not None:
        os.kill(left, signal.SIGKILL)


@contextmanager
def shell(script: str) -> Iterator[subprocess.Popen[str]]:
    """A starter. Its output ends when the last process that it started does."""
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as starter:
        yield starter
        starter.kill()


def start(net: LocalNet, *options: str) -> str:
    words = ["env", "HNNODE_LANG=en", sys.executable, "-m", "hnnode.cli", "start", "--home", str(net.nodes[0].home)]
    return " ".join([*map(shlex.quote, words), *options])


def wait_ready(net: LocalNet, starter: subprocess.Popen[str]) -> None:
    """`LocalNet` did not start the node: it sees that somebody did."""
    net.nodes[0].process = starter  # type: ignore[assignment]
    net.wait_ready([0])


@pytest.mark.parametrize("options", ["--stop-with-parent", "--parent $$"])
def test_a_node_ends_with_its_parent(net: LocalNet, options: str) -> None:
    with shell(f"{start(net, options)} & wait") as starter:
        wait_ready(net, starter)
        starter.kill()
        said, _ = starter.communicate(timeout=END_S)
    assert "node stopped" in said
    assert holder_of(Home(net.nodes[0].home).lock) is None


def test_a_parent_that_ended_before_is_not_missed(net: LocalNet) -> None:
    """The node's own program begins half a second after its parent ended."""
    with shell(f"p=$$; (sleep 0.5; exec {start(net, '--parent $p')}) &") as starter:
        assert starter.wait(END_S) == 0
        said, _ = starter.communicate(timeout=END_S)
    assert f"the parent process {starter.pid} has ended" in said
    assert holder_of(Home(net.nodes[0].home).lock) is None
