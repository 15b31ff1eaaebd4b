"""Wires the rooms of one node. The only place that knows them all.

Order of start: storage → accounts and tree → blocks of the block log once more → data plane → consensus (replay) → sync → network →
gateway. Stop runs backwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
from hnnode_native import (
    Accounts,
    Batch,
    DispatchTable,
    Engine,
    NativeError,
    Pool,
    SecretKey,
    Value,
    account_of,
    empty_root,
    verify_batches,
)

from hnnode import __version__
from hnnode.config import Config, load_config
from hnnode.consensus.driver import ConsensusDriver
from hnnode.consensus.order import ProposerOrder
from hnnode.consensus.proposals import Proposals
from hnnode.crypto.keys import read_key_file
from hnnode.errors import ConfigError, Unavailable
from hnnode.events import EventFeed
from hnnode.execution import Host, application_prefix
from hnnode.mempool.batches import BatchBuffer
from hnnode.mempool.mempool import Mempool
from hnnode.metrics import Metrics
from hnnode.node.block_work import BlockWork, load_tree
from hnnode.node.genesis import Genesis, load_genesis
from hnnode.node.interpreter import background_gives_way, give_way
from hnnode.node.loop_profile import name_threads
from hnnode.node.pipeline import Pipeline
from hnnode.node.redo import redo_blocks
from hnnode.ports import Channel, HeldBatch, Kind, Network, NodeFacts, PeerAddress, PeerInfo, Tip
from hnnode.proofs import ProofBuilder
from hnnode.storage import Home, Storage, disk_free_bytes, open_storage, segment_to_recover
from hnnode.sync.blocks import BlockSync

log = structlog.get_logger("node")

ADMISSION_THREADS = 2
VERIFY_THREADS = 2
ACCOUNT_PAGE = 10_000
DISK_CHECK_S = 5.0
LAG_CHECK_S = 0.05
LAG_CHECK_IDLE_S = 0.5
IDLE_S = 5.0
"""Without a block for this long the node looks at its own delay less often."""
FRAME_OVERHEAD_BYTES = 256 * 1024


NetworkFactory = Callable[[Config, bytes, SecretKey, Metrics], Network]
"""(configuration, chain id, node key, metrics) → the node's links to its peers."""


