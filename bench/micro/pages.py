"""Micro benchmark of the pages of the state tree on their way into files, as JSON: what a chain pays with its age.

    python bench/micro/pages.py [--tiny] [--keys N] [--block N] [--to FILE]

New keys in blocks through the tree; changed pages wait in layers and go into page files when the default write buffer is full, in
one thread. Processor time in µs a key, by fifths of the run: `tree` (hashes and encodes), `pages` (writes files), `merge`
(makes one of several); bytes that were written and that stand there, a key. `result_hash` shows that the same work was done.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hnnode_native as native

from hnnode.bench import machine
from hnnode.config import StorageConfig

PARTS = ("tree", "pages", "merge")
SHARES = 5


class Chain:
    """A tree, the pages that wait and the files, all in this thread."""

    def __init__(self, directory: Path, due_bytes: int) -> None:
        self._directory, self._due_bytes = directory, due_bytes
        self._tree = native.StateTree(StorageConfig().tree_cache_bytes)
        self._tree.load([(b"\x00", None)])
        self._files = native.PageFiles(directory, None)
        self._waiting = native.PageLayers()
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.written = 0

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.thread_time()
        yield
        self.spent[part] += time.thread_time() - started

    def block(self, height: int, keys: range) -> None:
        pairs: list[tuple[bytes, bytes | None]] = [
            (native.sm3(key.to_bytes(8, "big")), bytes([key % 255]) * 32) for key in keys
        ]
        with self._timed("tree"):
            self._tree.apply_pairs(pairs)
            layer = self._tree.changed_pages()
        self._waiting = self._waiting.with_layer(layer)
        if self._waiting.byte_count >= self._due_bytes:
            self.write(height)
            self._merge(height)

    def write(self, height: int) -> None:
        """Write what waits; the database would hold the height."""
        with self._timed("pages"):
            before, self._files = self._files, self._files.with_layers(self._waiting, height)
            before.discard(self._files)
            self._waiting = native.PageLayers()
            del before
        self._count()

    def _merge(self, height: int) -> None:
        """All that is due."""
        with self._timed("merge"):
            while merge := self._files.merge(height):
                while (merged := merge.step()) is None:
                    pass
                before, self._files = self._files, self._files.taking(merged)
                before.discard(self._files)
                self._count()

    def _count(self) -> None:
        """Of the newest file."""
        self.written += max(self._directory.iterdir(), key=lambda path: path.stat().st_mtime_ns).stat().st_size

    @property
    def stored(self) -> int:
        return self._files.byte_count

    @property
    def root(self) -> bytes:
        return self._tree.root()


def run(*, tiny: bool, keys: int = 1_200_000, block: int = 5_000) -> dict[str, Any]:
    keys, block = (2_000, 100) if tiny else (keys, block)
    due_bytes = 1 << 18 if tiny else StorageConfig().write_buffer_bytes
    shares: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="hn-pages-") as directory:
        chain = Chain(Path(directory), due_bytes)
        before = dict(chain.spent)
        for height, first in enumerate(range(0, keys, block), 1):
            chain.block(height, range(first, min(first + block, keys)))
            if (first + block) * SHARES // keys > len(shares):
                shares.append({part: chain.spent[part] - before[part] for part in PARTS})
                before = dict(chain.spent)
        running = chain.stored
        chain.write(height)
        root, stored, written = chain.root, chain.stored, chain.written
    return {
        "scenario": "micro",
        "machine": machine.facts(),
        "commit": machine.commit(),
        "settings": {"keys": keys, "block": block},
        "us_per_key": {part: round(1e6 * chain.spent[part] / keys, 2) for part in PARTS},
        "us_per_key_by_fifth": [
            {part: round(1e6 * SHARES * spent / keys, 2) for part, spent in share.items()} for share in shares
        ],
        "written_bytes_per_key": round(written / keys, 1),
        "stored_bytes_per_key": {"running": round(running / keys, 1), "stopped": round(stored / keys, 1)},
        "result_hash": root.hex(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--keys", type=int, default=1_200_000)
    parser.add_argument("--block", type=int, default=5_000)
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    report = json.dumps(run(tiny=options.tiny, keys=options.keys, block=options.block), indent=1)
    if options.to:
        options.to.write_text(report + "\n", encoding="utf-8")
    sys.stdout.write(report + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
