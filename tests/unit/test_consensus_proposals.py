"""A value is held against its batches once: when it is judged, or when it is decided without having been judged here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hnnode_native import Value, build_value

from hnnode.config import ConsensusConfig
from hnnode.consensus import proposals as room
from hnnode.consensus.proposals import Proposals
from hnnode.crypto import MemorySigner
from hnnode.errors import FatalError
from hnnode.ports import BatchLocation, HeldBatch
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

SIGNER = MemorySigner.generate()


class World:
    """The proposals of a validator that holds every batch; `judged` counts the looks at batches."""

    def __init__(self, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node = MemoryNode([SIGNER.public_key])
        self.tip = self.node.chain.tip()
        self.held: list[HeldBatch] = []
        self.judged = 0
        real = room.check_value_batches

        def counted(*arguments: Any) -> int:
            self.judged += 1
            return real(*arguments)

        monkeypatch.setattr(room, "check_value_batches", counted)
        self.proposals = Proposals(
            config=ConsensusConfig(),
            chain_id=self.node.chain_id,
            account=self.node.keys[1].account(),
            validators=self.node.validator_set,
            accounts=self.node.accounts,
            plugins_hash=lambda height: self.node.plugin_set,
            block_bytes_max=1 << 20,
            block_tx_count_max=10_000,
            batches=cast(Any, self),
            now_ms=lambda: self.tip.time_ms + 1_000,
            hash_threads=threads,
            differences=cast(Any, None),
        )

    def last_seqs(self) -> list[tuple[bytes, int]]:
        return []

    async def fetch(self, digests: Sequence[tuple[bytes, bytes]], sender: bytes, limit: int | None) -> list[HeldBatch]:
        by_digest = {held.batch.digest: held for held in self.held}
        return [by_digest[digest] for digest, _ in digests]

    async def value(self, seq: int) -> bytes:
        """A value of one new batch."""
        await self.node.submit([evidence_tx(self.node.chain_id, SIGNER, f"{seq:064x}").data])
        batch = self.node.pool.seal(self.node.keys[0], seq)
        assert batch is not None
        self.held.append(HeldBatch(batch, BatchLocation(0, seq, 1)))
        tip, own = self.tip, self.node.validator_set.hash
        fixed = (self.node.keys[0].account(), tip.block_hash, own, own, self.node.plugin_set)
        results = (tip.receipts_root, tip.state_root, tip.outbox_root)
        return build_value(self.node.chain_id, 1, tip.time_ms + 40, *fixed, *results, [batch])

    async def resolve(self, value: bytes) -> int:
        effect = SimpleNamespace(
            height=1, data=value, certificate=b"", block_hash=Value.decode(value).block_hash, to=None
        )
        return (await self.proposals.resolve(cast(Any, effect), self.tip)).tx_count

    async def check(self, value: bytes) -> int:
        return await self.proposals.check(1, value, self.tip, self.node.keys[0].account())


def test_a_value_that_passed_is_not_judged_again_when_it_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(w: World) -> None:
        first, other = await w.value(1), await w.value(2)
        assert await w.check(first) == 0
        assert w.judged == 1
        assert await w.resolve(first) == 1
        assert w.judged == 1
        assert await w.resolve(other) == 1
        assert w.judged == 2
        # Decided without having passed here: the verdict on another one counts for nothing.
        assert await w.check(other) == 0
        assert await w.resolve(first) == 1
        assert w.judged == 4

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(story(World(threads, monkeypatch)))


def test_a_value_that_was_refused_stops_the_node_when_it_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(w: World) -> None:
        value = bytearray(await w.value(1))
        root = Value.decode(bytes(value)).header.tx_root
        value[value.index(root)] ^= 1
        for _ in range(2):
            assert await w.check(bytes(value)) != 0
        with pytest.raises(FatalError):
            await w.resolve(bytes(value))
        assert w.judged == 3

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(story(World(threads, monkeypatch)))
