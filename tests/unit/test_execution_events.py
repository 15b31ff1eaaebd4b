"""Events are declared: what fits its model passes, everything else fails the transaction the same way on every node."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.errors import CODES
from hnnode.execution.executor import Executor
from hnnode.execution.table import Application
from hnnode.plugin_api import Context, ModelError, Registry
from hnnode.plugin_api.limits import EVENT_KINDS_MAX
from hnnode.plugin_api.model import END
from hnnode.plugin_api.testing import MemoryState


class Plain(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    who: str
    done: bool
    names: list[str]
    maybe: int | None = None
    mixed: list[int | bool] = []


class Bounded(msgspec.Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    sender: Annotated[str, Meta(pattern=f"^[0-9a-f]{{4}}{END}")]
    count: Annotated[int, Meta(ge=0, le=10)]
    kind: Literal["a", "b"] = "a"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: int


class Nested(msgspec.Struct, forbid_unknown_fields=True):
    inner: Inner
    items: list[Inner]


class Open(msgspec.Struct):
    n: int


class Huge(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, Meta(le=2**64)]


class Go(msgspec.Struct, forbid_unknown_fields=True):
    pass


MODELS = {"demo.plain": Plain, "demo.bounded": Bounded, "demo.nested": Nested}


class Probe:
    """An application whose one action emits what the test gives it."""

    def __init__(self) -> None:
        self.name: Any = ""
        self.data: Any = {}
        registry = Registry("demo")
        registry.action("go", Go, self.go, title_zh="走", title_en="go")
        for name, model in MODELS.items():
            registry.event(name, model, title_zh="事件", title_en="event")
        self.executor = Executor({"demo": Application.freeze(registry, "1", bytes(32))})

    def go(self, tx: Context, _: Go) -> None:
        tx.put(b"k", b"v")
        tx.emit(self.name, "entity", self.data)

    def code(self, name: Any, data: Any) -> int:
        self.name, self.data = name, data
        tx = (0, hashlib.sha256(b"1").digest(), bytes(20), "go", b"{}")
        result = self.executor.execute_group("demo", [tx], MemoryState(), 7, 7_000, {})[0]
        assert bool(result[4]) is bool(result[5]) is (result[1] == 0)  # all of it, or nothing
        return result[1]


PROBE = Probe()
FAILED = CODES["HANDLER_FAILED"]
GOOD = {"count": 1, "who": "x", "done": True, "names": ["y"]}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("demo.plain", GOOD, 0),
        ("demo.plain", {**GOOD, "maybe": None, "mixed": [1, True]}, 0),
        ("demo.plain", Plain(1, "x", True, []), 0),
        ("demo.unheard", GOOD, FAILED),
        ("other.plain", GOOD, FAILED),
        ("demo.plain", {}, FAILED),
        ("demo.plain", {**GOOD, "more": 1}, FAILED),
        ("demo.plain", {**GOOD, "count": True}, FAILED),
        ("demo.plain", {**GOOD, "done": 1}, FAILED),
        ("demo.plain", {**GOOD, "names": [1]}, FAILED),
        ("demo.plain", {**GOOD, "names": "y"}, FAILED),
        ("demo.plain", {**GOOD, "mixed": ["x"]}, FAILED),
        ("demo.plain", Plain(1.5, "x", True, []), FAILED),  # type: ignore[arg-type]
        ("demo.bounded", {"from": "00ff", "count": 10}, 0),
        ("demo.bounded", Bounded("00ff", 3), 0),
        ("demo.bounded", {"from": "00fg", "count": 10}, FAILED),
        ("demo.bounded", {"sender": "00ff", "count": 10}, FAILED),
        ("demo.bounded", {"from": "00ff", "count": 11}, FAILED),
        ("demo.bounded", {"from": "00ff", "count": 1, "kind": "c"}, FAILED),
        ("demo.nested", Nested(Inner(1), [Inner(2)]), 0),
        ("demo.nested", Plain(1, "x", True, []), FAILED),
    ],
)
def test_an_event_is_taken_when_it_is_declared_and_fits(name: str, data: Any, code: int) -> None:
    assert PROBE.code(name, data) == code


PLAIN_VALUES = st.one_of(st.integers(-(2**63), 2**64 - 1), st.booleans(), st.none(), st.text(max_size=3))
VALUES = PLAIN_VALUES | st.lists(PLAIN_VALUES, max_size=3)


@given(
    name=st.sampled_from(sorted(MODELS)),
    data=st.dictionaries(st.sampled_from(["count", "who", "done", "names", "maybe", "mixed", "from", "x"]), VALUES),
    good=st.booleans(),
)
def test_what_passes_is_what_the_model_decodes(name: str, data: dict[str, Any], good: bool) -> None:
    if good:
        data = {**GOOD, **{key: data[key] for key in ("maybe", "mixed", "count") if key in data}}
    try:
        msgspec.json.decode(msgspec.json.encode(data), type=MODELS[name])
        want = 0
    except msgspec.ValidationError:
        want = FAILED
    assert PROBE.code(name, data) == want


def test_what_may_not_be_declared() -> None:
    registry = Registry("demo")
    for bad in ("plain", "other.plain", "demo.", "demo.Plain", "demo.a.b"):
        with pytest.raises(ModelError, match="want demo"):
            registry.event(bad, Plain, title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="int64"):
        registry.event("demo.huge", Huge, title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="forbid_unknown_fields"):
        registry.event("demo.open", Open, title_zh="x", title_en="x")
    long = Registry("a" * 32)
    with pytest.raises(ModelError, match="at most 64"):
        long.event(f"{long.application}.{'b' * 32}", Plain, title_zh="x", title_en="x")
    for number in range(EVENT_KINDS_MAX):
        registry.event(f"demo.e{number}", Plain, title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="twice"):
        registry.event("demo.e1", Plain, title_zh="x", title_en="x")
    with pytest.raises(ModelError, match="more than"):
        registry.event("demo.more", Plain, title_zh="x", title_en="x")
