"""Routes of the gateway, and those its page names."""

from __future__ import annotations

import re

from hnnode.config import GatewayConfig


def documented_routes(page: str) -> set[tuple[str, str]]:
    """(METHOD, path) of every `GET /v1/…` in backticks."""
    found = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`\s?]*)[^`]*`", page)
    return {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path in found}


def served_routes() -> set[tuple[str, str]]:
    """(METHOD, path) of the gateway's API document."""
    raise NotImplementedError(GatewayConfig)
