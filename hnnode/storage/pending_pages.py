"""Changed pages of the state tree on their way into files.

Pages at the bottom of the tree change at random places, those above them in every block; written once for many blocks most
versions are written never. So they wait in memory. When memtables are to go to the files, a thread writes what has come
together into page files (`hnnode_native.PageFiles`), merged with older ones; what changed meanwhile follows in the same way,
until so little is left that the block itself writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from hnnode_native import CODES, NativeError, PageFiles, PageLayer, PageLayers

from hnnode.errors import FatalError
from hnnode.storage.files import make_directory

REST_BYTES = 4 * 1024 * 1024
"""A block writes so much itself, about 15 ms; more goes through the thread."""
ROUNDS_MAX = 4
"""So often at most through the thread, where pages change faster than they are written."""


class PendingPages:
    """One thread; `view` gives what every thread may keep.

    `changing` takes up the pages of new blocks; `leaving` does not change any more and is being written.
    """

    def __init__(self, directory: Path) -> None:
        """directory: of the page files. `open` before anything else."""
        self._directory = directory
        self._files: PageFiles | None = None
        self._changing = PageLayers()
        self._leaving = PageLayers()
        self._thread = ThreadPoolExecutor(1, "storage-pages")
        self._writing: Future[PageFiles] | None = None
        self._rounds = 0
        self._unswept: int | None = None

    def open(self, height: int | None) -> None:
        """Find the files of a height, none for None. Raises FatalError STORAGE_CORRUPT, STORAGE_FAILED."""
        make_directory(self._directory)
        try:
            self._files = PageFiles(self._directory, height)
        except NativeError as e:
            raise _fatal(e) from e

    @property
    def byte_count(self) -> int:
        return self._changing.byte_count + self._leaving.byte_count

    @property
    def is_leaving(self) -> bool:
        """Files are being written."""
        return self._writing is not None

    def add(self, pages: PageLayer) -> None:
        """The pages that one block changed."""
        self._changing = self._changing.with_layer(pages)

    def view(self) -> PagesView:
        """The pages as they are now, for ever."""
        return PagesView(self._files, self._changing, self._leaving)

    def leave(self, height: int) -> None:
        """Begin to write what waits, which makes the tree of this height."""
        self._rounds = 0
        self._begin(height)

    def has_left(self, height: int) -> bool:
        """Whether all pages of this height are in files: when what was to be written is, the rest is written now."""
        if self._writing is None or not self._writing.done():
            return False
        self._settle()
        if self._changing.byte_count > REST_BYTES and self._rounds < ROUNDS_MAX:
            self._begin(height)
            return False
        self._write(height, merge=False)
        return True

    def settle(self) -> None:
        """Wait for the files that are being written."""
        if self._writing is not None:
            wait([self._writing])

    def drain(self, height: int) -> None:
        """Write everything."""
        self._settle()
        if self._opened().height != height:
            self._write(height, merge=False)
        self._unswept = height

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown()

    def sweep(self, persisted: int) -> None:
        """Delete the files that no height from `persisted` on needs: the database will never come back to one before."""
        if self._unswept is not None and persisted >= self._unswept and self._writing is None:
            self._unswept = None
            try:
                self._opened().sweep()
            except NativeError as e:
                raise _fatal(e) from e

    def _begin(self, height: int) -> None:
        self._leaving, self._changing = self._changing, PageLayers()
        # What follows is little, and is taken up by the next turn's first files.
        merge = self._rounds == 0
        self._writing = self._thread.submit(self._opened().with_layers, self._leaving, height, merge)
        self._rounds += 1

    def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            self._files, self._leaving = writing.result(), PageLayers()
        except NativeError as e:
            raise _fatal(e) from e

    def _write(self, height: int, *, merge: bool) -> None:
        try:
            self._files = self._opened().with_layers(self._changing, height, merge)
        except NativeError as e:
            raise _fatal(e) from e
        self._changing = PageLayers()
        self._unswept = height

    def _opened(self) -> PageFiles:
        if self._files is None:
            raise FatalError("STORAGE_FAILED", f"{self._directory}: not opened")
        return self._files


class PagesView:
    """Pages as of one height. Any thread."""

    __slots__ = ("_files", "_layers")

    def __init__(self, files: PageFiles | None = None, *layers: PageLayers) -> None:
        self._files = files
        self._layers = [layer for layer in layers if layer]

    def read(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        """Each page from the newest layer that changed it, the rest from files."""
        found: list[bytes | None] = [None] * len(page_ids)
        absent = list(range(len(page_ids)))
        for layer in self._layers:
            pages, missing = layer.find([page_ids[at] for at in absent])
            for at, page in zip(absent, pages, strict=True):
                found[at] = page
            absent = [absent[at] for at in missing]
            if not absent:
                return found
        if self._files is None:
            return found
        try:
            pages = self._files.read([page_ids[at] for at in absent])
        except NativeError as e:
            raise _fatal(e) from e
        for at, page in zip(absent, pages, strict=True):
            found[at] = page
        return found


def _fatal(error: NativeError) -> FatalError:
    name = "STORAGE_CORRUPT" if error.code == CODES["STORAGE_CORRUPT"] else "STORAGE_FAILED"
    return FatalError(name, str(error))
