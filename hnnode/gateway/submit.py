"""The write side: `POST /v1/txs` and `POST /v1/txs:batch`.

Both are plain ASGI endpoints, because under load they are most of what this room does; what they refuse goes the same
way as everywhere (an `HnError` becomes a problem document).
"""

from __future__ import annotations

from binascii import Error, a2b_base64, unhexlify
from typing import Annotated, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hnnode.errors import ERRORS, Rejected
from hnnode.gateway.answer import json_answer
from hnnode.gateway.body import JSON, content_type, decode_json, read_body
from hnnode.gateway.context import Context
from hnnode.gateway.outcome import batch_item, outcome, pending_item, refusal, settle, settle_all
from hnnode.gateway.problem import BadRequest
from hnnode.ports import SubmitResult, Wait
from hnnode.primitives.frames import count_frames

WAITS = ("none", "accepted", "committed")
TIMEOUT_MS = 5_000
OFF_LOOP_BYTES = 128 * 1024
"""JSON longer than this is decoded in a reading thread."""


class TxRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    tx: str


class BatchRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    txs: Annotated[list[str], msgspec.Meta(min_length=1)]


def decode_tx_text(text: str) -> bytes | None:
    """Bytes of a transaction written in hexadecimal or base64; None when it is neither.

    A transaction's first byte is its version, 1: hexadecimal begins with "0" and base64 with "A", never the same.
    """
    try:
        if text.startswith("0"):
            return unhexlify(text)
        return a2b_base64(text, strict_mode=True)
    except (Error, ValueError):
        return None


def parse_wait(query: bytes, wait_ms_max: int) -> tuple[Wait, int]:
    """(wait, timeout_ms) of a query string. Raises BadRequest 1009; a timeout above `wait_ms_max` is cut to it."""
    wait, timeout_ms = "none", TIMEOUT_MS
    if not query:
        return "none", timeout_ms
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except ValueError as e:
        raise BadRequest("PARAMETER_INVALID", f"query string: {e}", pointer="/query") from e
    for name, value in pairs:
        if name == "wait" and value in WAITS:
            wait = value
        elif name == "timeout_ms" and value.isascii() and value.isdigit() and len(value) <= 9:
            timeout_ms = int(value)
        else:
            want = {"wait": "none, accepted or committed", "timeout_ms": f"0 to {wait_ms_max}"}.get(name)
            detail = f"{name[:40]}: unknown parameter" if want is None else f"{name}: got {value[:40]!r}, want {want}"
            raise BadRequest("PARAMETER_INVALID", detail, pointer=f"/query/{name[:40]}")
    return cast(Wait, wait), min(timeout_ms, wait_ms_max)


class SubmitTx:
    """`POST /v1/txs`: one transaction."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        kind = content_type(scope)
        wait, timeout_ms = parse_wait(scope["query_string"], context.config.wait_ms_max)
        data = await read_body(scope, receive, context.config.body_bytes_max)
        if kind == JSON:
            decoded = decode_tx_text(decode_json(data, TxRequest).tx)
            if decoded is None:
                raise BadRequest("TX_MALFORMED", "tx: got neither hexadecimal nor base64", pointer="/tx")
            data = decoded
        elif not data:
            raise BadRequest("REQUEST_MALFORMED", "body: got no bytes, want a signed transaction")
        result = (await context.node.mempool.submit([data]))[0]
        path: str = scope["path"]
        if result.code:
            response = refusal(context, result.code, result.tx_id, path)
        else:
            status = await settle(context, result, wait, timeout_ms)
            response = await outcome(context, status, path, replayed=result.replayed)
        await response(scope, receive, send)


class SubmitBatch:
    """`POST /v1/txs:batch`: many transactions, one result each, in order."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        kind = content_type(scope)
        wait, timeout_ms = parse_wait(scope["query_string"], context.config.wait_ms_max)
        data = await read_body(scope, receive, context.config.batch_body_bytes_max)
        mempool = context.node.mempool
        if kind == JSON:
            decode = context.readers.run(self._decode, data) if len(data) > OFF_LOOP_BYTES else None
            txs = await decode if decode is not None else self._decode(data)
            results = await mempool.submit(txs)
        else:
            count_frames(data, context.config.batch_count_max)
            results = await mempool.submit_frames(data)
        response = await self._answer(results, wait, timeout_ms, scope["path"])
        await response(scope, receive, send)

    def _decode(self, data: bytes) -> list[bytes]:
        texts = decode_json(data, BatchRequest).txs
        count_max = self._context.config.batch_count_max
        if len(texts) > count_max:
            raise Rejected("BATCH_TOO_LARGE", f"got {len(texts)} transactions, want at most {count_max}")
        # An item that is no text of bytes becomes an empty one, which is refused as TX_MALFORMED in its place.
        return [decode_tx_text(text) or b"" for text in texts]

    async def _answer(self, results: list[SubmitResult], wait: Wait, timeout_ms: int, path: str) -> Response:
        context = self._context
        codes = {result.code for result in results}
        if len(codes) == 1 and (info := ERRORS.get(results[0].code)) is not None and info.retryable:
            # Nothing was taken and all of it may come again: say so as the whole answer, so that clients slow down.
            return refusal(context, info.code, bytes(32), path)
        # What was just admitted and is not waited for is pending; only the rest is worth a look-up.
        watched = [r for r in results if r.code == 0 and (r.replayed or wait != "none")]
        settled = iter(await settle_all(context, watched, wait, timeout_ms))
        items = []
        refused = 0
        for result in results:
            if result.code:
                refused += 1
                items.append(batch_item(result, None))
            elif result.replayed or wait != "none":
                items.append(batch_item(result, next(settled)))
            else:
                items.append(pending_item(result.tx_id))
        return json_answer({"results": items, "accepted": len(results) - refused, "refused": refused})
