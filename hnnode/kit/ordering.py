"""The order of blocks, agreed on by the node's own consensus engines on a network in virtual time.

    agree(height) → engines start → messages with seeded delays → proposals and judgements of the host → decisions

What a seed draws: how long each message takes (so that they overtake each other), which are lost, when each node starts a
height, when one node goes down and for how many heights. No clock, no thread: the same seed does the same on every machine.

Invariants:
1. At most one node is down, and only where the others are a quorum; node 0 never is.
2. A node that comes back has its log, and takes the heights that it missed with their certificates.
3. A node that has not decided two virtual seconds after the first one gets the block as block sync would bring it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from hnnode_native import Effect, Engine, SecretKey, ValidatorSet

from hnnode.consensus.order import ProposerOrder
from hnnode.errors import name_of

START_US_MAX = 20_000
DELAY_US_MAX = 40_000
SPIKE_US_MAX = 1_500_000
SPIKES, LOST = 0.01, 0.02
"""Shares of the messages."""
SYNC_US = 2_000_000
EVENTS_MAX = 100_000
"""Of one height; more means that nobody will ever agree."""
DOWN_CHANCE = 0.2
"""Of a height in which everybody is up, that a node goes down in it."""
DOWN_HEIGHTS_MAX = 3
WITHOUT_ONE = 4
"""Nodes from which on the others are a quorum when one is down; where there are fewer it is restarted between two heights."""
TIMEOUTS_MS = (1_000, 500, 300, 200, 500, 30_000)
"""propose, its step, vote, its step, rebroadcast, cap: those of a node's configuration."""

Work = Callable[[], list[Effect]]


class Stalled(AssertionError):
    """The validators do not agree on a block."""


class Blocks(Protocol):
    """What the engines ask of their nodes."""

    def propose(self, node: int, height: int) -> bytes:
        """A value on top of the last block of this node."""

    def judge(self, node: int, height: int, value: bytes) -> bool:
        """Whether the value may follow the last block of this node."""

    def decided(self, node: int, value: bytes) -> bytes:
        """Execute a block that was agreed on; its proposer."""

    def restarted(self, node: int) -> None:
        """The node came up again, with what it has on disk."""


class _Node:
    def __init__(self, engine: Engine, height: int) -> None:
        self.engine = engine
        self.height = height
        """Last height that it decided."""
        self.up = True
        self.life = 0
        self.log: list[tuple[int, bytes]] = []
        self.timers: dict[int, int] = {}
        self.missed: list[Callable[[], None]] = []


