"""Block sync: who is ahead, and fetching from them.

Flow: status every `status_ms` → a peer is ahead → ask for ranges → prepare several blocks at once (check, batches durable) → in order:
header on the own tip → consensus engine → execution. While one block executes, the next ones are asked for and prepared. One loop moves
consensus → sync → consensus at any time; a gap of one height is given a moment first, because consensus usually closes it by itself.

Invariants:
1. A peer's height is a claim: only a block with a valid commit certificate moves this node.
2. A certified block that breaks a rule here stops the node; one without a valid certificate costs the peer that sent it.
3. Memory is bounded: one request at a time, whose answer ends at `response_bytes_max`, 64 MiB of answers that wait, and at most
   `CHECKED_AHEAD_MAX` checked blocks.
4. Nothing is written for a peer but what a certificate covers: header, batch list, batches, bodies; and skip records with a quorum.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from hnnode_native import Accounts, Batch, ValidatorSet, Value

from hnnode.config import SyncConfig
from hnnode.errors import CODES, FatalError, PeerFault, name_of
from hnnode.metrics import Metrics
from hnnode.ports import Batches, BlockApplier, Chain, Channel, Kind, Network, ResultDifferences, SkipRecords
from hnnode.primitives.guard import guarded
from hnnode.sync.check import CONTENT_CODES, BlockCheck
from hnnode.sync.frames import REQUEST_BLOCKS_MAX, BlockRequest, BlockResponse, Status
from hnnode.sync.results import ResultsExchange
from hnnode.sync.serving import BlockServing
from hnnode.sync.waiting import WaitingResponses

log = structlog.get_logger("sync")

GAP_PATIENCE_S = 1.0
"""How long a gap of one height is left to consensus."""
CHECKED_AHEAD_MAX = 4
"""Blocks that are being prepared or wait for the one before them to be executed."""
QUIET_TURNS = 4
"""A status that says nothing new, at rest between blocks, is sent at every fourth turn only."""
HEADER_RESULTS = CODES["HEADER_RESULTS"]


class BlockSync:
    """See the module. Everything but checking and disk reads runs on the event loop."""

    def __init__(
        self,
        *,
        config: SyncConfig,
        chain_id: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        block_bytes_max: int,
        chain: Chain,
        batches: Batches,
        applier: BlockApplier,
        network: Network,
        metrics: Metrics,
        results: ResultsExchange,
        differences: ResultDifferences,
        skips: SkipRecords,
        verify_threads: ThreadPoolExecutor,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._config = config
        self._validators = validators
        self._chain = chain
        self._batches = batches
        self._applier = applier
        self._network = network
        self._metrics = metrics
        self._results = results
        self._differences = differences
        self._verify_threads = verify_threads
        self._on_fatal = on_fatal
        self._heights: dict[bytes, int] = {}
        self._seen_at: dict[bytes, float] = {}
        self._responses = WaitingResponses()
        self._asked: bytes | None = None
        self._asked_height = 0
        self._behind_since: float | None = None
        self._claimed = asyncio.Event()
        self._skips = skips
        self._serving = BlockServing(config, chain, network, metrics, skips)
        checks = BlockCheck(chain_id, validators, accounts, block_bytes_max, skips)
        self._check, self._adopt_skips = checks.check, checks.adopt_skips
        self._tasks: list[asyncio.Task[None]] = []
        self._random = random.Random(chain_id)
        self.syncing = False

    def start(self) -> None:
        for work, name in ((self._gossip, "status"), (self._run, "sync")):
            self._tasks.append(asyncio.create_task(guarded(work, self._on_fatal), name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._serving.stop()
        await self._results.stop()

    # -------------------------------------------------------------- status
    async def _gossip(self) -> None:
        turns, told = 0, None
        while True:
            status = self._status()
            # Links lose nothing while they stand, and a new one begins with a status: between blocks every peer knows this one.
            if status != told or status.height > status.committed or turns % QUIET_TURNS == 0:
                self._network.broadcast(Channel.CONSENSUS, Kind.STATUS, status.encode())
                turns, told = 0, status
            turns += 1
            await asyncio.sleep(self._config.status_ms / 1000)

    def _status(self) -> Status:
        stats = self._applier.stats()
        return Status(self._chain.tip().height, int(stats["height"]), int(stats["round"]))

    def on_status(self, peer: bytes, payload: bytes) -> None:
        status = Status.decode(payload)
        if status is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        self._heights[peer] = status.committed
        self._seen_at[peer] = time.monotonic()
        # While it waits for consensus to bring the next block itself, only a higher claim is news.
        if status.committed > self._applier.tip.height + (self._behind_since is not None):
            self._claimed.set()
        self._applier.on_peer_height(peer, status.height, status.round)

    def on_peer(self, peer: bytes, connected: bool) -> None:
        if connected:
            self._claimed.set()  # it may have claimed a height before both of its links were there
            self._network.send(peer, Channel.CONSENSUS, Kind.STATUS, self._status().encode())
        else:
            self._heights.pop(peer, None)

    def last_seen_s(self, peer: bytes) -> float | None:
        """Seconds since the peer's last status."""
        at = self._seen_at.get(peer)
        return None if at is None else time.monotonic() - at

    # -------------------------------------------------------------- frames
    def on_bulk(self, peer: bytes, kind: int, payload: bytes) -> None:
        if kind == Kind.BLOCK_REQUEST:
            self._serving.on_request(peer, payload)
        elif kind == Kind.BLOCK_RESPONSE:
            self._on_response(peer, payload)
        elif kind == Kind.RESULTS_REQUEST:
            self._results.on_request(peer, payload)
        elif kind == Kind.RESULTS_RESPONSE:
            self._results.on_response(peer, payload)
        else:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])

    # -------------------------------------------------------------- fetching
    def _on_response(self, peer: bytes, payload: bytes) -> None:
        response = BlockResponse.decode(payload)
        if response is None:
            self._network.punish(peer, CODES["FRAME_MALFORMED"])
            return
        if peer == self._asked and not self._responses.put(response, len(payload)):
            self._metrics.dropped.labels("block_response").inc()

    async def _run(self) -> None:
        while True:
            peer = self._peer_ahead()
            if peer is None:
                self._set_syncing(False)
                await self._news()
                continue
            self._set_syncing(self._height_of_some_honest() > self._applier.tip.height + 1)
            try:
                await self._fetch_from(peer)
            except PeerFault as fault:
                log.warning("sync peer fault", peer=peer.hex(), code=fault.code, detail=fault.detail)
                self._heights.pop(peer, None)
                self._network.punish(peer, fault.code)
            finally:
                self._asked = None

    async def _news(self) -> None:
        """Until a peer claims a height to look at; while one is ahead, half a status interval at most."""
        turns = QUIET_TURNS if self._behind_since is None else 0.5
        self._claimed.clear()
        try:
            async with asyncio.timeout(turns * self._config.status_ms / 1000):
                await self._claimed.wait()
        except TimeoutError:
            pass

    def _set_syncing(self, syncing: bool) -> None:
        if syncing != self.syncing:
            log.info("catching up" if syncing else "caught up", height=self._applier.tip.height)
            self.syncing = syncing
            self._metrics.syncing.set(int(syncing))

    def _height_of_some_honest(self) -> int:
        """Highest height that validators with more than a third of the power claim: at least one of them is honest."""
        power = 0
        claims = sorted(
            ((self._heights[a], p) for a, _, p in self._validators.validators if a in self._heights), reverse=True
        )
        for height, weight in claims:
            power += weight
            if 3 * power > self._validators.total_power:
                return height
        return 0

    def _peer_ahead(self) -> bytes | None:
        own = self._applier.tip.height
        connected = set(self._network.connected())
        ahead = {p: h for p, h in self._heights.items() if h > own and p in connected}
        if not ahead:
            self._behind_since = None
            return None
        if max(ahead.values()) == own + 1:
            now = time.monotonic()
            if self._behind_since is None:
                self._behind_since = now
            if now - self._behind_since < GAP_PATIENCE_S:
                return None
        return self._random.choice(sorted(ahead))

    async def _fetch_from(self, peer: bytes) -> None:
        """Fetch and apply what the peer claims, until it ends or falls silent. Raises PeerFault for what it did wrong."""
        ahead: asyncio.Queue[tuple[BlockResponse, asyncio.Task[list[Batch]]] | None] = asyncio.Queue(CHECKED_AHEAD_MAX)
        receiving = asyncio.create_task(self._receive(peer, ahead), name="sync receive")
        try:
            while (item := await ahead.get()) is not None:
                response, check = item
                if not await self._apply(response, await check):
                    return
                self._behind_since = None
            await receiving
        finally:
            receiving.cancel()
            while not ahead.empty():
                left = ahead.get_nowait()
                if left is not None:
                    left[1].cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(
        self, peer: bytes, ahead: asyncio.Queue[tuple[BlockResponse, asyncio.Task[list[Batch]]] | None]
    ) -> None:
        """Ask for one range after the other and start the check of each block; None ends the queue, also when this fails."""
        check: asyncio.Task[list[Batch]] | None = None
        before: asyncio.Task[list[Batch]] | None = None
        try:
            self._responses.clear()
            self._asked = peer
            height = self._applier.tip.height + 1
            while (last := self._heights.get(peer, 0)) >= height:
                first = height = max(height, self._applier.tip.height + 1)
                count = min(self._config.blocks_ahead_max, REQUEST_BLOCKS_MAX, last - first + 1)
                self._network.send(peer, Channel.BULK, Kind.BLOCK_REQUEST, BlockRequest(first, count).encode())
                while height < first + count:
                    response = await self._response(height, first)
                    if response is None:
                        return
                    if not response.value:
                        break  # the peer ended its answer: ask again from here
                    check = asyncio.create_task(self._prepared(response, before), name=f"sync check {response.height}")
                    check.add_done_callback(_retrieve)
                    await ahead.put((response, check))
                    before, check, height = check, None, response.height + 1
        finally:
            if check is not None:
                check.cancel()
            if not asyncio.current_task().cancelling():  # type: ignore[union-attr]
                await ahead.put(None)

    async def _response(self, height: int, first: int) -> BlockResponse | None:
        """The answer for `height`, or a later one that consensus left to fetch; None when the peer is silent."""
        try:
            # One patience for all of it: what answers an earlier request passes by and buys no time.
            async with asyncio.timeout(self._config.request_ms / 1000):
                while (response := await self._responses.get()).height < height:
                    pass
        except TimeoutError:
            if height == first and self._asked is not None:
                self._heights.pop(self._asked, None)  # silent or slow: ask another one until its next status
            return None
        if response.height > height:
            if self._responses.has_dropped(height) and self._asked is not None:
                self._heights.pop(
                    self._asked, None
                )  # it sends more than is held here: ask another one until its next status
                return None
            raise PeerFault("SYNC_PEER_FAULT", f"block response: got height {response.height}, want {height}")
        if not response.value and height == first and height > self._applier.tip.height:
            raise PeerFault("SYNC_PEER_FAULT", f"block response: got none for height {height}, which the peer claims")
        return response

    async def _prepared(self, response: BlockResponse, before: asyncio.Task[list[Batch]] | None = None) -> list[Batch]:
        """Check one block, make its batches durable and keep its skip records, while the blocks before it are executed.

        before: the same of the block before. Its records are kept when the certificate of this one shows that the validators decided:
        whoever waits for one of the two must see the record first.
        """
        loop = asyncio.get_running_loop()
        batches = await loop.run_in_executor(self._verify_threads, self._check, response)
        if response.height > self._applier.tip.height:
            await self._batches.store(batches, acknowledge=False)
        if response.skips:
            await loop.run_in_executor(self._verify_threads, self._adopt_skips, response)
        if before is not None:
            await asyncio.wait((before,))
        if before is None or not (before.cancelled() or before.exception()):
            self._skips.certified(response.height)
        return batches

    async def _apply(self, response: BlockResponse, batches: list[Batch]) -> bool:
        """Execute one checked block. False when it could not be executed in time: then nothing may be built on it yet."""
        height = response.height
        if height != self._applier.tip.height + 1:
            return True  # consensus committed it while it was being checked, so it no longer stands on the tip
        code = self._applier.check_decided(height, response.value)
        if code in CONTENT_CODES:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: content is not the certified one: {name_of(code)}")
        if code:
            # A quorum certified this block, so this node's own state must be wrong.
            if code == HEADER_RESULTS:
                header = Value.decode(response.value).header
                found = await self._differences.explain(height - 1, (header.receipts_root, header.state_root))
                raise FatalError("STATE_ROOT_MISMATCH", f"results of height {height - 1} are not the quorum's: {found}")
            raise FatalError(
                "INVALID_VALUE_DECIDED", f"certified block breaks a rule here: {name_of(code)} (height={height})"
            )
        # They are held by now, unless their author's quota was full and a block since let go what is beyond it.
        await self._batches.store(batches, acknowledge=False)
        if await self._applier.apply_synced(
            height, response.value, response.certificate, self._config.request_ms / 1000
        ):
            return True
        log.warning("synced block was not executed in time", height=height)
        return False


def _retrieve(task: asyncio.Task[list[Batch]]) -> None:
    """A check whose result nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
