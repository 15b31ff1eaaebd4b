"""The API page: Swagger UI from its package's files, started by our own page. Nothing comes from another host."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from swagger_ui_bundle import swagger_ui_path

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_OWN = {
    "": ("docs.html", "text/html; charset=utf-8"),
    "/start.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/zh.json": ("docs.zh.json", "application/json"),
}
_BUNDLED = {
    "/swagger-ui.css": "text/css; charset=utf-8",
    "/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/favicon-32x32.png": "image/png",
}


@lru_cache(maxsize=len(_OWN) + len(_BUNDLED))
def _content(name: str) -> bytes:
    if name in _OWN:
        return resources.files("hnnode.gateway").joinpath("static", _OWN[name][0]).read_bytes()
    return (Path(swagger_ui_path) / name.removeprefix("/")).read_bytes()


def api_page_routes(path: str) -> list[Route]:
    """The page at `path` and its files below it; not part of the API document."""

    def route(name: str, media_type: str) -> Route:
        def serve(request: Request) -> Response:
            headers = {
                "Content-Security-Policy": POLICY,
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "max-age=3600",
            }
            return Response(_content(name), 200, headers, media_type)

        return Route(path + name, serve, methods=["GET"], include_in_schema=False)

    return [route(name, kind) for name, (_, kind) in _OWN.items()] + [
        route(name, kind) for name, kind in _BUNDLED.items()
    ]
