"""What a client raises: the node's errors with their codes, as types a program can tell apart.

Every one is an `HnError`: a `Rejected` when the caller has to act, an `Unavailable` when the same request may succeed later.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hnnode.client.records import Receipt
from hnnode.errors import CODES, ERRORS, HnError, Rejected, Unavailable


class Fault(msgspec.Struct, frozen=True):
    """One entry of a problem document's `errors`."""

    pointer: str = ""
    rule: str = ""
    message_zh: str = ""
    message_en: str = ""


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 9457) as nodes send it."""

    code: int
    detail: str = ""
    retryable: bool = False
    retry_after_ms: int | None = None
    tx_id: str | None = None
    errors: list[Fault] = []


class ApiError(HnError):
    """Base of everything this client raises. `tx_id` when the error is about one transaction."""

    def __init__(
        self,
        name: str,
        detail: str = "",
        *,
        rule: str = "",
        retry_after_ms: int | None = None,
        tx_id: bytes | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(name, detail, rule=rule, retry_after_ms=retry_after_ms)
        self.tx_id = tx_id
        self.faults = faults


class RequestRefused(ApiError, Rejected):
    """The request is wrong and stays wrong: malformed, too large, unknown application, missing role."""


class NotFound(RequestRefused):
    """No such transaction, block, query or record on this node."""


class AccountRefused(RequestRefused):
    """The account is unknown or revoked, or the signature does not hold (2000 range, UNAUTHORIZED, ROLE_MISSING)."""


class TxRefused(RequestRefused):
    """The mempool refuses the transaction (3000 range)."""


class TxExpired(TxRefused):
    """The transaction was not committed in time and never will be: a new one may be signed safely."""


class TxFailed(ApiError, Rejected):
    """The transaction is on the chain and failed there; `receipt` says why, `rule` names the broken rule."""

    def __init__(self, receipt: Receipt) -> None:
        info = ERRORS.get(receipt.code, ERRORS[CODES["HANDLER_FAILED"]])
        detail = f"transaction {receipt.tx_id} failed at height {receipt.height}"
        super().__init__(info.name, detail, rule=receipt.rule, tx_id=bytes.fromhex(receipt.tx_id))
        self.receipt = receipt


class ProofRefused(RequestRefused):
    """A proof does not hold (5100 range)."""


class NodeBusy(ApiError, Unavailable):
    """The node is full or catching up; `retry_after_ms` says when to come again."""


class NodeUnreachable(ApiError, Unavailable):
    """No connection, or the answer is not one of a node."""


class ResultUnknown(ApiError, Unavailable):
    """The time is over and nobody said what became of the request: ask again with `tx_id`, or submit the same bytes."""


def error_of(problem: Problem) -> ApiError:
    """The exception for a problem document."""
    info = ERRORS.get(problem.code)
    name = info.name if info is not None else "INTERNAL_ERROR"
    detail = problem.detail if info is not None else f"{problem.code}: {problem.detail}"
    arguments: dict[str, Any] = {
        "rule": next((fault.rule for fault in problem.errors if fault.rule), ""),
        "retry_after_ms": problem.retry_after_ms,
        "tx_id": _bytes(problem.tx_id),
        "faults": tuple(problem.errors),
    }
    return _kind(problem.code, problem.retryable)(name, detail, **arguments)


def _kind(code: int, retryable: bool) -> type[ApiError]:
    named: dict[str, type[ApiError]] = {
        "TX_EXPIRED": TxExpired,
        "TIMEOUT": ResultUnknown,
        "UNAUTHORIZED": AccountRefused,
        "ROLE_MISSING": AccountRefused,
    }
    info = ERRORS.get(code)
    if info is not None and info.name in named:
        return named[info.name]
    if retryable or (info is not None and info.http == 503):
        return NodeBusy
    if info is not None and info.http == 404:
        return NotFound
    ranges: dict[int, type[ApiError]] = {2: AccountRefused, 3: TxRefused}
    if 5101 <= code <= 5199:
        return ProofRefused
    return ranges.get(code // 1000, RequestRefused)


def _bytes(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        return None
