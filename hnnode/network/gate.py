"""Who may begin a handshake: limits by host and in total, before any signature is made or checked.

An SM2 signature costs this node more than a connection costs its sender, so floods must end here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hnnode.config import NetworkConfig

HOSTS_MAX = 4_096
_HANDSHAKES_PER_SECOND = 4


class Bucket:
    """Token bucket: `rate` a second, at most `rate` at once."""

    __slots__ = ("_rate", "_then", "_tokens")

    def __init__(self, rate: int, now: float) -> None:
        self._rate = float(rate)
        self._tokens = float(rate)
        self._then = now

    def take(self, now: float) -> bool:
        self._tokens = min(self._rate, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


@dataclass(slots=True)
class _Host:
    bucket: Bucket
    open: int = 0
    pending: int = 0


class Gate:
    """Counts incoming connections: `enter` when one arrives, `settle` when its handshake is over, `leave` when it is
    gone."""

    def __init__(self, config: NetworkConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pending_max = config.handshakes_pending_max
        # One host may hold half of the places at most, so that it cannot keep the others out.
        self._host_pending_max = max(2, config.handshakes_pending_max // 2)
        self._host_open_max = config.connections_per_host_max
        self._hosts: dict[str, _Host] = {}
        self._all = Bucket(_HANDSHAKES_PER_SECOND * config.handshakes_pending_max, clock())
        self.pending = 0

    def enter(self, host: str) -> bool:
        """Whether this connection may start its handshake; when True, `leave` must follow one day."""
        now = self._clock()
        entry = self._hosts.get(host)
        if entry is None:
            if len(self._hosts) >= HOSTS_MAX:
                self._forget_idle()
            if len(self._hosts) >= HOSTS_MAX:
                return False
            entry = self._hosts[host] = _Host(Bucket(self._host_open_max, now))
        if (
            self.pending >= self._pending_max
            or entry.pending >= self._host_pending_max
            or entry.open >= self._host_open_max
            or not entry.bucket.take(now)
            or not self._all.take(now)
        ):
            return False
        entry.open += 1
        entry.pending += 1
        self.pending += 1
        return True

    def settle(self, host: str) -> None:
        self._hosts[host].pending -= 1
        self.pending -= 1

    def leave(self, host: str) -> None:
        self._hosts[host].open -= 1

    def _forget_idle(self) -> None:
        self._hosts = {host: entry for host, entry in self._hosts.items() if entry.open}
