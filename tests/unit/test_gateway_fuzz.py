"""Whatever is asked, the answer is documented: never a 5xx, always the declared media type, problems in their shape."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnnode.config import GatewayConfig
from hnnode.crypto import MemorySigner
from hnnode.errors import ERRORS
from hnnode.gateway import GatewayApp, create_app
from hnnode.gateway.streams import StreamLimits
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

SIGNER = MemorySigner.generate()
EXAMPLES = int(os.environ.get("HN_API_EXAMPLES", "400"))
ALLOWED_5XX = {"NOT_READY", "SYNCING"}
"""Retryable answers of a healthy node: a proof whose block is not certified yet."""


class Site:
    """One application and one loop for all examples."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.node = MemoryNode([SIGNER.public_key])
        self.txs = [evidence_tx(self.node.chain_id, SIGNER, f"{i:064x}") for i in range(3)]
        self.loop.run_until_complete(self.node.submit([tx.data for tx in self.txs[:2]]))
        self.node.commit_all()
        self.app: GatewayApp = create_app(
            self.node, GatewayConfig(), streams=StreamLimits(heartbeat_ms=10, stall_ms=20, buffer_bytes_max=1_000)
        )
        self.app.context.streams.stop()  # an endless answer has no place here: streams say NOT_READY
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://node")

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        request = self.http.build_request(method, path, content=body, headers=headers)
        return self.loop.run_until_complete(self.http.send(request))

    def close(self) -> None:
        self.loop.run_until_complete(self.http.aclose())
        self.app.context.readers.close()
        self.node.events.close()
        self.loop.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    opened = Site()
    yield opened
    opened.close()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    node = MemoryNode()
    app = create_app(node, GatewayConfig())
    found = [
        (path, method.upper(), operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    app.context.readers.close()
    node.events.close()
    return found


OPERATIONS = operations()
WORDS = ["evidence", "identity", "verify", "record", "preserve", "none", "accepted", "committed", "latest", "sm3"]
WORDS += ["0", "1", "2", "-1", "1.0.0", "0.0.0", "true", "false", "1e9", "NaN", "9" * 30, "AAAA", "f" * 64, "0" * 64]
words = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=40),
    st.integers(-(2**70), 2**70).map(str),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | words,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["tx", "txs", "hash", "action", "sender", "payload", "payload_hex", "nonce", "limit", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@st.composite
def requests(draw: st.DrawFn, known: list[str]) -> tuple[str, str, bytes, dict[str, str]]:
    path, method, operation = draw(st.sampled_from(OPERATIONS))
    ids = st.sampled_from(known)
    for part in [p for p in path.split("/") if "{" in p]:
        name = part[part.index("{") : part.index("}") + 1]
        path = path.replace(name, quote(draw(words | ids), safe="") or "x", 1)
    names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
    query = draw(st.dictionaries(st.sampled_from([*names, "unknown"]), words | ids, max_size=3))
    if query:
        path += "?" + urlencode({k: v.encode("utf-8", "surrogatepass") for k, v in query.items()})
    body = draw(st.binary(max_size=80) | json_values.map(lambda v: json.dumps(v).encode()))
    kinds = st.sampled_from(
        ["application/json", "application/octet-stream", "text/plain", "application/json; charset=x"]
    )
    headers = {"Content-Type": draw(kinds)} if draw(st.booleans()) else {}
    if draw(st.integers(0, 9)) == 0:
        method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]))
    return method, path, body if method == "POST" else b"", headers


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_request_gets_a_documented_answer(site: Site, data: st.DataObject) -> None:
    method, path, body, headers = data.draw(requests([tx.tx_id.hex() for tx in site.txs]))
    answer = site.ask(method, path, body, headers)
    kind = answer.headers["content-type"]
    if answer.status_code < 300:
        assert kind in ("application/json", "application/octet-stream")
        if kind == "application/json":
            answer.json()
        return
    assert kind == "application/problem+json"
    if method == "HEAD":
        return
    problem = answer.json()
    assert ERRORS[problem["code"]].name == problem["name"]
    assert answer.status_code == problem["status"] == ERRORS[problem["code"]].http
    assert answer.status_code < 500 or problem["name"] in ALLOWED_5XX, problem


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_transactions_are_refused_and_never_change_their_id(site: Site, data: st.DataObject) -> None:
    original = site.txs[2].data
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(original) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    if bytes(changed) == original:
        return
    answer = site.ask("POST", "/v1/txs", bytes(changed), {})
    assert answer.status_code in (400, 403, 409, 413, 422), answer.text
    assert answer.json()["tx_id"] != site.txs[2].tx_id.hex() or answer.json()["name"].startswith("SIGNATURE")
