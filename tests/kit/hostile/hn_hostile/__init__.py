"""A plugin that does in its actions what no plugin may: metered, so that each ends by a count with one code everywhere.

`OUTCOMES` says which: the code's name, or OK for what is harmless once it is counted.
"""

from typing import Annotated

import msgspec
from hn_hostile import loops, sizes, values
from hnnode.plugin_api import QueryView, Registry, hookimpl, ids
from hnnode.plugin_api.records import Records


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def good(tx, payload):
    count = int.from_bytes(tx.get(b"count") or b"\x00", "big") + 1
    tx.put(b"count", count.to_bytes(8, "big"))
    tx.emit("hostile.good", str(count), {"count": count})


def count(view: QueryView, query: Nothing):
    return {"count": int.from_bytes(view.get(b"count") or b"\x00", "big")}


def endless(view: QueryView, query: Nothing):
    while True:
        view.height


class Number(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=0, le=2**32)]


def batched(tx, payloads):
    """Every third is endless, every fifth raises, every seventh is endless and hides it."""
    for payload in payloads:
        tx.put(b"batched", str(payload.n).encode())
        tx.emit("hostile.batched", str(payload.n), {"n": payload.n})
        if payload.n % 5 == 4:
            raise ValueError("fifth")
        if payload.n % 7 == 6:
            try:
                for _ in range(10**9):
                    pass
            finally:
                raise ValueError("hidden")
        if payload.n % 3 == 2:
            while True:
                pass


def alone(tx, payload):
    batched(tx, iter([payload]))


class Row(msgspec.Struct, array_like=True):
    name: str


ROWS = Records(b"row", Row)


def library(tx, payload):
    ROWS.put(tx, b"1", Row(ids.ascii_upper("name")))


ACTIONS = {"good": (good, "OK"), "library": (library, "OK"), **loops.ACTIONS, **sizes.ACTIONS, **values.ACTIONS}
OUTCOMES = {name: outcome for name, (_, outcome) in ACTIONS.items()}


class Good(msgspec.Struct, forbid_unknown_fields=True):
    count: int


class Anything(msgspec.Struct, forbid_unknown_fields=True):
    data: str = ""


class Hostile:
    @hookimpl
    def hn_register(self, registry: Registry):
        registry.describe("恶意插件", "Hostile plugin")
        for name, (handler, _) in ACTIONS.items():
            registry.action(name, Nothing, handler, title_zh=name, title_en=name)
        registry.event("hostile.good", Good, title_zh="好", title_en="Good")
        registry.event("hostile.batched", Number, title_zh="批", title_en="Batched")
        registry.event("hostile.event", Anything, title_zh="事", title_en="Event")
        registry.action("alone", Number, alone, title_zh="x", title_en="x")
        registry.action("batched", Number, alone, execute_batch=batched, title_zh="x", title_en="x")
        registry.query("count", Nothing, count, title_zh="计数", title_en="Count")
        registry.query("endless", Nothing, endless, title_zh="无尽", title_en="Endless")


plugin = Hostile()
