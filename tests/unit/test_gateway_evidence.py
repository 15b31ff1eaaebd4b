"""Certificates of evidence over HTTP and through both clients: the file, the page, and what is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hnnode_native import sm3

from hnnode.client import AsyncClient, Client, NotFound, Policy, RequestRefused, TimeToken, TxFailed, verify_certificate
from hnnode.execution.native_events import NATIVE_EVENTS
from hnnode.execution.native_rules import NATIVE_RULES
from tests.kit.http import refused
from tests.kit.live_node import LiveNode

ROOT = Path(__file__).resolve().parents[2]
FILE = b"a deed of some length"
DIGEST = sm3(FILE)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveNode]:
    with LiveNode(roles={1: ["notary"], 2: ["court"]}) as node:
        yield node


def test_both_clients_tell_the_same_story(live: LiveNode) -> None:
    """Records by the one, the case by the other: collected, co-signed, submitted, found not to match, archived."""
    owner, notary, court = live.signers
    with Client(live.url, signer=owner, chain_id=live.node.chain_id) as client:
        moment = TimeToken(live.node.chain.tip().time_ms, bytes(32), "TSA")
        client.evidence.collect(FILE, name="deed", collector="scanner 2", owner_ref=b"\0\1" + bytes(32), token=moment)
        with pytest.raises(TxFailed) as caught:
            client.evidence.collect(digest=b"\1" * 32, token=TimeToken(1, bytes(32)))
        assert caught.value.rule == "evidence.token_skew"
        client.evidence.set_policy(DIGEST, Policy(1, roles=["notary"]))
        client.evidence.cosign(DIGEST, owner.account, role="notary", signer=notary)
        data = client.evidence.certificate(DIGEST, owner.account)
        facts = client.evidence.verify_certificate(data, FILE).require()
        assert facts.circumstances is not None
        assert facts.circumstances.owner_ref == b"\0\1" + bytes(32)
        client.evidence.issue_certificate(DIGEST, owner.account, sm3(data), signer=notary)

    async def to_court() -> bytes:
        async with AsyncClient(live.url, signer=owner, chain_id=live.node.chain_id) as client:
            evidence = client.evidence
            opened = await evidence.open_case(court.account, name="案", parties=[notary.account], phases=["一", "二"])
            case = bytes.fromhex(opened.tx_id)
            await evidence.advance_case(case, signer=court)
            await evidence.submit_to_case(case, DIGEST)
            await evidence.verify_in_case(case, owner.account, DIGEST, FILE + b"!", report=bytes(32), signer=court)
            await evidence.archive_case(case, signer=court)
            status = await evidence.status(DIGEST, owner.account)
            assert (status["state"], status["cases"][0]["result"]) == ("archived", "mismatch")
            await evidence.preserve(FILE + b"2", previous=DIGEST)
            await evidence.link_correction(DIGEST, sm3(FILE + b"2"), reason=bytes(32))
            data = await evidence.certificate(DIGEST, owner.account, case=case)
            facts = evidence.verify_certificate(data, FILE).require()
            assert facts.case is not None
            assert facts.case.item.signers == (notary.account,)
            assert facts.correction is not None
            with pytest.raises(RequestRefused):
                await evidence.verify_in_case(case, owner.account, DIGEST)
            return case

    case = asyncio.run(to_court())
    where = f"{live.url}/v1/evidence/{DIGEST.hex()}/{owner.account.hex()}/certificate"
    live.commit()
    with httpx.Client(timeout=20) as http:
        page = http.get(f"{where}/page", params={"case": case.hex()})
        file = http.get(where, params={"case": case.hex()})
    assert file.headers["content-disposition"] == f'attachment; filename="{DIGEST.hex()[:16]}.hncert"'
    assert verify_certificate(file.content, FILE, live.node.chain_id).valid
    assert verify_certificate(page.content, FILE, live.node.chain_id).valid
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "核验不一致" in page.text
    assert (FILE + b"!") not in page.content


def test_what_has_no_certificate_is_refused(live: LiveNode) -> None:
    owner = live.signers[0].account
    with httpx.Client(base_url=f"{live.url}/v1/evidence", timeout=20) as http:
        for suffix in ("", "/page"):
            absent = http.get(f"/{'00' * 32}/{owner.hex()}/certificate{suffix}")
            assert absent.status_code == 404
            refused(absent, "NOT_FOUND")
            for path in (f"/{'0g' * 32}/{owner.hex()}", f"/{'00' * 31}/{owner.hex()}", f"/{'00' * 32}/{'00' * 19}"):
                refused(http.get(f"{path}/certificate{suffix}"), "PARAMETER_INVALID")
            for parameters in ({"case": "00"}, {"cases": "00" * 32}):
                answer = http.get(f"/{'00' * 32}/{owner.hex()}/certificate{suffix}", params=parameters)
                refused(answer, "PARAMETER_INVALID")
    with Client(live.url) as client, pytest.raises(NotFound):
        client.evidence.certificate(bytes(32), owner)


def test_every_rule_and_event_of_the_core_has_words() -> None:
    sources = (ROOT / "native" / "execution" / "src").rglob("*.rs")
    text = "\n".join(path.read_text("utf-8") for path in sources)
    # What is emitted is an event's name; every other such literal names a rule.
    literals = set(re.findall(r'"((?:evidence|governance|identity)\.[a-z_]+)"', text))
    events = set(re.findall(r'emit\(\s*"([a-z_.]+)"', text)) | {"evidence.match", "evidence.mismatch"}
    assert events == {event.name for declared in NATIVE_EVENTS.values() for event in declared}
    named = literals - events
    assert len(named) > 40
    assert named == set(NATIVE_RULES)
    assert all(zh and en for zh, en in NATIVE_RULES.values())
