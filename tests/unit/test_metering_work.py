"""Work that no loop of the code shows is counted before it is done; what a process's hash seed or addresses decide never
comes out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hnnode.errors import ConfigError
from hnnode.execution.loading import forget
from hnnode.execution.metering import Meter, load_modules
from hnnode.plugin_api.limits import INTEGER_BITS_MAX, TICKS_MAX
from hnnode.plugin_api.outcome import TxRefused

HEAD = """
from collections import OrderedDict, defaultdict, namedtuple
from enum import Enum, IntEnum
from itertools import islice
from operator import itemgetter
from dataclasses import dataclass
from typing import Union
from msgspec import Meta, Struct
from msgspec.structs import fields
from hnnode.plugin_api import Records, canonical_json
from hnnode.plugin_api.hashes import sm3

P = 2**61 - 1

class Row(Struct):
    a: list[int]

class Meets:
    def __hash__(self): return 1
    def __eq__(self, other): return False

class S(Struct):
    a: object
    b: object

class Frozen(Struct, frozen=True):
    a: object
    b: object

@dataclass
class D:
    a: object
    b: object

class Plain:
    def __init__(self, n): self.n = n
    def __lt__(self, other): return False

def twice(make, times):
    made = 0
    for _ in range(times):
        made = make(made, made)
    return made

