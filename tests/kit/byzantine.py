"""Pieces of an attack: a validator's stolen name and key, and what it can say with them.

A corrupt validator is a stopped node whose key signs here and whose place in the network a `Stranger` takes. Signed objects are
built by the twin of the formats, so that they may break every rule that the node's own builders keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from hnnode_native import Batch, SecretKey, Value, build_value, proposer

from hnnode.consensus.order import ProposerOrder
from hnnode.crypto.keys import read_key_file
from hnnode.node.build import ChainNode
from hnnode.ports import Channel, Kind
from hnnode.storage import Home
from hnnode.sync.frames import BlockRequest, BlockResponse, Status
from tests.kit.cluster import Cluster
from tests.kit.loopback import LoopbackNetwork
from tests.vectors import formats_twin
from tests.vectors.trees_twin import sized, u

STRANGER = b"\x07" * 20
"""An account that is no validator."""
CLAIM_S = 0.03
"""Between two claims of a height, so that one is always fresh."""

Handler = Callable[[bytes, bytes], None]
"""(peer, payload) → what a `Stranger` does about a frame."""


class Stranger:
    """A linked peer that speaks raw frames, under the name of anybody whose node is down. Linked inside `async with`."""

    def __init__(self, c: Cluster, name: bytes = STRANGER) -> None:
        self.name = name
        self._hub = c.hub
        self._network = LoopbackNetwork(c.hub, name)
        self._handlers: dict[int, Handler] = {}
        for channel in Channel:
            self._network.on_frames(channel, self._hear)

    async def __aenter__(self) -> Stranger:
        await self._network.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.stop()

    def _hear(self, peer: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
        for kind, payload in frames:
            handler = self._handlers.get(kind)
            if handler is not None:
                handler(peer, payload)

    def on(self, kind: Kind, handler: Handler) -> None:
        """Answer frames of this kind; all others are ignored."""
        self._handlers[kind] = handler

    def send(self, target: bytes, channel: Channel, kind: int, payload: bytes) -> None:
        self._network.send(target, channel, kind, payload)

    def tell(self, nodes: Iterable[ChainNode], message: bytes) -> None:
        """Send a consensus message."""
        for node in nodes:
            self.send(node.account, Channel.CONSENSUS, Kind.CONSENSUS_MESSAGE, message)

    def give(self, nodes: Iterable[ChainNode], batch: bytes) -> None:
        for node in nodes:
            self.send(node.account, Channel.BULK, Kind.BATCH, batch)

    def serve_batches(self, batches: Iterable[Batch]) -> None:
        """Answer every request for one of these batches."""
        known = {batch.digest: batch.data for batch in batches}

        def answer(peer: bytes, payload: bytes) -> None:
            for at in range(0, len(payload), 32):
                data = known.get(payload[at : at + 32])
                if data is not None:
                    self.send(peer, Channel.BULK, Kind.BATCH, data)

        self.on(Kind.BATCH_REQUEST, answer)

    def serve_blocks(self, answer: Callable[[int], BlockResponse]) -> None:
        """Answer every block request height by height, up to the first height of which `answer` gives no value."""

        def serve(peer: bytes, payload: bytes) -> None:
            request = BlockRequest.decode(payload)
            assert request is not None
            for height in range(request.height, request.height + request.count):
                response = answer(height)
                self.send(peer, Channel.BULK, Kind.BLOCK_RESPONSE, response.encode())
                if not response.value:
                    break

        self.on(Kind.BLOCK_REQUEST, serve)

    @asynccontextmanager
    async def claiming(self, target: bytes, height: int) -> AsyncIterator[None]:
        """Claim, again and again, to have committed `height`."""

        async def claim() -> None:
            while True:
                self.send(target, Channel.CONSENSUS, Kind.STATUS, Status(height, height + 1, 0).encode())
                await asyncio.sleep(CLAIM_S)

        task = asyncio.create_task(claim(), name="claims")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def charges(self, by: ChainNode) -> list[int]:
        """Codes that a node has charged this peer with."""
        return charges(self._hub.punished, by.account, self.name)


def charges(punished: Iterable[tuple[bytes, bytes, int]], by: bytes, against: bytes) -> list[int]:
    """Codes with which node `by` has charged peer `against`; punished: `LoopbackHub.punished`."""
    return [code for judge, peer, code in punished if (judge, peer) == (by, against)]


@dataclass(frozen=True)
class CorruptProposer:
    """The validator whose turn it is at `height`, the next one; its node is down."""

    key: SecretKey
    height: int

    @property
    def account(self) -> bytes:
        return self.key.account()


async def corrupt(c: Cluster, index: int) -> SecretKey:
    """Stop a node and take its key."""
    await c.stop(index)
    return read_key_file(Home(c.homes[index]).key)


async def corrupt_proposer(c: Cluster) -> CorruptProposer:
    """Corrupt whoever is first to propose on top of a settled chain."""
    node = c.up()[0]
    account = next_proposer(node)
    index = next(i for i, other in enumerate(c.nodes) if other is not None and other.account == account)
    height = node.chain.tip().height + 1
    return CorruptProposer(await corrupt(c, index), height)


def next_proposer(node: ChainNode) -> bytes:
    """Account that proposes in round 0 of the height after the tip, computed from the committed headers."""
    validators = node.genesis_facts.validators
    order = ProposerOrder(validators)
    tip = node.chain.tip().height
    for height in range(max(1, order.cycle_start(tip)), tip + 1):
        order.note(height, proposer_of(node, height))
    return proposer(tip + 1, 0, validators, order.demoted(tip + 1))


def proposer_of(node: ChainNode, height: int) -> bytes:
    """Proposer in the header of a committed block."""
    block = node.chain.block(height)
    assert block is not None
    return Value.decode(block.value).header.proposer


def value_on_tip(node: ChainNode, time_ms: int, header_proposer: bytes, batches: Sequence[Batch] = ()) -> bytes:
    """An encoded value for the height after the node's tip; every field that is not given is right."""
    facts, tip = node.genesis_facts, node.chain.tip()
    own = facts.validators.hash
    return build_value(
        facts.chain_id,
        tip.height + 1,
        time_ms,
        header_proposer,
        tip.block_hash,
        own,
        own,
        bytes.fromhex(facts.file.plugins_hash),
        tip.receipts_root,
        tip.state_root,
        tip.outbox_root,
        batches,
    )


