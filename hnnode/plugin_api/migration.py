"""How a plugin's data gets from one layout to another when governance replaces its code.

A step leads from one `state_version` to another and runs in pages, one page a block, while the application takes no
transactions. It passes over the application's rows three times: `check` (old rows, nothing is written), `move`, and
`verify` (new rows, nothing is written). A refusal in the first pass leaves everything as it was, with the old code; a
later one leaves the application disabled until governance decides.

A step is a function of the rows of its page alone. What it writes behind the page is met again by the same pass, so a
moved row must be told from an old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Row = tuple[bytes, bytes]
"""(key without the application's prefix, value)."""


class MigrationRefused(Exception):
    """A check does not hold; the text, at most 200 characters, is kept in the state."""


class Put(Protocol):
    """Writes a row."""

    def __call__(self, key: bytes, value: bytes, /) -> None: ...


class Delete(Protocol):
    """Removes a row."""

    def __call__(self, key: bytes, /) -> None: ...


Move = Callable[[Sequence[Row], Put, Delete], None]
Check = Callable[[Sequence[Row]], None]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step between two layouts; also backwards, for the way to older code.

    Args:
        move: gets the rows of a page, ascending by key, and changes the application's data by `put` and `delete`.
        check: looks at old rows before anything is written. verify: looks at the rows afterwards. Both raise
            MigrationRefused when something is wrong.
    """

    from_version: int
    to_version: int
    move: Move
    check: Check | None = None
    verify: Check | None = None
