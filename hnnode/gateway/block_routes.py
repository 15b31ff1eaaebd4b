"""`/blocks`: headers, and whole blocks on demand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from hnnode.errors import Rejected
from hnnode.gateway import models
from hnnode.gateway.answer import json_answer
from hnnode.gateway.context import Context
from hnnode.gateway.parameters import Full, Height, decode_page, encode_page, page_limit
from hnnode.gateway.views import read_block, read_blocks, read_results, read_results_binary

BINARY = "application/octet-stream"


def block_routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["blocks"])
    chain = context.node.chain

    async def answer(height: int, full: bool) -> Response:
        view = await context.readers.run(read_block, chain, height, full=full) if height else None
        if view is None:
            detail = "height 0 is the genesis, see /v1/genesis" if height == 0 else f"block {height}: not on this node"
            raise Rejected("NOT_FOUND", detail)
        return json_answer(view)

    @router.get("/blocks", response_model=models.Blocks, summary="Headers, newest first")
    async def list_blocks(
        cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(description="1 to 200")] = 20,
    ) -> Response:
        start = decode_page(cursor) if cursor is not None else None
        count = page_limit(limit, context.config.page_limit_max)
        views, following = await context.readers.run(read_blocks, chain, start, count)
        return json_answer({"blocks": views, "next": encode_page(following) if following is not None else None})

    @router.get("/blocks/latest", response_model=models.Block, summary="The last committed block")
    async def latest_block(full: Full = False) -> Response:
        return await answer((await context.readers.run(chain.tip)).height, full)

    @router.get("/blocks/{height}", response_model=models.Block, summary="One block")
    async def get_block(height: Height, full: Full = False) -> Response:
        return await answer(height, full)

    @router.get(
        "/blocks/{height}/results",
        response_model=models.BlockResults,
        summary="Outcome of every transaction of a block",
    )
    async def block_results(height: Height, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
        binary = BINARY in accept
        results = await context.readers.run(read_results_binary if binary else read_results, chain, height)
        if results is None:
            raise Rejected("NOT_FOUND", f"block {height}: not on this node")
        if isinstance(results, bytes):
            return Response(results, media_type=BINARY)
        return json_answer({"height": height, "results": results})

    return router
