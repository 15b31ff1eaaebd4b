"""The submit door of a gateway: the same bodies, refusals and answers as a node's, with the pool elsewhere.

Flow: room? → `Admissions` with a `Sieve` (decode, verify; many bodies a call) → `Forwarder` (many bodies a request) → answer.
A submit that waits is verified the same way and then travels alone, so that the node's own answer is its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hnnode_native import PersonalScan
from starlette.responses import Response

from hnnode.config import GatewayConfig, MempoolConfig
from hnnode.errors import CODES, Unavailable, invariant
from hnnode.gateway.readers import Readers
from hnnode.gateway.submit import single
from hnnode.gateway.turnstile import Turnstile
from hnnode.mempool.admission import CODE_BYTES, Admissions, unpack_codes
from hnnode.mempool.door import Door
from hnnode.ports import NOTHING, Admission, Personal, Wait
from hnnode.primitives.frames import count_frames, decode_frames, encode_frames
from hnnode.proxy.accounts import KnownAccounts
from hnnode.proxy.answers import Answers
from hnnode.proxy.forward import Forwarder
from hnnode.proxy.metrics import GatewayMetrics
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.sieve import UNVERIFIED, Screened, Sieve

ROOM_BYTES_MAX = 32 * 1024 * 1024
ROOM_BYTES_MIN = 1024 * 1024
ROOM_DELAY_MS = 300
"""Bodies without an answer: between these, what the node took in this time lately. A queue in front of the node's own only adds delay."""
SENDER = slice(33, 53)
"""Of a transaction: `u8 version ‖ chain id ‖ sender` come first (formats §2)."""
TX_DUPLICATE = CODES["TX_DUPLICATE"]
PERSONAL_DATA = CODES["PERSONAL_DATA"]
PERSONAL_MAX = 256
"""Transactions of one body of which it is said what was found in them; as in a node."""
_SCAN = PersonalScan()
KNOWN_TO_NODE = frozenset((0, TX_DUPLICATE, CODES["SIGNATURE_INVALID"], CODES["SIGNATURE_OUT_OF_RANGE"]))
"""What a node says only of a sender whose account is registered."""


