"""A database with its logs in a directory, and blocks of made-up transactions for it."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from hnnode_native import PageLayer

from hnnode.config import StorageConfig
from hnnode.errors import CODES
from hnnode.ports import CommitRecord, Tip
from hnnode.storage import layout
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.database import Database

CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=1 << 20, segment_bytes=1 << 20, tree_cache_bytes=1 << 20, snapshots_max=4
)
AUTHOR = b"\xaa" * 20
CODE_OK, CODE_DUPLICATE = 0, CODES["TX_DUPLICATE"]


def tip_of(height: int) -> Tip:
    word = struct.pack(">Q", height)
    return Tip(height, b"B" + word * 3 + b"_" * 7, 1000 + height, b"r" * 32, b"s" * 32, b"o" * 32)


def tx_id_of(height: int, index: int) -> bytes:
    return struct.pack(">QI", height, index) + b"T" * 20


def receipt_of(tx_id: bytes, code: int = CODE_OK) -> bytes:
    return b"\x01" + tx_id + struct.pack(">I", code) + b"rest"


def batch_of(height: int, count: int) -> bytes:
    body = b"".join(struct.pack(">I", 4 + i) + b"tx%02d" % i + b"." * i for i in range(count))
    return b"H" * 133 + b"S" * 64 + body


def record_of(height: int, tx_ids: list[bytes], batches: BatchLog, codes: list[int] | None = None) -> CommitRecord:
    """A block whose transactions stand in two batches."""
    split = len(tx_ids) // 2
    sizes = [n for n in (split, len(tx_ids) - split) if n]
    places = batches.append([batch_of(height, n) for n in sizes])
    batches.sync()
    codes = codes or [CODE_OK] * len(tx_ids)
    receipts = [receipt_of(tx_id, code) for tx_id, code in zip(tx_ids, codes, strict=True)]
    return CommitRecord(
        tip=tip_of(height),
        value=b"value %d" % height,
        certificate=b"certificate %d" % height,
        batches=[(b"D" * 32, n, at) for n, at in zip(sizes, places, strict=True)],
        tx_count=len(tx_ids),
        receipts_packed=layout.pack_receipts(receipts),
        writes=[(b"\x01ahead", b"%d" % height), (b"\x01a%08d" % height, b"at %d" % height), (b"\x01agone", None)],
        pages=PageLayer([(b"\x00", b"page %d" % height)]),
        author_seqs=[(AUTHOR, height * 10)],
    )


class Store:
    def __init__(self, root: Path, config: StorageConfig = CONFIG) -> None:
        for name in ("batches", "blocks", "database"):
            (root / name).mkdir(exist_ok=True, parents=True)
        self.root = root
        self.config = config
        self.open()

    def open(self) -> None:
        self.batches = BatchLog(self.root / "batches", self.config.segment_bytes)
        self.blocks = BlockLog(self.root / "blocks")
        self.database = Database(self.root / "database", self.batches, self.blocks, self.config)
        list(self.batches.recover(0, self.database.batches_committed))

    def genesis(self) -> None:
        self.database.write_genesis(
            tip_of(0), b"genesis", b"validators", [(b"\x01ahead", b"0"), (b"\x01agone", b"x")], PageLayer([])
        )

    def commit(
        self, height: int, count: int = 3, codes: list[int] | None = None, ids: list[bytes] | None = None
    ) -> None:
        self.database.write(record_of(height, ids or [tx_id_of(height, i) for i in range(count)], self.batches, codes))
        self.database.flush()
        self.database.publish(height)

    def close(self) -> None:
        self.database.close()
        self.blocks.close()
        self.batches.close()


def copy_live(source: Path, target: Path) -> Path:
    """Copy the files of a store that is open: what a kill would leave. RocksDB deletes files of its own when it likes, so a copy that
    missed one is made again."""
    for _ in range(20):
        try:
            return Path(shutil.copytree(source, target))
        except shutil.Error as e:
            if not all("No such file" in reason for _, _, reason in e.args[0]):
                raise
            shutil.rmtree(target)
    raise AssertionError(f"{source}: files vanish all the time")
