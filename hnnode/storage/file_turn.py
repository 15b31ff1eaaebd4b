"""When memtables go to the files, and the pages of the state tree that must be written before.

A height that the database holds in files must have its tree in page files. So a thread first writes the pages that wait,
while blocks go on; then one block writes the pages that changed meanwhile, and the next begins new memtables, so that those
up to the block before go to the files. Page files are merged aside, those of heights that the database holds.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from hnnode_native import PageLayer
from rocksdict import WriteBatch

from hnnode.storage.families import Families
from hnnode.storage.layout import HEIGHT, STAMP_KEY, STAMPED
from hnnode.storage.pending_pages import PagesView, PendingPages

DUE_SHARE = (0.7, 1.3)
"""Of the write buffer: how much is held before files are due. Another amount each time, so that the validators of a chain,
which hold nearly the same, do not all write files at the same height."""
PAGES_DIRECTORY = "pages"
"""Page files stand inside the directory of RocksDB: copied and lost together."""
ROWS_AT_ONCE = 512
"""Rows that one call of RocksDB writes, about a millisecond: the interpreter is held meanwhile."""
REDO_BLOCKS_MAX = 4_096
"""So many blocks at most are in the block log alone: what a start may have to execute again, beside the bytes of the write
buffer."""


class FileTurn:
    """One thread: `open`, then `begin`, `put_pages`, the write of the block, `wrote`. Callers stand inside `with STORAGE`."""

    def __init__(self, families: Families, path: Path, buffer_bytes: int) -> None:
        """path: of the families."""
        self._families = families
        self._buffer_bytes = buffer_bytes
        self._due_bytes = self._draw()
        self._memtable_bytes = 0
        self._pages = PendingPages(path / PAGES_DIRECTORY)
        self._is_tree_whole = False

    def open(self, height: int | None) -> None:
        """Find the page files of the height that the database holds, none before genesis. Raises FatalError STORAGE_CORRUPT."""
        self._pages.open(height)

    @property
    def page_bytes(self) -> int:
        """Bytes of the pages that wait."""
        return self._pages.byte_count

    @property
    def is_busy(self) -> bool:
        """Files are being written or merged aside. Any thread may ask."""
        return self._pages.is_busy or self._families.is_busy

    def view(self) -> PagesView:
        """The pages of the height written last."""
        return self._pages.view()

    def begin(self) -> bool:
        """Whether this block's write begins new memtables: only when the one before wrote all its pages."""
        return self._is_tree_whole

    def put_pages(self, batch: WriteBatch, pages: PageLayer, height: int, blocks_above: int, oldest: int) -> None:
        """Take up the pages of a block, write files when it is time, add the stamps. blocks_above: those that the files do
        not hold; oldest: of the heights that are still read."""
        self._pages.tidy(self._families.persisted, oldest)
        if max(self._memtable_bytes, self._pages.byte_count) >= 2 * self._buffer_bytes:
            # What is held has outgrown the files on their way.
            self._pages.settle()
            self._families.settle()
        due = not self._is_tree_whole and not self._pages.is_leaving and self._is_due(blocks_above)
        self._pages.add(pages)
        self._is_tree_whole = self._pages.has_left(height)
        if due:
            self._pages.leave(height)
        self._put_stamps(batch, height)

    def wrote(self, size: int, *, switched: bool) -> None:
        """The block is written, in so many bytes."""
        if switched:
            self._memtable_bytes = 0
            self._due_bytes = self._draw()
        self._memtable_bytes += size

    def drain(self, height: int) -> None:
        """Bring everything into files."""
        self._pages.drain(height)
        self._families.drain(HEIGHT.pack(height))
        self._pages.held(height)
        self._memtable_bytes = 0
        self._is_tree_whole = False

    def check(self) -> None:
        """Raises FatalError for files that could not be written or merged in the background. Any thread."""
        if self._families.is_open:
            self._families.check()
        self._pages.check()

    def close(self) -> None:
        """Let go of what writes files; nothing is brought into them."""
        self._pages.close()

    def _is_due(self, blocks_above: int) -> bool:
        held = max(self._memtable_bytes, self._pages.byte_count)
        return (held >= self._due_bytes or blocks_above > REDO_BLOCKS_MAX) and self._families.can_switch

    def _draw(self) -> int:
        return int(self._buffer_bytes * random.uniform(*DUE_SHARE))

    def _put_stamps(self, batch: WriteBatch, height: int) -> None:
        stamp = HEIGHT.pack(height)
        for name in STAMPED:
            batch.put(STAMP_KEY, stamp, self._families.handle(name))


def add_rows(families: Families, name: str, rows: Iterable[tuple[bytes, bytes | None]]) -> int:
    """Add rows of one family to the last write; None deletes. Returns their size in bytes.

    The event loop waits while rocksdict writes, so they go by parts: into the same memtables, which go to the files whole after
    a later block, or never. Nobody reads the height before it is frozen.
    """
    left, size = iter(rows), 0
    while part := list(islice(left, ROWS_AT_ONCE)):
        batch = WriteBatch(raw_mode=True)
        batch.set_default_column_family(families.handle(name))
        for key, value in part:
            if value is None:
                batch.delete(key)
            else:
                batch[key] = value
        size += batch.size_in_bytes()
        families.add(batch)
    return size
