"""The OpenAPI document: what FastAPI derives, the two raw write routes, one problem shape for all refusals."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from hnnode.gateway import models
from hnnode.gateway.body import JSON, OCTETS
from hnnode.gateway.problem import MEDIA_TYPE
from hnnode.gateway.streams import MEDIA_TYPE as STREAM_TYPE

Document = dict[str, Any]
_BINARY: Document = {"schema": {"type": "string", "format": "binary"}}
OCTETS_ANSWER: dict[int | str, Document] = {200: {"description": "Proof bundle", "content": {OCTETS: _BINARY}}}
STREAM_ANSWER: dict[int | str, Document] = {
    200: {"description": "Server-sent events", "content": {STREAM_TYPE: {"schema": {"type": "string"}}}}
}
DESCRIPTION = "Submit, query, verify. Errors are problem documents (RFC 9457) with the codes of `GET /v1/errors`."


def json_body(schema: Document, *, required: bool = True) -> Document:
    return {"requestBody": {"required": required, "content": {JSON: {"schema": schema}}}}


def octets_body() -> Document:
    return {"requestBody": {"required": True, "content": {OCTETS: _BINARY}}}


def build_document(title: str, version: str, routes: list[BaseRoute], prefix: str) -> Document:
    """OpenAPI 3.1 of the whole API. No server address in it: the document is served by the API it describes."""
    document = get_openapi(title=title, version=version, description=DESCRIPTION, routes=routes)
    extra: list[type[BaseModel]] = [
        models.Problem,
        models.BuildTx,
        models.SubmitTx,
        models.SubmitBatch,
        models.Submitted,
        models.SubmittedBatch,
    ]
    _, definitions = models_json_schema(
        [(model, "serialization") for model in extra], ref_template="#/components/schemas/{model}"
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["paths"] = {**_submit_paths(prefix), **document["paths"]}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {
                "description": "Refused",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    return document


def _submit_paths(prefix: str) -> Document:
    parameters = [
        {"name": "wait", "in": "query", "schema": {"enum": ["none", "accepted", "committed"], "default": "none"}},
        {"name": "timeout_ms", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 5000}},
    ]

    def operation(name: str, summary: str, request: str, answer: str, statuses: dict[str, str]) -> Document:
        ok = {JSON: {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
        body = {OCTETS: _BINARY, JSON: {"schema": {"$ref": f"#/components/schemas/{request}"}}}
        return {
            "post": {
                "tags": ["transactions"],
                "operationId": name,
                "summary": summary,
                "parameters": parameters,
                "requestBody": {"required": True, "content": body},
                "responses": {status: {"description": text, "content": ok} for status, text in statuses.items()},
            }
        }

    paths = {
        f"{prefix}/txs": operation(
            "submit_tx",
            "Submit one signed transaction",
            "SubmitTx",
            "Submitted",
            {"200": "Committed or failed, with the receipt", "202": "Pending"},
        ),
        f"{prefix}/txs:batch": operation(
            "submit_batch",
            "Submit up to 1,000 signed transactions; binary: repeated u32 length ‖ transaction",
            "SubmitBatch",
            "SubmittedBatch",
            {"200": "One result an item, in order; binary (by `Accept`): its code alone, u32 big-endian"},
        ),
    }
    paths[f"{prefix}/txs:batch"]["post"]["responses"]["200"]["content"][OCTETS] = _BINARY
    return paths
