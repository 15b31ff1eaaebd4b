"""`ports.Applications`: what the node offers to gateway and command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hnnode.errors import Rejected
from hnnode.execution.native_queries import ACTION_TITLES, NATIVE_QUERIES, NATIVE_TITLES
from hnnode.execution.table import Application, application_prefix
from hnnode.plugin_api.context import QueryView
from hnnode.plugin_api.model import json_schema
from hnnode.plugin_api.outcome import QueryRefused
from hnnode.plugin_api.registry import QuerySpec
from hnnode.ports import ActionInfo, QueryInfo, StateReader

NATIVE_VERSION = "1"
"""Version of the native applications' rules; not the package's version, so that a rebuilt node keeps its plugins
hash.
"""

NativeAction = tuple[str, str, list[str], str]
"""(application, action, roles, JSON schema) of `hnnode_native.native_actions()`."""

ARGUMENTS_BYTES_MAX = 16 * 1024


class NodeApplications:
    """Actions, queries and rules of the loaded plugins and of the native applications. Thread-safe: nothing changes
    after start.
    """

    def __init__(
        self,
        applications: Mapping[str, Application],
        native: Sequence[NativeAction],
        statuses: Mapping[str, str] | None = None,
    ) -> None:
        """statuses: `enabled`, `disabled` or `migrating`, of plugins; enabled when nothing is said."""
        self._statuses = dict(statuses or {})
        self._applications = dict(sorted(applications.items()))
        self._native = sorted(native)
        self._queries: dict[tuple[str, str], tuple[QuerySpec, Callable[[bytes], Any], bytes, frozenset[str]]] = {}
        specs = {name: tuple(table.queries.values()) for name, table in self._applications.items()}
        for name, queries in sorted((specs | NATIVE_QUERIES).items()):
            prefix = application_prefix(name)
            reads = self._applications[name].reads if name in self._applications else frozenset()
            for spec in queries:
                self._queries[name, spec.name] = (spec, msgspec.json.Decoder(spec.model).decode, prefix, reads)

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
                schema_of = json_schema(row.model)
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

    def queries(self) -> list[QueryInfo]:
        """Every query, ascending by application and query."""
        return [
            QueryInfo(application, spec.name, json_schema(spec.model), spec.title_zh, spec.title_en)
            for (application, _), (spec, *_) in sorted(self._queries.items(), key=lambda item: item[0])
        ]

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

    def rule_text(self, rule_id: str) -> tuple[str, str] | None:
        """Chinese and English text of a plugin's rule; None for a rule of a native application or an unknown one."""
        table = self._applications.get(rule_id.partition(".")[0])
        rule = table.rules.get(rule_id) if table else None
        return (rule.zh, rule.en) if rule else None

    def query(self, application: str, query: str, arguments: bytes, state: StateReader) -> Any:
        """Answer a query as a JSON-ready object with `as_of_height`.

        Args:
            arguments: JSON object; empty bytes mean `{}`.
            state: decides the height the answer holds for.
        Raises: Rejected: QUERY_UNKNOWN, PARAMETER_INVALID, NOT_FOUND, QUERY_TOO_BROAD.
        """
        entry = self._queries.get((application, query))
        if entry is None:
            raise Rejected("QUERY_UNKNOWN", f"query: {application}.{query}")
        spec, decode, prefix, reads = entry
        if len(arguments) > ARGUMENTS_BYTES_MAX:
            raise Rejected("PARAMETER_INVALID", f"arguments: got {len(arguments)} bytes, want ≤ {ARGUMENTS_BYTES_MAX}")
        try:
            parsed = decode(arguments or b"{}")
        except ValueError as e:
            raise Rejected("PARAMETER_INVALID", f"{application}.{query}: {e}") from e
        try:
            answer = spec.handler(QueryView(state, prefix, reads=reads), parsed)
        except QueryRefused as refusal:
            raise Rejected(refusal.name, refusal.detail) from refusal
        return {"as_of_height": state.height, **msgspec.to_builtins(answer)}
