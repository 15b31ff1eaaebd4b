"""Places of committed transactions on a real database, beside a plain dict, over restarts; damage is told."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from rocksdict import Rdict, WriteBatch

from hnnode.config import StorageConfig
from hnnode.errors import CODES, FatalError
from hnnode.ports import TxLocation
from hnnode.storage import layout, tx_places
from hnnode.storage.families import Families
from hnnode.storage.tx_places import SALT_BYTES, TxPlaces

CONFIG = StorageConfig(cache_bytes=1 << 20, write_buffer_bytes=1 << 20, tree_cache_bytes=1 << 20)
SALT = hashlib.shake_128(b"salt").digest(SALT_BYTES)
DUPLICATE, UNKNOWN, TOO_FAR = (CODES[name] for name in ("TX_DUPLICATE", "ACCOUNT_UNKNOWN", "VALIDITY_TOO_FAR"))


def packed(receipts: list[tuple[bytes, int]]) -> bytes:
    return layout.pack_receipts([b"\x01" + tx_id + struct.pack(">I", code) + b"rest" for tx_id, code in receipts])


def keys_of(family: Rdict) -> list[bytes]:
    return list(cast("Iterator[bytes]", family.keys()))


class Chain:
    """Blocks of random ids, the places they have, and the rows that a start reads again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.receipts: list[bytes] = [b""]
        self.known: dict[bytes, TxLocation] = {}
        self.random = random.Random(5)
        self.open()

    @property
    def height(self) -> int:
        return len(self.receipts) - 1

    def open(self) -> None:
        self.families = Families(self.path, CONFIG)
        self.places = TxPlaces(self.families, SALT)
        self.places.catch_up(self.height, self.receipts.__getitem__)

    def close(self) -> None:
        self.families.drain(layout.HEIGHT.pack(self.height))
        self.families.close()

    def block(self, receipts: list[tuple[bytes, int]]) -> None:
        batch = WriteBatch(raw_mode=True)
        self.places.put(batch)
        batch.put(b"any", b"row", self.families.handle("meta"))
        self.receipts.append(packed(receipts))
        self.families.write(batch, self.height)
        self.places.written()
        self.places.add(self.height, self.receipts[-1])
        for index, (tx_id, code) in enumerate(receipts):
            if code not in (DUPLICATE, UNKNOWN):
                self.known[tx_id] = TxLocation(self.height, index)

    def grow(self, blocks: int, txs: int) -> None:
        for _ in range(blocks):
            self.block([(self.random.randbytes(32), 0) for _ in range(txs)])

    def check(self) -> None:
        ids = [*self.known, *(self.random.randbytes(32) for _ in range(3000))]
        assert self.places.locations(ids) == [self.known.get(tx_id) for tx_id in ids]
        assert self.places.flags(b"".join(ids)) == bytes(tx_id in self.known for tx_id in ids)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    monkeypatch.setattr(tx_places, "SEGMENT_IDS", 1_000)
    chain = Chain(tmp_path / "database")
    yield chain
    chain.close()


def test_every_id_is_found_while_segments_come_and_merge_and_after_restarts(chain: Chain) -> None:
    for _ in range(3):
        chain.grow(25, 400)
        chain.check()
        chain.close()
        chain.open()
        chain.check()
    segments = {key[:8] for key in keys_of(chain.families["tx_index"])}
    assert 1 < len(segments) < 18, "segments of 1,000 ids merge eight by eight"


def test_duplicates_and_unknown_accounts_have_no_place(chain: Chain) -> None:
    chain.grow(1, 10)
    settled, fresh = next(iter(chain.known)), b"F" * 32
    chain.block([(settled, DUPLICATE), (fresh, UNKNOWN)])
    assert chain.places.locations([settled, fresh]) == [TxLocation(1, 0), None]
    chain.block([(fresh, 0)])
    assert chain.places.locations([fresh]) == [TxLocation(3, 0)]


def test_an_early_transaction_is_a_duplicate_for_ever_wherever_segments_begin(chain: Chain) -> None:
    """Regression: places below the range of validity were not looked for, up to where a node's segments happened to begin."""
    early = b"E" * 32
    chain.block([(early, TOO_FAR)])
    for _ in range(4):
        chain.grow(25, 400)
        assert chain.places.flags(early) == b"\x01"
        chain.close()
        chain.open()
    assert chain.places.flags(early) == b"\x01"


def test_filters_that_are_not_in_memory_are_read(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.grow(25, 400)
    chain.close()
    monkeypatch.setattr(tx_places, "FILTER_BYTES_MAX", 0)
    chain.open()
    chain.check()
    assert chain.places.filter_bytes == 0


def test_lost_rows_are_told_and_never_an_absent_transaction(chain: Chain) -> None:
    chain.grow(10, 400)
    tx_id = next(iter(chain.known))
    chain.close()
    chain.open()
    family: Rdict = chain.families["tx_index"]
    for key in list(family.keys()):
        if key[8] == 2:
            family.delete(key)
    with pytest.raises(FatalError, match=r"6006.*has no filter"):
        chain.places.locations([tx_id])


def test_an_index_that_goes_beyond_the_tip_or_has_a_gap_is_refused(chain: Chain) -> None:
    chain.grow(10, 400)
    chain.close()
    chain.open()
    fresh = TxPlaces(chain.families, SALT)
    with pytest.raises(FatalError, match=r"6006.*goes to height \d+, the tip is 1"):
        fresh.catch_up(1, chain.receipts.__getitem__)
    family: Rdict = chain.families["tx_index"]
    family.delete(next(key for key in keys_of(family) if key[8] == 3))
    with pytest.raises(FatalError, match=r"6006.*begins at height"):
        TxPlaces(chain.families, SALT)
