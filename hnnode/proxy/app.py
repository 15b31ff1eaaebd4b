"""The application of a gateway process: submits through its own door, its own health and metrics, everything else to the node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hnnode import __version__
from hnnode.errors import CODES, HnError
from hnnode.gateway import problem
from hnnode.gateway.answer import json_answer
from hnnode.gateway.metrics_page import CONTENT_TYPE
from hnnode.gateway.raw_submit import MANY, ONE
from hnnode.gateway.submit import SubmitBatch, SubmitTx
from hnnode.proxy.accounts import KnownAccounts
from hnnode.proxy.door import ProxyDoor
from hnnode.proxy.metrics import GatewayMetrics
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.passing import Passing

HEALTH = "/v1/gateway"
METRICS = "/v1/gateway/metrics"


class ProxyApp:
    """An ASGI application. `door` is what the server takes plain submits with."""

    def __init__(self, nodes: Nodes, accounts: KnownAccounts, door: ProxyDoor, metrics: GatewayMetrics) -> None:
        self.door = door
        self.passing = Passing(nodes, metrics)
        self._nodes = nodes
        self._accounts = accounts
        self._metrics = metrics
        self._started = time.monotonic()
        self._writes: dict[str, ASGIApp] = {ONE: SubmitTx(door), MANY: SubmitBatch(door)}
        self._reads: dict[str, Callable[[], Response]] = {HEALTH: self._health, METRICS: self._page}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        try:
            if path in self._writes and method == "POST":
                await self._writes[path](scope, receive, send)
            elif path in self._reads:
                await self._own(path, method)(scope, receive, send)
            else:
                await self.passing(scope, receive, send)
        except HnError as e:
            await problem.refused(e, path)(scope, receive, send)

    def _own(self, path: str, method: str) -> Response:
        if method not in ("GET", "HEAD"):
            return problem.problem(
                CODES["METHOD_NOT_ALLOWED"], f"{method} {path}", instance=path, headers={"Allow": "GET, HEAD"}
            )
        return self._reads[path]()

    def _health(self) -> Response:
        return json_answer(self.facts())

    def _page(self) -> Response:
        return Response(self._metrics.render(), 200, {"content-type": CONTENT_TYPE.decode("ascii")})

    def facts(self) -> dict[str, Any]:
        """What `GET /v1/gateway` tells: this process, and the nodes as it sees them."""
        chain_id = self._nodes.chain_id
        node = self._nodes.best()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "chain_id": chain_id.hex() if chain_id is not None else None,
            "ready": node is not None and node.is_ready,
            "node": node.url if node is not None else None,
            "accounts": self._accounts.table.count(),
            "waiting_bytes": self.door.waiting_bytes,
            "waiting_bytes_max": self.door.room_bytes,
            "nodes": [
                {"url": node.url, "up": node.is_up, "ready": node.is_ready, "detail": node.detail}
                for node in self._nodes.all
            ],
        }
