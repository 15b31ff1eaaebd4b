"""What the code of a plugin registered, as one document: packed into its wheel, shown before it is voted on, and compared with what
the code registers when it is loaded.

Only what code says: roles, keys, schemas, titles, rules. The limits of a transaction are those of the plugin interface.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import msgspec

from hnnode.execution.table import ApplicationFacts, Described, Titled
from hnnode.plugin_api.model import bare_schema
from hnnode.plugin_api.registry import ParametersSpec

SHOWN_CHARS = 80
_encode = msgspec.json.Encoder(order="sorted").encode


class DueFacts(Titled, Protocol):
    """Work at the end of a block."""

    @property
    def items_max(self) -> int: ...


class RegisteredFacts(ApplicationFacts, Protocol):
    """The same with everything that its code registered."""

    @property
    def queries(self) -> Mapping[str, Described]: ...
    @property
    def parameters(self) -> Mapping[str, ParametersSpec]: ...
    @property
    def due(self) -> DueFacts | None: ...
    @property
    def migrations(self) -> Collection[tuple[int, int]]: ...


def registered(table: RegisteredFacts) -> dict[str, Any]:
    """The document. Equal code gives an equal one, isolated or not.

    `keys` of an action: rounds in which its keys are fetched together, 0 when its code names none.
    """
    return {
        "application": table.name,
        "title_zh": table.title_zh,
        "title_en": table.title_en,
        "state_version": table.state_version,
        "actions": {
            row.name: {"roles": list(row.roles), "keys": row.key_rounds, **_described(row)}
            for row in table.actions.values()
        },
        "queries": {name: _described(row) for name, row in table.queries.items()},
        "events": {name: _described(row) for name, row in table.events.items()},
        "rules": {rule.id: {"zh": rule.zh, "en": rule.en} for rule in table.rules.values()},
        "parameters": {
            row.action: {name: {"default": value} for name, value in sorted(row.defaults.items())}
            for row in table.parameters.values()
        },
        "due": None
        if table.due is None
        else {"items_max": table.due.items_max, "title_zh": table.due.title_zh, "title_en": table.due.title_en},
        "reads": sorted(table.reads),
        "migrations": sorted([start, end] for start, end in table.migrations),
    }


def _described(row: Described) -> dict[str, Any]:
    return {"title_zh": row.title_zh, "title_en": row.title_en, "schema": bare_schema(row.schema)}


def encode_registered(table: RegisteredFacts) -> bytes:
    """The document as it stands in a wheel: JSON with sorted keys, the same bytes for the same code."""
    return msgspec.json.format(_encode(registered(table)), indent=1) + b"\n"


def difference(stated: bytes, table: RegisteredFacts) -> tuple[str, str] | None:
    """Where a package's document says something else than the code registers, in Chinese and English; None when it does not."""
    try:
        document = msgspec.json.decode(stated)
    except (msgspec.DecodeError, RecursionError) as e:
        return f"不是 JSON：{e}", f"not JSON: {e}"
    found = _difference(document, msgspec.json.decode(_encode(registered(table))), "")
    if found is None:
        return None
    where, theirs, ours = found
    return (
        f"{where}：包中写明 {_shown(theirs)}，代码登记 {_shown(ours)}",
        f"{where}: the package states {_shown(theirs)}, the code registers {_shown(ours)}",
    )


_ABSENT = object()


def _difference(stated: Any, actual: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first place, going through the names in order. As deep as the code's own document, not as the package's."""
    if not isinstance(stated, dict) or not isinstance(actual, dict):
        # As text: in a list 1, 1.0 and true would be equal.
        return None if _encode(stated) == _encode(actual) else (path or "document", stated, actual)
    for name in sorted(stated.keys() | actual.keys()):
        where = f"{path}.{name}".lstrip(".")[:200]
        theirs, ours = stated.get(name, _ABSENT), actual.get(name, _ABSENT)
        if theirs is _ABSENT or ours is _ABSENT:
            return where, theirs, ours
        found = _difference(theirs, ours, where)
        if found is not None:
            return found
    return None


def _shown(value: Any) -> str:
    text = "–" if value is _ABSENT else _encode(value).decode()
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
