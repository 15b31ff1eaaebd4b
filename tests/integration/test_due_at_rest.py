"""Four node processes to which nobody sends anything: what is due is done in its time, once, and the chain rests again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.kit.processes import ProcessChain

CLOCK = Path(__file__).parents[1] / "kit" / "clock"
LATE_MS = 10_000
"""What a loaded machine may need for a block."""

pytestmark = pytest.mark.timeout(240)


@contextmanager
def clocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessChain]:
    """The second node has the plugin in a process of its own."""
    monkeypatch.syspath_prepend(str(CLOCK))
    chain = ProcessChain(folder, 4, ["clock"])
    monkeypatch.setenv("PYTHONPATH", str(CLOCK), prepend=":")
    config = chain.net.nodes[1].config
    execution = msgspec.structs.replace(config.execution, isolated=True)
    chain.net.configure(1, msgspec.structs.replace(config, execution=execution))
    with chain.net:
        chain.net.start_all()
        chain.net.wait_ready()
        yield chain


def plan(chain: ProcessChain, *items: tuple[int, str]) -> None:
    payloads = [{"in_ms": in_ms, "item": item, "what": "ok"} for in_ms, item in items]
    with chain.client(0) as client:
        results = client.submit_many("clock", "plan", payloads, wait="committed", timeout_s=30)
    assert [(r.state, r.code) for r in results] == [("committed", 0)] * len(items)


def told(chain: ProcessChain, index: int) -> list[tuple[str, str]]:
    """(cursor, item) of each event."""
    asked = {"application": "clock", "limit": 200}
    page = httpx.get(f"{chain.net.nodes[index].url}/v1/events:page", params=asked, trust_env=False).json()
    return [(event["cursor"], event["entity"]) for event in page["events"]]


def test_a_deadline_passes_and_nobody_sends_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clocks(tmp_path, monkeypatch) as chain:
        plan(chain, (4_000, "soon"), (7_000, "later"), (7_000, "too"))
        began, rest = time.monotonic(), int(chain.settle([0, 1, 2, 3])["height"])
        for count, ms in ((1, 4_000), (3, 7_000)):
            chain.until(lambda count=count: len(told(chain, 0)) >= count, f"{count} events")
            assert (time.monotonic() - began) * 1000 <= ms + LATE_MS
        height = int(chain.settle([0, 1, 2, 3])["height"])
        # Twice a block and one that certifies it; a clock may be ahead of another's.
        assert rest + 2 <= height <= rest + 6
        time.sleep(1.5)
        assert [chain.height(index) for index in range(4)] == [height] * 4
        events = told(chain, 0)
        assert [item for _, item in events] == ["soon", "later", "too"]
        assert [told(chain, index) for index in range(1, 4)] == [events] * 3
        chain.check_equal([0, 1, 2, 3])
        with chain.client(2) as client:  # what was written is certified: it can be proved without another transaction
            proof = client.state_proof("clock", b"nsoon")
            assert client.verify_proof(proof).code == 0


def test_killed_while_it_does_what_is_due_each_item_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"i{number:03}" for number in range(120)]
    with clocks(tmp_path, monkeypatch) as chain:
        plan(chain, *((2_000 + 25 * number, name) for number, name in enumerate(names)))
        chain.until(lambda: len(told(chain, 0)) >= 5, "the first items are done")
        for victim in (3, 1):
            done = len(told(chain, 0))
            chain.net.kill(victim)
            assert done < len(names), "everything was done before the kill"
            time.sleep(0.2)
            chain.net.start(victim)
        for index in range(4):  # all of them between two blocks, or in the middle of one
            chain.net.kill(index)
        chain.net.start_all()
        chain.net.wait_ready()
        for index in range(4):
            chain.until(lambda index=index: len(told(chain, index)) >= len(names), f"node {index} has every event", 60)
        chain.check_equal([0, 1, 2, 3])
        events = told(chain, 0)
        assert sorted(item for _, item in events) == names
        assert [told(chain, index) for index in range(1, 4)] == [events] * 3
        with chain.client(3) as client:
            assert client.verify_proof(client.state_proof("clock", b"ni119")).code == 0
