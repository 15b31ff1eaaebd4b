"""One page of a migration on the side of the plugin: rows in, writes or the reason of a refusal out.

The answer depends on the rows and the plugin's code alone. A fault of the code has one fixed text in the state; what
happened stands in this node's log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from hnnode.errors import FatalError
from hnnode.plugin_api.limits import KEY_BYTES_MAX, VALUE_BYTES_MAX
from hnnode.plugin_api.migration import Migration, MigrationRefused, Row

Phase = Literal["check", "move", "verify"]
PAGE_ROWS_MAX = 1_000
PAGE_BYTES_MAX = 4 * 1024 * 1024
"""A page ends with the row that fills it."""
PAGE_WRITES_MAX = 4_096
FAULT_CHARS_MAX = 200
FAULT_OF_CODE = "the code of the migration failed"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """`writes`: changed keys of the application, ascending; `fault`: why the migration cannot go on, else empty."""

    writes: tuple[tuple[bytes, bytes | None], ...] = ()
    fault: str = ""


def move_page(application: str, step: Migration, phase: Phase, rows: Sequence[Row]) -> Moved:
    """Let one step of a plugin look at a page or rewrite it. Raises FatalError: this host is out of memory."""
    writes: dict[bytes, bytes | None] = {}

    def put(key: bytes, value: bytes, /) -> None:
        if type(key) is not bytes or type(value) is not bytes or len(value) > VALUE_BYTES_MAX:
            raise TypeError("put: want a key and a value of bytes, within their bounds")
        _note(writes, key, value)

    def delete(key: bytes, /) -> None:
        _note(writes, key, None)

    try:
        if phase == "move":
            step.move(rows, put, delete)
        else:
            look = step.check if phase == "check" else step.verify
            if look is not None:
                look(rows)
    except MigrationRefused as refusal:
        return Moved(fault=str(refusal)[:FAULT_CHARS_MAX] or FAULT_OF_CODE)
    except MemoryError as e:
        raise FatalError("INTERNAL_ERROR", f"out of memory in a migration of {application}") from e
    except FatalError:
        raise
    except Exception as e:  # noqa: BLE001 - a fault of the plugin is a result, the same on every node
        log.error("migration failed", application=application, phase=phase, fault=f"{type(e).__name__}: {e}"[:300])
        return Moved(fault=FAULT_OF_CODE)
    return Moved(tuple(sorted(writes.items())))


def _note(writes: dict[bytes, bytes | None], key: bytes, value: bytes | None) -> None:
    if type(key) is not bytes or not 1 <= len(key) <= KEY_BYTES_MAX:
        raise TypeError("a key of a migration is out of bounds")
    writes[key] = value
    if len(writes) > PAGE_WRITES_MAX:
        raise ValueError("a page writes too many keys")


def first_step(steps: Iterable[tuple[int, int]], start: int, end: int) -> int | None:
    """Version that the first step of a shortest way from `start` to `end` leads to; None without a way. Of several the
    lowest.
    """
    known = sorted(set(steps))
    distance = {end: 0}
    waiting = deque((end,))
    while waiting:
        at = waiting.popleft()
        for before, after in known:
            if after == at and before not in distance:
                distance[before] = distance[at] + 1
                waiting.append(before)
    if not distance.get(start):
        return None
    return next(after for before, after in known if before == start and distance.get(after) == distance[start] - 1)
