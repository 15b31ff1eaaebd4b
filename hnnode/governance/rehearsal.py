"""A migration run to its end on a frozen state, in memory: what the chain would do page by page, without the chain."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from hnnode.execution import Host, application_prefix
from hnnode.execution.governance_records import Code, MigrationState, PluginRecord
from hnnode.governance.pages import next_page

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASES = ("check", "move", "verify")


class Rows(Protocol):
    """A state to read from."""

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class PassReport:
    """One pass over the rows: of which step, how many pages and rows, and what was written."""

    from_version: int
    to_version: int
    phase: str
    pages: int
    rows: int
    writes: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`problem`: why the migration would end; empty when it would reach the new layout. `blocks`: pages on a chain."""

    passes: tuple[PassReport, ...]
    reached: int
    problem: str

    @property
    def blocks(self) -> int:
        return sum(each.pages for each in self.passes)


class _Overlay:
    """Rows of one application over a frozen state: what was written hides what lies below."""

    height = 0

    def __init__(self, below: Rows, prefix: bytes) -> None:
        self._below = below
        self._prefix = prefix
        self._written: dict[bytes, bytes | None] = {}
        self._keys: list[bytes] = []

    def write(self, writes: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in writes:
            row = self._prefix + key
            if row not in self._written:
                insort(self._keys, row)
            self._written[row] = value

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        while len(found) < limit:
            page = self._below.scan(prefix, after, limit)
            last = page[-1][0] if len(page) == limit else None
            at = bisect_right(self._keys, after) if after is not None else 0
            own = {key: self._written[key] for key in self._keys[at:] if last is None or key <= last}
            merged: dict[bytes, bytes | None] = {**dict(page), **own}
            found += [(key, value) for key, value in sorted(merged.items()) if value is not None]
            if last is None:
                break
            after = last
        return found[:limit]


class _Hangs(Exception):
    """The process of a plugin ended at a page; a chain would try it again for ever."""


def _hangs() -> None:
    raise _Hangs


def rehearse(
    name: str,
    data_version: int,
    code: Code,
    hosts: tuple[Host, Host | None],
    state: Rows,
    on_page: Callable[[int], None] | None = None,
) -> Rehearsal:
    """Run a migration from `data_version` to the layout of `code`.

    Args:
        hosts: of the new code, and of the code that runs today. A page that hangs is a problem when its code is isolated.
        on_page: told the rows of each page.
    Cost: that of the pages; memory of all rows that change.
    """
    overlay = _Overlay(state, application_prefix(name))
    now = MigrationState(code, "check", "", 0)
    plugin = PluginRecord(name, code, "migrating", 0, 0, data_version, now, "")
    passes: list[PassReport] = []
    pages = rows = writes = 0
    while plugin.data_version != code.state_version:
        phase = plugin.migration.phase if plugin.migration is not None else "check"
        where = f"pass {phase} from state version {plugin.data_version}"
        try:
            page = next_page(plugin, *hosts, overlay, again=_hangs)  # type: ignore[arg-type]
        except _Hangs:
            reasons = [each.reason for host in hosts if host is not None for each in host.troubles()]
            return Rehearsal(tuple(passes), plugin.data_version, f"{where}: {reasons[0]}")
        pages, rows, writes = pages + 1, rows + page.rows, writes + len(page.writes)
        if on_page is not None:
            on_page(page.rows)
        reached = page.reached or 0
        if page.cursor is None:
            passes.append(PassReport(plugin.data_version, reached, phase, pages, rows, writes))
            pages = rows = writes = 0
        if page.fault is not None:
            return Rehearsal(tuple(passes), plugin.data_version, f"{where}: {page.fault}")
        overlay.write(page.writes)
        if page.cursor is not None:
            plugin = _at(plugin, phase, page.cursor.hex())
        elif phase == "verify":
            plugin = msgspec.structs.replace(_at(plugin, "check", ""), data_version=reached)
        else:
            plugin = _at(plugin, PHASES[PHASES.index(phase) + 1], "")
    return Rehearsal(tuple(passes), plugin.data_version, "")


def _at(plugin: PluginRecord, phase: str, cursor: str) -> PluginRecord:
    assert plugin.migration is not None
    moved = msgspec.structs.replace(plugin.migration, phase=phase, cursor=cursor)
    return msgspec.structs.replace(plugin, migration=moved)
