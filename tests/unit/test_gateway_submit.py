"""Write semantics of the gateway, over a real server: 202, 200 with receipt, replay, waiting, refusals, batches."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from hnnode.errors import Unavailable
from hnnode.gateway import models
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx, refused
from tests.kit.live_node import LiveNode


@pytest.fixture
def live() -> Iterator[LiveNode]:
    with LiveNode(auto=False) as node:
        yield node


@pytest.fixture
def http(live: LiveNode) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{live.url}/v1", trust_env=False, timeout=20) as client:
        yield client


def test_admission_answers_pending_with_the_id(live: LiveNode, http: httpx.Client) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    answer = http.post("/txs", content=tx.data)
    assert answer.status_code == 202
    assert answer.json() == {"tx_id": tx.tx_id.hex(), "state": "pending", "replayed": False}
    models.Submitted.model_validate_json(answer.content)


def test_committed_answers_the_receipt_and_resending_replays_it(live: LiveNode, http: httpx.Client) -> None:
    live.node.auto = True
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    first = http.post("/txs?wait=committed", content=tx.data)
    assert first.status_code == 200
    models.Submitted.model_validate_json(first.content)
    assert first.json()["state"] == "committed"
    assert first.json()["replayed"] is False
    for query in ("", "?wait=none", "?wait=accepted", "?wait=committed&timeout_ms=1"):
        again = http.post(f"/txs{query}", content=tx.data)
        assert again.status_code == 200
        assert again.json()["replayed"] is True
        assert again.json()["receipt"] == first.json()["receipt"]


def test_resending_a_pending_transaction_stays_pending(live: LiveNode, http: httpx.Client) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    assert http.post("/txs", content=tx.data).status_code == 202
    again = http.post("/txs", content=tx.data)
    assert (again.status_code, again.json()["replayed"], again.json()["state"]) == (202, True, "pending")


def test_a_timeout_is_pending_never_an_error(live: LiveNode, http: httpx.Client) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    started = time.monotonic()
    answer = http.post("/txs?wait=committed&timeout_ms=150", content=tx.data)
    assert 0.1 < time.monotonic() - started < 5
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")


def test_nothing_after_admission_turns_into_a_refusal(live: LiveNode, http: httpx.Client) -> None:
    async def full(*_: object) -> None:
        raise Unavailable("TOO_MANY_REQUESTS", "too many waiting requests")

    live.node.wait = full  # type: ignore[assignment, method-assign]
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    answer = http.post("/txs?wait=committed", content=tx.data)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    batch = http.post("/txs:batch?wait=committed", content=encode_frames([tx.data]))
    assert batch.json()["results"][0]["state"] == "pending"


def test_a_failed_transaction_is_committed_with_its_rule(live: LiveNode, http: httpx.Client) -> None:
    live.node.auto = True
    payload = {"hash": "11" * 32, "algorithm": "sm3", "previous": "22" * 32}
    tx = evidence_tx(live.node.chain_id, live.signers[0], payload=payload)
    answer = http.post("/txs?wait=committed", content=tx.data)
    assert answer.status_code == 200
    body = answer.json()
    assert body["state"] == body["receipt"]["status"] == "failed"
    assert body["receipt"]["rule"] == "evidence.previous_unknown"
    assert body["receipt"]["name"] == "RULE_VIOLATION"
    assert body["receipt"]["events"] == []


def test_refusals_carry_the_id_and_a_stable_code(live: LiveNode, http: httpx.Client) -> None:
    chain, signer = live.node.chain_id, live.signers[0]
    live.commit()
    stranger = type(signer).generate()
    good = evidence_tx(chain, signer)
    cases = [
        (good.data[:-1] + bytes([good.data[-1] ^ 1]), "SIGNATURE_INVALID"),
        (evidence_tx(chain, stranger).data, "ACCOUNT_UNKNOWN"),
        (evidence_tx(bytes(32), signer).data, "WRONG_CHAIN"),
        (evidence_tx(chain, signer, until=1).data, "TX_EXPIRED"),
        (evidence_tx(chain, signer, until=1_000_000).data, "VALIDITY_TOO_FAR"),
        (b"\x01", "TX_MALFORMED"),
        (good.data + b"\x00", "TX_MALFORMED"),
        (b"\x01" * 70_000, "TX_TOO_LARGE"),
    ]
    for data, name in cases:
        problem = refused(http.post("/txs", content=data), name)
        assert problem["state"] == "rejected"
        if name not in ("TX_MALFORMED", "TX_TOO_LARGE", "WRONG_CHAIN"):
            assert len(problem["tx_id"]) == 64


def test_a_number_of_a_person_is_refused_in_every_form_and_never_repeated(live: LiveNode, http: httpx.Client) -> None:
    number = "11010519491231002X"
    payload = {"hash": "33" * 32, "algorithm": "sm3", "name": f"报告 {number}.pdf"}
    tx = evidence_tx(live.node.chain_id, live.signers[0], payload=payload)
    good = evidence_tx(live.node.chain_id, live.signers[0])
    octets = {"Content-Type": "application/octet-stream"}
    singles = [
        http.post("/txs", content=tx.data, headers=octets),
        http.post("/txs", content=iter([tx.data]), headers=octets),
        http.post("/txs?wait=committed", content=tx.data, headers=octets),
        http.post("/txs", json={"tx": tx.data.hex()}),
    ]
    for answer in singles:
        problem = refused(answer, "PERSONAL_DATA")
        assert (answer.status_code, problem["code"], problem["retryable"]) == (422, 3013, False)
        assert problem["personal"] == {"kind": "citizen_number", "field": "name"}
        assert problem["errors"][0]["rule"] == "citizen_number"
        assert "citizen identity number in name" in problem["detail"]
        assert problem["tx_id"] == tx.tx_id.hex()
        assert number[:10] not in answer.text
    frames = encode_frames([tx.data, good.data, tx.data])
    assert http.post(
        "/txs:batch", content=frames, headers={**octets, "Accept": octets["Content-Type"]}
    ).content == bytes.fromhex(f"{3013:08x}{0:08x}{3013:08x}")
    batches = [
        http.post("/txs:batch", content=frames, headers=octets),
        http.post("/txs:batch", json={"txs": [t.data.hex() for t in (tx, good, tx)]}),
    ]
    for answer in batches:
        found = models.SubmittedBatch.model_validate_json(answer.content)
        assert [item.code for item in found.results] == [3013, 0, 3013]
        assert found.results[2].personal == {"kind": "citizen_number", "field": "name"}
        assert found.results[1].personal is None
        assert number[:10] not in answer.text
    assert live.node.pool.count() == 1
    assert live.node.pool.status(tx.tx_id) == "unknown"


@pytest.mark.parametrize(
    "write", [lambda d: d.hex(), lambda d: d.hex().upper(), lambda d: base64.b64encode(d).decode()]
)
def test_json_takes_hexadecimal_and_base64(live: LiveNode, http: httpx.Client, write: object) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    answer = http.post("/txs", json={"tx": write(tx.data)})  # type: ignore[operator]
    assert (answer.status_code, answer.json()["tx_id"]) == (202, tx.tx_id.hex())


@pytest.mark.parametrize(
    ("body", "name", "pointer"),
    [
        (b"", "REQUEST_MALFORMED", ""),
        (b"{", "REQUEST_MALFORMED", ""),
        (b"[" * 40 + b"]" * 40, "REQUEST_MALFORMED", ""),
        (b'{"tx":' + b"[" * 33 + b"]" * 33 + b"}", "REQUEST_MALFORMED", ""),
        (b'{"tx":"\xff"}', "REQUEST_MALFORMED", ""),
        (b"{}", "PARAMETER_INVALID", ""),
        (b'{"tx":1}', "PARAMETER_INVALID", "/tx"),
        (b'{"tx":"01","more":1}', "PARAMETER_INVALID", ""),
        (b'["01"]', "PARAMETER_INVALID", ""),
        (b'{"tx":"0g"}', "TX_MALFORMED", "/tx"),
        (b'{"tx":"!!"}', "TX_MALFORMED", "/tx"),
        (b'{"tx":""}', "TX_MALFORMED", "/tx"),
    ],
)
def test_bad_json_has_stable_codes(http: httpx.Client, body: bytes, name: str, pointer: str) -> None:
    problem = refused(http.post("/txs", content=body, headers={"Content-Type": "application/json"}), name)
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "query",
    ["wait=soon", "wait=", "timeout_ms=-1", "timeout_ms=1e3", "timeout_ms=٣", "wiat=none", "timeout_ms=9999999999"],
)
def test_bad_wait_parameters_are_refused_before_admission(live: LiveNode, http: httpx.Client, query: str) -> None:
    for path in ("/txs", "/txs:batch"):
        problem = refused(http.post(f"{path}?{query}", content=b"x"), "PARAMETER_INVALID")
        assert problem["errors"][0]["pointer"].startswith("/query/")
    assert live.node.submissions == 0


def test_other_content_types_and_empty_bodies_are_refused(http: httpx.Client) -> None:
    for path in ("/txs", "/txs:batch"):
        refused(http.post(path, content=b"x", headers={"Content-Type": "text/plain"}), "REQUEST_MALFORMED")
        refused(http.post(path, content=b""), "REQUEST_MALFORMED")


def test_body_limits_hold_with_and_without_a_declared_length() -> None:
    with LiveNode(body_bytes_max=10_000, batch_body_bytes_max=20_000) as live:
        with httpx.Client(base_url=f"{live.url}/v1", trust_env=False) as http:
            for path, size in (("/txs", 10_000), ("/txs:batch", 20_000), ("/verify", 20_000)):
                refused(http.post(path, content=b"x" * (size + 1)), "BODY_TOO_LARGE")
                pieces = (b"x" * 5_000 for _ in range(size // 5_000 + 1))
                refused(http.post(path, content=pieces), "BODY_TOO_LARGE")
                assert http.post(path, content=b"\x01" * size).json().get("name") != "BODY_TOO_LARGE"
        assert live.node.submissions == 1


def test_a_declared_length_is_refused_before_the_body_arrives(live: LiveNode) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", live.config.port), 5) as raw:
        raw.sendall(b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        raw.settimeout(5)
        assert raw.recv(64).startswith(b"HTTP/1.1 413")


def test_a_full_pool_slows_clients_down(live: LiveNode, http: httpx.Client) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0])
    live.node.refuse = Unavailable("MEMPOOL_FULL", "full", retry_after_ms=2_500)
    answer = http.post("/txs", content=tx.data)
    problem = refused(answer, "MEMPOOL_FULL")
    assert (answer.status_code, answer.headers["retry-after"], problem["retry_after_ms"]) == (429, "3", 2_500)
    live.node.refuse = Unavailable("SYNCING")
    assert http.post("/txs:batch", content=encode_frames([tx.data])).status_code == 503


def test_batches_answer_one_result_an_item(live: LiveNode, http: httpx.Client) -> None:
    chain, signer = live.node.chain_id, live.signers[0]
    good = [evidence_tx(chain, signer, f"{i:064x}") for i in range(3)]
    stranger = evidence_tx(chain, type(signer).generate())
    items = [good[0].data, b"junk", good[1].data, stranger.data, good[2].data]
    binary = http.post("/txs:batch", content=encode_frames(items))
    assert binary.status_code == 200
    models.SubmittedBatch.model_validate_json(binary.content)
    results = binary.json()["results"]
    assert [r["name"] for r in results] == ["OK", "TX_MALFORMED", "OK", "ACCOUNT_UNKNOWN", "OK"]
    assert [r["state"] for r in results] == ["pending", "rejected", "pending", "rejected", "pending"]
    assert results[1]["tx_id"] is None
    assert (binary.json()["accepted"], binary.json()["refused"]) == (3, 2)
    texts = [good[0].data.hex(), "zz", base64.b64encode(good[1].data).decode(), stranger.data.hex(), good[2].data.hex()]
    as_json = http.post("/txs:batch", json={"txs": texts}).json()["results"]
    assert [r["name"] for r in as_json] == [r["name"] for r in results]
    assert [r["replayed"] for r in as_json] == [True, False, True, False, True]


def test_batches_can_wait_for_their_commit(live: LiveNode, http: httpx.Client) -> None:
    live.node.auto = True
    chain, signer = live.node.chain_id, live.signers[0]
    txs = [evidence_tx(chain, signer, f"{i:064x}") for i in range(50)]
    body = http.post("/txs:batch?wait=committed", content=encode_frames(t.data for t in txs)).json()
    assert {(r["state"], r["height"], r["rule"]) for r in body["results"]} == {("committed", 1, "")}
    assert [r["tx_index"] for r in body["results"]] == list(range(50))
    replay = http.post("/txs:batch", content=encode_frames(t.data for t in txs)).json()
    assert all(r["replayed"] and r["state"] == "committed" and r["height"] == 1 for r in replay["results"])


def test_batch_framing_and_counts_are_bounded(live: LiveNode, http: httpx.Client) -> None:
    tx = evidence_tx(live.node.chain_id, live.signers[0]).data
    for body in (b"\x00", b"\x00\x00\x00\x05abcd", encode_frames([tx]) + b"\x00\x00", b"\xff\xff\xff\xff"):
        refused(http.post("/txs:batch", content=body), "REQUEST_MALFORMED")
    refused(http.post("/txs:batch", content=encode_frames([b""] * 1_001)), "BATCH_TOO_LARGE")
    refused(http.post("/txs:batch", json={"txs": ["00"] * 1_001}), "BATCH_TOO_LARGE")
    refused(http.post("/txs:batch", json={"txs": []}), "PARAMETER_INVALID")
    refused(http.post("/txs:batch", json={"txs": ["00", 1]}), "PARAMETER_INVALID")
    assert live.node.submissions == 0
    assert http.post("/txs:batch", content=encode_frames([b""] * 1_000)).json()["refused"] == 1_000


def test_a_large_json_batch_is_decoded_off_the_loop(live: LiveNode, http: httpx.Client) -> None:
    chain, signer = live.node.chain_id, live.signers[0]
    txs = [evidence_tx(chain, signer, f"{i:064x}") for i in range(400)]
    body = json.dumps({"txs": [t.data.hex() for t in txs]}).encode()
    assert len(body) > 128 * 1024
    answer = http.post("/txs:batch", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["accepted"] == 400
