"""Queries of one isolated application: they wait in a bounded line, first come first served, and processes beside the
one for blocks answer them.

    ask → line → taken together → rows foreseen → QUERIES → each answer as it comes → future

Nobody holds a thread while a query waits. Each application has a line, threads and processes of its own, so one that is
asked a lot, or whose queries hang, holds up no other. A query is asked of the state of the moment its turn comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from hnnode.config import ExecutionConfig
from hnnode.errors import ConfigError, Rejected, Unavailable
from hnnode.execution.isolation import messages as m
from hnnode.execution.isolation.exchange import QuestionReader, exchange_answer
from hnnode.execution.isolation.foresight import Foreseen, Foresight
from hnnode.execution.isolation.frames import FrameError, Kind
from hnnode.execution.isolation.process import Child, ChildFault
from hnnode.execution.prefetch import Prefetch
from hnnode.plugin_api.outcome import ReadFailed

if TYPE_CHECKING:
    from hnnode.ports import StateReader

T = TypeVar("T")
TOGETHER_MAX = 16
"""Queries that a process is given in one message; it goes on with the next while the node takes its answer."""
RETRY_MS = 500
JOIN_S_MAX = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query in the line. done: makes of the answer what the future gives, in the line's thread."""

    query: str
    arguments: bytes
    state: Callable[[], StateReader]
    done: Callable[[Any, int], Any]
    until_s: float
    future: Future[Any]


