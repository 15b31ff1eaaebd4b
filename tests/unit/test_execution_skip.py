"""Transactions and due items that a skip record names: no code of the plugin sees them, wherever it runs; and what hangs is named."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hnnode_native as native
import pytest

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES
from hnnode.execution import Host
from hnnode.execution.due import due_id
from hnnode.execution.executor import Executor
from hnnode.execution.group import ForeignTx
from hnnode.execution.loading import forget
from hnnode.execution.migrating import Moved, move_page
from hnnode.execution.standing import PAGE, Standing
from hnnode.plugin_api.testing import MemoryState, account_record
from hnnode.primitives.skip import EVERY_TX, Skipped

PLUGIN = Path(__file__).parents[1] / "kit" / "stuck"
SENDER = hashlib.sha256(b"someone").digest()[:20]
ACCOUNTS = {SENDER: account_record("someone", [])}
SKIPPED = CODES["HANDLER_SKIPPED"]
TIME_MS = 1_000


@pytest.fixture(params=[False, True], ids=["inside", "apart"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    host = Host.load(["stuck"], ExecutionConfig(isolated=request.param, block_cpu_ms_max=200))
    yield host.executor()
    host.close()
    forget("hn_stuck")


def tx(number: int, action: str = "work", **payload: Any) -> ForeignTx:
    item = {"item": f"i{number}", **payload}
    return number, bytes((number + 1,)) * 32, SENDER, action, json.dumps(item).encode()


def run(
    executor: Executor, txs: Sequence[ForeignTx], skipped: Skipped, state: MemoryState | None = None
) -> tuple[list[Any], list[Any]]:
    """Results of transactions, of due items."""
    found = list(
        executor.execute_block(
            [("stuck", txs)], state or MemoryState(), 5, TIME_MS, ACCOUNTS, skipped=skipped, again=lambda: None
        )
    )
    ((_, packed, due),) = found
    return native.unpack_results(packed), native.unpack_results(due) if due else []


@pytest.mark.parametrize("where", ["handler", "keys"])
def test_the_handler_is_not_called_and_the_others_are(executor: Executor, where: str) -> None:
    txs = [tx(0), tx(1, loops=True, where=where), tx(2)]
    results, _ = run(executor, txs, {"stuck": frozenset((txs[1][1],))})
    assert [(each[0], each[1]) for each in results] == [(0, 0), (1, SKIPPED), (2, 0)]
    assert [len(each[4]) for each in results] == [1, 0, 1]
    assert results[1][2:] == ("", 0, [], [])


def test_a_batch_handler_gets_the_rest(executor: Executor) -> None:
    txs = [tx(n, "many", loops=n in (0, 3, 6)) for n in range(7)]
    results, _ = run(executor, txs, {"stuck": frozenset(txs[n][1] for n in (0, 3, 6))})
    assert [each[1] for each in results] == [SKIPPED, 0, 0, SKIPPED, 0, 0, SKIPPED]
    single, _ = run(
        executor, [tx(n, loops=n in (0, 3, 6)) for n in range(7)], {"stuck": frozenset(txs[n][1] for n in (0, 3, 6))}
    )
    assert single == results


def test_every_transaction_of_the_application_may_be_skipped(executor: Executor) -> None:
    results, _ = run(executor, [tx(0, loops=True), tx(1, "many"), tx(2, "nothing")], {"stuck": frozenset((EVERY_TX,))})
    assert [each[1] for each in results] == [SKIPPED] * 3
    results, _ = run(executor, [tx(0)], {"other": frozenset((EVERY_TX,))})
    assert [each[1] for each in results] == [0]


def test_an_item_of_due_work_is_skipped_and_gone(executor: Executor) -> None:
    state = MemoryState()
    prefix = native.state_key("stuck", b"d")
    rows = [(prefix + (n).to_bytes(8, "big") + b"i%d" % n, b"loop" if n == 1 else b"go") for n in range(3)]
    state.apply(rows)
    txs = [tx(0)]
    results, due = run(executor, txs, {"stuck": frozenset((due_id(5, "stuck", 2),))}, state)
    assert [each[1] for each in results] == [0]
    assert [each[1] for each in due] == [0, 0, SKIPPED, 0]
    assert len(due[0][4]) == 3
    _, due = run(executor, txs, {"stuck": frozenset((EVERY_TX,))}, state)
    assert [each[1] for each in due] == [0, SKIPPED, SKIPPED, SKIPPED]


@pytest.mark.parametrize("others", [0, 2])
def test_a_batch_handler_that_hangs_before_its_first_transaction_is_named(
    monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """Regression: it stood at no transaction, or at one of others that were done, so nobody could sign that the right one is skipped."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    host = Host.load(["stuck"], ExecutionConfig(isolated=True, block_cpu_ms_max=200))
    executor, came = host.executor(), threading.Event()

    class Came(Exception):
        pass

    def again() -> None:
        if came.is_set():
            raise Came

    def work() -> None:
        with pytest.raises(Came):
            list(executor.execute_block([("stuck", txs)], MemoryState(), 5, TIME_MS, ACCOUNTS, again=again))

    txs = [*(tx(n) for n in range(others)), tx(others, "early"), tx(others + 1, "early"), tx(others + 2)]
    thread = threading.Thread(target=work)
    try:
        thread.start()
        want = [Standing("stuck", "early", txs[others][1], True)]
        deadline = time.monotonic() + 5
        while executor.standing() != want:
            assert time.monotonic() < deadline, executor.standing()
            time.sleep(0.01)
        time.sleep(0.2)
        assert executor.standing() == want
        came.set()
        thread.join(30)
        results, _ = run(executor, txs, {"stuck": frozenset((txs[others][1], txs[others + 1][1]))})
        assert [each[1] for each in results] == [0] * others + [SKIPPED, SKIPPED, 0]
    finally:
        came.set()
        host.close()
        thread.join(30)
        forget("hn_stuck")


