"""Micro benchmark of Python plugins: blocks of one application's workload through the core and the executor, as JSON.

    python bench/micro/plugin.py [--tiny] [--app NAME] [--isolated] [--to FILE]

With `--isolated` each measurement is made twice, in this process and with the plugin in its own; times are then of the
clock, since work in two processes is none of one thread.

Each flavour of the workload is one result `execution.execute_group/app=…/flavour=…/n=…`: µs a transaction of the whole
execution of its blocks on a state in memory, and of its parts: `groups` (transactions leave the core), `execute` (the
plugin's handlers and everything around them), `complete` (results enter the core), `finish` (receipts, writes, roots).
`--tiny` runs each on a small input once, as the tests do; `result_hash` shows that the same work was done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hnnode_native as native

from hnnode.bench import machine
from hnnode.config import ExecutionConfig
from hnnode.execution import Host
from hnnode.plugin_api.testing import MemoryState

CHAIN_ID = bytes(32)
TIME_MS = 1_700_000_000_000
BATCH_TX_COUNT = 1_000
FLAVOURS = {"coldchain": ("declare", "chain"), "medical": ("trace", "recognition"), "realestate": ("mix",)}
PARTS = ("groups", "execute", "complete", "finish")
MEASURE_S = 6.0


class Blocks:
    """The blocks of one workload, signed and decoded once, executed from an empty state as often as wanted."""

    def __init__(self, application: str, flavour: str, count: int, isolated: bool = False) -> None:
        host = Host.load([application])
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
        self.tx_count = 0
        pool = native.Pool(CHAIN_ID, 1 << 30, 1_000_000, 1 << 30, BATCH_TX_COUNT, 1 << 20, 1_000, 10)
        accounts = {name: key.account() for name, key in keys.items()}
        for wave in workload.waves(accounts, count):
            signed = []
            for item in wave:
                self.tx_count += 1
                nonce, payloads = self.tx_count, [item.payload]
                key = keys[item.actor]
                signed += native.build_txs(key, CHAIN_ID, nonce, 900, application, item.action, payloads)
            self._blocks.append(list(self._sealed(pool, [tx for _, tx in signed])))

    def _sealed(self, pool: native.Pool, signed: Sequence[bytes]) -> Iterator[native.Batch]:
        codes = pool.admit(native.DecodedTxs.decode(signed, CHAIN_ID), self._accounts, bytes(len(signed)), 0)
        if any(codes):
            raise RuntimeError(f"not admitted: {next(filter(None, codes))}")
        while (batch := pool.seal(self._author, len(self._blocks))) is not None:
            yield batch

    def run(self, clock: Callable[[], float] = time.thread_time) -> tuple[dict[str, float], int, bytes]:
        """Seconds of each part, how many transactions succeeded, and a hash over all receipts and writes."""
        spent = dict.fromkeys(PARTS, 0.0)
        state, digest, succeeded = MemoryState(), hashlib.sha256(), 0
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


def measure(blocks: Blocks, seconds: float, clock: Callable[[], float] = time.thread_time) -> dict[str, Any]:
    """Medians over repeated runs in µs a transaction; one run alone when `seconds` is 0."""
    _, succeeded, digest = blocks.run(clock)
    runs: list[dict[str, float]] = []
    end = time.perf_counter() + seconds
    while not runs or time.perf_counter() < end:
        runs.append(blocks.run(clock)[0])

    def median_us(values: list[float]) -> float:
        return round(1e6 * sorted(values)[len(values) // 2] / blocks.tx_count, 2)

    return {
        "us_per_item": median_us([sum(run.values()) for run in runs]),
        "us_per_item_best": round(1e6 * min(sum(run.values()) for run in runs) / blocks.tx_count, 2),
        "parts_us": {part: median_us([run[part] for run in runs]) for part in PARTS},
        "calls": len(runs),
        "txs": blocks.tx_count,
        "succeeded": succeeded,
        "result_hash": digest.hex(),
    }


def run(*, tiny: bool, application: str = "coldchain", isolated: bool = False) -> dict[str, Any]:
    count = 24 if tiny else 5_000
    results = {}
    for flavour in FLAVOURS.get(application, ("",)):
        for apart in (False, True) if isolated else (False,):
            blocks = Blocks(application, flavour, count, apart)
            name = f"execution.execute_group/app={application}/flavour={flavour}/n={count}" + "/isolated" * apart
            try:
                clock = time.perf_counter if isolated else time.thread_time
                results[name] = measure(blocks, 0.0 if tiny else MEASURE_S, clock)
            finally:
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
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    native.set_threads(1)
    text = json.dumps(run(tiny=options.tiny, application=options.app, isolated=options.isolated), indent=2) + "\n"
    if options.to is not None:
        options.to.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
