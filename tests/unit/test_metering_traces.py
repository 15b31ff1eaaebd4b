"""A copy of metered code answers another query only when the one before left nothing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hnnode.execution.loading import Copies, source_files
from hnnode.execution.metering.loader import Loader
from hnnode.execution.metering.traces import traces_of, unchanged
from hnnode.kit.project import Project
from hnnode.plugin_api.limits import TICKS_MAX

KEPT = {
    "in a list": "KEPT = []\ndef keep(): KEPT.append(1)",
    "in a list in a list": "KEPT = ([],)\ndef keep(): KEPT[0].append(1)",
    "in a dictionary": "KEPT = {}\ndef keep(): KEPT['a'] = 1",
    "in a dictionary's value": "KEPT = {'a': 0}\ndef keep(): KEPT['a'] += 1000",
    "in a set": "KEPT = set()\ndef keep(): KEPT.add(1)",
    "in a deque": "from collections import deque\nKEPT = deque([1, 2])\ndef keep(): KEPT.rotate(1)",
    "in an ordered dictionary": "from collections import OrderedDict\n"
    "KEPT = OrderedDict([(1, 1), (2, 2)])\ndef keep(): KEPT.move_to_end(1)",
    "in a default": "def keep(kept=[]): kept.append(1)",
    "in a default by name": "def keep(*, kept=[]): kept.append(1)",
    "in a closure": "def made():\n    kept = 0\n    def keep():\n        nonlocal kept\n        kept += 1000\n    return keep\n"
    "keep = made()",
    "in a closure's list": "def made():\n    kept = []\n    def keep(): kept.append(1)\n    return keep\nkeep = made()",
    "in an object": "class A:\n    def __init__(self): self.n = 0\nKEPT = A()\ndef keep(): KEPT.n += 1000",
    "in a new attribute": "class A:\n    pass\nKEPT = A()\ndef keep(): KEPT.n = 1",
    "in an object with slots": "class A:\n    __slots__ = ('n',)\nKEPT = A()\ndef keep(): KEPT.n = 1000",
    "in a struct": "from msgspec import Struct\nclass A(Struct):\n    n: int = 0\nKEPT = A()\ndef keep(): KEPT.n += 1000",
    "in a struct's list": "from msgspec import Struct\nclass A(Struct, frozen=True):\n    n: list[int]\nKEPT = A([])\n"
    "def keep(): KEPT.n.append(1)",
    "in a class's list": "class A:\n    kept = []\ndef keep(): A.kept.append(1)",
    "in a bound method": "class A:\n    def __init__(self): self.n = 0\n    def keep(self): self.n += 1000\nkeep = A().keep",
    "in a partial": "from functools import partial\ndef into(kept): kept.append(1)\nkeep = partial(into, [])",
    "in an iterator": "KEPT = iter([1, 2, 3])\ndef keep(): next(KEPT)",
    "in a generator": "def g():\n    yield 1\n    yield 2\nKEPT = g()\ndef keep(): next(KEPT)",
    "in bytes that change": "KEPT = bytearray(2)\ndef keep(): KEPT[0] = 1",
    "in an exception": "KEPT = ValueError([])\ndef keep(): KEPT.args[0].append(1)",
    "in a default of a struct's field": "from typing import Any\nfrom msgspec import Struct\n"
    "class Held:\n    n = 0\nclass A(Struct):\n    held: Any = Held()\ndef keep(): A().held.n = 1",
    "in what a struct's field begins with": "from typing import Any\nfrom msgspec import Struct, field\n"
    "def made():\n    kept = []\n    def give(): return kept\n    return give\n"
    "class A(Struct):\n    held: Any = field(default_factory=made())\ndef keep(): A().held.append(1)",
    "in a new attribute of a struct": "from msgspec import Struct\nclass A(Struct, dict=True):\n    a: int = 0\n    b = 0\n"
    "KEPT = A()\ndef keep(): KEPT.b = 1",
    "in a struct's class without a name": "from typing import ClassVar\nfrom msgspec import Struct\n"
    "def made():\n    class A(Struct):\n        kept: ClassVar = []\n    return A()\nKEPT = made()\n"
    "def keep(): KEPT.kept.append(1)",
    "in a new attribute of a named tuple": "from collections import namedtuple\nP = namedtuple('P', 'a')\n"
    "class Q(P):\n    b = 0\nKEPT = Q(1)\ndef keep(): KEPT.b = 1",
    "in a default of a named tuple": "from collections import namedtuple\nP = namedtuple('P', 'a', defaults=([],))\n"
    "def keep(): P().a.append(1)",
    "in a base without a name": "def made():\n    class A:\n        kept = []\n    class B(A):\n        pass\n    return B\n"
    "B = made()\ndef keep(): B.kept.append(1)",
    "behind an alias": "from typing import Generic, TypeVar\nT = TypeVar('T')\n"
    "def made():\n    class A(Generic[T]):\n        kept = []\n    return A[int]\nA = made()\ndef keep(): A.kept.append(1)",
    "in what fills a dictionary": "from collections import defaultdict\n"
    "def made():\n    n = 0\n    def count():\n        nonlocal n\n        n += 1000\n        return n\n    return count\n"
    "KEPT = defaultdict(made())\ndef keep():\n    KEPT['a']\n    KEPT.pop('a')",
    "in what describes a type": "from msgspec import Meta\nKEPT = Meta(extra={'a': 0})\ndef keep(): KEPT.extra['a'] = 1000",
    "in a registry that was kept": "from hnnode.plugin_api import Registry\n"
    "KEPT = Registry('tried')\n"
    "def keep(): KEPT.due(b'd', len, title_zh='x', title_en='x')",
    "in an object of the interface": "from hnnode.plugin_api import Question\n"
    "KEPT = Question('q', b'', {'a': 0})\ndef keep(): KEPT.expected['a'] = 1000",
}


@pytest.mark.parametrize("where", sorted(KEPT))
def test_a_copy_is_used_again_only_if_it_kept_nothing(where: str) -> None:
    loader = Loader("tried", {"__init__.py": KEPT[where].encode()}, "hn_tried", {})
    module = loader.load("hn_tried")
    before = traces_of(loader.modules)
    assert before is None or unchanged(before, loader.modules)
    loader.meter.begin(TICKS_MAX)
    module.keep()
    assert before is None or not unchanged(before, loader.modules)
    loader.forget()


def test_copies_of_the_pilots_are_used_again() -> None:
    for name in ("coldchain", "medical", "realestate"):
        source = Project.open(Path(__file__).parents[2] / "plugins" / name).source()
        copies = Copies(source, source_files(source), {})
        assert copies.reuse() is copies.reuse()
