"""What a node reads from its home before its rooms are built: plugins, accounts, batches that wait, the order of proposers."""

from __future__ import annotations

from pathlib import Path

from hnnode_native import (
    Accounts,
    Batch,
    Engine,
    NativeError,
    Pool,
    SecretKey,
    ValidatorSet,
    Value,
    empty_root,
    verify_batches,
)

from hnnode.config import Config, ConsensusConfig
from hnnode.consensus.order import ProposerOrder
from hnnode.errors import ConfigError
from hnnode.execution import application_prefix
from hnnode.governance import PluginSets
from hnnode.node.genesis import Genesis
from hnnode.ports import HeldBatch, StoredBlock, Tip
from hnnode.storage import Database, Storage, segment_to_recover

ACCOUNT_PAGE = 10_000
FRAME_OVERHEAD_BYTES = 256 * 1024


def check_frames(facts: Genesis, frame_bytes_max: int) -> None:
    """Raises: ConfigError CONFIG_INVALID: frames are too small for a block."""
    if (least := frame_bytes_of(facts)) > frame_bytes_max:
        raise ConfigError(
            "CONFIG_INVALID",
            f"network.frame_bytes_max: got {frame_bytes_max}, want at least {least} (a whole block fits one frame)",
        )


def frame_bytes_of(facts: Genesis) -> int:
    """What every node of this chain takes in one frame, whatever else it is configured to."""
    return facts.file.block_bytes_max + FRAME_OVERHEAD_BYTES


def load_plugins(plugins: PluginSets, database: Database, facts: Genesis) -> None:
    """Load what runs after the last block that the database holds.

    Raises: ConfigError: PLUGIN_MISSING; PLUGIN_SET_INVALID: the code is not what genesis or governance named.
    """
    height = database.pending_height()
    plugins.open(database.pending_state(), height)
    if height == 0 and (got := plugins.plugins_hash(1).hex()) != facts.file.plugins_hash:
        raise ConfigError(
            "PLUGIN_SET_INVALID",
            f"the applications of this release are not those of the genesis: got hash {got}, want {facts.file.plugins_hash}",
        )


def open_chain(database: Database, facts: Genesis, genesis: Path) -> None:
    """Write the genesis into an empty database; `genesis` is its file, named in the error.

    Raises: ConfigError: GENESIS_INVALID (the database holds another chain).
    """
    if database.is_empty():
        tip = Tip(0, facts.chain_id, facts.file.time_ms, empty_root(), facts.state_root, empty_root())
        database.write_genesis(tip, facts.encoding, facts.validators.encode(), facts.writes, facts.pages)
    elif database.genesis() != facts.encoding:
        raise ConfigError("GENESIS_INVALID", f"{genesis}: the data of this home belong to another chain")


def load_accounts(database: Database, cache_bytes: int) -> Accounts:
    """Every registered account, with a cache of prepared keys of this size."""
    accounts = Accounts(cache_bytes)
    prefix = application_prefix("identity")
    state = database.pending_state()
    records: list[tuple[bytes, bytes]] = []
    after: bytes | None = None
    while rows := state.scan(prefix, after, ACCOUNT_PAGE):
        records += [(key[len(prefix) :], value) for key, value in rows]
        after = rows[-1][0]
    accounts.load(records)
    return accounts


def waiting_batches(
    storage: Storage, config: Config, facts: Genesis, accounts: Accounts, pool: Pool
) -> list[HeldBatch]:
    """Batches that were durable and not committed when the node stopped: verified again, because the accounts may have changed."""
    database = storage.database
    in_flight = config.mempool.author_bytes_max * len(facts.validators.validators)
    start = segment_to_recover(storage.batch_log, config.storage.segment_bytes, in_flight)
    seqs = database.author_seqs()
    found = []
    for location, data in storage.batch_log.recover(start, database.batches_committed):
        try:
            batch = Batch.unpack(data)
        except NativeError:
            continue
        if batch.seq > seqs.get(batch.author, -1):
            found.append(HeldBatch(batch, location))
    codes = verify_batches([h.batch for h in found], facts.chain_id, facts.validators, accounts, pool)
    return [h for h, code in zip(found, codes, strict=True) if code == 0]


def proposer_order(database: Database, validators: ValidatorSet, tip: Tip) -> ProposerOrder:
    """The order of proposers above the tip, from the proposers of the blocks below it.

    Raises: ConfigError: CONFIG_INVALID (a block is missing).
    """
    order = ProposerOrder(validators)
    for height in range(max(1, order.cycle_start(tip.height)), tip.height + 1):
        block = database.block(height)
        if block is None:
            raise ConfigError("CONFIG_INVALID", f"block {height} is missing below the tip")
        order.note(height, Value.decode(block.value).header.proposer)
    return order


def has_open_results(tip: Tip, block: StoredBlock | None) -> bool:
    """Whether the block of the tip, None for the genesis, has results that no header carries yet, and that somebody may wait to
    prove: of transactions, or of what it wrote without any.
    """
    return block is not None and (block.tx_count > 0 or Value.decode(block.value).header.state_root != tip.state_root)


def make_engine(config: ConsensusConfig, chain_id: bytes, key: SecretKey | None, sign_floor: int) -> Engine:
    """The consensus engine. key: of a validator; without it the engine follows and signs nothing."""
    return Engine(
        chain_id,
        key,
        sign_floor,
        config.propose_ms,
        config.propose_step_ms,
        config.vote_ms,
        config.vote_step_ms,
        config.rebroadcast_ms,
        config.cap_ms,
    )
