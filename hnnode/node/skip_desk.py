"""Where a running node meets its operator about a transaction, or a page of a migration, that never ends: what holds the block
up is said in log and status; what the operator drops into `skips/` of the home is signed or taken (decision 0029).

    NAME.sign (a record nobody signed) → NAME.signed · NAME.apply (a gathered record) → NAME.record
    either → NAME.answer (`Answer`)

Files and not the API, since who may write into the home may use its key anyhow, and nobody else may.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from hnnode_native import SecretKey

from hnnode.errors import FatalError, HnError, Rejected
from hnnode.execution.standing import Standing
from hnnode.governance.skips import PROMISE, Skips, read_skip
from hnnode.ports import PluginTrouble
from hnnode.primitives.guard import guarded
from hnnode.primitives.skip import EVERY_TX, Skip, Subject, page_id
from hnnode.storage import Home
from hnnode.storage.failure import STORAGE
from hnnode.storage.files import write_atomic

LOOK_S = 1.0
FILES_AT_ONCE = 16
SIGN = ".sign"
APPLY = ".apply"
ANSWER = ".answer"
DRAFT = ".draft"

log = structlog.get_logger("node")


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: OK, or of the error. file: what was written."""

    name: str
    detail: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Hang:
    """A block in which a plugin's code stands since `since` (monotonic) and `since_ms` (Unix time)."""

    height: int
    block_hash: bytes
    at: Standing
    since: float
    since_ms: int


