"""Which types a plugin may use, how a registry refuses mistakes, and that encodings are the same whatever the
insertion order.
"""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.plugin_api import ModelError, Records, Registry, canonical_json
from hnnode.plugin_api.model import bare_schema, check_model, json_schema

Small = Annotated[int, Meta(ge=0, le=9)]


class Grade(enum.Enum):
    A = "a"
    B = "b"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: Small


class Good(msgspec.Struct, forbid_unknown_fields=True):
    """Every kind of field a payload may have."""

    n: Small
    text: str
    flag: bool
    grade: Grade
    maybe: Small | None
    many: Annotated[list[Inner], Meta(max_length=3)]
    pair: tuple[Small, str] = (0, "")


def model_of(**fields: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct("Made", list(fields.items()), forbid_unknown_fields=True)


def test_check_model_takes_every_allowed_kind() -> None:
    check_model(Good, "payload")


@pytest.mark.parametrize(
    "bad",
    [
        float,
        float | None,
        Annotated[list[float], Meta(max_length=2)],
        tuple[str, float],
        Decimal,
        datetime.datetime,
        Any,
        dict[str, str],
        set[str],
        bytes,
        int,
        Annotated[int, Meta(ge=0)],
        Annotated[int, Meta(ge=0, le=2**70)],
        list[str],
        msgspec.Raw,
        Annotated[str, Meta(pattern="^a$")],
        Annotated[str, Meta(pattern="a(?![\\s\\S])")],
        object,
    ],
)
def test_check_model_refuses_what_two_hosts_could_see_differently(bad: Any) -> None:
    with pytest.raises(ModelError):
        check_model(model_of(x=bad), "payload")


def test_check_model_refuses_open_recursive_and_deep_structs() -> None:
    class Open(msgspec.Struct):
        n: Small

    with pytest.raises(ModelError, match="forbid_unknown_fields"):
        check_model(Open, "payload")
    with pytest.raises(ModelError, match="forbid_unknown_fields"):
        check_model(model_of(x=Open), "payload")
    with pytest.raises(ModelError, match="recursive"):
        check_model(Loop, "payload")
    deep: Any = Small
    for _ in range(10):
        deep = model_of(x=deep)
    with pytest.raises(ModelError, match="deeper"):
        check_model(deep, "payload")
    with pytest.raises(ModelError):
        check_model(dict, "payload")  # type: ignore[arg-type]


class Loop(msgspec.Struct, forbid_unknown_fields=True):
    next: Loop | None


def test_records_may_hold_bytes_and_events_may_not() -> None:
    holder = model_of(x=bytes)
    check_model(holder, "record")
    with pytest.raises(ModelError):
        check_model(holder, "event")
    with pytest.raises(ModelError):
        canonical_json(holder(x=b""))


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(), st.booleans(), st.none()), max_size=6))
def test_canonical_json_does_not_depend_on_insertion_order(data: dict[str, Any]) -> None:
    backwards = dict(reversed(data.items()))
    assert canonical_json(data) == canonical_json(backwards)
    assert msgspec.json.decode(canonical_json(data)) == data


@pytest.mark.parametrize("bad", [{"x": 1.0}, {"x": b""}, {"x": {"y": 1}}, {"x": [1.5]}, {1: 2}, {"x": (1,)}])
def test_canonical_json_refuses_values_without_one_form(bad: dict[Any, Any]) -> None:
    with pytest.raises(ModelError):
        canonical_json(bad)


def test_canonical_json_sorts_struct_fields() -> None:
    made = msgspec.defstruct("E", [("zebra", int), ("apple", str)])
    assert canonical_json(made(zebra=1, apple="x")) == b'{"apple":"x","zebra":1}'


def test_registry_refuses_mistakes() -> None:
    registry = Registry("demo")

    def handler(tx: object, payload: object) -> None: ...

    def query(view: object, payload: object) -> None: ...

    registry.action("go", Good, handler, roles=("b", "a", "a"), title_zh="走", title_en="Go")
    assert registry.actions["go"].roles == ("a", "b")
    with pytest.raises(ModelError, match="twice"):
        registry.action("go", Good, handler, title_zh="走", title_en="Go")
    with pytest.raises(ModelError, match="lower-case"):
        registry.action("Go!", Good, handler, title_zh="走", title_en="Go")
    with pytest.raises(ModelError, match="lower-case"):
        registry.action("go2", Good, handler, roles=("ADMIN",), title_zh="走", title_en="Go")
    registry.query("see", Good, query, title_zh="看", title_en="See")
    with pytest.raises(ModelError, match="twice"):
        registry.query("see", Good, query, title_zh="看", title_en="See")
    registry.rule("demo.no", "不行", "no")
    for bad in ("other.no", "demo.", "demo", "demo.No", "demo.no"):
        with pytest.raises(ModelError):
            registry.rule(bad, "不行", "no")
    with pytest.raises(ModelError):
        Registry("Demo")
    with pytest.raises(ModelError):
        registry.describe("演示", "Demo", state_version=0)


def test_bare_schema_drops_prose_but_keeps_fields_of_that_name() -> None:
    class Titled(msgspec.Struct, forbid_unknown_fields=True):
        """A docstring that another Python would indent otherwise."""

        title: str
        description: Small = 1

    bare = bare_schema(json_schema(Titled))
    found = bare["$defs"]["Titled"]
    assert set(found["properties"]) == {"title", "description"}
    assert found["required"] == ["title"]
    assert "description" not in found
    assert "title" not in found


class Row(msgspec.Struct, array_like=True):
    n: int
    raw: bytes
    late: str = ""


def test_records_read_values_written_before_a_field_was_added() -> None:
    rows = Records(b"r", Row)
    old = msgspec.msgpack.encode([7, b"\x00"])
    assert rows.decode(old) == Row(7, b"\x00", "")
    assert rows.key(b"k") == b"rk"
    with pytest.raises(ModelError):
        Records(b"r", model_of(x=float))
