"""Problem documents (RFC 9457): one shape and one number space for everything that is refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from hnnode_native import NativeError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hnnode.errors import CODES, ERRORS, FatalError, HnError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_MS = 1_000
"""Said with a retryable error that names no time of its own."""
DETAIL_CHARS_MAX = 500
ITEMS_MAX = 32
ZH_CHARS_MAX = 100
SUBMITS = ("/v1/txs", "/v1/txs:batch")
"""Answered in two ways that say the same, one before the framework. Neither looks for a Chinese detail: refusals come in floods."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of `errors`: `pointer` points into the request (`/query/limit`, `/tx`), `rule` is what it broke."""

    pointer: str
    rule: str
    message_zh: str
    message_en: str


def problem(
    code: int,
    detail: str = "",
    *,
    rule: str = "",
    pointer: str = "",
    tx_id: bytes | None = None,
    retry_after_ms: int | None = None,
    instance: str = "",
    faults: Sequence[Fault] = (),
    zh: str = "",
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for one error code; an unknown number becomes INTERNAL_ERROR, whose detail is never shown."""
    info = ERRORS.get(code) or ERRORS[CODES["INTERNAL_ERROR"]]
    shown = "" if info.http == 500 else detail[:DETAIL_CHARS_MAX]
    if info.retryable and retry_after_ms is None:
        retry_after_ms = RETRY_AFTER_MS
    entries = faults or (Fault(pointer, rule, zh or info.zh, shown or info.en),)
    document: dict[str, Any] = {
        "type": f"urn:hnnode:error:{info.code}",
        "title": info.en,
        "status": info.http,
        "detail": shown or info.en,
        "instance": instance,
        "code": info.code,
        "name": info.name,
        "retryable": info.retryable,
        "retry_after_ms": retry_after_ms if info.retryable else None,
        "tx_id": tx_id.hex() if tx_id is not None else None,
        "errors": [
            {"pointer": e.pointer, "rule": e.rule, "message_zh": e.message_zh, "message_en": e.message_en}
            for e in entries[:ITEMS_MAX]
        ],
    }
    if extra is not None:
        document.update(extra)
    sent = dict(headers or {})
    if info.retryable and retry_after_ms is not None:
        sent["Retry-After"] = str(max(1, math.ceil(retry_after_ms / 1000)))
    return Response(orjson.dumps(document), info.http, sent, MEDIA_TYPE)


class BadRequest(HnError):
    """A request this room refuses itself, with the place of the fault."""

    def __init__(self, name: str, detail: str, *, pointer: str = "", rule: str = "") -> None:
        super().__init__(name, detail, rule=rule)
        self.pointer = pointer


def _in_chinese(error: HnError) -> str:
    """The detail in Chinese; empty when nobody knows it. Not of what comes in floods, refusals under load, nor of long texts: the look
    through all that is known takes up to 0.3 ms of the loop that serves everybody.
    """
    if error.info.retryable or error.info.http == 500 or len(error.detail) > ZH_CHARS_MAX:
        return ""
    said = error.detail_zh
    return "" if said == error.detail else said


def refused(error: HnError, instance: str, zh: str = "") -> Response:
    """The problem document of an error of this node. zh: the detail in Chinese."""
    if isinstance(error, FatalError):
        # The node's own handler of its loop decides what to do; a request handler must not swallow it.
        asyncio.get_running_loop().call_exception_handler({"message": "fatal error in a request", "exception": error})
    detail = "" if isinstance(error, FatalError) else error.detail
    pointer = error.pointer if isinstance(error, BadRequest) else ""
    return problem(
        error.code,
        detail,
        rule=error.rule,
        pointer=pointer,
        retry_after_ms=error.retry_after_ms,
        instance=instance,
        zh=zh,
    )


async def on_hn_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HnError):
        raise error
    path = request.url.path
    return refused(error, path, zh="" if path in SUBMITS else _in_chinese(error))


async def on_native_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, NativeError):
        raise error
    return problem(error.code, str(error), instance=request.url.path)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Refusals of the framework: unknown path, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    name = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}.get(
        error.status_code, "REQUEST_MALFORMED"
    )
    detail = f"{request.method} {request.url.path}" if name != "REQUEST_MALFORMED" else ""
    return problem(CODES[name], detail, instance=request.url.path, headers=error.headers)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Path and query parameters that do not fit their declaration."""
    if not isinstance(error, RequestValidationError):
        raise error
    info = ERRORS[CODES["PARAMETER_INVALID"]]
    faults = [
        Fault("/" + "/".join(str(part) for part in e["loc"]), e["type"], info.zh, str(e["msg"])) for e in error.errors()
    ]
    detail = "; ".join(f"{fault.pointer}: {fault.message_en}" for fault in faults)
    return problem(info.code, detail, instance=request.url.path, faults=faults)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A defect: the server logs the traceback, the client learns only that it happened."""
    return problem(CODES["INTERNAL_ERROR"], instance=request.url.path)
