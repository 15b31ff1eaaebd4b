"""Routes of the gateway, and those its page names."""

from __future__ import annotations

import re

from hnnode.config import GatewayConfig
from hnnode.crypto import MemorySigner
from hnnode.gateway import create_app
from tests.kit.memory_node import MemoryNode

Route = tuple[str, str]
"""(METHOD, path with `{}` for each parameter)"""


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def documented_routes(page: str) -> set[Route]:
    """Every `GET /v1/…` in backticks; a query string does not count."""
    found = re.findall(r"`(GET|POST|PUT|DELETE) (/v1/[^`\s?]*)[^`]*`", page)
    return {(method, _shape(path)) for method, path in found}


def served_routes() -> set[Route]:
    """What the gateway's API document lists."""
    app = create_app(MemoryNode([MemorySigner.generate().public_key]), GatewayConfig())
    try:
        paths = app.openapi()["paths"]
    finally:
        app.context.close()
    return {(method.upper(), _shape(path)) for path, methods in paths.items() for method in methods}
