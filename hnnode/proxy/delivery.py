"""One request to whichever node takes it, and the truth about what became of it.

Everything sent this way may safely be sent again: the nodes know a transaction by its id. So a request whose connection broke goes out once
more, to the same node or the next, and a node that refuses because of itself (503) is left for the next.

Invariant: nothing is called refused that a node may have taken. After a request was sent and its answer lost, refusals that depend on the
moment no longer count, and when all attempts are over the outcome is unknown (TIMEOUT).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from hnnode.errors import CODES, ERRORS, HnError, Unavailable
from hnnode.proxy.nodes import Node, Nodes
from hnnode.proxy.wire import Lost, Request
from hnnode.proxy.wires import Wires

ATTEMPTS_MAX = 20
PAUSE_FIRST_S = 0.05
PAUSE_S_MAX = 1.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
LASTING = frozenset(
    CODES[name]
    for name in ("TX_MALFORMED", "TX_TOO_LARGE", "WRONG_CHAIN", "SIGNATURE_INVALID", "SIGNATURE_OUT_OF_RANGE")
)
"""Refusals of the bytes alone: no node can have taken them at any time."""
UNKNOWN = "the connection to the node broke before its answer: ask for the transaction by its id, or send the same bytes again"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document of a node."""

    code: int
    detail: str
    retry_after_ms: int | None
    members: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> Problem | None:
        """None for anything that is no problem document with a known code."""
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return None
        code, detail, after = document.get("code"), document.get("detail", ""), document.get("retry_after_ms")
        if code not in ERRORS or not isinstance(detail, str) or not (after is None or isinstance(after, int)):
            return None
        return cls(code, detail, after, document)

    def error(self) -> HnError:
        return HnError(ERRORS[self.code].name, self.detail, retry_after_ms=self.retry_after_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer of a node. `is_uncertain`: an earlier attempt may have been taken."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_uncertain: bool

    def header(self, name: bytes) -> bytes:
        return next((value for found, value in self.headers if found == name), b"")

    def problem(self) -> Problem | None:
        return Problem.read(self.body) if self.status >= 400 else None


def unknown() -> Unavailable:
    return Unavailable("TIMEOUT", UNKNOWN)


async def deliver(
    nodes: Nodes,
    wires_of: Callable[[Node], Wires],
    request: Request,
    timeout_s: float,
    on_resend: Callable[[], None] = lambda: None,
) -> Answer:
    """The first answer that says something of the request.

    Raises Unavailable: 9004 when no node was reached, 1012 when too many requests wait, 9005 when the outcome is unknown.
    """
    is_uncertain = False
    refusal: Answer | None = None
    tried: list[Node] = []
    pause_s = PAUSE_FIRST_S
    for attempt in range(ATTEMPTS_MAX):
        node = nodes.best(tried)
        if node is None:
            if not is_uncertain:
                break
            tried.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
            continue
        if attempt:
            on_resend()
        try:
            reply = await wires_of(node).exchange(request, timeout_s)
            body = await reply.body(ANSWER_BYTES_MAX)
        except Lost as e:
            is_uncertain = is_uncertain or e.sent
            node.suspect(e)
            tried.append(node)
            continue
        except Unavailable:
            if is_uncertain:
                break
            raise
        answer = Answer(reply.status, reply.headers, body, is_uncertain)
        if answer.status < 429:
            return answer
        problem = answer.problem()
        if answer.status == 429:
            if not is_uncertain:
                return answer
        elif answer.status == 503 and problem is not None:
            node.not_ready(f"answers 503 {ERRORS[problem.code].name}: {problem.detail}"[:300])
            refusal = answer
        else:
            is_uncertain = True  # a defect in the middle of the work, or something that is no node
        tried.append(node)
    if is_uncertain:
        raise unknown()
    if refusal is not None:
        return refusal
    raise nodes.unreachable()