class Ordering:
    """The engines of one chain from a height on."""

    def __init__(self, chain_id: bytes, keys: Sequence[SecretKey], height: int, seed: int, blocks: Blocks) -> None:
        self._chain_id = chain_id
        self._keys = keys
        self._blocks = blocks
        self._random = random.Random(seed)
        self.validators = ValidatorSet(0, [(key.public_key(), 1) for key in keys])
        self._order = ProposerOrder(self.validators)
        self._numbers = {key.account(): number for number, key in enumerate(keys)}
        self._accounts = [key.account() for key in keys]
        self._nodes = [_Node(self._engine(number), height) for number in range(len(keys))]
        self._height = height
        self._demoted: dict[int, list[bytes]] = {}
        self._block: tuple[bytes, bytes] | None = None
        self._back_at = 0
        self._queue: list[tuple[int, int, int, int, Work]] = []
        self._now_us = self._sequence = 0
        self.messages = 0
        self.outages = 0
        for number, node in enumerate(self._nodes):
            self._carry_out(number, node.engine.replay([]))

    def _engine(self, number: int) -> Engine:
        return Engine(self._chain_id, self._keys[number], 0, *TIMEOUTS_MS)

    # ---------------------------------------------------------------- heights
    def agree(self, height: int) -> None:
        """Until every node that is up has decided and executed this height.

        Raises: Stalled: they do not come to that. What the host raises passes through.
        """
        self._height, self._block = height, None
        self._demoted[height] = self._order.demoted(height)
        self._weather(height)
        for number in self._up():
            self._after(self._random.randrange(START_US_MAX), number, self._starting(number, height))
        for _ in range(EVENTS_MAX):
            if all(self._nodes[number].height == height for number in self._up()):
                break
            if not self._queue:
                raise Stalled(self._text(height))
            self._now_us, _, number, life, work = heapq.heappop(self._queue)
            node = self._nodes[number]
            if node.up and node.life == life:
                self._carry_out(number, work())
        else:
            raise Stalled(self._text(height))
        if all(node.up for node in self._nodes):
            self._demoted = {}

    def _text(self, height: int) -> str:
        states = (f"[{n}] {node.engine.stats()['text'] if node.up else 'down'}" for n, node in enumerate(self._nodes))
        return f"no agreement on height {height}: {' '.join(states)}"

    def _up(self) -> list[int]:
        return [number for number, node in enumerate(self._nodes) if node.up]

    def later(self, number: int, work: Callable[[], None]) -> None:
        """Do something at a node now, or when it is back and has come to this height."""
        node = self._nodes[number]
        if node.up:
            work()
        else:
            node.missed.append(work)

    def _starting(self, number: int, height: int) -> Work:
        engine = self._nodes[number].engine
        return lambda: engine.start(height, self.validators, self._demoted[height]) if engine.height < height else []

    # ---------------------------------------------------------------- outages
    def _weather(self, height: int) -> None:
        """Bring back the node that is down, or let one go down in the middle of this height."""
        everybody = self._up() == list(range(len(self._nodes)))
        if not everybody and height >= self._back_at:
            self.all_up()
        elif everybody and len(self._nodes) > 1 and self._random.random() < DOWN_CHANCE:
            number = 1 + self._random.randrange(len(self._nodes) - 1)
            self.outages += 1
            if len(self._nodes) < WITHOUT_ONE:
                self._go_down(number)
                self._come_up(number)
            else:
                self._back_at = height + 1 + self._random.randrange(DOWN_HEIGHTS_MAX)
                self._after(self._random.randrange(4 * DELAY_US_MAX), number, lambda: self._go_down(number))

    def _go_down(self, number: int) -> list[Effect]:
        node = self._nodes[number]
        if len(self._up()) < len(self._nodes):
            return []  # another one is down
        node.up, node.life, node.timers = False, node.life + 1, {}
        if node.height == self._height - 1 and self._block is not None:
            self._miss(number, self._height, *self._block)
        return []

    def all_up(self) -> None:
        """Bring back the node that is down, at the height of the others."""
        for number, node in enumerate(self._nodes):
            if not node.up:
                self._come_up(number)

    def _come_up(self, number: int) -> None:
        node = self._nodes[number]
        node.engine = self._engine(number)
        node.up = True
        self._blocks.restarted(number)
        self._carry_out(number, node.engine.replay([record for _, record in node.log]))
        missed, node.missed = node.missed, []
        for work in missed:
            work()

    def _miss(self, number: int, height: int, value: bytes, certificate: bytes) -> None:
        self._nodes[number].missed.append(lambda: self._sync(number, height, value, certificate))

    def _sync(self, number: int, height: int, value: bytes, certificate: bytes) -> None:
        self._carry_out(number, self._starting(number, height)())
        self._carry_out(number, self._nodes[number].engine.synced(height, value, certificate))
        if self._nodes[number].height != height:
            raise Stalled(f"node {number} does not take block {height}")

    # ---------------------------------------------------------------- effects
    def _after(self, us: int, number: int, work: Work) -> None:
        self._sequence += 1
        life = self._nodes[number].life
        heapq.heappush(self._queue, (self._now_us + us, self._sequence, number, life, work))

    def _carry_out(self, number: int, effects: Sequence[Effect]) -> None:
        node, engine = self._nodes[number], self._nodes[number].engine
        for effect in effects:
            kind, height, round_ = effect.kind, effect.height, effect.round
            if kind == "log":
                node.log.append((height, effect.data))
            elif kind == "send":
                everybody = [other for other in range(len(self._nodes)) if other != number]
                self._send(number, everybody if effect.to is None else [self._numbers[effect.to]], effect.data)
            elif kind == "set_timer":
                node.timers[effect.timer_id] = effect.generation
                self._after(effect.ms * 1_000, number, self._timer(number, effect.timer_id, effect.generation))
            elif kind == "cancel_timer":
                node.timers.pop(effect.timer_id, None)
            elif kind == "get_value":
                value = self._blocks.propose(number, height)
                self._answer(number, height, partial(engine.propose, height, round_, value))
            elif kind == "validate":
                valid = self._blocks.judge(number, height, effect.data)
                self._answer(number, height, partial(engine.validity, height, effect.block_hash, valid))
            elif kind == "decide":
                self._decide(number, effect)
            elif kind in ("halt", "evidence", "peer_fault"):
                reason = effect.reason or name_of(effect.code)
                raise Stalled(f"node {number} ({kind}, height={height}, round={round_}): {reason}")

    def _answer(self, number: int, height: int, work: Work) -> None:
        """What the host was asked for, a little later; nothing when the height has been decided meanwhile."""
        node = self._nodes[number]
        self._after(self._random.randrange(START_US_MAX), number, lambda: [] if node.height >= height else work())

    def _timer(self, number: int, timer_id: int, generation: int) -> Work:
        node, engine = self._nodes[number], self._nodes[number].engine
        return lambda: engine.timer(timer_id, generation) if node.timers.get(timer_id) == generation else []

    def _send(self, sender: int, others: Sequence[int], message: bytes) -> None:
        for other in others:
            self.messages += 1
            chance = self._random.random()
            delay = self._random.randrange(SPIKE_US_MAX if chance < SPIKES else DELAY_US_MAX)
            if chance < 1 - LOST and self._nodes[other].up:
                self._after(delay, other, self._delivery(sender, other, message))

    def _delivery(self, sender: int, receiver: int, message: bytes) -> Work:
        node, item = self._nodes[receiver], (self._accounts[sender], message)
        return lambda: node.engine.messages([item])

    def _decide(self, number: int, effect: Effect) -> None:
        node = self._nodes[number]
        node.height = effect.height
        proposer = self._blocks.decided(number, effect.data)
        node.log = [(height, record) for height, record in node.log if height > effect.height]
        if effect.height != self._height or self._block is not None:
            return
        self._block = effect.data, effect.certificate
        self._order.note(effect.height, proposer)
        for other, each in enumerate(self._nodes):
            if not each.up:
                self._miss(other, effect.height, *self._block)
            elif other != number:
                self._after(SYNC_US, other, self._late(other, effect.height, *self._block))

    def _late(self, number: int, height: int, value: bytes, certificate: bytes) -> Work:
        node = self._nodes[number]

        def work() -> list[Effect]:
            if node.height >= height:
                return []
            self._carry_out(number, self._starting(number, height)())
            return node.engine.synced(height, value, certificate)

        return work
