"""Nodes that break off, refuse or are another chain's: what was not answered is unknown, never refused, and goes out again."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from hnnode.client import Client, ResultUnknown
from hnnode.errors import CODES, ConfigError, Unavailable
from hnnode.primitives.frames import encode_frames
from hnnode.proxy import delivery
from hnnode.proxy.process import GatewaySettings
from tests.kit.http import evidence_tx, refused
from tests.kit.live_gateway import LiveGateway
from tests.kit.live_node import LiveNode, free_port

OCTETS = {"Content-Type": "application/octet-stream"}
CODES_WANTED = {**OCTETS, "Accept": "application/octet-stream"}


class Breaker:
    """Between gateway and node, one request a connection: hands requests on whole and answers only when `cut` lets them."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut: Callable[[bytes], bool] = lambda head: False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.settimeout(10)
            data = b""
            while b"\r\n\r\n" not in data:
                more = client.recv(1 << 16)
                if not more:
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            size = next((int(v) for k, _, v in _lines(head) if k.lower() == b"content-length"), 0)
            while len(body) < size:
                body += client.recv(1 << 16)
            is_cut = self.cut(head)
            with socket.create_connection(("127.0.0.1", self.target), 10) as node:
                node.sendall(head + b"\r\nconnection: close\r\n\r\n" + body)
                answer = b""
                while part := node.recv(1 << 16):
                    answer += part
            if is_cut:
                self.cuts += 1  # the node has taken it
            else:
                client.sendall(answer)


def _lines(head: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (line.partition(b": ") for line in head.split(b"\r\n")[1:])


@contextmanager
def broken(node: LiveNode) -> Iterator[Breaker]:
    breaker = Breaker(node.config.port)
    try:
        yield breaker
    finally:
        breaker.close()


@pytest.fixture
def node() -> Iterator[LiveNode]:
    with LiveNode(auto=False) as live:
        yield live


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PAUSE_S_MAX", 0.05)
    monkeypatch.setattr(delivery, "ATTEMPTS_MAX", 6)


def is_submit(head: bytes) -> bool:
    return head.startswith(b"POST /v1/txs")


def test_a_lost_answer_is_asked_for_again(node: LiveNode, quick: None) -> None:
    tx = evidence_tx(node.node.chain_id, node.signers[0])
    with broken(node) as breaker, LiveGateway(breaker.url) as gateway:
        breaker.cut = lambda head: is_submit(head) and breaker.cuts < 2
        answer = httpx.post(f"{gateway.url}/v1/txs", content=tx.data, headers=OCTETS, trust_env=False, timeout=20)
        # The node knew it from the first time: that is an acceptance.
        assert answer.status_code == 202
        assert answer.json() == {"tx_id": tx.tx_id.hex(), "state": "pending", "replayed": True}
        assert breaker.cuts == 2
        assert gateway.figure("hn_gateway_resent_total") == 2
        breaker.cuts = 0
        frames = encode_frames([evidence_tx(node.node.chain_id, node.signers[0], f"{i:064x}").data for i in range(3)])
        answer = httpx.post(f"{gateway.url}/v1/txs:batch", content=frames, headers=CODES_WANTED, trust_env=False)
        assert struct.unpack(">3I", answer.content) == (CODES["TX_DUPLICATE"],) * 3


@pytest.mark.parametrize("wait", ["none", "committed"])
def test_what_nobody_answers_is_unknown(node: LiveNode, quick: None, wait: str) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    with broken(node) as breaker, LiveGateway(breaker.url) as gateway:
        breaker.cut = is_submit
        with httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False, timeout=30, headers=OCTETS) as http:
            tx = evidence_tx(chain, signer)
            problem = refused(http.post(f"/txs?wait={wait}&timeout_ms=100", content=tx.data), "TIMEOUT")
            if wait == "none":
                assert (problem["tx_id"], problem["state"]) == (tx.tx_id.hex(), "unknown")
            frames = encode_frames([evidence_tx(chain, signer, f"{i:064x}").data for i in range(3)])
            refused(http.post(f"/txs:batch?wait={wait}&timeout_ms=100", content=frames), "TIMEOUT")
        with Client(gateway.url, signer=signer, timeout_s=2) as client, pytest.raises(ResultUnknown):
            client.submit("evidence", "preserve", {"hash": "ee" * 32, "algorithm": "sm3"})
        assert node.call(node.node.pool.count) >= 4  # it was taken each time


