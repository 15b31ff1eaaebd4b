"""What a node knows of skip records, and what it promised by signing one (decision 0029).

    sign: promise durable → signature leaves · adopt: record durable → used
    block: `begin` → execution with what is skipped → `seal`: nothing changes any more | execute again

Invariants:
1. A node that executed a block signs no record of it and takes none.
2. A node that signed a record does not come to results without it before a commit certificate of the next block shows that
   the validators decided.
3. Promise and record are on disk before anybody sees or uses them, and outlive the chain's data: they stand beside the key.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog
from hnnode_native import SecretKey, ValidatorSet

from hnnode.errors import FatalError, Rejected
from hnnode.primitives.skip import (
    BLOCK_BYTES_MAX,
    BLOCK_RECORDS_MAX,
    EVERY_TX,
    RECORD_BYTES_MAX,
    Skip,
    Skipped,
    Subject,
    decode_skip,
    encode_skips,
    merge,
    skipped,
    unsigned,
)
from hnnode.storage.failure import STORAGE
from hnnode.storage.files import make_directory, write_atomic

PROMISE = ".signed"
RECORD = ".record"
FILES_MAX = 10_000
WAIT_S = 0.5
"""How often a block that waits for the end of a promise looks whether the node stops."""

log = structlog.get_logger("governance")


class SkipsChanged(Exception):
    """Other records count for the block at hand than those it is executed with."""


class Skips:
    """Of one node. `begin`, `unchanged` and `seal` on the thread that executes blocks, everything else from any."""

    def __init__(self, directory: Path, chain_id: bytes, validators: ValidatorSet) -> None:
        """Read what is kept. Raises: FatalError STORAGE_CORRUPT: a file that is no record of this chain; STORAGE_FAILED."""
        self._directory = directory
        self._chain_id = chain_id
        self._validators = validators
        self._changed = threading.Condition()
        self._records: dict[int, dict[Subject, Skip]] = {}
        self._promises: dict[int, dict[Subject, Skip]] = {}
        self._executing: tuple[int, bytes] | None = None
        self._sealed = self._certified = 0
        self._closing = False
        with STORAGE:
            found = sorted(directory.iterdir()) if directory.is_dir() else []
        if len(found) > FILES_MAX:
            raise FatalError("STORAGE_CORRUPT", f"{directory}: {len(found)} files, want at most {FILES_MAX}")
        for path in found:
            if path.suffix in (PROMISE, RECORD):
                self._load(path)

    def _load(self, path: Path) -> None:
        try:
            skip = read_skip(path)
            if path.suffix == RECORD:
                skip.check(self._validators, self._chain_id)
            else:
                skip.power(self._validators, self._chain_id)
        except Rejected as e:
            raise FatalError("STORAGE_CORRUPT", f"{path}: {e.detail}") from e
        kept = self._records if path.suffix == RECORD else self._promises
        kept.setdefault(skip.height, {})[skip.subject] = skip

    # -------------------------------------------------------------- execution
    def begin(self, height: int, block_hash: bytes) -> Skipped:
        """The block at hand; what no handler is called for in it."""
        with self._changed:
            self._executing = height, block_hash
            return self._skipped(height, block_hash)

    def unchanged(self, height: int, block_hash: bytes, used: Skipped) -> None:
        """Raises: SkipsChanged: a record came since."""
        with self._changed:
            if self._skipped(height, block_hash) != used:
                raise SkipsChanged

    def seal(self, height: int, block_hash: bytes, used: Skipped, *, was_logged: bool) -> bool:
        """The block has results. False: others count by now, it must be executed again. Waits for the end of what this node promised.

        Args:
            was_logged: these results were durable before; nothing is promised about them.
        Raises: FatalError: the node is stopping.
        """
        told = False
        with self._changed:
            while self._skipped(height, block_hash) == used:
                if was_logged or self._certified > height or not self._open_promises(height, block_hash, used):
                    self._sealed, self._executing = height, None
                    return True
                if self._closing:
                    raise FatalError("INTERNAL_ERROR", f"the node is stopping (height={height})")
                if not told:
                    told = True
                    log.warning(
                        "this node signed a skip record and waits for the validators' decision",
                        height=height,
                        signed=[name_of_skip(each) for each in self._promises[height].values()],
                        command="hnnode plugin skip apply FILE… (signed by a quorum; comes with the block, too, once others have it)",
                    )
                self._changed.wait(WAIT_S)
            return False

    def _skipped(self, height: int, block_hash: bytes) -> Skipped:
        records = self._records.get(height)
        if records is None:
            return {}
        return skipped([each for each in records.values() if each.subject.block_hash == block_hash])

    def _open_promises(self, height: int, block_hash: bytes, used: Skipped) -> bool:
        promised = [each for each in self._promises.get(height, ()) if each.block_hash == block_hash]
        return not all({each.tx_id, EVERY_TX} & used.get(each.application, frozenset()) for each in promised)

    def executed(self, height: int) -> None:
        """Blocks up to this height were executed before this start."""
        self._sealed = max(height, self._sealed)

    @property
    def executing(self) -> tuple[int, bytes] | None:
        """Height and hash of the block at hand."""
        return self._executing

    def close(self) -> None:
        """A block that waits for the end of a promise ends with an error."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    # -------------------------------------------------------------- signing
    def sign(self, subject: Subject, key: SecretKey, open_height: int, *, may_vote: bool = True) -> Skip:
        """This node's signature, after the promise that goes with it is durable. The same again when it signed before.

        Args:
            open_height: the height that consensus stands at. A higher one than the block's means that results of the block were told.
            may_vote: whether consensus signs there. It does not after its log was lost, as far as votes may exist that nobody here knows
                of; such a vote may have told results of the block.
        Raises: Rejected: NOT_FOUND: the block does not wait here, or was executed. FatalError STORAGE_FAILED.
        """
        height, block_hash = subject[:2]
        with self._changed:
            before = self._promises.get(height, {}).get(subject)
            if before is not None:
                return before
            if self._executing != (height, block_hash) or self._sealed >= height or open_height > height:
                raise Rejected(
                    "NOT_FOUND", f"block {height} does not wait here: it was executed, or is not the block at hand"
                )
            if not may_vote:
                raise Rejected(
                    "NOT_FOUND",
                    f"this node signs nothing about block {height}: its data were reset or its consensus log was lost, and it may have "
                    "told results of the block before; the other validators sign",
                )
            skip = unsigned(self._chain_id, subject).signed(key)
            self._keep(skip, PROMISE)
            self._promises.setdefault(height, {})[subject] = skip
            return skip

    def promised(self, height: int) -> bool:
        """Whether this node signed a record of the block."""
        return height in self._promises

    # -------------------------------------------------------------- ports.SkipRecords
    def of(self, height: int) -> list[Skip]:
        records = self._records.get(height)
        return [] if records is None else sorted(records.values(), key=lambda each: each.subject)

    def check(self, skips: Sequence[Skip], height: int, block_hash: bytes) -> None:
        for each in skips:
            if each.subject[:2] != (height, block_hash):
                raise Rejected("CERTIFICATE_BLOCK", f"skip record: of another block (height={height})")
            each.check(self._validators, self._chain_id)

    def adopt(self, skips: Sequence[Skip]) -> None:
        for each in skips:
            self.take(each)

    def take(self, skip: Skip) -> bool:
        """Keep one checked record. False: it is kept already, or the block was executed without it.

        Raises: Rejected PARAMETER_INVALID: the block has too many. FatalError STORAGE_FAILED."""
        with self._changed:
            records = self._records.get(skip.height, {})
            if skip.subject in records or self._sealed >= skip.height:
                return False
            after = {**records, skip.subject: skip}
            if len(after) > BLOCK_RECORDS_MAX or len(encode_skips(list(after.values()))) > BLOCK_BYTES_MAX:
                raise Rejected(
                    "PARAMETER_INVALID",
                    f"block {skip.height} has {len(records)} skip records; skip all transactions of the application instead",
                )
            self._keep(skip, RECORD)
            self._records[skip.height] = after
            self._changed.notify_all()
            return True

    def has(self, skip: Skip) -> bool:
        return skip.subject in self._records.get(skip.height, {})

    def certified(self, height: int) -> None:
        if height > self._certified:
            with self._changed:
                self._certified = max(height, self._certified)
                self._changed.notify_all()

    # -------------------------------------------------------------- files
    def path(self, skip: Skip, suffix: str) -> Path:
        return self._directory / f"{name_of_skip(skip)}{suffix}"

    def _keep(self, skip: Skip, suffix: str) -> None:
        with STORAGE:
            make_directory(self._directory)
            write_atomic(self.path(skip, suffix), skip.encode())


def name_of_skip(skip: Skip) -> str:
    """File name without its end."""
    what = "all" if skip.subject.tx_id == EVERY_TX else skip.tx_id
    return f"{skip.height}-{skip.application}-{what}"


def read_skip(path: Path) -> Skip:
    """Raises: Rejected REQUEST_MALFORMED: no record."""
    try:
        with path.open("rb") as file:
            return decode_skip(file.read(RECORD_BYTES_MAX + 1))
    except OSError as e:
        raise Rejected("REQUEST_MALFORMED", f"{path}: {e.strerror}") from e


def gathered(skips: Sequence[Skip], validators: ValidatorSet, chain_id: bytes) -> tuple[Skip, int]:
    """One record of many, and the power that signed it. Raises: Rejected: one of them is not right."""
    for each in skips:
        each.power(validators, chain_id)
    merged = merge(skips)
    return merged, merged.power(validators, chain_id)
