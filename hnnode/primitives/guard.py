"""Tasks of a node whose failure must not pass unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def guarded(work: Callable[[], Awaitable[None]], on_fatal: Callable[[BaseException], None]) -> None:
    """Run `work`; whatever ends it but a cancellation is told to `on_fatal`, which stops the process, and raised.

    The work is called here, so that a task which is cancelled before it began leaves no coroutine behind.
    """
    try:
        await work()
    except asyncio.CancelledError:
        raise
    except BaseException as e:
        on_fatal(e)
        raise
