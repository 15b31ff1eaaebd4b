"""Start after a crash: the blocks that are durable in the block log and not in the database are executed again.

Each must fit the block below it, find its batches in the batch log, and come to the results that it had: those were told
to the other validators and to clients. A difference means that stored data changed or that this program computes
differently from the one that ran before; nothing may be built on either, so the node stops.
"""

from __future__ import annotations

import time

import structlog
from hnnode_native import Batch, NativeError, Value

from hnnode.errors import FatalError
from hnnode.node.block_work import BlockWork
from hnnode.ports import Decided, HeldBatch, LoggedBlock
from hnnode.storage import REPAIR_COMMAND, Storage

PROGRESS_S = 2.0

log = structlog.get_logger("node")


def redo_blocks(storage: Storage, work: BlockWork) -> int:
    """Execute the logged blocks above the database and publish them. Returns how many there were; progress is logged.

    Raises: FatalError: STORAGE_CORRUPT (a block or batch does not fit), STATE_ROOT_MISMATCH (other results). ConfigError:
        PLUGIN_MISSING.
    Cost: that of execution, without signature checks; a thousand small blocks a second or 50,000 transactions a second.
    """
    count = 0
    told = time.monotonic()
    first, last = storage.database.pending_height() + 1, storage.head
    if first <= last:
        log.info("executing logged blocks again", first=first, last=last)
    for logged in storage.redo():
        executed = work.run(_decided(storage, logged), logged)
        if executed.stop is not None:
            raise executed.stop
        count += 1
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            log.info("executing logged blocks again", height=logged.tip.height, last=last)
    return count


def _decided(storage: Storage, logged: LoggedBlock) -> Decided:
    """The block as consensus decided it. Certificates and signatures were checked before it was logged, under a checksum."""
    tip, block = logged.tip, logged.block
    parent = storage.database.tip()
    try:
        value = Value.decode(block.value)
        batches = tuple(HeldBatch(Batch.unpack(storage.batch_log.read(at)), at) for _, _, at in block.batches)
    except (NativeError, FatalError) as e:
        raise _misfit(storage, tip.height, str(e)) from e
    header = value.header
    if (header.height, value.block_hash, header.parent_hash) != (tip.height, tip.block_hash, parent.block_hash):
        raise _misfit(storage, tip.height, f"it does not stand on block {parent.height} of the database")
    if [h.batch.digest for h in batches] != [digest for digest, _, _ in value.batches]:
        raise _misfit(storage, tip.height, "the batch log holds other batches at its places")
    return Decided(
        height=tip.height,
        block_hash=tip.block_hash,
        value=block.value,
        certificate=block.certificate,
        time_ms=header.time_ms,
        proposer=header.proposer,
        batches=batches,
        tx_count=block.tx_count,
    )


def _misfit(storage: Storage, height: int, why: str) -> FatalError:
    command = REPAIR_COMMAND.format(home=storage.home.root)
    return FatalError("STORAGE_CORRUPT", f"logged block {height}: {why}; to fetch the chain again run: {command}")
