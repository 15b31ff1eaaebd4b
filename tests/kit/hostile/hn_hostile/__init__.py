"""A plugin that does in its actions what no plugin may: metered, so that each ends by a count with one code everywhere.

`OUTCOMES` says which: the code's name, or OK for what is harmless once it is counted.
"""

import msgspec
from hn_hostile import loops, sizes, values
from hnnode.plugin_api import QueryView, Registry, hookimpl


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


ACTIONS = {"good": (good, "OK"), **loops.ACTIONS, **sizes.ACTIONS, **values.ACTIONS}
OUTCOMES = {name: outcome for name, (_, outcome) in ACTIONS.items()}


class Hostile:
    @hookimpl
    def hn_register(self, registry: Registry):
        registry.describe("恶意插件", "Hostile plugin")
        for name, (handler, _) in ACTIONS.items():
            registry.action(name, Nothing, handler, title_zh=name, title_en=name)
        registry.query("count", Nothing, count, title_zh="计数", title_en="Count")
        registry.query("endless", Nothing, endless, title_zh="无尽", title_en="Endless")


plugin = Hostile()
