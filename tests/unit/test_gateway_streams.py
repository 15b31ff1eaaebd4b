"""Server-sent events over a real server: resume, filters, heartbeat, slow consumers, bounds, stop."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hnnode.gateway.streams import StreamLimits, encode_event
from hnnode.ports import ChainEvent, Cursor
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx, refused
from tests.kit.live_node import LiveNode

LIMITS = StreamLimits(heartbeat_ms=200, stall_ms=600, buffer_bytes_max=64 * 1024)


@pytest.fixture
def live() -> Iterator[LiveNode]:
    with LiveNode(auto=False, streams=LIMITS, event_streams_max=3) as node:
        yield node


def preserve(live: LiveNode, start: int, count: int) -> None:
    """`count` events in one block, and an empty block behind it."""
    txs = [evidence_tx(live.node.chain_id, live.signers[0], f"{start + i:064x}", until=900) for i in range(count)]
    body = httpx.post(f"{live.url}/v1/txs:batch", content=encode_frames(t.data for t in txs), trust_env=False).json()
    assert body["accepted"] == count
    live.commit()


def messages(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """{id, event, data} of each message; comments as {comment}."""
    current: dict[str, Any] = {}
    for line in answer.iter_lines():
        if not line:
            if current:
                yield current
            current = {}
        elif line.startswith(":"):
            yield {"comment": line[1:].strip()}
        else:
            name, _, value = line.partition(": ")
            current[name] = current[name] + "\n" + value if name in current else value


def read(live: LiveNode, count: int, path: str = "/events", **headers: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with httpx.stream("GET", f"{live.url}/v1{path}", headers=headers, timeout=10, trust_env=False) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for message in messages(answer):
            if "comment" not in message:
                found.append(message)
            if len(found) == count:
                return found
    return found


def test_stored_events_come_in_order_and_resume_behind_the_cursor(live: LiveNode) -> None:
    preserve(live, 0, 3)
    preserve(live, 10, 2)
    everything = read(live, 5)
    assert [m["id"] for m in everything] == ["1.0.0", "1.1.0", "1.2.0", "3.0.0", "3.1.0"]
    assert {m["event"] for m in everything} == {"evidence.preserved"}
    assert json.loads(everything[3]["data"])["entity"] == f"{10:064x}"
    for k in range(4):
        assert read(live, 4 - k, f"/events?after={everything[k]['id']}") == everything[k + 1 :]
    # The browser's header goes before the address it first connected to.
    assert read(live, 1, "/events?after=1.0.0", **{"Last-Event-ID": "3.0.0"}) == everything[4:]
    page = httpx.get(f"{live.url}/v1/events:page?after=1.0.0&limit=2", trust_env=False).json()
    assert [e["cursor"] for e in page["events"]] == ["1.1.0", "1.2.0"]
    assert (page["next"], page["complete"]) == ("1.2.0", True)
    assert page["events"][0] == json.loads(everything[1]["data"])


def test_new_events_arrive_as_blocks_commit(live: LiveNode) -> None:
    preserve(live, 0, 1)
    with httpx.stream("GET", f"{live.url}/v1/events?after=latest", timeout=10, trust_env=False) as answer:
        stream = messages(answer)
        assert next(stream) == {"comment": "heartbeat"}
        preserve(live, 5, 1)
        assert next(m for m in stream if "id" in m)["id"] == "3.0.0"


def test_filters_hide_everything_else(live: LiveNode) -> None:
    preserve(live, 0, 2)
    assert len(read(live, 2, "/events?application=evidence&name=evidence.preserved")) == 2
    for query in ("application=identity", "name=evidence.cosigned"):
        with httpx.stream("GET", f"{live.url}/v1/events?{query}", timeout=10, trust_env=False) as answer:
            assert next(messages(answer)) == {"comment": "heartbeat"}
        assert httpx.get(f"{live.url}/v1/events:page?{query}", trust_env=False).json()["events"] == []


def test_streams_are_bounded_and_places_come_back(live: LiveNode) -> None:
    url = f"{live.url}/v1/events"
    with httpx.Client(trust_env=False, timeout=10) as http:
        for _ in range(3):
            opened = [http.send(http.build_request("GET", url), stream=True) for _ in range(3)]
            assert {answer.status_code for answer in opened} == {200}
            refused(http.get(url), "TOO_MANY_REQUESTS")
            for answer in opened:
                answer.close()
            deadline = time.monotonic() + 5
            while live.app.context.streams.open and time.monotonic() < deadline:
                time.sleep(0.02)
            assert live.app.context.streams.open == 0


def open_raw(live: LiveNode, receive_bytes: int) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.connect(("127.0.0.1", live.config.port))
    raw.sendall(b"GET /v1/events HTTP/1.1\r\nHost: node\r\n\r\n")
    return raw


def drain(raw: socket.socket) -> bytes:
    raw.settimeout(10)
    parts = []
    while data := raw.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def flood(live: LiveNode, blocks: int) -> None:
    """Blocks of large events, made by the feed itself: the socket buffers of the machine must overflow."""
    wide = "x" * 16_000

    async def follow(after: Cursor | None, application: str | None, name: str | None) -> Any:
        for height in range(1, blocks + 1):
            yield ChainEvent(Cursor(height, 0, 0), 0, bytes(32), "flood", "flood.wide", "e", json.dumps(wide).encode())

    live.node.events.follow = follow  # type: ignore[method-assign]


def test_a_slow_consumer_is_told_and_cut_and_loses_nothing(live: LiveNode) -> None:
    flood(live, 4_000)
    with open_raw(live, 16 * 1024) as raw:
        time.sleep(1.4 * LIMITS.stall_ms / 1000)  # reads nothing: stalled, but not yet given up
        data = drain(raw)
    ids = [int(line.split(b".")[0][4:]) for line in data.split(b"\n") if line.startswith(b"id: ")]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) < 4_000
    assert f'event: lagging\ndata: {{"after":"{ids[-1]}.0.0"}}'.encode() in data
    assert data.endswith(b"0\r\n\r\n")


def test_a_consumer_that_never_reads_is_given_up(live: LiveNode) -> None:
    flood(live, 4_000)
    with open_raw(live, 16 * 1024):
        deadline = time.monotonic() + 10
        while not live.app.context.streams.open and time.monotonic() < deadline:
            time.sleep(0.02)
        while live.app.context.streams.open and time.monotonic() < deadline:
            time.sleep(0.05)
        assert live.app.context.streams.open == 0


def test_a_long_replay_is_paced_by_a_reading_consumer(live: LiveNode) -> None:
    flood(live, 1_000)
    with httpx.stream("GET", f"{live.url}/v1/events", timeout=10, trust_env=False) as answer:
        ids = [m["id"] for m in messages(answer) if "id" in m]
    assert ids == [f"{h}.0.0" for h in range(1, 1_001)]


def test_stopping_the_server_ends_streams_quickly() -> None:
    with LiveNode(auto=False, streams=LIMITS) as live:
        http = httpx.Client(trust_env=False, timeout=10)
        answer = http.send(http.build_request("GET", f"{live.url}/v1/events"), stream=True)
        started = time.monotonic()
    assert time.monotonic() - started < 4
    assert all("comment" in m for m in messages(answer))
    http.close()


def test_an_event_cannot_forge_stream_fields() -> None:
    bad = ChainEvent(Cursor(1, 0, 0), 0, bytes(32), "a", "x\nid: 9.9.9\ndata: forged", "e\r\n", b'{\n"a":\r\n1}')
    text = encode_event(bad).decode()
    assert text.startswith("id: 1.0.0\nevent: event\ndata: ")
    assert all(line.startswith("data: ") for line in text.rstrip("\n").split("\n")[2:])
    joined = "\n".join(line[6:] for line in text.rstrip("\n").split("\n")[2:])
    assert json.loads(joined)["name"] == bad.name
    assert json.loads(joined)["payload"] == {"a": 1}
