"""Plain submits answered before the framework: the same answers as through it, in order, within its bounds."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from hnnode.errors import CODES, Unavailable
from hnnode.gateway import raw_submit
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx
from tests.kit.live_node import LiveNode

OCTETS = b"application/octet-stream"


@pytest.fixture
def live() -> Iterator[LiveNode]:
    with LiveNode(auto=False, body_bytes_max=70_000, batch_body_bytes_max=100_000) as node:
        yield node


def head(path: str, size: int, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: node", f"Content-Length: {size}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def plain(path: str, body: bytes, *more: str) -> bytes:
    return head(path, len(body), *more) + body


def chunked(path: str, body: bytes, *more: str) -> bytes:
    """The same request in a form that only the application takes."""
    lines = [f"POST {path} HTTP/1.1", "Host: node", "Transfer-Encoding: chunked", *more]
    chunks = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


class Answers:
    """Reads answers off one connection."""

    def __init__(self, live: LiveNode) -> None:
        self.socket = socket.create_connection(("127.0.0.1", live.config.port), 5)
        self.socket.settimeout(5)
        self.buffer = b""

    def read(self) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        text, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = text.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers["content-length"])
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(first.split()[1]), headers, body

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        assert data, "closed"
        self.buffer += data

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        self.socket.sendall(request)
        return self.read()


@pytest.fixture
def connect(live: LiveNode) -> Iterator[Callable[[], Answers]]:
    opened: list[Answers] = []

    def new() -> Answers:
        opened.append(Answers(live))
        return opened[-1]

    yield new
    for answers in opened:
        answers.socket.close()


def count_raw(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    begin = raw_submit.RawSubmit.begin

    def note(self: raw_submit.RawSubmit) -> None:
        seen.append(self._path)
        begin(self)

    monkeypatch.setattr(raw_submit.RawSubmit, "begin", note)
    return seen


def test_both_ways_answer_alike(
    live: LiveNode, connect: Callable[[], Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_raw(monkeypatch)
    chain, signer = live.node.chain_id, live.signers[0]
    good = [evidence_tx(chain, signer, f"{i:064x}").data for i in range(8)]
    stranger = evidence_tx(chain, type(signer).generate()).data
    answers = connect()
    answers.ask(plain("/v1/txs:batch", encode_frames(good[:2])))
    live.commit()
    cases: list[tuple[str, bytes, bytes]] = [
        ("/v1/txs", good[2], good[3]),
        ("/v1/txs", good[0], good[0]),
        ("/v1/txs", stranger, stranger),
        ("/v1/txs", b"\x01", b"\x01"),
        ("/v1/txs", b"", b""),
        ("/v1/txs", good[2][:-1] + b"\x00", good[2][:-1] + b"\x00"),
        ("/v1/txs:batch", encode_frames(good[4:6]), encode_frames(good[6:8])),
        ("/v1/txs:batch", encode_frames([good[0], stranger, b"junk", good[1]]), b""),
        ("/v1/txs:batch", encode_frames([b""] * 1_001), encode_frames([b""] * 1_001)),
        ("/v1/txs:batch", b"\x00", b"\x00"),
        ("/v1/txs:batch", b"", b""),
    ]
    for path, body, other in cases:
        before = len(seen)
        raw = answers.ask(plain(path, body))
        assert len(seen) == before + 1
        through = answers.ask(chunked(path, other or body))
        assert len(seen) == before + 1
        assert raw[0] == through[0], (path, raw, through)
        assert raw[1].keys() == through[1].keys()
        assert raw[1]["content-type"] == through[1]["content-type"]
        documents = [re.sub(r"[0-9a-f]{64}", "id", text.decode()) for text in (raw[2], through[2])]
        if body == (other or body):
            assert raw[2] == through[2]
        assert json.loads(documents[0]) == json.loads(documents[1])


def test_the_unusual_goes_through_the_application(
    live: LiveNode, connect: Callable[[], Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_raw(monkeypatch)
    tx = evidence_tx(live.node.chain_id, live.signers[0]).data
    answers = connect()
    text = json.dumps({"tx": tx.hex()}).encode()
    assert answers.ask(plain("/v1/txs", text, "Content-Type: application/json"))[0] == 202
    assert answers.ask(plain("/v1/txs?wait=committed&timeout_ms=1", tx))[0] == 202
    assert answers.ask(plain("/v1/txs", b"x", "Content-Type: text/plain"))[0] == 400
    assert answers.ask(plain("/v1/txs?wait=soon", b"x"))[0] == 400
    assert answers.ask(head("/v1/txs", 70_001))[0] == 413
    assert seen == []


def test_pipelined_requests_are_answered_in_order(live: LiveNode, connect: Callable[[], Answers]) -> None:
    chain, signer = live.node.chain_id, live.signers[0]
    txs = [evidence_tx(chain, signer, f"{i:064x}") for i in range(20)]
    stream = b""
    for i, tx in enumerate(txs):
        stream += plain("/v1/txs", tx.data) if i % 3 else chunked("/v1/txs?wait=none", tx.data)
        if i % 5 == 0:
            stream += b"GET /v1/live HTTP/1.1\r\nHost: node\r\n\r\n"
    answers = connect()
    answers.socket.sendall(stream)
    for i, tx in enumerate(txs):
        assert json.loads(answers.read()[2])["tx_id"] == tx.tx_id.hex()
        if i % 5 == 0:
            assert b"tx_id" not in answers.read()[2]


def test_codes_are_the_answer_when_asked_for(live: LiveNode, connect: Callable[[], Answers]) -> None:
    chain, signer = live.node.chain_id, live.signers[0]
    good = [evidence_tx(chain, signer, f"{i:064x}").data for i in range(3)]
    stranger = evidence_tx(chain, type(signer).generate()).data
    accept = "Accept: application/octet-stream"
    answers = connect()
    for request in (plain, chunked):
        status, headers, body = answers.ask(request("/v1/txs:batch", encode_frames([good[0], stranger, b"?"]), accept))
        assert (status, headers["content-type"]) == (200, OCTETS.decode())
        first = 0 if request is plain else CODES["TX_DUPLICATE"]
        assert struct.unpack(">3I", body) == (first, CODES["ACCOUNT_UNKNOWN"], CODES["TX_MALFORMED"])
    assert answers.ask(plain("/v1/txs:batch", encode_frames(good[1:]), accept))[2] == bytes(8)
    status, _, body = answers.ask(plain("/v1/txs:batch?wait=committed", encode_frames(good), accept))
    assert (status, json.loads(body)["name"]) == (400, "PARAMETER_INVALID")


def test_what_cannot_be_taken_is_refused_without_being_kept(
    live: LiveNode, connect: Callable[[], Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    take = raw_submit.RawSubmit.take

    def note(self: raw_submit.RawSubmit, part: bytes) -> None:
        take(self, part)
        kept.append(sum(map(len, self._parts)))

    monkeypatch.setattr(raw_submit.RawSubmit, "take", note)
    live.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=2_500)
    answers = connect()
    status, headers, body = answers.ask(plain("/v1/txs:batch", b"\x00" * 90_000))
    assert (status, headers["retry-after"], json.loads(body)["name"]) == (429, "3", "MEMPOOL_FULL")
    assert kept
    assert max(kept) == 0
    assert live.node.submissions == 0
    live.node.refuse = None
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    assert answers.ask(plain("/v1/txs", tx.data))[0] == 202


def test_a_body_in_pieces_is_taken_and_a_slow_one_refused(
    live: LiveNode, connect: Callable[[], Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0]).data
    answers = connect()
    answers.socket.sendall(head("/v1/txs", len(tx)))
    for start in range(0, len(tx), 50):
        answers.socket.sendall(tx[start : start + 50])
        time.sleep(0.005)
    assert answers.read()[0] == 202
    monkeypatch.setattr(raw_submit, "ARRIVAL_S_MAX", 0.2)
    status, headers, _ = answers.ask(head("/v1/txs", 100) + b"x" * 99)
    assert (status, headers["connection"]) == (400, "close")
    assert answers.socket.recv(1) == b""


def test_old_and_closing_clients_are_closed(live: LiveNode, connect: Callable[[], Answers]) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0]).data
    for request in (
        plain("/v1/txs", tx, "Connection: close"),
        plain("/v1/txs", tx).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        answers = connect()
        assert answers.ask(request)[1]["connection"] == "close"
        assert answers.socket.recv(1) == b""


def test_a_defect_is_internal_and_says_nothing_of_its_inside(
    live: LiveNode, connect: Callable[[], Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(live.node, "submit_frames", broken)
    answers = connect()
    for path, body in (("/v1/txs", b"x"), ("/v1/txs:batch", b"\x00\x00\x00\x01x")):
        status, _, text = answers.ask(plain(path, body))
        assert (status, json.loads(text)["name"]) == (500, "INTERNAL_ERROR")
        assert b"secret" not in text
