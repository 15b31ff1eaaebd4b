"""What metered code may not hold is refused when it is loaded, with file, line and reason; and what it may hold does as
Python does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import ConfigError
from hnnode.execution.loading import forget
from hnnode.execution.metering import Meter, load_modules
from hnnode.execution.metering.meter import UNBOUND
from hnnode.execution.metering.patterns import check_pattern
from hnnode.plugin_api.limits import INTEGER_BITS_MAX, ITEMS_MAX, TICKS_MAX
from hnnode.plugin_api.model import END, ModelError
from hnnode.plugin_api.outcome import TxRefused


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget("hn_tried")


def loaded(text: str, **more: str) -> tuple[Any, Meter]:
    files = {"__init__.py": text.encode(), **{f"{name}.py": body.encode() for name, body in more.items()}}
    return load_modules("tried", files, "hn_tried")


REFUSED = {
    "import time": "import time: not for plugins",
    "import random": "import random: not for plugins",
    "import os": "import os: not for plugins",
    "import sys": "import sys: not for plugins",
    "import socket": "import socket: not for plugins",
    "import subprocess": "import subprocess: not for plugins",
    "import threading": "import threading: not for plugins",
    "import asyncio": "import asyncio: not for plugins",
    "import ctypes": "import ctypes: not for plugins",
    "import importlib": "import importlib: not for plugins",
    "import datetime": "import datetime: not for plugins",
    "import math": "import math: not for plugins",
    "import decimal": "import decimal: not for plugins",
    "import re": "import re: not for plugins",
    "import pickle": "import pickle: not for plugins",
    "import uuid": "import uuid: not for plugins",
    "import builtins": "import builtins: not for plugins",
    "import hnnode_native": "import hnnode_native: not for plugins",
    "import hnnode.config": "import hnnode.config: not for plugins",
    "from hnnode.plugin_api import testing": "from hnnode.plugin_api import testing: not for plugins",
    "from hnnode.plugin_api.outcome import TxRefused": "import TxRefused: not for plugins",
    "from typing import sys": "from typing import sys: not for plugins",
    "from functools import lru_cache": "from functools import lru_cache: not for plugins",
    "from itertools import count": "from itertools import count: not for plugins",
    "from operator import methodcaller": "from operator import methodcaller: not for plugins",
    "from os.path import *": r"import \*",
    "def f():\n    import string": "imports stand at the top of a module",
    "open('/etc/passwd')": "open: reaches out of the plugin",
    "def f():\n    return open": "__init__.py:2: open: reaches out",
    "print('x')": "print: reaches out",
    "eval('1')": "eval: runs code",
    "exec('1')": "exec: runs code",
    "compile('1', '', 'eval')": "compile: runs code",
    "__import__('os')": "__import__: names with two underscores",
    "x = __builtins__": "__builtins__: names with two underscores",
    "getattr(1, 'real')": "getattr: reaches into values by name",
    "vars()": "vars: reaches into values",
    "globals()": "globals: reaches into values",
    "x = ().__class__": ".__class__: attributes with two underscores",
    "x = f'{1 .__class__}'": ".__class__: attributes with two underscores",
    "'{0.__class__}'.format(1)": ".format: reaches into the interpreter",
    "x = str.format_map": ".format_map: reaches into the interpreter",
    "def f(g):\n    return g.gi_frame": ".gi_frame: reaches into the interpreter",
    "def f(e):\n    return e.tb_frame.f_globals": "reaches into the interpreter",
    "def f(tx):\n    tx._commit(1)": "._commit: another object's private attribute",
    "def f(x):\n    match x:\n        case str(__class__=c):\n            return c": "__class__: another object's",
    "x = 1.5": "1.5: a fraction",
    "x = 1e3": "a fraction",
    "x = 2j": "a fraction",
    "x = 1 / 2": "/: makes a fraction",
    "x = 4\nx /= 2": "/: makes a fraction",
    "x = float('1')": "float: makes a fraction",
    "x = hash('a')": "hash: differs between processes",
    "x = id(1)": "id: differs between processes",
    "x = repr(1)": "repr: differs between processes",
    "x = f'{1!r}'": "!r in a text",
    "async def f():\n    pass": "AsyncFunctionDef: not for plugins",
    "def f():\n    global x": "Global: not for plugins",
    "try:\n    pass\nexcept:\n    pass": "except without a type",
    "try:\n    pass\nexcept BaseException:\n    pass": "BaseException: is not the plugin's to handle",
    "try:\n    pass\nexcept MemoryError:\n    pass": "MemoryError: is not the plugin's",
    "raise SystemExit": "SystemExit: is not the plugin's",
    "exit()": "exit: reaches out",
    "class A(metaclass=type):\n    pass": "A: a class of another kind",
    "class A:\n    def __del__(self):\n        pass": "__del__: not a method that plugins may define",
    "class A:\n    def __getattr__(self, name):\n        pass": "__getattr__: not a method",
    "_hn_tick = 1": "names that begin with _hn_",
    "def f(_hn_cell):\n    pass": "names that begin with _hn_",
    "x: [0 for _ in range(9)] = 1": "an annotation holds names",
    "def f(a: 10 ** 100):\n    pass": "an annotation holds names",
    "x: 'int' = 1": "an annotation is not written as text",
    "x = 1 @ 2": "@: not for plugins",
    "x = " + "9" * 2_000: "an integer of more than 4,096 bits",
    "while True:\n    pass": "loading it takes more than",
    "x = [0] * 10 ** 10": "loading it takes more than",
    "def f(:": "SyntaxError",
    "\x00": "(SyntaxError|ValueError)",
}


@pytest.mark.parametrize("text", sorted(REFUSED))
def test_refused_when_loaded(text: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[text]) as refused:
        loaded(text)
    assert refused.value.info.name == "PLUGIN_SET_INVALID"


def test_a_module_of_the_package_is_named_in_the_refusal() -> None:
    with pytest.raises(ConfigError, match=r"hn_tried/other\.py:2: open"):
        loaded("from hn_tried import other", other="\nopen('x')")
    with pytest.raises(ConfigError, match=r"hn_tried\.absent: no such module"):
        loaded("import hn_tried.absent")


def test_nothing_leads_from_a_stand_in_to_a_module() -> None:
    from hnnode.execution.metering.functions import Functions
    from hnnode.execution.metering.guard import stand_ins
    from hnnode.execution.metering.operations import Operations

    meter = Meter()
    operations = Operations(meter)
    made = stand_ins(meter, operations, Functions(meter, operations))
    known = set(map(id, made.values()))
    for module in made.values():
        for name, value in vars(module).items():
            assert id(value) in known or type(value).__name__ != "module", (module, name)


# ---------------------------------------------------------------- the same as Python
PROGRAM = """
from collections import defaultdict, deque
from itertools import accumulate, chain, groupby, islice, pairwise, product, takewhile, zip_longest
from functools import reduce