def test_after_a_lost_answer_a_full_pool_is_no_refusal(node: LiveNode, quick: None) -> None:
    tx = evidence_tx(node.node.chain_id, node.signers[0])
    with broken(node) as breaker, LiveGateway(breaker.url) as gateway:

        def cut(head: bytes) -> bool:
            if is_submit(head) and breaker.cuts:
                node.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=100)
            return is_submit(head) and not breaker.cuts

        breaker.cut = cut
        url = f"{gateway.url}/v1/txs"
        refused(httpx.post(url, content=tx.data, headers=OCTETS, trust_env=False, timeout=30), "TIMEOUT")
        assert node.call(node.node.pool.count) == 1


def test_the_next_node_takes_over_and_the_first_comes_back(node: LiveNode, quick: None) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    dead = f"http://127.0.0.1:{free_port()}"
    with LiveGateway(dead, node.url) as gateway, httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False) as http:
        assert http.post("/txs", content=evidence_tx(chain, signer).data, headers=OCTETS).status_code == 202
        assert gateway.facts()["node"] == node.url
        assert [one["up"] for one in gateway.facts()["nodes"]] == [False, True]
        assert http.get("/status").json()["chain_id"] == chain.hex()


def test_without_a_node_a_gateway_says_so_and_comes_back(quick: None) -> None:
    with LiveNode(auto=False) as node:
        url, port = node.url, node.config.port
        tx = evidence_tx(node.node.chain_id, node.signers[0])
        gateway = LiveGateway(url)
        gateway.__enter__()
    try:
        with httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False, timeout=20) as http:
            for path in ("/txs", "/txs?wait=committed", "/txs:batch"):
                body = encode_frames([tx.data]) if path == "/txs:batch" else tx.data
                problem = refused(http.post(path, content=body, headers=OCTETS), "NODE_UNREACHABLE")
                assert url in problem["detail"]
            refused(http.get("/blocks/latest"), "NODE_UNREACHABLE")
            assert http.get("/gateway").json()["ready"] is False
            with LiveNode(auto=False) as other:
                other_port = other.config.port
                # Another chain behind the same name is not used.
                gateway.call(lambda: _point(gateway, other_port))
                gateway.until(lambda: "WRONG_CHAIN" in gateway.facts()["nodes"][0]["detail"])
                refused(http.post("/txs", content=tx.data, headers=OCTETS), "NODE_UNREACHABLE")
        assert port != other_port
    finally:
        gateway.stop()


def _point(gateway: LiveGateway, port: int) -> None:
    """Let the gateway's only node stand at another port from now on."""
    from hnnode.proxy.wires import Address, Wires

    address = Address.parse(f"http://127.0.0.1:{port}")
    node = gateway.gateway.nodes.all[0]
    node.probes, node.identified_at = Wires(address, 2), 0


def test_a_gateway_of_a_given_chain_takes_no_other(node: LiveNode) -> None:
    with LiveGateway(node.url, chain_id=bytes(32)) as gateway:
        assert "WRONG_CHAIN" in gateway.facts()["nodes"][0]["detail"]
        answer = httpx.post(f"{gateway.url}/v1/txs", content=b"x", headers=OCTETS, trust_env=False)
        refused(answer, "NODE_UNREACHABLE")


@pytest.mark.parametrize(
    "url", ["", "node", "ftp://a", "http://", "http://a:b", "http://a/x", "http://u@a", "http://ä"]
)
def test_a_bad_address_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError, match="CONFIG_INVALID"):
        GatewaySettings((url,), "127.0.0.1", 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_what_is_no_node_is_not_used(answer: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(1 << 16)
                client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with LiveGateway(f"http://127.0.0.1:{listener.getsockname()[1]}") as gateway:
            facts = gateway.facts()["nodes"][0]
            assert facts["up"] is False
            assert facts["detail"] != "not reached yet"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
