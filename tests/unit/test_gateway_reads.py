"""Every read route over a real server: documented shape, paging, and one stable code for each bad input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from hnnode.errors import ERRORS
from hnnode.gateway import models
from hnnode.gateway.verdict_models import Verdict
from hnnode.primitives.frames import encode_frames
from tests.kit.http import evidence_tx, refused
from tests.kit.live_node import LiveNode
from tests.kit.memory_node import MemoryNode


@pytest.fixture(scope="module")
def live() -> Iterator[LiveNode]:
    """A chain with three transactions: two preserved, one failed."""
    with LiveNode(auto=False) as node, httpx.Client(base_url=f"{node.url}/v1", trust_env=False) as http:
        chain, signer = node.node.chain_id, node.signers[0]
        good = [evidence_tx(chain, signer, f"{i:064x}") for i in range(2)]
        failing = evidence_tx(chain, signer, payload={"hash": "33" * 32, "algorithm": "sm3", "previous": "44" * 32})
        body = encode_frames(t.data for t in [*good, failing])
        assert http.post("/txs:batch", content=body).json()["accepted"] == 3
        node.ids = [t.tx_id.hex() for t in [*good, failing]]  # type: ignore[attr-defined]
        node.commit()
        yield node


@pytest.fixture(scope="module")
def http(live: LiveNode) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{live.url}/v1", trust_env=False, timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/txs/{id}", models.TxState),
        ("/txs/{id}?wait=committed&timeout_ms=5", models.TxState),
        ("/txs/{failed}", models.TxState),
        ("/txs/{ID}", models.TxState),
        ("/txs/{id}/receipt", models.Receipt),
        ("/txs/{failed}/receipt", models.Receipt),
        ("/blocks", models.Blocks),
        ("/blocks/latest", models.Block),
        ("/blocks/1", models.Block),
        ("/blocks/1?full=1", models.Block),
        ("/blocks/latest?full=true", models.Block),
        ("/blocks/1/results", models.BlockResults),
        ("/plugins", models.Plugins),
        ("/applications", models.Applications),
        ("/applications/evidence/schema", models.Schema),
        ("/events:page", models.Events),
        ("/status", models.Status),
        ("/live", models.Live),
        ("/ready", models.Ready),
        ("/validators", models.Validators),
        ("/peers", models.Peers),
        ("/genesis", models.Genesis),
        ("/errors", models.Errors),
    ],
)
def test_reads_have_their_documented_shape(live: Any, http: httpx.Client, path: str, model: type[BaseModel]) -> None:
    answer = http.get(path.format(id=live.ids[0], failed=live.ids[2], ID=live.ids[0].upper()))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    model.model_validate_json(answer.content)


U, Z = "f" * 64, "0" * 64


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "NOT_FOUND"),
        ("/nothing", "NOT_FOUND"),
        ("/status/", "NOT_FOUND"),
        (f"/txs/{U}", "NOT_FOUND"),
        (f"/txs/{U}/receipt", "NOT_FOUND"),
        (f"/txs/{U}/proof", "NOT_FOUND"),
        ("/txs/12", "PARAMETER_INVALID"),
        (f"/txs/{'g' * 64}", "PARAMETER_INVALID"),
        (f"/txs/{U}00", "PARAMETER_INVALID"),
        (f"/txs/{U}?wait=soon", "PARAMETER_INVALID"),
        (f"/txs/{U}?valid_until_height=-1", "PARAMETER_INVALID"),
        (f"/txs/{U}?more=1", "PARAMETER_INVALID"),
        ("/blocks/0", "NOT_FOUND"),
        ("/blocks/3000", "NOT_FOUND"),
        ("/blocks/9223372036854775807", "NOT_FOUND"),
        ("/blocks/9223372036854775808", "PARAMETER_INVALID"),
        ("/blocks/-1", "PARAMETER_INVALID"),
        ("/blocks/1.5", "PARAMETER_INVALID"),
        ("/blocks/first", "PARAMETER_INVALID"),
        ("/blocks/0/results", "NOT_FOUND"),
        ("/blocks/3000/results", "NOT_FOUND"),
        ("/blocks/x/results", "PARAMETER_INVALID"),
        ("/blocks/1?full=perhaps", "PARAMETER_INVALID"),
        ("/blocks?limit=0", "PARAMETER_INVALID"),
        ("/blocks?limit=201", "PARAMETER_INVALID"),
        ("/blocks?limit=x", "PARAMETER_INVALID"),
        ("/blocks?cursor=x", "PARAMETER_INVALID"),
        ("/blocks?cursor=AAAAAAAAAAAA", "PARAMETER_INVALID"),
        ("/blocks?cursor=%00", "PARAMETER_INVALID"),
        ("/blocks?cursr=1", "PARAMETER_INVALID"),
        ("/applications/nobody/schema", "NOT_FOUND"),
        ("/applications/Evidence/schema", "PARAMETER_INVALID"),
        ("/applications/evidence/state/zz/proof", "PARAMETER_INVALID"),
        ("/applications/evidence/state/123/proof", "PARAMETER_INVALID"),
        (f"/applications/evidence/state/{'00' * 1025}/proof", "PARAMETER_INVALID"),
        ("/events?after=1", "PARAMETER_INVALID"),
        ("/events?after=1.2.3.4", "PARAMETER_INVALID"),
        ("/events?after=-1.0.0", "PARAMETER_INVALID"),
        ("/events?after=1.0.4294967296", "PARAMETER_INVALID"),
        (f"/events?application={'a' * 256}", "PARAMETER_INVALID"),
        ("/events:page?after=x", "PARAMETER_INVALID"),
        ("/events:page?limit=0", "PARAMETER_INVALID"),
        ("/events:page?limit=100000", "PARAMETER_INVALID"),
        ("/docs/nothing.js", "NOT_FOUND"),
        ("/docs/%2e%2e/docs.html", "NOT_FOUND"),
    ],
)
def test_bad_reads_have_stable_codes(http: httpx.Client, path: str, name: str) -> None:
    refused(http.get(path), name)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/status"),
        ("GET", "/txs"),
        ("PUT", "/txs:batch"),
        ("POST", f"/txs/{Z}"),
        ("GET", "/verify"),
        ("BREW", "/txs"),
    ],
)
def test_other_methods_are_refused_with_allow(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    if answer.headers["content-type"].startswith("text/plain"):
        assert answer.status_code == 400  # not HTTP at all for the parser
        return
    refused(answer, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"]


def test_an_unknown_transaction_past_its_height_is_expired_for_good(live: LiveNode, http: httpx.Client) -> None:
    height = http.get("/status").json()["height"]
    assert refused(http.get(f"/txs/{U}?valid_until_height={height + 1}"), "NOT_FOUND")["state"] == "unknown"
    answer = http.get(f"/txs/{U}?valid_until_height={height}")
    assert (answer.status_code, answer.json()["state"], answer.json()["name"]) == (200, "expired", "TX_EXPIRED")


def test_blocks_page_to_the_first_without_gap(http: httpx.Client) -> None:
    heights: list[int] = []
    cursor = None
    while True:
        page = http.get("/blocks", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        heights += [block["height"] for block in page["blocks"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert heights == [2, 1]


def test_full_blocks_hold_transactions_and_certificate(live: Any, http: httpx.Client) -> None:
    block = http.get("/blocks/1?full=1").json()
    assert [tx["tx_id"] for tx in block["txs"]] == live.ids
    assert block["tx_count"] == sum(batch["tx_count"] for batch in block["batches"]) == 3
    assert block["certificate"]["signers"] == [0, 1, 2]
    assert len(block["header_hex"]) == 2 * 357
    assert block["txs"][0]["payload"]["algorithm"] == "sm3"
    assert http.get("/blocks/2").json()["parent_hash"] == block["block_hash"]
    results = http.get("/blocks/1/results").json()["results"]
    assert [(r["tx_id"], r["code"]) for r in results] == list(zip(live.ids, (0, 0, 4001), strict=True))


def test_queries_run_at_a_height(live: LiveNode, http: httpx.Client) -> None:
    ask = {"hash": f"{0:064x}"}
    now = http.post("/applications/evidence/queries/verify", json=ask)
    models.QueryAnswer.model_validate_json(now.content)
    assert now.json()["result"]["found"] is True
    before = http.post("/applications/evidence/queries/verify?height=0", json=ask).json()
    assert (before["height"], before["result"]["found"]) == (0, False)
    refused(http.post("/applications/evidence/queries/verify?height=99999", json=ask), "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("evidence/queries/nothing", b"{}", "QUERY_UNKNOWN"),
        ("nobody/queries/verify", b"{}", "QUERY_UNKNOWN"),
        ("evidence/queries/Verify", b"{}", "PARAMETER_INVALID"),
        ("evidence/queries/verify", b"", "PARAMETER_INVALID"),
        ("evidence/queries/verify", b"{}", "PARAMETER_INVALID"),
        ("evidence/queries/verify", b'{"hash":1}', "PARAMETER_INVALID"),
        ("evidence/queries/verify", b'{"hash":"00","more":1}', "PARAMETER_INVALID"),
        ("evidence/queries/verify", b"[]", "PARAMETER_INVALID"),
        ("evidence/queries/verify", b"\xff", "REQUEST_MALFORMED"),
        ("evidence/queries/verify", b"{" * 100, "REQUEST_MALFORMED"),
        ("evidence/txs:build", b"", "REQUEST_MALFORMED"),
        ("evidence/txs:build", b"{}", "PARAMETER_INVALID"),
        ("evidence/txs:build", b'{"action":"preserve","sender":"00"}', "PARAMETER_INVALID"),
        ("evidence/txs:build", b'{"action":"preserve","sender":"%s"}' % (b"0" * 40), "PARAMETER_INVALID"),
        (
            "evidence/txs:build",
            b'{"action":"preserve","sender":"%s","payload":1,"payload_hex":"00"}' % (b"0" * 40),
            "PARAMETER_INVALID",
        ),
        ("evidence/txs:build", b'{"action":"burn","sender":"%s","payload":1}' % (b"0" * 40), "ACTION_UNKNOWN"),
        ("nobody/txs:build", b'{"action":"burn","sender":"%s","payload":1}' % (b"0" * 40), "APPLICATION_UNKNOWN"),
        (
            "evidence/txs:build",
            b'{"action":"preserve","sender":"%s","payload":1,"nonce":-1}' % (b"0" * 40),
            "PARAMETER_INVALID",
        ),
        (
            "evidence/txs:build",
            b'{"action":"preserve","sender":"%s","payload_hex":"%s"}' % (b"0" * 40, b"00" * 65_537),
            "TX_TOO_LARGE",
        ),
    ],
)
def test_bad_queries_and_builds_have_stable_codes(http: httpx.Client, path: str, body: bytes, name: str) -> None:
    refused(http.post(f"/applications/{path}", content=body), name)


def test_a_thin_client_signs_what_the_node_builds(live: LiveNode, http: httpx.Client) -> None:
    signer = live.signers[1]
    payload = '{"hash":"%s" , "algorithm":"sm3"}' % ("5a" * 32)
    body = f'{{"action":"preserve","sender":"{signer.account.hex()}","payload":{payload}}}'
    answer = http.post("/applications/evidence/txs:build", content=body)
    models.BuiltTx.model_validate_json(answer.content)
    built = answer.json()
    assert bytes.fromhex(built["body"]).endswith(payload.encode())  # byte for byte, blanks included
    signature = signer.sign(bytes.fromhex(built["sign"]["message"]))
    sent = http.post("/txs", json={"tx": built["body"] + signature.hex()})
    assert (sent.status_code, sent.json()["tx_id"]) == (202, built["tx_id"])
    exact = http.post(
        "/applications/evidence/txs:build",
        json={
            "action": "preserve",
            "sender": signer.account.hex(),
            "payload_hex": "00",
            "nonce": 7,
            "valid_until_height": 9,
        },
    ).json()
    assert (exact["nonce"], exact["valid_until_height"]) == (7, 9)


def test_proofs_verify_over_http(live: Any, http: httpx.Client) -> None:
    proof = http.get(f"/txs/{live.ids[0]}/proof")
    assert proof.headers["content-type"] == "application/octet-stream"
    assert live.ids[0] in proof.headers["content-disposition"]
    verdict = http.post("/verify", content=proof.content)
    Verdict.model_validate_json(verdict.content)
    assert verdict.json()["valid"] is True
    matching = http.post("/verify", params={"file_hash": f"{0:064X}"}, content=proof.content).json()
    assert matching["valid"] is True
    other = http.post("/verify", params={"file_hash": "ee" * 32}, content=proof.content).json()
    assert (other["valid"], other["name"]) == (False, "PROOF_SUBJECT")
    other_chain = MemoryNode()
    other_chain.commit_block([])
    foreign = http.post("/verify", content=other_chain.proofs.state("evidence", [b"k"])).json()
    other_chain.events.close()
    assert (foreign["valid"], foreign["name"]) == (False, "PROOF_CHAIN")
    Verdict.model_validate(foreign)
    junk = http.post("/verify", content=b"junk").json()
    assert (junk["valid"], junk["name"], junk["reasons"][-1]["passed"]) == (False, "PROOF_MALFORMED", False)
    refused(http.post("/verify", content=b""), "REQUEST_MALFORMED")
    refused(http.post("/verify?file_hash=12", content=b"x"), "PARAMETER_INVALID")


def test_state_proofs_show_presence_and_absence(live: LiveNode, http: httpx.Client) -> None:
    account = live.signers[0].account.hex()
    for key, present in ((f"72{0:064x}{account}", True), (f"72{'ee' * 32}{account}", False)):
        proof = http.get(f"/applications/evidence/state/{key}/proof")
        assert proof.status_code == 200
        state = http.post("/verify", content=proof.content).json()["states"][0]
        assert (state["key_hex"], state["present"]) == (key, present)


def test_ready_says_why_not(live: LiveNode, http: httpx.Client) -> None:
    for change, name in (
        ({"syncing": True}, "SYNCING"),
        ({"ready": False}, "NOT_READY"),
        ({"halted": "disk"}, "NOT_READY"),
    ):
        live.node.facts_now = change
        try:
            assert refused(http.get("/ready"), name)["retryable"] is True
            assert http.get("/live").status_code == 200
        finally:
            live.node.facts_now = {}


def test_the_error_table_is_complete(http: httpx.Client) -> None:
    rows = http.get("/errors").json()["errors"]
    assert {row["code"]: row["http"] for row in rows} == {code: info.http for code, info in ERRORS.items()}
