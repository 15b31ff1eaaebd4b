"""Micro benchmark of Python plugins: blocks of one application's workload through the core and the executor, as JSON.

    python bench/micro/plugin.py [--tiny] [--app NAME] [--flavour NAME] [--isolated | --counting | --queries] [--to FILE]

With `--isolated` everything is run by turns in this process and with the plugin in its own, and times are of the clock,
since work in two processes is none of one thread. `cpu_us` is the processor time of this process and of the plugin's,
`answers_a_block` how often a block waited for the node, and `cost_percent` the median over pairs of neighbouring runs.

With `--counting` everything is run by turns as plain Python and counted, both in this process: `counting_ns` is what the count
of its work adds to a transaction, and `ticks` what each action takes of the 400,000 that a transaction may take.

With `--queries` the questions that the workload asks of its transactions are asked one after the other, in this process and of the
plugin in its own: one result `execution.query/app=…/flavour=…/n=…`, µs a query.

Each flavour of the workload is one result `execution.execute_group/app=…/flavour=…/n=…`: µs a transaction of the whole
execution of its blocks on a state in memory, and of its parts: `groups` (transactions leave the core), `execute` (the
plugin's handlers and everything around them), `complete` (results enter the core), `finish` (receipts, writes, roots).
A wave of the workload becomes blocks of 1,000 transactions at most. `--tiny` runs each on a small input once, as the tests
do; `result_hash` shows that the same work was done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import hnnode_native as native

from hnnode.bench import machine
from hnnode.config import ExecutionConfig
from hnnode.errors import Rejected
from hnnode.execution import Host
from hnnode.kit.ticks import ticks_of_actions
from hnnode.plugin_api import AskingWorkload, Question
from hnnode.plugin_api.testing import MemoryState

CHAIN_ID = bytes(32)
TIME_MS = 1_700_000_000_000
BATCH_TX_COUNT = 1_000
FLAVOURS = {
    "coldchain": ("declare", "chain", "mix"),
    "medical": ("trace", "recognition"),
    "realestate": ("mix",),
}
TXS = 12_000
PARTS = ("groups", "execute", "complete", "finish")
MEASURE_S = 6.0


class Blocks:
    """The blocks of one workload, signed and decoded once, executed from an empty state as often as wanted."""

    def __init__(
        self, application: str, flavour: str, count: int, *, isolated: bool = False, counted: bool | None = None
    ) -> None:
        self.isolated = isolated
        host = Host.load([application], counted=counted)
        workload = host.workload(application, 1, flavour)
        keys = {name: native.SecretKey.generate(hashlib.sha256(name.encode()).digest()) for name in workload.actors}
        self._accounts = native.Accounts(1 << 24)
        self._accounts.load(
            [
                (key.account(), native.encode_account_record(key.public_key(), True, 0, name, list(roles)))
                for (name, roles), key in zip(workload.actors.items(), keys.values(), strict=True)
            ]
        )
        self._author = native.SecretKey.generate(bytes(32)[:-1] + b"\x01")
        self._dispatch = native.DispatchTable(host.foreign())
        self.host = Host.load([application], ExecutionConfig(isolated=True)) if isolated else host
        self._executor = self.host.executor()
        self._blocks: list[list[native.Batch]] = []
        self.questions: list[Question] = []
        self.state = MemoryState()
        self.tx_count = 0
        self._application = application
        pool = native.Pool(CHAIN_ID, 1 << 30, 1_000_000, 1 << 30, BATCH_TX_COUNT, 1 << 20, 1_000, 10)
        accounts = {name: key.account() for name, key in keys.items()}
        for wave in workload.waves(accounts, count):
            signed = []
            for item in wave:
                self.tx_count += 1
                if isinstance(workload, AskingWorkload) and (question := workload.question(item)) is not None:
                    self.questions.append(question)
                nonce, payloads = self.tx_count, [item.payload]
                key = keys[item.actor]
                signed += native.build_txs(key, CHAIN_ID, nonce, 900, application, item.action, payloads)
            for at in range(0, len(signed), BATCH_TX_COUNT):
                self._blocks.append(list(self._sealed(pool, [tx for _, tx in signed[at : at + BATCH_TX_COUNT]])))

    def _sealed(self, pool: native.Pool, signed: Sequence[bytes]) -> Iterator[native.Batch]:
        codes = pool.admit(native.DecodedTxs.decode(signed, CHAIN_ID), self._accounts, bytes(len(signed)), 0)
        if any(codes):
            raise RuntimeError(f"not admitted: {next(filter(None, codes))}")
        while (batch := pool.seal(self._author, len(self._blocks))) is not None:
            yield batch

    @property
    def block_count(self) -> int:
        return len(self._blocks)

    @property
    def answers(self) -> int:
        """What the plugin's process was answered so far, of the blocks and whatever it asked for."""
        return self._child().frames.sent if self.isolated else 0

    def plugin_cpu_s(self) -> float:
        """Processor time of the plugin's process so far."""
        return time.clock_gettime((~self._child().pid << 3) | 2) if self.isolated else 0.0  # as clock_getcpuclockid(3)

    def _child(self) -> Any:
        return self.host.applications[self._application]._for_blocks

    def run(self, clock: Callable[[], float] = time.thread_time) -> tuple[dict[str, float], int, bytes]:
        """Seconds of each part, how many transactions succeeded, and a hash over all receipts and writes."""
        spent = dict.fromkeys(PARTS, 0.0)
        state, digest, succeeded = MemoryState(), hashlib.sha256(), 0
        self.state = state
        for height, batches in enumerate(self._blocks, 1):
            time_ms = TIME_MS + height
            block = native.BlockExecution(
                CHAIN_ID, height, time_ms, self._author.account(), 1_000, batches, self._accounts, self._dispatch
            )
            block.set_committed(bytes(len(block.tx_ids())))
            block.supply([])
            block.run_native()
            at = clock()
            groups = block.foreign_groups()
            at = _until(spent, "groups", at, clock)
            for application, txs in groups:
                results = self._executor.execute_packed(application, txs, state, height, time_ms, self._accounts)
                at = _until(spent, "execute", at, clock)
                block.complete(application, results)
                at = _until(spent, "complete", at, clock)
            result = block.finish()
            _until(spent, "finish", at, clock)
            state.apply(result.writes)
            state.height = height
            succeeded += result.succeeded_count
            digest.update(result.receipts_root)
            for key, value in result.writes:
                digest.update(b"%d %d " % (len(key), -1 if value is None else len(value)) + key + (value or b""))
        return spent, succeeded, digest.digest()


