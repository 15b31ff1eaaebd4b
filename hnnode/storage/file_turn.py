"""When memtables go to the files, and the pages of the state tree that must be written before.

Files that hold a height must hold its tree whole. So it takes three kinds of blocks: some write waiting pages in steps, one
writes the rest, and the next begins new memtables, so that those up to the block before go to the files.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from hnnode_native import PageLayer
from rocksdict import WriteBatch

from hnnode.storage.families import Families
from hnnode.storage.layout import HEIGHT, PENDING_KEY, STAMP_KEY, STAMPED
from hnnode.storage.pending_pages import PagesView, PendingPages

DUE_SHARE = (0.7, 1.3)
"""Of the write buffer: how much is held before files are due. Another amount each time, so that the validators of a chain,
which hold nearly the same, do not all write files at the same height."""
REDO_BLOCKS_MAX = 4_096
"""So many blocks at most are in the block log alone: what a start may have to execute again, beside the bytes of the write
buffer."""


class FileTurn:
    """One thread: `begin`, `put_pages`, the write of the block, `wrote`. Callers stand inside `with STORAGE`."""

    def __init__(self, families: Families, buffer_bytes: int) -> None:
        self._families = families
        self._buffer_bytes = buffer_bytes
        self._due_bytes = self._draw()
        self._memtable_bytes = 0
        self._pages = PendingPages()
        self._is_tree_whole = False

    @property
    def page_bytes(self) -> int:
        """Bytes of the pages that wait."""
        return self._pages.byte_count

    def view(self) -> PagesView:
        """The pages of the height written last that the database does not hold."""
        return self._pages.view()

    def begin(self) -> bool:
        """Whether this block's write begins new memtables: only when the one before wrote all its pages."""
        return self._is_tree_whole

    def put_pages(self, batch: WriteBatch, pages: PageLayer, height: int, blocks_above: int) -> None:
        """Take up the pages of a block, add stamps and what must be written now. blocks_above: those that the files do not
        hold."""
        due = not self._is_tree_whole and self._is_due(blocks_above)
        self._pages.add(pages)
        self._is_tree_whole = due and self._write_step()
        self._put(batch, height, whole=self._is_tree_whole)

    def wrote(self, size: int, *, switched: bool) -> None:
        """The block is written, in so many bytes."""
        if switched:
            self._memtable_bytes = 0
            self._due_bytes = self._draw()
        self._memtable_bytes += size

    def drain(self, height: int) -> None:
        """Bring everything into files."""
        if self._pages:
            batch = WriteBatch(raw_mode=True)
            self._put(batch, height, whole=True)
            self._families.write(batch, height)
        self._families.drain(HEIGHT.pack(height))
        self._memtable_bytes = 0
        self._is_tree_whole = False

    def _is_due(self, blocks_above: int) -> bool:
        """Waits for files on their way when what is held has outgrown them."""
        held = max(self._memtable_bytes, self._pages.byte_count)
        if held >= 2 * self._buffer_bytes:
            self._families.settle()
        return (held >= self._due_bytes or blocks_above > REDO_BLOCKS_MAX) and self._families.can_switch

    def _draw(self) -> int:
        return int(self._buffer_bytes * random.uniform(*DUE_SHARE))

    def _write_step(self) -> bool:
        """Write some of the pages that wait, beside the block; whether none but the newest are left."""
        for rows in self._pages.steps():
            batch = WriteBatch(raw_mode=True)
            put_rows(batch, self._families, "tree", rows)
            self._memtable_bytes += batch.size_in_bytes()
            self._families.put(batch)
        return self._pages.is_leaving_done

    def _put(self, batch: WriteBatch, height: int, *, whole: bool) -> None:
        """Stamps of all families, and the waiting pages when `whole`; else the tree stays without its stamp, so that files
        with old pages beside a newer state would be noticed."""
        if whole:
            for rows in self._pages.rest():
                put_rows(batch, self._families, "tree", rows)
        stamp = HEIGHT.pack(height)
        for name in STAMPED:
            is_pending = name == "tree" and bool(self._pages)
            batch.put(PENDING_KEY if is_pending else STAMP_KEY, stamp, self._families.handle(name))


def put_rows(batch: WriteBatch, families: Families, name: str, rows: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Add rows of one family; None deletes."""
    batch.set_default_column_family(families.handle(name))
    for key, value in rows:
        if value is None:
            batch.delete(key)
        else:
            batch[key] = value
    batch.set_default_column_family(None)
