"""Open a node's stores in the one order that can prove they belong together, or say what is wrong and what to run.

    lock → sign state → consensus log → batch log → block log → database → block log reaches the database → floor check
    → recent batches; the blocks above the database are then executed again (`Storage.redo`)

The floor comes from files that are fsynced apart from the chain's data: the consensus log knows up to which height it
forgot its records, the sign state up to where a signature may exist. So a block log that ends below the floor is refused.
The database itself knows how far the block log was durable when it was written: a log that ends before is an older copy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hnnode.config import StorageConfig
from hnnode.errors import FatalError
from hnnode.ports import LoggedBlock, StoredBlock
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.consensus_log import ConsensusLog
from hnnode.storage.database import Database
from hnnode.storage.failure import STORAGE, corrupt
from hnnode.storage.files import fsync_directory, make_directory
from hnnode.storage.home import Home
from hnnode.storage.lock import HomeLock
from hnnode.storage.sign_state import SignState

REPAIR_COMMAND = "hnnode storage reset --home {home}"
"""What the texts of this room tell the operator to run; it calls `reset_home`."""
_REPAIRABLE = frozenset({"STORAGE_CORRUPT", "CONSENSUS_LOG_CORRUPT", "STORAGE_BEHIND_SIGN_STATE"})
SIGN_RESERVE_HEIGHTS = 16
"""How far ahead of the height it signs in the engine reserves its floor."""
_BLOCKS_BEHIND_LOG_MAX = 3
_RECENT_BLOCKS = 2


@dataclass(slots=True)
class Storage:
    """The open stores of one home.

    sign_floor: for the engine, which signs up to it only when the consensus log holds the reservation of this very floor.
    log_replaced: the consensus log was lost or an older copy of itself; it was moved aside and begun anew, so that the
        engine finds no reservation in it."""

    home: Home
    lock: HomeLock
    sign_state: SignState
    consensus_log: ConsensusLog
    batch_log: BatchLog
    block_log: BlockLog
    database: Database
    sign_floor: int
    log_replaced: bool

    def redo(self) -> Iterator[LoggedBlock]:
        """The durable blocks above the database, in order: each goes through `Database.redo` before anything else is
        written. Raises FatalError STORAGE_CORRUPT."""
        return self.block_log.blocks(self.database.pending_height())

    @property
    def head(self) -> int:
        """Height of the last durable block, executed or not; -1 before genesis."""
        return max(self.database.pending_height(), self.block_log.last_height)

    def close(self) -> None:
        """Close all, the lock last. The first failure is raised after everything was tried."""
        steps: list[Callable[[], None]] = [
            self.database.close,
            self.block_log.close,
            self.consensus_log.close,
            self.batch_log.close,
            self.lock.release,
        ]
        failure: BaseException | None = None
        for step in steps:
            try:
                step()
            except FatalError as e:
                failure = failure or e
        if failure is not None:
            raise failure


def open_storage(home: Home, config: StorageConfig) -> Storage:
    """Open or create everything under `home`. The batch log still wants its `recover` before the first append.

    Raises: ConfigError: DATABASE_LOCKED, CONFIG_INVALID, KEY_FILE_PERMISSIONS, PREREQUISITE_MISSING. FatalError:
        STORAGE_FAILED, STORAGE_CORRUPT, CONSENSUS_LOG_CORRUPT, STORAGE_BEHIND_SIGN_STATE (the text names the command).
    """
    home.check()
    home.create()
    lock = HomeLock(home.lock)
    try:
        used = ConsensusLog.exists(home.consensus) or _is_used(home.database)
        sign_state = (
            SignState.load(home.sign_state) if used or home.sign_state.exists() else SignState.create(home.sign_state)
        )
        consensus_log = ConsensusLog(home.consensus)
        batch_log = BatchLog(home.batches, config.segment_bytes)
        block_log = BlockLog(home.blocks)
        database = Database(home.database, batch_log, block_log, config)
        try:
            end = _check_block_log(database, block_log)
            _check_floor(end.height, consensus_log, sign_state)
            _check_recent_batches(end.recent, batch_log)
            fresh_log = _replace_stale_log(home, end, consensus_log)
            database.follow_log((fresh_log or consensus_log).position)
        except BaseException:
            database.close()
            raise
    except FatalError as e:
        lock.release()
        if e.info.name not in _REPAIRABLE or not home.sign_state.exists():
            raise
        command = REPAIR_COMMAND.format(home=home.root)
        raise FatalError(e.info.name, f"{e.detail}; to fetch the chain again run: {command}") from e
    except BaseException:
        lock.release()
        raise
    return Storage(
        home=home,
        lock=lock,
        sign_state=sign_state,
        consensus_log=fresh_log or consensus_log,
        batch_log=batch_log,
        block_log=block_log,
        database=database,
        sign_floor=sign_state.floor(),
        log_replaced=fresh_log is not None,
    )


def reset_home(home: Home) -> Path:
    """Move the data of a stopped node aside and mark the sign state, so that the node fetches the chain again and never
    signs twice.

    Returns the directory with the old data (free to delete). Raises ConfigError DATABASE_LOCKED when the node runs.
    """
    lock = HomeLock(home.lock)
    try:
        with STORAGE:
            if home.sign_state.exists():
                SignState.load(home.sign_state).mark_reset()
            number = 1
            while (aside := home.root / f"data.old{number}").exists():
                number += 1
            if home.data.exists():
                home.data.rename(aside)
                fsync_directory(home.root)
            home.create()
            return aside
    finally:
        lock.release()


def segment_to_recover(batch_log: BatchLog, segment_bytes: int, in_flight_bytes: int) -> int:
    """First segment `BatchLog.recover` must look at, when at most `in_flight_bytes` of uncommitted batches may
    exist."""
    last, _ = batch_log.end
    return max(0, last - 1 - in_flight_bytes // segment_bytes)


def _is_used(database: Path) -> bool:
    return (database / "CURRENT").exists()


@dataclass(frozen=True, slots=True)
class _End:
    """Where the durable chain ends (-1 before genesis), how far the consensus log was durable then, the last blocks."""

    height: int
    log_position: tuple[int, int]
    recent: Sequence[StoredBlock]


def _check_block_log(database: Database, block_log: BlockLog) -> _End:
    """The block log is the one that the database was written with, and goes on from its height without a gap."""
    wanted, found = database.redo_position(), block_log.position()
    if found < wanted:
        raise corrupt(
            f"block log ends at segment {found[0]}, byte {found[1]}, and the database saw segment {wanted[0]}, byte "
            f"{wanted[1]}: the log was lost or is an older copy"
        )
    height, log_position = database.pending_height(), database.log_position()
    stored = [database.block(at) for at in range(max(1, height - _RECENT_BLOCKS + 1), height + 1)]
    recent = deque((block for block in stored if block is not None), maxlen=_RECENT_BLOCKS)
    for logged in block_log.blocks(max(0, height)):
        height, log_position = logged.tip.height, logged.log_position
        recent.append(logged.block)
    return _End(height, log_position, recent)


def _check_floor(head: int, log: ConsensusLog, sign_state: SignState) -> None:
    floor = -1
    if log.record_count > 0 or log.floor > 0:
        floor = log.floor
    if sign_state.floor() > 0 and not sign_state.reset:
        # The floor is reserved ahead; the chain itself reached what is left without the reserve, and storage lags a few
        # blocks at most.
        floor = max(floor, 0, sign_state.floor() - SIGN_RESERVE_HEIGHTS - _BLOCKS_BEHIND_LOG_MAX)
    if head < floor:
        raise FatalError(
            "STORAGE_BEHIND_SIGN_STATE",
            f"chain data end at height {head}, want at least {floor} (sign state {sign_state.floor()}, consensus log "
            f"{log.floor}): it was lost or restored from an old copy",
        )


def _replace_stale_log(home: Home, end: _End, log: ConsensusLog) -> ConsensusLog | None:
    """A log that ends before the place the last block saw cannot know all this key signed: it must not guard the key.

    It may still hold the reservation of the present floor, so the engine would trust it: only an empty log is safe.
    """
    segment, size = end.log_position
    if log.position() >= (segment, size):
        return None
    log.close()
    with STORAGE:
        number = 1
        while (aside := home.data / f"consensus.old{number}").exists():
            number += 1
        home.consensus.rename(aside)
        fsync_directory(home.data)
        make_directory(home.consensus)
    return ConsensusLog(home.consensus, first_number=segment + 1, first_base=max(end.height, 0))


def _check_recent_batches(blocks: Sequence[StoredBlock], batch_log: BatchLog) -> None:
    """The last blocks' batches must be readable: the batch log is another file and may have been lost alone."""
    for block in blocks:
        for _, _, at in block.batches:
            batch_log.read(at)
