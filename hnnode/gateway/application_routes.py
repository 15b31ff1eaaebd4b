"""`/applications` and `/plugins`: what this chain can do, queries, bodies for thin clients, state proofs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hnnode.errors import Rejected
from hnnode.gateway import models
from hnnode.gateway.answer import json_answer
from hnnode.gateway.body import OCTETS, decode_json, read_body
from hnnode.gateway.context import Context
from hnnode.gateway.documents import OCTETS_ANSWER, json_body
from hnnode.gateway.parameters import HEIGHT_MAX, Application, QueryName, StateKey
from hnnode.gateway.problem import BadRequest
from hnnode.ports import Node, StateReader
from hnnode.primitives.hex_text import decode_account, decode_hex
from hnnode.primitives.tx import build_body

U64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class BuildRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`payload` (JSON, taken byte for byte) or `payload_hex`; without a nonce a random one is taken."""

    action: str
    sender: str
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    payload_hex: str | msgspec.UnsetType = msgspec.UNSET
    nonce: U64 | msgspec.UnsetType = msgspec.UNSET
    valid_until_height: U64 | msgspec.UnsetType = msgspec.UNSET


def catalogue(node: Node) -> list[dict[str, Any]]:
    """Applications with their actions, queries, events and rules, by name."""
    found: dict[str, dict[str, Any]] = {}

    def entry(application: str) -> dict[str, Any]:
        lists: dict[str, Any] = {"actions": [], "queries": [], "events": [], "rules": []}
        return found.setdefault(application, {"application": application, "plugin": "", "version": "", **lists})

    for action in node.applications.actions():
        item = entry(action.application)
        item["plugin"], item["version"] = action.plugin, action.version
        item["actions"].append(
            {
                "action": action.action,
                "roles": list(action.roles),
                "title_zh": action.title_zh,
                "title_en": action.title_en,
            }
        )
    for query in node.applications.queries():
        item = {"query": query.query, "title_zh": query.title_zh, "title_en": query.title_en}
        entry(query.application)["queries"].append(item)
    for event in node.applications.events():
        item = {"event": event.event, "title_zh": event.title_zh, "title_en": event.title_en}
        entry(event.application)["events"].append(item)
    for rule in node.applications.rules():
        item = {"rule": rule.rule, "message_zh": rule.zh, "message_en": rule.en}
        entry(rule.application)["rules"].append(item)
    return [found[name] for name in sorted(found)]


def application_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["applications"])
    node = context.node

    @router.get("/plugins", response_model=models.Plugins, summary="Plugins and their status")
    async def list_plugins() -> Response:
        plugins = [{**p, "code_hash": _hex(p.get("code_hash", ""))} for p in node.applications.plugins()]
        return json_answer({"plugins": plugins})

    @router.get(
        "/applications", response_model=models.Applications, summary="Applications, actions, queries, events and rules"
    )
    async def list_applications() -> Response:
        return json_answer({"applications": catalogue(node)})

    @router.get(
        "/applications/{application}/schema", response_model=models.Schema, summary="JSON Schemas of an application"
    )
    async def get_schema(application: Application) -> Response:
        actions = {a.action: a.schema for a in node.applications.actions() if a.application == application}
        queries = {q.query: q.schema for q in node.applications.queries() if q.application == application}
        if not actions and not queries:
            raise Rejected("NOT_FOUND", f"application {application}: not on this chain")
        events = {e.event: e.schema for e in node.applications.events() if e.application == application}
        answer = {"application": application, "actions": actions, "queries": queries, "events": events}
        return json_answer(answer)

    @router.post(
        "/applications/{application}/queries/{query}",
        response_model=models.QueryAnswer,
        openapi_extra=json_body({"type": "object"}, required=False),
        summary="Run a query",
    )
    async def run_query(
        request: Request,
        application: Application,
        query: QueryName,
        height: Annotated[int | None, Query(ge=0, le=HEIGHT_MAX, description="One of the last few heights")] = None,
    ) -> Response:
        """The body is the arguments, a JSON object; no body means none."""
        body = await read_body(request.scope, request.receive, context.config.body_bytes_max) or b"{}"

        def state() -> StateReader:
            decode_json(body, dict[str, msgspec.Raw])
            return node.chain.state(height)

        def made(result: dict[str, Any], height: int) -> Response:
            answer = {"application": application, "query": query, "height": height, "result": result}
            try:
                return json_answer(answer)
            except orjson.JSONEncodeError as e:
                raise Rejected("HANDLER_FAILED", f"query {application}.{query}: its answer is no JSON") from e

        asked = node.applications.ask(application, query, body, state, made)
        if asked is not None:
            return await asyncio.wrap_future(asked)

        def run() -> Response:
            at = state()
            return made(node.applications.query(application, query, body, at), at.height)

        return await context.readers.run(run)

    @router.post(
        "/applications/{application}/txs:build",
        response_model=models.BuiltTx,
        openapi_extra=json_body({"$ref": "#/components/schemas/BuildTx"}),
        summary="Bytes to sign for a thin client",
    )
    async def build_tx(request: Request, application: Application) -> Response:
        """The server never sees a key: sign `tx_id` with SM2 and post `body || signature` to `/v1/txs`."""
        data = await read_body(request.scope, request.receive, context.config.body_bytes_max)
        wanted = decode_json(data, BuildRequest)
        actions = {a.action for a in node.applications.actions() if a.application == application}
        if not actions:
            raise Rejected("APPLICATION_UNKNOWN", f"application {application}: not on this chain")
        if wanted.action not in actions:
            raise BadRequest("ACTION_UNKNOWN", f"action: got {wanted.action[:40]!r}", pointer="/action")
        payload = _payload(wanted)
        if wanted.valid_until_height is msgspec.UNSET:
            tip = await context.readers.run(node.chain.tip)
            until = tip.height + max(1, context.genesis.valid_blocks_max // 2)
        else:
            until = wanted.valid_until_height
        body = build_body(
            chain_id=context.genesis.chain_id,
            sender=decode_account(wanted.sender, "sender"),
            valid_until_height=until,
            application=application,
            action=wanted.action,
            payload=payload,
            nonce=None if wanted.nonce is msgspec.UNSET else wanted.nonce,
        )
        return json_answer(
            {
                "tx_id": body.tx_id.hex(),
                "body": body.encoding.hex(),
                "chain_id": body.chain_id.hex(),
                "nonce": body.nonce,
                "valid_until_height": body.valid_until_height,
                "sign": {"message": body.tx_id.hex(), "algorithm": "SM2-SM3", "id": "1234567812345678", "form": "r||s"},
            }
        )

    @router.get(
        "/applications/{application}/state/{key}/proof",
        response_class=Response,
        responses=OCTETS_ANSWER,
        summary="Proof that a key has a value, or none",
    )
    async def state_proof(application: Application, key: StateKey) -> Response:
        bundle = await context.readers.run(node.proofs.state, application, [bytes.fromhex(key)])
        return Response(bundle, 200, {"Content-Disposition": 'attachment; filename="state.proof"'}, OCTETS)

    return router


def _payload(wanted: BuildRequest) -> bytes:
    if (wanted.payload is msgspec.UNSET) == (wanted.payload_hex is msgspec.UNSET):
        raise BadRequest("PARAMETER_INVALID", "want exactly one of payload and payload_hex", pointer="/payload")
    if wanted.payload_hex is not msgspec.UNSET:
        return decode_hex(wanted.payload_hex, "payload_hex")
    return bytes(wanted.payload) if wanted.payload is not msgspec.UNSET else b""


def _hex(value: bytes | str) -> str:
    return value.hex() if isinstance(value, bytes) else value
