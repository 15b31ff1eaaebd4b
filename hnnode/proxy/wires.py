"""The connections to one node: few, kept, and never more than a bound."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from hnnode.errors import ConfigError, Unavailable
from hnnode.proxy.wire import Lost, Reply, Request, Wire

CONNECT_S = 3.0
IDLE_S_MAX = 20.0
"""A node closes what is quiet for 30 s: what is older here is not trusted with a request."""
IDLE_COUNT_MAX = 64


@dataclass(frozen=True, slots=True)
class Address:
    """Of a node, from `http://host:port` or `https://…`."""

    url: str
    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises ConfigError 9001 for anything that is not the root of an HTTP server."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as e:
            raise ConfigError("CONFIG_INVALID", f"node {url!r}: {e}") from e
        rest = parts.path.rstrip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme not in ("http", "https") or not parts.hostname or rest or not url.isascii():
            raise ConfigError("CONFIG_INVALID", f"node {url!r}: want http://HOST:PORT")
        secure = parts.scheme == "https"
        return cls(url.rstrip("/"), parts.hostname, port or (443 if secure else 80), secure)

    def authority(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode("ascii")


class Wires:
    """Takes the connection that was used last, so that as few as needed stay open."""

    def __init__(self, address: Address, count_max: int) -> None:
        self._address = address
        self._authority = address.authority()
        self._tls = ssl.create_default_context() if address.secure else None
        self._count_max = count_max
        self._idle: deque[Wire] = deque()
        self._open: set[Wire] = set()
        self._connecting = 0
        self.made_count = 0
        """Connections ever made: another process may stand behind a new one."""

    @property
    def open_count(self) -> int:
        return len(self._open) + self._connecting

    async def exchange(self, request: Request, timeout_s: float) -> Reply:
        """One request that may safely be sent twice. Raises Lost, and Unavailable 1012 when all connections are busy."""
        data = request.encode(self._authority)
        sent = False
        while True:
            wire = self._take_idle() or await self._connect(sent=sent)
            fresh = wire.used_count == 0
            try:
                return await wire.exchange(data, is_head_request=request.method == "HEAD", timeout_s=timeout_s)
            except Lost as e:
                sent = sent or e.sent
                # A kept connection may end just when it is used again; that says nothing of the node.
                if fresh or wire.heard or e.slow:
                    raise Lost(f"{self._address.url}: {e}", sent=sent, slow=e.slow) from e

    def close(self) -> None:
        for wire in list(self._open):
            wire.close()

    def _take_idle(self) -> Wire | None:
        oldest = time.monotonic() - IDLE_S_MAX
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            wire = self._idle.pop()
            if wire.is_open:
                return wire
        return None

    async def _connect(self, *, sent: bool) -> Wire:
        if self.open_count >= self._count_max:
            raise Unavailable("TOO_MANY_REQUESTS", f"{self._count_max} requests wait for the node", retry_after_ms=500)
        self._connecting += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                _, wire = await asyncio.get_running_loop().create_connection(
                    lambda: Wire(self._free, self._lost), self._address.host, self._address.port, ssl=self._tls
                )
        except TimeoutError as e:
            raise Lost(f"{self._address.url}: no connection in {CONNECT_S:.0f} s", sent=sent, is_down=True) from e
        except OSError as e:
            raise Lost(f"{self._address.url}: {e.strerror or e}", sent=sent, is_down=True) from e
        finally:
            self._connecting -= 1
        self.made_count += 1
        if wire.is_open:
            self._open.add(wire)
        return wire

    def _free(self, wire: Wire) -> None:
        if len(self._idle) >= IDLE_COUNT_MAX:
            wire.close()
            return
        wire.idle_since = time.monotonic()
        self._idle.append(wire)

    def _lost(self, wire: Wire) -> None:
        self._open.discard(wire)
        if wire in self._idle:
            self._idle.remove(wire)
