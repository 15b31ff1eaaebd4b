"""Plain submits, answered before the framework: `POST /v1/txs` and `POST /v1/txs:batch` with a binary body of known length and no waiting.

A `RawSubmit` stands in uvicorn's protocol where a request cycle stands, so that keep-alive, pipelining and shutdown work as for any other.
Anything unusual (JSON, chunks, parameters, `Expect`) goes the long way through the application, which answers the same.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol, cast

from starlette.responses import Response
from starlette.types import ASGIApp

from hnnode.errors import CODES, HnError, Rejected
from hnnode.gateway.batch_answer import is_codes_wanted, pending_batch
from hnnode.gateway.body import ARRIVAL_S_MAX, JSON, OCTETS
from hnnode.gateway.problem import RETRY_AFTER_MS, SUBMITS, problem, refused
from hnnode.gateway.submit import TIMEOUT_MS, SubmitDoor, pending_one
from hnnode.ports import Admission

ONE, MANY = SUBMITS
TARGETS = {ONE.encode(): ONE, MANY.encode(): MANY, b"/v1/txs?wait=none": ONE, b"/v1/txs:batch?wait=none": MANY}
log = logging.getLogger("uvicorn.error")
MEMPOOL_FULL = CODES["MEMPOOL_FULL"]
_REASONS = {200: b"OK", 202: b"Accepted"}


class _NoEvent:
    """uvicorn sets a cycle's event; nobody waits for this one."""

    def set(self) -> None:
        return


