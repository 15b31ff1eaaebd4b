"""Events, proofs, and everything that the gateway stands in front of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hnnode.ports.execution import Applications
from hnnode.ports.mempool import Mempool
from hnnode.ports.network import PeerInfo
from hnnode.ports.storage import Chain


@dataclass(frozen=True, slots=True)
class Cursor:
    """Position of an event; as text `height.tx_index.event_index`."""

    height: int
    tx_index: int
    event_index: int


@dataclass(frozen=True, slots=True)
class ChainEvent:
    cursor: Cursor
    time_ms: int
    tx_id: bytes
    application: str
    name: str
    entity: str
    data: bytes


class Events(Protocol):
    def read(self, after: Cursor | None, limit: int, application: str | None, name: str | None) -> list[ChainEvent]:
        """Events of committed blocks, ascending, from storage; synchronous, thread-safe."""

    def follow(self, after: Cursor | None, application: str | None, name: str | None) -> AsyncIterator[ChainEvent]:
        """Stored events after the cursor, then new ones as blocks commit, without gap or repetition."""


class Proofs(Protocol):
    """Build proof bundles (formats §13). Synchronous, thread-safe.

    Raise `Unavailable` (NOT_READY) while the results are not certified yet."""

    def tx(self, tx_id: bytes) -> bytes:
        """Transaction and receipt, with both headers and the certificate. Raises `Rejected` 1005 for an unknown id."""

    def state(self, application: str, keys: Sequence[bytes]) -> bytes: ...
    def certificate(self, digest: bytes, owner: bytes, case: bytes | None = None) -> bytes:
        """Certificate of evidence (formats §16) about the record `owner` has of `digest`, with its place in `case`.

        Raises `Rejected` 1005 for an unknown record, case or submission."""


@dataclass(frozen=True, slots=True)
class PluginTrouble:
    """An application whose process keeps ending, or whose code does not answer, so that its block waits. since_ms: Unix time
    of the first of `times` failures in a row, or since when it does not answer.

    height, block_hash, action, tx_id: of the transaction (or due item, or page of a migration) that holds the block up, once it is
    known.
    """

    application: str
    reason: str
    since_ms: int
    times: int
    height: int = 0
    block_hash: str = ""
    action: str = ""
    tx_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What `status` answers; built fresh on each call."""

    chain_id: bytes
    chain_name: str
    role: str
    version: str
    account: bytes
    node_name: str
    validator: bool
    height: int
    block_hash: bytes
    block_time_ms: int
    syncing: bool
    ready: bool
    halted: str
    consensus: Mapping[str, int | str]
    peers_connected: int
    peers_known: int
    pool: Mapping[str, int]
    disk_free_bytes: int
    loop_lag_ms: float
    uptime_s: float
    plugin_troubles: Sequence[PluginTrouble] = ()


class Node(Protocol):
    """Everything the gateway stands in front of."""

    @property
    def chain(self) -> Chain: ...
    @property
    def mempool(self) -> Mempool: ...
    @property
    def applications(self) -> Applications: ...
    @property
    def events(self) -> Events: ...
    @property
    def proofs(self) -> Proofs: ...

    def facts(self) -> NodeFacts: ...
    def peers(self) -> list[PeerInfo]: ...
    def validators(self) -> list[Mapping[str, Any]]:
        """account, public_key, power, name, last_seen_ms"""

    def genesis(self) -> bytes: ...


Clock = Callable[[], int]
"""Unix milliseconds."""
