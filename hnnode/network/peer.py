"""One known peer: its links, its score, and the two loops that dial it when this node has to."""

from __future__ import annotations

from dataclasses import dataclass, field

from hnnode.errors import CODES
from hnnode.network.link import Link
from hnnode.ports import Channel, PeerAddress, PeerInfo

SCORE_MAX = 20.0
_SCORE_DECAY_PER_SECOND = SCORE_MAX / 60
# A peer that breaks the framing or lies while it serves blocks does so on purpose or is broken: cut it at once.
_GRAVE = frozenset(CODES[name] for name in ("FRAME_TOO_LARGE", "FRAME_MALFORMED", "SYNC_PEER_FAULT"))
_GRAVE_POINTS = 6.0


@dataclass(slots=True)
class Peer:
    """`links`: open ones by channel. `up`: both are there and listeners were told."""

    address: PeerAddress
    dials: bool
    links: dict[Channel, Link] = field(default_factory=dict)
    up: bool = False
    since_ms: int = 0
    banned_until: float = 0.0
    bytes_in_before: int = 0
    bytes_out_before: int = 0
    _score: float = 0.0
    _score_at: float = 0.0

    def add_fault(self, code: int, now: float) -> bool:
        """Count a fault (it is forgiven over a minute); True when the peer went past the limit."""
        self._score = max(0.0, self._score - (now - self._score_at) * _SCORE_DECAY_PER_SECOND)
        self._score_at = now
        self._score += _GRAVE_POINTS if code in _GRAVE else 1.0
        if self._score < SCORE_MAX:
            return False
        self._score = 0.0
        return True

    def forget(self, link: Link) -> None:
        """A link is gone; keep its counts."""
        self.bytes_in_before += link.bytes_in
        self.bytes_out_before += link.bytes_out
        del self.links[link.channel]

    def info(self) -> PeerInfo:
        links = self.links.values()
        return PeerInfo(
            name=self.address.name,
            account=self.address.account,
            host=self.address.host,
            port=self.address.port,
            connected=self.up,
            since_ms=self.since_ms if self.up else 0,
            bytes_in=self.bytes_in_before + sum(link.bytes_in for link in links),
            bytes_out=self.bytes_out_before + sum(link.bytes_out for link in links),
            queued_bytes=sum(link.queued_bytes for link in links),
        )
