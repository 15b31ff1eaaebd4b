"""A network is at rest when its nodes have nothing left to write, and not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec
import pytest

from hnnode.bench import rest
from hnnode.bench.localnet import LocalNet, LocalNode
from hnnode.bench.rest import rested_disk_bytes
from hnnode.config import Config
from hnnode.errors import Unavailable


@dataclass
class Node:
    """Answers like the metrics of a node: (busy, height) at each asking, the last one for ever."""

    metrics_url: str
    home: Path
    running: bool = True


@contextmanager
def nodes(
    home: Path, *readings: list[tuple[int, int]], on_asked: Callable[[int], None] = lambda n: None
) -> Iterator[Any]:
    servers = []
    for own in readings:

        class Page(BaseHTTPRequestHandler):
            left: ClassVar = list(own)
            asked = 0

            def do_GET(self) -> None:
                kind = type(self)
                kind.asked += 1
                on_asked(kind.asked)
                busy, height = kind.left.pop(0) if len(kind.left) > 1 else kind.left[0]
                body = f"hn_storage_busy {busy}.0\nhn_height {height}.0\n".encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Page))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = [Node(f"http://127.0.0.1:{server.server_address[1]}/metrics", home) for server in servers]
        net = cast(Any, type("Net", (), {"nodes": found, "ended": staticmethod(lambda: None)}))
        net.pages = [server.RequestHandlerClass for server in servers]
        yield net
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "SETTLE_S", 0.02)


def _rested(net: Any, delay_ms: int = 0) -> int:
    return rested_disk_bytes(cast(LocalNet, net), delay_ms)


def test_a_node_that_writes_is_waited_for(tmp_path: Path) -> None:
    """What it writes meanwhile counts, though the disk stood still for as long as a rest takes."""

    def write(asked: int) -> None:
        if asked == 6:
            (tmp_path / "merged").write_bytes(bytes(50_000))

    with nodes(tmp_path, [(1, 7)] * 6 + [(0, 7)], [(0, 7)], on_asked=write) as net:
        assert _rested(net) >= 50_000
        assert net.pages[0].asked == 8
        assert net.pages[1].asked == 2, "asked only when the first is at rest"


def test_blocks_that_still_come_are_waited_for(tmp_path: Path) -> None:
    with nodes(tmp_path, [(0, 7), (0, 8), (0, 9), (0, 9)], [(0, 6), (0, 7), (0, 9), (0, 9)]) as net:
        _rested(net)
        assert net.pages[0].asked == 4


def test_a_new_network_is_at_rest_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with nodes(tmp_path, [(0, 0)]) as net:
        _rested(net)
        assert net.pages[0].asked == 2
        monkeypatch.setattr(rest, "DELAYS", 2)
        started_s = time.monotonic()
        _rested(net, delay_ms=50)
        assert time.monotonic() - started_s >= 0.12, "a distance between validators keeps the last block away"


def test_a_network_that_never_rests_is_waited_for_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "REST_S_MAX", 0.2)
    with nodes(tmp_path, [(1, 7)]) as net:
        assert _rested(net) == rest.processes.disk_bytes(tmp_path)


def test_a_node_that_ended_is_told(tmp_path: Path) -> None:
    with nodes(tmp_path, [(1, 7)]) as net:
        net.ended = lambda: LocalNode(0, tmp_path, msgspec.convert({"name": "node7"}, Config))
        with pytest.raises(Unavailable, match="node7 ended"):
            _rested(net)
