"""What a node's memory is used for: parts with a bound of their own, and what the process has in all."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path

from hnnode_native import Pool, StateTree

from hnnode.config import Config
from hnnode.mempool.batches import BatchBuffer
from hnnode.metrics import Metrics
from hnnode.storage import Database
from hnnode.storage.receipt_rows import NEW_BYTES_MAX as RECEIPT_BYTES_MAX
from hnnode.storage.tx_places import FILTER_BYTES_MAX

_PAGE_BYTES = 4096


class _HeapFigures(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and later."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


class Memory:
    """Reads every part; a few microseconds, and for the heap a walk over its free lists. Any thread but the event loop's: the
    tree may be at work."""

    def __init__(
        self,
        config: Config,
        author_count: int,
        database: Database,
        tree: StateTree,
        pool: Pool,
        batches: BatchBuffer,
    ) -> None:
        self._config = config
        self._author_count = author_count
        self._database = database
        self._tree = tree
        self._pool = pool
        self._batches = batches
        try:
            self._heap = ctypes.CDLL(None).mallinfo2 if sys.platform == "linux" else None
        except AttributeError:  # another C library
            self._heap = None
        if self._heap is not None:
            self._heap.restype = _HeapFigures

    def parts(self) -> dict[str, tuple[int, int]]:
        """Part to bytes in use and their bound, which one block may pass."""
        mempool, storage = self._config.mempool, self._config.storage
        used = self._database.memory_bytes() | {
            "tree": self._tree.cache_bytes,
            "pool": self._pool.bytes_used(),
            "batches": self._batches.byte_count(),
        }
        bounds = {
            "memtables": 2 * storage.write_buffer_bytes,
            "pages": 2 * storage.write_buffer_bytes,
            "block_cache": storage.cache_bytes,
            "receipts": RECEIPT_BYTES_MAX,
            "index_filters": FILTER_BYTES_MAX,
            "tree": storage.tree_cache_bytes,
            "pool": mempool.pool_bytes_max,
            "batches": self._author_count * mempool.author_bytes_max,
        }
        return {part: (count, bounds[part]) for part, count in used.items()}

    def process(self) -> Mapping[str, int]:
        """resident: of the process. heap_used, heap_free: of the C heap, what is allocated and what was given back to it alone."""
        found: dict[str, int] = {}
        if sys.platform == "linux":
            found["resident"] = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
        if self._heap is not None:
            heap = self._heap()
            found["heap_used"] = heap.uordblks + heap.hblkhd
            found["heap_free"] = heap.fordblks
        return found

    def tell(self, metrics: Metrics) -> None:
        """Set `hn_memory_bytes` and `hn_memory_bytes_max`."""
        for part, (used, bound) in self.parts().items():
            metrics.memory.labels(part).set(used)
            metrics.memory_max.labels(part).set(bound)
        for part, used in self.process().items():
            metrics.memory.labels(part).set(used)
