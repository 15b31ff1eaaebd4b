"""Applications, as gateway and command line see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hnnode.ports.storage import StateReader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActionInfo:
    application: str
    action: str
    plugin: str
    version: str
    roles: tuple[str, ...]
    schema: Mapping[str, Any]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class QueryInfo:
    application: str
    query: str
    schema: Mapping[str, Any]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class EventInfo:
    """An event that transactions of an application may give: `<application>.<name>`, the JSON Schema of its data."""

    application: str
    event: str
    schema: Mapping[str, Any]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule that a transaction may be refused by: `<application>.<name>` and what it says."""

    application: str
    rule: str
    zh: str
    en: str


class Applications(Protocol):
    """What the enabled plugins and the native applications offer, for gateway and CLI."""

    def actions(self) -> list[ActionInfo]: ...
    def queries(self) -> list[QueryInfo]: ...
    def events(self) -> list[EventInfo]: ...
    def rules(self) -> list[RuleInfo]: ...
    def exempt_fields(self) -> list[tuple[str, str, Sequence[str]]]:
        """(application, action, fields of its payload) that the door does not look through for numbers of people."""

    def plugins(self) -> list[Mapping[str, Any]]:
        """name, version, applications, code_hash, native, title_zh, title_en"""

    def query(self, application: str, query: str, arguments: bytes, state: StateReader) -> Any:
        """Run a query with JSON arguments; the answer is JSON-ready. Raises `Rejected` (1009, 1010, 1011)."""

    def ask(
        self,
        application: str,
        query: str,
        arguments: bytes,
        state: Callable[[], StateReader],
        done: Callable[[dict[str, Any], int], T],
    ) -> Future[T] | None:
        """As `query`, where a process of its own answers: waits for its turn without a thread. `done` makes of the
        answer and its height what the future gives. None: there is no such process."""