class ProxyDoor:
    """Implements `gateway.submit.SubmitDoor`. All methods on the event loop."""

    def __init__(
        self,
        nodes: Nodes,
        accounts: KnownAccounts,
        forwarder: Forwarder,
        metrics: GatewayMetrics,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._nodes = nodes
        self._accounts = accounts
        self._forwarder = forwarder
        self._metrics = metrics
        self.turnstile = Turnstile(self._has_room)
        self._room = Door(
            MempoolConfig(pool_bytes_max=ROOM_BYTES_MAX, door_bytes_min=ROOM_BYTES_MIN, door_delay_ms=ROOM_DELAY_MS)
        )
        self._admissions = Admissions(
            admit=Sieve(self._chain_id, accounts.table), metrics=metrics, threads=threads, on_admitted=lambda: None
        )
        self._answers = Answers(nodes, forwarder)
        self._readers = Readers(threads=1)
        self.waiting_bytes = 0

    @property
    def config(self) -> GatewayConfig:
        return self._nodes.config

    @property
    def readers(self) -> Readers:
        return self._readers

    @property
    def room_bytes(self) -> int:
        return self._room.bytes_max

    def _chain_id(self) -> bytes:
        invariant(self._nodes.chain_id is not None, "a body came in before the chain was known")
        return self._nodes.chain_id or b""

    async def stop(self) -> None:
        """Let bodies that were taken get their answers."""
        await self._admissions.stop()
        await self._forwarder.stop()
        self._readers.close()

    # -------------------------------------------------------------- in
    def check_open(self, size: int, source: str) -> None:
        try:
            self._check_room(0, source)
        except Unavailable as e:
            self._metrics.turned_away.labels(e.info.name).inc()
            raise

    def _has_room(self, _size: int, ahead: int, source: str) -> bool:
        try:
            self._check_room(ahead, source)
        except Unavailable:
            return False
        return True

    def _check_room(self, ahead: int, source: str) -> None:
        self._nodes.require()
        closed_ms = self._forwarder.closed_ms()
        if closed_ms:
            raise Unavailable("MEMPOOL_FULL", "the node has no room", retry_after_ms=closed_ms)
        waiting = self.waiting_bytes + ahead
        if self._room.is_full(waiting, source):
            raise Unavailable(
                "MEMPOOL_FULL",
                f"{self._room.bytes_max} bytes wait in this gateway",
                retry_after_ms=self._room.retry_after_ms(waiting),
            )

    def send_one(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        return self._send(single(data), source, wait)

    def send_many(self, data: bytes, source: str, wait: Wait = "none") -> asyncio.Future[Admission]:
        count_frames(data, self.config.batch_count_max)
        return self._send(data, source, wait)

    def _send(self, body: bytes, source: str, wait: Wait) -> asyncio.Future[Admission]:
        self.check_open(len(body), source)
        self._room.took(len(body), source)
        self.waiting_bytes += len(body)
        result: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        result.add_done_callback(partial(self._answered, len(body)))
        self._admissions.put(body).add_done_callback(partial(self._screened, result, body, wait))
        return result

    def _answered(self, size: int, _: asyncio.Future[Admission]) -> None:
        self.waiting_bytes -= size

    # -------------------------------------------------------------- between
    def _screened(
        self, result: asyncio.Future[Admission], body: bytes, wait: Wait, found: asyncio.Future[Admission]
    ) -> None:
        if result.done():
            return
        if found.cancelled() or found.exception() is not None:
            _fail(result, found)
            return
        admission = found.result()
        count = len(admission.codes) // CODE_BYTES
        good: Sequence[int] | None = None
        frames = body
        if admission.admitted_count + admission.known_count != count:
            good = [i for i, code in enumerate(unpack_codes(admission.codes)) if code in (0, UNVERIFIED)]
            frames = _pick(body, good)
        self._metrics.unverified.inc(admission.known_count)
        screened = Screened(
            admission.tx_ids,
            admission.codes,
            admission.admitted_count,
            admission.known_count,
            frames=frames,
            good=good,
        )
        if wait != "none" or not frames:
            # Nobody has seen a transaction of this yet; what is left of the codes are the refusals.
            result.set_result(screened)
            return
        forwarded = self._forwarder.put(frames, count if good is None else len(good))
        forwarded.add_done_callback(partial(self._forwarded, result, screened))

    def _forwarded(self, result: asyncio.Future[Admission], screened: Screened, found: asyncio.Future[bytes]) -> None:
        if found.cancelled() or found.exception() is not None:
            _fail(result, found)
            return
        codes = found.result()
        self._room.committed(len(screened.frames), self.waiting_bytes)
        if screened.known_count:
            self._learn(screened, codes)
        if result.done():
            return
        if screened.good is not None:
            merged = bytearray(screened.codes)
            for i, place in enumerate(screened.good):
                merged[CODE_BYTES * place : CODE_BYTES * (place + 1)] = codes[CODE_BYTES * i : CODE_BYTES * (i + 1)]
            codes = bytes(merged)
        fresh, known = len(codes) // CODE_BYTES, 0
        personal: Mapping[int, Personal] = NOTHING
        if codes.count(0) != len(codes):
            told = unpack_codes(codes)
            fresh, known = told.count(0), told.count(TX_DUPLICATE)
            if PERSONAL_DATA in told:
                personal = _personal(told, screened)
        result.set_result(
            Screened(screened.tx_ids, codes, fresh, known, personal, frames=screened.frames, good=screened.good)
        )

    def _learn(self, screened: Screened, codes: bytes) -> None:
        """Ask for the accounts of what was not verified here and turned out to be registered."""
        marks = unpack_codes(screened.codes)
        places = range(len(marks)) if screened.good is None else screened.good
        frames = decode_frames(screened.frames)
        self._accounts.want(
            frame[SENDER]
            for place, frame, code in zip(places, frames, unpack_codes(codes), strict=True)
            if marks[place] == UNVERIFIED and code in KNOWN_TO_NODE
        )

    # -------------------------------------------------------------- out
    async def answer_one(self, admission: Admission, wait: Wait, timeout_ms: int, path: str) -> Response:
        return await self._answers.one(_own(admission), wait, timeout_ms, path)

    async def answer_many(
        self, admission: Admission, wait: Wait, timeout_ms: int, path: str, *, codes_wanted: bool
    ) -> Response:
        return await self._answers.many(_own(admission), wait, timeout_ms, path, codes_wanted=codes_wanted)


def _personal(told: Sequence[int], screened: Screened) -> dict[int, Personal]:
    """What the node found, which says the code alone. It knows the plugins' fields, so a field that they leave out may be named here."""
    places = range(len(told)) if screened.good is None else screened.good
    found: dict[int, Personal] = {}
    for place, frame in zip(places, decode_frames(screened.frames), strict=True):
        if told[place] == PERSONAL_DATA and len(found) < PERSONAL_MAX:
            hit = _SCAN.find_in_tx(frame)
            if hit is not None:
                found[place] = hit
    return found


def _own(admission: Admission) -> Screened:
    if not isinstance(admission, Screened):
        raise TypeError("an admission of another door")
    return admission


def _pick(body: bytes, places: Sequence[int]) -> bytes:
    frames = decode_frames(body)
    return encode_frames(frames[place] for place in places)


def _fail(result: asyncio.Future[Admission], found: asyncio.Future[Admission] | asyncio.Future[bytes]) -> None:
    if found.cancelled():
        result.cancel()
    elif not result.done():
        error = found.exception()
        invariant(error is not None, "a future that failed has an error")
        result.set_exception(error)  # type: ignore[arg-type]
