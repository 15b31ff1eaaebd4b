"""Answers to `POST /v1/txs:batch`: JSON with one result a transaction, or its code alone.

The usual batch is admitted as a whole. Then the answer is written from the packed ids in one go, without an object for each transaction.
"""

from __future__ import annotations

import struct
from typing import Any

import orjson
from starlette.responses import Response

from hnnode.errors import ERRORS
from hnnode.gateway.body import JSON, OCTETS
from hnnode.gateway.context import Context
from hnnode.gateway.outcome import TX_DUPLICATE, batch_item, refusal, settle_all
from hnnode.ports import Admission, SubmitResult, Wait

ID_BYTES = 32
_PENDING = '","state":"pending","code":0,"name":"OK","retryable":false,"replayed":false}'
_BETWEEN = _PENDING + ',{"tx_id":"'


def is_codes_wanted(accept: bytes) -> bool:
    """Whether an `Accept` header asks for the binary answer."""
    return accept.strip().lower() == b"application/octet-stream"


def pending_batch(admission: Admission, *, codes_wanted: bool) -> tuple[bytes, str] | None:
    """(body, media type) when every transaction was admitted just now, else None."""
    count = admission.admitted_count
    if count * ID_BYTES != len(admission.tx_ids):
        return None
    if codes_wanted:
        return admission.codes, OCTETS
    items = admission.tx_ids.hex("|", ID_BYTES).replace("|", _BETWEEN)
    return f'{{"results":[{{"tx_id":"{items}{_PENDING}],"accepted":{count},"refused":0}}'.encode("ascii"), JSON


async def batch_answer(
    context: Context, admission: Admission, wait: Wait, timeout_ms: int, path: str, *, codes_wanted: bool
) -> Response:
    """The whole answer; looks up what was known already, and waits as asked."""
    quick = pending_batch(admission, codes_wanted=codes_wanted) if wait == "none" else None
    if quick is not None:
        return Response(quick[0], 200, media_type=quick[1])
    count = len(admission.codes) // 4
    first = int.from_bytes(admission.codes[:4], "big")
    info = ERRORS.get(first)
    if info is not None and info.retryable and admission.codes == admission.codes[:4] * count:
        # Nothing was taken and all of it may come again: say so as the whole answer, so that clients slow down.
        return refusal(context, first, bytes(ID_BYTES), path)
    if codes_wanted:
        return Response(admission.codes, 200, media_type=OCTETS)
    results = results_of(admission)
    # What was just admitted and is not waited for is pending; only the rest is worth a look-up.
    watched = [r for r in results if r.code == 0 and (r.replayed or wait != "none")]
    settled = iter(await settle_all(context, watched, wait, timeout_ms))
    items: list[dict[str, Any]] = []
    for result in results:
        if result.code:
            items.append(batch_item(result, None))
        elif result.replayed or wait != "none":
            items.append(batch_item(result, next(settled)))
        else:
            items.append({"tx_id": result.tx_id.hex(), "state": "pending", **_ADMITTED})
    accepted = admission.admitted_count + admission.known_count
    body = orjson.dumps({"results": items, "accepted": accepted, "refused": count - accepted})
    return Response(body, 200, media_type=JSON)


_ADMITTED = {"code": 0, "name": "OK", "retryable": False, "replayed": False}


def results_of(admission: Admission) -> list[SubmitResult]:
    """One object a transaction, for answers that say more than the codes."""
    codes = struct.unpack(f">{len(admission.codes) // 4}I", admission.codes)
    ids = admission.tx_ids
    return [
        SubmitResult(
            ids[ID_BYTES * i : ID_BYTES * (i + 1)],
            0 if code == TX_DUPLICATE else code,
            code == TX_DUPLICATE,
            admission.personal.get(i),
        )
        for i, code in enumerate(codes)
    ]
