"""Keys that follow from rows, and groups of one block at the same time: whatever is fetched before, results are the same."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hnnode_native as native
import msgspec
import pytest

from hnnode.errors import CODES, FatalError
from hnnode.execution import Host
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.limits import PREFETCH_ROUNDS_MAX
from hnnode.plugin_api.model import ModelError
from hnnode.plugin_api.registry import Registry
from hnnode.plugin_api.testing import MemoryState, account_record

TOY = """
from typing import Annotated
import msgspec
from hnnode.plugin_api import hookimpl

Number = Annotated[int, msgspec.Meta(ge=0, le=65535)]

class P(msgspec.Struct, forbid_unknown_fields=True):
    at: Number
    to: Number = 0

asked = []

def key(n): return b"r" + n.to_bytes(2, "big")
def number(raw): return 0 if raw is None else int.from_bytes(raw, "big")
def row(tx, n): return number(tx.get(key(n)))

def link(tx, p):
    tx.put(key(p.at), p.to.to_bytes(2, "big"))
    tx.emit("toy.linked", "x", {"asked": len(asked)})

def walk(tx, p):
    last = row(tx, row(tx, row(tx, p.at)))
    tx.require("toy.high", (last + p.at) % 5 != 4)
    tx.put(b"last", last.to_bytes(2, "big"))
    tx.emit("toy.walked", "x", {"last": last})

def spin(tx, p):
    turns = 0
    for _ in range(p.at):
        for _ in range(16):
            turns += 1
    tx.emit("toy.spun", "x", {"turns": turns, "last": number(tx.get(b"last"))})

def walk_many(tx, payloads):
    for p in payloads:
        walk(tx, p)

def first(tx, p): return (key(p.at),)

def good_second(tx, p, rows):
    return (key(number(rows.get(key(p.at)))),)
def good_third(tx, p, rows):
    return (key(number(rows.get(good_second(tx, p, rows)[0]))),)

def bad_second(tx, p, rows):
    asked.append(p.at)
    if p.at % 4 == 0:
        return {}["x"]
    if p.at % 4 == 1:
        for turn in range(100_000):
            asked.append(turn)
    if p.at % 4 == 2:
        return ["text", 7, b"x" * 5_000, None, b"last", b"last"]
    return [key(n) for n in range(p.at, p.at + 300)]
def bad_third(tx, p, rows):
    if rows.scan(b"", 10):
        return 5
    return rows

THEN = {"none": (), "good": (good_second, good_third), "bad": (bad_second, bad_third)}["@HINTS@"]

class Linked(msgspec.Struct, forbid_unknown_fields=True):
    asked: int

class Walked(msgspec.Struct, forbid_unknown_fields=True):
    last: int

class Spun(msgspec.Struct, forbid_unknown_fields=True):
    turns: int
    last: int

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        for name, model in (("linked", Linked), ("walked", Walked), ("spun", Spun)):
            registry.event("toy." + name, model, title_zh="x", title_en="x")
        registry.rule("toy.high", "x", "x")
        for name, act, batch in (("link", link, None), ("walk", walk, None), ("walks", walk, walk_many), ("spin", spin, None)):
            registry.action(name, P, act, execute_batch=batch, keys=first, then_keys=THEN, title_zh="x", title_en="x")

