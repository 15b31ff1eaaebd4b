"""The main program of a plugin's process: load, lock, then blocks or queries until the node goes.

    LOAD → DESCRIPTION | REFUSED, then for each block: BLOCK → KEYS, VALUES, … → (reads) → RESULTS,
    or for some queries: QUERIES → for each of them in turn (reads) → ANSWER | ANSWER_REFUSED
    or for each page of a migration: MIGRATE → MOVED

It has one socket and memory; nothing else is left when the first line of metered code runs. Code that is not metered is
the operator's own and is imported before the lock. Whatever goes wrong here ends the process: the node starts another.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from hnnode.errors import ConfigError, FatalError
from hnnode.execution.faults import fault_text, plain, refusal_text
from hnnode.execution.group import Group
from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation import sandbox
from hnnode.execution.isolation.frames import FrameError, Frames, Kind
from hnnode.execution.isolation.reading import ChildReader, ChildState, fetch
from hnnode.execution.loading import Copies, load, register
from hnnode.execution.metering.guard import api_modules
from hnnode.execution.metering.loader import Codes
from hnnode.execution.migrating import move_page
from hnnode.execution.source import PluginSource
from hnnode.execution.table import Application
from hnnode.plugin_api.context import QueryView, make_context
from hnnode.plugin_api.events import EventSpec, event_checks
from hnnode.plugin_api.limits import QUERY_TICKS_MAX
from hnnode.plugin_api.model import ModelError, json_schema
from hnnode.plugin_api.outcome import QueryRefused, ReadFailed, TxRefused

FRAME_BYTES_MAX = 1 << 30
"""Of the node, which is trusted; it bounds what it sends itself."""
FAULTS_MAX = 16
"""Log lines of one block or query."""
FULL_COLLECTION = 256
"""Requests between two collections of everything."""
EXIT_FRAME = 3
EXIT_MEMORY = 4


class ToldGroup(Group):
    """Tells the node where it stands: the block was tried before, and somebody wants to know what held it up."""

    def __init__(
        self, frames: Frames, table: Application, height: int, time_ms: int, skipped: frozenset[bytes]
    ) -> None:
        self._frames = frames
        self._at = b""
        super().__init__(table, height, time_ms, skipped)

    @property
    def standing(self) -> bytes:
        return self._at

    @standing.setter
    def standing(self, tx_id: bytes) -> None:
        self._at = tx_id
        if tx_id:
            self._frames.send(Kind.AT, tx_id)


class Reports:
    """Log lines of the plugin's code on their way to the node."""

    def __init__(self) -> None:
        self._waiting: list[m.Fault] = []

    def __call__(self, logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        text = str(event.pop("event", ""))
        if len(self._waiting) < FAULTS_MAX:
            fields = {str(name): str(value)[:1_000] for name, value in event.items()}
            self._waiting.append(m.Fault(level, text[:1_000], fields))
        raise structlog.DropEvent

    def send(self, frames: Frames) -> None:
        for fault in self._waiting:
            frames.send(Kind.FAULT, m.encode(fault))
        self._waiting.clear()


def main(descriptor: int, parent: int) -> None:
    """Serve the node at the other end of a socket that was inherited."""
    missing = sandbox.separate(parent)
    frames = Frames(socket.socket(fileno=descriptor), FRAME_BYTES_MAX)
    reports = Reports()
    structlog.configure(processors=[reports], cache_logger_on_first_use=False)
    try:
        table = _load(frames, missing)
        fresh = table.fresh()  # the process of queries has another one after its first
        gc.collect()
        gc.freeze()
        gc.disable()  # when it runs must never be seen; a process lives as long as its memory bound allows
        served = 0
        while True:
            kind, body = frames.receive()
            for request in _requests(kind, body):
                request(frames, fresh, reports)
                served += 1
                before = fresh
                if table.renew is not None:  # while the node waits for nothing
                    fresh = table.clean() if kind == Kind.QUERIES else table.fresh()
                if fresh is not before:
                    gc.collect()
                else:
                    gc.collect(0 if served % FULL_COLLECTION else 2)
    except (FrameError, ReadFailed):
        os._exit(EXIT_FRAME)
    except (MemoryError, FatalError):
        os._exit(EXIT_MEMORY)


def _requests(kind: int, body: bytes) -> list[Callable[[Frames, Application, Reports], None]]:
    """What a frame asks for, one after the other."""
    if kind == Kind.BLOCK:
        return [partial(_block, m.decode_block(body))]
    if kind == Kind.MIGRATE:
        return [partial(_migrate, m.decode_migrate(body))]
    if kind == Kind.QUERIES:
        return [partial(_query, query) for query in m.decode_queries(body)]
    raise FrameError(f"frame: got kind {kind}")


def _load(frames: Frames, missing: list[str]) -> Application:
    _, body = frames.receive()
    order = m.decode_load(body)
    source = PluginSource(
        order.name,
        order.version,
        order.entry,
        Path(order.root),
        Path(order.package),
        order.code_hash,
        order.metered,
        True,
    )
    try:
        _warm()
        if source.metered:
            missing = missing + sandbox.lock(order.memory_bytes_max)
            _, table, _ = Copies(source, order.files, Codes()).first()
        else:
            table, _ = register(source.name, source.version, source.code_hash, load(source))
            missing = missing + sandbox.lock(order.memory_bytes_max)
    except (ConfigError, ModelError) as e:
        detail = e.detail if isinstance(e, ConfigError) else str(e)
        frames.send(Kind.REFUSED, m.encode(m.Refusal("PLUGIN_SET_INVALID", detail[:4_000])))
        os._exit(0)
    frames.send(Kind.DESCRIPTION, m.encode(_description(table, missing)))
    return table


class _Warmth(msgspec.Struct, forbid_unknown_fields=True):
    d: list[int]


def _warm() -> None:
    """Use once what makes ready at its first use and would need a system call for it."""
    api_modules()

    class Nothing:
        failed: ReadFailed | None = None

        def get(self, key: bytes, /) -> bytes | None:
            return None

        def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
            return []

        def foreign(self, application: str, key: bytes, /) -> bytes | None:
            return None

        def sender(self, account: bytes, /) -> tuple[str, tuple[str, ...]]:
            return "", ()

    events = event_checks({"a.b": EventSpec("a.b", _Warmth, "", "")})
    tx = make_context(1, 1, {}, Nothing(), events=events)
    tx._begin(bytes(32), bytes(20))
    tx.put(b"k", b"v")
    tx.scan(b"", 1)
    tx.emit("a.b", "c", {"d": [1]})
    tx._commit(0)
    tx._take()


def _description(table: Application, missing: list[str]) -> m.Description:
    return m.Description(
        name=table.name,
        title_zh=table.title_zh,
        title_en=table.title_en,
        state_version=table.state_version,
        actions=tuple(
            m.ActionMessage(
                row.name,
                row.roles,
                msgspec.json.encode(row.schema),
                row.title_zh,
                row.title_en,
                row.batch is not None,
                row.exempt,
                row.key_rounds,
            )
            for row in table.actions.values()
        ),
        queries=tuple(
            m.QueryMessage(row.name, msgspec.json.encode(json_schema(row.model)), row.title_zh, row.title_en)
            for row in table.queries.values()
        ),
        events=tuple(
            m.EventMessage(row.name, msgspec.json.encode(row.schema), row.title_zh, row.title_en)
            for row in table.events.values()
        ),
        rules=tuple((rule.id, rule.zh, rule.en) for rule in table.rules.values()),
        reads=tuple(sorted(table.reads)),
        missing=tuple(missing),
        migrations=tuple(table.migrations),
        due=None
        if table.due is None
        else m.DueMessage(table.due.prefix, table.due.items_max, table.due.title_zh, table.due.title_en),
        parameters={row.action: dict(row.defaults) for row in table.parameters.values()},
    )


def _block(block: m.Block, frames: Frames, table: Application, reports: Reports) -> None:
    kind = partial(ToldGroup, frames) if block.told else Group
    group = kind(table, block.height, block.time_ms, frozenset(block.skipped))
    wanted = group.declare(block.txs)
    found = fetch(frames, wanted)
    values = dict(zip(wanted, found.values, strict=False))  # what had no room is read when it is asked for
    while wanted and (wanted := group.follow(values)):
        values.update(zip(wanted, fetch(frames, wanted).values, strict=False))
    results = group.run(values, ChildReader(frames, dict(found.senders)))
    due = group.end()
    reports.send(frames)
    frames.send(Kind.RESULTS, m.encode(m.Results(results, due)))


def _migrate(page: m.Migrate, frames: Frames, table: Application, reports: Reports) -> None:
    moved = move_page(table, page.way, page.phase, page.rows)
    reports.send(frames)
    frames.send(Kind.MOVED, m.encode(m.MovedPage(list(moved.writes), moved.fault)))


def _query(query: m.Query, frames: Frames, table: Application, reports: Reports) -> None:
    spec = table.queries[query.name]
    if table.meter is not None:
        table.meter.begin_alone(QUERY_TICKS_MAX)
    try:
        arguments = msgspec.json.decode(query.arguments or b"{}", type=spec.model)
    except ValueError as e:
        answer = m.Refusal("PARAMETER_INVALID", plain(str(e)[:1_000]))
    except (Exception, TxRefused) as e:  # noqa: BLE001 - a check of the model's own
        answer = m.Refusal("HANDLER_FAILED", fault_text(e))
    else:
        state = ChildState(frames, query, table.prefix)
        view = QueryView(state, table.prefix, reads=table.reads)
        try:
            made = msgspec.json.encode(msgspec.to_builtins(spec.handler(view, arguments)))
            reports.send(frames)
            frames.send(Kind.ANSWER, m.encode(m.Answer(made, state.used())))
            return
        except QueryRefused as refusal:
            name, detail = refusal_text(refusal)
            answer = m.Refusal(name, detail[:1_000], state.used())
        except TxRefused:
            answer = m.Refusal("QUERY_TOO_BROAD", "the answer needs more work than one query may do")
        except Exception as e:  # noqa: BLE001 - a fault of the plugin, told to the one who asked
            answer = m.Refusal("HANDLER_FAILED", fault_text(e))
    reports.send(frames)
    frames.send(Kind.ANSWER_REFUSED, m.encode(answer))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
