"""Certificates of evidence: built from a chain, checked with no node, refused after any change."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hnnode_native import verify_bundle

from hnnode.certificate import rows
from hnnode.certificate.container import CERTIFICATE_BYTES_MAX, Certificate
from hnnode.certificate.page import PAGE_VERSION, bundle_in, render, version_of
from hnnode.certificate.verdict import CertificateVerdict, judge_certificate
from hnnode.errors import CODES, Rejected
from tests.kit.evidence_story import DIGEST, FILE, REPORT, Story, told
from tests.kit.http import evidence_tx

MALFORMED, SUBJECT = CODES["PROOF_MALFORMED"], CODES["PROOF_SUBJECT"]


@pytest.fixture(scope="module")
def whole() -> tuple[Story, bytes, bytes]:
    story, case = told()
    return story, case, story.certificate(case)


def judged(story: Story, data: bytes, file: bytes | None = FILE) -> CertificateVerdict:
    return judge_certificate(data, file, story.node.chain_id)


def test_the_whole_story_is_in_the_certificate(whole: tuple[Story, bytes, bytes]) -> None:
    story, case, data = whole
    found = judged(story, data)
    facts = found.require()
    assert (facts.state, facts.counted, facts.record.name) == ("archived", 2, "现场录像<b>.mp4")
    assert facts.case is not None
    assert (facts.case.record.name, facts.case.case) == ("2026豫01民初1号", case)
    finding = facts.case.item.finding
    assert finding is not None
    assert (finding.computed, finding.report) == (DIGEST, REPORT)
    assert {each.record.role for each in facts.cosignatures} == {"", "notary"}
    assert facts.circumstances is not None
    assert facts.circumstances.collector == "取证终端 3.1"
    assert facts.correction is None
    names = [reason.name for reason in found.verdict.reasons]
    assert names[-2:] == ["ORIGIN", "FILE"]
    assert found.to_json()["certificate"]["state"] == "archived"
    assert len(data) < 64 * 1024


def test_the_state_follows_the_record() -> None:
    story = Story()
    story.collect()

    def state(case: bytes | None = None) -> str:
        return judged(story, story.certificate(case)).require().state

    assert state() == "preserved"
    story.cosign()
    assert state() == "cosigned"
    case = story.submit()
    assert (state(), state(case)) == ("cosigned", "submitted")
    story.verify(case, bytes(32))
    assert state(case) == "mismatch"
    story.archive(case)
    assert state(case) == "archived"
    later = story.send(story.owner, "preserve", {"hash": "aa" * 32, "algorithm": "sm3"})
    assert later
    story.send(story.owner, "link_correction", {"hash": DIGEST.hex(), "by": "aa" * 32})
    correction = judged(story, story.certificate()).require().correction
    assert correction is not None
    assert correction.by == bytes.fromhex("aa" * 32)


def test_unknown_subjects_have_no_certificate(whole: tuple[Story, bytes, bytes]) -> None:
    story, case, _ = whole
    proofs, owner = story.node.proofs, story.owner.account
    for digest, account, which in ((bytes(32), owner, None), (DIGEST, bytes(20), None), (DIGEST, owner, bytes(32))):
        with pytest.raises(Rejected) as caught:
            proofs.certificate(digest, account, which)
        assert caught.value.code == CODES["NOT_FOUND"]
    other = story.send(story.owner, "open_case", {"court": story.court.account.hex()})
    story.node.commit_block([])
    with pytest.raises(Rejected):
        proofs.certificate(DIGEST, owner, other)
    assert proofs.certificate(DIGEST, owner, case)


def test_another_file_or_chain_is_refused(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    assert judged(story, data, FILE + b"x").code == SUBJECT
    assert judge_certificate(data, FILE, bytes(32)).code == CODES["PROOF_CHAIN"]
    assert judge_certificate(data, FILE).valid


def test_no_changed_byte_goes_unnoticed(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    rng = random.Random(7)
    places = [*range(93), *rng.sample(range(93, len(data)), 150)]
    for place in places:
        edited = bytearray(data)
        edited[place] ^= 1 << rng.randrange(8)
        found = judged(story, bytes(edited))
        assert not found.valid, place
        assert found.facts is None
        assert not found.verdict.reasons[-1].passed
        assert found.verdict.reasons[-1].message_zh


def test_cut_and_lengthened_ones_are_malformed(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    for end in [*range(100), len(data) - 1]:
        assert judged(story, data[:end]).code == MALFORMED
    assert judged(story, data + b"\0").code == MALFORMED
    assert judged(story, data + bytes(CERTIFICATE_BYTES_MAX)).code == MALFORMED
    assert judged(story, b"<html></html>").code == MALFORMED


def without(story: Story, data: bytes, gone: Callable[[str, bytes], bool]) -> bytes:
    """The same certificate, honestly built, but silent about some keys."""
    certificate = Certificate.decode(data)
    states = verify_bundle(certificate.facts).states
    keys = [(application, key) for _, application, key, _ in states if not gone(application, key)]
    return replace(certificate, facts=story.node.proofs._certified(lambda _: keys)).encode()


@pytest.mark.parametrize(
    "kind", [rows.RECORD, rows.CIRCUMSTANCES, rows.POLICY, rows.CORRECTION, rows.CASE, rows.PROGRESS, rows.ITEM]
)
def test_what_is_left_out_is_missed(whole: tuple[Story, bytes, bytes], kind: bytes) -> None:
    story, _, data = whole
    silent = without(story, data, lambda application, key: application == "evidence" and key[:1] == kind)
    found = judged(story, silent)
    assert found.code == SUBJECT
    assert judged(story, without(story, data, lambda *_: False)).valid


def test_cosignatures_a_submission_rests_on_and_the_owner_are_needed(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    witness, owner = story.witness.account, story.owner.account
    assert judged(story, without(story, data, lambda _, key: key[:1] == b"c" and key.endswith(witness))).code == SUBJECT
    assert (
        judged(story, without(story, data, lambda application, key: (application, key) == ("identity", owner))).code
        == SUBJECT
    )


def test_a_certificate_about_another_subject_is_refused(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    certificate = Certificate.decode(data)
    other = evidence_tx(story.node.chain_id, story.owner, "ab" * 32, nonce=900)
    asyncio.run(story.node.submit([other.data]))
    story.node.commit_block()
    story.node.commit_block([])
    origin = story.node.proofs.tx(other.tx_id)
    for forged in (
        replace(certificate, digest=bytes.fromhex("ab" * 32)),
        replace(certificate, owner=story.witness.account),
        replace(certificate, case=bytes(32)),
        replace(certificate, origin=origin),
        replace(certificate, origin=certificate.facts),
        replace(certificate, facts=certificate.origin),
    ):
        assert judged(story, forged.encode()).code == SUBJECT
    unsigned = bytearray(certificate.origin)
    tx = verify_bundle(certificate.origin).txs[0][2]
    at = unsigned.index(tx[-64:])
    unsigned[at] ^= 1
    assert not judged(story, replace(certificate, origin=bytes(unsigned)).encode()).valid


def test_a_page_is_checked_against_the_certificate_inside(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    page = render(judged(story, data).require(), data)
    assert bundle_in(page) == data
    assert judged(story, page).valid
    assert judged(story, page).verdict.reasons[-2].name == "PAGE"
    text = page.decode()
    for shown in (
        "存证证明书",
        "Certificate of Evidence",
        DIGEST.hex(),
        "organisation 1",
        "notary",
        "已归档",
        "2026豫01民初1号",
    ):
        assert shown in text
    assert "<b>.mp4" not in text
    for edited in (
        page.replace("核验一致".encode(), "核验不一致".encode()),
        page.replace(b"organisation 1", b"organisation 9"),
        page.replace(b"</body>", b"<script>1</script></body>"),
        page + b" ",
    ):
        found = judged(story, edited)
        assert found.code == SUBJECT
        assert "edited" in found.verdict.reasons[-1].message_en
    assert judged(story, page.replace(b'id="bundle"', b'id="gone"')).code == MALFORMED
    assert judged(story, page + page).code == MALFORMED


def test_a_page_of_a_later_version_is_told_from_an_edited_one(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    page = render(judged(story, data).require(), data)
    assert version_of(page) == PAGE_VERSION
    found = judged(
        story, page.replace(b"hnnode certificate %d" % PAGE_VERSION, b"hnnode certificate %d" % (PAGE_VERSION + 1))
    )
    assert found.code == SUBJECT
    assert "upgrade" in found.verdict.reasons[-1].message_en


def test_what_speaks_against_a_record_stands_at_the_top() -> None:
    story = Story()
    story.collect()
    story.cosign()
    case = story.submit()
    story.verify(case, bytes(32))
    story.archive(case)
    story.send(story.owner, "preserve", {"hash": "ab" * 32, "algorithm": "sm3"})
    story.send(story.owner, "link_correction", {"hash": DIGEST.hex(), "by": "ab" * 32})
    data = story.certificate(case)
    top = render(judged(story, data).require(), data).decode().partition("文件名称")[0]
    assert all(said in top for said in ("已归档", "核验不一致", "verified: mismatch", "已更正", "corrected"))


def test_a_page_never_asks_anybody(whole: tuple[Story, bytes, bytes]) -> None:
    story, _, data = whole
    page = render(judged(story, data).require(), data)
    for outside in (b"http://", b"https://", b"<script", b"<link", b"<img", b"@import", b"url("):
        assert outside not in page


def test_the_smallest_record_has_a_page() -> None:
    story = Story()
    tx_id = story.send(story.owner, "preserve", {"hash": DIGEST.hex(), "algorithm": "sm3"})
    data = story.certificate()
    facts = judged(story, data).require()
    assert (facts.record.tx_id, facts.circumstances, facts.policy, facts.case) == (tx_id, None, None, None)
    assert "未记录" in render(facts, data).decode()
