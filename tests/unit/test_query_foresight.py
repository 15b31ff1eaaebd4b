"""Rows sent along with a query: answers are those of the node's own process, whatever is foreseen, and what is learned is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hnnode_native import tagged_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.config import ExecutionConfig
from hnnode.errors import Rejected
from hnnode.execution import Host
from hnnode.execution.isolation import foresight as f
from hnnode.execution.isolation.application import IsolatedApplication
from hnnode.execution.isolation.foresight import Asked, Foreseen, Foresight
from hnnode.execution.isolation.relations import DEPTH_MAX, TEXTS_MAX, Places, Relation, opened
from hnnode.execution.loading import forget
from hnnode.execution.source import PluginSource, code_hash
from hnnode.plugin_api.limits import KEY_BYTES_MAX, SCAN_ROWS_MAX
from hnnode.plugin_api.testing import MemoryState

CODE = """
from typing import Annotated
import msgspec
from hnnode.plugin_api import END, QueryRefused, hookimpl

Name = Annotated[str, msgspec.Meta(max_length=64)]

class P(msgspec.Struct, forbid_unknown_fields=True):
    pass

class Q(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    limit: Annotated[int, msgspec.Meta(ge=-1, le=300)] = 3
    after: Name = ""

def act(tx, p): tx.put(b"n", b"1")

def row(view, name):
    raw = view.get(b"b" + name)
    return None if raw is None else msgspec.msgpack.decode(raw)

def q_chain(view, q):
    name = view.get(b"k" + q.name.encode())
    if name is None:
        raise QueryRefused("NOT_FOUND", q.name)
    out, seen, left = [], set(), [name]
    while left:
        at = left.pop()
        if at in seen:
            continue
        seen.add(at)
        found = row(view, at)
        if found is None:
            out.append(None)
            continue
        out.append([at.decode(), found[0], row(view, at)[2]])
        left += [each.encode() for each in found[1]]
    raw = view.get(b"p")
    return {"out": out, "owner": (view.foreign("other", b"o" + name) or b"-").decode(), "p": len(raw or b"")}

def q_list(view, q):
    prefix = b"l" + q.name.encode()
    rows = view.scan(prefix, q.limit, prefix + q.after.encode() if q.after else None)
    rows.append((b"", b""))
    again = view.scan(prefix, q.limit, prefix + q.after.encode() if q.after else None)
    names = [key[len(prefix):] for key, _ in again]
    found = view.get_many([b"b" + name for name in names + names[:1] + [b"nobody"]])
    return {"names": [name.decode() for name in names], "sizes": [len(each or b"") for each in found]}

def q_moody(view, q):
    if len(q.name) % 2:
        view.get(b"k" + q.name.encode() + b"/odd")
    total = 0
    for number in range(len(q.name)):
        total += len(view.get(b"b%s%d" % (q.name.encode(), number)) or b"")
    if total % 5 == 1:
        raise KeyError(total)
    return {"total": total, "hex": (view.get(b"h" + bytes.fromhex(q.name.encode().hex())) or b"").decode()}

def q_broad(view, q):
    return {"n": len(view.get_many([b"%d" % n for n in range(4990 + len(q.name))]))}

def q_strange(view, q):
    view.foreign("unknown", b"x")
    return {}

class Plugin:
    @hookimpl
    def hn_register(self, registry):
        registry.reads("other")
        registry.action("act", P, act, title_zh="x", title_en="x")
        for each in (q_chain, q_list, q_moody, q_broad, q_strange):
            registry.query(each.__name__, Q, each, title_zh="x", title_en="x")

plugin = Plugin()
"""
PREFIX, OTHER = b"\x04seer", b"\x05other"
NAMES = [f"good-{number:04d}" for number in range(40)]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    """The same code inside and isolated."""
    made = []
    for isolated in (False, True):
        folder = tmp_path_factory.mktemp("seer")
        package = folder / f"hn_seer{isolated:d}"
        package.mkdir()
        (package / "__init__.py").write_text(CODE)
        entry, digest = f"{package.name}:plugin", code_hash(package, tagged_hash)
        source = PluginSource("seer", "1", entry, folder, package, digest, False, isolated)
        made.append(Host([source], [], tagged_hash, ExecutionConfig(query_ms_max=20_000)))
    yield made[0], made[1]
    for host in made:
        host.close()
    forget("hn_seer0")
    forget("hn_seer1")


def world(rng: random.Random) -> MemoryState:
    """Codes, rows that lead to others (also round in a circle, or nowhere), lists, and rows of another application."""
    state = MemoryState()
    writes: list[tuple[bytes, bytes | None]] = [(PREFIX + b"p", b"parameters"), (PREFIX + b"hgood-0003", b"hex")]
    for name in NAMES:
        if rng.random() < 0.9:
            writes.append((PREFIX + b"kC" + name.encode(), name.encode()))
        links = rng.sample(NAMES, rng.choice((0, 1, 1, 2, 5)))
        value = msgspec.msgpack.encode([rng.randrange(9), links, rng.randbytes(rng.randrange(40))])
        writes.append((PREFIX + b"b" + name.encode(), rng.choice((value, value, value, None))))
        writes.append((PREFIX + b"l" + name[:7].encode() + rng.choice(NAMES).encode(), b""))
        writes.append((OTHER + b"o" + name.encode(), b"owner"))
        writes.append((PREFIX + b"b" + name.encode() + b"3", rng.randbytes(rng.randrange(9))))
    state.apply(writes)
    return state


def asked(host: Host, query: str, arguments: dict[str, Any], state: MemoryState) -> Any:
    try:
        return host.node_applications().query("seer", query, msgspec.json.encode(arguments), state)
    except Rejected as e:
        return e.info.name, e.detail
    except (KeyError, ValueError) as e:  # of code that runs in this process
        return "HANDLER_FAILED", type(e).__name__


def sent(host: Host) -> int:
    table = host.applications["seer"]
    assert isinstance(table, IsolatedApplication)
    return sum(child.frames.sent for child in table._line._children)


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_those_of_the_own_process(hosts: tuple[Host, Host], seed: int) -> None:
    rng = random.Random(seed)
    inside, isolated = hosts
    states = [world(rng) for _ in range(3)]
    for height, state in enumerate(states):
        state.height = height
    for _ in range(200):
        state = rng.choice(states)
        query = rng.choice(("q_chain", "q_chain", "q_list", "q_moody"))
        name = rng.choice(NAMES)
        arguments: dict[str, Any] = {"name": f"C{name}" if query == "q_chain" else name[: rng.choice((7, 9))]}
        if query == "q_list":
            arguments |= {"limit": rng.choice((-1, 0, 1, 3, 200, 300)), "after": rng.choice(("", "", name))}
        want, got = asked(inside, query, arguments, state), asked(isolated, query, arguments, state)
        if isinstance(want, tuple) and want[0] == "HANDLER_FAILED":
            assert got[0] == "HANDLER_FAILED"
        else:
            assert got == want


def test_questions_become_one_message(hosts: tuple[Host, Host]) -> None:
    isolated = hosts[1]
    state, names = MemoryState(), [f"lot-{number:05d}" for number in range(300)]
    for name in names:
        link = msgspec.msgpack.encode([1, [f"{name}-A", f"{name}-B"], b""])
        leaf = msgspec.msgpack.encode([2, [], b""])
        state.apply(
            [(PREFIX + b"kC" + name.encode(), name.encode()), (PREFIX + b"b" + name.encode(), link)]
            + [(PREFIX + b"b" + name.encode() + end, leaf) for end in (b"-A", b"-B")]
        )
    for name in names[:200]:
        assert len(asked(isolated, "q_chain", {"name": f"C{name}"}, state)["out"]) == 3
    before = sent(isolated)
    for name in names[200:]:
        asked(isolated, "q_chain", {"name": f"C{name}"}, state)
    assert sent(isolated) - before <= 104  # the queries themselves, and what a look to learn may add


def test_get_many_is_one_question_and_counts_as_many(hosts: tuple[Host, Host]) -> None:
    inside, isolated = hosts
    state = MemoryState()
    assert asked(isolated, "q_broad", {"name": "x"}, state)["n"] == 4_991
    before = sent(isolated)
    fits, broad = {"name": "x" * 10}, {"name": "x" * 11}
    assert asked(isolated, "q_broad", fits, state)["n"] == SCAN_ROWS_MAX == asked(inside, "q_broad", fits, state)["n"]
    assert sent(isolated) - before == 2
    assert asked(isolated, "q_broad", broad, state) == asked(inside, "q_broad", broad, state)
    assert asked(isolated, "q_broad", broad, state)[0] == "QUERY_TOO_BROAD"
    assert asked(isolated, "q_strange", {"name": ""}, state)[0] == "HANDLER_FAILED"


# -------------------------------------------------------------- what is learned
def step(seer: Foresight, arguments: bytes, state: MemoryState, keys: Sequence[bytes], query: str = "q") -> list[bytes]:
    """A query that reads these keys; those that it had to ask for."""
    found = seer.foresee(query, arguments, state)
    given = dict(found.rows)
    used = bytes(key in keys for key, _ in found.rows) + bytes(len(found.scans))
    missing = [key for key in keys if key not in given]
    told = [Asked(PREFIX, key[len(PREFIX) :], 0, state.get(key), []) for key in missing] if found.learns else []
    seer.answered(query, found, used, told)
    return missing


def test_a_row_that_nobody_uses_is_read_no_more() -> None:
    seer, state = Foresight(), MemoryState()
    for number in range(40):
        step(seer, b'{"a":"name%04d"}' % number, state, [PREFIX + b"x" + b"name%04d" % number])
    assert seer._kinds["q"].plan.steps
    for number in range(2 * f.TRIED_MIN):
        step(seer, b'{"a":"name%04d"}' % number, state, [])
    kind = seer._kinds["q"]
    assert not kind.plan.steps
    assert len(kind.given_up) == 1
    for number in range(3_000):
        step(seer, b'{"a":"name%04d"}' % number, state, [PREFIX + b"x" + b"name%04d" % number])
    assert not kind.plan.steps


def test_what_follows_from_a_row_that_is_given_up_goes_with_it() -> None:
    seer, state = Foresight(), MemoryState()
    state.apply([(PREFIX + b"x" + b"name%04d" % number, b"next%04d" % number) for number in range(2_000)])
    for number in range(40):
        step(
            seer, b'{"a":"name%04d"}' % number, state, [PREFIX + b"xname%04d" % number, PREFIX + b"ynext%04d" % number]
        )
    assert len(seer._kinds["q"].plan.steps) == 2
    for number in range(2 * f.TRIED_MIN):
        step(seer, b'{"a":"name%04d"}' % number, state, [PREFIX + b"ynext%04d" % number])
    assert not seer._kinds["q"].plan.steps


def test_looking_becomes_rare() -> None:
    seer, state, rng = Foresight(), MemoryState(), random.Random(3)
    looked = 0
    for _ in range(5_000):
        found = seer.foresee("q", b'{"a":"something"}', state)
        looked += found.learns
        hashed = [Asked(PREFIX, rng.randbytes(32), 0, None, []) for _ in range(100)]
        seer.answered("q", found, bytes(len(found.rows)), hashed if found.learns else [])
    kind = seer._kinds["q"]
    assert looked < 20
    assert len(kind.seen) <= f.SEEN_MAX
    assert not kind.plan.steps


@settings(max_examples=200, deadline=None)
@given(
    arguments=st.one_of(
        st.binary(max_size=64),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=12) | st.binary(max_size=12).map(bytes.hex),
            lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=4), inner, max_size=40),
            max_leaves=50,
        ).map(msgspec.json.encode),
    ),
    values=st.lists(st.binary(max_size=64) | st.lists(st.text(max_size=9)).map(msgspec.msgpack.encode), max_size=90),
    used=st.binary(max_size=80),
)
def test_nothing_that_comes_from_outside_breaks_it(arguments: bytes, values: list[bytes], used: bytes) -> None:
    seer, state = Foresight(), MemoryState()
    keys = [value[: KEY_BYTES_MAX // 2] or b"0" for value in values]
    state.apply([(PREFIX + key, value) for key, value in zip(keys, values, strict=True)])
    for _ in range(4):
        found = seer.foresee("q", arguments, state)
        assert len(found.rows) + len(found.scans) <= f.ROWS_MAX
        assert all(key.startswith(PREFIX) and state.get(key) == value for key, value in found.rows)
        asked = [Asked(PREFIX, key, 0, value, []) for key, value in zip(keys, values, strict=True)]
        asked += [Asked(PREFIX, key, 5, None, [(key + value, b"")]) for key, value in zip(keys, values, strict=True)]
        seer.answered("q", found, used, asked)
    kind = seer._kinds["q"]
    assert len(kind.plan.steps) <= f.PLAN_MAX
    assert all(relation.depth <= DEPTH_MAX for relation in kind.plan.relations)


def test_rows_read_ahead_are_bounded_in_bytes_and_number() -> None:
    seer, state = Foresight(), MemoryState()
    names = [f"item{number:04d}" for number in range(32)]
    arguments = msgspec.json.encode({"a": names, "b": [name.upper() for name in names], "c": [n[::-1] for n in names]})
    keys = [PREFIX + letter + name.encode() for name in names for letter in (b"x", b"y")]
    state.apply([(key, bytes(60_000)) for key in keys])
    for _ in range(10):
        step(seer, arguments, state, keys)
    found = seer.foresee("q", arguments, state)
    assert isinstance(found, Foreseen)
    assert 0 < len(found.rows) <= f.ROWS_MAX


def test_what_is_looked_at_is_bounded() -> None:
    deep: Any = "leaf"
    for _ in range(100):
        deep = [deep]
    places = Places(
        {f"field{number}": [f"text{number}-{each}" for each in range(99)] for number in range(99)} | {"d": deep}
    )
    assert len(places._places) == TEXTS_MAX
    assert places.parts(b"xtext0-1text0-2text0-3text0-4")[-1].__class__ is bytes  # not more places than allowed
    assert opened(msgspec.msgpack.encode(["x" * 9_000])) is None
    assert opened(b"[" * 5_000) is None
    assert opened(b"\xff") is None
    assert opened(b"\xc0") is None
    assert opened(b'{"a":1}') == {"a": 1}


def test_a_relation_is_not_deeper_than_allowed() -> None:
    places = Places({"a": "start"})
    relation = Relation(PREFIX, places.parts(b"start"), 0)
    for number in range(2 * DEPTH_MAX):
        places.add_row(relation, b"name%04d" % number)
        relation = Relation(PREFIX, places.parts(b"name%04d" % number), 0)
    assert relation.depth == 1
    assert isinstance(relation.parts[0], bytes)
