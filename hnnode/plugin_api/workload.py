"""What a plugin offers to the load generator.

The generator makes one key for each actor, registers it with the actor's roles, signs each item with its actor's key
and submits it. Items of one wave succeed in any order and across blocks; a wave is submitted only after the wave
before it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from hnnode.plugin_api.context import QueryView


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One transaction to sign: `actor` names the account, `payload` is the JSON to send."""

    actor: str
    action: str
    payload: bytes


class Workload(Protocol):
    """Deterministic in its seed: the same seed, accounts and count give the same items."""

    application: str
    actors: Mapping[str, tuple[str, ...]]
    """Actor name to the roles its account needs."""

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves with `count` items or slightly more in all. `accounts`: 20 bytes for each actor."""

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants found by a scan of the application's state; empty when all hold."""
