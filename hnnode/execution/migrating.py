"""One page of a migration on the side of the plugin: rows in, writes or the reason of a refusal out.

The answer depends on the rows and the plugin's code alone. A fault of the code has one fixed text in the state; what
happened stands in this node's log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import structlog

from hnnode.errors import FatalError
from hnnode.execution.faults import arguments, causes, fault_text, plain
from hnnode.execution.table import Application
from hnnode.plugin_api.limits import BLOCK_TICKS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX
from hnnode.plugin_api.migration import MigrationRefused, Row
from hnnode.plugin_api.outcome import TxRefused

Phase = Literal["check", "move", "verify"]
PAGE_ROWS_MAX = 1_000
PAGE_BYTES_MAX = 4 * 1024 * 1024
"""A page ends with the row that fills it."""
PAGE_WRITES_MAX = 4_096
PAGE_WRITE_BYTES_MAX = 16 * 1024 * 1024
"""Keys and values put on one page, replaced ones counted too."""
FAULT_CHARS_MAX = 200
FAULT_OF_CODE = "the code of the migration failed"
FAULT_SKIPPED = "a page never ended and the validators skipped it"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """`writes`: changed keys of the application, ascending; `fault`: why the migration cannot go on, else empty."""

    writes: tuple[tuple[bytes, bytes | None], ...] = ()
    fault: str = ""


def move_page(table: Application, way: tuple[int, int], phase: Phase, rows: Sequence[Row]) -> Moved:
    """Let the step of a plugin that leads this way look at a page or rewrite it.

    Raises: FatalError: this host is out of memory.
    """
    step, application = table.migrations[way], table.name
    if table.meter is not None:
        table.meter.begin_alone(BLOCK_TICKS_MAX)
    writes: dict[bytes, bytes | None] = {}
    room = PAGE_WRITE_BYTES_MAX

    def put(key: bytes, value: bytes, /) -> None:
        if type(key) is not bytes or type(value) is not bytes or len(value) > VALUE_BYTES_MAX:
            raise TypeError("put: want a key and a value of bytes, within their bounds")
        nonlocal room
        room -= len(key) + len(value)
        if room < 0:
            raise ValueError("a page writes too many bytes")
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
        return Moved(fault=_reason(refusal))
    except MemoryError as e:
        raise FatalError("INTERNAL_ERROR", f"out of memory in a migration of {application}") from e
    except FatalError:
        raise
    except TxRefused:
        return Moved(fault=f"a page takes more than {BLOCK_TICKS_MAX} steps")
    except Exception as e:  # a fault of the plugin is a result, the same on every node
        for each in causes(e):
            if isinstance(each, (MemoryError, FatalError)):
                raise FatalError("INTERNAL_ERROR", f"out of memory in a migration of {application}") from e
        log.error("migration failed", application=application, phase=phase, fault=fault_text(e))
        return Moved(fault=FAULT_OF_CODE)
    return Moved(tuple(sorted(writes.items())))


def _reason(refusal: MigrationRefused) -> str:
    match arguments(refusal):
        case (str(reason),) if type(reason) is str and reason:
            return plain(reason[:FAULT_CHARS_MAX])
    return FAULT_OF_CODE


def _note(writes: dict[bytes, bytes | None], key: bytes, value: bytes | None) -> None:
    if type(key) is not bytes or not 1 <= len(key) <= KEY_BYTES_MAX:
        raise TypeError("a key of a migration is out of bounds")
    writes[key] = value
    if len(writes) > PAGE_WRITES_MAX:
        raise ValueError("a page writes too many keys")


def check_moved(moved: Moved, phase: Phase) -> None:
    """What another process may answer. Raises: ValueError naming the bound that is broken."""
    keys = [key for key, _ in moved.writes]
    if (phase != "move" or moved.fault) and keys:
        raise ValueError("moved: writes where nothing may be written")
    if len(keys) > PAGE_WRITES_MAX or len(moved.fault) > FAULT_CHARS_MAX:
        raise ValueError(f"moved: got {len(keys)} writes, {len(moved.fault)} characters of fault")
    size = sum(len(key) + len(value or b"") for key, value in moved.writes)
    if size > PAGE_WRITE_BYTES_MAX + PAGE_WRITES_MAX * KEY_BYTES_MAX:  # deleted keys count beside what was put
        raise ValueError("moved: too many bytes")
    if any(a >= b for a, b in pairwise(keys)) or any(not 1 <= len(key) <= KEY_BYTES_MAX for key in keys):
        raise ValueError("moved: keys do not ascend, or one is out of bounds")
    if any(value is not None and len(value) > VALUE_BYTES_MAX for _, value in moved.writes):
        raise ValueError("moved: a value is too long")


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
