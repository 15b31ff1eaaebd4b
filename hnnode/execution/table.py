"""The frozen table `(application, action) → handler`: built once at start, sorted by name, never changed while the
node runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from hnnode.execution.payload import payload_decoder
from hnnode.plugin_api.registry import BatchHandler, Handler, Keys, QuerySpec, Registry, RuleSpec


def application_prefix(application: str) -> bytes:
    """What the application's keys start with in the database: `u8 length || application`
    (`hnnode_native.state_key`).
    """
    name = application.encode("ascii")
    return bytes((len(name),)) + name


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table. `decode` is strict: it raises ValueError for everything that is not the model."""

    name: str
    decode: Callable[[bytes], Any]
    handler: Handler
    batch: BatchHandler | None
    keys: Keys | None
    roles: tuple[str, ...]
    model: type[msgspec.Struct]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Application:
    """Everything one plugin brought."""

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
    reads: frozenset[str] = frozenset()

    @classmethod
    def freeze(cls, registry: Registry, version: str, code_hash: bytes) -> Application:
        """The registered application as an immutable record, every map in name order."""
        actions = {
            name: Action(
                name,
                payload_decoder(spec.model),
                spec.handler,
                spec.batch,
                spec.keys,
                spec.roles,
                spec.model,
                spec.title_zh,
                spec.title_en,
            )
            for name, spec in sorted(registry.actions.items())
        }
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
            rules=MappingProxyType(dict(sorted(registry.rules.items()))),
            reads=frozenset(registry.foreign),
        )