def _until(spent: dict[str, float], part: str, since: float, clock: Callable[[], float]) -> float:
    now = clock()
    spent[part] += now - since
    return now


class Run(NamedTuple):
    """Of one pass over all blocks. cpu_us: of this process, and of the plugin's."""

    parts_us: dict[str, float]
    cpu_us: tuple[float, float]

    @property
    def us(self) -> float:
        return sum(self.parts_us.values())


def measure_once(blocks: Blocks, clock: Callable[[], float]) -> Run:
    us = 1e6 / blocks.tx_count
    here, there = time.process_time(), blocks.plugin_cpu_s()
    parts = blocks.run(clock)[0]
    cpu = (us * (time.process_time() - here), us * (blocks.plugin_cpu_s() - there))
    return Run({part: us * spent for part, spent in parts.items()}, cpu)


def measure(
    sides: Sequence[Blocks], seconds: float, clock: Callable[[], float] = time.thread_time
) -> list[dict[str, Any]]:
    """Medians over repeated runs in µs a transaction, of each side; the sides run by turns, once when `seconds` is 0."""
    before = [blocks.answers for blocks in sides]
    first = [blocks.run(clock)[1:] for blocks in sides]
    asked = [blocks.answers - answered for blocks, answered in zip(sides, before, strict=True)]
    runs: list[list[Run]] = []
    end = time.perf_counter() + seconds
    while not runs or time.perf_counter() < end:
        runs.append([measure_once(blocks, clock) for blocks in sides])
    found = []
    for at, blocks in enumerate(sides):
        own = [turn[at] for turn in runs]
        found.append(
            {
                "us_per_item": _median([run.us for run in own]),
                "us_per_item_best": round(min(run.us for run in own), 2),
                "parts_us": {part: _median([run.parts_us[part] for run in own]) for part in PARTS},
                "calls": len(own),
                "txs": blocks.tx_count,
                "blocks": blocks.block_count,
                "succeeded": first[at][0],
                "result_hash": first[at][1].hex(),
            }
        )
        if blocks.isolated:
            found[-1] |= {
                "cpu_us": {
                    "inside": _median([sum(turn[0].cpu_us) for turn in runs]),
                    "node": _median([run.cpu_us[0] for run in own]),
                    "plugin": _median([run.cpu_us[1] for run in own]),
                },
                "answers_a_block": round(asked[at] / blocks.block_count, 1),
                "cost_percent": _median([100 * (turn[at].us / turn[0].us - 1) for turn in runs]),
            }
        elif at:
            found[-1] |= {
                "counting_ns": round(_median([1_000 * (turn[at].us - turn[0].us) for turn in runs])),
                "cost_percent": _median([100 * (turn[at].us / turn[0].us - 1) for turn in runs]),
            }
    return found


