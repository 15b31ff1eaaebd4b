"""Rows of the application `governance` as the core writes them (native `governance::record`): JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from hnnode.errors import FatalError

SET_KEY = b"s"
OPEN_KEY = b"o"
CLOSED_PREFIX = b"p"
VOTE_PREFIX = b"v"

T = TypeVar("T")

Status = Literal["enabled", "disabled", "migrating"]
Kind = Literal["activate", "disable", "enable", "upgrade"]


class Code(msgspec.Struct, frozen=True):
    """One version of a plugin; `code_hash` in hexadecimal digits."""

    version: str
    api_version: int
    state_version: int
    code_hash: str


class MigrationState(msgspec.Struct, frozen=True):
    """Where a migration stands: code that ran before, pass, last key that is done (hexadecimal digits), rows of the pass,
    whether the plugin was disabled before.
    """

    from_: Code = msgspec.field(name="from")
    phase: Literal["check", "move", "verify"]
    cursor: str
    rows: int
    disabled: bool = False


class PluginRecord(msgspec.Struct, frozen=True):
    """A plugin of the set. `data_version`: layout of its data; `fault`: why its last migration failed."""

    name: str
    code: Code
    status: Status
    since_height: int
    proposal: int
    data_version: int
    migration: MigrationState | None
    fault: str


class PluginSet(msgspec.Struct, frozen=True):
    """Row `s`: the plugins from the next height on, ascending by name."""

    plugins: tuple[PluginRecord, ...] = ()

    def migrating(self) -> PluginRecord | None:
        """The plugin whose data takes its next page in the next block."""
        return next((plugin for plugin in self.plugins if plugin.status == "migrating"), None)


class Proposal(msgspec.Struct, frozen=True):
    number: int
    kind: Kind
    name: str
    code: Code
    activation_height: int
    proposed_by: str
    proposed_height: int
    power_for: int
    power_against: int


def proposal_of(facts: Mapping[str, Any]) -> Proposal:
    """The proposal that the queries `proposal` and `proposals` show, whose code's fields stand beside the others. Raises
    msgspec.ValidationError.
    """
    return msgspec.convert({**facts, "code": facts}, Proposal)


class OpenProposals(msgspec.Struct, frozen=True):
    """Row `o`."""

    next: int = 1
    open: tuple[Proposal, ...] = ()


class ClosedProposal(msgspec.Struct, frozen=True):
    """Row `p || u64 number`."""

    proposal: Proposal
    outcome: Literal["active", "void"]
    power_total: int


def closed_key(number: int) -> bytes:
    return CLOSED_PREFIX + number.to_bytes(8, "big")


def vote_prefix(number: int) -> bytes:
    """What the keys of a proposal's votes start with; the validator's account follows."""
    return VOTE_PREFIX + number.to_bytes(8, "big")


def decode_set(row: bytes | None) -> PluginSet:
    """Raises: FatalError: not a row of the core."""
    return PluginSet() if row is None else _decode(row, PluginSet)


def decode_open(row: bytes | None) -> OpenProposals:
    """Raises: FatalError: not a row of the core."""
    return OpenProposals() if row is None else _decode(row, OpenProposals)


def decode_closed(row: bytes) -> ClosedProposal:
    """Raises: FatalError: not a row of the core."""
    return _decode(row, ClosedProposal)


def genesis_set(plugins: dict[str, Code]) -> bytes:
    """Row `s` of the genesis."""
    records = tuple(
        PluginRecord(name, code, "enabled", 1, 0, code.state_version, None, "")
        for name, code in sorted(plugins.items())
    )
    return msgspec.json.encode(PluginSet(records))


def _decode(row: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(row, type=kind)
    except msgspec.DecodeError as e:
        raise FatalError("STORAGE_CORRUPT", f"governance: a row cannot be read: {e}") from e
