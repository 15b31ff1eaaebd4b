"""What a plugin offers to the load generator.

The generator makes one key for each actor, registers it with the actor's roles, signs each item with its actor's key
and submits it. Items of one wave succeed in any order and across blocks; a wave is submitted only after the wave
before it is committed. Beside the transactions it runs queries in the share that the workload states, and checks each answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hnnode.plugin_api.context import QueryView


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One transaction to sign: `actor` names the account, `payload` is the JSON to send."""

    actor: str
    action: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """One query of the load: `arguments` is the JSON to send, `expected` what its answer has to say.

    An answer may say more: of an object the named members are compared, of a list every element, and a frozenset names
    the values of which one has to be there.
    """

    query: str
    arguments: bytes
    expected: dict[str, Any]

    def is_answered_by(self, result: Any) -> bool:
        return _fits(self.expected, result)


def _fits(expected: Any, found: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and _fits(value, found[name]) for name, value in expected.items()
        )
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(found, (list, tuple))
            and len(found) == len(expected)
            and all(_fits(value, own) for value, own in zip(expected, found, strict=True))
        )
    if isinstance(expected, frozenset):
        return isinstance(found, (str, int, type(None))) and found in expected
    return bool(expected == found)


class Workload(Protocol):
    """Deterministic in its seed: the same seed, accounts and count give the same items."""

    application: str
    actors: Mapping[str, tuple[str, ...]]
    """Actor name to the roles its account needs."""

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        """Waves with `count` items or slightly more in all. `accounts`: 20 bytes for each actor."""

    def violations(self, view: QueryView) -> list[str]:
        """Broken invariants found by a scan of the application's state; empty when all hold."""


@runtime_checkable
class AskingWorkload(Protocol):
    """The part of a workload that also asks; one without it sends transactions only."""

    flavour: str
    """Name of the kind of load, also where it was the default."""
    query_percent: int
    """Queries among all requests of the application, in percent, from 0 to below 100."""

    def question(self, item: WorkItem) -> Question | None:
        """What can be asked once the item's transaction is committed, with an answer that holds whatever follows. The
        generator calls it for some of the items."""
