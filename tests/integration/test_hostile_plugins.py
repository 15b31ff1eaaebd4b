"""A hostile plugin on four node processes: two run it in processes of its own, two inside, and all come to one result;
other applications go on, memory stays bounded, and ending its processes costs nobody anything.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import pytest

from hnnode.errors import CODES
from tests.kit.processes import ProcessChain

pytestmark = pytest.mark.timeout(300)

HOSTILE = Path(__file__).parents[1] / "kit" / "hostile"
NODES = [0, 1, 2, 3]
APART = [0, 1]
MEMORY_BYTES_MAX = 500 * 1024 * 1024


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessChain]:
    monkeypatch.syspath_prepend(str(HOSTILE))
    made = ProcessChain(tmp_path, len(NODES), ["hostile"])
    paths = [str(HOSTILE), *filter(None, [os.environ.get("PYTHONPATH")])]
    made.net.environment["PYTHONPATH"] = os.pathsep.join(paths)
    for node in made.net.nodes:
        execution = msgspec.structs.replace(node.config.execution, isolated=node.index in APART, block_ms_max=120_000)
        made.net.configure(node.index, msgspec.structs.replace(node.config, execution=execution))
    with made.net:
        made.net.start_all()
        made.net.wait_ready()
        yield made


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task")
    return [int(child) for task in found.iterdir() for child in (task / "children").read_text().split()]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_every_evil_ends_the_same_on_four_nodes(chain: ProcessChain) -> None:
    from tests.unit.test_execution_hostile import OUTCOMES

    processes = {index: children(chain.net.nodes[index].pid) for index in NODES}
    assert [len(processes[index]) for index in NODES] == [1, 1, 0, 0]
    codes: dict[str, int] = {}
    for index, action in enumerate(sorted(OUTCOMES)):
        with chain.client(index % len(NODES)) as client:
            (found,) = client.submit_many("hostile", action, [{}], wait="committed", timeout_s=60.0)
            codes[action] = found.code
    assert codes == {name: CODES.get(outcome, 0) for name, outcome in OUTCOMES.items()}
    # All at once, with honest work of this application and of another one.
    payloads: list[dict[str, str]] = [{}] * 20
    with chain.client(0) as client:
        for action in ("endless", "allocate_doubling", "set_order", "good", "recursion"):
            found = client.submit_many("hostile", action, payloads, wait="committed", timeout_s=60.0)
            assert {result.code for result in found} == {codes[action]}
    chain.preserve(3)
    chain.check_equal(NODES)
    assert processes == {index: children(chain.net.nodes[index].pid) for index in NODES}
    for index in NODES:
        for pid in (chain.net.nodes[index].pid, *processes[index]):
            assert resident_bytes(pid) < MEMORY_BYTES_MAX
    # An endless query is refused on every node, and the next one answers.
    for index in NODES:
        url = f"{chain.net.nodes[index].url}/v1/applications/hostile/queries"
        refused = httpx.post(f"{url}/endless", json={}, timeout=30, trust_env=False)
        assert refused.json()["code"] == CODES["QUERY_TOO_BROAD"]
        assert httpx.post(f"{url}/count", json={}, timeout=30, trust_env=False).json()["result"]["count"] == 21


def test_ended_processes_cost_nobody_anything(chain: ProcessChain) -> None:
    """Processes of the plugin are killed while it works; then one cannot work at all and its node waits, alone."""
    with chain.client(2) as client:
        for _ in range(3):
            for index in APART:
                for pid in children(chain.net.nodes[index].pid):
                    with suppress(ProcessLookupError):  # a node that is behind replaces the one before just now
                        os.kill(pid, signal.SIGKILL)
            found = client.submit_many("hostile", "good", [{}] * 10, wait="committed", timeout_s=60.0)
            assert {result.code for result in found} == {0}
        chain.preserve(0)
        chain.check_equal(NODES)
        metrics = httpx.get(chain.net.nodes[0].metrics_url, trust_env=False).text
        assert 'hn_plugin_processes_ended_total{application="hostile"}' in metrics
        assert chain.net.status(0)["plugin_troubles"] == []
        # A process that is stopped: its node stays where it is and answers, the others go on.
        stopped, *_ = children(chain.net.nodes[0].pid)
        os.kill(stopped, signal.SIGSTOP)
        client.submit("hostile", "good", {}, wait="committed", timeout_s=60.0)
        chain.until(lambda: chain.height(2) > chain.height(0), "node 0 behind")
        assert chain.net.status(0)["height"] > 0
        started = time.monotonic()
        node = chain.net.nodes[0].process
        assert node is not None
        node.send_signal(signal.SIGTERM)
        assert node.wait(20) in (0, 1)
        assert time.monotonic() - started < 20
        assert not Path(f"/proc/{stopped}").exists()
        chain.net.start(0)
        chain.net.wait_ready([0])
        chain.until(lambda: chain.height(0) >= chain.height(2), "node 0 caught up")
        chain.check_equal(NODES)
