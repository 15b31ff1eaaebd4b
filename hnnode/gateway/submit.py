"""The write side: `POST /v1/txs` and `POST /v1/txs:batch`.

A `SubmitDoor` is what both forms of the routes share: `raw_submit` answers the plain case before the framework sees the request, the ASGI
endpoints here everything (JSON bodies, waiting). `Submissions` is the door of a node; a gateway that stands in front of one has its own.
What they refuse goes the same way as everywhere: an `HnError` becomes a problem document.
"""

from __future__ import annotations

import asyncio
import struct
from binascii import Error, a2b_base64, unhexlify
from typing import Annotated, Protocol, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hnnode.config import GatewayConfig
from hnnode.errors import Rejected, Unavailable
from hnnode.gateway.batch_answer import batch_answer, is_codes_wanted
from hnnode.gateway.body import JSON, content_type, decode_json, read_body
from hnnode.gateway.context import Context
from hnnode.gateway.outcome import TX_DUPLICATE, outcome, refusal, settle
from hnnode.gateway.problem import BadRequest
from hnnode.gateway.readers import Readers
from hnnode.gateway.turnstile import Turnstile
from hnnode.ports import Admission, SubmitResult, Wait
from hnnode.primitives.frames import count_frames, encode_frames

WAITS = ("none", "accepted", "committed")
TIMEOUT_MS = 5_000
OFF_LOOP_BYTES = 128 * 1024
"""JSON longer than this is decoded in a reading thread."""
_LENGTH = struct.Struct(">I")


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


def source_of(client: tuple[str, int] | None) -> str:
    """Whom a request came from, `host port` of the connection; empty when the server does not know it."""
    return f"{client[0]} {client[1]}" if client else ""


def single(data: bytes) -> bytes:
    """The frame of one transaction. Raises BadRequest 1001 for an empty body."""
    if not data:
        raise BadRequest("REQUEST_MALFORMED", "body: got no bytes, want a signed transaction")
    return _LENGTH.pack(len(data)) + data


def pending_one(admission: Admission) -> bytes | None:
    """The answer to a transaction just admitted, None when there is more to say."""
    if admission.admitted_count != 1:
        return None
    return b'{"tx_id":"%s","state":"pending","replayed":false}' % admission.tx_ids.hex().encode("ascii")


class SubmitDoor(Protocol):
    """Bodies in and answers out, whatever read the request. `source` is as in `ports.Mempool.submit_frames`."""

    @property
    def config(self) -> GatewayConfig: ...
    @property
    def readers(self) -> Readers: ...

    @property
    def turnstile(self) -> Turnstile: ...

    def check_open(self, size: int, source: str) -> None:
        """Raises Unavailable when a body of `size` bytes from this source would be refused now."""

    def send_one(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        """A signed transaction; `wait` is what its answer will wait for. Raises BadRequest 1001 for an empty body, Unavailable."""

    def send_many(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        """Repeated `u32 length ‖ transaction`. Raises Rejected 1001 or 1008, Unavailable."""

    async def answer_one(self, admission: Admission, wait: Wait, timeout_ms: int, path: str) -> Response: ...
    async def answer_many(
        self, admission: Admission, wait: Wait, timeout_ms: int, path: str, *, codes_wanted: bool
    ) -> Response: ...


class Submissions:
    """The door of a node: bodies go into its mempool."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.turnstile = Turnstile(self._has_room)

    def _has_room(self, size: int, ahead: int, source: str) -> bool:
        try:
            self._context.node.mempool.check_open(size, source, ahead)
        except Unavailable:
            return False
        return True

    @property
    def config(self) -> GatewayConfig:
        return self._context.config

    @property
    def readers(self) -> Readers:
        return self._context.readers

    def check_open(self, size: int, source: str) -> None:
        self._context.node.mempool.check_open(size, source)

    def send_one(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        return self._context.node.mempool.submit_frames(single(data), source)

    def send_many(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        count_frames(data, self.config.batch_count_max)
        return self._context.node.mempool.submit_frames(data, source)

    async def answer_one(self, admission: Admission, wait: Wait, timeout_ms: int, path: str) -> Response:
        code = int.from_bytes(admission.codes, "big")
        if code not in (0, TX_DUPLICATE):
            return refusal(self._context, code, admission.tx_ids, path, personal=admission.personal.get(0))
        result = SubmitResult(admission.tx_ids, 0, replayed=code != 0)
        status = await settle(self._context, result, wait, timeout_ms)
        return await outcome(self._context, status, path, replayed=result.replayed)

    async def answer_many(
        self, admission: Admission, wait: Wait, timeout_ms: int, path: str, *, codes_wanted: bool
    ) -> Response:
        return await batch_answer(self._context, admission, wait, timeout_ms, path, codes_wanted=codes_wanted)


class SubmitTx:
    """`POST /v1/txs`: one transaction."""

    def __init__(self, door: SubmitDoor) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = self._door.config
        kind = content_type(scope)
        wait, timeout_ms = parse_wait(scope["query_string"], config.wait_ms_max)
        data = await read_body(scope, receive, config.body_bytes_max)
        if kind == JSON:
            decoded = decode_tx_text(decode_json(data, TxRequest).tx)
            if not decoded:
                raise BadRequest("TX_MALFORMED", "tx: got neither hexadecimal nor base64", pointer="/tx")
            data = decoded
        admission = await self._door.send_one(data, source_of(scope.get("client")), wait)
        response = await self._door.answer_one(admission, wait, timeout_ms, scope["path"])
        await response(scope, receive, send)


class SubmitBatch:
    """`POST /v1/txs:batch`: many transactions, one result each, in order."""

    def __init__(self, door: SubmitDoor) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, config = self._door, self._door.config
        kind = content_type(scope)
        wait, timeout_ms = parse_wait(scope["query_string"], config.wait_ms_max)
        codes_wanted = any(is_codes_wanted(v) for name, v in scope["headers"] if name == b"accept")
        if codes_wanted and wait != "none":
            raise BadRequest(
                "PARAMETER_INVALID", "wait: a binary answer tells the admission only", pointer="/query/wait"
            )
        data = await read_body(scope, receive, config.batch_body_bytes_max)
        if kind == JSON:
            decode = door.readers.run(self._decode, data) if len(data) > OFF_LOOP_BYTES else None
            data = await decode if decode is not None else self._decode(data)
        admission = await door.send_many(data, source_of(scope.get("client")), wait)
        response = await door.answer_many(admission, wait, timeout_ms, scope["path"], codes_wanted=codes_wanted)
        await response(scope, receive, send)

    def _decode(self, data: bytes) -> bytes:
        texts = decode_json(data, BatchRequest).txs
        count_max = self._door.config.batch_count_max
        if len(texts) > count_max:
            raise Rejected("BATCH_TOO_LARGE", f"got {len(texts)} transactions, want at most {count_max}")
        # An item that is no text of bytes becomes an empty one, which is refused as TX_MALFORMED in its place.
        return encode_frames(decode_tx_text(text) or b"" for text in texts)
