"""The kit's chain does what a node does, and shows when a plugin does not do the same everywhere."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import hn_coldchain
import pytest
from hnnode_native import native_actions, tagged_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.errors import CODES
from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.kit.chain import Account, Block, Chain
from hnnode.kit.order import Touched, another_order
from hnnode.kit.outcome import Refused
from hnnode.kit.project import Project
from hnnode.kit.scaffold import Names, make_project
from hnnode.kit.validators import Diverged

DOC = "ab" * 32


@pytest.fixture(scope="module")
def cold() -> Host:
    plugin = Plugin("coldchain", "0.1.0", hn_coldchain.plugin, Path(hn_coldchain.__file__).parent)
    return Host([plugin], native_actions(), tagged_hash)


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    make_project(tmp_path / "demo", Names("demo", "演示", "Demo", "演示厂商"))
    return Project.open(tmp_path / "demo" / "tests")  # from within, too


@pytest.mark.parametrize(("nodes", "shuffle"), [(1, None), (1, 5), (4, None), (4, 9)])
def test_nodes_and_order_change_nothing(cold: Host, nodes: int, shuffle: int | None) -> None:
    roots = []
    for options in ({}, {"nodes": nodes, "shuffle": shuffle, "seed": 3}):
        chain = Chain(lambda: cold, "coldchain", **options)  # type: ignore[arg-type]
        assert chain.run_workload(2, 120, "chain", per_block=20) == []
        roots.append((chain.height, chain.root))
    assert roots[0] == roots[1]


def test_refusals_are_the_nodes_own(demo: Project) -> None:
    host = demo.host()
    chain = Chain(lambda: host, "demo")
    applicant = chain.account("某公司", "applicant")
    assert chain.account("某公司") is applicant
    made = applicant.submit("create", item="ITEM-1", category="permit", document=DOC)
    assert made.ok
    assert (made.index, made.steps > 0) == (0, True)
    root = chain.root
    for reason, action, payload in (
        ("PAYLOAD_INVALID", "create", {"item": "x"}),
        ("ACTION_UNKNOWN", "unheard_of", {}),
        ("ROLE_MISSING", "approve", {"item": "ITEM-1", "document": DOC}),
        ("demo.item_exists", "create", {"item": "ITEM-1", "category": "permit", "document": DOC}),
    ):
        assert applicant.attempt(action, payload).reason == reason
    assert chain.root == root
    stranger = Account(chain, "stranger", ())
    assert stranger.attempt("create", {}).code == CODES["ACCOUNT_UNKNOWN"]
    with pytest.raises(Refused, match=r"demo\.item_exists"):
        applicant.submit("create", item="ITEM-1", category="permit", document=DOC)


def test_a_large_block_keeps_its_order(demo: Project) -> None:
    host = demo.host()
    blocks: list[Block] = []
    chain = Chain(lambda: host, "demo", nodes=2, observer=blocks.append)
    who = chain.account("某公司", "applicant")
    names = [f"ITEM-{n:05d}" for n in range(900)]
    chain.block([who.request("create", item=name, category="permit", document=DOC) for name in names])
    assert [outcome.index for outcome in blocks[0].outcomes] == list(range(900))
    assert all(outcome.ok for outcome in blocks[0].outcomes)


def test_a_snapshot_is_gone_back_to(demo: Project) -> None:
    host = demo.host()
    chain = Chain(lambda: host, "demo", nodes=2)
    chain.run_workload(1, 30)
    taken = chain.snapshot()
    chain.run_workload(2, 30)
    assert chain.diff(taken).count("\n") >= 19
    chain.restore(taken)
    assert (chain.root, chain.height, chain.diff(taken)) == (taken.root, taken.height, "")
    assert chain.run_workload(3, 30) == []


BAD = {
    "a counter of calls": (
        "SEEN = [0]\n\n\ndef create(tx: Context, payload: Create) -> None:\n    SEEN[0] += 1\n    tx.put(b'n', b'%d' % SEEN[0])\n"
    ),
    "the address of an object": (
        "def create(tx: Context, payload: Create) -> None:\n    tx.put(b'n', b'%d' % id(object()))\n"
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_nodes_that_differ_are_noticed(demo: Project, fault: str) -> None:
    """Replicas restart now and then; each has the modules to itself."""
    from hnnode.kit.pytest_plugin import _own_host

    path = demo.package / "handlers.py"
    text = path.read_text("utf-8")
    start, end = text.index("def create("), text.index("def approve(")
    path.write_text(text[:start] + BAD[fault] + "\n\n" + text[end:], "utf-8")
    manifest = demo.package / "hnplugin.toml"  # counted code with such a name would not even be loaded
    manifest.write_text(manifest.read_text("utf-8").replace("metered = true", "metered = false"), "utf-8")
    project = Project.open(demo.root)
    first = [project.host()]
    chain = Chain(lambda: first.pop() if first else _own_host(project), "demo", nodes=3)
    who = chain.account("某公司", "applicant")

    def submit_some() -> None:
        for n in range(12):
            who.submit("create", item=f"ITEM-{n}", category="permit", document=DOC)

    with pytest.raises(Diverged, match=r"transaction [0-9a-f]{64}"):
        submit_some()


KEYS = st.sets(st.binary(min_size=1, max_size=1), max_size=3)


@given(st.lists(st.tuples(KEYS, KEYS), max_size=12), st.integers(0, 99))
@settings(max_examples=200)
def test_another_order_never_swaps_what_depends(items: Any, seed: int) -> None:
    """Against the definition: for each pair that shares a written key the order stays."""
    touched = [Touched(set(reads), set(), set(writes)) for reads, writes in items]
    order = another_order(touched, random.Random(seed))
    assert sorted(order) == list(range(len(items)))
    place = {i: at for at, i in enumerate(order)}
    for i, (reads, writes) in enumerate(items):
        for j, (other_reads, other_writes) in enumerate(items[:i]):
            if other_writes & (reads | writes) or writes & (other_reads | other_writes):
                assert place[j] < place[i]
