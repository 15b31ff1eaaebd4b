"""What leads from counted code to the interpreter, to uncounted work or to what others share is closed."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest

from hnnode.errors import ConfigError
from hnnode.execution.loading import forget
from hnnode.execution.metering import Meter, load_modules
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.ids import PROVINCES
from hnnode.plugin_api.limits import TICKS_MAX
from hnnode.plugin_api.outcome import TxRefused


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget("hn_tried")


def loaded(text: str) -> tuple[Any, Meter]:
    return load_modules("tried", {"__init__.py": text.encode()}, "hn_tried")


def run(text: str) -> Any:
    module, meter = loaded(text)
    meter.begin(TICKS_MAX)
    return module.f()


REFUSED = {
    "from operator import attrgetter": "attrgetter: not for plugins",
    "from hnnode.plugin_api.privacy.guard import attrgetter": "attrgetter: not for plugins",
    "from hnnode.plugin_api.ids.organisation import mul": "mul: not for plugins",
    "from hnnode.plugin_api.std.walks import deque": "deque: not for plugins",
    "from hnnode.plugin_api.codec import encode_sorted": "encode_sorted: not for plugins",
    "from hnnode.plugin_api.std.shares import gcd": "gcd: not for plugins",
    "from typing import NamedTuple": "NamedTuple: not for plugins",
    "from typing import get_origin": "get_origin: not for plugins",
    "from typing import get_overloads": "get_overloads: not for plugins",
    "from hnnode.plugin_api.model import bare_schema": "bare_schema: not for plugins",
    "match int:\n    case _hn_over: pass": "_hn_over: names that begin with _hn_",
    "match [int]:\n    case [*_hn_over]: pass": "_hn_over: names that begin with _hn_",
    "match {}:\n    case {**_hn_over}: pass": "_hn_over: names that begin with _hn_",
    "class A:\n    match len:\n        case __getattr__: pass": "__getattr__: names with two underscores",
    "def f():\n    nonlocal _hn_cell": "_hn_cell: names that begin with _hn_",
    "from . import _hn_attribute as a": "_hn_attribute: names that begin with _hn_",
    "from hn_tried import _hn_attribute as a": "_hn_attribute: names that begin with _hn_",
    "class A:\n    __match_args__ = ('__globals__',)": "__match_args__: names with two underscores",
    "match 'a':\n    case str(replace=r): pass": "replace: a pattern takes a method",
    "match 'a':\n    case str(format=r): pass": "format: a pattern takes a method",
    "match {}:\n    case {0: x}: pass": "keys of a pattern are texts",
    "super = lambda x: x\ndef f(): return super('abc').__init__": "__init__: attributes with two underscores",
    **{
        f"class A:\n    def m(self): return super().{name}()": f"{name}: attr"
        for name in ("__str__", "__hash__", "__mul__")
    },
    "class A:\n    def m(self): return self._make(range(9))": "._make: reaches into",
    "def g():\n    try:\n        yield 1\n    finally:\n        pass": "yield within try and finally",
    "def g():\n    x = yield from []": "yield from has no value here",
    "g = lambda: (yield 1)": "yield in a lambda",
    "from typing import TypedDict": "TypedDict: not for plugins",
    "from typing import Optional\nclass A:\n    x: Optional['f()']": "an annotation is not written as text",
    "class A:\n    x: list['f()']": "an annotation is not written as text",
    "class A:\n    x: f'{1}'": "an annotation is not written as text",
    "class A:\n    x: f()": "an annotation holds names",
    "def f(x: list['g()']):\n    pass": "an annotation is not written as text",
    "def f() -> list['g()']:\n    pass": "an annotation is not written as text",
    "def f(x: ().__class__):\n    pass": ".__class__: attributes with two underscores",
}


@pytest.mark.parametrize("text", sorted(REFUSED))
def test_refused_when_loaded(text: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[text]):
        loaded(text)


def test_the_interface_exports_what_it_defines_alone() -> None:
    from hnnode.execution.metering.functions import Functions
    from hnnode.execution.metering.guard import stand_ins
    from hnnode.execution.metering.operations import Operations

    meter = Meter()
    operations = Operations(meter)
    for name, module in stand_ins(meter, operations, Functions(meter, operations)).items():
        for each, value in vars(module).items():
            if name.startswith("hnnode.") and callable(value) and isinstance(getattr(value, "__module__", None), str):
                foreign = value.__module__.split(".")[0] in (
                    "_operator",
                    "operator",
                    "math",
                    "functools",
                    "collections",
                )
                assert not foreign or hasattr(value, "__origin__"), (name, each)


TEXT_AS_TYPE = [
    "x: Optional[S]",
    "x: S",
    "x: list[S]",
    "x: dict[str, Optional[S]]",
    "x: Annotated[Held, 1]",
    "x: ClassVar[Held] = 1\n    y: Held",
]


@pytest.mark.parametrize("field", TEXT_AS_TYPE)
def test_text_held_in_a_name_is_not_evaluated_as_a_type(field: str) -> None:
    import msgspec

    module, _ = loaded(
        "from typing import Annotated, ClassVar, Optional\nfrom msgspec import Struct\nOUT = []\n"
        f"S = 'OUT.append(1) or int'\nHeld = Optional[S]\nclass A(Struct):\n    {field}\n"
    )
    with pytest.raises(TypeError, match="an annotation holds text"):
        msgspec.convert({"x": 1}, module.A)
    assert module.OUT == []


def test_annotations_without_text_are_as_before() -> None:
    import msgspec

    module, _ = loaded(
        "from typing import Annotated, ClassVar, Generic, Literal, Optional, TypeVar\n"
        "from dataclasses import dataclass, field, fields\n"
        "from msgspec import Meta, Struct\nT = TypeVar('T')\n"
        "class A(Struct):\n    kind: ClassVar[Optional[str]] = 'a'\n"
        "    x: Annotated[str, Meta(pattern='^a')]\n    y: Literal['b', 'c'] = 'b'\n    z: Optional[A] = None\n"
        "class Box(Struct, Generic[T]):\n    value: T\n"
        "@dataclass\nclass D:\n    kind: ClassVar[int] = 1\n    x: int = 2\n"
        "def f():\n    return [each.name for each in fields(D)], Box[int](3).value, D(4).x\n"
    )
    assert msgspec.convert({"x": "ab", "z": {"x": "a"}}, module.A).z.y == "b"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"x": "b"}, module.A)
    assert module.f() == (["x"], 3, 4)
    assert module.A.__struct_fields__ == ("x", "y", "z")


WRONG_TYPES = {
    "def f():\n    return type(type(1))": "type of a class",
    "def f():\n    return type(f)(1, {})": "function: not made by plugins",
    "class H:\n    def m(self): pass\ndef f():\n    return type(H().m)(list, range(9))": "method: not made by plugins",
    "from enum import Enum\ndef f():\n    Enum.gotcha = 1": "attributes of classes",
    "from enum import Enum\ndef f():\n    Enum.gotcha, x = 1, 2": "attributes of classes",
    "from enum import Enum\ndef f():\n    for Enum.gotcha in [1]: pass": "attributes of classes",
    "from enum import Enum\ndef g(self):\n    self.gotcha = 1\ndef f():\n    g(Enum)": "attributes of classes",
    "from hnnode.plugin_api import QueryView\ndef f():\n    QueryView.foreign = lambda *a: 1": "attributes of classes",
    "from hnnode.plugin_api import QueryView\ndef f():\n    QueryView.foreign: int = 1": "attributes of classes",
    "from hnnode.plugin_api import QueryView\ndef f():\n    del QueryView.foreign": "attributes of classes",
    "from hnnode.plugin_api import ids\ndef f():\n    ids.is_gtin = None": "attributes of classes",
    "from hnnode.plugin_api.ids import PROVINCES\ndef f():\n    PROVINCES['zz'] = 'x'": "does not support item assignment",
    "from dataclasses import dataclass\nfrom hnnode.plugin_api import QueryView\n"
    "def f():\n    dataclass(QueryView)": "a class of the plugin alone",
    "from dataclasses import fields\nfrom hnnode.plugin_api import Migration\n"
    "def f():\n    fields(Migration)[0].name = 'x'": "the node's objects are fixed",
    "from hnnode.plugin_api import hookimpl\nfrom hnnode.plugin_api.ids import is_gtin\n"
    "def f():\n    hookimpl(is_gtin)": "only a function of the plugin",
    "from abc import abstractmethod\nfrom hnnode.plugin_api import QueryView\n"
    "def f():\n    abstractmethod(QueryView)": "only a function of the plugin",
    "from hnnode.plugin_api import hookimpl\ndef f():\n    hookimpl.project_name = 'x'": "the node's objects are fixed",
    "from functools import partial\ndef f():\n    partial(f).held = 1": "the node's objects are fixed",
    "from operator import itemgetter\ndef f():\n    type(itemgetter(1))(1)": "function: not made by plugins",
    "from typing import Optional\nclass A:\n    def __call__(self): pass\ndef f():\n    Optional[A()]": "a type is made of",
    "from typing import Callable\nclass A:\n    def __call__(self): pass\ndef f():\n    Callable[[A()], int]": "a type is made",
    "from enum import Enum\nclass K(Enum):\n    A = 1\ndef f():\n    1 in K": "only a member is in",
    "from enum import Enum\ndef f():\n    Enum('A', ['a'])": "positional",
    **{
        f"{before}\ndef f():\n    class A({base}): pass": "A: extends"
        for before, base in [
            ("", "list"),
            ("", "str"),
            ("", "int"),
            ("", "dict"),
            ("", "list[int]"),
            ("", "property"),
            ("from typing import List", "List[int]"),
            ("from enum import Enum", "str, Enum"),
            ("from collections import OrderedDict", "OrderedDict"),
            ("from collections.abc import Set", "Set"),
            ("from functools import partial", "type(partial(len))"),
        ]
    },
}


@pytest.mark.parametrize("text", sorted(WRONG_TYPES))
def test_ends_as_a_type_error(text: str) -> None:
    with pytest.raises(TypeError, match=WRONG_TYPES[text]):
        run(text)
    assert not hasattr(Enum, "gotcha")
    assert callable(QueryView.foreign)
    assert "zz" not in PROVINCES


def test_enumerations_and_named_tuples_are_extended() -> None:
    assert run(
        "from enum import Enum, IntEnum, StrEnum\nfrom collections import namedtuple\n"
        "class A(int, Enum):\n    X = 1\nclass B(IntEnum):\n    X = 2\nclass C(StrEnum):\n    X = 'c'\n"
        "class P(namedtuple('P', 'x y')):\n    def both(self): return self.x + self.y\n"
        "def f():\n    return A.X + B.X, C.X == 'c', P(1, 2).both()"
    ) == (3, True, 3)


UNCOUNTED = [
    "class A:\n    def list(self): pass\ndef f(): return list(range(500000000))",
    "from functools import partial\ndef f(): return partial(list, range(500000000))()",
    "from functools import partial\ndef f(): return type(partial(f))(list, range(500000000))()",
    "class H:\n    kind = list\ndef f(): return H.kind(range(500000000))",
    "class H:\n    count = list\ndef f(): return H.count(range(500000000))",
    "class H:\n    kind = staticmethod(list)\ndef f(): return H.kind(range(500000000))",
    "def f(): return list[int](range(500000000))",
    "from typing import Annotated\ndef f(): return Annotated[list, 1](range(500000000))",
    "from collections import deque\ndef f(): return type(deque())(range(500000000))",
    "def wrap(g): return list\n@wrap\ndef g(): pass\ndef f(): return g(range(500000000))",
    "from itertools import starmap\ndef f(): return starmap(list, [(range(500000000),)])",
    "from itertools import groupby\ndef f(): return groupby([range(500000000)], list)",
    "from itertools import takewhile\ndef f(): return takewhile(list, [range(500000000)])",
]


@pytest.mark.parametrize("text", UNCOUNTED)
def test_built_in_types_are_counted_however_they_are_called(text: str) -> None:
    with pytest.raises(TxRefused):
        run(text)


ADDRESSES = [
    "class H:\n    @property\n    def s(self): return 1\n    s = s.getter(str)\ndef f(): return H().s",
    "from functools import partial\ndef f(): return partial(str, f)()",
    "class H:\n    s = str\ndef f(): return H.s(f)",
    "@str\ndef g(): pass\ndef f(): return g",
    "@str\nclass G: pass\ndef f(): return G",
    "from itertools import starmap\ndef f(): return starmap(str, [(f,)])",
    "class H:\n    s = property(str)\ndef f(): return H().s",
    "def f():\n    held = [f]\n    held.sort(key=str)\n    return held",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_no_way_of_calling_str_gives_an_address(text: str) -> None:
    with pytest.raises(TypeError, match="only text"):
        run(text)


def test_a_counted_method_shows_nothing_of_the_one_behind_it() -> None:
    with pytest.raises(AttributeError, match="args"):
        run("def f(): return 'aaaa'.replace.args[2]('a', 'b')")


def test_an_alias_gives_no_method_of_its_type() -> None:
    for text in ("list[int].copy([])", "dict[int, int].fromkeys([])"):
        with pytest.raises(AttributeError, match="not for plugins"):
            run(f"def f(): return {text}")


LASTING = [
    "from collections.abc import Iterable\ndef f():\n    try: Iterable.register(int)\n    except AttributeError: pass\n"
    "    return isinstance(5, Iterable)",
    "from typing import Sized\ndef f():\n    try: Sized.register(int)\n    except AttributeError: pass\n"
    "    return isinstance(5, Sized)",
    "from abc import ABC, abstractmethod\nfrom hnnode.plugin_api.ids import is_gtin\ndef f():\n"
    "    try: abstractmethod(is_gtin)\n    except TypeError: pass\n    class A(ABC):\n        m = is_gtin\n    return isinstance(A(), A)",
]


@pytest.mark.parametrize("text", LASTING)
def test_a_copy_finds_nothing_of_the_one_before(text: str) -> None:
    assert run(text) == run(text) == ("ABC" in text)


def test_no_object_of_the_interface_can_be_written_into() -> None:
    """Structs are the one kind of the interface's objects that metered code may change: none is within its reach."""
    import msgspec

    from hnnode.execution.metering.functions import Functions
    from hnnode.execution.metering.guard import stand_ins
    from hnnode.execution.metering.operations import Operations

    meter = Meter()
    operations = Operations(meter)
    for name, module in stand_ins(meter, operations, Functions(meter, operations)).items():
        for each, value in vars(module).items():
            held = {each: value}
            if isinstance(value, type) and name.startswith("hnnode"):
                held.update(vars(value))
            for part, found in held.items():
                assert not isinstance(found, (msgspec.Struct, list, dict, set)) or part.startswith("_"), (name, part)


