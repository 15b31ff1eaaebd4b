"""The line of queries in front of an isolated application: order, bounds, deadlines, and what one bad query may do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.errors import FatalError, Rejected, Unavailable
from hnnode.execution import Host
from hnnode.execution.isolation.application import IsolatedApplication
from hnnode.execution.isolation.process import QUERY_NICENESS
from hnnode.execution.isolation.queries import TOGETHER_MAX
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.testing import MemoryState

CODE = """
from typing import Annotated
import os
import msgspec
from hnnode.plugin_api import hookimpl

class P(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0

def act(tx, p): tx.put(b"n", b"1")
def q_echo(view, p): return {"n": p.n, "pid": os.getpid(), "at": (view.get(b"n") or b"").decode()}
def q_dies(view, p): os._exit(0)

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.action("act", P, act, title_zh="x", title_en="x")
        for f in (q_echo, q_dies):
            registry.query(f.__name__, P, f, title_zh="x", title_en="x")

plugin = Plugin()
"""
PREFIX = b"\x04line"
WAITING_MAX = 40
WAIT_S = 30.0


class Gate:
    """A state whose reads wait until it is opened, so that the process is busy for as long as a test wants."""

    def __init__(self) -> None:
        self.height = 7
        self.entered, self.open = threading.Event(), threading.Event()

    def get(self, key: bytes) -> bytes | None:
        self.entered.set()
        if not self.open.wait(WAIT_S):
            raise AssertionError("nobody opened the gate")
        return b"seven"

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        return []

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(page_ids)


def made(folder: Path, **settings: int) -> Host:
    package = folder / "hn_line"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(CODE)
    source = PluginSource("line", "1", "hn_line:plugin", folder, package, code_hash(package, tagged_hash), False, True)
    return Host([source], [], tagged_hash, ExecutionConfig(query_ms_max=20_000, **settings))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = made(tmp_path_factory.mktemp("line"), queries_waiting_max=WAITING_MAX, query_wait_ms=20_000)
    yield host
    host.close()
    forget("hn_line")


@pytest.fixture
def gate(host: Host) -> Iterator[Gate]:
    """The process of the host is busy with a query until the gate opens."""
    gate = Gate()
    first = ask(host, 0, lambda: gate)
    assert gate.entered.wait(WAIT_S)
    yield gate
    gate.open.set()
    assert first.result(WAIT_S)["at"] == "seven"


def ask(host: Host, n: int, state: Callable[[], Any] = MemoryState, query: str = "q_echo") -> Any:
    found = host.node_applications().ask("line", query, b'{"n":%d}' % n, state, lambda answer, height: answer)
    assert found is not None
    return found


def test_queries_wait_for_their_turn_and_are_answered_in_order(host: Host, gate: Gate) -> None:
    count, ends = 2 * TOGETHER_MAX + 3, []
    asked = [ask(host, n) for n in range(count)]
    for n, future in enumerate(asked):
        future.add_done_callback(lambda _, n=n: ends.append(n))
    gate.open.set()
    answers = [future.result(WAIT_S) for future in asked]
    assert [answer["n"] for answer in answers] == list(range(count)) == ends
    assert len({answer["pid"] for answer in answers}) == 1


def test_a_query_is_asked_of_the_state_of_its_turn(host: Host, gate: Gate) -> None:
    state = MemoryState()
    asked = ask(host, 1, lambda: state)
    state.apply([(PREFIX + b"n", b"later")])
    state.height = 9
    gate.open.set()
    assert asked.result(WAIT_S) | {"pid": 0} == {"as_of_height": 9, "n": 1, "pid": 0, "at": "later"}


def test_a_full_line_refuses_at_once_and_takes_again(host: Host, gate: Gate) -> None:
    asked = [ask(host, n) for n in range(WAITING_MAX)]
    with pytest.raises(Unavailable) as refused:
        ask(host, 0)
    assert refused.value.info.name == "NOT_READY"
    assert refused.value.retry_after_ms
    asked[3].cancel()
    gate.open.set()
    assert [future.result(WAIT_S)["n"] for future in asked if not future.cancelled()] == [
        0,
        1,
        2,
        *range(4, WAITING_MAX),
    ]
    assert ask(host, 5).result(WAIT_S)["n"] == 5


def test_processes_for_queries_stand_behind_those_for_blocks(host: Host) -> None:
    table = host.applications["line"]
    assert isinstance(table, IsolatedApplication)
    pid, blocks = ask(host, 1).result(WAIT_S)["pid"], table._for_blocks
    assert blocks is not None
    priority = os.getpriority(os.PRIO_PROCESS, os.getpid())
    assert os.getpriority(os.PRIO_PROCESS, blocks.pid) == priority
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, priority + QUERY_NICENESS)


def test_a_turn_that_comes_too_late(tmp_path: Path) -> None:
    host = made(tmp_path, query_wait_ms=1_000)
    try:
        gate = Gate()
        first = ask(host, 0, lambda: gate)
        assert gate.entered.wait(WAIT_S)
        late = ask(host, 1)
        threading.Timer(1.2, gate.open.set).start()
        with pytest.raises(Unavailable, match="no turn within"):
            late.result(WAIT_S)
        assert first.result(WAIT_S)["n"] == 0
    finally:
        host.close()
        forget("hn_line")


def test_what_ends_the_process_refuses_one_query_alone(host: Host, gate: Gate) -> None:
    def lost() -> Any:
        raise Unavailable("NOT_FOUND", "not kept")

    def broken(key: bytes) -> bytes | None:
        raise FatalError("STORAGE_FAILED", "gone")

    faulty = MemoryState()
    faulty.get = faulty.get_many = broken  # type: ignore[method-assign,assignment]
    asked = [ask(host, 1), ask(host, 2, query="q_dies"), ask(host, 3, lost), ask(host, 4), ask(host, 5, lambda: faulty)]
    asked += [ask(host, 6), ask(host, 7, query="q_dies"), ask(host, 8)]
    gate.open.set()
    failures = [future.exception(WAIT_S) for future in asked]
    assert [type(failure) for failure in failures] == [
        type(None), Rejected, Unavailable, type(None), FatalError, type(None), Rejected, type(None)
    ]  # fmt: skip
    assert [future.result()["n"] for future, failure in zip(asked, failures, strict=True) if failure is None] == [
        1,
        4,
        6,
        8,
    ]


def test_queries_that_wait_when_the_node_stops_are_told_so(tmp_path: Path) -> None:
    host = made(tmp_path, query_processes=2)
    gates = [Gate(), Gate()]
    busy = [ask(host, n, lambda gate=gate: gate) for n, gate in enumerate(gates)]
    assert all(gate.entered.wait(WAIT_S) for gate in gates)  # two processes are at work
    waiting = [ask(host, n) for n in range(5)]
    closing = threading.Thread(target=host.close)
    closing.start()
    while len(waiting) < WAITING_MAX:  # until it is heard that the host stops
        try:
            waiting.append(ask(host, 1))
        except Unavailable:
            break
        time.sleep(0.01)
    for gate in gates:
        gate.open.set()
    for future in (*busy, *waiting):
        with pytest.raises(Unavailable, match="the node is stopping"):
            future.result(WAIT_S)
    closing.join(WAIT_S)
    forget("hn_line")
