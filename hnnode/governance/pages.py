"""The next page of the migration that runs, from the state after the block before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hnnode.execution import Host, application_prefix
from hnnode.execution.executor import go_on
from hnnode.execution.governance_records import PluginRecord
from hnnode.execution.migrating import PAGE_BYTES_MAX, PAGE_ROWS_MAX, Moved, first_step
from hnnode.plugin_api.migration import Row

if TYPE_CHECKING:
    from hnnode.ports import StateReader


@dataclass(frozen=True, slots=True)
class Page:
    """What the block takes over (`BlockExecution.migrate`); exactly one of the last three is set."""

    application: str
    writes: tuple[tuple[bytes, bytes | None], ...]
    rows: int
    cursor: bytes | None = None
    reached: int | None = None
    fault: str | None = None


def next_page(
    plugin: PluginRecord,
    host: Host,
    former: Host | None,
    state: StateReader,
    page_id: bytes = b"",
    again: Callable[[], None] = go_on,
) -> Page:
    """Read a page of the plugin's rows behind its cursor and let the step that is due look at it or rewrite it.

    Args:
        former: knows steps that the plugin's own code does not, such as the way back to an older layout.
        page_id, again: as `page` and `again` of `Host.migrate`.
    Cost: one range read; bounded by `PAGE_ROWS_MAX` rows and about `PAGE_BYTES_MAX` bytes.
    """
    migration = plugin.migration
    name, at, target = plugin.name, plugin.data_version, plugin.code.state_version
    own = host.migration_steps(name)
    other = former.migration_steps(name) if former is not None else []
    reached = first_step([*own, *other], at, target)
    if reached is None or migration is None:
        return Page(name, (), 0, fault=f"no migration leads from state version {at} to {target}")
    rows, has_more = _read(state, name, bytes.fromhex(migration.cursor))
    moved = Moved()
    if rows:
        knows = host if (at, reached) in own or former is None else former
        moved = knows.migrate(name, (at, reached), migration.phase, rows, page_id, again)
    if moved.fault:
        return Page(name, (), len(rows), fault=moved.fault)
    if has_more:
        return Page(name, moved.writes, len(rows), cursor=rows[-1][0])
    return Page(name, moved.writes, len(rows), reached=reached)


def _read(state: StateReader, application: str, cursor: bytes) -> tuple[list[Row], bool]:
    """Rows behind the cursor, and whether there may be more."""
    prefix = application_prefix(application)
    found = state.scan(prefix, prefix + cursor if cursor else None, PAGE_ROWS_MAX)
    rows: list[Row] = []
    size = 0
    for key, value in found:
        rows.append((key[len(prefix) :], value))
        size += len(key) + len(value)
        if size >= PAGE_BYTES_MAX:
            break
    return rows, len(rows) < len(found) or len(found) == PAGE_ROWS_MAX
