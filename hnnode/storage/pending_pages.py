"""Changed pages of the state tree on their way into files.

Pages at the bottom of the tree change at random places, those above them in every block; written once for many blocks most
versions are written never. So they wait in memory. When memtables are to go to the files, a thread writes what has come
together into a page file (`hnnode_native.PageFiles`); what changed meanwhile follows in the same way, until so little is left
that the block itself writes it.

Where most of what the files hold has changed, what is written becomes a new base, and the files before it go when the database
holds its height. Else another thread makes one file of several, once the database holds their heights: what it made says the
same as they did, so they are deleted as soon as it is durable, whatever blocks come or do not come.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event, Lock
from weakref import WeakSet

from hnnode_native import (
    CODES,
    BlockExecution,
    BlockResult,
    MergedFile,
    NativeError,
    PageFiles,
    PageLayer,
    PageLayers,
    PageSource,
    StateTree,
)

from hnnode.errors import FatalError
from hnnode.storage.files import make_directory

REST_BYTES = 4 * 1024 * 1024
"""A block writes so much itself, about 15 ms; more goes through the thread."""
ROUNDS_MAX = 4
"""So often at most through the thread, where pages change faster than they are written."""
FILES_MAX = 128
"""With more files what waits is not written before a merge has ended. Reached only where merging cannot keep up: a dozen are
usual, and a merge of a base of ten gigabytes lets some thirty come together."""


class PendingPages:
    """One thread; `view` gives what every thread may keep.

    `changing` takes up the pages of new blocks; `leaving` does not change any more and is being written. The lock is over
    `files`, `views` and `merged`, which the merging thread changes.
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
        self._lock = Lock()
        self._views: WeakSet[PagesView] = WeakSet()
        self._merged: list[MergedFile] | None = None
        """Since the files that are being written were begun; None when none are: a file that is merged again must go then."""
        self._replaced: list[tuple[int, PageFiles]] = []
        """Files that a new base took the place of, and the first height that is read without them."""
        self._merger = ThreadPoolExecutor(1, "storage-merge")
        self._merging: Future[None] | None = None
        self._tidied = -1
        self._closing = Event()

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

    @property
    def is_busy(self) -> bool:
        """A thread writes or merges files. Any thread may ask."""
        return any(work is not None and not work.done() for work in (self._writing, self._merging))

    def add(self, pages: PageLayer) -> None:
        """The pages that one block changed."""
        self._changing = self._changing.with_layer(pages)

    def view(self) -> PagesView:
        """The pages as they are now, for ever."""
        with self._lock:
            view = PagesView(PageSource(self._opened(), self._changing, self._leaving))
            self._views.add(view)
        return view

    def leave(self, height: int) -> None:
        """Begin to write what waits, which makes the tree of this height."""
        if self._merging is not None and len(self._opened()) > FILES_MAX:
            wait([self._merging])
        self._rounds = 0
        self._begin(height)

    def has_left(self, height: int) -> bool:
        """Whether all pages of this height are in files: when what was to be written is, the rest is written now."""
        if self._writing is None or not self._writing.done():
            return False
        self._settle(height)
        if self._changing.byte_count > REST_BYTES and self._rounds < ROUNDS_MAX:
            self._begin(height)
            return False
        self._write(height)
        return True

    def settle(self) -> None:
        """Wait for the files that are being written."""
        if self._writing is not None:
            wait([self._writing])

    def drain(self, height: int) -> None:
        """Write everything. `held` when the database holds it."""
        self._settle(height)
        if self._opened().height != height:
            self._write(height)

    def held(self, height: int) -> None:
        """The database will never come back behind this height, and nobody reads an older one: replaced files of before go."""
        while self._replaced and self._replaced[0][0] <= height:
            _, before = self._replaced.pop(0)
            with self._lock:
                later = self._opened()
            try:
                before.discard(later)
            except NativeError as e:
                raise _fatal(e) from e

    def check(self) -> None:
        """Raises FatalError for files that could not be written or merged, also when no block comes. Any thread."""
        for work in (self._writing, self._merging):
            error = work.exception() if work is not None and work.done() else None
            if error is not None:
                raise _fatal(error) if isinstance(error, NativeError) else error

    def close(self) -> None:
        """Let go of the threads; a merge is given up."""
        self._closing.set()
        self._thread.shutdown()
        self._merger.shutdown()

    def tidy(self, persisted: int, oldest: int) -> None:
        """Begin to merge files up to height `persisted`, which the database will never come back behind. oldest: of the heights
        that are still read; an older one would keep the files open that a merge deletes. Raises FatalError for a merge that
        failed."""
        self.held(min(persisted, oldest))
        if self._merging is not None:
            if not self._merging.done():
                return
            merging, self._merging = self._merging, None
            try:
                merging.result()
            except NativeError as e:
                raise _fatal(e) from e
        if self._tidied < persisted <= oldest:
            self._tidied = persisted
            self._merging = self._merger.submit(self._merge, persisted)

    def _merge(self, through: int) -> None:
        """The merging thread. It rests as long as it works: what it takes from blocks is bounded, whatever the size."""
        merge = self._opened().merge(through)
        while merge is not None:
            started = time.perf_counter()
            merged = merge.step()
            if merged is not None:
                self._take(merged)
                return
            if self._closing.wait(time.perf_counter() - started):
                merge.stop()
                return

    def _take(self, merged: MergedFile) -> None:
        with self._lock:
            before = self._opened()
            later = before.taking(merged)
            if not later.has(merged):
                # A new base was written meanwhile.
                merged.discard()
                return
            self._files = later
            if self._merged is not None:
                self._merged.append(merged)
            views = list(self._views)
        for view in views:
            view.take(merged)
        before.discard(later)

    def _begin(self, height: int) -> None:
        self._leaving, self._changing = self._changing, PageLayers()
        with self._lock:
            self._merged = []
            files = self._opened()
        self._writing = self._thread.submit(files.with_layers, self._leaving, height)
        self._rounds += 1

    def _settle(self, height: int) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            files = writing.result()
        except NativeError as e:
            raise _fatal(e) from e
        with self._lock:
            for merged in self._merged or ():
                files = files.taking(merged)
            self._leaving, self._merged = PageLayers(), None
            self._follow(files, height)

    def _write(self, height: int) -> None:
        try:
            with self._lock:
                self._follow(self._opened().with_layers(self._changing, height), height)
        except NativeError as e:
            raise _fatal(e) from e
        self._changing = PageLayers()

    def _follow(self, files: PageFiles, height: int) -> None:
        """Files with what was written; the first height that is read in them. Inside the lock."""
        before = self._opened()
        if len(files) <= len(before):
            self._replaced.append((height, before))
        self._files = files

    def _opened(self) -> PageFiles:
        if self._files is None:
            raise FatalError("STORAGE_FAILED", f"{self._directory}: not opened")
        return self._files


class PagesView:
    """Pages as of one height. Any thread."""

    __slots__ = ("__weakref__", "_source")

    def __init__(self, source: PageSource) -> None:
        self._source = source

    def take(self, merged: MergedFile) -> None:
        """Read a merged file instead of those it was made of. The merging thread."""
        self._source = self._source.taking(merged)

    def read(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        """None for a page that the tree does not have."""
        try:
            return self._source.read(page_ids)
        except NativeError as e:
            raise _fatal(e) from e

    def prove_absent(self, tree: StateTree, execution: BlockExecution) -> None:
        """Let a block know which of its keys the tree, which stands at this height, does not hold. The GIL is free meanwhile."""
        try:
            execution.prove_absent(tree, self._source)
        except NativeError as e:
            raise _fatal(e) from e

    def update(self, tree: StateTree, result: BlockResult) -> None:
        """Apply what a block changed to the tree, which stands at this height. The GIL is free meanwhile."""
        try:
            tree.apply_from(result, self._source)
        except NativeError as e:
            raise _fatal(e) from e


def _fatal(error: NativeError) -> FatalError:
    name = "STORAGE_CORRUPT" if error.code == CODES["STORAGE_CORRUPT"] else "STORAGE_FAILED"
    return FatalError(name, str(error))
