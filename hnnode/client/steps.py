"""The part of the client that does no I/O: flows say what to send, how long to sleep, what to compute; a driver does it.

A flow is a generator, so that the blocking and the asynchronous client are one piece of logic with two drivers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, TypeVar

import msgspec

from hnnode.client.errors import ApiError, NodeBusy, NodeUnreachable, Problem, ResultUnknown, error_of

T = TypeVar("T")
RETRY_FIRST_S = 0.05
RETRY_S_MAX = 2.0
ATTEMPT_S_MAX = 35.0
"""Longest single request: a little more than the longest wait a node offers."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. Every call of this client may be repeated: reads, and writes that carry the same signed bytes."""

    method: str
    path: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = ""
    timeout_s: float = ATTEMPT_S_MAX


@dataclass(frozen=True, slots=True)
class Reply:
    """`failure` when there was no answer; `sent` false when the request surely never reached the node."""

    status: int = 0
    content: bytes = b""
    failure: str = ""
    timed_out: bool = False
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Something that may take long on the CPU, the disk or a signing device."""

    do: Callable[[], Any]


Step = Call | Sleep | Work
Flow = Generator[Step, Any, T]


@dataclass(slots=True)
class Deadline:
    """The moment at which the caller wants to know at the latest."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(monotonic() + seconds)

    def left(self) -> float:
        return self.at - monotonic()


def backoff_s(attempt: int, retry_after_ms: int | None) -> float:
    """Exponential with jitter, and never earlier than the node asked for."""
    grown = min(RETRY_S_MAX, RETRY_FIRST_S * 2 ** min(attempt, 10))
    return float(max(grown * random.uniform(0.5, 1.0), (retry_after_ms or 0) / 1000))


def call(request: Call, deadline: Deadline, tx_id: bytes | None = None) -> Flow[Reply]:
    """Send until an answer below 400 comes, repeating what may pass later. Raises ApiError."""
    attempt = 0
    uncertain = False
    while True:
        timeout_s = max(0.05, min(request.timeout_s, deadline.left()))
        reply: Reply = yield replace(request, timeout_s=timeout_s)
        if reply.status and reply.status < 400:
            return reply
        error = error_in(reply, tx_id)
        uncertain = uncertain or (not reply.status and reply.sent)
        if not isinstance(error, NodeBusy | NodeUnreachable | ResultUnknown):
            raise error
        pause = backoff_s(attempt, error.retry_after_ms)
        if pause >= deadline.left():
            if uncertain and tx_id is not None and not isinstance(error, ResultUnknown):
                raise ResultUnknown("TIMEOUT", f"{error.detail}; it may have been taken", tx_id=tx_id) from error
            raise error
        attempt += 1
        yield Sleep(pause)


def error_in(reply: Reply, tx_id: bytes | None = None) -> ApiError:
    """The exception that a reply stands for which is no success."""
    if reply.timed_out:
        return ResultUnknown("TIMEOUT", reply.failure, tx_id=tx_id)
    if not reply.status:
        return NodeUnreachable("NODE_UNREACHABLE", reply.failure, tx_id=tx_id)
    try:
        problem = msgspec.json.decode(reply.content, type=Problem)
    except msgspec.DecodeError:
        return NodeUnreachable("NODE_UNREACHABLE", f"status {reply.status} without a problem document", tx_id=tx_id)
    error = error_of(problem)
    error.tx_id = error.tx_id or tx_id
    return error


def decode(reply: Reply, kind: type[T]) -> T:
    """Raises NodeUnreachable when the answer is not what a node sends."""
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except msgspec.DecodeError as e:
        raise NodeUnreachable("NODE_UNREACHABLE", f"answer is not one of a node: {e}") from e
