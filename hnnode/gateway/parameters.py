"""Path and query parameters, declared once."""

from __future__ import annotations

import base64
import struct
from typing import Annotated

from fastapi import Path, Query, Request

from hnnode.errors import Rejected
from hnnode.gateway.problem import BadRequest
from hnnode.ports import Wait

HEIGHT_MAX = 2**63 - 1
NAME = r"^[a-z][a-z0-9_]{0,31}$"
HASH = r"^[0-9a-fA-F]{64}$"

TxId = Annotated[str, Path(pattern=HASH, description="Transaction id, 64 hexadecimal digits")]
Application = Annotated[str, Path(pattern=NAME)]
QueryName = Annotated[str, Path(pattern=NAME)]
StateKey = Annotated[str, Path(pattern=r"^([0-9a-fA-F]{2}){1,1024}$", description="Key bytes in hexadecimal")]
Height = Annotated[int, Path(ge=0, le=HEIGHT_MAX)]
Full = Annotated[bool, Query(description="Also certificate, batches and transactions")]
WaitFor = Annotated[Wait, Query(description="What to wait for")]
TimeoutMs = Annotated[int, Query(ge=0, le=999_999_999, description="Cut to the node's limit (30 s by default)")]
EventFilter = Annotated[str | None, Query(max_length=255)]
After = Annotated[
    str | None,
    Query(max_length=60, description="Cursor `height.tx_index.event_index`, or `latest` for new events only"),
]
_PAGE = struct.Struct(">BQ")
_BLOCKS_DOWN = 1


def refuse_unknown(request: Request) -> None:
    """A misspelt query parameter must not be ignored. Raises BadRequest 1009."""
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise BadRequest("PARAMETER_INVALID", f"{name[:40]}: unknown parameter", pointer=f"/query/{name[:40]}")


def page_limit(limit: int, limit_max: int) -> int:
    """Raises BadRequest 1009 outside 1 to `limit_max`."""
    if not 1 <= limit <= limit_max:
        raise BadRequest("PARAMETER_INVALID", f"limit: got {limit}, want 1 to {limit_max}", pointer="/query/limit")
    return limit


def encode_page(height: int) -> str:
    """Opaque cursor of the block list: the next height downwards."""
    return base64.urlsafe_b64encode(_PAGE.pack(_BLOCKS_DOWN, height)).decode("ascii")


def decode_page(cursor: str) -> int:
    """Raises Rejected 1009 for a cursor this API did not give out."""
    try:
        kind, height = _PAGE.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, struct.error) as e:
        raise Rejected("PARAMETER_INVALID", "cursor: not one of this list's") from e
    if kind != _BLOCKS_DOWN or height > HEIGHT_MAX:
        raise Rejected("PARAMETER_INVALID", "cursor: not one of this list's")
    return int(height)
