"""The OpenAPI document against the routes, and the API page: complete, and nothing from another host."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from hnnode.config import GatewayConfig
from hnnode.gateway import GatewayApp, create_app
from tests.kit.memory_node import MemoryNode

OUTSIDE = re.compile(r"https?://|//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)


@pytest.fixture(scope="module")
def app() -> Iterator[GatewayApp]:
    node = MemoryNode()
    app = create_app(node, GatewayConfig())
    yield app
    app.context.close()
    node.events.close()


def fetch(app: GatewayApp, path: str) -> httpx.Response:
    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as http:
            return await http.get(path)

    return asyncio.run(run())


def operations(app: GatewayApp) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_documented(app: GatewayApp) -> None:
    documented = {(path, method.upper()) for path, method, _ in operations(app)}
    served = set()
    for route in app.routes:
        path = getattr(route, "path_format", None) or getattr(route, "path", "")
        methods = getattr(route, "methods", None)
        if isinstance(route, Route) and not path.startswith("/v1/docs") and path != "/v1/openapi.json":
            served |= {(path, method) for method in methods or () if method != "HEAD"}
    wanted = {("/v1/txs", "POST"), ("/v1/txs:batch", "POST"), ("/v1/events", "GET"), ("/v1/verify", "POST")}
    assert wanted <= documented
    assert served <= documented


def test_every_operation_documents_its_answer_and_its_refusal(app: GatewayApp) -> None:
    seen: set[str] = set()
    for path, method, operation in operations(app):
        responses = operation["responses"]
        assert "200" in responses, (method, path)
        assert responses["200"]["content"], (method, path)
        assert "422" not in responses
        assert list(responses["default"]["content"]) == ["application/problem+json"]
        assert operation["summary"], (method, path)
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
    assert len(seen) >= 24


def test_the_reference_page_lists_every_operation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text("utf-8")
    written = set(re.findall(r"^\| `([A-Z]+) (/v1/[^`]+)` \|", page, re.MULTILINE))
    node = MemoryNode()
    app = create_app(node, GatewayConfig())
    assert written == {(method.upper(), path) for path, method, _ in operations(app)}
    app.context.close()
    node.events.close()


def test_every_reference_leads_somewhere(app: GatewayApp) -> None:
    document = app.openapi()
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                found.add(node["$ref"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    assert found
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_the_document_names_no_host(app: GatewayApp) -> None:
    answer = fetch(app, "/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    assert "servers" not in answer.json()
    assert not OUTSIDE.search(answer.text)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href", "action") and value]


def test_the_api_page_loads_everything_from_this_node(app: GatewayApp) -> None:
    page = fetch(app, "/v1/docs")
    assert page.status_code == 200
    assert not OUTSIDE.search(page.text)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    links = Links()
    links.feed(page.text)
    assert len(links.found) >= 4
    for link in links.found:
        file = fetch(app, f"/v1/{link}")
        assert file.status_code == 200, link
        assert len(file.content) > 100
    words = fetch(app, "/v1/docs/zh.json").json()
    paths = fetch(app, "/v1/openapi.json").json()["paths"]
    operations = {f"{m.upper()} {path}": row for path, methods in paths.items() for m, row in methods.items()}
    assert set(words["operations"]) == set(operations)
    for name, row in operations.items():
        assert len(words["operations"][name]) == 1 + bool(row.get("description")), name
        assert set(row["tags"]) <= set(words["tags"])
    start = fetch(app, "/v1/docs/start.js").text
    assert not OUTSIDE.search(start)
    assert "validatorUrl: null" in start
