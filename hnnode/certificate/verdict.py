"""Offline check of a certificate of evidence: both bundles, the subject, the owner's signature, the file, the page.

Nothing asks a node. Every step adds a reason to the verdict; the first that fails ends the check (5101-5106, 5020-5025).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hnnode_native import verify

from hnnode.certificate import rows
from hnnode.certificate.container import MAGIC, Certificate
from hnnode.certificate.facts import CertificateFacts, Unproven, facts_of, to_json
from hnnode.certificate.page import PAGE_VERSION, bundle_in, render, version_of
from hnnode.errors import CODES, ERRORS, Rejected
from hnnode.primitives.file_hash import Content, hash_content
from hnnode.primitives.verdict import Reason, Verdict, judge

PAGE_BYTES_MAX = 2 * 1024 * 1024
PRESERVING = ("preserve", "collect")


@dataclass(frozen=True, slots=True)
class CertificateVerdict:
    """`facts` only when everything holds."""

    verdict: Verdict
    facts: CertificateFacts | None

    @property
    def valid(self) -> bool:
        return self.verdict.valid

    @property
    def code(self) -> int:
        return self.verdict.code

    def require(self) -> CertificateFacts:
        """The facts. Raises Rejected with the verdict's code when the certificate does not hold."""
        self.verdict.require()
        if self.facts is None:
            raise Rejected("PROOF_SUBJECT", "certificate: nothing is proven")
        return self.facts

    def to_json(self) -> dict[str, Any]:
        """The shape of `Verdict.to_json` with `certificate`, which is null unless everything holds."""
        facts = None if self.facts is None else to_json(self.facts)
        return {**self.verdict.to_json(), "certificate": facts}


class _Failed(Exception):
    """A step that did not hold: name of the code, Chinese and English text."""


def judge_certificate(data: bytes, file: Content | None = None, chain_id: bytes | None = None) -> CertificateVerdict:
    """Verdict on a certificate, given as its file or as its page, and whether it is about `file`.

    Args:
        chain_id: the chain one trusts; without it the verdict names the certificate's chain for the reader to compare.
    Never raises for a bad certificate: the verdict carries the code. OSError when the file cannot be read.
    """
    verdict = Verdict()
    try:
        page = None if data.startswith(MAGIC) else data
        if page is not None:
            if len(page) > PAGE_BYTES_MAX:
                raise Rejected("PROOF_MALFORMED", f"page: longer than {PAGE_BYTES_MAX} bytes")
            data = bundle_in(page)
        certificate = Certificate.decode(data)
    except Rejected as e:
        _fail(verdict, "PROOF_MALFORMED", ERRORS[CODES["PROOF_MALFORMED"]].zh, str(e))
        return CertificateVerdict(verdict, None)
    verdict = judge(certificate.facts, chain_id=chain_id)
    if not verdict.valid:
        return CertificateVerdict(verdict, None)
    try:
        facts = facts_of(verdict, certificate.digest, certificate.owner, certificate.case)
        _judge_origin(verdict, certificate, facts)
        if page is not None:
            _judge_page(verdict, page, data, facts)
        if file is not None:
            _judge_file(verdict, file, facts)
    except Unproven as e:
        _fail(verdict, "PROOF_SUBJECT", e.zh, e.en)
    except _Failed as e:
        _fail(verdict, *e.args)
    return CertificateVerdict(verdict, facts if verdict.valid else None)


def _judge_origin(verdict: Verdict, certificate: Certificate, facts: CertificateFacts) -> None:
    """The transaction that preserved the hash, signed by the owner and ordered by the validators."""
    origin = judge(certificate.origin, chain_id=facts.chain_id)
    if not origin.valid:
        last = origin.reasons[-1]
        raise _Failed(
            last.name, f"存证交易的证明不成立：{last.message_zh}", f"proof of the transaction: {last.message_en}"
        )
    if len(origin.txs) != 1 or len(origin.receipts) != 1:
        raise _Failed("PROOF_SUBJECT", "证明中不是恰好一笔存证交易", "the origin is not exactly one transaction")
    (tx,), (receipt,) = origin.txs, origin.receipts
    record = facts.record
    same = (tx.tx_id, tx.height, tx.sender) == (record.tx_id, record.height, facts.owner)
    if not same or (tx.application, receipt.code) != (rows.APPLICATION, 0) or tx.action not in PRESERVING:
        raise _Failed(
            "PROOF_SUBJECT", "交易不是该记录的存证交易", "the transaction is not the one that made the record"
        )
    payload = json.loads(tx.payload)
    if (payload["hash"], payload["algorithm"]) != (facts.digest.hex(), record.algorithm):
        raise _Failed("PROOF_SUBJECT", "交易存证的是另一哈希", "the transaction preserved another hash")
    if not verify(facts.people[facts.owner].public_key, tx.tx_id, tx.signature):
        raise _Failed("SIGNATURE_INVALID", "存证交易不是由存证账户签名", "the owner did not sign the transaction")
    verdict.txs, verdict.receipts = origin.txs, origin.receipts
    _pass(
        verdict,
        "ORIGIN",
        f"交易 {tx.tx_id.hex()} 由存证账户签名，位于高度 {tx.height}，执行成功",
        f"transaction {tx.tx_id.hex()} is signed by the owner, stands at height {tx.height} and succeeded",
    )


def _judge_page(verdict: Verdict, page: bytes, data: bytes, facts: CertificateFacts) -> None:
    made_by = version_of(page)
    if made_by > PAGE_VERSION:
        raise _Failed(
            "PROOF_SUBJECT",
            f"页面为第 {made_by} 版，本程序只认得至第 {PAGE_VERSION} 版，无法比对；请升级程序，或核验其证明文件",
            f"the page is of version {made_by}, this program knows up to {PAGE_VERSION}: upgrade, or verify the file",
        )
    if page != render(facts, data):
        raise _Failed(
            "PROOF_SUBJECT",
            "页面内容与其证明不符，可能被改动",
            "the page says something else than its proof: it was edited",
        )
    _pass(verdict, "PAGE", "页面内容与证明逐字一致", "the page says exactly what its proof says")


def _judge_file(verdict: Verdict, file: Content, facts: CertificateFacts) -> None:
    algorithm = facts.record.algorithm
    got = hash_content(file, [algorithm])[0][algorithm]
    if got != facts.digest:
        zh = f"文件与存证不符：文件 {algorithm} {got.hex()}，存证 {facts.digest.hex()}"
        raise _Failed("PROOF_SUBJECT", zh, f"the file differs: got {algorithm} {got.hex()}, want {facts.digest.hex()}")
    _pass(verdict, "FILE", f"文件的 {algorithm} 摘要与存证一致", f"the file's {algorithm} hash is the preserved one")


def _pass(verdict: Verdict, name: str, zh: str, en: str) -> None:
    verdict.reasons.append(Reason(0, name, zh, en))


def _fail(verdict: Verdict, name: str, zh: str, en: str) -> None:
    verdict.code = CODES[name]
    verdict.reasons.append(Reason(verdict.code, name, zh, en))
