"""Submits through a gateway: the answers of a node, wrong ones kept from it, unknown outcomes told as such."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator

import httpx
import pytest

from hnnode.client import Client
from hnnode.crypto import MemorySigner
from hnnode.errors import CODES, Unavailable
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx, refused
from tests.kit.live_gateway import LiveGateway
from tests.kit.live_node import LiveNode

OCTETS = {"Content-Type": "application/octet-stream"}
CODES_WANTED = {**OCTETS, "Accept": "application/octet-stream"}


@pytest.fixture
def node() -> Iterator[LiveNode]:
    with LiveNode(auto=False) as live:
        yield live


@pytest.fixture
def gateway(node: LiveNode) -> Iterator[LiveGateway]:
    with LiveGateway(node.url) as live:
        live.until(lambda: live.facts()["accounts"] == 3)
        yield live


@pytest.fixture
def http(gateway: LiveGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False, timeout=20) as client:
        yield client


def spoil(data: bytes) -> bytes:
    """Another signature, still in range."""
    return data[:-1] + bytes([data[-1] ^ 1])


def test_both_doors_answer_alike(node: LiveNode, gateway: LiveGateway) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    stranger = MemorySigner.generate()
    number = 0

    def fresh() -> bytes:
        nonlocal number
        number += 1
        return evidence_tx(chain, signer, f"{number:064x}").data

    known, pooled = fresh(), fresh()
    direct = httpx.Client(base_url=f"{node.url}/v1", trust_env=False, headers=OCTETS)
    through = httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False, headers=OCTETS)
    assert direct.post("/txs", content=known).status_code == 202
    node.commit()
    assert direct.post("/txs", content=pooled).status_code == 202
    unknown, late = evidence_tx(chain, stranger).data, evidence_tx(chain, signer, until=1).data
    far = evidence_tx(chain, signer, until=10**9).data
    foreign = evidence_tx(bytes(32), signer).data
    person = {"hash": "ab" * 32, "algorithm": "sm3", "name": "call 138 1234 5678"}
    personal = evidence_tx(chain, signer, payload=person).data
    bad = spoil(fresh())
    singles = [
        personal,
        known,
        pooled,
        unknown,
        late,
        far,
        foreign,
        bad,
        b"",
        b"junk",
        b"\x01" + bytes(70_000),
        bytes(2 << 20),
    ]
    mixes = [
        [known, pooled, unknown, late, bad, b"junk", personal, b""],
        [bad, personal],
        [personal] * 300,
        [bad, foreign],
        [known],
        [b""] * 1_001,
        [],
    ]
    cases: list[tuple[str, bytes, dict[str, str]]] = [("/txs", data, {}) for data in singles]
    cases += [("/txs?wait=committed&timeout_ms=50", data, {}) for data in singles]
    for mix in mixes:
        frames = encode_frames(mix)
        cases += [("/txs:batch", frames, {}), ("/txs:batch", frames, CODES_WANTED)]
        cases += [("/txs:batch?wait=committed&timeout_ms=50", frames, {})]
        text = json.dumps({"txs": [data.hex() for data in mix]}).encode()
        cases += [("/txs:batch", text, {"Content-Type": "application/json"})]
    cases += [
        ("/txs", json.dumps({"tx": unknown.hex()}).encode(), {"Content-Type": "application/json"}),
        ("/txs", b"{", {"Content-Type": "application/json"}),
        ("/txs", b"x", {"Content-Type": "text/plain"}),
        ("/txs?wait=soon", b"x", {}),
        ("/txs:batch", b"\x00", {}),
        ("/txs:batch", bytes(5 << 20), {}),
        ("/txs:batch?wait=committed", encode_frames([known]), CODES_WANTED),
    ]
    for path, body, headers in cases:
        a, b = (client.post(path, content=body, headers=headers) for client in (direct, through))
        assert a.status_code == b.status_code, (path, body[:80], a.text, b.text)
        assert a.content == b.content, (path, body[:80], a.text, b.text)
        for name in ("content-type", "retry-after", "content-length"):
            assert a.headers.get(name) == b.headers.get(name)
    # The good ones, whose answers differ in nothing but the id.
    for path, wrap in (("/txs", bytes), ("/txs:batch", lambda data: encode_frames([data]))):
        a, b = (client.post(path, content=wrap(fresh())) for client in (direct, through))
        assert (a.status_code, a.headers["content-type"]) == (b.status_code, b.headers["content-type"])
        assert re.sub("[0-9a-f]{64}", "id", a.text) == re.sub("[0-9a-f]{64}", "id", b.text)
    direct.close()
    through.close()


def test_what_is_wrong_does_not_reach_the_node(node: LiveNode, gateway: LiveGateway, http: httpx.Client) -> None:
    chain, signer = node.node.chain_id, node.signers[1]
    before = node.node.submissions
    bad = [spoil(evidence_tx(chain, signer, f"{i:064x}").data) for i in range(5)]
    problem = refused(http.post("/txs", content=bad[0], headers=OCTETS), "SIGNATURE_INVALID")
    assert problem["state"] == "rejected"
    assert problem["tx_id"]
    answer = http.post("/txs:batch", content=encode_frames(bad), headers=OCTETS).json()
    assert [item["name"] for item in answer["results"]] == ["SIGNATURE_INVALID"] * 5
    assert (answer["accepted"], answer["refused"]) == (0, 5)
    refused(http.post("/txs?wait=committed", content=bad[0], headers=OCTETS), "SIGNATURE_INVALID")
    assert node.node.submissions == before
    assert gateway.figure("hn_gateway_refused_txs_total", code="SIGNATURE_INVALID") == 7


def test_an_account_is_learned_when_the_node_took_something_of_it() -> None:
    late = MemorySigner.generate()
    with LiveNode(auto=False, extra_keys=[late.public_key]) as node:
        chain = node.node.chain_id
        with LiveGateway(node.url) as gateway:
            gateway.until(lambda: gateway.facts()["accounts"] == 4)
            # As a gateway that has never met them.
            gateway.call(lambda: gateway.gateway.accounts.table.load([]))
            with httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False, headers=OCTETS) as http:
                for _ in range(3):
                    refused(
                        http.post("/txs", content=evidence_tx(chain, MemorySigner.generate()).data), "ACCOUNT_UNKNOWN"
                    )
                assert gateway.facts()["accounts"] == 0
                bad = spoil(evidence_tx(chain, late, "aa" * 32).data)
                before = node.node.submissions
                refused(http.post("/txs", content=bad), "SIGNATURE_INVALID")
                assert node.node.submissions == before + 1
                gateway.until(lambda: gateway.facts()["accounts"] == 1)
                refused(http.post("/txs", content=bad), "SIGNATURE_INVALID")
                assert node.node.submissions == before + 1
                mixed = encode_frames([evidence_tx(chain, s, "bb" * 32).data for s in (late, node.signers[2])])
                assert http.post("/txs:batch", content=mixed, headers=CODES_WANTED).content == bytes(8)
                gateway.until(lambda: gateway.facts()["accounts"] == 2)
                assert gateway.figure("hn_gateway_unverified_txs_total") == 5


def test_posts_share_requests_to_the_node(node: LiveNode, gateway: LiveGateway) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    txs = [evidence_tx(chain, signer, f"{i:064x}") for i in range(200)]
    before = node.node.submissions

    async def post() -> list[httpx.Response]:
        import asyncio

        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, limits=limits) as client:
            return list(await asyncio.gather(*(client.post("/v1/txs", content=t.data, headers=OCTETS) for t in txs)))

    import asyncio

    for tx, answer in zip(txs, asyncio.run(post()), strict=True):
        assert answer.status_code == 202
        assert answer.json() == {"tx_id": tx.tx_id.hex(), "state": "pending", "replayed": False}
    assert node.node.submissions - before < 200
    assert gateway.facts()["waiting_bytes"] == 0


def test_the_sdk_commits_through_a_gateway() -> None:
    with LiveNode() as node, LiveGateway(node.url) as gateway, Client(gateway.url, signer=node.signers[0]) as client:
        result = client.submit("evidence", "preserve", {"hash": "cd" * 32, "algorithm": "sm3"})
        assert result.receipt is not None
        many = client.submit_many(
            "evidence", "preserve", [{"hash": f"{i:064x}", "algorithm": "sm3"} for i in range(30)], wait="committed"
        )
        assert {item.state for item in many} == {"committed"}
        assert client.verify_proof(client.proof(bytes.fromhex(result.tx_id))).valid
        assert client.receipt(bytes.fromhex(result.tx_id)).code == 0


def test_a_full_node_closes_the_gateway_for_a_moment(node: LiveNode, gateway: LiveGateway, http: httpx.Client) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    txs = [evidence_tx(chain, signer, f"{i:064x}").data for i in range(4)]
    node.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=2_500)
    first = http.post("/txs", content=txs[0], headers=OCTETS)
    assert (refused(first, "MEMPOOL_FULL")["detail"], first.headers["retry-after"]) == ("full", "3")
    before = node.node.submissions
    refused(http.post("/txs:batch", content=encode_frames(txs), headers=OCTETS), "MEMPOOL_FULL")
    assert node.node.submissions == before  # told without asking the node again
    node.node.refuse = None
    gateway.until(lambda: gateway.gateway.forwarder.closed_ms() == 0)
    assert http.post("/txs:batch", content=encode_frames(txs), headers=CODES_WANTED).content == bytes(16)


def test_a_node_that_catches_up_is_left_for_the_next(node: LiveNode) -> None:
    tx = evidence_tx(node.node.chain_id, node.signers[0]).data
    node.node.facts_now = {"syncing": True}
    node.node.refuse = Unavailable("SYNCING", "at height 7", retry_after_ms=1_000)
    with LiveGateway(node.url) as gateway, httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False) as http:
        problem = refused(http.post("/txs", content=tx, headers=OCTETS), "SYNCING")
        assert problem["detail"] == "at height 7"
        assert gateway.facts()["nodes"][0]["ready"] is False
        node.node.refuse = None
        node.node.facts_now = {}
        assert http.post("/txs", content=tx, headers=OCTETS).status_code == 202


def test_limits_are_those_of_the_node() -> None:
    with LiveNode(auto=False, batch_count_max=7, body_bytes_max=5_000, batch_body_bytes_max=9_000) as node:
        chain, signer = node.node.chain_id, node.signers[0]
        with LiveGateway(node.url) as gateway, httpx.Client(base_url=f"{gateway.url}/v1", trust_env=False) as http:
            txs = [evidence_tx(chain, signer, f"{i:064x}").data for i in range(8)]
            refused(http.post("/txs:batch", content=encode_frames(txs), headers=OCTETS), "BATCH_TOO_LARGE")
            refused(http.post("/txs", content=bytes(5_001), headers=OCTETS), "BODY_TOO_LARGE")
            assert http.post("/txs:batch", content=encode_frames(txs[:7]), headers=CODES_WANTED).content == bytes(28)


def test_codes_keep_their_places(node: LiveNode, http: httpx.Client) -> None:
    chain, signer = node.node.chain_id, node.signers[0]
    good = [evidence_tx(chain, signer, f"{i:064x}").data for i in range(3)]
    stranger = evidence_tx(chain, MemorySigner.generate()).data
    body = encode_frames([good[0], spoil(good[1]), b"?", stranger, good[2], good[0]])
    answer = http.post("/txs:batch", content=body, headers=CODES_WANTED).content
    want = (0, CODES["SIGNATURE_INVALID"], CODES["TX_MALFORMED"], CODES["ACCOUNT_UNKNOWN"], 0, CODES["TX_DUPLICATE"])
    assert struct.unpack(">6I", answer) == want


def test_what_waits_in_a_gateway_is_bounded(node: LiveNode, gateway: LiveGateway, http: httpx.Client) -> None:
    door = gateway.gateway.door
    tx = evidence_tx(node.node.chain_id, node.signers[0]).data
    gateway.call(lambda: setattr(door, "waiting_bytes", door.room_bytes))
    before = node.node.submissions
    for path in ("/txs", "/txs:batch", "/txs?wait=committed"):
        body = encode_frames([tx]) if path == "/txs:batch" else tx
        assert (
            "wait in this gateway" in refused(http.post(path, content=body, headers=OCTETS), "MEMPOOL_FULL")["detail"]
        )
    assert node.node.submissions == before
    assert gateway.figure("hn_gateway_turned_away_total", code="MEMPOOL_FULL") == 3
    gateway.call(lambda: setattr(door, "waiting_bytes", 0))
    assert http.post("/txs", content=tx, headers=OCTETS).status_code == 202
