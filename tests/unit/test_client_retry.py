"""Repetition, deadlines and answers that are none, with a scripted wire instead of a node."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hnnode.client import (
    ApiError,
    Client,
    NodeBusy,
    NodeUnreachable,
    NotFound,
    ResultUnknown,
    TxExpired,
    TxRefused,
    steps,
)
from hnnode.client.errors import Problem, error_of
from hnnode.client.sse import MESSAGE_BYTES_MAX, SseParser
from hnnode.crypto import SignedTx
from hnnode.errors import ERRORS, Rejected, Unavailable

TX = SignedTx(bytes(32), b"signed bytes", 100)
Script = list[Any]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "RETRY_FIRST_S", 0.001)


def scripted(script: Script, **options: Any) -> tuple[Client, list[httpx.Request]]:
    """A client whose wire answers each request with the next of `script`, the last one for ever."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        step = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(step, Exception):
            raise step
        status, body = step
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

    return Client("http://node", transport=httpx.MockTransport(handle), **{"timeout_s": 2.0, **options}), asked


def busy(name: str = "MEMPOOL_FULL") -> tuple[int, dict[str, Any]]:
    info = next(i for i in ERRORS.values() if i.name == name)
    return info.http, {"code": info.code, "detail": "d", "retryable": info.retryable, "retry_after_ms": 1}


DONE = (202, {"tx_id": "00" * 32, "state": "pending", "replayed": False})


@pytest.mark.parametrize(
    "trouble",
    [busy(), busy("SYNCING"), httpx.ConnectError("x"), httpx.ReadError("x"), httpx.ReadTimeout("x"), (502, b"<html>")],
)
def test_trouble_is_repeated_with_the_same_bytes(trouble: Any) -> None:
    client, asked = scripted([trouble, trouble, DONE])
    assert client.send(TX, wait="none").state == "pending"
    assert [r.content for r in asked] == [TX.data] * 3


@pytest.mark.parametrize("name", ["TX_MALFORMED", "SIGNATURE_INVALID", "TX_EXPIRED", "WRONG_CHAIN", "INTERNAL_ERROR"])
def test_final_refusals_are_not_repeated(name: str) -> None:
    client, asked = scripted([busy(name)])
    with pytest.raises(ApiError) as caught:
        client.send(TX)
    assert caught.value.info.name == name
    assert caught.value.tx_id == TX.tx_id
    assert len(asked) == 1


def test_an_uncertain_submission_ends_as_unknown_never_as_failed() -> None:
    for script in ([httpx.ReadTimeout("x")], [httpx.ReadError("x"), httpx.ConnectError("x")]):
        client, _ = scripted(list(script), timeout_s=0.05)
        with pytest.raises(ResultUnknown) as caught:
            client.send(TX)
        assert caught.value.tx_id == TX.tx_id
    client, _ = scripted([httpx.ConnectError("x")], timeout_s=0.05)
    with pytest.raises(NodeUnreachable):
        client.send(TX)


def test_reads_say_unreachable_or_busy_at_the_deadline() -> None:
    for trouble, kind in (
        (httpx.ConnectError("x"), NodeUnreachable),
        (busy("SYNCING"), NodeBusy),
        ((200, b"["), NodeUnreachable),
    ):
        client, _ = scripted([trouble], timeout_s=0.05)
        with pytest.raises(kind):
            client.status()


def test_a_pending_transaction_is_sent_again_until_it_is_committed() -> None:
    receipt = {
        "tx_id": "00" * 32, "height": 5, "tx_index": 0, "block_time": "", "application": "a", "action": "b",
        "status": "committed", "code": 0, "name": "OK", "rule": "", "steps": 0, "events": [], "write_set_digest": "",
    }  # fmt: skip
    final = (
        200,
        {"tx_id": "00" * 32, "state": "committed", "replayed": True, "receipt": receipt, "from_the_future": 1},
    )
    client, asked = scripted([DONE, DONE, final])
    result = client.send(TX)
    assert result.receipt is not None
    assert result.receipt.height == 5
    assert len(asked) == 3
    assert all(r.url.params["wait"] == "committed" for r in asked)
    assert all(0 <= int(r.url.params["timeout_ms"]) <= 2_000 for r in asked)


def test_only_unfinished_items_are_sent_again() -> None:
    def item(state: str, code: int, *, retryable: bool = False, height: int | None = None) -> dict[str, Any]:
        return {
            "tx_id": "00" * 32, "state": state, "code": code, "name": "", "retryable": retryable, "height": height,
        }  # fmt: skip

    first = [
        item("committed", 0, height=1),
        item("rejected", 3002, retryable=True),
        item("rejected", 2001),
        item("pending", 0),
    ]
    second = [item("rejected", 3002, retryable=True), item("committed", 0, height=2)]
    third = [item("failed", 4001, height=3)]
    client, asked = scripted([(200, {"results": r}) for r in (first, second, third)])
    txs = [SignedTx(bytes(32), bytes([i]) * 4, 9) for i in range(4)]
    results = client.send_many(txs, wait="committed")
    assert [(r.state, r.code) for r in results] == [
        ("committed", 0),
        ("failed", 4001),
        ("rejected", 2001),
        ("committed", 0),
    ]
    frame = b"\x00\x00\x00\x04"
    assert [r.content for r in asked] == [
        b"".join(frame + tx.data for tx in txs),
        frame + txs[1].data + frame + txs[3].data,
        frame + txs[1].data,
    ]


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_code_has_a_type_with_the_right_kind(code: int) -> None:
    info = ERRORS[code]
    error = error_of(Problem(code, "d", info.retryable, 7, "00" * 32))
    assert error.code == code
    assert isinstance(error, Unavailable) == (info.retryable or info.http == 503)
    assert isinstance(error, Rejected) != isinstance(error, Unavailable)
    assert error.tx_id == bytes(32)


def test_named_kinds() -> None:
    assert isinstance(error_of(Problem(3001)), TxExpired)
    assert isinstance(error_of(Problem(3004)), TxRefused)
    assert isinstance(error_of(Problem(1005)), NotFound)
    unknown = error_of(Problem(7777, "from a newer node"))
    assert unknown.info.name == "INTERNAL_ERROR"
    assert "7777" in unknown.detail
    assert isinstance(error_of(Problem(7777, retryable=True)), NodeBusy)


def split_everywhere(data: bytes) -> list[Callable[[SseParser], list[tuple[str, bytes]]]]:
    def feeding(cut: int) -> Callable[[SseParser], list[tuple[str, bytes]]]:
        return lambda parser: [(m.event, m.data) for part in (data[:cut], data[cut:]) for m in parser.feed(part)]

    return [feeding(cut) for cut in range(len(data) + 1)]


def test_messages_are_the_same_however_the_bytes_arrive() -> None:
    data = b": hello\n\nid: 1.0.0\nevent: a\ndata: one\ndata:two\n\nevent: b\r\ndata: \xe4\xb8\xad\r\n\r\nid: 7\n\ndata"
    for feed in split_everywhere(data):
        assert feed(SseParser()) == [("a", b"one\ntwo"), ("b", "中".encode())]


def test_an_endless_line_is_refused() -> None:
    parser = SseParser()
    assert list(parser.feed(b"x" * MESSAGE_BYTES_MAX)) == []
    with pytest.raises(NodeUnreachable):
        list(parser.feed(b"x"))
