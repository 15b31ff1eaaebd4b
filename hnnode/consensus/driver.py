"""The Python side of consensus: one engine, its log, its timers, its pace.

Flow: peer frames and timers → `Engine` → effects → log, barrier, send, timers, validate, decide.

Invariants:
1. Effects are carried out in the order the engine gave them. Behind a barrier nothing leaves this node until the log is on disk.
2. No disk work on the event loop: the log is written and synced in its own thread.
3. A halt, a failed sync or any unexpected exception stops the node; nothing is signed after it.
4. A height is started only after the block before it has been executed here, because its header carries those results.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from hnnode_native import Effect, Engine, ValidatorSet, message_height

from hnnode.config import ConsensusConfig
from hnnode.consensus.alarm import DueAlarm
from hnnode.consensus.order import ProposerOrder
from hnnode.consensus.pace import Pace
from hnnode.consensus.proposals import Proposals
from hnnode.errors import FatalError, name_of
from hnnode.metrics import Metrics
from hnnode.ports import Channel, Clock, ConsensusLog, Decided, Kind, Network, SignState, Tip
from hnnode.primitives.guard import guarded

log = structlog.get_logger("consensus")

INBOX_MAX = 8_192
"""Consensus frames that wait while effects are carried out; older ones go first."""


class ConsensusDriver:
    """See the module. Every method on the event loop."""

    def __init__(
        self,
        *,
        config: ConsensusConfig,
        engine: Engine,
        validators: ValidatorSet,
        network: Network,
        proposals: Proposals,
        consensus_log: ConsensusLog,
        sign_state: SignState,
        log_thread: ThreadPoolExecutor,
        metrics: Metrics,
        order: ProposerOrder,
        tip: Tip,
        tip_block: tuple[bytes, bytes] | None,
        results_open: bool,
        execute: Callable[[Decided], Awaitable[Tip]],
        batches_waiting: Callable[[], bool],
        block_bytes_max: int,
        ready: Callable[[], tuple[int, int]],
        wants_block: Callable[[int], bool],
        next_due_ms: Callable[[], Awaitable[int | None]],
        now_ms: Clock,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """tip_block: value and certificate of the tip, so that a restarted engine can help a peer that is one height behind.

        results_open: the tip holds transactions, or wrote without any, and no header carries its results yet.

        execute: runs and writes a decided block and returns its results; it may wait for the disk to keep up.

        batches_waiting: a batch waits for a block. ready: transactions that a block of now could hold, and their bytes. wants_block: the
        chain at this height has work of its own. next_due_ms: when something of the state after the tip is due.
        """
        self._config = config
        self._engine = engine
        self._validators = validators
        self._network = network
        self._proposals = proposals
        self._log = consensus_log
        self._sign_state = sign_state
        self._log_thread = log_thread
        self._metrics = metrics
        self._tip = tip
        self._tip_block = tip_block
        self._execute = execute
        self._batches_waiting = batches_waiting
        self._wants_block = wants_block
        self._pace_of = Pace(config, block_bytes_max, ready)
        self._on_fatal = on_fatal
        self._effects: deque[Effect] = deque()
        self._effects_ready = asyncio.Event()
        self._pending_log: list[tuple[int, bytes]] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._validations: dict[bytes, asyncio.Task[None]] = {}
        self._proposing: asyncio.Task[None] | None = None
        self._started_height = tip.height
        self._results_open = results_open
        self._woken = asyncio.Event()
        self._alarm = DueAlarm(next_due_ms, now_ms, self._woken.set)
        self._peer_height = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._early: deque[tuple[bytes, bytes]] = deque(maxlen=INBOX_MAX)
        self._decided = asyncio.Condition()
        self._order = order
        self.halted = ""

    # -------------------------------------------------------------- life
    def start(self, replay: Sequence[bytes]) -> None:
        """replay: records of the consensus log above the last committed height."""
        self._guard(self._run_effects, "consensus effects")
        self._guard(self._pace, "consensus pace")
        if replay:
            log.info("replaying consensus log", records=len(replay))
        self._take(self._engine.replay(replay))
        self._started_height = max(self._started_height, self._engine.height)
        if self._engine.height == self._tip.height + 1:
            self._remember_tip()
        self._woken.set()

    def _guard(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        async def run() -> None:
            try:
                await work()
            except asyncio.CancelledError:
                raise
            except BaseException as e:
                self.halted = str(e)
                self._on_fatal(e)
                raise

        self._tasks.append(asyncio.create_task(run(), name=name))

    async def stop(self) -> None:
        for handle in self._timers.values():
            handle.cancel()
        self._alarm.stop()
        tasks = [*self._tasks, *self._validations.values()]
        if self._proposing is not None:
            tasks.append(self._proposing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -------------------------------------------------------------- inputs
    def on_frames(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """(peer, consensus message) pairs of one wake-up."""
        for _, message in messages:
            height = message_height(message)
            if height is not None and height > self._peer_height:
                self._peer_height = min(height, self._tip.height + 2)
        if self._peer_height > self._tip.height == self._started_height:
            if self._engine.height < self._tip.height:
                # A restarted engine that rests at no height yet would not know these messages' height.
                self._start_height(self._tip.height + 1)
            else:
                # Between heights the engine keeps a bounded number of messages of the next ones.
                self._woken.set()
        self._take(self._engine.messages(messages))

    def on_batches(self) -> None:
        """A batch became held or proposable."""
        self._woken.set()
        self._proposals.wake()

    def on_peer_height(self, peer: bytes, height: int, round_: int) -> None:
        """A peer's status: when it is behind in our open height, re-gossip what it may lack."""
        if height == self._engine.height and round_ < self._engine.round:
            self._take(self._engine.peer_behind(peer, height, round_))

    def check_decided(self, height: int, value: bytes) -> int:
        """First broken rule of a certified value on top of the last executed block; 0 when it holds."""
        return self._proposals.check_decided(height, value, self._tip)

    async def apply_synced(self, height: int, value: bytes, certificate: bytes, timeout_s: float) -> bool:
        """Hand a fetched block (checked by sync, its batches held) to the engine and wait until it is executed. False on timeout."""
        if height <= self._tip.height:
            return True
        if self._started_height < height:
            self._start_height(height)
        self._take(self._engine.synced(height, value, certificate))
        try:
            async with asyncio.timeout(timeout_s), self._decided:
                await self._decided.wait_for(lambda: self._tip.height >= height)
        except TimeoutError:
            return False
        return True

    @property
    def tip(self) -> Tip:
        """Last executed block (perhaps not yet durable)."""
        return self._tip

    @property
    def open_height(self) -> int:
        """Height that was started last, in this run or in the log that it replayed: results of the ones before were told."""
        return self._started_height

    def stats(self) -> dict[str, int | str]:
        return self._engine.stats()

    # -------------------------------------------------------------- pace
    async def _pace(self) -> None:
        """Start the next height when there is a reason: transactions, open results, something due, work of the chain, a peer ahead."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._started_height > self._tip.height:
                continue
            tip = self._tip
            if not self._has_reason() and not (await self._alarm.rings(tip) and tip is self._tip):
                continue
            if not await self._gather():
                continue
            if self._started_height == self._tip.height:
                self._start_height(self._tip.height + 1)

    def _has_reason(self) -> bool:
        height = self._tip.height
        has_results = self._results_open or self._wants_block(height)
        return has_results or self._batches_waiting() or self._peer_height > height

    async def _gather(self) -> bool:
        """Wait until the next block is worth starting; False when a peer started it meanwhile."""
        while (delay_s := self._pace_of.delay_s(behind=self._peer_height > self._tip.height)) > 0:
            self._woken.clear()
            try:
                async with asyncio.timeout(delay_s):
                    await self._woken.wait()
            except TimeoutError:
                break
            if self._started_height > self._tip.height:
                return False
        return True

    def _start_height(self, height: int) -> None:
        self._started_height = height
        self._pace_of.started()
        self._take(self._engine.start(height, self._validators, self._order.demoted(height)))
        self._remember_tip()

    def _remember_tip(self) -> None:
        """Once after a restart, when the engine stands on the height after the tip."""
        if self._tip_block is not None:
            value, certificate = self._tip_block
            self._tip_block = None
            self._take(self._engine.synced(self._tip.height, value, certificate))

    # -------------------------------------------------------------- effects
    def _take(self, effects: list[Effect]) -> None:
        if effects:
            self._effects.extend(effects)
            self._effects_ready.set()

    async def _run_effects(self) -> None:
        while True:
            await self._effects_ready.wait()
            while self._effects:
                await self._carry_out(self._effects.popleft())
            self._effects_ready.clear()

    async def _carry_out(self, effect: Effect) -> None:
        kind = effect.kind
        if kind == "log":
            self._pending_log.append((effect.height, effect.data))
        elif kind == "barrier":
            await self._sync_log()
        elif kind == "send":
            if effect.to is None:
                self._network.broadcast(Channel.CONSENSUS, Kind.CONSENSUS_MESSAGE, effect.data)
            else:
                self._network.send(effect.to, Channel.CONSENSUS, Kind.CONSENSUS_MESSAGE, effect.data)
        elif kind == "set_timer":
            self._set_timer(effect.timer_id, effect.generation, effect.ms)
        elif kind == "cancel_timer":
            handle = self._timers.pop(effect.timer_id, None)
            if handle is not None:
                handle.cancel()
        elif kind == "get_value":
            self._propose(effect.height, effect.round)
        elif kind == "validate":
            self._validate(effect)
        elif kind == "decide":
            await self._decide(effect)
        elif kind == "reserve_sign_floor":
            await self._in_log_thread(self._sign_state.reserve, effect.height)
        elif kind == "peer_fault":
            log.warning("peer fault", peer=(effect.to or b"").hex(), code=effect.code, name=name_of(effect.code))
            if effect.to is not None:
                self._network.punish(effect.to, effect.code)
        elif kind == "evidence":
            log.error("equivocation evidence", height=effect.height, evidence=effect.data.hex())
        elif kind == "halt":
            found = await self._proposals.differences.noticed(self._tip.height)
            raise FatalError(
                name_of(effect.code),
                f"{effect.reason}; results of height {self._tip.height}: {found}" if found else effect.reason,
            )
        else:
            raise FatalError("ENGINE_FAILED", f"effect: got kind {kind!r}")

    async def _sync_log(self) -> None:
        # Records of later steps that wait already ride along: in the log they stand in the same order, and the barrier before their
        # effects then finds nothing to do.
        rest = [effect for effect in self._effects if effect.kind != "log"]
        if len(rest) < len(self._effects):
            self._pending_log += [(e.height, e.data) for e in self._effects if e.kind == "log"]
            self._effects = deque(rest)
        if not self._pending_log:
            return
        records, self._pending_log = self._pending_log, []
        await self._in_log_thread(self._write_log, records)

    def _write_log(self, records: list[tuple[int, bytes]]) -> None:
        for height, record in records:
            self._log.append(height, record)
        self._log.sync()
        self._metrics.fsyncs.labels("consensus_log").inc()

    async def _in_log_thread(self, call: Callable[..., None], *args: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._log_thread, call, *args)

    def _set_timer(self, timer_id: int, generation: int, ms: int) -> None:
        old = self._timers.pop(timer_id, None)
        if old is not None:
            old.cancel()

        def fire() -> None:
            self._timers.pop(timer_id, None)
            self._take(self._engine.timer(timer_id, generation))

        self._timers[timer_id] = asyncio.get_running_loop().call_later(ms / 1000, fire)

    # -------------------------------------------------------------- values
    def _propose(self, height: int, round_: int) -> None:
        if self._proposing is not None:
            self._proposing.cancel()

        self._pace_of.proposed()

        async def run() -> None:
            value = await self._proposals.build(
                height, self._tip, must_wait=not self._results_open, tx_count_max=self._pace_of.tx_count_max()
            )
            self._take(self._engine.propose(height, round_, value))

        self._proposing = asyncio.create_task(guarded(run, self._on_fatal), name=f"propose {height}/{round_}")

    def _validate(self, effect: Effect) -> None:
        if effect.block_hash in self._validations:
            return
        tip, height, block_hash, value = self._tip, effect.height, effect.block_hash, effect.data
        proposer = effect.to or b""
        self._pace_of.proposed()

        async def run() -> None:
            code = await self._proposals.check(height, value, tip, proposer)
            if code:
                log.warning("proposal refused", height=height, code=code, name=name_of(code), proposer=proposer.hex())
            self._take(self._engine.validity(height, block_hash, code == 0))

        task = asyncio.create_task(guarded(run, self._on_fatal), name=f"validate {height}")
        self._validations[block_hash] = task
        task.add_done_callback(lambda _: self._validations.pop(block_hash, None))

    async def _decide(self, effect: Effect) -> None:
        if effect.height != self._tip.height + 1:
            raise FatalError("ENGINE_FAILED", f"decided height: got {effect.height}, want {self._tip.height + 1}")
        for task in list(self._validations.values()):
            task.cancel()
        if self._proposing is not None:
            self._proposing.cancel()
            self._proposing = None
        decided = await self._proposals.resolve(effect, self._tip)
        self._order.note(effect.height, decided.proposer)
        if (proposed_at := self._pace_of.proposed_at) is not None:
            self._proposals.batches.observe_wait(decided.batches, proposed_at)
            self._metrics.stage.labels("decide").observe(time.monotonic() - proposed_at)
        before, self._tip = self._tip, await self._execute(decided)
        self._pace_of.executed(decided.tx_count)
        self._results_open = decided.tx_count > 0 or self._tip.state_root != before.state_root
        async with self._decided:
            self._decided.notify_all()
        self._woken.set()
