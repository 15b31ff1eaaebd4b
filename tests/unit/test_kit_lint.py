"""Each rule of the lint finds its fault at its line, and nothing where there is none."""

from __future__ import annotations

import re
import textwrap

import msgspec
import pytest

from hnnode.kit.catalogue import RULES
from hnnode.kit.lint import lint
from hnnode.kit.lint.module import Code
from hnnode.plugin_api.manifest import CodeSection, Manifest, PluginSection

CHINESE = re.compile(r"[\u4e00-\u9fff]")
MANIFEST = Manifest(
    plugin=PluginSection(
        name="demo",
        version="1.0.0",
        api_version=1,
        state_version=1,
        vendor="厂商",
        licence="x",
        title_zh="演示",
        title_en="Demo",
    ),
    code=CodeSection(entry="hn_demo:plugin", off_chain=("reader*",)),
)


def found(text: str, **more: str) -> list[tuple[str, int]]:
    """(rule, line) of the findings in `handlers.py`, whose line 1 is the first of `text`."""
    files = {
        "__init__.py": "",
        "handlers.py": textwrap.dedent(text),
        **{f"{k}.py": textwrap.dedent(v) for k, v in more.items()},
    }
    code = Code.parse(MANIFEST, {name: content.encode() for name, content in files.items()})
    return [(f.id, f.line) for f in lint(code) if f.path == "hn_demo/handlers.py"]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("HN106", "def ("),
        ("HN110", "import time"),
        ("HN110", "from datetime import datetime"),
        ("HN110", "import random"),
        ("HN110", "import secrets, uuid"),
        ("HN110", "import os.path"),
        ("HN110", "def f():\n    import socket"),
        ("HN110", "from math import sqrt"),
        ("HN110", "import decimal"),
        ("HN110", "import pickle"),
        ("HN110", "import threading"),
        ("HN110", "import unicodedata"),
        ("HN110", "import numpy"),
        ("HN110", "import re"),
        ("HN111", "from hnnode.execution import Host"),
        ("HN111", "import hnnode_native"),
        ("HN111", "from hnnode import errors"),
        ("HN111", "from hnnode.plugin_api.testing import LocalChain"),
        ("HN112", "import importlib"),
        ("HN112", "m = __import__('time')"),
        ("HN113", "from hn_demo import reader_json"),
        ("HN113", "from hn_demo.reader_json import read"),
        ("HN113", "from .reader_json import read"),
        ("HN201", "RATE = 0.5"),
        ("HN201", "def f(x): return float(x)"),
        ("HN201", "def f(x): return x ** -1"),
        ("HN201", "X = 1j"),
        ("HN202", "def f(x): return x / 2"),
        ("HN202", "def f(x):\n    x /= 2"),
        ("HN203", "def f(x): return hash(x)"),
        ("HN203", "def f(x): return sorted(x, key=id)"),
        ("HN203", "def f(x): return repr(x)"),
        ("HN204", "def f(): return open('/etc/passwd')"),
        ("HN204", "def f(x): return eval(x)"),
        ("HN204", "def f(x): exec(x)"),
        ("HN204", "def f(x): print(x)"),
        ("HN204", "def f(): return globals()"),
        ("HN205", "def f(x, name): return getattr(x, name)"),
        ("HN205", "def f(x, name): setattr(x, name, 1)"),
        ("HN206", "def f(x): return x.__class__"),
        ("HN206", "def f(x): return ().__class__.__bases__[0].__subclasses__()"),
        ("HN207", "def f(x): return '{}'.format(x)"),
        ("HN207", "def f(x): return f'{x!r}'"),
        ("HN207", "def f(x): return f'{x=}'"),
        ("HN207", "def f(x): return '%r' % x"),
        ("HN208", "def f(tx):\n    for x in {1, 2}:\n        tx.put(x)"),
        ("HN208", "def f(names):\n    unique = set(names)\n    return [n for n in unique]"),
        ("HN208", "def f(names): return list(frozenset(names))"),
        ("HN208", "def f(names: set[str]): return ','.join(names)"),
        ("HN208", "def f(a, b): return tuple(a.keys() - b.keys())"),
        ("HN208", "def f(a): return (set(a) | {1}).pop()"),
        ("HN208", "ALL = frozenset(('a', 'b'))\ndef f(): return [x for x in ALL]"),
        ("HN208", "def f(a):\n    x, y = set(a)"),
        ("HN208", "def f(a): return [*set(a)]"),
        ("HN208", "def f(a): return next(iter({x for x in a}))"),
        ("HN208", "def f(a): return dict.fromkeys(set(a))"),
        ("HN208", "def f(a): return a.union({1}) if 0 else [x for x in a.union({1})]"),
        ("HN209", "def f(text): return text.lower()"),
        ("HN209", "def f(text): return text.isdigit()"),
        ("HN209", "def f(texts): return sorted(texts, key=str.casefold)"),
        ("HN210", "def f():\n    try:\n        g()\n    except Exception:\n        pass"),
        ("HN210", "def f():\n    try:\n        g()\n    except:\n        pass"),
        ("HN210", "def f():\n    try:\n        g()\n    except (KeyError, BaseException):\n        pass"),
        ("HN211", "from functools import lru_cache\n@lru_cache\ndef f(x): return x"),
        ("HN211", "import functools\n@functools.cache\ndef f(x): return x"),
        ("HN211", "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(x): return x"),
        ("HN212", "SEEN = {}\ndef f(x): SEEN[x] = 1"),
        ("HN212", "SEEN = set()\ndef f(x): SEEN.add(x)"),
        ("HN212", "COUNT = 0\ndef f():\n    global COUNT\n    COUNT += 1"),
        ("HN212", "import hn_demo.store as store\ndef f(x): store.LAST = x"),
        ("HN212", "from hn_demo.store import LOG\ndef f(x): LOG.append(x)"),
        ("HN212", "from hn_demo import store\ndef f(x): store.LOG.append(x)"),
        ("HN212", "class Plugin:\n    def f(self): self.n = 1\nplugin = Plugin()"),
        ("HN212", "class Plugin:\n    def f(self): self.cache[1] = 1\nplugin = Plugin()"),
        ("HN212", "class A:\n    cache = {}"),
        ("HN213", "def f(x): return f(x - 1)"),
        ("HN213", "def f(x): return g(x)\ndef g(x): return f(x)"),
        ("HN213", "class A:\n    def f(self): return self.g()\n    def g(self): return self.f()"),
        ("HN213", "from hn_demo import store\ndef f(x): return store.back(x)"),
        ("HN214", "def f():\n    while True:\n        pass"),
        ("HN214", "def f(x, g):\n    while x > 1:\n        g()"),
        ("HN214", "import itertools\ndef f(): return itertools.count()"),
        ("HN214", "from itertools import cycle\ndef f(x): return cycle(x)"),
        ("HN214", "def f(g): return iter(g, None)"),
        ("HN215", "async def f(): pass"),
        ("HN216", "def f(x): assert x"),
        ("HN217", "def f(x=[]): pass"),
        ("HN217", "def f(*, x={}): pass"),
        ("HN218", "class A:\n    def __del__(self): pass"),
    ],
)
def test_a_fault_is_found(rule: str, text: str) -> None:
    store = "LOG = []\nLAST = None\nfrom hn_demo import handlers\ndef back(x): return handlers.f(x)\n"
    hits = found(text, reader_json="def read(): pass\n", store=store)
    assert rule in {name for name, _ in hits}, hits
    assert all(line >= 1 for _, line in hits)