plugin = Plugin()
"""
SENDER = hashlib.sha256(b"someone").digest()[:20]
ACCOUNTS = {SENDER: account_record("someone", [])}


def toy(folder: Path, hints: str, *, metered: bool, isolated: bool, name: str = "toy") -> PluginSource:
    package = folder / f"hn_{name}"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(TOY.replace("@HINTS@", hints).replace("toy.", f"{name}."))
    digest = code_hash(package, native.tagged_hash)
    return PluginSource(name, "1", f"hn_{name}:plugin", folder, package, digest, metered, isolated)


def tx(index: int, action: str, at: int, to: int = 0) -> Any:
    payload = msgspec.json.encode({"at": at, "to": to})
    return index, hashlib.sha256(payload + index.to_bytes(4, "big")).digest(), SENDER, action, payload


def blocks(seed: int) -> Iterator[list[Any]]:
    rng = random.Random(seed)
    for _ in range(3):
        made: list[Any] = []
        for index in range(40):
            action = rng.choice(("link", "link", "walk", "walks", "walks", "walks"))
            made.append(tx(index, action, rng.randrange(40), rng.randrange(40)))
        made.append(tx(40, "spin", rng.randrange(100)))
        yield made


def history(host: Host, seed: int) -> list[Any]:
    """Results of all blocks, and the state they leave."""
    executor, state, found = host.executor(), MemoryState(), []
    for height, txs in enumerate(blocks(seed), 1):
        results = executor.execute_group("toy", txs, state, height, height * 1_000, ACCOUNTS)
        for result in results:
            state.apply([(b"\x03toy" + key, value) for key, value in result[4]])
        found.append(results)
    return [*found, state.dump()]


@pytest.mark.parametrize("metered", [False, True])
def test_what_is_named_changes_no_result(tmp_path: Path, metered: bool) -> None:
    """Random blocks, isolated and inside, without keys that follow, with the right ones and with all kinds of wrong ones."""
    found: dict[tuple[str, bool], list[Any]] = {}
    for hints in ("none", "good", "bad"):
        for isolated in (False, True):
            folder = tmp_path / f"{hints}{isolated}"
            host = Host([toy(folder, hints, metered=metered, isolated=isolated)], [], native.tagged_hash)
            try:
                found[hints, isolated] = [history(host, seed) for seed in range(2)]
            finally:
                host.close()
                forget("hn_toy")
        # Functions that name keys are called alike on both sides, so even what they leave in variables is the same.
        assert found[hints, False] == found[hints, True] or not metered
    assert found["none", False] == found["none", True] == found["good", False] == found["good", True]
    assert without_asked(found["bad", False]) == without_asked(found["bad", True]) == without_asked(found["none", True])
    codes = {result[1] for results in found["none", False][0][:-1] for result in results}
    assert codes == {0, CODES["RULE_VIOLATION"]}


def without_asked(found: list[Any]) -> list[Any]:
    """The histories without the event that shows what the functions left in a variable."""
    return [
        [
            [(*result[:5], [event for event in result[5] if event[0] != "toy.linked"]) for result in results]
            for results in history[:-1]
        ]
        + [history[-1]]
        for history in found
    ]


def test_the_count_of_a_transaction_does_not_know_what_was_fetched(tmp_path: Path) -> None:
    """The longest loop that is allowed is the same, whatever the functions before it counted."""

    def spins(host: Host, turns: int) -> bool:
        txs = [tx(0, "walk", 1), tx(1, "spin", turns)]
        return host.executor().execute_group("toy", txs, MemoryState(), 1, 1_000, ACCOUNTS)[1][1] == 0

    longest, beyond = 0, 65_536
    for hints in ("none", "bad"):
        for isolated in (False, True):
            folder = tmp_path / f"{hints}{isolated}"
            host = Host([toy(folder, hints, metered=True, isolated=isolated)], [], native.tagged_hash)
            try:
                while beyond - longest > 1:
                    middle = (longest + beyond) // 2
                    longest, beyond = (middle, beyond) if spins(host, middle) else (longest, middle)
                assert spins(host, longest)
                assert not spins(host, beyond)
            finally:
                host.close()
    assert 5_000 < longest < 50_000


def test_a_block_asks_once_a_round(tmp_path: Path) -> None:
    state = MemoryState()
    state.apply([(b"\x03toyr" + n.to_bytes(2, "big"), (n + 1_000).to_bytes(2, "big")) for n in range(2_000)])
    txs = [tx(n, "walk", n) for n in range(1_000)]
    inside = Host([toy(tmp_path / "inside", "good", metered=False, isolated=False)], [], native.tagged_hash)
    want = inside.executor().execute_packed("toy", txs, state, 1, 1_000, ACCOUNTS)
    assert state.reads == 0
    forget("hn_toy")
    host = Host([toy(tmp_path / "apart", "good", metered=False, isolated=True)], [], native.tagged_hash)
    try:
        frames: Any = host.applications["toy"]._for_blocks.frames  # type: ignore[union-attr]
        before = frames.sent
        assert host.executor().execute_packed("toy", txs, state, 1, 1_000, ACCOUNTS) == want
        assert frames.sent - before == 4  # the block, and the values of its three rounds
    finally:
        host.close()


def test_rounds_are_bounded() -> None:
    class P(msgspec.Struct, forbid_unknown_fields=True):
        pass

    registry = Registry("demo")
    hints = [lambda tx, payload, rows: ()] * (PREFETCH_ROUNDS_MAX + 1)
    registry.action("one", P, lambda tx, payload: None, then_keys=hints[1:], title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="then_keys"):
        registry.action("two", P, lambda tx, payload: None, then_keys=hints, title_zh="x", title_en="x")


# ---------------------------------------------------------------- groups of one block
class Meeting(MemoryState):
    """Answers nobody before everybody has asked: groups that run one after the other never get on."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._all = threading.Barrier(count)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._all.wait(20)
        return super().get_many(keys)


@pytest.mark.parametrize("apart", [("ant", "bee"), ("ant",), ("bee",)])
def test_groups_of_a_block_run_at_the_same_time(tmp_path: Path, apart: tuple[str, ...]) -> None:
    sources = [toy(tmp_path, "none", metered=False, isolated=each in apart, name=each) for each in ("ant", "bee")]
    host = Host(sources, [], native.tagged_hash)
    try:
        groups = [(name, [tx(n, "link", n, n) for n in range(3)]) for name in ("bee", "ant")]
        executor = host.executor()
        for _ in range(3):
            made = list(executor.execute_block(groups, Meeting(2), 1, 1_000, ACCOUNTS))
            assert [name for name, _, _ in made] == ["bee", "ant"]
            for name, txs in groups:
                want = executor.execute_packed(name, txs, MemoryState(), 1, 1_000, ACCOUNTS)
                assert {each: packed for each, packed, _ in made}[name] == want
    finally:
        host.close()
        forget("hn_ant")
        forget("hn_bee")


def test_a_group_that_fails_ends_the_block(tmp_path: Path) -> None:
    """With its error, after the results before it."""

    class Broken(MemoryState):
        def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
            if keys[0].startswith(b"\x03bee"):
                raise FatalError("STORAGE_FAILED", "gone")
            return super().get_many(keys)

    host = Host(
        [toy(tmp_path, "none", metered=False, isolated=True, name=each) for each in ("ant", "bee", "cat")],
        [],
        native.tagged_hash,
    )
    try:
        groups = [(name, [tx(0, "link", 1, 1)]) for name in ("ant", "bee", "cat")]
        results = host.executor().execute_block(groups, Broken(), 1, 1_000, ACCOUNTS)
        assert next(results)[0] == "ant"
        with pytest.raises(FatalError, match="gone"):
            next(results)
        again = host.executor().execute_block(groups, MemoryState(), 1, 1_000, ACCOUNTS)
        assert [name for name, _, _ in again] == ["ant", "bee", "cat"]
    finally:
        host.close()