class ChainNode:
    """One running node; implements `ports.Node`. Construct, `await start()`, later `await stop()`."""

    def __init__(
        self, home: Home, on_fatal: Callable[[BaseException], None], make_network: NetworkFactory | None = None
    ) -> None:
        """Opens everything on disk and builds the rooms; nothing runs yet. make_network: TCP when not given.

        Raises: ConfigError for configuration, genesis, key, plugins, ports; FatalError for storage.
        """
        self.home = home
        self.config: Config = load_config(home.config)
        home.check()
        self.genesis_facts: Genesis = load_genesis(home.genesis)
        key = read_key_file(home.key)
        self.account = key.account()
        self.metrics = Metrics()
        self._on_fatal = on_fatal
        self._make_network = make_network or tcp_network
        self._started_at = time.monotonic()
        self._stopping = False
        self._loop_lag_s = 0.0
        self._disk_free = disk_free_bytes(home.root)
        self._tasks: list[asyncio.Task[None]] = []
        host = self._load_plugins()
        self.applications = host.node_applications()
        self.storage: Storage = open_storage(home, self.config.storage)
        try:
            self._build(key, host)
        except BaseException:
            self.storage.close()
            raise

    def _load_plugins(self) -> Host:
        facts = self.genesis_facts
        host = Host.load(facts.file.applications)
        if host.plugins_hash().hex() != facts.file.plugins_hash:
            installed = ", ".join(sorted({f"{e[0]} {e[1]}" for e in host.plugin_entries()}))
            raise ConfigError(
                "PLUGIN_SET_INVALID",
                f"plugins installed here ({installed}) are not those of the genesis: got hash {host.plugins_hash().hex()}, "
                f"want {facts.file.plugins_hash}",
            )
        if facts.file.block_bytes_max + FRAME_OVERHEAD_BYTES > self.config.network.frame_bytes_max:
            raise ConfigError(
                "CONFIG_INVALID",
                f"network.frame_bytes_max: got {self.config.network.frame_bytes_max}, want at least "
                f"{facts.file.block_bytes_max + FRAME_OVERHEAD_BYTES} (a whole block fits one frame)",
            )
        return host

    def _build(self, key: SecretKey, host: Host) -> None:
        config, facts, metrics = self.config, self.genesis_facts, self.metrics
        chain_id, validators = facts.chain_id, facts.validators
        database = self.chain = self.storage.database
        if database.is_empty():
            self._write_genesis()
        elif database.genesis() != facts.encoding:
            raise ConfigError("GENESIS_INVALID", f"{self.home.genesis}: the data of this home belong to another chain")
        # Apart from each other, so that a crowd at the door never holds up peers' batches, nor those the consensus.
        self.admission_threads = ThreadPoolExecutor(ADMISSION_THREADS, "admission", initializer=give_way)
        self.verify_threads = ThreadPoolExecutor(VERIFY_THREADS, "verify")
        self.hash_thread = ThreadPoolExecutor(1, "hash")
        self.execution_thread = ThreadPoolExecutor(1, "execution")
        self.storage_thread = ThreadPoolExecutor(1, "storage")
        self.batch_thread = ThreadPoolExecutor(1, "batch-log")
        self.log_thread = ThreadPoolExecutor(1, "consensus-log")
        accounts = self._load_accounts()
        work = BlockWork(
            chain_id=chain_id,
            valid_blocks_max=facts.file.valid_blocks_max,
            database=database,
            tree=load_tree(config.storage.tree_cache_bytes, database),
            accounts=accounts,
            dispatch=DispatchTable(host.foreign()),
            executor=host.executor(),
            metrics=metrics,
        )
        self._redone_count = redo_blocks(self.storage, work)
        pool = Pool(
            chain_id,
            config.mempool.pool_bytes_max,
            config.mempool.pool_tx_count_max,
            config.mempool.account_bytes_max,
            config.mempool.batch_tx_count_max,
            config.mempool.batch_bytes_max,
            facts.file.valid_blocks_max,
            config.mempool.requeue_blocks,
        )
        self.network = self._make_network(config, chain_id, key, metrics)
        self.batches = BatchBuffer(
            config=config.mempool,
            chain_id=chain_id,
            account=self.account,
            validators=validators,
            accounts=accounts,
            pool=pool,
            batch_log=self.storage.batch_log,
            network=self.network,
            metrics=metrics,
            verify_threads=self.verify_threads,
            disk_thread=self.batch_thread,
            on_fatal=self._on_fatal,
        )
        self._restore_batches(accounts, pool)
        self.pipeline = Pipeline(
            work=work,
            database=database,
            accounts=accounts,
            pool=pool,
            batches=self.batches,
            consensus_log=self.storage.consensus_log,
            metrics=metrics,
            execution_thread=self.execution_thread,
            storage_thread=self.storage_thread,
            on_fatal=self._on_fatal,
        )
        is_validator = validators.index_of(self.account) is not None
        proposals = Proposals(
            config=config.consensus,
            chain_id=chain_id,
            account=self.account,
            validators=validators,
            accounts=accounts,
            plugins_hash=bytes.fromhex(facts.file.plugins_hash),
            block_bytes_max=facts.file.block_bytes_max,
            block_tx_count_max=facts.file.block_tx_count_max,
            batches=self.batches,
            now_ms=_now_ms,
            hash_threads=self.hash_thread,
        )
        tip = database.tip()
        tip_block = database.block(tip.height)
        self.consensus = ConsensusDriver(
            config=config.consensus,
            engine=self._engine(key if is_validator else None),
            validators=validators,
            network=self.network,
            proposals=proposals,
            consensus_log=self.storage.consensus_log,
            sign_state=self.storage.sign_state,
            log_thread=self.log_thread,
            metrics=metrics,
            order=self._proposer_order(tip),
            tip=tip,
            tip_block=None if tip_block is None else (tip_block.value, tip_block.certificate),
            results_open=tip_block is not None and tip_block.tx_count > 0,
            execute=self.pipeline.execute,
            batches_waiting=self.batches.waiting,
            txs_ready=self.batches.ready_tx_count,
            on_fatal=self._on_fatal,
        )
        self.batches.on_change(self.consensus.on_batches)
        self.mempool = Mempool(
            config=config.mempool,
            chain_id=chain_id,
            key=key,
            validator=is_validator,
            accounts=accounts,
            pool=pool,
            chain=database,
            batches=self.batches,
            metrics=metrics,
            verify_threads=self.admission_threads,
            # Wall-clock microseconds: above every seq of an earlier run, also when its last batches were lost.
            seq_start=max(
                int(time.time() * 1e6), 1 + max((seq for a, seq in self._own_seqs() if a == self.account), default=0)
            ),
            open_for_writes=self._open_for_writes,
            on_fatal=self._on_fatal,
        )
        self.pipeline.attach(self.mempool)
        self.events = EventFeed(database)
        self.pipeline.on_commit(self.events.on_commit)
        self.proofs = ProofBuilder(database, facts.encoding, validators.encode())
        self.sync = BlockSync(
            config=config.sync,
            chain_id=chain_id,
            validators=validators,
            accounts=accounts,
            chain=database,
            batches=self.batches,
            applier=self.consensus,
            network=self.network,
            metrics=metrics,
            verify_threads=self.verify_threads,
            on_fatal=self._on_fatal,
        )
        self.batches.on_other_bulk(self.sync.on_bulk)
        self.network.on_frames(Channel.CONSENSUS, self._on_consensus_frames)
        self.network.on_peer(self.sync.on_peer)
        self.network.on_peer(self.batches.on_peer)
        self._pool = pool

    # -------------------------------------------------------------- opening
    def _write_genesis(self) -> None:
        facts = self.genesis_facts
        tip = Tip(0, facts.chain_id, facts.file.time_ms, empty_root(), facts.state_root, empty_root())
        self.chain.write_genesis(tip, facts.encoding, facts.validators.encode(), facts.writes, facts.pages)

    def _load_accounts(self) -> Accounts:
        accounts = Accounts(self.config.key_cache_bytes)
        prefix = application_prefix("identity")
        state = self.chain.pending_state()
        records: list[tuple[bytes, bytes]] = []
        after: bytes | None = None
        while rows := state.scan(prefix, after, ACCOUNT_PAGE):
            records += [(key[len(prefix) :], value) for key, value in rows]
            after = rows[-1][0]
        accounts.load(records)
        return accounts

    def _own_seqs(self) -> list[tuple[bytes, int]]:
        return [*self.chain.author_seqs().items(), *((h.batch.author, h.batch.seq) for h in self.batches.held())]

    def _restore_batches(self, accounts: Accounts, pool: Pool) -> None:
        """Batches that were durable and not committed when the node stopped: verified again, because the accounts may have changed."""
        config = self.config
        in_flight = config.mempool.author_bytes_max * len(self.genesis_facts.validators.validators)
        start = segment_to_recover(self.storage.batch_log, config.storage.segment_bytes, in_flight)
        seqs = self.chain.author_seqs()
        found = []
        for location, data in self.storage.batch_log.recover(start, self.chain.batches_committed):
            try:
                batch = Batch.decode(data)
            except NativeError:
                continue
            if batch.seq > seqs.get(batch.author, -1):
                found.append(HeldBatch(batch, location))
        codes = verify_batches(
            [h.batch for h in found], self.genesis_facts.chain_id, self.genesis_facts.validators, accounts, pool
        )
        self.batches.restore([h for h, code in zip(found, codes, strict=True) if code == 0], seqs.items())

    def _engine(self, key: SecretKey | None) -> Engine:
        c = self.config.consensus
        return Engine(
            self.genesis_facts.chain_id,
            key,
            self.storage.sign_floor,
            c.propose_ms,
            c.propose_step_ms,
            c.vote_ms,
            c.vote_step_ms,
            c.rebroadcast_ms,
            c.cap_ms,
        )

    def _proposer_order(self, tip: Tip) -> ProposerOrder:
        order = ProposerOrder(self.genesis_facts.validators)
        for height in range(max(1, order.cycle_start(tip.height)), tip.height + 1):
            order.note(height, self._proposer_of(height))
        return order

    def _proposer_of(self, height: int) -> bytes:
        block = self.chain.block(height)
        if block is None:
            raise ConfigError("CONFIG_INVALID", f"block {height} is missing below the tip")
        return Value.decode(block.value).header.proposer

    # -------------------------------------------------------------- life
    async def start(self) -> None:
        self.batches.start()
        await self.network.start()
        self.consensus.start(list(self.storage.consensus_log.records(self.chain.tip().height)))
        self.mempool.start()
        self.sync.start()
        self._tasks = [
            asyncio.create_task(self._guarded(self._watch), name="watch"),
            asyncio.create_task(self._lag(), name="lag"),
        ]
        if self.storage.log_replaced:
            log.warning("the consensus log was lost or is an older copy; it was begun anew")
        log.info(
            "node started",
            name=self.config.name,
            height=self.chain.tip().height,
            account=self.account.hex(),
            blocks_executed_again=self._redone_count,
        )

    async def stop(self) -> None:
        """Stop in order; what was acknowledged is durable already."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.events.close()
        await self.mempool.stop()
        await self.sync.stop()
        await self.consensus.stop()
        await self.batches.stop()
        await self.pipeline.drain()
        await self.network.stop()
        pools = (
            self.admission_threads,
            self.verify_threads,
            self.hash_thread,
            self.execution_thread,
            self.storage_thread,
            self.batch_thread,
            self.log_thread,
        )
        await asyncio.gather(*(asyncio.to_thread(pool.shutdown) for pool in pools))
        self.storage.close()
        log.info("node stopped", name=self.config.name)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._on_fatal(e)
            raise

    async def _watch(self) -> None:
        seen: set[str] = set()
        while True:
            self._disk_free = await asyncio.to_thread(disk_free_bytes, self.home.root)
            m = self.metrics
            m.disk_free.set(self._disk_free)
            m.pool_txs.set(self._pool.count())
            m.pool_bytes.set(self._pool.bytes_used())
            m.peers.set(len(self.network.connected()))
            for figure, count in self.network.figures().items():
                m.network.labels(figure).set(count)
            m.commit_age.set(time.monotonic() - self.pipeline.last_commit_at)
            stats = self.consensus.stats()
            m.round.set(int(stats["round"]))
            m.votes_verified.set(int(stats["verified"]))
            background_gives_way(seen)
            await asyncio.sleep(DISK_CHECK_S)

    async def _lag(self) -> None:
        named: set[int] = set()
        while True:
            name_threads(named)  # pools start their threads when they are first used
            before = time.monotonic()
            is_idle = before - self.pipeline.last_commit_at > IDLE_S
            pause_s = LAG_CHECK_IDLE_S if is_idle else LAG_CHECK_S
            await asyncio.sleep(pause_s)
            self._loop_lag_s = max(0.0, time.monotonic() - before - pause_s)
            self.metrics.loop_lag.set(self._loop_lag_s)
            self.metrics.event_loop_lag.observe(self._loop_lag_s)

    # -------------------------------------------------------------- frames
    def _on_consensus_frames(self, peer: bytes, frames: Sequence[tuple[int, bytes]]) -> None:
        messages: list[tuple[bytes, bytes]] = []
        for kind, payload in frames:
            if kind == Kind.CONSENSUS_MESSAGE:
                messages.append((peer, payload))
            elif kind == Kind.BATCH_ACK:
                self.batches.on_ack(peer, payload)
            elif kind == Kind.STATUS:
                self.sync.on_status(peer, payload)
        if messages:
            self.consensus.on_frames(messages)

    def _open_for_writes(self) -> None:
        if self._stopping:
            raise Unavailable("NOT_READY", "the node is stopping")
        if self.sync.syncing:
            raise Unavailable("SYNCING", f"catching up at height {self.chain.tip().height}", retry_after_ms=1_000)
        if self._disk_free < self.config.storage.disk_free_bytes_min:
            raise Unavailable("DISK_LOW", f"{self._disk_free} bytes are free", retry_after_ms=10_000)

    # -------------------------------------------------------------- ports.Node
    def facts(self) -> NodeFacts:
        tip = self.chain.tip()
        file = self.genesis_facts.file
        return NodeFacts(
            chain_id=self.genesis_facts.chain_id,
            chain_name=file.chain_name,
            role=file.role,
            version=__version__,
            account=self.account,
            node_name=self.config.name,
            validator=self.genesis_facts.validators.index_of(self.account) is not None,
            height=tip.height,
            block_hash=tip.block_hash,
            block_time_ms=tip.time_ms,
            syncing=self.sync.syncing,
            ready=self._ready(),
            halted=self.consensus.halted,
            consensus=self.consensus.stats(),
            peers_connected=len(self.network.connected()),
            peers_known=len(self.config.peers),
            pool=self.mempool.depth(),
            disk_free_bytes=self._disk_free,
            loop_lag_ms=self._loop_lag_s * 1000,
            uptime_s=time.monotonic() - self._started_at,
        )

    def _ready(self) -> bool:
        """In step and linked with a quorum (itself included), so that a transaction given now can commit."""
        validators = self.genesis_facts.validators
        linked = {*self.network.connected(), self.account}
        power = sum(p for account, _, p in validators.validators if account in linked)
        return power >= validators.quorum and not (self.sync.syncing or self.consensus.halted or self._stopping)

    def peers(self) -> list[PeerInfo]:
        return self.network.peers()

    def validators(self) -> list[Mapping[str, Any]]:
        out: list[Mapping[str, Any]] = []
        for account, public_key, power in self.genesis_facts.validators.validators:
            seen = 0.0 if account == self.account else self.sync.last_seen_s(account)
            out.append(
                {
                    "account": account.hex(),
                    "public_key": public_key.hex(),
                    "power": power,
                    "name": self.genesis_facts.names.get(account, ""),
                    "last_seen_ms": None if seen is None else _now_ms() - int(seen * 1000),
                }
            )
        return out

    def genesis(self) -> bytes:
        return self.genesis_facts.encoding


def tcp_network(config: Config, chain_id: bytes, key: SecretKey, metrics: Metrics) -> Network:
    """Authenticated TCP links to the configured peers."""
    from hnnode.network import PeerNetwork

    return PeerNetwork(config.network, chain_id=chain_id, key=key, peers=_addresses(config), metrics=metrics)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _addresses(config: Config) -> list[PeerAddress]:
    addresses = []
    for peer in config.peers:
        try:
            public_key = bytes.fromhex(peer.public_key)
            addresses.append(PeerAddress(peer.name, account_of(public_key), public_key, peer.host, peer.port))
        except (ValueError, NativeError) as e:
            raise ConfigError("CONFIG_INVALID", f"peers: public_key of {peer.name}: {e}") from e
    return addresses


def open_node(home: Path, on_fatal: Callable[[BaseException], None]) -> ChainNode:
    """The node of a home directory."""
    return ChainNode(Home(home), on_fatal)