class Point:
    def __init__(self, x, y=0):
        self.x, self.y = x, y
    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)
    def __eq__(self, other):
        return self.x == other.x and self.y == other.y

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def evens(values):
    for value in values:
        if value % 2 == 0:
            yield value

def run(numbers, texts):
    out = []
    total = 0
    for index, n in enumerate(numbers):
        total += n
        if n % 3 == 0:
            continue
        elif n % 7 == 6:
            break
        out.append((index, n, total))
    else:
        out.append("done")
    out.append([a * b for a, b in zip(numbers, numbers[1:])])
    out.append({t: len(t) for t in texts})
    out.append(sorted({t for t in texts}))
    out.append(list(evens(numbers)))
    out.append(sum(n for n in numbers if n > 0))
    out.append(" ".join(t.strip().replace("a", "bb") for t in texts))
    out.append([t[::-1] for t in texts] + [texts[-1:]])
    out.append(sorted(texts, key=lambda t: (len(t), t)))
    out.append(max(numbers, default=0) - min(numbers, default=0))
    held = defaultdict(list)
    for n in numbers:
        held[n % 4].append(n)
    out.append(dict(held))
    out.append([list(map(str, numbers)), any(numbers), all(numbers), list(reversed(numbers))])
    out.append([fib(10), (Point(1) + Point(2, 3)).y, Point(1) == Point(1)])
    out.append([2 ** (n & 7) for n in numbers] + [n << 3 | 1 for n in numbers] + [n // 3 ^ 5 for n in numbers])
    try:
        out.append(numbers[100])
    except IndexError:
        out.append("none")
    first, *rest = [*numbers, 1]
    out.append((first, rest))
    box = {"n": 1}
    box["n"] += 5
    box["n"] *= 3
    out.append(box)
    out.append(f"{box['n']:05d} {first} {True} {None}")
    out.append([list(x) for x in (chain(numbers, texts), islice(numbers, 2), pairwise(numbers), accumulate(numbers))])
    out.append([list(x) for x in (product(numbers[:2], texts[:2]), zip_longest(numbers, texts))])
    out.append([(k, list(g)) for k, g in groupby(numbers, lambda n: n % 2)])
    out.append(list(takewhile(lambda n: n < 5, numbers)))
    out.append(reduce(lambda a, b: a * 31 + b, numbers, 7))
    queue = deque(numbers)
    while queue:
        out.append(queue.popleft())
    match numbers:
        case [a, b, *_]:
            out.append(("two", a, b))
        case _:
            out.append("few")
    with_ = "ok" if numbers and texts[0:1] != ["x"] else "no"
    out.append(with_)
    out.append("%05d|%s|%x" % (box["n"], "t", 255))
    return out
"""


@given(st.lists(st.integers(-(2**70), 2**70), max_size=8), st.lists(st.text("abcx ", max_size=5), max_size=5))
def test_counted_code_does_as_python_does(numbers: list[int], texts: list[str]) -> None:
    plain: dict[str, Any] = {"__name__": "plain"}
    exec(PROGRAM, plain)  # noqa: S102 - the reference
    module, meter = LOADED
    meter.begin_alone(UNBOUND)
    assert module.run(numbers, texts) == plain["run"](numbers, texts)
    first = meter.cell[0]
    meter.begin_alone(UNBOUND)
    module.run(numbers, texts)
    assert meter.cell[0] == first  # the same work is the same count


LOADED = loaded(PROGRAM)
forget("hn_tried")


def test_the_count_is_fixed() -> None:
    """Part of the chain's rules: a change here changes results."""
    module, meter = LOADED
    meter.begin_alone(UNBOUND)
    module.run([1, 2, 3, 40, 5], ["a", "bb", "x"])
    assert UNBOUND - meter.cell[0] == 390


def test_depth_is_given_back() -> None:
    module, meter = LOADED
    meter.begin(TICKS_MAX)
    depth = meter.cell[1]
    for _ in range(3):
        module.fib(12)
    assert meter.cell[1] == depth
    generator = module.evens([2, 4])
    assert next(generator) == 2
    assert meter.cell[1] == depth  # a generator that rests holds none
    del generator
    assert meter.cell[1] == depth


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("def f(n): return [0] * n", ITEMS_MAX),
        ("def f(n): return list(range(n))", ITEMS_MAX),
        ("def f(n): return 1 << (n - 1)", INTEGER_BITS_MAX),
        ("def f(n): return 2 ** n", INTEGER_BITS_MAX),
    ],
)
def test_bounds_are_exact(text: str, bound: int) -> None:
    module, meter = loaded(text)
    meter.begin(TICKS_MAX)
    module.f(bound - 1)
    meter.begin(TICKS_MAX)
    with pytest.raises(TxRefused):
        module.f(bound + 1)
    assert meter.exceeded


