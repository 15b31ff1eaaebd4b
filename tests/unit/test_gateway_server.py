"""The server under the API: busy ports, slow and long heads, stop, metrics."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest

from hnnode.config import GatewayConfig, MetricsConfig
from hnnode.errors import ConfigError
from hnnode.gateway import create_app, metrics_app, protocol, serve
from tests.kit.live_node import LiveNode, free_port
from tests.kit.memory_node import MemoryNode


def test_a_busy_port_is_a_configuration_error() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigError) as caught:
                await serve(metrics_app(bytes), MetricsConfig(port=port))
        assert caught.value.info.name == "PORT_BUSY"
        assert str(port) in caught.value.detail

    asyncio.run(run())


def test_a_bad_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError) as caught:
        asyncio.run(serve(metrics_app(bytes), GatewayConfig(host="192.0.2.1")))
    assert caught.value.info.name == "CONFIG_INVALID"


def test_metrics_are_served_on_their_own_port() -> None:
    async def run() -> None:
        config = MetricsConfig(port=free_port())
        server = await serve(metrics_app(lambda: b"hn_height 7\n"), config)
        assert server.port == config.port
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{config.port}", trust_env=False) as http:
            answer = await http.get("/metrics")
            assert (answer.status_code, answer.text) == (200, "hn_height 7\n")
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert (await http.head("/metrics")).status_code == 200
            assert (await http.post("/metrics")).status_code == 405
            assert (await http.get("/")).status_code == 404
        await server.stop()
        with socket.create_server(("127.0.0.1", config.port)):
            pass  # the port is free again

    asyncio.run(run())


def test_the_same_node_can_be_served_again_after_a_stop() -> None:
    async def run() -> None:
        node = MemoryNode()
        config = GatewayConfig(port=free_port())
        for _ in range(2):
            server = await serve(create_app(node, config), config)
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://127.0.0.1:{config.port}/v1/live")).status_code == 200
            await server.stop()
            assert server.task.done()
        node.events.close()

    asyncio.run(run())


def closed_within(raw: socket.socket, seconds: float) -> bytes:
    raw.settimeout(seconds)
    parts = []
    try:
        while data := raw.recv(1 << 16):
            parts.append(data)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_slow_head_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S_MAX", 0.4)
    with LiveNode() as live:
        for start in (b"", b"GET /v1/live HTTP/1.1\r\n"):
            with socket.create_connection(("127.0.0.1", live.config.port)) as raw:
                raw.sendall(start)
                begun = time.monotonic()
                assert closed_within(raw, 5) == b""
                assert time.monotonic() - begun < 3
        # A second head on a connection that is kept alive has its own time.
        with socket.create_connection(("127.0.0.1", live.config.port)) as raw:
            raw.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.6)
            raw.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\nGET /")
            assert closed_within(raw, 5).count(b"HTTP/1.1 200 OK") == 2


def test_a_long_head_is_refused() -> None:
    with LiveNode() as live:
        for head in (
            b"GET /v1/live HTTP/1.1\r\nX-Long: " + b"x" * 40_000,
            b"GET /" + b"x" * 40_000,
            b"GET /v1/live HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 10_000,
        ):
            with socket.create_connection(("127.0.0.1", live.config.port)) as raw:
                try:
                    raw.sendall(head)
                    raw.sendall(b"\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    continue
                answer = closed_within(raw, 5)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        assert httpx.get(f"{live.url}/v1/live", trust_env=False).status_code == 200


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CONNECTIONS_MAX", 5)
    with LiveNode() as live:
        held = [socket.create_connection(("127.0.0.1", live.config.port)) for _ in range(5)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", live.config.port)) as extra:
            assert closed_within(extra, 5) == b""
        for raw in held:
            raw.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in closed_within(raw, 5)
            raw.close()


def test_the_guarded_protocol_still_fits_uvicorn() -> None:
    base: Any = protocol.GuardedProtocol.__mro__[1]
    for name in (
        "connection_made",
        "connection_lost",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
    ):
        assert callable(getattr(base, name))


def test_pipelined_requests_are_answered_in_order() -> None:
    with LiveNode() as live, socket.create_connection(("127.0.0.1", live.config.port)) as raw:
        paths = [b"/v1/live", b"/v1/ready", b"/v1/nothing", b"/v1/live"]
        raw.sendall(b"".join(b"GET " + p + b" HTTP/1.1\r\nHost: x\r\n\r\n" for p in paths[:-1]))
        raw.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = closed_within(raw, 10)
    assert [part[:3] for part in data.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404", b"200"]
