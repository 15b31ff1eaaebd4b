"""`POST /verify`: the offline check of a proof bundle, for those who have no verifier at hand."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hnnode.gateway.answer import json_answer
from hnnode.gateway.body import read_body
from hnnode.gateway.context import Context
from hnnode.gateway.documents import octets_body
from hnnode.gateway.parameters import HASH
from hnnode.gateway.problem import BadRequest
from hnnode.gateway.verdict_models import Verdict
from hnnode.primitives.verdict import judge


def verify_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["proofs"])

    @router.post("/verify", response_model=Verdict, openapi_extra=octets_body(), summary="Verdict on a proof bundle")
    async def verify(
        request: Request,
        file_hash: Annotated[
            str | None, Query(pattern=HASH, description="Hash of the file the evidence is about")
        ] = None,
        algorithm: Annotated[Literal["sm3", "sha256"], Query(description="Algorithm of `file_hash`")] = "sm3",
    ) -> Response:
        """200 with the verdict, also when the bundle does not hold: `valid`, `code` and the reasons say so."""
        bundle = await read_body(request.scope, request.receive, context.config.batch_body_bytes_max)
        if not bundle:
            raise BadRequest("REQUEST_MALFORMED", "body: got no bytes, want a proof bundle")
        # Only this chain's: the chain id is compared first, so that nobody makes the node check a history of his own.
        trusted = context.genesis.chain_id
        hashes: dict[str, bytes] | None = {algorithm: bytes.fromhex(file_hash)} if file_hash is not None else None
        verdict = await context.readers.run(judge, bundle, chain_id=trusted, file_hashes=hashes)
        return json_answer(verdict.to_json())

    return router
