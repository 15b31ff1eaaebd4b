"""Receipts packed beside the batches of their block: the same from memory, from the database, alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hnnode_native as native
import pytest

from hnnode.config import StorageConfig
from hnnode.errors import CODES, FatalError
from hnnode.ports import CommitRecord, Tip
from hnnode.storage import layout, receipt_rows
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.database import Database

CHAIN = bytes(31) + b"\x01"
KEY = native.SecretKey.generate(b"\x07" * 32)
CONFIG = StorageConfig(
    cache_bytes=1 << 20, write_buffer_bytes=1 << 20, segment_bytes=1 << 22, tree_cache_bytes=1 << 20, snapshots_max=4
)
COUNTS = (300, 1, 129)


def batch_of(seq: int, count: int) -> native.Batch:
    known = native.Accounts(1 << 20)
    known.load([(KEY.account(), native.encode_account_record(KEY.public_key(), True, 0, "org", []))])
    pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, 100, 10)
    payloads = [b'{"hash":"%064x","algorithm":"sm3"}' % (n * 0x9E3779B97F4A7C15) for n in range(count)]
    txs = [tx for _, tx in native.build_txs(KEY, CHAIN, seq << 20, 50, "evidence", "preserve", payloads)]
    assert not any(pool.admit(native.DecodedTxs.decode(txs, CHAIN), known, bytes(count), 0))
    batch = pool.seal(KEY, seq)
    assert batch is not None
    return batch


def receipt_of(batch: native.Batch, index: int) -> bytes:
    event = b"\x12evidence.preserved\x00\x02id\x00\x00\x00\x40" + batch.tx(index)[90:154]
    head = b"\x01" + batch.tx_ids()[index] + bytes(4) + b"\x00" + bytes(8)
    return head + bytes([index % 256]) * 32 + b"\x00\x01" + event


class World:
    def __init__(self, root: Path) -> None:
        for name in ("batches", "blocks", "database"):
            (root / name).mkdir(exist_ok=True)
        self.root = root
        self.made = [batch_of(seq, count) for seq, count in enumerate(COUNTS, 1)]
        self.receipts = [receipt_of(batch, i) for batch in self.made for i in range(batch.tx_count)]
        self.open()
        if self.database.is_empty():
            tip = Tip(0, b"c" * 32, 0, bytes(32), bytes(32), bytes(32))
            self.database.write_genesis(tip, b"genesis", b"validators", [], native.PageLayer([]))

    def open(self) -> None:
        self.log = BatchLog(self.root / "batches", CONFIG.segment_bytes)
        self.blocks = BlockLog(self.root / "blocks")
        self.database = Database(self.root / "database", self.log, self.blocks, CONFIG)
        list(self.log.recover(0, self.database.batches_committed))

    def close(self) -> None:
        self.database.close()
        self.blocks.close()
        self.log.close()

    def commit(self, height: int) -> None:
        places = self.log.append([batch.packed for batch in self.made])
        self.log.sync()
        plain = layout.pack_receipts(self.receipts)
        self.database.write(
            CommitRecord(
                tip=Tip(height, bytes([height]) * 32, height, bytes(32), bytes(32), bytes(32)),
                value=b"value",
                certificate=b"certificate",
                batches=[(b.digest, b.tx_count, at) for b, at in zip(self.made, places, strict=True)],
                tx_count=sum(COUNTS),
                receipts_packed=plain,
                writes=[],
                pages=native.PageLayer([]),
                receipts_stored=native.pack_receipts(plain, self.made),
            )
        )
        self.database.flush()
        self.database.publish(height)

    def check(self, height: int) -> None:
        database = self.database
        ids = [tx_id for batch in self.made for tx_id in batch.tx_ids()]
        assert database.receipts(height) == self.receipts
        assert database.tx_ids(height) == ids
        for index in (0, 127, 128, 299, 300, 301, 428, 429):
            assert database.receipt(height, index) == self.receipts[index], index
        assert database.receipt(height, 430) is None
        assert database.receipt(height, -1) is None
        assert database.tx_locations([ids[-1]])[0] is not None
        block = database.block(height)
        assert block is not None
        for batch, (_, _, at) in zip(self.made, block.batches, strict=True):
            assert (database.batch(at), database.batch_packed(at)) == (batch.data, batch.packed)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_receipts_are_the_same_new_old_and_after_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit(1)
    assert world.database._receipts.new_bytes == len(layout.pack_receipts(world.receipts))
    world.check(1)
    monkeypatch.setattr(receipt_rows, "NEW_BYTES_MAX", 0)
    world.commit(2)
    assert world.database._receipts.new_bytes == 0
    for height in (1, 2):
        world.check(height)
    row = world.database._row("receipts", 1) or b""
    assert len(row) < 60 * sum(COUNTS) < len(layout.pack_receipts(world.receipts)) / 2
    world.close()
    world.open()
    for height in (1, 2):
        world.check(height)


def test_a_row_that_does_not_come_apart_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit(1)
    world.close()
    world.open()
    row = world.database._row("receipts", 1) or b""
    receipts = world.database._receipts
    for damaged in (row[:-1], row[:12], b"\x07" + row[1:], b""):
        monkeypatch.setattr(receipts, "_read_row", lambda _, damaged=damaged: damaged)
        with pytest.raises(FatalError) as together:
            world.database.receipts(1)
        assert together.value.code == CODES["STORAGE_CORRUPT"]
    with pytest.raises(FatalError, match="6006"):
        world.database.receipt(1, 0)
