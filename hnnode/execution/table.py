"""The frozen table `(application, action) → handler`: built once at start, sorted by name, never changed while the
node runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from hnnode.execution.payload import MakeDecode, as_it_is, decoder_maker
from hnnode.plugin_api.events import EventCheck, EventSpec, event_checks
from hnnode.plugin_api.migration import Migration
from hnnode.plugin_api.model import ModelError, json_schema
from hnnode.plugin_api.privacy.guard import (
    RULE,
    Handling,
    Texts,
    action_handling,
    exempt_fields,
    guard_batch,
    guard_handler,
    guarded_texts,
)
from hnnode.plugin_api.registry import (
    ActionSpec,
    BatchHandler,
    DueSpec,
    Handler,
    Keys,
    ParametersSpec,
    QuerySpec,
    Registry,
    RuleSpec,
    ThenKeys,
)

if TYPE_CHECKING:
    from hnnode.execution.metering.meter import Meter


def application_prefix(application: str) -> bytes:
    """What the application's keys start with in the database: `u8 length || application`
    (`hnnode_native.state_key`).
    """
    name = application.encode("ascii")
    return bytes((len(name),)) + name


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table. `decode` is strict: it raises ValueError for everything that is not the model. `make_decode`
    and `texts` are what the same row of another copy of the code takes over.
    """

    name: str
    decode: Callable[[bytes], Any]
    handler: Handler
    batch: BatchHandler | None
    keys: Keys | None
    roles: tuple[str, ...]
    model: type[msgspec.Struct]
    title_zh: str
    title_en: str
    then_keys: tuple[ThenKeys, ...] = ()
    exempt: tuple[str, ...] = ()
    make_decode: MakeDecode = as_it_is
    texts: Texts | None = None

    @property
    def schema(self) -> dict[str, Any]:
        return json_schema(self.model)

    @property
    def key_rounds(self) -> int:
        """Rounds in which its keys are fetched together."""
        return (self.keys is not None) + len(self.then_keys)


class Titled(Protocol):
    """What officials read it by."""

    @property
    def title_zh(self) -> str: ...
    @property
    def title_en(self) -> str: ...


class Described(Titled, Protocol):
    """What has a form: `schema` is the JSON Schema of an action's payload, a query's arguments or an event's data."""

    @property
    def schema(self) -> dict[str, Any]: ...


class ActionFacts(Described, Protocol):
    """What a node knows of an action, wherever its code runs. exempt: its fields that the door does not look through for numbers
    of people. key_rounds: in which its keys are fetched together.
    """

    @property
    def name(self) -> str: ...
    @property
    def roles(self) -> tuple[str, ...]: ...
    @property
    def exempt(self) -> tuple[str, ...]: ...
    @property
    def key_rounds(self) -> int: ...


class EventFacts(Described, Protocol):
    """What a node knows of an event."""

    @property
    def name(self) -> str: ...


