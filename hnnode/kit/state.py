"""State in memory with its tree: rows and pages in dictionaries, hashed by the compiled core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnnode_native import BlockResult, StateTree

from hnnode.plugin_api.testing import MemoryState

TREE_CACHE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of a state at one height; taking one copies the dictionaries, not the values."""

    height: int
    time_ms: int
    root: bytes
    rows: dict[bytes, bytes]
    pages: dict[bytes, bytes]


class TreeState(MemoryState):
    """`ports.StateReader` whose root is the one a node would come to."""

    def __init__(self) -> None:
        super().__init__()
        self._pages: dict[bytes, bytes] = {}
        self._tree = StateTree(TREE_CACHE_BYTES_MAX)
        self._load()

    def _load(self) -> None:
        while missing := self._tree.missing([bytes(32)]):
            self._tree.load(list(zip(missing, self.pages(missing), strict=True)))

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        return [self._pages.get(page) for page in page_ids]

    def root(self) -> bytes:
        return self._tree.root()

    def plant(self, rows: Sequence[tuple[bytes, bytes]], updates: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Rows that no block wrote, as a genesis has them. updates: (key hash, value hash) of each."""
        self._grow_by(lambda: self._tree.apply_pairs(updates))
        self.apply(rows)

    def commit(self, result: BlockResult) -> None:
        """Take up the writes of a block."""
        if result.update_count:
            self._grow_by(lambda: self._tree.apply(result))
        self.apply(list(result.writes))
        self.height += 1

    def _grow_by(self, step: Callable[[], list[bytes]]) -> None:
        while missing := step():
            self._tree.load(list(zip(missing, self.pages(missing), strict=True)))
        for page, data in self._tree.changed_pages().rows():
            if data is None:
                self._pages.pop(page, None)
            else:
                self._pages[page] = data

    def snapshot(self, time_ms: int) -> Snapshot:
        return Snapshot(self.height, time_ms, self.root(), self.dump(), dict(self._pages))

    @classmethod
    def restored(cls, snapshot: Snapshot) -> TreeState:
        """A state of its own with the content of a snapshot."""
        made = cls()
        made.height = snapshot.height
        made.apply(sorted(snapshot.rows.items()))
        made._pages = dict(snapshot.pages)
        made._tree = StateTree(TREE_CACHE_BYTES_MAX)
        made._load()
        return made
