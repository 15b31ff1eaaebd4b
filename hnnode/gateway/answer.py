"""JSON answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from starlette.responses import Response

from hnnode.errors import ERRORS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""End of year 9999, the last moment RFC 3339 can write."""


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, "application/json")


def time_text(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=min(time_ms, _LAST_MS))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def code_name(code: int) -> str:
    """Name of a code that may come from an application; empty for an unknown one."""
    if code == 0:
        return "OK"
    info = ERRORS.get(code)
    return info.name if info is not None else ""


def embedded(data: bytes, name: str) -> dict[str, Any]:
    """`{name: …}` when the bytes are JSON, byte for byte as they were written, otherwise `{name_hex: …}`."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return {f"{name}_hex": data.hex()}
    return {name: orjson.Fragment(data)}
