"""What a verb prints: a table for people or stable JSON for programs. Logs, progress and errors go to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

import orjson
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hnnode.cli.language import say

PIPE_WIDTH = 400
JSON_VERSION = 1
"""Rises when a field of the JSON output changes its meaning or goes away; new fields do not raise it."""


class Format(StrEnum):
    table = "table"
    json = "json"


def console() -> Console:
    """Standard output for people. Not cached: tests and pipes replace the streams."""
    return _console(sys.stdout)


def notes() -> Console:
    """Standard error for people: progress, hints."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    # A pipe has no width: nothing is folded there, so that lines can be searched.
    return Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else PIPE_WIDTH)


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def json_line(data: Mapping[str, Any]) -> str:
    """One line; bytes become lower-case hex."""
    return orjson.dumps({"version": JSON_VERSION, **data}, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def emit(output: Format, data: Mapping[str, Any], table: Callable[[], RenderableType]) -> None:
    """Print the answer of a verb."""
    if output is Format.json:
        indented = orjson.dumps(
            {"version": JSON_VERSION, **data}, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        )
        sys.stdout.write(indented.decode() + "\n")
        sys.stdout.flush()
    else:
        console().print(table())


def emit_line(output: Format, data: Mapping[str, Any], text: str) -> None:
    """Print one item of a stream: a JSON object a line, or one line of text."""
    sys.stdout.write((json_line(data) if output is Format.json else text) + "\n")
    sys.stdout.flush()


def grid(rows: Iterable[tuple[str, Any]]) -> Table:
    """Two columns: what, value."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), value if isinstance(value, Table) else Text(str(value)))
    return table


def columns(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table with a heading; the cells are plain text, not markup."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    if not table.row_count:
        table.add_row(Text(say("（无）", "(none)"), style="dim"))
    return table


def value_table(value: Any) -> RenderableType:
    """Any JSON value for people: lists of objects as tables, objects as two columns."""
    if isinstance(value, Mapping):
        lists = {k: v for k, v in value.items() if isinstance(v, list) and v and all(isinstance(i, Mapping) for i in v)}
        parts: list[RenderableType] = [grid((k, _cell(v)) for k, v in value.items() if k not in lists)]
        for name, rows in lists.items():
            titles = list(dict.fromkeys(key for row in rows for key in row))
            parts += [
                Text(f"\n{name}", style="bold"),
                columns(titles, [[_cell(row.get(t)) for t in titles] for row in rows]),
            ]
        return Group(*parts)
    return Text(_cell(value))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else orjson.dumps(value, default=_plain).decode()


def progress_bar() -> Progress:
    """A bar on stderr with done, total and time, gone when it ends."""
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*parts, console=notes(), transient=True)
