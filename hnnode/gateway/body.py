"""Request bodies: length limits that hold while the bytes arrive, strict JSON."""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

import msgspec
from starlette.types import Receive, Scope

from hnnode.errors import Rejected
from hnnode.gateway.problem import BadRequest

JSON_DEPTH_MAX = 32
ARRIVAL_S_MAX = 30.0
"""A body that takes longer to arrive is refused: a slow sender must not hold a request for ever."""
OCTETS = "application/octet-stream"
JSON = "application/json"
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_TO_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(c for c in range(256) if c not in b"[]{}")
_PLACE = re.compile(r"(.*) - at `\$?(.*)`", re.DOTALL)
T = TypeVar("T")


def content_type(scope: Scope) -> str:
    """OCTETS or JSON; no header means OCTETS. Raises BadRequest 1001 for any other type."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            text: str = value.split(b";", 1)[0].strip().lower().decode("latin-1")
            if text in (OCTETS, JSON):
                return text
            raise BadRequest("REQUEST_MALFORMED", f"Content-Type: got {text[:60]!r}, want {OCTETS} or {JSON}")
    return OCTETS


async def read_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """The whole body.

    Raises Rejected 1004 as soon as it is known to be too long, 1001 when the client leaves early or is too slow.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > bytes_max:
            raise _too_long(bytes_max)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(ARRIVAL_S_MAX):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Rejected("REQUEST_MALFORMED", f"body: the client left after {size} bytes")
                data: bytes = message.get("body", b"")
                size += len(data)
                if size > bytes_max:
                    raise _too_long(bytes_max)
                parts.append(data)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError as e:
        raise Rejected("REQUEST_MALFORMED", f"body: got {size} bytes in {ARRIVAL_S_MAX:.0f} s, want all") from e


def _too_long(bytes_max: int) -> Rejected:
    return Rejected("BODY_TOO_LARGE", f"got more than {bytes_max} bytes, want at most {bytes_max}")


def check_depth(data: bytes) -> None:
    """Refuse JSON nested deeper than JSON_DEPTH_MAX before a parser meets it. Raises BadRequest 1001.

    Strings are cut out, then each pass removes the innermost pairs: what is left is deeper or unbalanced.
    """
    brackets = _STRINGS.sub(b"", data).translate(_TO_ONE_KIND, _NOT_BRACKETS)
    for _ in range(JSON_DEPTH_MAX):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise BadRequest("REQUEST_MALFORMED", f"JSON: nested deeper than {JSON_DEPTH_MAX}, or brackets do not match")


def decode_json(data: bytes, kind: type[T]) -> T:
    """Decode into a msgspec type. Raises BadRequest 1001 (no JSON) or 1009 (wrong shape, unknown field)."""
    check_depth(data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as e:
        found = _PLACE.fullmatch(str(e))
        text, place = (found.group(1), found.group(2)) if found is not None else (str(e), "")
        raise BadRequest("PARAMETER_INVALID", text, pointer=_pointer(place)) from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise BadRequest("REQUEST_MALFORMED", f"JSON: {e}") from e


def _pointer(place: str) -> str:
    """msgspec's `.txs[3].x` as a JSON pointer."""
    return place.replace("[", ".").replace("]", "").replace(".", "/")