def proposal(key: SecretKey, chain_id: bytes, height: int, round_: int, pol_round: int | None, value: bytes) -> bytes:
    """A signed proposal as a consensus message; a `pol_round` may be invented."""
    block_hash = Value.decode(value).block_hash
    signature = key.sign(formats_twin.proposal_bytes(chain_id, height, round_, pol_round, block_hash))
    place = u(8, height) + u(4, round_) + u(4, formats_twin.NO_ROUND if pol_round is None else pol_round)
    return u(1, 2) + place + key.account() + signature + sized(4, value)


def vote(key: SecretKey, chain_id: bytes, kind: int, height: int, round_: int, block_hash: bytes) -> bytes:
    """A signed vote as a consensus message; kind: `formats_twin.PREVOTE` or `PRECOMMIT`."""
    signature = key.sign(formats_twin.vote_bytes(chain_id, kind, height, round_, block_hash))
    return u(1, 1) + u(1, kind) + u(8, height) + u(4, round_) + block_hash + key.account() + signature


def sealed(key: SecretKey, chain_id: bytes, seq: int, txs: Iterable[bytes]) -> Batch:
    """A batch of any transactions and any seq, signed by its author."""
    batch = formats_twin.Batch.of(chain_id, key.account(), seq, txs)
    return Batch.decode(replace(batch, author_signature=key.sign(batch.digest())).encode())


def spoiled(tx: bytes) -> bytes:
    """The same transaction with a signature that does not verify."""
    return tx[:-1] + bytes([tx[-1] ^ 1])


def committed_batch(node: ChainNode) -> Batch:
    """The first batch of the chain."""
    for height in range(1, node.chain.tip().height + 1):
        block = node.chain.block(height)
        if block is not None and block.batches:
            _, _, location = block.batches[0]
            return Batch.decode(node.chain.batch(location))
    raise AssertionError("no batch is committed yet")


def block_response(node: ChainNode, height: int) -> BlockResponse:
    """What an honest node answers to a request for a block."""
    block = node.chain.block(height)
    if block is None:
        return BlockResponse(height, b"", b"", ())
    batches = tuple(node.chain.batch(location) for _, _, location in block.batches)
    return BlockResponse(height, block.value, block.certificate, batches)
