"""Pages of the state tree that changed since they last went into the database.

The pages at the bottom of the tree change at random places, those above them in every block. Written once a block they were half of the
rows and half of the bytes of the database; written once for many blocks, just before memtables go to files, most are written never.

Invariant: layers do not change once they are made, so a frozen height keeps its own for as long as somebody reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

LAYERS_MAX = 8
"""Layers a page is looked for in; more are merged into one."""

Pages = dict[bytes, bytes | None]
ReadPages = Callable[[Sequence[bytes]], list[bytes | None]]


class PendingPages:
    """Layers of changed pages, the newest last; None stands for a page that is no more. One thread adds and clears, every thread reads."""

    __slots__ = ("byte_count", "layers")

    def __init__(self) -> None:
        self.layers: tuple[Pages, ...] = ()
        self.byte_count = 0
        """Bytes of keys and pages, pages that were replaced meanwhile counted until the next merge."""

    def add(self, pages: Sequence[tuple[bytes, bytes | None]]) -> None:
        """The pages that one block changed. Cost: 0.1 µs a page, and a copy of all of them every `LAYERS_MAX` blocks."""
        if not pages:
            return
        layer = dict(pages)
        self.layers = (*self.layers, layer)
        self.byte_count += _bytes_of(layer)
        if len(self.layers) > LAYERS_MAX:
            merged = self._merged()
            self.layers = (merged,)
            self.byte_count = _bytes_of(merged)

    def rows(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Every page once, as it is now."""
        yield from self._merged().items()

    def clear(self) -> None:
        """The rows stand in the database."""
        self.layers = ()
        self.byte_count = 0

    def _merged(self) -> Pages:
        merged: Pages = {}
        for layer in self.layers:
            merged.update(layer)
        return merged


def read_through(layers: Sequence[Pages], page_ids: Sequence[bytes], read: ReadPages) -> list[bytes | None]:
    """Pages as of some layers: from the newest that has one, the rest by `read`, in one call."""
    if not layers:
        return read(page_ids)
    newest_first = layers[::-1]
    found: list[bytes | None] = []
    absent: list[int] = []
    for at, page_id in enumerate(page_ids):
        for layer in newest_first:
            if page_id in layer:
                found.append(layer[page_id])
                break
        else:
            found.append(None)
            absent.append(at)
    if absent:
        for at, page in zip(absent, read([page_ids[at] for at in absent]), strict=True):
            found[at] = page
    return found


def _bytes_of(pages: Pages) -> int:
    return sum(map(len, pages)) + sum(map(len, filter(None, pages.values())))
