"""Wires the rooms of one node. The only place that knows them all.

Order of start: storage → accounts and tree → blocks of the block log once more → data plane → consensus (replay) → sync → network →
gateway. Stop runs backwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from hnnode_native import Pool, SecretKey

from hnnode import __version__
from hnnode.config import Config, load_config
from hnnode.consensus.driver import ConsensusDriver
from hnnode.consensus.proposals import Proposals
from hnnode.crypto.keys import read_key_file
from hnnode.errors import Unavailable
from hnnode.events import EventFeed
from hnnode.execution import NodeApplications
from hnnode.governance import PluginSets, PluginSources, PluginStore, Skips, make_host
from hnnode.mempool.batches import BatchBuffer
from hnnode.mempool.mempool import Mempool
from hnnode.mempool.personal import PersonalDoor
from hnnode.metrics import Metrics
from hnnode.node.block_work import BlockWork, load_tree
from hnnode.node.differences import Differences
from hnnode.node.genesis import Genesis, load_genesis
from hnnode.node.health import Health
from hnnode.node.links import tcp_network
from hnnode.node.memory import Memory
from hnnode.node.opening import (
    check_frames,
    frame_bytes_of,
    has_open_results,
    load_accounts,
    load_plugins,
    make_engine,
    open_chain,
    proposer_order,
    waiting_batches,
)
from hnnode.node.pipeline import Pipeline
from hnnode.node.redo import redo_blocks
from hnnode.node.skip_desk import SkipDesk
from hnnode.node.threads import Threads
from hnnode.ports import Channel, Kind, Network, NodeFacts, PeerInfo
from hnnode.proofs import ProofBuilder
from hnnode.storage import Home, Storage, open_storage
from hnnode.sync.blocks import BlockSync
from hnnode.sync.results import RecentResults, ResultsExchange

log = structlog.get_logger("node")

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
        check_frames(self.genesis_facts, self.config.network.frame_bytes_max)
        execution, ended = self.config.execution, self.metrics.plugin_processes_ended
        self.plugins = PluginSets(
            PluginSources(PluginStore(home.root), execution),
            self.genesis_facts.validators,
            partial(make_host, execution=execution, on_process_end=lambda name: ended.labels(name).inc()),
        )
        self.storage: Storage = open_storage(home, self.config.storage)
        try:
            self._build(key)
        except BaseException:
            self.plugins.close()
            self.storage.close()
            raise

    def _build(self, key: SecretKey) -> None:
        config, facts, metrics = self.config, self.genesis_facts, self.metrics
        chain_id, validators = facts.chain_id, facts.validators
        database = self.chain = self.storage.database
        open_chain(database, facts, self.home.genesis)
        metrics.storage_busy.set_function(database.is_busy)
        load_plugins(self.plugins, database, facts)
        threads = self.threads = Threads()
        accounts = load_accounts(database, config.key_cache_bytes)
        recent, tree = RecentResults(), load_tree(config.storage.tree_cache_bytes, database)
        skips = self._skips = Skips(self.home.skips, chain_id, validators)
        work = BlockWork(
            chain_id=chain_id,
            valid_blocks_max=facts.file.valid_blocks_max,
            database=database,
            tree=tree,
            accounts=accounts,
            plugins=self.plugins,
            metrics=metrics,
            recent=recent,
            skips=skips,
        )
        self._redone_count = redo_blocks(self.storage, work)
        skips.executed(database.pending_height())
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
        exchange = ResultsExchange(self.network, recent, frame_bytes_of(facts))
        self._differences = Differences(
            directory=self.home.differences,
            recent=recent,
            exchange=exchange,
            connected=self.network.connected,
            metrics=metrics,
        )
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
            verify_threads=threads.verify,
            disk_thread=threads.batch_log,
            on_fatal=self._on_fatal,
        )
        waiting = waiting_batches(self.storage, config, facts, accounts, pool)
        self.batches.restore(waiting, database.author_seqs().items())
        self.pipeline = Pipeline(
            work=work,
            database=database,
            accounts=accounts,
            pool=pool,
            batches=self.batches,
            consensus_log=self.storage.consensus_log,
            metrics=metrics,
            execution_thread=threads.execution,
            storage_thread=threads.storage,
            on_fatal=self._on_fatal,
        )
        is_validator = validators.index_of(self.account) is not None
        proposals = Proposals(
            config=config.consensus,
            chain_id=chain_id,
            account=self.account,
            validators=validators,
            accounts=accounts,
            plugins_hash=self.plugins.plugins_hash,
            block_bytes_max=facts.file.block_bytes_max,
            block_tx_count_max=facts.file.block_tx_count_max,
            batches=self.batches,
            now_ms=_now_ms,
            hash_threads=threads.hash,
            differences=self._differences,
        )
        tip = database.tip()
        tip_block = database.block(tip.height)
        self.consensus = ConsensusDriver(
            config=config.consensus,
            engine=make_engine(config.consensus, chain_id, key if is_validator else None, self.storage.sign_floor),
            validators=validators,
            network=self.network,
            proposals=proposals,
            consensus_log=self.storage.consensus_log,
            sign_state=self.storage.sign_state,
            log_thread=threads.consensus_log,
            metrics=metrics,
            order=proposer_order(database, validators, tip),
            tip=tip,
            tip_block=None if tip_block is None else (tip_block.value, tip_block.certificate),
            results_open=has_open_results(tip, tip_block),
            execute=self.pipeline.execute,
            batches_waiting=self.batches.waiting,
            block_bytes_max=facts.file.block_bytes_max,
            ready=self.batches.ready,
            wants_block=self.plugins.wants_block,
            next_due_ms=self.pipeline.next_due_ms,
            now_ms=_now_ms,
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
            personal=PersonalDoor(lambda: self.applications) if config.mempool.refuse_personal else None,
            batches=self.batches,
            metrics=metrics,
            verify_threads=threads.admission,
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
            block_bytes_max=facts.file.block_bytes_max,
            chain=database,
            batches=self.batches,
            applier=self.consensus,
            network=self.network,
            metrics=metrics,
            results=exchange,
            differences=self._differences,
            skips=skips,
            verify_threads=threads.verify,
            on_fatal=self._on_fatal,
        )
        self.batches.on_other_bulk(self.sync.on_bulk)
        self.network.on_frames(Channel.CONSENSUS, self._on_consensus_frames)
        self.network.on_peer(self.sync.on_peer)
        self.network.on_peer(self.batches.on_peer)
        self._health = Health(
            root=self.home.root,
            metrics=metrics,
            pool=pool,
            network=self.network,
            pipeline=self.pipeline,
            consensus=self.consensus,
            memory=Memory(config, len(validators.validators), database, tree, pool, self.batches),
            on_fatal=self._on_fatal,
        )
        self._skip_desk = SkipDesk(
            home=self.home,
            skips=skips,
            key=key if is_validator else None,
            hang_ms=config.execution.hang_ms,
            standing=lambda: self.plugins.running.standing(),
            open_height=lambda: self.consensus.open_height,
            may_vote=lambda: bool(self.consensus.stats()["signing"]),
            on_fatal=self._on_fatal,
        )

    def _own_seqs(self) -> list[tuple[bytes, int]]:
        return [*self.chain.author_seqs().items(), *((h.batch.author, h.batch.seq) for h in self.batches.held())]

    # -------------------------------------------------------------- life
    async def start(self) -> None:
        self.batches.start()
        await self.network.start()
        self.consensus.start(list(self.storage.consensus_log.records(self.chain.tip().height)))
        self.mempool.start()
        self.sync.start()
        self._health.start()
        self._skip_desk.start()
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
        self._skips.close()
        await self._skip_desk.stop()
        await asyncio.to_thread(self.plugins.close)
        await self._health.stop()
        self.events.close()
        await self.mempool.stop()
        await self.sync.stop()
        await self.consensus.stop()
        await self._differences.stop()
        await self.batches.stop()
        await self.pipeline.drain()
        await self.network.stop()
        await self.threads.stop()
        self.storage.close()
        log.info("node stopped", name=self.config.name)

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
        free = self._health.disk_free_bytes
        if free < self.config.storage.disk_free_bytes_min:
            raise Unavailable("DISK_LOW", f"{free} bytes are free", retry_after_ms=10_000)

    # -------------------------------------------------------------- ports.Node
    @property
    def applications(self) -> NodeApplications:
        return self.plugins.running.applications

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
            disk_free_bytes=self._health.disk_free_bytes,
            loop_lag_ms=self._health.loop_lag_s * 1000,
            uptime_s=time.monotonic() - self._started_at,
            plugin_troubles=self._skip_desk.troubles(self.plugins.running.host.troubles()),
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


def _now_ms() -> int:
    return int(time.time() * 1000)


def open_node(home: Path, on_fatal: Callable[[BaseException], None]) -> ChainNode:
    """The node of a home directory."""
    return ChainNode(Home(home), on_fatal)