def pair(a, b): return (a, b)
def listed(a, b): return [a, b]
"""


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget("hn_tried")


def loaded(text: str) -> tuple[Any, Meter]:
    module, meter = load_modules("tried", {"__init__.py": (HEAD + text).encode()}, "hn_tried")
    meter.begin(TICKS_MAX)
    return module, meter


def indented(body: str) -> str:
    return "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines())


ENDLESS = {
    "equal structs": "return twice(S, 40) == twice(S, 40)",
    "equal dataclasses": "return twice(D, 40) == twice(D, 40)",
    "equal lists": "return twice(listed, 40) == twice(listed, 40)",
    "equal in a chain": "a = twice(listed, 40)\nb = twice(listed, 40)\nreturn 1 == 1 and a == b == a",
    "least of structs": "return min([twice(pair, 40), twice(pair, 40)])",
    "sorted by a key": "return sorted([1, 2], key=lambda n: twice(pair, 40))",
    "sort by a key": "[1, 2].sort(key=lambda n: twice(pair, 40))",
    "a member of a list": "return twice(pair, 40) in [twice(pair, 40)]",
    "a member of values": "return twice(pair, 40) in {1: twice(pair, 40)}.values()",
    "many large members": "big = [0] * 60000\nreturn [*big, 1] in [[*big, 2]] * 1000",
    "a member of a range": "for n in range(10**9):\n    if 'a' not in range(10**9): pass",
    "a member of a loop": "return 5 in ([] for _ in range(10**9))",
    "key of a dictionary": "d = {}\nd[twice(pair, 40)] = 1",
    "key of a display": "return {twice(pair, 40): 1}",
    "key of a comprehension": "return {twice(pair, 40): n for n in (1,)}",
    "key got": "return {}.get(twice(pair, 40))",
    "key got by a name": "get = {}.get\nreturn get(twice(pair, 40))",
    "key deleted": "d = {}\ndel d[twice(pair, 40)]",
    "key looked for": "return twice(pair, 40) in {}",
    "key of pairs": "return dict([(twice(pair, 40), 1)])",
    "key of an enumeration": "class K(Enum):\n    A = 1\nreturn K(twice(pair, 40))",
    "member of a display": "return {twice(pair, 40)}",
    "member added": "set().add(twice(pair, 40))",
    "members made": "return set([twice(pair, 40)])",
    "members joined": "return set().union([twice(pair, 40)])",
    "members of a view": "return {}.keys() & [twice(pair, 40)]",
    "a frozen struct as a key": "return {twice(Frozen, 40)}",
    "deep values": "a = b = 0\nfor _ in range(70):\n    a = [a]\n    b = [b]\nreturn a == b",
    "keys of an instance": "return {}.fromkeys(range(3_000_000))",
    "bytes extended": "b = bytearray(b'x' * 1000)\nfor _ in range(30):\n    b.extend(b)",
    "bytes stored": "b = bytearray(b'x' * 1000)\nfor _ in range(30):\n    b[0:0] = b",
    "a slice stored": "b = [0] * 60000\nfor _ in range(100):\n    b[0:1] = [1]",
    "slices deleted": "for _ in range(1000):\n    b = [0] * 60000\n    del b[0:1]",
    "dictionaries copied": "d = {n: n for n in range(60000)}\nfor _ in range(100):\n    {**d}",
    "dictionaries given": "def g(**d): pass\nd = {str(n): n for n in range(60000)}\nfor _ in range(100):\n    g(**d)",
    "stars": "d = [0] * 65000\nfor _ in range(100):\n    *a, = d",
    "stars of a loop": "d = [0] * 65000\nfor [*a] in [d] * 100:\n    pass",
    "stars within": "d = [0] * 65000\nfor _ in range(100):\n    b, (*a,) = 1, d",
    "rests of a pattern": "d = [0] * 65000\nfor _ in range(100):\n    match d:\n        case [*a]: pass",
    "values of a pattern": "class K:\n    A = twice(listed, 40)\nmatch twice(listed, 40):\n    case K.A: pass",
    "parts of a text": "for _ in range(20):\n    ('ab,' * 60000).split(',')",
    "too many parts": "return ('ab,' * 349000).split(',')",
    "too many words": "return ('a ' * 349000).split()",
    "lines": "for _ in range(20):\n    ('a\\n' * 60000).splitlines()",
    "large integers of a kind": "class I(IntEnum):\n    A = 1 << 4000\nx = 1\nfor _ in range(9):\n    x = I.A * x",
    "sums of a kind": "class I(IntEnum):\n    A = 1 << 4095\nreturn I.A + I.A",
    "shift of a kind": "class I(IntEnum):\n    A = 4090\nreturn I.A << I.A",
    "integers that meet": "return {n * P: 1 for n in range(20_000)}",
    "integers stored": "d = {}\nfor n in range(20_000):\n    d[n * P] = 1",
    "integers got": "d = dict.fromkeys(range(2_000))\nfor n in range(20_000):\n    d.get(n * P)",
    "a constant got": "d = dict.fromkeys(range(2_000))\nfor n in range(20_000):\n    d[5]",
    "integers taken out": "d = dict.fromkeys(range(3_000))\nfor n in range(20_000):\n    d[-n] = 1\n    del d[-n]",
    "integers by a name": "g = itemgetter(5)\nd = dict.fromkeys(range(2_000))\nfor n in range(20_000):\n    g(d)",
    "integers looked for": "d = {*range(2_000)}\nfor n in range(20_000):\n    n in d",
    "members that meet": "return {n * P for n in range(20_000)}",
    "members given": "return set([n * P for n in range(20_000)])",
    "members added one by one": "s = set()\nfor n in range(20_000):\n    s.add(n * P)",
    "members joined with others": "s = {*range(2_000)}\nfor n in range(100):\n    s | s",
    "members compared": "s = {*range(2_000)}\nfor n in range(100):\n    s == s",
    "integers copied": "d = dict.fromkeys(range(2_000))\nfor n in range(100):\n    {**d}",
    "integers updated": "d = dict.fromkeys(range(2_000))\nfor n in range(100):\n    d.update(d)",
    "pairs that meet": "return {(n * P, 1) for n in range(20_000)}",
    "structs that meet": "return {Frozen(n * P, 1) for n in range(20_000)}",
    "objects that meet": "return {Meets() for n in range(20_000)}",
    "stars in a set": "return {*[twice(pair, 40)]}",
    "classes": "for n in range(20_000):\n    class A: pass",
    "named tuples": "for n in range(5_000):\n    namedtuple('A', 'x')",
    "dataclasses": "for n in range(1_000):\n    @dataclass\n    class A: x: int = 1",
    "fields": "for n in range(20_000):\n    fields(S)",
    "kinds within kinds": "t = Exception\nfor n in range(40):\n    t = (t, t)\nreturn isinstance(1, t)",
    "faults within faults": "t = ValueError\nfor n in range(40):\n    t = (t, t)\ntry:\n    [][1]\nexcept t:\n    pass",
    "starts": "return ('a' * 500_000).startswith(('a' * 499_998 + 'ba',) * 60_000)",
    "found from behind": "return ('a' * 500_000).rfind('ab' + 'a' * 250_000)",
    "split from behind": "return ('a' * 500_000).rsplit('ab' + 'a' * 250_000)",
    "stripped": "return ('a' * 500_000).strip('b' * 500_000 + 'a')",
    "items deleted": "b = [0] * 60_000\nfor n in range(20_000):\n    del b[0]\n    b.append(0)",
    "hashes": "d = b'x' * 1_000_000\nfor n in range(100):\n    sm3(d)",
    "json": "return canonical_json({'a': ['x' * 1_000_000] * 60_000})",
    "a record": "Records(b'r', Row).put(None, b'k', Row(twice(listed, 40)))",
    "powers of a remainder": "n = (1 << 4090) - 1\nfor _ in range(5):\n    pow(n, n, n - 2)",
    "divisions with rests": "a = (1 << 4090) - 1\nb = (1 << 2040) - 1\nfor _ in range(20_000):\n    divmod(a, b)",
    "large integers as text": "n = 1 << 4090\nfor _ in range(20_000):\n    f'{n}'",
    "types": "for n in range(20_000):\n    Union[int, str, None]",
    "unions": "t = int | str\nfor n in range(2_000):\n    t = t | list[n]",
    "patterns": "for n in range(2_000):\n    Meta(pattern=f'^a{n}')",
    "divisions": "a = (1 << 4090) - 1\nb = (1 << 2040) - 1\nfor _ in range(20_000):\n    a // b",
}


@pytest.mark.parametrize("what", sorted(ENDLESS))
def test_hidden_work_is_counted(what: str) -> None:
    module, meter = loaded(indented(ENDLESS[what]))
    started = time.monotonic()
    with pytest.raises(TxRefused):
        module.f()
    assert meter.exceeded
    assert time.monotonic() - started < 5


def test_an_integer_of_bytes_is_bounded_on_an_instance() -> None:
    module, _ = loaded(indented(f"return (0).from_bytes(b'\\xff' * {INTEGER_BITS_MAX // 8 + 1}, 'big')"))
    with pytest.raises(ValueError, match="from_bytes takes at most"):
        module.f()


ORDERED = {
    "return list(islice({'z', 'x', 'y'}, 2))": ["x", "y"],
    "for a, b, c in [{'z', 'x', 'y'}]:\n    return [a, b, c]": ["x", "y", "z"],
    "return [[a, b, c] for a, b, c in [{'z', 'x', 'y'}]]": [["x", "y", "z"]],
    "p, (q, r, s) = 1, {'z', 'x', 'y'}\nreturn [q, r, s]": ["x", "y", "z"],
    "*p, (q, (r, s)) = 1, 2, (0, {'z', 'x'})\nreturn [r, s]": ["x", "z"],
    "for n, (q, *r) in [(1, {'z', 'x', 'y'})]:\n    return [q, r]": ["x", ["y", "z"]],
    "return list({}.fromkeys({'z', 'x', 'y'}))": ["x", "y", "z"],
    "return list(OrderedDict({('z', 1), ('x', 2)}))": ["x", "z"],
    "return list(defaultdict(list, {('z', 1), ('x', 2)}))": ["x", "z"],
    "return list(dict([{'z', 'x'}]))": ["x"],
    "from_ = [*{(1, 'b'), (1, 'a'), (0, 'c', 5)}]\nreturn from_": [(0, "c", 5), (1, "a"), (1, "b")],
    "return [x for x in {True, 5, 0}]": [0, True, 5],
    "return [x for x in {None}]": [None],
}


@pytest.mark.parametrize("body", sorted(ORDERED))
def test_a_set_comes_out_in_order(body: str) -> None:
    module, _ = loaded(indented(body))
    assert module.f() == ORDERED[body]


@pytest.mark.parametrize(
    "body",
    [
        "return [x for x in {frozenset('a'), frozenset('b')}]",
        "return sorted({Plain(1), Plain(2)})",
        "return list({1, 'a'})",
        "return list({(1, 'a'), (1, 2)})",
        "return list({(1, None), (2, 2)})",
        "return list({Frozen(1, 2), Frozen(2, 1)})",
    ],
)
def test_a_set_without_an_order_of_its_own_is_not_gone_through(body: str) -> None:
    module, _ = loaded(indented(body))
    with pytest.raises(TypeError, match="a set of unlike values has no order"):
        module.f()


@pytest.mark.parametrize(
    "body",
    [
        "return {str(n): n for n in range(5_000)}",
        "return {n * P: n for n in range(60)}",
        "return {n: n for n in range(1_000)}",
        "d = {str(n): n for n in range(5_000)}\nfor n in range(5_000):\n    d[str(n)] += d[f'{n}']\nreturn {**d}",
        "rows = [[n, n] for n in range(5_000)]\nreturn [row[0] + row[1] for row in rows]",
    ],
)
def test_keys_of_ordinary_code_are_cheap(body: str) -> None:
    module, _ = loaded(indented(body))
    module.f()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 'a'.encode('cp037')", "want one of"),
        ("return b'a'.decode(errors='namereplace')", "want one of"),
        ("return bytes('a', 'idna')", "want one of"),
        ("return str(b'a', 'cp037')", "want one of"),
        ("return int('\u0661')", "ASCII digits"),
    ],
)
def test_tables_of_the_interpreter_are_not_used(body: str, reason: str) -> None:
    module, _ = loaded(indented(body))
    with pytest.raises(ValueError, match=reason):
        module.f()


def test_texts_of_the_interpreter_hold_no_address() -> None:
    module, _ = loaded(
        "class Own(Exception):\n    pass\n"
        "def f():\n    try:\n        [].index(f)\n    except ValueError as e:\n        return str(e), e.args\n"
        "def g(error):\n    try:\n        raise error\n    except Exception as e:\n        return str(e), e.args\n"
        "def h():\n    return g(Own('mine')), g(Own)\n"
        "def k():\n    try:\n        {}['a']\n    except KeyError as e:\n        return e.args\n"
    )
    assert module.f() == ("", ())
    assert module.g(ValueError("mine")) == ("mine", ("mine",))
    assert module.h() == (("mine", ("mine",)), ("", ()))
    assert module.k() == ("a",)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a, b = c = (1, 2)", "has one target"),
        ("a = b = [0]\na[:] = b[:] = [1]", "has one target"),
        ("match 1:\n    case S(a=[*b]):\n        pass", "takes no rest"),
        ("match 1:\n    case S(a={'a': 1, **b}):\n        pass", "takes no rest"),
    ],
)
def test_what_cannot_be_counted_is_refused_when_loaded(body: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        loaded(indented(body))


SAME = {
    "return [0 < n < 5 <= 5 for n in (0, 1, 5)]": [False, True, False],
    "seen = []\ndef g(n):\n    seen.append(n)\n    return n\n1 < g(1) < g(2)\n0 < g(3) < g(4)\nreturn seen": [1, 3, 4],
    "return 1 in [1, 2] == [1, 2]": True,
    "return [max('bb', 'a', 'cc', key=len), min([3, 1, 2], key=lambda n: -n), max([], default=4)]": ["bb", 3, 4],
    "return sorted(['b', 'aa', 'c'], key=len, reverse=True)": ["aa", "b", "c"],
    "a = [3, 1, 2]\na.sort(key=lambda n: -n)\nreturn a": [3, 2, 1],
    "a = [1, 2, 3, 4]\na[1:2] = 'xy'\ndel a[0:1], a[-1]\nreturn a": ["x", "y", 3],
    "a = [1, 2, 3]\nreturn [a.pop(), a.pop(0), a]": [3, 1, [2]],
    "d = {'a': 1}\nd.update([('b', 2)], c=3)\nreturn {**d, 'e': d.pop('a'), 'f': d.setdefault('g', 9)}": {
        "a": 1,
        "b": 2,
        "c": 3,
        "e": 1,
        "f": 9,
    },
    "return ['a,b,c'.split(',', 1), ' a  b '.split(), 'a,b,c'.rsplit(',', maxsplit=1), 'a\\nb'.splitlines(True)]": [
        ["a", "b,c"],
        ["a", "b"],
        ["a,b", "c"],
        ["a\n", "b"],
    ],
    "match {'k': [1, 2, 3], 'm': 1}:\n    case {'k': [a, *b], **c}:\n        return [a, b, c]": [1, [2, 3], {"m": 1}],
    "class K(IntEnum):\n    A = 7\nmatch 7:\n    case K.A:\n        return [K(7) is K.A, -K.A // 2, K.A >> 1]": [
        True,
        -4,
        3,
    ],
    "return [itemgetter(1)([4, 5]), itemgetter('a', 'b')({'a': 1, 'b': 2})]": [5, (1, 2)],
    "return [3 in range(5), 'a' in range(5), 4 in iter([1, 4]), ('a', 1) in {'a': 1}.items()]": [
        True,
        False,
        True,
        True,
    ],
    "return ['12'.isdigit(), '\u0661'.isdigit(), '\u0661'.isdecimal()]": [True, False, False],
    "return ['\u00e4'.encode('utf-8'), b'a'.decode('ascii', 'strict'), str(b'a', 'utf-8')]": [b"\xc3\xa4", "a", "a"],
    "d = {1: {2: 3}}\nd[1][2] += 4\nd[1][5] = 6\ndel d[1][2], d[1][5]\nd[1][7] = d.get(1)\nreturn len(d[1])": 1,
    "a = [1, 2, 3]\na[0], a[-1] = a[-1], a[0]\nreturn [a, (4, 5)[1], b'ab'[0], 'ab'[1]]": [[3, 2, 1], 5, 97, "b"],
    "return [{n % 2: n for n in range(4)}, {*[1], 2}, {**{1: 2}, 3: 4}]": [{0: 2, 1: 3}, {1, 2}, {1: 2, 3: 4}],
    "b = bytearray(b'ab')\nb.extend(b)\nb[1:1] = b'x'\nreturn bytes(b)": b"axbab",
}


@pytest.mark.parametrize("body", sorted(SAME))
def test_counted_twins_do_as_python_does(body: str) -> None:
    module, _ = loaded(indented(body))
    assert module.f() == SAME[body]


@pytest.mark.parametrize("body", ["X = 1 << 20000", "X = 9 ** 99999"])
def test_constants_make_no_large_integer_either(body: str) -> None:
    """Regression: the shift and the power of two constants were left to the interpreter."""
    with pytest.raises(ConfigError):
        load_modules("tried", {"__init__.py": body.encode()}, "hn_tried")
