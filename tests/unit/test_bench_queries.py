"""Queries beside a load: what is asked when, what counts as failed, and whose CPU time is billed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import hnnode_native as native
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.bench.asking import UNSENT, WRONG, Asked, Asker, failed
from hnnode.bench.compare import compare
from hnnode.bench.isolation import beside
from hnnode.bench.localnet import shifted_base
from hnnode.bench.pool import POOL_MAX, SETTLED_S, Pool
from hnnode.bench.processes import descendants, usage
from hnnode.bench.tally import Tally
from hnnode.bench.workload import QUESTIONS_PER_BUNDLE, Bundle, Signing, flavour_of, queries_per_tx, workload
from hnnode.errors import CODES, ConfigError
from hnnode.plugin_api import Question, WorkItem


def _id(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _bundle(number: int, ids: range, *asked: Question) -> Bundle:
    return Bundle(b"", tuple(map(_id, ids)), number, -1, number, asked)


def _question(name: str) -> Question:
    return Question("case", json.dumps({"case": name}).encode(), {"case": name})


def test_an_answer_may_say_more_but_not_otherwise() -> None:
    question = Question("q", b"{}", {"a": 1, "in": {"b": None}, "list": [{"c": "x"}], "one": frozenset(("y", "z"))})
    right = {"a": 1, "in": {"b": None, "more": 2}, "list": [{"c": "x", "d": 0}], "one": "z", "other": []}
    assert question.is_answered_by(right)
    for change in (
        {"a": 2},
        {"in": {}},
        {"in": None},
        {"list": []},
        {"list": [{"c": "x"}, {"c": "x"}]},
        {"one": "x"},
        {"one": ["y"]},
    ):
        assert not question.is_answered_by(right | change)
    assert not question.is_answered_by(None)


@settings(deadline=None, max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_every_answer_answers_itself(answer: Any) -> None:
    assert Question("q", b"", {"it": answer}).is_answered_by({"it": answer, "more": 1})


def test_a_question_waits_until_its_whole_bundle_is_settled() -> None:
    pool = Pool()
    tally = Tally(pool=pool)
    good, bad, open_ = (_bundle(n, range(10 * n, 10 * n + 4), _question(str(n))) for n in range(3))
    pool.expect([good, bad, open_])
    tally.expect([good, bad, open_])
    tally.on_block([_id(0), _id(1), _id(10), _id(20)], [0, 0, 4001, 0], 1.0)
    assert pool.take(9.0) is None
    tally.on_block([_id(2), _id(3), *map(_id, range(11, 14)), _id(99)], [0] * 6, 2.0)
    assert pool.take(2.0 + SETTLED_S / 2) is None
    assert pool.take(2.0 + SETTLED_S) == _question("0")
    taken = [pool.take(9.0) for _ in range(50)]
    assert all(question == _question("0") for question in taken)


def test_the_pool_is_bounded_and_keeps_the_latest() -> None:
    pool = Pool()
    count = POOL_MAX // 2
    for number in range(3):
        bundle = _bundle(number, range(1), *(_question(f"{number}/{i}") for i in range(count)))
        pool.expect([bundle])
        pool.on_commit(number, 1, 0.0)
    seen = {question.arguments.split(b"/")[0][-1:] for _ in range(500) if (question := pool.take(9.0))}
    assert seen == {b"1", b"2"}


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, {"height": 1, "result": {"case": "a", "more": 1}}, None),
        (200, {"height": 1, "result": {"case": "b"}}, WRONG),
        (200, {"height": 1}, WRONG),
        (200, [], WRONG),
        (404, {"code": CODES["NOT_FOUND"]}, "NOT_FOUND"),
        (503, {"code": 0}, "HTTP_503"),
        (500, [1], "HTTP_500"),
    ],
)
def test_what_counts_as_failed(status: int, body: Any, found: str | None) -> None:
    assert failed(status, json.dumps(body).encode(), _question("a")) == found
    assert failed(status, b"<html>", _question("a")) == WRONG


async def _ask(answer: Callable[[bytes], bytes | None], rate: float, count: int) -> tuple[Asked, list[bytes]]:
    """Ask a door about `count` times; `answer` gives the body for a request's body, None never answers."""
    bodies: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            assert head.startswith(b"POST /v1/applications/demo/queries/case HTTP/1.1\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            bodies.append(await reader.readexactly(length))
            said = answer(bodies[-1])
            if said is None:
                await asyncio.sleep(0.4)
                said = b"{}"
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    pool, asked = Pool(), Asked()
    pool.expect([_bundle(0, range(1), _question("a"), _question("b"))])
    pool.on_commit(0, 1, -SETTLED_S)
    start_s = time.monotonic()
    await Asker([url], "demo", pool, asked).run(lambda now_s: rate * (now_s - start_s), start_s + count / rate, rate)
    server.close()
    await asyncio.gather(*(task for task in serving if task is not None))
    await asyncio.sleep(0.05)  # closed connections go in the next rounds of the loop
    return asked, bodies


def test_each_query_is_sent_when_due_and_its_answer_checked() -> None:
    def answer(body: bytes) -> bytes:
        return json.dumps({"height": 1, "result": {"case": "a"}}).encode()

    asked, bodies = asyncio.run(_ask(answer, 400.0, 100))
    right = sum(json.loads(body) == {"case": "a"} for body in bodies)
    unsent = asked.failed[UNSENT]  # a machine that stood still for a while
    assert asked.offered == len(bodies) + unsent
    assert asked.offered in (99, 100)
    assert asked.answered == right
    assert asked.failed[WRONG] == len(bodies) - right
    facts = asked.facts(2, 3 * asked.offered)
    assert (facts["share"], facts["offered_per_s"]) == (0.25, asked.offered / 2)
    assert facts["failed"] == len(bodies) - right + unsent
    assert [row["query"] for row in facts["by_query"]] == ["case"]
    assert facts["latency_ms"]["p50"] is not None
    assert sum(asked.per_second(asked.answered_s[0], 60)) == right


def test_what_no_connection_is_free_for_counts_as_offered_and_failed() -> None:
    asked, bodies = asyncio.run(_ask(lambda body: None, 1000.0, 200))
    assert asked.failed[UNSENT] > 0
    assert asked.failed[WRONG] == len(bodies)
    assert asked.offered == len(bodies) + asked.failed[UNSENT]
    assert asked.answered == 0


def test_a_door_that_is_away_fails_and_is_asked_again() -> None:
    pool, asked = Pool(), Asked()
    pool.expect([_bundle(0, range(1), _question("a"))])
    pool.on_commit(0, 1, -SETTLED_S)
    url = f"http://127.0.0.1:{shifted_base(43_500, 1)}"

    async def run() -> None:
        start_s = time.monotonic()
        await Asker([url], "demo", pool, asked).run(lambda now_s: 100 * (now_s - start_s), start_s + 0.1, 100.0)

    asyncio.run(run())
    assert asked.offered == asked.failed.total()
    assert asked.failed["NODE_UNREACHABLE"] > 0


def test_nothing_is_offered_while_nothing_is_known() -> None:
    asked = Asked()

    async def run() -> None:
        start_s = time.monotonic()
        asker = Asker(["http://127.0.0.1:9"], "demo", Pool(), asked)
        await asker.run(lambda now_s: 100 * (now_s - start_s), start_s + 0.05, 100.0)

    asyncio.run(run())
    assert (asked.offered, asked.failed.total()) == (0, 0)
    assert asked.facts(1, 0)["latency_ms"]["p99"] is None


def test_evidence_asks_only_where_it_is_told_to() -> None:
    silent, asking = workload("evidence", "", 1), workload("evidence", "mix", 1)
    assert (flavour_of(silent, ""), flavour_of(asking, "mix")) == ("chain", "mix")
    assert (queries_per_tx(silent), queries_per_tx(asking)) == (0.0, 0.25)
    with pytest.raises(ConfigError):
        workload("evidence", "odd", 1)
    keys = {name: native.SecretKey.generate(name.encode().ljust(32, b"x")) for name in asking.actors}
    for load, fewest, most in ((silent, 0, 0), (asking, 1, QUESTIONS_PER_BUNDLE + 1)):
        bundles = Signing(keys, bytes(32), "evidence").bundles([load], 400, 200, 100, lambda more: None)
        assert len(bundles) == 2
        assert all(fewest <= len(bundle.questions) <= most for bundle in bundles)
    item = WorkItem("writer_0", "preserve", b'{"hash": "ab"}')
    question = asking.question(item)  # type: ignore[attr-defined]
    assert (question.query, json.loads(question.arguments)) == ("verify", {"hash": "ab"})


SPIN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def test_time_and_memory_of_children_are_counted_apart_and_stay_when_they_end() -> None:
    grandchild = (
        f"import subprocess, sys\n{SPIN.format(0.1)}subprocess.run([sys.executable, '-c', {SPIN.format(0.2)!r}])\n"
    )
    middle = f"import subprocess, sys, time\nchild = subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n" + (
        "sys.stdin.readline()\nchild.wait()\nprint('ended', flush=True)\nsys.stdin.readline()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", middle], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        deadline_s, latest, rss = time.monotonic() + 30, 0.0, 0
        while (found := usage(process.pid)).children_cpu_s < 0.15 and time.monotonic() < deadline_s:
            assert found.children_cpu_s >= latest
            latest, rss = found.children_cpu_s, max(rss, found.children_rss_bytes)
            time.sleep(0.01)
        rss = max(rss, usage(process.pid).children_rss_bytes)
        assert rss > 2**20
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ended\n"
        ended = usage(process.pid)
        assert ended.children_cpu_s >= 0.25
        assert ended.children_rss_bytes == 0
        assert descendants(process.pid) == []
        assert ended.cpu_s < ended.children_cpu_s + 5
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def test_results_of_two_kinds_of_load_are_not_compared() -> None:
    first = {"scenario": "chain", "app": "coldchain", "settings": {"flavour": "chain"}, "lost": 0}
    assert compare(first, first | {"settings": {"flavour": "chain", "isolated": True}})
    for change in ({"settings": {"flavour": "mix"}}, {"app": "medical"}):
        with pytest.raises(ConfigError):
            compare(first, first | change)


def test_isolation_is_the_ratio_of_two_results() -> None:
    plain = {"app": "medical", "flavour": "mix", "cpu_us_per_tx": 200.0, "lost": 0, "latency_ms": {"p50": 10.0}}
    apart = plain | {"cpu_us_per_tx": 250.0, "plugins_cpu_us_per_tx": 80.0, "latency_ms": {"p50": None}}
    found = beside(plain, apart)
    rows = {row["figure"]: row for row in found["comparison"]}
    assert rows["cpu_us_per_tx"]["ratio"] == 1.25
    assert rows["lost"]["ratio"] is None
    assert rows["latency_ms.p50"] == {"figure": "latency_ms.p50", "in_process": 10.0, "isolated": None, "ratio": None}
    assert (found["scenario"], found["flavour"], found["isolated"]["plugins_cpu_us_per_tx"]) == (
        "isolation",
        "mix",
        80.0,
    )
