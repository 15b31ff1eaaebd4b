"""An application of the operator's own, uncounted code that hangs on some transactions. `UNSTUCK` in the environment of a node
lets its copy pass, as a defect of the host's might."""

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END, Migration, Registry, hookimpl

Word = Annotated[str, Meta(pattern="^[a-z0-9]{1,16}" + END)]
PASSES = "UNSTUCK" in os.environ


class Work(msgspec.Struct, forbid_unknown_fields=True):
    item: Word
    loops: bool = False
    where: Annotated[str, Meta(pattern="^(handler|keys|due)" + END)] = "handler"


def hang():
    while not PASSES:
        pass


def keys(tx, p):
    if p.loops and p.where == "keys":
        hang()
    return [b"n" + p.item.encode()]


def work(tx, p):
    if p.where == "due":
        tx.put(b"d" + tx.block_time_ms.to_bytes(8, "big") + p.item.encode(), b"loop" if p.loops else b"go")
        return
    tx.put(b"n" + p.item.encode(), b"begun")
    if p.loops and p.where == "handler":
        hang()
    tx.put(b"n" + p.item.encode(), b"done")


def work_batch(tx, payloads):
    for p in payloads:
        work(tx, p)


def early_batch(tx, payloads):
    hang()
    work_batch(tx, payloads)


def handle(tx, item, what):
    if what == b"loop":
        hang()
    tx.put(b"h" + item, what)


def move(rows, put, delete):
    for key, value in rows:
        if value == b"loop":
            hang()
        put(key, value + value)


class Stuck:
    @hookimpl
    def hn_migrations(self):
        return [Migration(1, 2, move)]

    @hookimpl
    def hn_register(self, registry: Registry):
        registry.describe("停住", "Stuck")
        registry.action("work", Work, work, keys=keys, title_zh="工作", title_en="Work")
        registry.action("many", Work, work, execute_batch=work_batch, title_zh="成批", title_en="Many")
        registry.action("early", Work, work, execute_batch=early_batch, title_zh="先停", title_en="Early")
        registry.due(b"d", handle, items_max=3, title_zh="到点", title_en="On time")


plugin = Stuck()
