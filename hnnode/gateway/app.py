"""The application: routes, refusals, and the order in which a request meets them.

Flow of a write: raw request (`raw_submit`, before this application) or ASGI endpoint → `Mempool.submit_frames` on the loop → native
admission in its own threads. Flow of a read:
FastAPI route → reading thread → chain. No body is held before its length is known to be allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from hnnode_native import NativeError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hnnode import __version__
from hnnode.config import GatewayConfig
from hnnode.errors import HnError
from hnnode.gateway import problem
from hnnode.gateway.answer import json_answer
from hnnode.gateway.api_page import api_page_routes
from hnnode.gateway.application_routes import application_routes
from hnnode.gateway.block_routes import block_routes
from hnnode.gateway.context import Context
from hnnode.gateway.documents import build_document
from hnnode.gateway.event_routes import event_routes
from hnnode.gateway.evidence_routes import evidence_routes
from hnnode.gateway.node_routes import node_routes
from hnnode.gateway.parameters import refuse_unknown
from hnnode.gateway.readers import Readers
from hnnode.gateway.receipts import ReceiptReader
from hnnode.gateway.streams import StreamLimits, Streams
from hnnode.gateway.submit import Submissions, SubmitBatch, SubmitDoor, SubmitTx
from hnnode.gateway.tx_routes import tx_routes
from hnnode.gateway.verify_routes import verify_routes
from hnnode.ports import Node
from hnnode.primitives.genesis import read_genesis

PREFIX = "/v1"


class GatewayApp(FastAPI):
    """FastAPI with this gateway's context and its own API document."""

    context: Context
    door: SubmitDoor

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = build_document(self.title, self.version, list(self.routes), PREFIX)
        return self.openapi_schema


def create_app(node: Node, config: GatewayConfig, *, streams: StreamLimits | None = None) -> GatewayApp:
    """The HTTP API over one node. Call on the event loop or before it runs; `serve` closes what this opens."""
    readers = Readers()
    context = Context(
        node=node,
        config=config,
        genesis=read_genesis(node.genesis()),
        readers=readers,
        receipts=ReceiptReader(node.chain, readers),
        streams=Streams(config.event_streams_max, streams or StreamLimits()),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = GatewayApp(
        title="hnnode",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.context = context
    app.door = Submissions(context)
    # The write routes first: they are what is called most, and routes are tried in order.
    app.router.routes += [
        Route(f"{PREFIX}/txs", SubmitTx(app.door), methods=["POST"], include_in_schema=False),
        Route(f"{PREFIX}/txs:batch", SubmitBatch(app.door), methods=["POST"], include_in_schema=False),
    ]
    builders = (tx_routes, block_routes, event_routes, application_routes, evidence_routes, verify_routes, node_routes)
    for build in builders:
        router: APIRouter = build(context)
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(refuse_unknown)])

    def openapi_json(_: Request) -> Response:
        return json_answer(app.openapi())

    app.router.routes.append(Route(f"{PREFIX}/openapi.json", openapi_json, methods=["GET"], include_in_schema=False))
    app.router.routes += api_page_routes(f"{PREFIX}/docs")
    for kind, handler in (
        (HnError, problem.on_hn_error),
        (NativeError, problem.on_native_error),
        (HTTPException, problem.on_http_exception),
        (RequestValidationError, problem.on_validation_error),
        (Exception, problem.on_unexpected),
    ):
        app.add_exception_handler(kind, handler)
    return app