class ApplicationFacts(Titled, Protocol):
    """What a node knows of an application, wherever its code runs."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def state_version(self) -> int: ...
    @property
    def code_hash(self) -> bytes: ...
    @property
    def prefix(self) -> bytes: ...
    @property
    def actions(self) -> Mapping[str, ActionFacts]: ...
    @property
    def events(self) -> Mapping[str, EventFacts]: ...
    @property
    def rules(self) -> Mapping[str, RuleSpec]: ...
    @property
    def reads(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Application:
    """Everything one plugin brought, to be run in this process. meter: counts the work of metered code."""

    name: str
    version: str
    state_version: int
    code_hash: bytes
    title_zh: str
    title_en: str
    prefix: bytes
    actions: Mapping[str, Action]
    queries: Mapping[str, QuerySpec]
    rules: Mapping[str, RuleSpec]
    events: Mapping[str, EventSpec] = field(default_factory=dict)
    event_checks: dict[str, EventCheck] = field(default_factory=dict)
    """Of the same, for the core."""
    due: DueSpec | None = None
    """Work at the end of a block."""
    parameters: Mapping[str, ParametersSpec] = field(default_factory=dict)
    """By the action that sets them."""
    reads: frozenset[str] = frozenset()
    meter: Meter | None = None
    handling: Mapping[str, Handling] = field(default_factory=dict)
    """How each field of the payloads stands on the chain, as the plugin stated it."""
    migrations: Mapping[tuple[int, int], Migration] = field(default_factory=dict)
    """By (from version, to version)."""
    renew: Callable[[], Application] | None = None
    """Of metered code: gives a copy in which nothing has run yet."""
    reuse: Callable[[], Application] | None = None
    """Of metered code: gives a copy in which nothing is changed."""

    def fresh(self) -> Application:
        """The application with nothing in it of earlier blocks, queries or pages. Code that is not metered is the
        operator's own and is taken as it is.
        """
        return self if self.renew is None else self.renew()

    def clean(self) -> Application:
        """The same for a query, as `fresh`: a copy in which nothing is left of others, which may be the one before."""
        return self if self.reuse is None else self.reuse()

    @classmethod
    def freeze(
        cls,
        registry: Registry,
        version: str,
        code_hash: bytes,
        meter: Meter | None = None,
        migrations: Sequence[Migration] = (),
        like: Application | None = None,
    ) -> Application:
        """The registered application as an immutable record, every map in name order.

        Args:
            like: what another copy of the same code registered; what was found out about its models holds for this one.
        Raises: ModelError: two migrations lead the same way, or one leads nowhere; the privacy table does not fit.
        """
        steps = {(step.from_version, step.to_version): step for step in migrations}
        if len(steps) != len(migrations) or any(a == b or min(a, b) < 1 for a, b in steps):
            raise ModelError(
                f"migrations: got {[(m.from_version, m.to_version) for m in migrations]}, want each way once"
            )
        if like is None:
            registry.complete()
            actions = {name: _action(registry, spec) for name, spec in sorted(registry.actions.items())}
        else:
            theirs = like.actions.keys(), like.queries.keys(), like.events.keys()
            if (registry.actions.keys(), registry.queries.keys(), registry.events.keys()) != theirs:
                raise ModelError("another copy of the code registers something else")
            actions = {name: _action_like(registry, like.actions[name]) for name in like.actions}
        return cls(
            name=registry.application,
            version=version,
            state_version=registry.state_version,
            code_hash=code_hash,
            title_zh=registry.title_zh,
            title_en=registry.title_en,
            prefix=application_prefix(registry.application),
            actions=MappingProxyType(actions),
            queries=MappingProxyType(dict(sorted(registry.queries.items()))),
            rules=MappingProxyType(dict(sorted(registry.rules.items()))) if like is None else like.rules,
            events=MappingProxyType(dict(sorted(registry.events.items()))),
            event_checks=event_checks(registry.events, None if like is None else like.event_checks),
            due=registry.due_work,
            parameters=MappingProxyType(dict(sorted(registry.parameter_sets.items()))),
            reads=frozenset(registry.foreign),
            meter=meter,
            handling=MappingProxyType(dict(registry.handling)),
            migrations=MappingProxyType(dict(sorted(steps.items()))),
        )


def _action(registry: Registry, spec: ActionSpec) -> Action:
    handling = action_handling(spec.name, spec.model, registry.handling)
    texts = guarded_texts(spec.model, handling, registry.unguarded)
    exempt = tuple(exempt_fields(spec.model, handling, registry.unguarded))
    return _row(registry, spec, decoder_maker(spec.model), texts, exempt)


def _action_like(registry: Registry, other: Action) -> Action:
    return _row(registry, registry.actions[other.name], other.make_decode, other.texts, other.exempt)


def _row(
    registry: Registry, spec: ActionSpec, make_decode: MakeDecode, texts: Texts | None, exempt: tuple[str, ...]
) -> Action:
    handler, batch = spec.handler, spec.batch
    if texts is not None:
        rule = f"{registry.application}.{RULE}"
        handler = guard_handler(handler, texts, rule)
        batch = None if batch is None else guard_batch(batch, texts, rule)
    return Action(
        name=spec.name,
        decode=make_decode(spec.model),
        handler=handler,
        batch=batch,
        keys=spec.keys,
        roles=spec.roles,
        model=spec.model,
        title_zh=spec.title_zh,
        title_en=spec.title_en,
        then_keys=spec.then_keys,
        exempt=exempt,
        make_decode=make_decode,
        texts=texts,
    )
