"""Prometheus text on a port of its own, so that a scraper needs no access to the API."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def metrics_app(render: Callable[[], bytes]) -> ASGIApp:
    """An ASGI application that answers `GET /metrics` with `render()`, everything else with 404 or 405."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] != "/metrics":
            status, body = 404, b"not found: the metrics are at /metrics\n"
        elif scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b"method not allowed\n"
        else:
            status, body = 200, render()
        headers = [(b"content-type", CONTENT_TYPE), (b"content-length", str(len(body)).encode("ascii"))]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app
