"""Everything but submits goes through a gateway as it is: reads, streams, refusals, bad requests."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from hnnode.client import Client
from hnnode.gateway.streams import StreamLimits
from hnnode.proxy import nodes, wire
from tests.kit.http import evidence_tx, refused
from tests.kit.live_gateway import LiveGateway
from tests.kit.live_node import LiveNode


@pytest.fixture
def node() -> Iterator[LiveNode]:
    with LiveNode(streams=StreamLimits(heartbeat_ms=100)) as live:
        yield live


@pytest.fixture
def gateway(node: LiveNode) -> Iterator[LiveGateway]:
    with LiveGateway(node.url) as live:
        yield live


def test_reads_are_the_nodes(node: LiveNode, gateway: LiveGateway) -> None:
    with Client(node.url, signer=node.signers[0]) as client:
        tx_id = client.submit("evidence", "preserve", {"hash": "ab" * 32, "algorithm": "sm3"}).tx_id
    paths = ["/blocks/latest?full=1", f"/txs/{tx_id}", f"/txs/{tx_id}/receipt", f"/txs/{tx_id}/proof", "/openapi.json"]
    paths += ["/blocks/1/results", "/applications", "/genesis", "/limits", "/live", "/ready", "/nothing", "/docs"]
    paths += [
        "/blocks/first",
        "/txs/12",
        "/blocks?limit=0",
        "/events:page?limit=5",
        "/%2e%2e/x",
        "//",
        "/blocks/1?a=b%0d%0a",
    ]
    with (
        httpx.Client(base_url=f"{node.url}/v1", trust_env=False) as direct,
        httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False) as through,
    ):
        for path in paths:
            for headers in ({}, {"Accept": "application/octet-stream"}):
                a, b = direct.get(path, headers=headers), through.get(path, headers=headers)
                assert (a.status_code, a.content) == (b.status_code, b.content), path
                drop = ("date",)
                assert {k: v for k, v in a.headers.items() if k not in drop} == {
                    k: v for k, v in b.headers.items() if k not in drop
                }
        for method, path in (("PUT", "/txs"), ("DELETE", "/blocks/1"), ("GET", "/txs"), ("HEAD", "/status")):
            a, b = direct.request(method, path), through.request(method, path)
            assert (a.status_code, a.content) == (b.status_code, b.content), (method, path)
        query = {"hash": "ab" * 32}
        a, b = (c.post("/applications/evidence/queries/verify", json=query) for c in (direct, through))
        assert a.json() == b.json()
        assert a.json()["result"]["found"] is True
        proof = direct.get(f"/txs/{tx_id}/proof").content
        assert through.post("/verify", content=proof).json()["valid"] is True
        refused(through.post("/verify", content=bytes(5 << 20)), "BODY_TOO_LARGE")
        refused(through.request("DELETE", "/gateway"), "METHOD_NOT_ALLOWED")


def test_events_stream_through_and_end_when_the_gateway_stops(node: LiveNode) -> None:
    with LiveGateway(node.url) as gateway:
        client = Client(gateway.url, signer=node.signers[0])
        digests = [f"{i:064x}" for i in range(4)]
        for digest in digests[:2]:
            client.submit("evidence", "preserve", {"hash": digest, "algorithm": "sm3"})
        with httpx.stream("GET", f"{gateway.url}/v1/events", trust_env=False, timeout=10) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            seen = [next(lines) for _ in range(2)]
            for digest in digests[2:]:
                client.submit("evidence", "preserve", {"hash": digest, "algorithm": "sm3"})
            while sum(line.startswith("data:") for line in seen) < 4:
                seen.append(next(lines))
            assert sum(1 for line in seen if line.startswith("id:")) == 4
            client.close()
            started = time.monotonic()
            gateway.loop.call_soon_threadsafe(gateway._stop.set)
            list(lines)  # an orderly end
            assert time.monotonic() - started < 4
    assert node.call(lambda: node.app.context.streams.open) == 0


def test_a_client_that_leaves_a_stream_leaves_it_at_the_node_too(node: LiveNode, gateway: LiveGateway) -> None:
    with httpx.stream("GET", f"{gateway.url}/v1/events", trust_env=False, timeout=10) as answer:
        assert answer.status_code == 200
        gateway.until(lambda: node.call(lambda: node.app.context.streams.open) == 1)
    gateway.until(lambda: node.call(lambda: node.app.context.streams.open) == 0)


def test_a_long_answer_is_held_in_a_bounded_buffer(
    node: LiveNode, gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    put = wire.Reply.put

    def note(self: wire.Reply, part: bytes) -> bool:
        more = put(self, part)
        sizes.append(self._size)
        return more

    monkeypatch.setattr(wire.Reply, "put", note)
    signer = node.signers[0]
    with Client(node.url, signer=signer) as client:
        payloads = [{"hash": f"{i:064x}", "algorithm": "sm3", "name": "n" * 200} for i in range(1_000)]
        client.submit_many("evidence", "preserve", payloads, wait="committed")
    height = int(httpx.get(f"{node.url}/v1/blocks/latest", trust_env=False).json()["height"])
    for path in (f"/v1/blocks/{h}?full=1" for h in range(1, height + 1)):
        whole = httpx.get(node.url + path, trust_env=False).content
        assert httpx.get(gateway.url + path, trust_env=False).content == whole
        with socket.create_connection(("127.0.0.1", gateway.settings.port)) as slow:
            slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            got = b""
            while part := slow.recv(50_000):
                got += part
            assert got.endswith(whole)
    assert max(sizes) < 2 * wire.BUFFER_BYTES_MAX


def test_more_requests_than_may_wait_are_refused(node: LiveNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PASSING_MAX", 3)
    monkeypatch.setattr(nodes, "WAITS_MAX", 2)
    with LiveGateway(node.url) as gateway:
        streams = [socket.create_connection(("127.0.0.1", gateway.settings.port)) for _ in range(3)]
        for stream in streams:
            stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        gateway.until(lambda: node.call(lambda: node.app.context.streams.open) == 3)
        refused(httpx.get(f"{gateway.url}/v1/status", trust_env=False), "TOO_MANY_REQUESTS")
        tx = evidence_tx(node.node.chain_id, node.signers[0])
        octets = {"Content-Type": "application/octet-stream"}
        assert httpx.post(f"{gateway.url}/v1/txs", content=tx.data, headers=octets, trust_env=False).status_code == 202
        for stream in streams:
            stream.close()
        gateway.until(lambda: httpx.get(f"{gateway.url}/v1/status", trust_env=False).status_code == 200)


@pytest.mark.parametrize(
    "request_",
    [
        b"garbage\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
def test_bad_requests_are_refused(gateway: LiveGateway, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.settings.port), 5) as client:
        client.sendall(request_)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{gateway.url}/v1/status", trust_env=False).status_code == 200


def test_health_and_metrics_are_its_own(node: LiveNode, gateway: LiveGateway) -> None:
    facts = gateway.facts()
    assert facts["ready"] is True
    assert facts["chain_id"] == node.node.chain_id.hex()
    assert facts["nodes"] == [{"url": node.url, "up": True, "ready": True, "detail": ""}]
    page = httpx.get(f"{gateway.url}/v1/gateway/metrics", trust_env=False)
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    gateway.until(
        lambda: (
            f'hn_gateway_node_up{{node="{node.url}"}} 1.0'
            in httpx.get(f"{gateway.url}/v1/gateway/metrics", trust_env=False).text
        )
    )
    assert httpx.head(f"{gateway.url}/v1/gateway", trust_env=False).status_code == 200