# ---------------------------------------------------------------- patterns
GOOD = [
    "^[0-9a-f]{64}",
    "^[A-Z][A-Z0-9-]{2,40}",
    "^(?:A|B)[0-9]{4}",
    "^[0-9]{4}-[0-9]{2}",
    "^[a-z]+",
    "^x?[ab]*",
    "^(?:[0-9]{2}){3}",
    "^(a|b)*",  # one class of characters
]
BAD = [
    "^(a+)+",
    "^(?:ab|c)*",
    "^(?:a*)*",
    "^[a-z]*[a-z]*",
    "^.*.*.*",
    "^(a)\\1",
    "^a{0,200}a{0,200}a{0,200}a{0,9}",
    "^(?:x{1,9}){3}",
]


def test_patterns_with_bounded_work_alone() -> None:
    for pattern in GOOD:
        check_pattern(pattern + END)
    for pattern in BAD:
        with pytest.raises(ModelError, match="pattern"):
            check_pattern(pattern + END)


def test_itertools_of_plugins_agree_with_python() -> None:
    module, meter = loaded(
        "from itertools import islice, dropwhile, starmap, repeat\n"
        "def f(*a): return list(islice(*a))\ndef g(v): return list(dropwhile(lambda n: n < 3, v))"
    )
    meter.begin_alone(UNBOUND)
    values = list(range(20))
    for bounds in ((5,), (2, 9), (1, 15, 3), (0,)):
        assert module.f(values, *bounds) == list(itertools.islice(values, *bounds))
        assert module.f(iter(values), *bounds) == list(itertools.islice(values, *bounds))
    assert module.g(values) == list(itertools.dropwhile(lambda n: n < 3, values))