class SkipDesk:
    """On the event loop; files in a thread."""

    def __init__(
        self,
        *,
        home: Home,
        skips: Skips,
        key: SecretKey | None,
        hang_ms: int,
        standing: Callable[[], list[Standing]],
        open_height: Callable[[], int],
        may_vote: Callable[[], bool],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        """key: of a validator; others sign nothing. hang_ms: code that stands so long at one transaction hangs."""
        self._home = home
        self._skips = skips
        self._key = key
        self._hang_s = hang_ms / 1000
        self._standing = standing
        self._open_height = open_height
        self._may_vote = may_vote
        self._on_fatal = on_fatal
        self._hangs: dict[tuple[int, Standing], Hang] = {}
        self._told: set[tuple[int, Standing]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(guarded(self._run, self._on_fatal), name="skip desk")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._look()
            if self._has_directory():
                await asyncio.to_thread(self._serve)
            await asyncio.sleep(LOOK_S)

    # -------------------------------------------------------------- what hangs
    def _look(self) -> None:
        executing = self._skips.executing
        before, self._hangs = self._hangs, {}
        if executing is not None:
            height, block_hash = executing
            for at in self._standing():
                known = before.get((height, at))
                self._hangs[height, at] = known or Hang(
                    height, block_hash, at, time.monotonic(), int(time.time() * 1000)
                )
        self._told &= self._hangs.keys()
        for hang in self.hangs():
            if (hang.height, hang.at) not in self._told:
                self._told.add((hang.height, hang.at))
                self._tell(hang)
            if not hang.at.isolated and self._is_recorded(hang):
                raise FatalError(
                    "HANDLER_SKIPPED",
                    f"{hang.at.application}.{hang.at.action} {hang.at.tx_id.hex()} of block {hang.height} is skipped by a record, and its "
                    "code runs inside this node, where nothing ends it; the next start uses the record: hnnode start --home "
                    f"{self._home.root}",
                )

    def hangs(self) -> list[Hang]:
        """What stands at one transaction for `hang_ms` at least."""
        now = time.monotonic()
        return [hang for hang in list(self._hangs.values()) if now - hang.since >= self._hang_s]

    def _is_recorded(self, hang: Hang) -> bool:
        return any(
            each.application == hang.at.application and each.subject.tx_id in (hang.at.tx_id, EVERY_TX)
            for each in self._skips.of(hang.height)
        )

    def _tell(self, hang: Hang) -> None:
        is_page = hang.at.tx_id == page_id(hang.height, hang.at.application)
        log.error(
            "a page of a migration holds up the chain" if is_page else "a transaction holds up the chain",
            height=hang.height,
            block_hash=hang.block_hash.hex(),
            application=hang.at.application,
            action=hang.at.action,
            tx_id=hang.at.tx_id.hex(),
            for_s=round(time.monotonic() - hang.since),
            command=f"hnnode plugin skip sign --home {self._home.root}",
        )

    def troubles(self, found: Sequence[PluginTrouble]) -> list[PluginTrouble]:
        """What ends or does not answer; with the transaction, once it hangs."""
        every = {trouble.application: trouble for trouble in found}
        for hang in self.hangs():
            at, known = hang.at, every.get(hang.at.application)
            every[at.application] = PluginTrouble(
                application=at.application,
                reason="its code does not answer" if known is None else known.reason,
                since_ms=hang.since_ms if known is None else known.since_ms,
                times=1 if known is None else known.times,
                height=hang.height,
                block_hash=hang.block_hash.hex(),
                action=at.action,
                tx_id=at.tx_id.hex(),
            )
        return [every[name] for name in sorted(every)]

    # -------------------------------------------------------------- the operator's files
    def _has_directory(self) -> bool:
        return self._home.skips.is_dir()

    def _serve(self) -> None:
        with STORAGE:
            asked = [path for path in self._home.skips.iterdir() if path.suffix in (SIGN, APPLY)]
        for path in sorted(asked)[:FILES_AT_ONCE]:
            try:
                record = read_skip(path)
                answer = self._sign(record) if path.suffix == SIGN else self._apply(record)
            except FatalError:
                raise
            except HnError as e:
                answer = Answer(e.info.name, e.detail)
            with STORAGE:
                path.unlink(missing_ok=True)
                write_atomic(path.with_suffix(ANSWER), msgspec.json.encode(answer))

    def _sign(self, record: Skip) -> Answer:
        if self._key is None:
            raise Rejected("MESSAGE_SIGNER_UNKNOWN", "this node is no validator")
        if record.signatures or not self._hangs_at(record.subject):
            raise Rejected(
                "NOT_FOUND", f"nothing of {record.application} hangs here at block {record.height} as it says"
            )
        signed = self._skips.sign(record.subject, self._key, self._open_height(), may_vote=self._may_vote())
        log.warning("skip record signed", height=signed.height, application=signed.application, tx_id=signed.tx_id)
        return Answer("OK", file=str(self._skips.path(signed, PROMISE)))

    def _hangs_at(self, subject: Subject) -> bool:
        return any(
            (hang.height, hang.block_hash, hang.at.application) == subject[:3]
            and subject.tx_id in (hang.at.tx_id, EVERY_TX)
            for hang in self.hangs()
        )

    def _apply(self, record: Skip) -> Answer:
        self._skips.check([record], record.height, record.subject.block_hash)
        if not self._skips.take(record):
            if self._skips.has(record):
                return Answer("OK", "kept already")
            raise Rejected("NOT_FOUND", f"block {record.height} was executed here without the record")
        log.warning("skip record taken", height=record.height, application=record.application, tx_id=record.tx_id)
        return Answer("OK")


def _hand_over(path: Path) -> None:
    """What root makes in the home belongs to whom the home belongs: a node that cannot read its own promises stops."""
    if os.geteuid() == 0:
        home = path.parent.stat()
        os.chown(path, home.st_uid, home.st_gid)


def ask(directory: Path, name: str, suffix: str, record: Skip, timeout_s: float) -> Answer | None:
    """Give a running node something to sign or to take, from another process. None: no answer came. Raises: OSError."""
    directory.mkdir(mode=0o700, exist_ok=True)
    _hand_over(directory)
    answer = directory / f"{name}{ANSWER}"
    answer.unlink(missing_ok=True)
    question, draft = directory / f"{name}{suffix}", directory / f"{name}{DRAFT}"
    write_atomic(draft, record.encode())
    _hand_over(draft)
    draft.rename(question)
    deadline = time.monotonic() + timeout_s
    while not answer.exists():
        if time.monotonic() > deadline:
            question.unlink(missing_ok=True)
            return None
        time.sleep(0.05)
    found = msgspec.json.decode(answer.read_bytes(), type=Answer)
    answer.unlink(missing_ok=True)
    return found
