"""An application that does things when their time has come, for tests of due work."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END, Registry, hookimpl

Word = Annotated[str, Meta(pattern="^[a-z0-9]{1,16}" + END)]


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    in_ms: Annotated[int, Meta(ge=-10_000, le=10_000)]
    item: Word
    what: Word


class Done(msgspec.Struct, forbid_unknown_fields=True):
    at_ms: int


def key(at_ms, item):
    return b"d" + at_ms.to_bytes(8, "big") + item


def plan(tx, p):
    tx.put(key(tx.block_time_ms + p.in_ms, p.item.encode()), p.what.encode())


def drop(tx, p):
    tx.delete(key(tx.block_time_ms + p.in_ms, p.item.encode()))


def handle(tx, item, what):
    tx.put(b"n" + item, tx.block_time_ms.to_bytes(8, "big") + tx.tx_id + tx.sender + what)
    tx.emit("clock.done", item.decode(), {"at_ms": tx.block_time_ms})
    if what == b"again":
        tx.put(key(tx.block_time_ms + 1, item), b"ok")
    if what == b"ever":
        tx.put(key(tx.block_time_ms + 1, item), what)
    if what == b"refuse":
        tx.fail("clock.no")
    if what == b"raise":
        raise ValueError("no")
    if what == b"loop":
        while True:
            pass
    if what == b"write":
        for n in range(64):
            tx.put(b"w%d" % n, b"")
    if what == b"unheard":
        tx.emit("clock.unheard", "", {})


class Clock:
    @hookimpl
    def hn_register(self, registry: Registry):
        registry.describe("时钟", "Clock")
        registry.action("plan", Plan, plan, title_zh="计划", title_en="Plan")
        registry.action("drop", Plan, drop, title_zh="取消", title_en="Drop")
        registry.rule("clock.no", "不", "no")
        registry.event("clock.done", Done, title_zh="完成", title_en="Done")
        registry.due(b"d", handle, items_max=3, title_zh="到点", title_en="On time")


plugin = Clock()