class QueryLine:
    """The line of one application. `ask` is for any thread.

    Args:
        start: starts a process. Raises ChildFault or ConfigError.
    """

    def __init__(
        self, name: str, prefix: bytes, reads: frozenset[str], config: ExecutionConfig, start: Callable[[], Child]
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._reads = reads
        self._start = start
        self._waiting_max = config.queries_waiting_max
        self._wait_s = config.query_wait_ms / 1000
        self._processes = config.query_processes
        self._line: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._resting = 0
        self._foresight = Foresight()
        self._threads: list[threading.Thread] = []
        self._children: set[Child] = set()

    def ask(
        self, query: str, arguments: bytes, state: Callable[[], StateReader], done: Callable[[Any, int], T]
    ) -> Future[T]:
        """Put a query into the line; its future holds what `done` made of the answer and the height it is of.

        Raises: Unavailable (NOT_READY): the line is full, or the node is stopping. The future raises it too when the
        query's turn does not come in time, and Rejected: what the plugin answers, QUERY_TOO_BROAD when it takes too long.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise Unavailable("NOT_READY", "the node is stopping")
            if len(self._line) >= self._waiting_max:
                raise Unavailable(
                    "NOT_READY", f"{self._name}: {len(self._line)} queries are waiting", retry_after_ms=RETRY_MS
                )
            self._line.append(Waiting(query, arguments, state, done, time.monotonic() + self._wait_s, future))
            if not self._resting and len(self._threads) < self._processes:
                name = f"query-{self._name}"[:15]
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return future

    # -------------------------------------------------------------- threads of the line
    def _serve(self) -> None:
        child: Child | None = None
        while taken := self._take():
            if child is None:
                child = self._started(taken)
            if child is not None and not self._answer(child, taken):
                self._ended(child)
                child = None

    def _take(self) -> deque[Waiting]:
        """Queries whose turn it is, at least one; none when the node stops."""
        with self._changed:
            while True:
                now_s = time.monotonic()
                share = -(-len(self._line) // self._processes)
                taken: deque[Waiting] = deque()
                while self._line and len(taken) < min(share, TOGETHER_MAX):
                    waiting = self._line.popleft()
                    if not waiting.future.running() and not waiting.future.set_running_or_notify_cancel():
                        continue  # whoever asked has left
                    if self._closing:
                        waiting.future.set_exception(Unavailable("NOT_READY", "the node is stopping"))
                    elif waiting.until_s < now_s:
                        waiting.future.set_exception(self._late())
                    else:
                        taken.append(waiting)
                if taken or self._closing:
                    return taken
                if not self._line:
                    self._resting += 1
                    self._changed.wait()
                    self._resting -= 1

    def _late(self) -> Unavailable:
        return Unavailable("NOT_READY", f"{self._name}: no turn within {self._wait_s:g} s", retry_after_ms=RETRY_MS)

    def _started(self, taken: Sequence[Waiting]) -> Child | None:
        """A new process; without one, those that it was for are told so."""
        try:
            child = self._start()
        except (
            ChildFault,
            ConfigError,
            OSError,
            RuntimeError,
        ) as e:  # the machine has no room, or the node is stopping
            log.error("no process for queries", application=self._name, reason=str(e))
            for waiting in taken:
                waiting.future.set_exception(
                    Unavailable("NOT_READY", f"{self._name}: its process does not start", retry_after_ms=RETRY_MS)
                )
            return None
        with self._changed:
            self._children.add(child)
            if self._closing:
                child.kill()
        return child

    def _ended(self, child: Child) -> None:
        with self._changed:
            self._children.discard(child)
        child.end()

    def _answer(self, child: Child, taken: deque[Waiting]) -> bool:
        """Have them answered; whether the process may go on. Those behind one that ended it go back to the line's head."""
        asked: deque[tuple[Waiting, StateReader, Foreseen]] = deque()
        while taken:
            waiting = taken.popleft()
            try:
                state = waiting.state()
                asked.append((waiting, state, self._foresight.foresee(waiting.query, waiting.arguments, state)))
            except BaseException as e:  # noqa: BLE001 - told to the one who asked
                waiting.future.set_exception(e)
        if not asked:
            return True
        queries = [
            m.Query(waiting.query, waiting.arguments, state.height, foreseen.rows, foreseen.scans)
            for waiting, state, foreseen in asked
        ]
        try:
            child.begin()
            child.frames.send(Kind.QUERIES, m.encode(queries))
            while asked:
                waiting, state, foreseen = asked[0]
                child.begin()
                reader, prefetch = QuestionReader(self._prefix, state, foreseen.learns), Prefetch(state, self._prefix)
                answer, used = exchange_answer(child.frames, reader, prefetch, self._reads, self._name)
                self._foresight.answered(waiting.query, foreseen, used, reader.asked)
                asked.popleft()
                _settle(waiting, state.height, answer)
            return True
        except (ChildFault, FrameError, ValueError) as e:
            reason = str(child.fault(e))
            guilty, _, _ = asked.popleft()
            guilty.future.set_exception(self._broken(guilty, reason))
        except BaseException as e:  # noqa: BLE001 - of the state; the process waits for an answer that will not come
            asked.popleft()[0].future.set_exception(e.error if isinstance(e, ReadFailed) else e)
        with self._changed:
            self._line.extendleft(waiting for waiting, _, _ in reversed(asked))
        return False

    def _broken(self, waiting: Waiting, reason: str) -> Exception:
        if self._closing:
            return Unavailable("NOT_READY", "the node is stopping")
        log.error("query ended with its process", application=self._name, query=waiting.query, reason=reason)
        return Rejected("QUERY_TOO_BROAD", f"{self._name}.{waiting.query}: {reason}")

    # -------------------------------------------------------------- end
    def close(self) -> None:
        """End the processes at once; queries that wait end with an error."""
        with self._changed:
            self._closing = True
            for child in self._children:
                child.kill()
            threads = list(self._threads)
            self._changed.notify_all()
        for thread in threads:
            thread.join(JOIN_S_MAX)
        for child in list(self._children):
            child.end()


def _settle(waiting: Waiting, height: int, answer: Any) -> None:
    if isinstance(answer, m.Refusal):
        waiting.future.set_exception(Rejected(answer.name, answer.detail))
        return
    try:
        waiting.future.set_result(waiting.done(answer, height))
    except Exception as e:  # noqa: BLE001 - told to the one who asked
        waiting.future.set_exception(e)
