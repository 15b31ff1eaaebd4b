"""Peers and the frames between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Channel(IntEnum):
    """Two connections a peer, so that votes never queue behind batches."""

    CONSENSUS = 0
    BULK = 1


class Kind(IntEnum):
    """Frame kinds of the peer protocol; the payload's layout belongs to the room that sends it."""

    CONSENSUS_MESSAGE = 1
    STATUS = 2
    BATCH_ACK = 3
    BATCH = 16
    BATCH_REQUEST = 17
    BATCH_MISSING = 18
    BLOCK_REQUEST = 32
    BLOCK_RESPONSE = 33
    RESULTS_REQUEST = 34
    RESULTS_RESPONSE = 35


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A node this node knows: its identity (an SM2 key) and where it listens."""

    name: str
    account: bytes
    public_key: bytes
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PeerInfo:
    name: str
    account: bytes
    host: str
    port: int
    connected: bool
    since_ms: int
    bytes_in: int
    bytes_out: int
    queued_bytes: int


FrameHandler = Callable[[bytes, Sequence[tuple[int, bytes]]], None]
"""(peer account, [(kind, payload), …]): all frames of one wake-up, on the event loop; must not block."""


class Network(Protocol):
    """Authenticated frames between known peers. A send never blocks: a full queue drops the frame and counts it."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def on_frames(self, channel: Channel, handler: FrameHandler) -> None: ...
    def on_peer(self, handler: Callable[[bytes, bool], None]) -> None:
        """Called with (peer account, True) when both channels are up, (…, False) when one is lost."""

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool: ...
    def broadcast(self, channel: Channel, kind: int, payload: bytes) -> int:
        """Returns the number of peers the frame was queued for."""

    def connected(self) -> list[bytes]: ...
    def peers(self) -> list[PeerInfo]: ...
    def figures(self) -> Mapping[str, int]:
        """Counts since start, for metrics: bytes, frames, drops, handshakes, bans."""

    def punish(self, peer: bytes, code: int) -> None:
        """Score a faulty peer; past the limit its connections are cut and refused for a while."""
