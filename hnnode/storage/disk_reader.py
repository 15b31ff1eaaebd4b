"""State as the files of a home hold it, for tools beside the node: read only, without its lock.

A node that runs holds its last blocks in memory, so this is the state of a height a little below its tip. Its files may
be replaced while they are read; the read then fails and can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rocksdict import AccessType, Options, Rdict

from hnnode.errors import ConfigError
from hnnode.storage.failure import STORAGE
from hnnode.storage.layout import FAMILIES, TIP_KEY, decode_tip
from hnnode.storage.state_reader import rows_of, scan_rows


class DiskReader:
    """`get`, `get_many` and `scan` of a state; use as a context manager.

    Attributes:
        height: of the state.
    Raises: ConfigError PREREQUISITE_MISSING: no chain is in this home yet. FatalError STORAGE_FAILED.
    """

    def __init__(self, path: Path) -> None:
        if not (path / "CURRENT").is_file():
            raise ConfigError("PREREQUISITE_MISSING", f"{path}: no database is here; was this node ever started?")
        with STORAGE:
            families = {name: Options(raw_mode=True) for name in FAMILIES}
            self._db = Rdict(str(path), Options(raw_mode=True), families, access_type=AccessType.read_only())
            tip = self._db.get_column_family("meta").get(TIP_KEY)
            self._state = self._db.get_column_family("state")
        if tip is None:
            raise ConfigError("PREREQUISITE_MISSING", f"{path}: the database holds no block in files yet")
        self.height = decode_tip(tip).height

    def __enter__(self) -> DiskReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with STORAGE:
            self._db.close()

    def get(self, key: bytes) -> bytes | None:
        with STORAGE:
            value: bytes | None = self._state.get(key)
            return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with STORAGE:
            return rows_of(self._state, keys)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        with STORAGE:
            return scan_rows(self._state, prefix, after, limit)
