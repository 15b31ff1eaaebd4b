"""RocksDB as the node uses it: column families that are written together, without a log, and reach their files together.

rocksdict keeps the GIL for as long as a batch takes to write, 1.5 µs a row and more.

What the memtables hold is lost with the process; the files then show an older write whole, never a mixture, because a flush
takes all families at once (`atomic_flush`). `persisted` says which write the files hold for certain.

Two traps, both of rocksdict: `Rdict.flush` and `Rdict.close` flush one family alone, and a dropped `Rdict` closes itself.
So everything is flushed by switching all memtables at once (`drain`), and only then is a family closed; when that fails,
the handles are kept for ever instead: the files stay as the last whole flush left them.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from rocksdict import ColumnFamily, Rdict, Snapshot, WriteBatch, WriteBufferManager, WriteOptions

from hnnode.config import StorageConfig
from hnnode.errors import FatalError, invariant
from hnnode.storage.failure import corrupt
from hnnode.storage.layout import FAMILIES, STAMP_KEY, STAMPED
from hnnode.storage.options import ROOM, database_options, family_options, tune

_DRAIN_POLL_S = 0.001
_ENTRIES = "rocksdb.num-entries-active-mem-table"
_IMMUTABLE = "rocksdb.num-immutable-mem-table"
_COMPACTIONS = "rocksdb.num-running-compactions"


class Families:
    """Open column families. One thread writes, drains and closes; every thread reads. Raises plain exceptions of
    rocksdict: callers stand inside `with STORAGE`.

    Invariant: every write puts a row into `meta`, whose memtable tells when all have switched.
    """

    def __init__(self, path: Path, config: StorageConfig) -> None:
        self._path = path
        self._buffer_bytes = ROOM * config.write_buffer_bytes
        self._buffer = WriteBufferManager(self._buffer_bytes, False)
        options = database_options(self._buffer)
        _refuse_others(path)
        self._db = Rdict(str(path), options=options, column_families=family_options(config))
        self._family = {name: self._db.get_column_family(name) for name in FAMILIES}
        self._handle = {name: self._db.get_column_family_handle(name) for name in FAMILIES}
        for family in self._family.values():
            tune(family)
        self._no_log = WriteOptions()
        self._no_log.disable_wal = True  # type: ignore[method-assign, assignment]  # a property, whatever its stub says
        self._entries = self._active_entries()
        self._last = self._switched = -1
        self.persisted = -1

    def __getitem__(self, name: str) -> Rdict:
        return self._family[name]

    @property
    def is_open(self) -> bool:
        return bool(self._handle)

    def handle(self, name: str) -> ColumnFamily:
        return self._handle[name]

    def snapshot(self, name: str) -> Snapshot:
        return self._family[name].snapshot()

    def write(self, batch: WriteBatch, mark: int, *, switch: bool = False) -> None:
        """Write rows of every family in one batch. mark: number of this write, rising; `persisted` speaks in it.

        switch: begin new memtables with this batch, so that all earlier writes go to the files in the background; only
            when none are on their way.
        """
        self.check()
        invariant(not switch or self.can_switch, f"{self._path}: memtables are switched one after the other")
        if switch:
            self._buffer.set_buffer_size(1)
        try:
            self._db.write(batch, write_opt=self._no_log)
        finally:
            if switch:
                self._buffer.set_buffer_size(self._buffer_bytes)
        entries = self._active_entries()
        # A memtable only grows, so fewer entries than before are those of a new one: it began with this batch.
        if entries <= self._entries:
            self._switched = self._last
        self._entries, self._last = entries, mark
        if self._switched > self.persisted and not self._flushing():
            self.persisted = self._switched

    def add(self, batch: WriteBatch) -> None:
        """Further rows of the write before, none of `meta`. They reach the files with it: memtables are only switched by `write`."""
        self._db.write(batch, write_opt=self._no_log)

    @property
    def can_switch(self) -> bool:
        """No memtables are on their way to the files."""
        return self._switched <= self.persisted

    @property
    def is_busy(self) -> bool:
        """Memtables are on their way to the files, or files are being merged."""
        return self._flushing() or bool(self._db.property_int_value(_COMPACTIONS))

    def settle(self) -> None:
        """Wait for the memtables that are on their way to the files."""
        while self._flushing():
            self.check()
            time.sleep(_DRAIN_POLL_S)
        self.persisted = max(self.persisted, self._switched)

    def check(self) -> None:
        """Raises FatalError STORAGE_FAILED when RocksDB could not write a file in the background."""
        count = self._db.property_int_value("rocksdb.background-errors")
        if count:
            raise FatalError("STORAGE_FAILED", f"{self._path}: RocksDB could not write its files ({count} times)")

    def drain(self, stamp: bytes) -> None:
        """Return when everything written stands in files. stamp: the row of `STAMPED` families under the empty key."""
        if self._last < 0 or self.persisted == self._last:
            return
        # The rows repeat what is there, so the memtables that they open hold nothing that could be lost or mixed.
        batch = WriteBatch(raw_mode=True)
        for name in STAMPED:
            batch.put(STAMP_KEY, stamp, self._handle[name])
        last = self._last
        self.settle()
        self.write(batch, last, switch=True)
        invariant(self._entries == 1, f"{self._path}: the memtables did not switch")
        self.settle()

    def close(self) -> None:
        """Close every handle; one that stays open keeps the database locked. After `drain`, or when nothing was written."""
        self._handle = {}
        for family in self._family.values():
            family.close()
        self._db.close()

    def abandon(self) -> None:
        """Keep the handles beyond the life of this object: closing them now would flush single families."""
        for kept in (*self._family.values(), self._db):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        self._handle = {}

    def memory_bytes(self) -> dict[str, int]:
        """Memtables and block cache in use, as RocksDB counts them."""
        tables = sum(
            family.property_int_value("rocksdb.cur-size-all-mem-tables") or 0 for family in self._family.values()
        )
        cache = self._family["state"].property_int_value("rocksdb.block-cache-usage") or 0
        return {"memtables": tables, "block_cache": cache}

    def _active_entries(self) -> int:
        return self._family["meta"].property_int_value(_ENTRIES) or 0

    def _flushing(self) -> bool:
        return any(family.property_int_value(_IMMUTABLE) for family in self._family.values())


def _refuse_others(path: Path) -> None:
    """Raises FatalError STORAGE_CORRUPT for families that this version does not know."""
    if (path / "CURRENT").exists():
        others = sorted(set(Rdict.list_cf(str(path))) - {*FAMILIES, "default"})
        if others:
            raise corrupt(f"{path}: column families {', '.join(others)} are of another format")
