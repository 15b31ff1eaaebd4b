"""What the network counts since start; read by metrics and tests as plain attributes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hnnode.network.handshake import HANDSHAKE_CODES
from hnnode.ports import Channel


@dataclass(slots=True)
class Counters:
    """`frames_dropped`: by channel, frames a full queue did not take or gave up. `connections_refused`: before any
    handshake."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    frames_out: int = 0
    frames_dropped: dict[Channel, int] = field(default_factory=lambda: dict.fromkeys(Channel, 0))
    frames_oversize: int = 0
    connections_refused: int = 0
    handshakes_done: int = 0
    handshake_failures: dict[int, int] = field(default_factory=lambda: dict.fromkeys(HANDSHAKE_CODES, 0))
    bans: int = 0

    def figures(self) -> dict[str, int]:
        """Every count under one flat name."""
        return {
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            **{f"frames_dropped_{channel.name.lower()}": count for channel, count in self.frames_dropped.items()},
            "frames_oversize": self.frames_oversize,
            "connections_refused": self.connections_refused,
            "handshakes_done": self.handshakes_done,
            "handshakes_failed": sum(self.handshake_failures.values()),
            "bans": self.bans,
        }
