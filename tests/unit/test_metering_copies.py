"""The result of a block depends on block and state alone, and faults of plugin code are results: inside and apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hnnode_native import tagged_hash

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES, ConfigError, Rejected
from hnnode.execution import Host
from hnnode.execution.faults import CAUSES_MAX, causes, fault_text
from hnnode.execution.loading import forget
from hnnode.execution.metering import load_modules
from hnnode.execution.metering.meter import UNBOUND
from hnnode.execution.migrating import Moved
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.limits import BLOCK_TICKS_MAX, STEP_TICKS
from hnnode.plugin_api.outcome import TxRefused
from hnnode.plugin_api.testing import LocalChain

CODE = """
from enum import StrEnum
import msgspec
from hnnode.plugin_api import Migration, MigrationRefused, hookimpl

class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass

class Kind(StrEnum):
    A = "a"

class Kinds(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind

def reads(tx, p):
    for _ in range(4000):
        tx.get(b"k")
    tx.put(b"done", b"1")

class Bad(Exception):
    def __str__(self):
        return self.absent

class BadRefusal(MigrationRefused):
    def __str__(self):
        return self.absent

SEEN = {}

def seen():
    SEEN["n"] = SEEN.get("n", 0) + 1
    return SEEN["n"]

def good(tx, p):
    tx.put(b"good", b"1")

def counts(tx, p):
    tx.put(b"n", str(seen()).encode())

def text_of_fault(tx, p):
    raise Bad

def surrogate(tx, p):
    raise ValueError(chr(0xD800))

def rule_list(tx, p):
    tx.fail(["x"])

def rule_dict(tx, p):
    tx.require({}, False)

def same(tx, p):
    tx.put(b"same", b"1" if p.kind is Kind.A else b"0")

def own_names(self, p):
    self._take()

def own_begin(self, p):
    self._begin(self.tx_id, bytes(20))

def own_store(self, p):
    self._left = 1

class Own:
    def __init__(self):
        self._n = 1
    def more(self):
        self._n += 2
        return self._n

def own(tx, p):
    tx.put(b"own", str(Own().more()).encode())

def module_name(tx, p):
    tx.put(b"name", __name__.encode())

def check(rows):
    if seen() > 1:
        raise MigrationRefused("seen before")

def bad_check(rows):
    raise BadRefusal

def move(rows, put, delete):
    pass

def count(view, p):
    return {"n": seen()}

def state(self, p):
    return {"n": str(self._reads)}

def bad_query(view, p):
    raise Bad

ACTIONS = [good, counts, text_of_fault, surrogate, rule_list, rule_dict, own_names, own_begin, own_store, own, module_name, reads]
NAMES = ["good", "counts", "text_of_fault", "surrogate", "rule_list", "rule_dict", "own_names", "own_begin", "own_store",
         "own", "module_name", "reads"]

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.describe("x", "x")
        for name, handler in zip(NAMES, ACTIONS):
            registry.action(name, Nothing, handler, title_zh="x", title_en="x")
        registry.action("same", Kinds, same, title_zh="x", title_en="x")
        for name, handler in (("count", count), ("state", state), ("bad_query", bad_query)):
            registry.query(name, Nothing, handler, title_zh="x", title_en="x")

    @hookimpl
    def hn_migrations(self):
        return [Migration(1, 2, move, check=check), Migration(2, 3, move, check=bad_check)]

plugin = Plugin()
"""


@pytest.fixture(scope="module", params=["inside", "apart"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root: Path = tmp_path_factory.mktemp("copies")
    package = root / "hn_copies"
    package.mkdir()
    (package / "__init__.py").write_text(CODE, "utf-8")
    digest = code_hash(package, tagged_hash)
    source = PluginSource("copies", "1.0", "hn_copies:plugin", root, package, digest, True, request.param == "apart")
    made = Host([source], [], tagged_hash, ExecutionConfig(block_ms_max=20_000))
    yield made
    assert made.troubles() == []
    made.close()
    forget("hn_copies")


@pytest.fixture
def local(host: Host) -> tuple[LocalChain, bytes]:
    made = LocalChain(host, "copies")
    return made, made.account("someone")


def test_variables_do_not_outlive_a_block(local: tuple[LocalChain, bytes]) -> None:
    chain, account = local
    for _ in range(3):
        result = chain.submit(account, "counts", {})
        assert (result.code, dict(result.writes)[b"n"]) == (0, b"1")


def test_variables_do_not_outlive_a_query_or_a_page(host: Host, local: tuple[LocalChain, bytes]) -> None:
    chain, _ = local
    for _ in range(3):
        assert chain.query("count")["n"] == 1
        assert host.migrate("copies", (1, 2), "check", []) == Moved()


def test_steps_of_a_block_are_bounded_together(local: tuple[LocalChain, bytes]) -> None:
    """Regression: a question to the node took 60 µs and a tick, so a block of a few thousand transactions minutes."""
    chain, account = local
    codes = [outcome.code for outcome in chain.block([(account, "reads", {})] * 101)]
    fit = codes.count(0)
    assert 0 < fit <= BLOCK_TICKS_MAX // (4_001 * STEP_TICKS)
    assert codes == [0] * fit + [CODES["STEPS_EXCEEDED"]] * (101 - fit)
    assert chain.submit(account, "good", {}).code == 0


@pytest.mark.parametrize(
    "action", ["text_of_fault", "surrogate", "rule_list", "rule_dict", "own_names", "own_begin", "own_store"]
)
def test_faults_are_results(local: tuple[LocalChain, bytes], action: str) -> None:
    chain, account = local
    assert chain.submit(account, action, {}).code == CODES["HANDLER_FAILED"]
    assert chain.submit(account, "good", {}).code == 0


def test_a_refusal_of_a_migration_is_not_asked_for_its_text(host: Host) -> None:
    assert host.migrate("copies", (2, 3), "check", []).fault == "the code of the migration failed"


def test_annotations_are_of_the_copy_that_runs(local: tuple[LocalChain, bytes]) -> None:
    chain, account = local
    for _ in range(2):
        assert dict(chain.submit(account, "same", {"kind": "a"}).writes)[b"same"] == b"1"


def test_own_private_attributes_and_module_names(local: tuple[LocalChain, bytes]) -> None:
    chain, account = local
    assert dict(chain.submit(account, "own", {}).writes)[b"own"] == b"3"
    assert dict(chain.submit(account, "module_name", {}).writes)[b"name"] == b"hn_copies"


@pytest.mark.parametrize("query", ["state", "bad_query"])
def test_queries_reach_nothing_of_the_host(local: tuple[LocalChain, bytes], query: str) -> None:
    chain, _ = local
    with pytest.raises(Rejected, match="HANDLER_FAILED"):
        chain.query(query)
    assert chain.query("count")["n"] == 1


@pytest.mark.parametrize(
    ("text", "want"),
    {
        "def f():\n    try:\n        pass\n    finally:\n        return 1": "return in finally",
        "for x in []:\n    try:\n        pass\n    finally:\n        break": "break in finally",
        "for x in []:\n    try:\n        pass\n    finally:\n        if x:\n            continue": "continue in finally",
        "def f(x):\n    with x:\n        pass": "with: its end could hide",
        "class A:\n    def __exit__(self, *a):\n        return True": "__exit__: not a method",
    }.items(),
)
def test_what_could_hide_a_fault_of_the_host_is_refused(text: str, want: str) -> None:
    with pytest.raises(ConfigError, match=want):
        load_modules("tried", {"__init__.py": text.encode()}, "hn_tried")


def test_a_loop_within_finally_may_end_itself() -> None:
    text = "def f():\n    try:\n        pass\n    finally:\n        for x in [1]:\n            break\n    return 1"
    module: Any = load_modules("tried", {"__init__.py": text.encode()}, "hn_tried")[0]
    assert module.f() == 1


def test_a_fault_of_the_host_passes_behind_another_exception() -> None:
    text = """
def f(read):
    try:
        try:
            read()
        finally:
            {}["x"]
    except KeyError:
        return "hidden"
"""
    module: Any = load_modules("tried", {"__init__.py": text.encode()}, "hn_tried")[0]

    def fails() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        module.f(fails)
    assert module.f(lambda: None) == "hidden"


@pytest.mark.parametrize("test", ["a == b", "a < b", "a in [b]", "a in {1: 2}"])
def test_nesting_is_bounded_and_not_by_the_stack(test: str) -> None:
    text = f"""
def make(depth):
    made = 1
    for _ in range(depth):
        made = (made,)
    return made

def f(depth):
    a, b = make(depth), make(depth)
    return {test}
"""
    module, meter = load_modules("tried", {"__init__.py": text.encode()}, "hn_tried")
    made: Any = module
    meter.begin_alone(UNBOUND)
    assert made.f(60) in (True, False)
    with pytest.raises(TxRefused):
        made.f(70)


def test_text_of_a_fault_runs_no_code_and_is_bounded() -> None:
    class Bad(Exception):
        args = property(lambda self: 1 // 0)  # type: ignore[assignment]

        def __str__(self) -> str:
            raise AssertionError

    assert fault_text(Bad("a", 7, object(), "b" * 1_000)).startswith("Bad: a, 7, bbb")
    assert len(fault_text(Bad("b" * 1_000))) == 300
    assert fault_text(ValueError("\ud800")) == "ValueError: ?"


def test_causes_are_bounded() -> None:
    first = fault = ValueError()
    for _ in range(100):
        fault.__context__ = fault = ValueError()
    assert len(list(causes(first))) == CAUSES_MAX


def test_code_of_the_store_is_always_isolated() -> None:
    for isolated in (None, True, False, (), ("other",)):
        assert ExecutionConfig(isolated=isolated).isolates("copies", from_store=True)
    assert not ExecutionConfig().isolates("copies", from_store=False)
