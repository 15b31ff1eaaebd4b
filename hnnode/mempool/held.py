"""Which batches this node holds, who else holds them, and which of them a proposer may name.

Plain bookkeeping on the event loop: no disk, no socket, no clock of its own. Every question that is asked for a frame or a block is
answered from counters that change when a batch comes, is acknowledged or goes; nothing here runs once a transaction.

Invariant: `_acked`, `acked_tx_count` and `acked_bytes` count exactly the entries whose `is_acked` is set.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hnnode_native import Batch, ValidatorSet

from hnnode.config import MempoolConfig
from hnnode.ports import BatchLocation, HeldBatch

RECENT_MAX = 4_096
"""Committed batches that lagging peers may still ask for by digest."""
FRESH_S = 2.0
"""A batch that no quorum acknowledged is a reason for a block only while it is this young."""
_ABSENT = object()


@dataclass(slots=True)
class Entry:
    """One uncommitted batch. `power`: of the validators in `acks`. `beyond_quota`: let go with the next commit."""

    held: HeldBatch
    digest: bytes
    author: bytes
    seq: int
    size: int
    tx_count: int
    valid_until_max: int
    at: float
    pushed_at: float
    acks: set[bytes]
    power: int = 0
    is_acked: bool = False
    acked_at: float = 0.0
    beyond_quota: bool = False


@dataclass(slots=True)
class _Author:
    """Uncommitted batches of one validator, by seq."""

    entries: dict[int, Entry] = field(default_factory=dict)
    bytes_held: int = 0
    last_committed_seq: int = -1


class HeldBatches:
    """See the module."""

    def __init__(self, config: MempoolConfig, account: bytes, validators: ValidatorSet) -> None:
        self._config = config
        self._account = account
        self._quorum = validators.quorum
        self.powers = {account: power for account, _, power in validators.validators}
        self._entries: dict[bytes, Entry] = {}
        self._authors: dict[bytes, _Author] = {a: _Author() for a in self.powers}
        self._author_order = sorted(self.powers)
        self._early_acks: dict[bytes, OrderedDict[bytes, None]] = {a: OrderedDict() for a in self.powers}
        self._recent: OrderedDict[bytes, BatchLocation] = OrderedDict()
        self._waiters: dict[bytes, list[asyncio.Future[None]]] = {}
        self._acked = 0
        self.acked_tx_count = 0
        """Transactions in batches that a quorum holds."""
        self.acked_bytes = 0
        """Bytes of those batches."""
        self.own_bytes_committed = 0
        """Bytes of this node's batches that blocks took, since start."""

    # -------------------------------------------------------------- reading
    def get(self, digest: bytes) -> HeldBatch | None:
        entry = self._entries.get(digest)
        return None if entry is None else entry.held

    def byte_count(self) -> int:
        """Of the uncommitted batches, packed or not, as their authors are charged for them."""
        return sum(author.bytes_held for author in self._authors.values())

    def entries(self) -> list[Entry]:
        """Every uncommitted batch, oldest first."""
        return list(self._entries.values())

    def digests(self) -> list[bytes]:
        return list(self._entries)

    def location(self, digest: bytes) -> BatchLocation | None:
        """Of a recently committed batch."""
        return self._recent.get(digest)

    def is_known(self, digest: bytes) -> bool:
        """Held, or committed a short while ago. From any thread."""
        return digest in self._entries or digest in self._recent

    def waits(self, digest: bytes, until: float) -> tuple[float, float] | None:
        """Seconds that an own batch, which a quorum holds, waited for this quorum, and then until a time; None for others."""
        entry = self._entries.get(digest)
        if entry is None or entry.author != self._account or not entry.is_acked:
            return None
        return entry.acked_at - entry.at, max(0.0, until - entry.acked_at)

    def is_author(self, account: bytes) -> bool:
        return account in self._authors

    def takes(self, batch: Batch) -> bool:
        """Whether the author's quota has room and the batch may still be committed. From any thread."""
        author = self._authors[batch.author]
        return batch.seq > author.last_committed_seq and self._has_room(author, batch.size)

    def other_of_seq(self, batch: Batch) -> bool:
        """Whether the author has another batch of the same seq here."""
        entry = self._authors[batch.author].entries.get(batch.seq)
        return entry is not None and entry.digest != batch.digest

    def own_waiting(self) -> bool:
        """Whether an own batch waits for its commit."""
        author = self._authors.get(self._account)
        return author is not None and bool(author.entries)

    def waiting(self) -> bool:
        """Whether there is a reason for a block: a batch that a quorum holds, or a young one."""
        if self._acked:
            return True
        youngest = next(reversed(self._entries.values()), None)
        return youngest is not None and time.monotonic() - youngest.at < FRESH_S

    def last_seqs(self) -> list[tuple[bytes, int]]:
        """(author, last committed seq) of the authors that have committed any batch."""
        return [(a, s.last_committed_seq) for a, s in self._authors.items() if s.last_committed_seq >= 0]

    def proposable(self, batches_max: int, bytes_max: int, tx_count_max: int) -> list[HeldBatch]:
        """Batches that a quorum holds, round-robin over authors, seq rising for each."""
        now = time.monotonic()
        queues: list[deque[Entry]] = []
        for account in self._author_order:
            entries = self._authors[account].entries
            ready: deque[Entry] = deque()
            for seq in sorted(entries):
                entry = entries[seq]
                if entry.is_acked:
                    ready.append(entry)
                elif now - entry.at < FRESH_S:
                    break  # in a moment it is acknowledged as well; skipping it would send its transactions round again
            if ready:
                queues.append(ready)
        chosen: list[HeldBatch] = []
        total_bytes = total_txs = 0
        while queues and len(chosen) < batches_max:
            for queue in list(queues):
                head = queue[0]
                full = total_bytes + head.size > bytes_max or total_txs + head.tx_count > tx_count_max
                if full or len(chosen) == batches_max:
                    queues.remove(queue)
                    continue
                chosen.append(queue.popleft().held)
                total_bytes += head.size
                total_txs += head.tx_count
                if not queue:
                    queues.remove(queue)
        return chosen

    # -------------------------------------------------------------- writing
    def set_last_seq(self, author: bytes, seq: int) -> None:
        """At start: the last committed seq of an author."""
        if author in self._authors:
            self._authors[author].last_committed_seq = seq

    def hold(self, held: HeldBatch) -> bool:
        """Take a durable batch; False when it came too late or is here already."""
        batch = held.batch
        digest, account, seq, size = batch.digest, batch.author, batch.seq, batch.size
        author = self._authors.get(account)
        if author is None or seq <= author.last_committed_seq or self.is_known(digest):
            return False
        now = time.monotonic()
        entry = Entry(held, digest, account, seq, size, batch.tx_count, batch.valid_until_max(), now, now, set())
        self._entries[digest] = entry
        if seq not in author.entries and (self._has_room(author, size) or account == self._account):
            author.entries[seq] = entry
            author.bytes_held += size
        else:
            entry.beyond_quota = True
        self._count_ack(entry, self._account)
        for peer, early in self._early_acks.items():
            if early.pop(digest, _ABSENT) is None:
                self._count_ack(entry, peer)
        return True

    def acknowledge(self, peer: bytes, digests: Sequence[bytes]) -> bool:
        """A validator holds these durably; True when a quorum now holds one more batch. Others change nothing."""
        early = self._early_acks.get(peer)
        if early is None:
            return False
        before = self._acked
        for digest in digests:
            entry = self._entries.get(digest)
            if entry is not None:
                self._count_ack(entry, peer)
            elif digest not in self._recent:
                early[digest] = None
                if len(early) > self._config.author_batches_max * 4:
                    early.popitem(last=False)
        return self._acked > before

    def commit(self, batches: Sequence[HeldBatch], height: int) -> list[bytes]:
        """A block was executed: forget its batches and those that no later block may hold. Returns the digests of own batches that were
        skipped, whose transactions need another batch."""
        for held in batches:
            batch = held.batch
            digest = batch.digest
            self._recent[digest] = held.location
            if batch.author == self._account:
                self.own_bytes_committed += batch.size
            author = self._authors[batch.author]
            author.last_committed_seq = max(author.last_committed_seq, batch.seq)
            self.forget(digest)
        lost: list[bytes] = []
        for entry in self.entries():
            skipped = entry.seq <= self._authors[entry.author].last_committed_seq
            if skipped and entry.author == self._account:
                lost.append(entry.digest)
            if skipped or entry.beyond_quota or entry.valid_until_max <= height:
                self.forget(entry.digest)
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        return lost

    def forget(self, digest: bytes) -> None:
        if digest in self._recent:
            self._resolve(digest)
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        if entry.is_acked:
            self._acked -= 1
            self.acked_tx_count -= entry.tx_count
            self.acked_bytes -= entry.size
        author = self._authors[entry.author]
        if author.entries.get(entry.seq) is entry:
            del author.entries[entry.seq]
            author.bytes_held -= entry.size

    async def wait_acked(self, digest: bytes) -> None:
        """Until a quorum of validators holds the batch durably."""
        entry = self._entries.get(digest)
        if (entry is not None and entry.is_acked) or digest in self._recent:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(digest, []).append(future)
        try:
            await future
        finally:
            waiters = self._waiters.get(digest)
            if waiters is not None and future in waiters:
                waiters.remove(future)
                if not waiters:
                    del self._waiters[digest]

    # -------------------------------------------------------------- inside
    def _has_room(self, author: _Author, size: int) -> bool:
        config = self._config
        return len(author.entries) < config.author_batches_max and author.bytes_held + size <= config.author_bytes_max

    def _count_ack(self, entry: Entry, account: bytes) -> None:
        if account in entry.acks:
            return
        entry.acks.add(account)
        entry.power += self.powers.get(account, 0)
        if not entry.is_acked and entry.power >= self._quorum:
            entry.is_acked = True
            entry.acked_at = time.monotonic()
            self._acked += 1
            self.acked_tx_count += entry.tx_count
            self.acked_bytes += entry.size
            self._resolve(entry.digest)

    def _resolve(self, digest: bytes) -> None:
        for future in self._waiters.pop(digest, ()):
            if not future.done():
                future.set_result(None)
