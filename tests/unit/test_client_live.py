"""Both clients against a real server over a real chain in memory."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hnnode_native import sm3

from hnnode.client import (
    AccountRefused,
    AsyncClient,
    AsyncEvidence,
    Client,
    Event,
    Evidence,
    FileSigner,
    MemorySigner,
    NodeBusy,
    NodeUnreachable,
    NotFound,
    RequestRefused,
    ResultUnknown,
    TxExpired,
    TxFailed,
    TxRefused,
    verify_proof,
)
from hnnode.crypto import write_key_file
from hnnode.crypto.keys import generate_key
from hnnode.errors import HnError, Rejected, Unavailable
from hnnode.gateway.streams import StreamLimits
from tests.kit.live_node import LiveNode, free_port

FILE = b"deed of the house" * 200


@pytest.fixture(scope="module")
def live() -> Iterator[LiveNode]:
    with LiveNode(streams=StreamLimits(heartbeat_ms=200)) as node:
        yield node


@pytest.fixture
def client(live: LiveNode) -> Iterator[Client]:
    live.node.auto = True
    live.node.refuse = None
    with Client(live.url, signer=live.signers[0], chain_id=live.node.chain_id, timeout_s=15) as opened:
        yield opened


def payload(number: int) -> dict[str, Any]:
    return {"hash": f"{number:064x}", "algorithm": "sm3"}


def test_submitting_answers_the_receipt(client: Client) -> None:
    result = client.submit("evidence", "preserve", payload(1))
    assert result.state == "committed"
    assert result.receipt is not None
    assert result.receipt.events[0].name == "evidence.preserved"
    assert client.receipt(result.tx_id) == client.wait(result.tx_id) == result.receipt
    state = client.get_tx(bytes.fromhex(result.tx_id))
    assert (state.state, state.tx is not None and state.tx.payload) == ("committed", payload(1))


def test_reads(client: Client, live: LiveNode) -> None:
    client.submit("evidence", "preserve", payload(2))
    status = client.status()
    assert (status.chain_id, status.ready) == (live.node.chain_id.hex(), True)
    assert client.genesis().chain_name == "hn_memory"
    tip = client.block()
    assert tip.height >= 2
    assert client.block(1, full=True).txs is not None
    assert [b.height for b in client.blocks()] == list(range(tip.height, 0, -1))
    assert len(list(client.blocks(limit=1))) == 1
    schema = client.schema("evidence")
    assert {"preserve", "verify", "evidence.preserved"} <= {*schema.actions, *schema.queries, *schema.events}
    found = client.query("evidence", "verify", {"hash": f"{2:064x}"})
    assert found.result["found"] is True
    assert found.height >= 1


def test_the_same_bytes_may_be_sent_again(client: Client) -> None:
    tx = client.sign("evidence", "preserve", [payload(3)])[0]
    first = client.send(tx)
    again = client.send(tx)
    assert again.replayed
    assert again.receipt == first.receipt


def test_a_failed_transaction_raises_with_its_receipt(client: Client) -> None:
    with pytest.raises(TxFailed) as caught:
        client.submit("evidence", "preserve", {**payload(4), "previous": "ee" * 32})
    assert caught.value.rule == "evidence.previous_unknown"
    assert caught.value.receipt.status == "failed"
    assert isinstance(caught.value, Rejected)
    with pytest.raises(TxFailed):
        client.wait(caught.value.receipt.tx_id)


def test_refusals_are_typed(client: Client, live: LiveNode) -> None:
    with pytest.raises(AccountRefused) as unknown:
        client.submit("evidence", "preserve", payload(5), MemorySigner.generate())
    assert unknown.value.info.name == "ACCOUNT_UNKNOWN"
    assert unknown.value.tx_id is not None
    with pytest.raises(NotFound):
        client.receipt("00" * 32)
    with pytest.raises(NotFound):
        client.query("evidence", "nothing")
    with pytest.raises(RequestRefused) as malformed:
        client.query("evidence", "verify", {"x": 1})
    assert malformed.value.faults
    with pytest.raises(TxRefused) as far:
        client.submit("evidence", "preserve", payload(6), valid_for_blocks=10**9)
    assert far.value.info.name == "VALIDITY_TOO_FAR"
    with pytest.raises(Rejected):
        client.receipt("xyz")
    with Client(live.url) as nobody, pytest.raises(RequestRefused, match="signer"):
        nobody.submit("evidence", "preserve", payload(7))


def test_a_node_of_another_chain_is_refused(live: LiveNode) -> None:
    with Client(live.url, signer=live.signers[0], chain_id=bytes(32)) as wrong, pytest.raises(RequestRefused) as caught:
        wrong.submit("evidence", "preserve", payload(8))
    assert caught.value.info.name == "WRONG_CHAIN"


def test_many_are_submitted_in_batches_with_one_result_each(client: Client, live: LiveNode) -> None:
    before = live.node.submissions
    results = client.submit_many("evidence", "preserve", [payload(1_000 + i) for i in range(2_100)])
    assert [r.state for r in results] == ["pending"] * 2_100 or {r.code for r in results} == {0}
    assert live.node.submissions - before == 3
    many = [payload(9_000 + i) for i in range(1_100)]
    waited = client.submit_many("evidence", "preserve", many, wait="committed", timeout_s=30.0)  # a busy machine
    assert {r.state for r in waited} == {"committed"}
    assert len({r.tx_id for r in waited}) == 1_100
    assert client.submit_many("evidence", "preserve", []) == []
    mixed = client.submit_many("evidence", "preserve", [payload(1), b"junk"], wait="committed")
    assert [r.state for r in mixed] == ["committed", "failed"]
    refused = client.submit_many("evidence", "preserve", [payload(1)], MemorySigner.generate())
    assert refused[0].name == "ACCOUNT_UNKNOWN"


def test_a_full_pool_is_waited_out(client: Client, live: LiveNode) -> None:
    live.node.refuse = Unavailable("MEMPOOL_FULL", retry_after_ms=50)
    timer = threading.Timer(0.3, lambda: setattr(live.node, "refuse", None))
    timer.start()
    assert client.submit("evidence", "preserve", payload(20)).state == "committed"
    timer.join()
    live.node.refuse = Unavailable("MEMPOOL_FULL", retry_after_ms=50)
    with pytest.raises(NodeBusy) as caught:
        client.submit("evidence", "preserve", payload(21), timeout_s=0.4)
    assert isinstance(caught.value, Unavailable)
    assert caught.value.retry_after_ms == 50


def test_a_deadline_leaves_the_result_unknown_and_the_id_known(client: Client, live: LiveNode) -> None:
    live.node.auto = False
    with pytest.raises(ResultUnknown) as caught:
        client.submit("evidence", "preserve", payload(30), timeout_s=0.4)
    assert caught.value.tx_id is not None
    with pytest.raises(ResultUnknown):
        client.wait(caught.value.tx_id, timeout_s=0.2)
    live.commit()
    assert client.wait(caught.value.tx_id).status == "committed"
    pending = client.submit("evidence", "preserve", payload(31), wait="none")
    assert (pending.state, pending.receipt) == ("pending", None)
    live.commit()


def test_waiting_ends_for_what_can_never_come(client: Client, live: LiveNode) -> None:
    started = time.monotonic()
    with pytest.raises(TxExpired):
        client.wait("11" * 32, valid_until_height=1)
    assert time.monotonic() - started < 5
    with pytest.raises(NotFound):
        client.wait("11" * 32, timeout_s=0.3)


def test_unreachable_nodes_are_left_for_the_next(live: LiveNode) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with Client([dead, live.url], signer=live.signers[0], timeout_s=10) as both:
        live.node.auto = True
        assert both.submit("evidence", "preserve", payload(40)).state == "committed"
    with Client(dead, timeout_s=0.3) as nobody, pytest.raises(NodeUnreachable) as caught:
        nobody.status()
    assert caught.value.info.name == "NODE_UNREACHABLE"
    with Client("http://[bad", timeout_s=0.3) as nobody, pytest.raises(NodeUnreachable):
        nobody.status()
    with Client(dead, timeout_s=0.3) as nobody, pytest.raises(NodeUnreachable):
        next(nobody.events())


def test_evidence_from_file_to_verdict(client: Client, live: LiveNode, tmp_path: Path) -> None:
    file = tmp_path / "deed.pdf"
    file.write_bytes(FILE)
    result = client.evidence.preserve(file, name="房契")
    assert result.receipt is not None
    bundle = client.proof(result.tx_id)
    assert client.evidence.verify(file, bundle).valid
    assert client.evidence.verify(b"forged", bundle).code == 5106
    assert client.verify_proof(bundle).reasons[0].name == "CHAIN"
    assert verify_proof(bundle, file).valid  # module function: no client, no node
    stored = tmp_path / "deed.proof"
    stored.write_bytes(bundle)
    assert verify_proof(stored, str(file), live.node.chain_id).valid
    records = client.evidence.find(file)
    assert [(r["owner"], r["size"], r["name"]) for r in records] == [(live.signers[0].account.hex(), len(FILE), "房契")]
    cosigned = client.evidence.cosign(sm3(FILE), live.signers[0].account, signer=live.signers[1])
    assert cosigned.receipt is not None
    assert cosigned.receipt.action == "cosign"
    with pytest.raises(TxFailed):
        client.evidence.cosign(sm3(FILE), live.signers[0].account)
    following = client.evidence.preserve(b"second edition", algorithm="sha256", previous=sm3(FILE))
    assert client.evidence.verify(b"second edition", client.proof(following.tx_id)).valid
    assert client.evidence.preserve(digest=sm3(b"hash only")).state == "committed"
    for wrong in ({}, {"file": FILE, "digest": bytes(32)}, {"file": FILE, "algorithm": "md5"}):
        with pytest.raises(HnError):
            client.evidence.preserve(**wrong)  # type: ignore[arg-type]
    key = b"r" + sm3(FILE) + live.signers[0].account
    assert client.evidence.verify(FILE, client.state_proof("evidence", key)).valid


def test_a_key_file_signs(client: Client, live: LiveNode, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key_file(path, generate_key())
    with pytest.raises(AccountRefused):
        client.submit("evidence", "preserve", payload(50), FileSigner(path))


def test_events_resume_after_the_server_was_away() -> None:
    limits = StreamLimits(heartbeat_ms=100, stall_ms=500, buffer_bytes_max=2_000)
    with LiveNode(streams=limits) as live, Client(live.url, signer=live.signers[0]) as client:
        client.submit_many("evidence", "preserve", [payload(i) for i in range(30)], wait="committed")
        kept: list[str] = []
        stream = client.events(checkpoint=kept.append)
        first = [next(stream) for _ in range(10)]
        assert kept == [e.cursor for e in first[:9]]  # the tenth is still being worked on

        async def restart() -> None:
            from hnnode.gateway import create_app, serve

            await live.server.stop()
            live.app = create_app(live.node, live.config)
            live.server = await serve(live.app, live.config)

        asyncio.run_coroutine_threadsafe(restart(), live.loop).result(20)
        rest = [next(stream) for _ in range(20)]
        stream.close()
        seen = [e.payload["algorithm"] for e in first + rest]
        assert len(seen) == 30
        assert len({e.cursor for e in first + rest}) == 30
        again: list[Event] = []
        for event in client.events(kept[-1], application="evidence", name="evidence.preserved"):
            again.append(event)
            if len(again) == 30 - len(kept):
                break
        assert [e.cursor for e in again] == [e.cursor for e in (first + rest)[len(kept) :]]


def test_bad_event_requests_are_raised_at_once(client: Client) -> None:
    with pytest.raises(RequestRefused):
        next(client.events("nonsense"))


# ------------------------------------------------------------------ asynchronous
def test_the_asynchronous_client_has_the_same_surface() -> None:
    renamed = {"close": "aclose"}
    for blocking, awaited in ((Client, AsyncClient), (Evidence, AsyncEvidence)):
        names = [n for n, f in inspect.getmembers(blocking, inspect.isfunction) if not n.startswith("_")]
        assert names
        for name in names:
            mine = inspect.signature(getattr(blocking, name))
            other = inspect.signature(getattr(awaited, renamed.get(name, name)))
            assert list(mine.parameters) == list(other.parameters), name
            defaults = [(p.kind, p.default) for p in mine.parameters.values()]
            assert defaults == [(p.kind, p.default) for p in other.parameters.values()], name


def test_the_asynchronous_client_does_the_same(live: LiveNode) -> None:
    live.node.auto = True
    live.node.refuse = None

    async def run() -> None:
        async with AsyncClient(live.url, signer=live.signers[0], chain_id=live.node.chain_id) as client:
            tip = (await client.status()).height
            result = await client.submit("evidence", "preserve", payload(700))
            assert result.receipt is not None
            assert (await client.wait(result.tx_id)) == result.receipt
            assert (await client.get_tx(result.tx_id)).state == "committed"
            kept: list[str] = []

            async def keep(cursor: str) -> None:
                kept.append(cursor)

            events = client.events(f"{tip}.4294967295.4294967295", checkpoint=keep)
            first = await anext(events)
            assert first.tx_id == result.tx_id
            many = await client.submit_many(
                "evidence", "preserve", [payload(710 + i) for i in range(5)], wait="committed"
            )
            assert {r.state for r in many} == {"committed"}
            assert [(await anext(events)).tx_id for _ in range(5)] == [r.tx_id for r in many]
            assert len(kept) == 5
            await events.aclose()
            heights = [b.height async for b in client.blocks(limit=3)]
            tip = (await client.block()).height
            assert heights == [tip, tip - 1, tip - 2]
            preserved = await client.evidence.preserve(FILE + b"async")
            bundle = await client.proof(preserved.tx_id)
            assert client.evidence.verify(FILE + b"async", bundle).valid
            assert client.verify_proof(bundle).valid
            assert len(await client.evidence.find(FILE + b"async")) == 1
            assert (await client.genesis()).chain_id == live.node.chain_id.hex()
            assert (await client.query("evidence", "verify", {"hash": "00" * 32})).result["found"] is False
            key = b"r" + sm3(FILE + b"async") + live.signers[0].account
            assert verify_proof(await client.state_proof("evidence", key)).valid
            with pytest.raises(NotFound):
                await client.receipt("00" * 32)
            with pytest.raises(TxFailed):
                await client.evidence.cosign(sm3(b"none"), live.signers[0].account, signer=live.signers[1])
            signed = await client.sign("evidence", "preserve", [payload(720)])
            assert (await client.send(signed[0])).state == "committed"
            assert (await client.send_many(signed))[0].replayed
        dead = AsyncClient(f"http://127.0.0.1:{free_port()}", timeout_s=0.2)
        with pytest.raises(NodeUnreachable):
            await anext(dead.events())
        with pytest.raises(NodeUnreachable):
            await dead.status()
        await dead.aclose()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_importing_the_client_needs_no_room_of_a_node() -> None:
    import subprocess
    import sys

    code = (
        "import sys, hnnode.client\n"
        "bad = [m for m in sys.modules if m.startswith('hnnode.') and m.split('.')[1] in "
        "('gateway','node','storage','network','mempool','consensus','execution','sync','proofs','events','ports')]\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_httpx_errors_never_escape(live: LiveNode) -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("cut")

    with (
        Client("http://node", timeout_s=0.3, transport=httpx.MockTransport(broken)) as client,
        pytest.raises(NodeUnreachable),
    ):
        client.status()
