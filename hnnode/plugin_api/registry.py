"""The table a plugin fills in `hn_register`: actions, queries, events and rules of its application."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from hnnode.plugin_api.context import Context, QueryView, Reader, TxInfo
from hnnode.plugin_api.events import EventSpec
from hnnode.plugin_api.limits import (
    ACTIONS_MAX,
    DUE_ITEMS_MAX,
    EVENT_KINDS_MAX,
    EVENT_NAME_BYTES_MAX,
    FOREIGN_MAX,
    PREFETCH_ROUNDS_MAX,
)
from hnnode.plugin_api.model import ModelError, check_model, json_schema
from hnnode.plugin_api.privacy.guard import RULE, RULE_TEXTS, Handling, action_handling

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
M = TypeVar("M", bound=msgspec.Struct)

Handler = Callable[[Context, Any], None]
BatchHandler = Callable[[Context, Iterator[Any]], None]
Keys = Callable[[TxInfo, Any], Sequence[bytes]]
ThenKeys = Callable[[TxInfo, Any, Reader], Sequence[bytes]]
Query = Callable[[QueryView, Any], Any]
DueHandler = Callable[[Context, bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """`roles`: the sender needs one of them; empty means any active account."""

    name: str
    model: type[msgspec.Struct]
    handler: Handler
    roles: tuple[str, ...]
    keys: Keys | None
    batch: BatchHandler | None
    title_zh: str
    title_en: str
    then_keys: tuple[ThenKeys, ...] = ()


@dataclass(frozen=True, slots=True)
class QuerySpec:
    name: str
    model: type[msgspec.Struct]
    handler: Query
    title_zh: str
    title_en: str

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return json_schema(self.model)


@dataclass(frozen=True, slots=True)
class DueSpec:
    """`prefix`: of the rows `prefix ‖ u64 time in ms ‖ item`."""

    prefix: bytes
    handler: DueHandler
    items_max: int
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class ParametersSpec:
    """`defaults`: what counts before the action was executed for the first time."""

    action: str
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleSpec:
    id: str
    zh: str
    en: str


class Registry:
    """One application while it is being registered. A name given twice, or a bad one, raises ModelError."""

    def __init__(self, application: str) -> None:
        self.application = _name(application, "application")
        self.title_zh = application
        self.title_en = application
        self.state_version = 1
        self.actions: dict[str, ActionSpec] = {}
        self.queries: dict[str, QuerySpec] = {}
        self.rules: dict[str, RuleSpec] = {}
        self.events: dict[str, EventSpec] = {}
        self.due_work: DueSpec | None = None
        self.parameter_sets: dict[str, ParametersSpec] = {}
        self.foreign: set[str] = set()
        self.handling: dict[str, Handling] = {}
        self.unguarded: frozenset[str] = frozenset()

    def describe(self, title_zh: str, title_en: str, state_version: int = 1) -> None:
        """Titles of the application, and the version of its state layout."""
        if not 1 <= state_version < 2**32:
            raise ModelError(f"state_version: got {state_version}, want 1 or more")
        self.title_zh, self.title_en, self.state_version = title_zh, title_en, state_version

    def action(
        self,
        name: str,
        model: type[M],
        handler: Callable[[Context, M], None],
        *,
        roles: Sequence[str] = (),
        keys: Callable[[TxInfo, M], Sequence[bytes]] | None = None,
        then_keys: Sequence[Callable[[TxInfo, M, Reader], Sequence[bytes]]] = (),
        execute_batch: Callable[[Context, Iterator[M]], None] | None = None,
        title_zh: str,
        title_en: str,
    ) -> None:
        """Add an action.

        Args:
            model: shape of the JSON payload; see `model.py` for what it may hold.
            handler: called with the context and the decoded payload; returns nothing.
            roles: the sender needs one of them; empty means any active account.
            keys: state keys the handler will most likely read, from the payload alone. Those of a whole block are
                fetched in one call; any other key costs a read of its own. Only a hint.
            then_keys: functions for keys that follow from rows, one a round. When the rows of the round before are there,
                those of a whole block are asked and what they name is fetched in one call again. Their third argument
                has the rows fetched so far (`get`; None for every other key). Only a hint, too.
            execute_batch: takes the place of `handler` for transactions of this action that follow each other in a
                block. It iterates over the payloads to their end; the context stands at the transaction of the payload
                taken last, and taking the next one ends it. A refusal or fault ends that transaction alone: the call is
                made again with those behind it. The results must be those of `handler`.
        """
        check_model(model, "payload")
        if _name(name, "action") in self.actions:
            raise ModelError(f"action {name}: registered twice")
        if len(self.actions) == ACTIONS_MAX:
            raise ModelError(f"action {name}: more than {ACTIONS_MAX} actions of one application")
        if len(then_keys) > PREFETCH_ROUNDS_MAX:
            raise ModelError(f"action {name}: got {len(then_keys)} then_keys, want ≤ {PREFETCH_ROUNDS_MAX}")
        named = tuple(sorted({_name(role, "role") for role in roles}))
        spec = ActionSpec(name, model, handler, named, keys, execute_batch, title_zh, title_en, tuple(then_keys))
        self.actions[name] = spec

    def query(
        self, name: str, model: type[M], handler: Callable[[QueryView, M], Any], *, title_zh: str, title_en: str
    ) -> None:
        """Add a read-only query; its answer is a JSON object (a dict or a Struct)."""
        check_model(model, "payload")
        if _name(name, "query") in self.queries:
            raise ModelError(f"query {name}: registered twice")
        self.queries[name] = QuerySpec(name, model, handler, title_zh, title_en)

    def event(self, name: str, model: type[msgspec.Struct], *, title_zh: str, title_en: str) -> None:
        """Declare an event: `<application>.<name>` as `Context.emit` is given it, and the shape of its data. A transaction that
        emits an event that is not declared, or with data that do not fit, fails with HANDLER_FAILED.

        Args:
            model: a Struct of integers, text, booleans, None and lists of them, with forbid_unknown_fields. A model whose
                fields say no more than their kind costs 0.1 µs an event, one with bounds or patterns 0.3 µs and more.
        """
        check_model(model, "declared")
        try:
            msgspec.json.Decoder(model)
        except (TypeError, ValueError) as e:
            raise ModelError(f"event {name}: {e}") from e
        prefix, _, own = name.partition(".")
        if prefix != self.application or not NAME.fullmatch(own) or len(name) > EVENT_NAME_BYTES_MAX:
            raise ModelError(f"event {name}: want {self.application}.<name>, at most {EVENT_NAME_BYTES_MAX} characters")
        if name in self.events:
            raise ModelError(f"event {name}: registered twice")
        if len(self.events) == EVENT_KINDS_MAX:
            raise ModelError(f"event {name}: more than {EVENT_KINDS_MAX} events of one application")
        self.events[name] = EventSpec(name, model, title_zh, title_en)

    def due(
        self, prefix: bytes, handler: DueHandler, *, items_max: int = DUE_ITEMS_MAX, title_zh: str, title_en: str
    ) -> None:
        """Let items that have become due be handled by themselves at the end of a block, after its transactions.

        Rows of the application under `prefix ‖ u64 time in ms, big-endian ‖ item` are its due index. What a transaction put there
        with a time up to that of the block is taken out, the earliest first, and handled like a transaction: within the same
        limits, with all it writes and emits or, when it is refused or fails, nothing but that the item is gone. Its receipt
        stands in the state, its events in the feed, under numbers behind those of the block's transactions. There is no sender.
        When nobody sends transactions, the validators make a block for it when its time has come. So an item that puts itself back
        keeps the chain awake, and a row that has lost its meaning is better deleted than left to come due.

        Args:
            prefix: 1 to 200 bytes; no other rows of the application start with it.
            handler: called with the context, the item, and the value of its row.
            items_max: of one block, 1 to DUE_ITEMS_MAX; the others come in the next blocks.
        """
        if self.due_work is not None:
            raise ModelError("due: registered twice")
        if type(prefix) is not bytes or not 1 <= len(prefix) <= 200 or not 1 <= items_max <= DUE_ITEMS_MAX:
            raise ModelError(f"due: want a prefix of 1 to 200 bytes and items_max of 1 to {DUE_ITEMS_MAX}")
        self.due_work = DueSpec(prefix, handler, items_max, title_zh, title_en)

    def parameters(self, action: str, defaults: msgspec.Struct) -> None:
        """Say that the fields of an action's payload are parameters of the application, and what counts before they were set.
        Their bounds are those of the payload, whoever may send it sets them.

        Args:
            defaults: has the fields of the payload, and no other.
        """
        if action in self.parameter_sets:
            raise ModelError(f"parameters {action}: registered twice")
        self.parameter_sets[action] = ParametersSpec(action, msgspec.structs.asdict(defaults))

    def reads(self, *applications: str) -> None:
        """Let handlers and queries read the state of other applications (`Context.foreign`)."""
        for name in applications:
            if _name(name, "application") == self.application:
                raise ModelError(f"reads {name}: an application reads its own state with get and scan")
            self.foreign.add(name)
        if len(self.foreign) > FOREIGN_MAX:
            raise ModelError(f"reads: got {len(self.foreign)} applications, want ≤ {FOREIGN_MAX}")

    def privacy(self, table: Mapping[str, str], unguarded: Sequence[str] = ()) -> None:
        """How each field of the payloads is handled: `clear`, `committed` or `encrypted`, by its name in the models;
        `action.field` goes before `field`.

        Every field of every action must be named, those of structs inside it too. Clear texts are looked through for
        personal numbers before a handler runs; see `privacy/guard.py`. The rule `<application>.personal_data` is
        registered unless the plugin brings its own texts.

        Args:
            unguarded: clear fields that are not looked through, as they hold codes that the handler checks: one in some
                hundreds of the credit codes of a county looks like an identity number.
        """
        if self.handling:
            raise ModelError("privacy: stated twice")
        try:
            self.handling = {name: Handling(how) for name, how in sorted(table.items())}
        except ValueError as e:
            raise ModelError(f"privacy: {e}") from e
        self.unguarded = frozenset(unguarded)
        if not self.unguarded <= self.handling.keys():
            raise ModelError(f"privacy: {', '.join(sorted(self.unguarded - self.handling.keys()))} is not in the table")

    def complete(self) -> None:
        """Check what can be checked only when everything is registered; called by the host after `hn_register`."""
        for parameters in self.parameter_sets.values():
            self._check_parameters(parameters)
        if not self.handling:
            return
        unused = set(self.handling)
        for spec in self.actions.values():
            for name in action_handling(spec.name, spec.model, self.handling):
                unused -= {f"{spec.name}.{name}" if f"{spec.name}.{name}" in self.handling else name}
        if unused:
            raise ModelError(f"privacy: no payload has {', '.join(sorted(unused))}")
        rule_id = f"{self.application}.{RULE}"
        self.rules.setdefault(rule_id, RuleSpec(rule_id, *RULE_TEXTS))

    def _check_parameters(self, parameters: ParametersSpec) -> None:
        spec = self.actions.get(parameters.action)
        if spec is None:
            raise ModelError(f"parameters {parameters.action}: no such action")
        if set(spec.model.__struct_fields__) != parameters.defaults.keys():
            raise ModelError(
                f"parameters {parameters.action}: got {sorted(parameters.defaults)}, want the payload's fields"
            )
        try:
            msgspec.convert(dict(parameters.defaults), spec.model)
        except ValueError as e:
            raise ModelError(f"parameters {parameters.action}: a default does not fit: {e}") from e

    def rule(self, rule_id: str, zh: str, en: str) -> None:
        """Add a rule that handlers may refuse by: `<application>.<name>` with its text in both languages."""
        prefix, _, name = rule_id.partition(".")
        if prefix != self.application or not NAME.fullmatch(name):
            raise ModelError(f"rule {rule_id}: want {self.application}.<name>")
        if rule_id in self.rules or not zh or not en:
            raise ModelError(f"rule {rule_id}: registered twice or without text")
        self.rules[rule_id] = RuleSpec(rule_id, zh, en)


def _name(name: str, what: str) -> str:
    if not NAME.fullmatch(name):
        raise ModelError(f"{what} {name!r}: want a lower-case name of at most 32 characters")
    return name
