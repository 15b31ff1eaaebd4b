"""Changed pages of the state tree on their way into the database.

Pages at the bottom of the tree change at random places, those above them in every block. Written once a block they were half
of the rows of the database; written once for many blocks most versions are written never. So they wait in memory, and when
memtables are to go to the files they go into the memtables first: what has come together in small steps, so that no block
waits for all of it, and what changed meanwhile at the end, in one write with the block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hnnode_native import PageLayer, PageLayers

Rows = list[tuple[bytes, bytes | None]]
ReadPages = Callable[[Sequence[bytes]], list[bytes | None]]

STEP_ROWS = 4_096
STEPS_A_BLOCK = 4
"""About 15 ms of a block."""


class PendingPages:
    """One thread; `view` gives what every thread may keep.

    `changing` takes up the pages of new blocks; `leaving` does not change any more and is being written.
    """

    def __init__(self) -> None:
        self._changing = PageLayers()
        self._leaving: PageLayer | None = None
        self._written = 0

    def __bool__(self) -> bool:
        return bool(self._changing) or self._leaving is not None

    @property
    def byte_count(self) -> int:
        return self._changing.byte_count + (0 if self._leaving is None else self._leaving.byte_count)

    def add(self, pages: PageLayer) -> None:
        """The pages that one block changed."""
        self._changing = self._changing.with_layer(pages)

    def view(self) -> PagesView:
        """The pages as they are now, for ever."""
        leaving = PageLayers()
        return PagesView(self._changing, leaving if self._leaving is None else leaving.with_layer(self._leaving))

    def steps(self) -> list[Rows]:
        """Rows to write beside this block, in steps; they begin to leave with the first call. Rows that are written may be
        overtaken by later ones, and stand in no snapshot without those: `rest` is written before anybody reads them."""
        if self._leaving is None:
            self._leaving, self._changing, self._written = self._changing.merged(), PageLayers(), 0
        steps = []
        for _ in range(STEPS_A_BLOCK):
            rows = self._leaving.rows(self._written, STEP_ROWS)
            if rows:
                steps.append(rows)
            self._written += len(rows)
        return steps

    @property
    def is_leaving_done(self) -> bool:
        return self._leaving is not None and self._written == len(self._leaving)

    def rest(self) -> list[Rows]:
        """All rows that are not written yet; nothing waits any more."""
        leaving = [] if self._leaving is None else [self._leaving.rows(self._written)]
        changing = self._changing.merged().rows()
        self._changing, self._leaving, self._written = PageLayers(), None, 0
        return [*leaving, changing]


class PagesView:
    """Pages as of one height, before the database is asked. Any thread."""

    __slots__ = ("_layers",)

    def __init__(self, *layers: PageLayers) -> None:
        self._layers = [layer for layer in layers if layer]

    def read(self, page_ids: Sequence[bytes], read: ReadPages) -> list[bytes | None]:
        """Each page from the newest layer that changed it; the rest by `read`, in one call."""
        found: list[bytes | None] = [None] * len(page_ids)
        absent = list(range(len(page_ids)))
        for layer in self._layers:
            pages, missing = layer.find([page_ids[at] for at in absent])
            for at, page in zip(absent, pages, strict=True):
                found[at] = page
            absent = [absent[at] for at in missing]
            if not absent:
                return found
        for at, page in zip(absent, read([page_ids[at] for at in absent]), strict=True):
            found[at] = page
        return found