def test_a_generator_that_rests_holds_no_depth() -> None:
    """Regression: how deep calls could nest depended on when the interpreter collected a generator that was left."""
    assert (
        run(
            "def g(box):\n    yield 1\ndef h(n):\n    return 0 if n == 0 else h(n - 1)\n"
            "def f():\n    for n in range(60):\n        box = []\n        it = g(box)\n        next(it)\n        box.append(it)\n"
            "    return h(40)"
        )
        == 0
    )
    nested = "def g(n):\n    yield n\n    if n:\n        for x in g(n - 1): yield x\ndef f(): return len([*g({})])"
    assert run(nested.format(50)) == 51
    with pytest.raises(TxRefused):
        run(nested.format(70))


def test_generators_do_as_python_does() -> None:
    assert run(
        "def g(n):\n    for i in range(n):\n        x = yield i\n        if x: yield x\n"
        "def k():\n    yield from g(3)\n    yield from [7, 8]\n"
        "def f():\n    it = g(3)\n    return [*k()], next(it), it.send('a'), next(it)"
    ) == ([0, 1, 2, 7, 8], 0, "a", 1)


EVIL = "class A(Struct, array_like=True):\n    text: Annotated[str, Meta(pattern='^(a+)+b' + END)]\n"
EVIL_HEAD = """from typing import Annotated
from msgspec import Meta, Struct
from hnnode.plugin_api import END, Records, decode_json
"""


@pytest.mark.parametrize(
    "text",
    [
        "def f(): Records(b'a', A)",
        "class B(Struct):\n    each: list[A]\ndef f(): Records(b'a', B)",
        "def f(): decode_json(b'[]', A)",
    ],
)
def test_no_pattern_is_matched_but_those_of_payloads(text: str) -> None:
    """Matching takes work that nobody counts; patterns of payloads are looked at when a plugin registers them."""
    with pytest.raises(TypeError, match="a pattern belongs to payloads"):
        run(EVIL_HEAD + EVIL + text)