class Host(Protocol):
    """The connection, as a `RawSubmit` sees it."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]
    source: str
    """Host and port of the client."""

    def common_headers(self) -> bytes: ...
    def on_refused(self, size: int, retry_after_ms: int) -> None:
        """A body of `size` bytes found no room and was told so."""

    def on_response_complete(self) -> None: ...


class RawSubmit:
    """One request. uvicorn's names: `response_complete`, `disconnected`, `keep_alive`, `more_body`, `message_event`, `run_asgi`."""

    message_event = _NoEvent()

    def __init__(
        self, host: Host, door: SubmitDoor, path: str, size: int, *, codes_wanted: bool, keep_alive: bool
    ) -> None:
        """size: the declared length, within the limit. A body that would be refused now is dropped as it arrives."""
        self.response_complete = False
        self.response_started = False
        self.disconnected = False
        self.keep_alive = keep_alive
        self.more_body = True
        self.body = b""
        self._parts: list[bytes] = []
        self._host = host
        self._door = door
        self._path = path
        self._codes_wanted = codes_wanted
        self._is_turn = False
        self._size = size
        self._refusal: HnError | None = None
        self._timer: asyncio.TimerHandle | None = None
        try:
            door.check_open(size, host.source)
        except HnError as e:
            self._refusal = e.with_traceback(None)

    @staticmethod
    def read_head(headers: list[tuple[bytes, bytes]]) -> tuple[int, bool] | None:
        """(length, whether codes are wanted) of a request that needs nothing more; None for any other."""
        size = -1
        codes_wanted = False
        for name, value in headers:
            if name == b"content-length":
                size = int(value)
            elif name == b"content-type":
                if value != b"application/octet-stream":
                    return None
            elif name == b"accept":
                codes_wanted = is_codes_wanted(value)
            elif name in (b"transfer-encoding", b"expect", b"upgrade"):
                return None
        return None if size < 0 else (size, codes_wanted)

    # -------------------------------------------------------------- request
    def take(self, part: bytes) -> None:
        if self._refusal is None:
            self._parts.append(part)

    def watch(self) -> None:
        """Called when the body did not come whole at once: a slow sender must not hold a request for ever."""
        if self._timer is None:
            self._timer = self._host.loop.call_later(ARRIVAL_S_MAX, self._too_slow)

    def finish(self) -> None:
        """The body is complete."""
        self.more_body = False
        if self._timer is not None:
            self._timer.cancel()
        if self._is_turn:
            self._submit()

    def begin(self) -> None:
        """The requests before this one on its connection are answered."""
        self._is_turn = True
        if not self.more_body:
            self._submit()

    async def run_asgi(self, _app: ASGIApp) -> None:
        """How uvicorn starts a pipelined cycle."""
        self.begin()

    def _too_slow(self) -> None:
        size = sum(map(len, self._parts))
        self.keep_alive = False
        self._send(
            refused(Rejected("REQUEST_MALFORMED", f"body: got {size} bytes in {ARRIVAL_S_MAX:.0f} s"), self._path)
        )

    # -------------------------------------------------------------- answer
    def _submit(self) -> None:
        if self._refusal is not None:
            self._send(refused(self._refusal, self._path))
            if self._refusal.code == MEMPOOL_FULL:
                self._host.on_refused(self._size, self._refusal.retry_after_ms or RETRY_AFTER_MS)
            return
        try:
            parts = self._parts
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
            send = self._door.send_one if self._path == ONE else self._door.send_many
            future = send(data, self._host.source)
        except HnError as e:
            self._send(refused(e, self._path))
        except Exception as e:  # noqa: BLE001 - as below; in the parser's callback it would pass for a malformed request
            self._fail(e)
        else:
            future.add_done_callback(self._on_admission)

    def _on_admission(self, future: asyncio.Future[Admission]) -> None:
        if self.disconnected or future.cancelled():
            return
        error = future.exception()
        if isinstance(error, HnError):
            self._send(refused(error, self._path))
        elif error is not None:
            self._fail(error)
        else:
            self._answer(future.result())

    def _answer(self, admission: Admission) -> None:
        if self._path == ONE:
            body = pending_one(admission)
            if body is not None:
                self._write(202, JSON, body)
                return
        else:
            quick = pending_batch(admission, codes_wanted=self._codes_wanted)
            if quick is not None:
                self._write(200, quick[1], quick[0])
                return
        task = self._host.loop.create_task(self._answer_slowly(admission), name="submit answer")
        self._host.tasks.add(task)
        task.add_done_callback(self._host.tasks.discard)

    async def _answer_slowly(self, admission: Admission) -> None:
        """What needs a look-up, or a problem document."""
        try:
            if self._path == ONE:
                response = await self._door.answer_one(admission, "none", TIMEOUT_MS, self._path)
            else:
                response = await self._door.answer_many(
                    admission, "none", TIMEOUT_MS, self._path, codes_wanted=self._codes_wanted
                )
        except HnError as e:
            response = refused(e, self._path)
        except Exception as e:  # noqa: BLE001 - a defect: logged, and the client learns only that it happened
            self._fail(e)
            return
        self._send(response)

    def _fail(self, error: BaseException) -> None:
        log.error("Exception in a raw submit", exc_info=error)
        self._send(problem(CODES["INTERNAL_ERROR"], instance=self._path))

    def _send(self, response: Response) -> None:
        head = b"".join(b"%s: %s\r\n" % (name, value) for name, value in response.raw_headers)
        self._put(response.status_code, head, bytes(response.body))

    def _write(self, status: int, media_type: str, body: bytes) -> None:
        kind = _KINDS[media_type]
        self._put(status, b"content-type: %s\r\ncontent-length: %d\r\n" % (kind, len(body)), body)

    def _put(self, status: int, head: bytes, body: bytes) -> None:
        if self.disconnected or self.response_complete:
            return
        self.response_started = self.response_complete = True
        host = self._host
        close = b"" if self.keep_alive else b"connection: close\r\n"
        reason = _REASONS.get(status, b"-")
        host.transport.write(
            b"HTTP/1.1 %d %s\r\n%s%s%s\r\n%s" % (status, reason, host.common_headers(), head, close, body)
        )
        if not self.keep_alive:
            host.transport.close()
        host.on_response_complete()


_KINDS: dict[str, bytes] = {kind: kind.encode("ascii") for kind in (JSON, OCTETS)}


def door_of(app: Any) -> SubmitDoor | None:
    """What an application takes raw submits with; None for one that has no write routes."""
    return cast("SubmitDoor | None", getattr(app, "door", None))
