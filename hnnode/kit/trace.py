"""What the tests of a plugin did on their chains, written by one run and compared with another.

A line of JSON a block: which test, which chain of that test, the outcomes, the root. Two runs of the same tests in
processes that differ in everything a plugin may not depend on must write the same but for times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
from hnnode_native import sm3

from hnnode.errors import ConfigError
from hnnode.kit.chain import Block
from hnnode.plugin_api.codec import canonical_json

DIFFERENCES_MAX = 20
LARGE_TXS = 10
"""Blocks of so many transactions tell better what one costs than those of fewer."""


class TxLine(msgspec.Struct, frozen=True, array_like=True):
    """`result`: code, rule, steps and digests of writes and events in one text."""

    label: str
    action: str
    tx_id: str
    code: int
    steps: int
    result: str


class BlockLine(msgspec.Struct, frozen=True, array_like=True):
    """`chain`: number of the chain within its test. `execute_us`: of the whole block."""

    test: str
    chain: int
    height: int
    root: str
    execute_us: float
    txs: list[TxLine]


class Trace:
    """Writes the lines; one for each run of the tests."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode
        self.test = ""
        self._chains = 0

    def begin(self, test: str) -> None:
        self.test, self._chains = test, 0

    def chain(self) -> int:
        """Number of the next chain of this test."""
        self._chains += 1
        return self._chains

    def block(self, chain: int, block: Block) -> None:
        txs = []
        for outcome in block.outcomes:
            events = b"".join(canonical_json({"n": n, "e": e}) + msgspec.json.encode(d) for n, e, d in outcome.events)
            parts = (str(outcome.code), outcome.rule, str(outcome.steps), outcome.writes.hex(), sm3(events).hex())
            txs.append(
                TxLine(
                    outcome.label.partition(", index")[0] + ")",
                    outcome.action,
                    outcome.tx_id.hex(),
                    outcome.code,
                    outcome.steps,
                    " ".join(parts),
                )
            )
        line = BlockLine(self.test, chain, block.height, block.state_root.hex(), round(block.execute_s * 1e6, 1), txs)
        self._file.write(self._encode(line) + b"\n")

    def close(self) -> None:
        self._file.close()


def read_trace(path: Path) -> Iterator[BlockLine]:
    decode = msgspec.json.Decoder(BlockLine).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)


class Difference(NamedTuple):
    """Where two runs differ; the texts say what is wrong in both languages."""

    test: str
    place: str
    zh: str
    en: str


def check_trace(path: Path) -> None:
    """Raises: ConfigError PREREQUISITE_MISSING: the file is no trace."""
    try:
        for _ in read_trace(path):
            pass
    except (OSError, msgspec.DecodeError) as e:
        raise ConfigError("PREREQUISITE_MISSING", f"{path}: not what an earlier run recorded: {e}") from e


def compare(first: Path, second: Path, *, common: bool = False) -> list[Difference]:
    """Differences of two traces, at most one a chain and DIFFERENCES_MAX in all. common: of the tests that both have."""
    one, two = _by_chain(read_trace(first)), _by_chain(read_trace(second))
    found: list[Difference] = []
    for name in sorted(one.keys() & two.keys() if common else one.keys() | two.keys()):
        difference = _compare_chain(name[0], one.get(name, []), two.get(name, []))
        if difference is not None:
            found.append(difference)
    return found[:DIFFERENCES_MAX]


def _by_chain(lines: Iterable[BlockLine]) -> dict[tuple[str, int], list[BlockLine]]:
    chains: dict[tuple[str, int], list[BlockLine]] = {}
    for line in lines:
        chains.setdefault((line.test, line.chain), []).append(line)
    return chains


def _compare_chain(test: str, one: list[BlockLine], two: list[BlockLine]) -> Difference | None:
    for a, b in zip(one, two, strict=False):
        place = f"height {a.height}"
        if [tx.tx_id for tx in a.txs] != [tx.tx_id for tx in b.txs]:
            zh, en = (
                "两次运行提交了不同的交易：测试本身不确定",
                "the runs sent different transactions: the test itself varies",
            )
            return Difference(test, place, zh, en)
        for mine, theirs in zip(a.txs, b.txs, strict=True):
            if mine.result != theirs.result:
                where = f"{mine.label}, tx {mine.tx_id[:16]}"
                zh = f"结果不同：{mine.result} / {theirs.result}"
                return Difference(test, where, zh, f"the results differ: {mine.result} / {theirs.result}")
        if a.root != b.root:
            where = f"{place}: {', '.join(tx.label for tx in a.txs[:3])}"
            en = f"the state roots differ: {a.root[:16]} / {b.root[:16]}"
            return Difference(test, where, f"状态根不同：{a.root[:16]} / {b.root[:16]}", en)
    if len(one) != len(two):
        zh, en = f"区块数不同：{len(one)} / {len(two)}", f"the number of blocks differs: {len(one)} / {len(two)}"
        return Difference(test, "", zh, en)
    return None


class ActionCost(NamedTuple):
    """Of one action over all tests. `us`: median over its larger blocks, where there are some, of the time a
    transaction took in the executor, its share of reading and packing included; 0 when it never had a block to itself.
    """

    action: str
    tx_count: int
    refused_count: int
    steps_max: int
    us: float


def costs(trace: Path) -> list[ActionCost]:
    """What each action cost, ascending by name."""
    txs: dict[str, list[TxLine]] = {}
    small: dict[str, list[float]] = {}
    large: dict[str, list[float]] = {}
    for line in read_trace(trace):
        for tx in line.txs:
            txs.setdefault(tx.action, []).append(tx)
        if line.execute_us and len({tx.action for tx in line.txs}) == 1:
            times = large if len(line.txs) >= LARGE_TXS else small
            times.setdefault(line.txs[0].action, []).append(line.execute_us / len(line.txs))
    return [
        ActionCost(
            action,
            len(found),
            sum(tx.code != 0 for tx in found),
            max(tx.steps for tx in found),
            round(median(large.get(action) or small.get(action, [0.0])), 1),
        )
        for action, found in sorted(txs.items())
    ]
