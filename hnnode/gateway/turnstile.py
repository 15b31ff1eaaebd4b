"""Connections that come again before the time they were told wait in the kernel, unread.

A client that heeds `Retry-After` is never stopped. One that does not is refused twice more and then not read until there is room,
or for STOP_S_MAX at most: its next request fills the buffers of its connection and no more, so that TCP slows it down. Refusing
bodies by the thousand would take time from those that are committed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Protocol

TICK_S = 0.02
STOP_S_MAX = 1.0
LET_IN_S = 0.2
"""So long the body of a connection that is read again counts as on its way."""
LOOKED_AT_MAX = 64
"""Of the connections that wait longest, so many are asked for room a tick."""


class Connection(Protocol):
    """What is stopped."""

    source: str
    """Host and port of the client."""

    def go_on(self) -> None:
        """Be read again."""


HasRoom = Callable[[int, int, str], bool]
"""(bytes, bytes let in just before, source): whether the door would take them now."""


class Turnstile:
    """One a door, on the event loop. Those that wait longest go first."""

    def __init__(self, has_room: HasRoom) -> None:
        self._has_room = has_room
        self._stopped: OrderedDict[Connection, tuple[int, float]] = OrderedDict()
        self._let_in: dict[Connection, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._stopped)

    def stop(self, connection: Connection, size: int) -> None:
        """The connection is not read any more. size: of its last body; the next is taken to be like it."""
        loop = asyncio.get_running_loop()
        self._let_in.pop(connection, None)
        self._stopped[connection] = (size, loop.time() + STOP_S_MAX)
        if self._timer is None:
            self._timer = loop.call_later(TICK_S, self._tick)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self._stopped.pop(connection, None)
        self._let_in.pop(connection, None)

    def came(self, connection: Connection) -> None:
        """The next request of a connection that was let in is here."""
        self._let_in.pop(connection, None)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._let_in = {one: (size, until_s) for one, (size, until_s) in self._let_in.items() if until_s > now}
        ahead = sum(size for size, _ in self._let_in.values())
        for connection, (size, until_s) in list(islice(self._stopped.items(), LOOKED_AT_MAX)):
            has_room = self._has_room(size, ahead, connection.source)
            if has_room or until_s <= now:
                del self._stopped[connection]
                if has_room:
                    ahead += size
                    self._let_in[connection] = (size, now + LET_IN_S)
                connection.go_on()
        self._timer = loop.call_later(TICK_S, self._tick) if self._stopped else None