@pytest.mark.parametrize(
    "text",
    [
        "from hnnode.plugin_api import Context, Registry\nfrom hnnode.plugin_api.ids import is_uscc\nimport msgspec",
        "from collections.abc import Sequence\nfrom typing import Annotated\nfrom dataclasses import dataclass",
        "RULES = {'a': 1}\ndef f(x): return RULES[x]",
        "def f(names):\n    seen = set()\n    for n in names:\n        seen.add(n)\n    return len(seen) == len(names)",
        "def f(names): return sorted(set(names))",
        "def f(names): return any(x > 1 for x in set(names)), max({1, 2}), {x + 1 for x in {1}}",
        "def f(a, b): return a in {1, 2} and set(a) <= set(b)",
        "def f(a):\n    for name in sorted({x for x in a}):\n        yield name",
        "def f(x): return x // 2, x % 3, 2 ** 8",
        "def f(stack):\n    while stack:\n        stack.pop()",
        "def f(n):\n    while n > 0:\n        n -= 1",
        "def f(low, high):\n    while high - low > 1:\n        middle = (low + high) // 2\n        low = middle",
        "def f(x):\n    try:\n        return int(x)\n    except ValueError:\n        return 0",
        "def f(text): return text.isascii() and text.isdigit()",
        "def f(x): return f'{x:08d}' + '%d' % x",
        "class Record:\n    def move(self): self.status = 1",
        "class Plugin:\n    def __init__(self): self.n = 1\nplugin = Plugin()",
        "LEDGER = Ledger(b'l')\ndef f(tx): LEDGER.add(tx, 1); LEDGER.remove(tx, 1)",
        "def f(x): return getattr(x, 'name')",
        "def f(items):\n    cache = {}\n    for i in items:\n        cache[i] = 1\n    return cache",
        "def f(x, *, y=()): return x",
        "from itertools import islice, repeat\ndef f(x): return list(islice(x, 3)), list(repeat(1, 3))",
        "def outer(x):\n    def inner(y): return y\n    return inner(x)",
        "def f(tx):\n    tx.require('demo.a', True)",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("P = re.compile(r'\\w+')", 1), ("P = re.compile(r'\\w+', re.ASCII)", 0), ("P = re.compile(r'[a-z0-9]+')", 0)],
)
def test_patterns_of_uncounted_code_do_not_follow_unicode(line: str, wanted: int) -> None:
    manifest = msgspec.structs.replace(MANIFEST, code=CodeSection(entry="hn_demo:plugin", metered=False))
    files = {"__init__.py": b"", "handlers.py": f"import re\n{line}\n".encode()}
    assert [f.id for f in lint(Code.parse(manifest, files))] == ["HN209"] * wanted


def test_modules_off_the_chain_may_compute_but_not_reach_the_host() -> None:
    files = {
        "__init__.py": b"",
        "reader_json.py": b"import json, random, datetime\nRATE = 0.5\ndef f(x):\n    while True:\n        return json.loads(x) / 2\n",
        "reader_bad.py": b"import os\nimport socket\ndef f(): return open('x')\n",
        "plugin.py": b"from hnnode.plugin_api import hookimpl\nfrom hn_demo import reader_json\n",
    }
    hits = [(f.path.rpartition("/")[2], f.id) for f in lint(Code.parse(MANIFEST, files))]
    assert hits == [("reader_bad.py", "HN110"), ("reader_bad.py", "HN110"), ("reader_bad.py", "HN204")]


def test_every_rule_says_what_to_do_in_both_languages() -> None:
    for rule in RULES.values():
        assert not CHINESE.search(rule.en + rule.remedy_en)
        assert CHINESE.search(rule.zh)
        assert CHINESE.search(rule.remedy_zh)