def _median(values: Sequence[float]) -> float:
    return round(sorted(values)[len(values) // 2], 2)


class Asked:
    """A workload's questions of the state behind its blocks, asked inside or of the plugin's process."""

    def __init__(self, blocks: Blocks, application: str, *, isolated: bool) -> None:
        self.host = Host.load([application], ExecutionConfig(isolated=True)) if isolated else blocks.host
        self._line = self.host.applications[application]._line if isolated else None
        self._ask = partial(self.host.node_applications().query, application)
        self._blocks = blocks

    def run(self) -> str:
        """A hash over all answers."""
        digest = hashlib.sha256()
        for question in self._blocks.questions:
            digest.update(json.dumps(self._answer(question), sort_keys=True).encode())
        return digest.hexdigest()

    def _answer(self, question: Question) -> Any:
        try:
            return self._ask(question.query, question.arguments, self._blocks.state)
        except Rejected as e:
            return e.info.name

    def measure(self) -> tuple[float, float, float, float]:
        """µs a query of the clock, of this process and of the plugin's, and how often the plugin's process was answered."""
        before, at = self._spent(), time.perf_counter()
        for question in self._blocks.questions:
            self._answer(question)
        clock, after, per = time.perf_counter() - at, self._spent(), 1 / max(1, len(self._blocks.questions))
        here, there, frames = (end - start for start, end in zip(before, after, strict=True))
        return 1e6 * clock * per, 1e6 * here * per, 1e6 * there * per, frames * per

    def _spent(self) -> tuple[float, float, float]:
        here = time.process_time()
        children = () if self._line is None else tuple(self._line._children)
        cpu_s = sum(time.clock_gettime((~child.pid << 3) | 2) for child in children)  # as clock_getcpuclockid(3)
        return here, cpu_s, float(sum(child.frames.sent for child in children))


def ask(application: str, flavour: str, count: int, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inside and isolated, by turns."""
    blocks = Blocks(application, flavour, count)
    blocks.run()
    sides = [Asked(blocks, application, isolated=False), Asked(blocks, application, isolated=True)]
    try:
        hashes = [side.run() for side in sides]
        runs: list[list[tuple[float, float, float, float]]] = []
        end = time.perf_counter() + seconds
        while not runs or time.perf_counter() < end:
            runs.append([side.measure() for side in sides])
        inside, isolated = ([turn[at] for turn in runs] for at in (0, 1))
        common = {"calls": len(runs), "queries": len(blocks.questions)}
        return (
            common | {"us_per_item": _median([run[0] for run in inside]), "result_hash": hashes[0]},
            common
            | {
                "us_per_item": _median([run[0] for run in isolated]),
                "cpu_us": {
                    "inside": _median([run[1] for run in inside]),
                    "node": _median([run[1] for run in isolated]),
                    "plugin": _median([run[2] for run in isolated]),
                },
                "answers_a_query": round(isolated[0][3], 2),
                "result_hash": hashes[1],
            },
        )
    finally:
        for side in sides:
            side.host.close()


def _ticks(application: str, flavour: str) -> dict[str, Any]:
    taken = ticks_of_actions(Host.load([application], counted=True), application, flavour)
    return {each.action: {"median": each.median, "max": each.most} for each in taken}


def run(
    *,
    tiny: bool,
    application: str = "coldchain",
    flavour: str = "",
    isolated: bool = False,
    counting: bool = False,
    queries: bool = False,
) -> dict[str, Any]:
    count = 24 if tiny else TXS
    results = {}
    clock = time.perf_counter if isolated else time.thread_time
    for each in (flavour,) if flavour else FLAVOURS.get(application, ("",)):
        if queries:
            name = f"execution.query/app={application}/flavour={each}/n={count}"
            results[name], results[name + "/isolated"] = ask(application, each, count, 0.0 if tiny else MEASURE_S)
            continue
        sides = [Blocks(application, each, count, counted=False if counting else None)]
        if isolated or counting:
            sides.append(Blocks(application, each, count, isolated=isolated))
        name = f"execution.execute_group/app={application}/flavour={each}/n={count}"
        try:
            first, *others = measure(sides, 0.0 if tiny else MEASURE_S, clock)
            results[name] = first
            for found in others:
                results[name + ("/counted" if counting else "/isolated")] = found
                if counting:
                    found["ticks"] = _ticks(application, each)
        finally:
            for blocks in sides:
                blocks.host.close()
    return {
        "scenario": "micro",
        "machine": machine.facts(),
        "commit": machine.commit(),
        "settings": {
            "application": application,
            "txs": count,
            "batch": BATCH_TX_COUNT,
            "threads": 1,
            "state": "memory",
        },
        "reference": {"python_loops_per_s": round(machine.python_loops_per_s())},
        "results": results,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--app", default="coldchain")
    parser.add_argument("--flavour", default="")
    apart = parser.add_mutually_exclusive_group()
    apart.add_argument("--isolated", action="store_true")
    apart.add_argument("--counting", action="store_true")
    apart.add_argument("--queries", action="store_true")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    native.set_threads(1)
    text = (
        json.dumps(
            run(
                tiny=options.tiny,
                application=options.app,
                flavour=options.flavour,
                isolated=options.isolated,
                counting=options.counting,
                queries=options.queries,
            ),
            indent=2,
        )
        + "\n"
    )
    if options.to is not None:
        options.to.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
