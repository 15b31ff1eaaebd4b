"""What a client is told of its transaction: admitted, committed with its receipt, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from hnnode.errors import CODES, ERRORS, Unavailable
from hnnode.gateway.answer import code_name, json_answer
from hnnode.gateway.context import Context
from hnnode.gateway.problem import problem
from hnnode.ports import Personal, SubmitResult, TxStatus, Wait

TX_DUPLICATE = CODES["TX_DUPLICATE"]
TX_EXPIRED = CODES["TX_EXPIRED"]
PERSONAL_DATA = CODES["PERSONAL_DATA"]
INTERNAL_ERROR = CODES["INTERNAL_ERROR"]
POOL_CODES = frozenset(CODES[name] for name in ("MEMPOOL_FULL", "ACCOUNT_QUOTA_EXCEEDED"))
LOOKUPS_A_TURN = 64
"""Look-ups of committed transactions after which the event loop gets a turn."""
NO_ID = bytes(32)
"""The id the mempool gives to what did not decode."""


def final_code(status: TxStatus) -> int:
    """Code of a transaction that will never be committed."""
    return status.code or (TX_EXPIRED if status.state == "expired" else INTERNAL_ERROR)


_KINDS = {
    "citizen_number": "a citizen identity number",
    "mobile": "a mobile number",
    "bank_card": "a bank card number",
}


def refusal(
    context: Context,
    code: int,
    tx_id: bytes,
    instance: str,
    state: str = "rejected",
    personal: Personal | None = None,
) -> Response:
    """Problem document of a refused transaction; a full pool says how full it is, a personal payload what was found where."""
    pool = context.node.mempool.depth() if code in POOL_CODES else None
    return refused_tx(code, tx_id, instance, state, pool, personal)


def refused_tx(
    code: int,
    tx_id: bytes,
    instance: str,
    state: str = "rejected",
    pool: Mapping[str, int] | None = None,
    personal: Personal | None = None,
) -> Response:
    """As `refusal`, for a door that has no pool of its own."""
    extra: dict[str, Any] = {"state": state}
    detail = rule = ""
    if pool is not None:
        extra["pool"] = dict(pool)
    if code == PERSONAL_DATA and personal is not None:
        rule, field = personal
        extra["personal"] = personal_view(personal)
        detail = f"payload: got {_KINDS[rule]} in {field or 'a text'}, want a keyed reference or a commitment"
    shown = None if tx_id == NO_ID else tx_id
    return problem(code, detail, rule=rule, tx_id=shown, instance=instance, extra=extra, pointer="/tx")


def personal_view(personal: Personal) -> dict[str, str]:
    """What was found in a payload, without the number."""
    kind, field = personal
    return {"kind": kind, "field": field}


def known_status(context: Context, tx_id: bytes) -> TxStatus:
    """Status of a transaction that admission knew: pending also in the moment in which its block is written and not durable yet."""
    status = context.node.mempool.status(tx_id)
    return TxStatus(tx_id, "pending") if status.state == "unknown" else status


async def settle(context: Context, result: SubmitResult, wait: Wait, timeout_ms: int) -> TxStatus:
    """Status of an admitted transaction once `wait` is reached or the time is over. Never fails: it is admitted."""
    mempool = context.node.mempool
    if wait == "none":
        return known_status(context, result.tx_id) if result.replayed else TxStatus(result.tx_id, "pending")
    try:
        return await mempool.wait(result.tx_id, wait, timeout_ms)
    except Unavailable:
        return TxStatus(result.tx_id, "pending")


async def settle_all(context: Context, results: Sequence[SubmitResult], wait: Wait, timeout_ms: int) -> list[TxStatus]:
    """`settle` for many, in order."""
    if wait != "none":
        return list(await asyncio.gather(*(settle(context, result, wait, timeout_ms) for result in results)))
    statuses: list[TxStatus] = []
    for number, result in enumerate(results, 1):
        statuses.append(known_status(context, result.tx_id))
        if number % LOOKUPS_A_TURN == 0:
            await asyncio.sleep(0)
    return statuses


async def outcome(context: Context, status: TxStatus, instance: str, *, replayed: bool) -> Response:
    """200 with the receipt when committed or failed, 202 while pending, a problem when it will never be committed."""
    tx_id = status.tx_id
    if status.height is not None and status.tx_index is not None:
        receipt = await context.receipts.get(status.height, status.tx_index)
        return json_answer({"tx_id": tx_id.hex(), "state": status.state, "replayed": replayed, "receipt": receipt})
    if status.state in ("expired", "rejected"):
        return refusal(context, final_code(status), tx_id, instance, status.state)
    return json_answer({"tx_id": tx_id.hex(), "state": status.state, "replayed": replayed}, 202)


def batch_item(result: SubmitResult, status: TxStatus | None) -> dict[str, Any]:
    """One item of a batch's answer; `status` None when the transaction was refused."""
    code = result.code
    if status is None:
        state = "rejected"
    else:
        state = status.state
        code = final_code(status) if state in ("expired", "rejected") else status.code
    info = ERRORS.get(code)
    item: dict[str, Any] = {
        "tx_id": None if result.tx_id == NO_ID else result.tx_id.hex(),
        "state": state,
        "code": code,
        "name": code_name(code),
        "retryable": info.retryable if info is not None else False,
        "replayed": result.replayed,
    }
    if code == PERSONAL_DATA and result.personal is not None:
        item["personal"] = personal_view(result.personal)
    if status is not None and status.height is not None:
        item |= {"height": status.height, "tx_index": status.tx_index, "rule": status.rule}
    return item
