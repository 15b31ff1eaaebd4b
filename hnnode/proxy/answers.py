"""Answers of a gateway to submits: where it knows as much as a node it says the same in the same form, the rest it asks the node for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from hnnode.errors import CODES, ERRORS, Unavailable
from hnnode.gateway.answer import json_answer
from hnnode.gateway.batch_answer import ID_BYTES, pending_batch, results_of
from hnnode.gateway.body import JSON, OCTETS
from hnnode.gateway.outcome import NO_ID, POOL_CODES, batch_item, refused_tx
from hnnode.gateway.problem import problem
from hnnode.gateway.submit import pending_one
from hnnode.mempool.admission import CODE_BYTES, unpack_codes
from hnnode.ports import Personal, SubmitResult, Wait
from hnnode.primitives.frames import decode_frames, encode_frames
from hnnode.proxy.delivery import LASTING, UNKNOWN, Answer, deliver, unknown
from hnnode.proxy.forward import TIMEOUT, Forwarder
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.sieve import Screened
from hnnode.proxy.wire import Request

LOOK_UP_S = 5.0
MARGIN_S = 5.0
"""Beside the wait that a client asked for."""
TX_DUPLICATE = CODES["TX_DUPLICATE"]
_HEADERS = ((b"content-type", OCTETS.encode("ascii")),)


class Answers:
    def __init__(self, nodes: Nodes, forwarder: Forwarder) -> None:
        self._nodes = nodes
        self._forwarder = forwarder

    # -------------------------------------------------------------- one
    async def one(self, found: Screened, wait: Wait, timeout_ms: int, path: str) -> Response:
        code = int.from_bytes(found.codes, "big")
        if wait != "none" and found.frames:
            answer = await self._wait(path, decode_frames(found.frames)[0], wait, timeout_ms)
            told = answer.problem()
            if answer.is_uncertain and answer.status >= 400 and (told is None or told.code not in LASTING):
                return self._refusal(TIMEOUT, found.tx_ids, path)
            return _passed(answer)
        if code == TX_DUPLICATE:
            return await self._known(found.tx_ids, path)
        quick = pending_one(found)
        if quick is not None:
            return Response(quick, 202, media_type=JSON)
        return self._refusal(code, found.tx_ids, path, personal=found.personal.get(0))

    def _refusal(
        self, code: int, tx_id: bytes, path: str, state: str = "rejected", personal: Personal | None = None
    ) -> Response:
        if code == TIMEOUT:
            return problem(code, UNKNOWN, tx_id=tx_id, instance=path, extra={"state": "unknown"}, pointer="/tx")
        return refused_tx(code, tx_id, path, state, self._forwarder.pool if code in POOL_CODES else None, personal)

    async def _known(self, tx_id: bytes, path: str) -> Response:
        """What became of a transaction that the node knew already; `pending` when nobody can say now."""
        pending = {"tx_id": tx_id.hex(), "state": "pending", "replayed": True}
        state = await self._get(f"/v1/txs/{tx_id.hex()}")
        if state is None or state.get("state") in ("pending", "unknown"):
            return json_answer(pending, 202)
        if state["state"] in ("expired", "rejected"):
            return self._refusal(state["code"], tx_id, path, state["state"])
        receipt = await self._get(f"/v1/txs/{tx_id.hex()}/receipt")
        if receipt is None:
            return json_answer(pending, 202)
        return json_answer({"tx_id": tx_id.hex(), "state": state["state"], "replayed": True, "receipt": receipt})

    async def _get(self, path: str) -> dict[str, Any] | None:
        request = Request("GET", path.encode("ascii"))
        try:
            answer = await deliver(self._nodes, lambda node: node.passing, request, LOOK_UP_S)
        except Unavailable:
            return None
        return _json(answer) if answer.status == 200 else None

    # -------------------------------------------------------------- many
    async def many(self, found: Screened, wait: Wait, timeout_ms: int, path: str, *, codes_wanted: bool) -> Response:
        if wait != "none" and found.frames:
            return await self._many_waited(found, wait, timeout_ms, path)
        quick = pending_batch(found, codes_wanted=codes_wanted)
        if quick is not None:
            return Response(quick[0], 200, media_type=quick[1])
        first = int.from_bytes(found.codes[:CODE_BYTES], "big")
        info = ERRORS.get(first)
        if (
            info is not None
            and info.retryable
            and found.codes == found.codes[:CODE_BYTES] * (len(found.codes) // CODE_BYTES)
        ):
            return self._refusal(first, NO_ID, path)
        if codes_wanted:
            return Response(found.codes, 200, media_type=OCTETS)
        items = [_item(result) for result in results_of(found)]
        if found.known_count:
            await self._look_up(found, items)
        return _batch(items)

    async def _look_up(self, found: Screened, items: list[dict[str, Any]]) -> None:
        """Replace the items of known transactions by what the node says of them now."""
        places = range(len(items)) if found.good is None else found.good
        codes = unpack_codes(found.codes)
        frames = decode_frames(found.frames)
        known = [(place, frame) for place, frame in zip(places, frames, strict=True) if codes[place] == TX_DUPLICATE]
        request = Request("POST", b"/v1/txs:batch", _HEADERS, encode_frames(frame for _, frame in known))
        try:
            answer = await deliver(self._nodes, lambda node: node.passing, request, LOOK_UP_S)
        except Unavailable:
            return
        told = _results(answer, len(known))
        for (place, _), item in zip(known, told or (), strict=False):
            if item["code"] == 0 or item.get("height") is not None:
                items[place] = item

    async def _many_waited(self, found: Screened, wait: Wait, timeout_ms: int, path: str) -> Response:
        answer = await self._wait(path, found.frames, wait, timeout_ms)
        told = answer.problem()
        if told is None and found.good is None and not answer.is_uncertain:
            return _passed(answer)
        items = [_item(result) for result in results_of(found)]
        places = list(range(len(items)) if found.good is None else found.good)
        results = _results(answer, len(places))
        if results is None:
            if told is None or (answer.is_uncertain and told.code not in LASTING):
                raise unknown()
            if "state" not in told.members or len(places) == len(items):
                return _passed(answer)
            # All that reached the node were refused for one reason, and others here for theirs.
            for place in places:
                items[place] = _item(SubmitResult(_id(found, place), told.code))
            return _batch(items)
        for place, item in zip(places, results, strict=True):
            if answer.is_uncertain and item.get("state") == "rejected" and item["code"] not in LASTING:
                item = _item(SubmitResult(_id(found, place), TIMEOUT))
            items[place] = item
        return _batch(items)

    async def _wait(self, path: str, body: bytes, wait: Wait, timeout_ms: int) -> Answer:
        query = urlencode({"wait": wait, "timeout_ms": timeout_ms})
        request = Request("POST", f"{path}?{query}".encode("ascii"), _HEADERS, body)
        return await deliver(self._nodes, lambda node: node.waits, request, timeout_ms / 1000 + MARGIN_S)


def _id(found: Screened, place: int) -> bytes:
    return found.tx_ids[ID_BYTES * place : ID_BYTES * (place + 1)]


def _item(result: SubmitResult) -> dict[str, Any]:
    """As a node writes it for a transaction that nobody has looked up."""
    if result.code == TIMEOUT:
        return batch_item(result, None) | {"state": "unknown"}
    if result.code:
        return batch_item(result, None)
    item = batch_item(SubmitResult(result.tx_id, 0, result.replayed), None)
    return item | {"state": "pending"}


def _batch(items: list[dict[str, Any]]) -> Response:
    accepted = sum(item["code"] == 0 or item.get("height") is not None for item in items)
    body = {"results": items, "accepted": accepted, "refused": len(items) - accepted}
    return Response(orjson.dumps(body), 200, media_type=JSON)


def _results(answer: Answer, count: int) -> list[dict[str, Any]] | None:
    """The items of a batch's answer; None when it is anything else."""
    document = _json(answer) if answer.status == 200 else None
    results = document.get("results") if document is not None else None
    if not isinstance(results, list) or len(results) != count:
        return None
    return results if all(isinstance(item, dict) and isinstance(item.get("code"), int) for item in results) else None


def _json(answer: Answer) -> dict[str, Any] | None:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _passed(answer: Answer) -> Response:
    kept = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in answer.headers
        if name in (b"content-type", b"retry-after")
    }
    return Response(answer.body, answer.status, kept)
