"""One block or query with a plugin's process: its questions answered until the result comes.

What the process sends is data of a stranger: every body is decoded against its type, every limit is held here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from hnnode.errors import CODES
from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.foresight import SESSION_MAX, Asked
from hnnode.execution.isolation.frames import FrameError, Frames, Kind
from hnnode.execution.migrating import Moved, check_moved
from hnnode.execution.prefetch import Prefetch
from hnnode.execution.reader import StateBlockReader
from hnnode.execution.table import application_prefix
from hnnode.plugin_api.context import BlockReader
from hnnode.plugin_api.limits import KEY_BYTES_MAX, PAGE_LIMIT_MAX, SCAN_ROWS_MAX

if TYPE_CHECKING:
    from hnnode.ports import StateReader

KEYS_MAX = 70_000
"""Keys of one block whose values are asked for together."""
FAULT_FRAMES_MAX = 64
SEEN_LIMIT = 4_096
ACCOUNT_BYTES = 20
TX_ID_BYTES = 32
_LOG_OWN = frozenset(
    ("application", "event", "exc_info", "level", "logger", "positional_args", "stack_info", "timestamp")
)

log = structlog.get_logger("plugin")


def exchange_block(
    frames: Frames,
    block: m.Block,
    state: StateReader,
    prefix: bytes,
    reader: StateBlockReader,
    reads: frozenset[str],
    name: str,
    at: Callable[[bytes], None],
) -> m.Results:
    """Packed results of a block, not checked yet. Errors of `state` pass through; others are FrameError, ValueError.

    at: told the id of each transaction and due item whose turn has come, when the block asks for it."""
    frames.send(Kind.BLOCK, m.encode(block))
    senders = [(account, reader.sender(account)) for account in sorted({tx[2] for tx in block.txs})]  # while it decodes
    named, prefetch = 0, Prefetch(state, prefix)

    def fetch(wanted: list[bytes]) -> m.Values:
        nonlocal named
        named += len(wanted)
        if named > KEYS_MAX or (wanted and len(max(wanted, key=len)) > KEY_BYTES_MAX):
            raise FrameError(f"keys: got {named}, or one that is too long")
        return m.Values(prefetch.values(wanted), [])

    heard = at if block.told else None
    _, body = _answer_until(frames, reader, reads, name, (Kind.KEYS,), heard=heard)
    found = fetch(m.decode_keys(body))
    found.senders.extend(senders)
    frames.send(Kind.VALUES, m.encode(found))
    _, body = _answer_until(frames, reader, reads, name, (Kind.RESULTS,), fetch, heard)
    results: m.Results = m.decode_results(body)
    return results


def exchange_answer(
    frames: Frames, reader: QuestionReader, prefetch: Prefetch, reads: frozenset[str], name: str
) -> tuple[Any, bytes]:
    """The answer of the query whose turn it is, or the `Refusal` it is declined with; and which of the rows that were sent along
    it used.

    Args:
        prefetch: for what it asks together; of this query alone.
    """
    named = 0

    def fetch(wanted: list[bytes]) -> m.Values:
        nonlocal named
        named += len(wanted)
        if named > SCAN_ROWS_MAX or max(map(len, wanted), default=0) > KEY_BYTES_MAX:
            raise FrameError(f"keys: got {named}, or one that is too long")
        values = prefetch.values(wanted)
        reader.saw(wanted, values)
        return m.Values(values, [])

    kind, body = _answer_until(frames, reader, reads, name, (Kind.ANSWER, Kind.ANSWER_REFUSED), fetch)
    if kind == Kind.ANSWER:
        found = m.decode_answer(body)
        answer = msgspec.json.decode(found.body)
        if not isinstance(answer, dict):
            raise FrameError(f"answer: got {type(answer).__name__}, want an object")
        return answer, found.used
    refusal = m.decode_refusal(body)
    if refusal.name not in CODES:
        raise FrameError("answer: an error that does not exist")
    return refusal, refusal.used


def exchange_page(frames: Frames, page: m.Migrate, name: str) -> Moved:
    """What a step made of a page of rows; held against every bound. Raises: FrameError, ValueError."""
    frames.send(Kind.MIGRATE, m.encode(page))
    reader = StateBlockReader(b"", _NoState(), _NoAccounts())
    _, body = _answer_until(frames, reader, frozenset(), name, (Kind.MOVED,))
    found = m.decode_moved(body)
    moved = Moved(tuple(found.writes), found.fault)
    check_moved(moved, page.phase)
    return moved


class _NoState:
    """A migration reads nothing but its page."""

    height = 0

    def get(self, key: bytes) -> bytes | None:
        raise FrameError("a migration asks for state")

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        raise FrameError("a migration asks for state")

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        raise FrameError("a migration asks for state")

    def pages(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        raise FrameError("a migration asks for state")


class QuestionReader(StateBlockReader):
    """What one query asks for; `asked` tells it afterwards when it is to be learned from."""

    __slots__ = ("_learns", "_own", "asked")

    def __init__(self, prefix: bytes, state: StateReader, learns: bool) -> None:
        super().__init__(prefix, state, _NoAccounts())
        self._own = prefix
        self._learns = learns
        self.asked: list[Asked] = []

    def saw(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """What was read for it otherwise."""
        if self._learns:
            self.asked += [Asked(self._own, key, 0, value, []) for key, value in zip(keys, values, strict=False)][
                :SESSION_MAX
            ]

    def get(self, key: bytes, /) -> bytes | None:
        value = super().get(key)
        self._note(Asked(self._own, key, 0, value, []))
        return value

    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
        rows = super().scan(prefix, after, limit)
        if after is None:
            self._note(Asked(self._own, prefix, limit, None, rows))
        return rows

    def foreign(self, application: str, key: bytes, /) -> bytes | None:
        value = super().foreign(application, key)
        self._note(Asked(application_prefix(application), key, 0, value, []))
        return value

    def _note(self, asked: Asked) -> None:
        if self._learns and len(self.asked) < SESSION_MAX:
            self.asked.append(asked)


class _NoAccounts:
    def get(self, account: bytes) -> bytes | None:
        return None


def _answer_until(
    frames: Frames,
    reader: BlockReader,
    reads: frozenset[str],
    name: str,
    ends: tuple[Kind, ...],
    fetch: Callable[[list[bytes]], m.Values] | None = None,
    heard: Callable[[bytes], None] | None = None,
) -> tuple[int, bytes]:
    """The last frame of a request. fetch: values of many keys, where they may be asked for. heard: takes where the process
    stands, where it may say so."""
    told = 0
    while True:
        kind, body = frames.receive()
        if kind in ends:
            return kind, body
        if kind == Kind.AT and heard is not None:
            if len(body) != TX_ID_BYTES:
                raise FrameError(f"at: got {len(body)} bytes, want {TX_ID_BYTES}")
            heard(body)
        elif kind == Kind.GET:
            _check_key(body)
            frames.send(Kind.VALUE, m.encode(reader.get(body)))
        elif kind == Kind.KEYS and fetch is not None:
            frames.send(Kind.VALUES, m.encode(fetch(m.decode_keys(body))))
        elif kind == Kind.SCAN:
            scan = m.decode_scan(body)
            limit = max(1, min(scan.limit, PAGE_LIMIT_MAX))
            frames.send(Kind.ROWS, m.encode(reader.scan(scan.prefix, scan.after, limit)))
        elif kind == Kind.FOREIGN:
            asked = m.decode_foreign(body)
            _check_key(asked.key)
            if asked.application not in reads:
                raise FrameError(f"foreign: {asked.application[:64]!r} was not declared")
            frames.send(Kind.VALUE, m.encode(reader.foreign(asked.application, asked.key)))
        elif kind == Kind.WHO:
            if len(body) != ACCOUNT_BYTES:
                raise FrameError(f"account: got {len(body)} bytes, want {ACCOUNT_BYTES}")
            frames.send(Kind.SENDER, m.encode(reader.sender(body)))
        elif kind == Kind.FAULT:
            told += 1
            if told > FAULT_FRAMES_MAX:
                raise FrameError("more log lines than one request may have")
            fault = m.decode_fault(body)
            report = log.error if fault.level == "error" else log.info
            fields = {key: text for key, text in fault.fields.items() if key not in _LOG_OWN}
            report(fault.event, **fields, application=name)
        else:
            raise FrameError(f"frame: got kind {kind}, which has no place here")


def _check_key(key: bytes) -> None:
    if len(key) > SEEN_LIMIT:
        raise FrameError(f"key: got {len(key)} bytes")
