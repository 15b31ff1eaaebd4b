"""The book of held batches against a naive twin: who acknowledged what, what may be proposed, what a commit lets go."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, cast

from hnnode_native import SecretKey, ValidatorSet

from hnnode.config import MempoolConfig
from hnnode.mempool.held import HeldBatches
from hnnode.ports import BatchLocation, HeldBatch

KEYS = sorted((SecretKey.generate(bytes([i + 1]) * 32) for i in range(4)), key=lambda k: k.account())
POWERS = {key.account(): power for key, power in zip(KEYS, (1, 2, 3, 1), strict=True)}
ACCOUNTS = list(POWERS)


@dataclass(frozen=True)
class FakeBatch:
    """What the book reads of a batch."""

    digest: bytes
    author: bytes
    seq: int
    size: int
    tx_count: int
    until: int

    def valid_until_max(self) -> int:
        return self.until


def held(batch: FakeBatch) -> HeldBatch:
    return HeldBatch(cast(Any, batch), BatchLocation(0, batch.seq, batch.size))


def book(**limits: int) -> HeldBatches:
    validators = ValidatorSet(0, [(key.public_key(), POWERS[key.account()]) for key in KEYS])
    return HeldBatches(MempoolConfig(**limits), ACCOUNTS[0], validators)


def batch(number: int, author: int, seq: int, size: int = 100, txs: int = 10, until: int = 1_000) -> FakeBatch:
    return FakeBatch(number.to_bytes(32, "big"), ACCOUNTS[author], seq, size, txs, until)


def test_counters_follow_a_naive_twin() -> None:
    rng = random.Random(7)
    for _ in range(30):
        held_book = book(author_batches_max=6)
        quorum = 2 * sum(POWERS.values()) // 3 + 1
        acks: dict[bytes, set[bytes]] = {}
        here: dict[bytes, FakeBatch] = {}
        committed: set[bytes] = set()
        seqs = [0, 0, 0, 0]
        height = 0
        for number in range(120):
            step = rng.random()
            if step < 0.4:
                author = rng.randrange(4)
                seqs[author] += rng.randrange(1, 3)
                new = batch(number, author, seqs[author], rng.randrange(50, 200), rng.randrange(1, 30))
                assert held_book.hold(held(new))
                here[new.digest] = new
                acks.setdefault(new.digest, set()).add(ACCOUNTS[0])
            elif step < 0.9:
                peer = rng.choice(ACCOUNTS)
                digests = [*rng.sample(sorted(here), min(len(here), 3)), rng.randbytes(32)]
                before = {d for d in here if sum(POWERS[a] for a in acks[d]) >= quorum}
                changed = held_book.acknowledge(peer, digests)
                for digest in digests[:-1]:
                    acks[digest].add(peer)
                after = {d for d in here if sum(POWERS[a] for a in acks[d]) >= quorum}
                assert changed == (after != before)
            else:
                height += 1
                chosen = held_book.proposable(rng.randrange(1, 6), 500, 60)
                held_book.commit(chosen, height)
                last = dict(held_book.last_seqs())
                for item in chosen:
                    committed.add(item.batch.digest)
                kept = {entry.digest for entry in held_book.entries()}
                assert not kept & committed
                assert all(entry.seq > last.get(entry.author, -1) for entry in held_book.entries())
                here = {d: b for d, b in here.items() if d in kept}
            ready = [b for d, b in here.items() if sum(POWERS[a] for a in acks[d]) >= quorum]
            assert held_book.acked_tx_count == sum(b.tx_count for b in ready)
            assert held_book.acked_bytes == sum(b.size for b in ready)
            if ready:
                assert held_book.waiting()


def test_a_proposal_holds_its_bounds_and_rises_in_seq() -> None:
    held_book = book()
    for number in range(40):
        one = batch(number, number % 4, number // 4, size=100, txs=10)
        held_book.hold(held(one))
        for peer in ACCOUNTS:
            held_book.acknowledge(peer, [one.digest])
    for count, size, txs in ((7, 10_000, 10_000), (40, 950, 10_000), (40, 10_000, 125), (40, 99, 10_000)):
        chosen = [h.batch for h in held_book.proposable(count, size, txs)]
        assert len(chosen) == min(count, size // 100, txs // 10)
        for account in ACCOUNTS:
            seqs = [b.seq for b in chosen if b.author == account]
            assert seqs == sorted(seqs)
        if len(chosen) >= 4:
            assert {b.author for b in chosen[:4]} == set(ACCOUNTS)


def test_acknowledgements_that_come_first_count() -> None:
    held_book = book()
    one = batch(1, 1, 1)
    for peer in ACCOUNTS[1:]:
        assert not held_book.acknowledge(peer, [one.digest])
    assert held_book.hold(held(one))
    assert [h.batch.digest for h in held_book.proposable(9, 9_999, 9_999)] == [one.digest]
    assert not held_book.hold(held(one))


def test_beyond_its_quota_an_author_gets_nothing_proposed() -> None:
    held_book = book(author_batches_max=2)
    for seq in range(1, 5):
        held_book.hold(held(batch(seq, 1, seq)))
        for peer in ACCOUNTS:
            held_book.acknowledge(peer, [batch(seq, 1, seq).digest])
    assert [h.batch.seq for h in held_book.proposable(9, 9_999, 9_999)] == [1, 2]
    assert len(held_book.entries()) == 4
    held_book.commit([], 1)
    assert len(held_book.entries()) == 2


def test_skipped_and_expired_batches_go_and_own_ones_are_reported() -> None:
    held_book = book()
    own, other, late, short = batch(1, 0, 1), batch(2, 1, 1), batch(3, 0, 5), batch(4, 2, 1, until=9)
    for one in (own, other, late, short):
        held_book.hold(held(one))
    assert held_book.commit([held(late)], 9) == [own.digest]
    assert [e.digest for e in held_book.entries()] == [other.digest]
    assert held_book.own_bytes_committed == late.size
    assert held_book.is_known(late.digest)
    assert not held_book.hold(held(batch(7, 0, 4)))


def test_only_own_batches_that_a_quorum_holds_say_how_long_they_waited() -> None:
    held_book = book()
    own, other = batch(1, 0, 1), batch(2, 1, 1)
    for one in (own, other):
        assert held_book.hold(held(one))
    assert held_book.waits(own.digest, 0.0) is None
    for peer in ACCOUNTS[1:]:
        held_book.acknowledge(peer, [own.digest, other.digest])
    assert held_book.waits(other.digest, 0.0) is None
    for_quorum_s, for_block_s = held_book.waits(own.digest, time.monotonic() + 10) or (-1.0, -1.0)
    assert 0 <= for_quorum_s < 5
    assert 9 < for_block_s < 11
    assert held_book.waits(own.digest, 0.0) == (for_quorum_s, 0.0)
    held_book.commit([held(own)], 1)
    assert held_book.waits(own.digest, 0.0) is None
