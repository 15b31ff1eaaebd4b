"""Naive twin of the executor: one context a transaction, one read a key, scans by sorting everything, msgspec's own
decoder, single handlers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hnnode.errors import CODES
from hnnode.execution.executor import ForeignResult
from hnnode.execution.group import ForeignTx
from hnnode.execution.table import Application
from hnnode.plugin_api.events import EventSpec
from hnnode.plugin_api.limits import (
    EVENT_DATA_BYTES_MAX,
    EVENT_ENTITY_BYTES_MAX,
    EVENT_NAME_BYTES_MAX,
    EVENTS_MAX,
    KEY_BYTES_MAX,
    PAGE_LIMIT_MAX,
    STEPS_MAX,
    VALUE_BYTES_MAX,
    WRITES_MAX,
)
from hnnode.plugin_api.outcome import TxRefused

_LIMIT = CODES["WRITE_LIMIT_EXCEEDED"]


Foreign = Mapping[str, Mapping[bytes, bytes]]
"""Rows of other applications, by name, as the block before left them."""


class TwinContext:
    def __init__(
        self,
        tx: ForeignTx,
        height: int,
        time_ms: int,
        values: dict[bytes, bytes],
        facts: Any,
        foreign: Foreign,
        deleted: set[bytes],
        events: Mapping[str, EventSpec],
    ) -> None:
        _, self.tx_id, self.sender, _, _ = tx
        self.height = height
        self.block_time_ms = time_ms
        self.organisation, self.roles = facts
        self.values = values
        self.writes: dict[bytes, bytes | None] = {}
        self.events: list[tuple[str, str, bytes]] = []
        self.steps = 0
        self.others = foreign
        self.deleted = deleted
        self.declared = events

    def get(self, key: bytes) -> bytes | None:
        self._step()
        if key in self.writes:
            return self.writes[key]
        _bound(len(key) <= KEY_BYTES_MAX)
        return self.values.get(key)

    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]:
        self._step()
        if type(prefix) is not bytes or not 1 <= limit <= PAGE_LIMIT_MAX:
            raise ValueError
        _bound(len(prefix) <= KEY_BYTES_MAX)
        seen: dict[bytes, bytes | None] = dict.fromkeys(self.deleted) | self.values | self.writes
        found: list[tuple[bytes, bytes]] = []
        for key, value in sorted(seen.items()):
            if not key.startswith(prefix) or (after is not None and key <= after):
                continue
            if len(found) == limit:
                break
            self._step()
            if value is not None:
                found.append((key, value))
        return found

    def foreign(self, application: str, key: bytes) -> bytes | None:
        self._step()
        if type(key) is not bytes or application not in self.others:
            raise ValueError
        _bound(len(key) <= KEY_BYTES_MAX)
        return self.others[application].get(key)

    def put(self, key: bytes, value: bytes) -> None:
        if type(key) is not bytes or type(value) is not bytes:
            raise TypeError
        _bound(len(value) <= VALUE_BYTES_MAX)
        self._write(key, value)

    def delete(self, key: bytes) -> None:
        if type(key) is not bytes:
            raise TypeError
        self._write(key, None)

    def emit(self, name: str, entity: str, data: Any) -> None:
        self._step()
        if not name or any(
            type(value) not in (int, str, bool, type(None), list) or type(key) is not str for key, value in data.items()
        ):
            raise ValueError
        encoded = msgspec.json.encode(dict(sorted(data.items())))
        _bound(len(self.events) < EVENTS_MAX and len(encoded) <= EVENT_DATA_BYTES_MAX)
        _bound(len(name.encode()) <= EVENT_NAME_BYTES_MAX and len(entity.encode()) <= EVENT_ENTITY_BYTES_MAX)
        msgspec.json.decode(encoded, type=self.declared[name].model)
        self.events.append((name, entity, encoded))

    def require(self, rule_id: str, condition: bool) -> None:
        if not condition:
            self.fail(rule_id)

    def fail(self, rule_id: str) -> None:
        raise TxRefused(CODES["RULE_VIOLATION"], rule_id)

    def _write(self, key: bytes, value: bytes | None) -> None:
        self._step()
        _bound(key in self.writes or (len(self.writes) < WRITES_MAX and 0 < len(key) <= KEY_BYTES_MAX))
        self.writes[key] = value

    def _step(self) -> None:
        self.steps += 1
        _bound(self.steps <= STEPS_MAX)


def _bound(holds: bool) -> None:
    if not holds:
        raise TxRefused(_LIMIT)


def execute(
    table: Application,
    txs: Sequence[ForeignTx],
    state: dict[bytes, bytes],
    height: int,
    time_ms: int,
    facts: Any = None,
    foreign: Foreign | None = None,
) -> list[ForeignResult]:
    """Rows of `txs`; `state` holds the application's keys and takes the writes. `facts`: sender → (organisation, roles)."""
    rows: list[ForeignResult] = []
    deleted: set[bytes] = set()
    for tx in txs:
        index, _, sender, name, raw = tx
        known = facts(sender) if facts else ("", ())
        context = TwinContext(tx, height, time_ms, state, known, foreign or {}, deleted, table.events)
        code, rule = _run(table, name, raw, context)
        if code:
            rows.append((index, code, rule, 0, [], []))
            continue
        rows.append((index, 0, "", context.steps, sorted(context.writes.items()), context.events))
        for key, value in context.writes.items():
            if value is None:
                state.pop(key, None)
                deleted.add(key)
            else:
                state[key] = value
    return rows


def _run(table: Application, name: str, raw: bytes, context: Any) -> tuple[int, str]:
    action = table.actions.get(name)
    if action is None:
        return CODES["ACTION_UNKNOWN"], ""
    try:
        payload = msgspec.json.decode(raw, type=action.model)
    except ValueError:
        return CODES["PAYLOAD_INVALID"], ""
    try:
        action.handler(context, payload)
    except TxRefused as refusal:
        if refusal.code == CODES["RULE_VIOLATION"] and refusal.rule not in table.rules:
            return CODES["HANDLER_FAILED"], ""
        return refusal.code, refusal.rule
    except Exception:  # noqa: BLE001 - any fault is one result
        return CODES["HANDLER_FAILED"], ""
    return 0, ""
