"""`ports.Applications`: what the node offers to gateway and command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import msgspec

from hnnode.errors import Rejected
from hnnode.execution.faults import fault_text, refusal_text
from hnnode.execution.isolation.application import IsolatedApplication, IsolatedQuery
from hnnode.execution.native_events import NATIVE_EVENTS
from hnnode.execution.native_queries import ACTION_TITLES, NATIVE_QUERIES, NATIVE_TITLES
from hnnode.execution.native_rules import NATIVE_RULES
from hnnode.execution.table import Application, EventFacts, application_prefix
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.limits import QUERY_TICKS_MAX
from hnnode.plugin_api.model import json_schema
from hnnode.plugin_api.outcome import QueryRefused, TxRefused
from hnnode.plugin_api.registry import QuerySpec
from hnnode.ports import ActionInfo, EventInfo, QueryInfo, RuleInfo, StateReader

NATIVE_VERSION = "1"
"""Version of the native applications' rules; not the package's version, so that a rebuilt node keeps its plugins
hash.
"""

NativeAction = tuple[str, str, list[str], str]
"""(application, action, roles, JSON schema) of `hnnode_native.native_actions()`."""

ARGUMENTS_BYTES_MAX = 16 * 1024
T = TypeVar("T")
Answer = Callable[[bytes, StateReader], dict[str, Any]]


class NodeApplications:
    """Actions, queries, events and rules of the loaded plugins and of the native applications. Thread-safe: nothing changes
    after start.
    """

    def __init__(
        self,
        applications: Mapping[str, Application | IsolatedApplication],
        native: Sequence[NativeAction],
        answering: Mapping[str, Application] | None = None,
        statuses: Mapping[str, str] | None = None,
    ) -> None:
        """answering: copies of metered applications that queries are asked of, one at a time. statuses: `enabled`,
        `disabled` or `migrating`, of plugins; enabled when nothing is said.
        """
        self._statuses = dict(statuses or {})
        self._applications = dict(sorted(applications.items()))
        self._native = sorted(native)
        self._answers: dict[tuple[str, str], tuple[QueryInfo, Answer]] = {}
        for name, queries in NATIVE_QUERIES.items():
            for spec in queries:
                answer = _in_process(spec, application_prefix(name), frozenset())
                self._answers[name, spec.name] = (_info(name, spec, json_schema(spec.model)), answer)
        for name, table in self._applications.items():
            if isinstance(table, IsolatedApplication):
                for query in table.queries.values():
                    info = _info(name, query, query.schema)
                    self._answers[name, query.name] = (info, partial(table.query, query.name))
                continue
            table = (answering or {}).get(name, table)
            lock = Lock()
            for spec in table.queries.values():
                plain = table.renew is None
                answer = _in_process(spec, table.prefix, table.reads) if plain else _counted(table, spec.name, lock)
                self._answers[name, spec.name] = (_info(name, spec, json_schema(spec.model)), answer)

    def actions(self) -> list[ActionInfo]:
        """Every action a transaction may name, ascending by application and action."""
        found = []
        for application, action, roles, schema in self._native:
            zh, en = ACTION_TITLES.get((application, action), (action, action))
            found.append(
                ActionInfo(application, action, application, NATIVE_VERSION, tuple(roles), json.loads(schema), zh, en)
            )
        for table in self._applications.values():
            for row in table.actions.values():
                schema_of = row.schema
                found.append(
                    ActionInfo(
                        table.name,
                        row.name,
                        table.name,
                        table.version,
                        row.roles,
                        schema_of,
                        row.title_zh,
                        row.title_en,
                    )
                )
        return sorted(found, key=lambda info: (info.application, info.action))

    def exempt_fields(self) -> list[tuple[str, str, Sequence[str]]]:
        """(application, action, fields of its payload) that the door does not look through for numbers of people."""
        tables = self._applications.values()
        return [(table.name, row.name, row.exempt) for table in tables for row in table.actions.values() if row.exempt]

    def queries(self) -> list[QueryInfo]:
        """Every query, ascending by application and query."""
        return [info for _, (info, _) in sorted(self._answers.items(), key=lambda item: item[0])]

    def events(self) -> list[EventInfo]:
        """Every event that a receipt may hold, ascending."""
        native = {row[0] for row in self._native}
        tables: list[tuple[str, Iterable[EventFacts]]] = [
            *((name, events) for name, events in NATIVE_EVENTS.items() if name in native),
            *((table.name, table.events.values()) for table in self._applications.values()),
        ]
        found = [
            EventInfo(name, row.name, row.schema, row.title_zh, row.title_en)
            for name, events in tables
            for row in events
        ]
        return sorted(found, key=lambda info: info.event)

    def rules(self) -> list[RuleInfo]:
        """Every rule that a receipt may name, ascending."""
        native = {row[0] for row in self._native}
        found = [
            RuleInfo(application, rule, *texts)
            for rule, texts in NATIVE_RULES.items()
            if (application := rule.partition(".")[0]) in native
        ]
        for table in self._applications.values():
            found += [RuleInfo(table.name, rule.id, rule.zh, rule.en) for rule in table.rules.values()]
        return sorted(found, key=lambda info: info.rule)

    def plugins(self) -> list[Mapping[str, Any]]:
        """name, version, applications, code_hash (hexadecimal; empty for native), native, status (enabled, disabled or
        migrating), title_zh, title_en."""
        found: list[Mapping[str, Any]] = [
            {
                "name": name,
                "version": NATIVE_VERSION,
                "applications": [name],
                "code_hash": "",
                "native": True,
                "status": "enabled",
                "title_zh": NATIVE_TITLES.get(name, (name, name))[0],
                "title_en": NATIVE_TITLES.get(name, (name, name))[1],
            }
            for name in sorted({row[0] for row in self._native})
        ]
        for table in self._applications.values():
            found.append(
                {
                    "name": table.name,
                    "version": table.version,
                    "applications": [table.name],
                    "code_hash": table.code_hash.hex(),
                    "native": False,
                    "status": self._statuses.get(table.name, "enabled"),
                    "title_zh": table.title_zh,
                    "title_en": table.title_en,
                }
            )
        return found

    def query(self, application: str, query: str, arguments: bytes, state: StateReader) -> Any:
        """Answer a query as a JSON-ready object with `as_of_height`.

        Args:
            arguments: JSON object; empty bytes mean `{}`.
            state: decides the height the answer holds for.
        Raises: Rejected: QUERY_UNKNOWN, PARAMETER_INVALID, NOT_FOUND, QUERY_TOO_BROAD.
        """
        entry = self._answers.get((application, query))
        if entry is None:
            raise Rejected("QUERY_UNKNOWN", f"query: {application}.{query}")
        _check_size(arguments)
        try:
            answer = entry[1](arguments or b"{}", state)
        except QueryRefused as refusal:
            raise Rejected(*refusal_text(refusal)) from refusal
        return {"as_of_height": state.height, **answer}

    def ask(
        self,
        application: str,
        query: str,
        arguments: bytes,
        state: Callable[[], StateReader],
        done: Callable[[dict[str, Any], int], T],
    ) -> Future[T] | None:
        """As `query`, of an application that is isolated: the query waits for its turn without a thread.

        Args:
            state: called when the turn comes; what it raises, the future raises.
            done: makes of the answer and its height what the future gives, in another thread.
        Returns: None: the query is not of an isolated application; `query` answers it.
        Raises: Rejected: PARAMETER_INVALID. Unavailable (NOT_READY): too many wait. The future raises what `query`
        does, and Unavailable (NOT_READY) when the turn does not come in time.
        """
        table = self._applications.get(application)
        if not isinstance(table, IsolatedApplication) or query not in table.queries:
            return None
        _check_size(arguments)
        return table.ask(
            query, arguments or b"{}", state, lambda answer, height: done({"as_of_height": height, **answer}, height)
        )


def _check_size(arguments: bytes) -> None:
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        raise Rejected("PARAMETER_INVALID", f"arguments: got {len(arguments)} bytes, want ≤ {ARGUMENTS_BYTES_MAX}")


def _info(application: str, query: QuerySpec | IsolatedQuery, schema: dict[str, Any]) -> QueryInfo:
    return QueryInfo(application, query.name, schema, query.title_zh, query.title_en)


def _in_process(spec: QuerySpec, prefix: bytes, reads: frozenset[str]) -> Answer:
    decode = msgspec.json.Decoder(spec.model).decode

    def answer(arguments: bytes, state: StateReader) -> dict[str, Any]:
        try:
            parsed = decode(arguments)
        except ValueError as e:
            raise QueryRefused("PARAMETER_INVALID", f"{spec.name}: {e}") from e
        made: dict[str, Any] = msgspec.to_builtins(spec.handler(QueryView(state, prefix, reads=reads), parsed))
        return made

    return answer


def _counted(table: Application, query: str, lock: Lock) -> Answer:
    """One at a time, each asked of a copy in which nothing is left of those before, within its count."""

    def counted(arguments: bytes, state: StateReader) -> dict[str, Any]:
        with lock:
            copy = table.clean()
            answer = _in_process(copy.queries[query], copy.prefix, copy.reads)
            if copy.meter is not None:
                copy.meter.begin_alone(QUERY_TICKS_MAX)
            try:
                made = answer(arguments, state)
            except TxRefused as e:
                raise QueryRefused("QUERY_TOO_BROAD", "the answer needs more work than one query may do") from e
            except QueryRefused:
                raise
            except Exception as e:
                raise Rejected("HANDLER_FAILED", fault_text(e)) from e
            return made

    return counted