def test_what_hangs_is_named_and_a_record_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, which is asked where it stands from the second try on."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    host = Host.load(["stuck"], ExecutionConfig(isolated=True, block_cpu_ms_max=200))
    executor = host.executor()
    txs = [tx(0), tx(1, loops=True), tx(2)]
    came = threading.Event()

    class Came(Exception):
        pass

    def again() -> None:
        if came.is_set():
            raise Came

    def work() -> None:
        try:
            list(executor.execute_block([("stuck", txs)], MemoryState(), 5, TIME_MS, ACCOUNTS, again=again))
        except Came:
            ended.append(True)

    ended: list[bool] = []
    thread = threading.Thread(target=work)
    try:
        assert executor.standing() == []
        thread.start()
        want = [Standing("stuck", "work", txs[1][1], True)]
        deadline = time.monotonic() + 30
        while executor.standing() != want:
            assert time.monotonic() < deadline, executor.standing()
            time.sleep(0.01)
        came.set()
        thread.join(30)
        assert ended == [True]
        assert executor.standing() == []
        results, _ = run(executor, txs, {"stuck": frozenset((txs[1][1],))})
        assert [each[1] for each in results] == [0, SKIPPED, 0]
    finally:
        came.set()
        host.close()
        thread.join(30)
        forget("hn_stuck")


def test_a_page_that_hangs_is_named_and_a_record_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    host = Host.load(["stuck"], ExecutionConfig(isolated=True, block_cpu_ms_max=200))
    page = b"\x07" * 32
    calls = 0

    class Came(Exception):
        pass

    def again() -> None:
        nonlocal calls
        calls += 1
        assert host.standing_at_page() == [Standing("stuck", PAGE, page, True)]
        if calls == 2:
            raise Came

    def migrate(value: bytes) -> Moved:
        return host.migrate("stuck", (1, 2), "move", [(b"a", value)], page, again)

    try:
        with pytest.raises(Came):
            migrate(b"loop")
        assert host.standing_at_page() == []
        assert migrate(b"go").writes == ((b"a", b"gogo"),)
        assert calls == 2
        assert host.standing_at_page() == []
    finally:
        host.close()
        forget("hn_stuck")


def test_a_page_inside_the_node_is_named_while_its_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    host = Host.load(["stuck"], ExecutionConfig(isolated=False))
    page, seen = b"\x07" * 32, []

    def look(*given: Any) -> Moved:
        seen.extend(host.standing_at_page())
        return move_page(*given)

    monkeypatch.setattr("hnnode.execution.host.move_page", look)
    try:
        assert host.migrate("stuck", (1, 2), "move", [(b"a", b"go")], page).writes == ((b"a", b"gogo"),)
        assert seen == [Standing("stuck", PAGE, page, False)]
        assert host.standing_at_page() == []
    finally:
        host.close()
        forget("hn_stuck")
