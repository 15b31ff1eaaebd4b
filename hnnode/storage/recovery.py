"""Open a node's stores in the one order that can prove they belong together, or say what is wrong and what to run.

    lock → sign state → consensus log → batch log → database → floor check → recent batches

The floor comes from files that are fsynced apart from the database: the consensus log knows up to which height it
forgot its records, the sign state up to where a signature may exist. RocksDB alone cannot know: with its log emptied it
opens at an older height without a word. So a database below the floor is refused, and one that only opens by giving up
records is accepted only at or above it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hnnode.config import StorageConfig
from hnnode.errors import FatalError
from hnnode.storage.batch_log import BatchLog
from hnnode.storage.consensus_log import ConsensusLog
from hnnode.storage.database import RECOVERY_TO_DAMAGE, Database
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
        engine finds no reservation in it.
    repaired: RocksDB opened only by giving up records after a damaged place (the copy beside it holds the files as they
    were)."""

    home: Home
    lock: HomeLock
    sign_state: SignState
    consensus_log: ConsensusLog
    batch_log: BatchLog
    database: Database
    sign_floor: int
    log_replaced: bool
    repaired: bool

    def close(self) -> None:
        """Close all, the lock last. The first failure is raised after everything was tried."""
        steps: list[Callable[[], None]] = [
            self.database.close,
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
        database, repaired = _open_database(home, config, batch_log)
        try:
            _check_floor(database, consensus_log, sign_state)
            _check_recent_batches(database)
            fresh_log = _replace_stale_log(home, database, consensus_log)
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
        database=database,
        sign_floor=sign_state.floor(),
        log_replaced=fresh_log is not None,
        repaired=repaired,
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


def _open_database(home: Home, config: StorageConfig, batch_log: BatchLog) -> tuple[Database, bool]:
    try:
        return Database(home.database, batch_log, config), False
    except FatalError as refusal:
        if refusal.info.name != "STORAGE_FAILED" or "Corruption" not in refusal.detail:
            raise
        _keep_copy(home)
        try:
            return Database(home.database, batch_log, config, RECOVERY_TO_DAMAGE()), True
        except FatalError as e:
            raise corrupt(
                f"{e.detail}; to fetch the chain again run: {REPAIR_COMMAND.format(home=home.root)}"
            ) from refusal


def _keep_copy(home: Home) -> None:
    """Keep the refused files: table files as hard links (RocksDB never changes them), the others as copies. An older
    copy goes."""
    with STORAGE:
        aside = home.data / "database.damaged"
        if aside.exists():
            shutil.rmtree(aside)
        make_directory(aside)
        for path in home.database.iterdir():
            if path.suffix == ".sst":
                os.link(path, aside / path.name)
            elif path.is_file() and path.name != "LOCK":
                shutil.copy2(path, aside / path.name)
        fsync_directory(aside)


def _check_floor(database: Database, log: ConsensusLog, sign_state: SignState) -> None:
    head = -1 if database.is_empty() else database.tip().height
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
            f"database is at height {head}, want at least {floor} (sign state {sign_state.floor()}, consensus log "
            f"{log.floor}): it was lost or restored from an old copy",
        )


def _replace_stale_log(home: Home, database: Database, log: ConsensusLog) -> ConsensusLog | None:
    """A log that ends before the place the database saw cannot know all this key signed: it must not guard the key.

    It may still hold the reservation of the present floor, so the engine would trust it: only an empty log is safe.
    """
    segment, size = database.log_position()
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
    return ConsensusLog(home.consensus, first_number=segment + 1, first_base=database.tip().height)


def _check_recent_batches(database: Database) -> None:
    """The last blocks' batches must be readable: the batch log is another file and may have been lost alone."""
    if database.is_empty():
        return
    head = database.tip().height
    for height in range(max(1, head - _RECENT_BLOCKS + 1), head + 1):
        block = database.block(height)
        for _, _, at in () if block is None else block.batches:
            database.batch(at)
