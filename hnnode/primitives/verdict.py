"""Offline verdict on a proof bundle (formats §13), step by step and in words.

Nothing here asks a node: the bundle, the chain id one trusts and, for evidence, the file are enough. Every step adds a
`Reason`; the first that fails ends the check and gives the verdict its code (5101-5106, 5020-5025).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hnnode_native import BundleReport, NativeError, Receipt, Tx, verify_bundle

from hnnode.errors import CODES, ERRORS, Rejected, name_of
from hnnode.primitives.file_hash import ALGORITHMS, Content, hash_content

_RECORD_KEY_BYTES = 1 + 32 + 20
_RECORD_ALGORITHM_AT = 1 + 8 + 8 + 32


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of the check; `code` 0 when it passed."""

    code: int
    name: str
    message_zh: str
    message_en: str

    @property
    def passed(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class ProvenTx:
    """A transaction the validators ordered; whether it succeeded is for its receipt to say."""

    height: int
    tx_index: int
    tx_id: bytes
    sender: bytes
    application: str
    action: str
    payload: bytes
    signature: bytes
    """By the sender over `tx_id`; not checked here: inclusion shows that the validators accepted it."""


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    height: int
    tx_index: int
    tx_id: bytes
    code: int
    rule: str


@dataclass(frozen=True, slots=True)
class ProvenState:
    """`value` None: the key is proven absent after `height`."""

    height: int
    application: str
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Verdict:
    """What a bundle proves. Facts are filled only as far as they were proven."""

    code: int = 0
    reasons: list[Reason] = field(default_factory=list)
    chain_id: bytes = b""
    chain_name: str = ""
    heights: list[int] = field(default_factory=list)
    block_hashes: list[bytes] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    signer_count: int = 0
    signer_power: int = 0
    total_power: int = 0
    txs: list[ProvenTx] = field(default_factory=list)
    receipts: list[ProvenReceipt] = field(default_factory=list)
    states: list[ProvenState] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return self.code == 0

    def require(self) -> None:
        """Raises Rejected with the verdict's code when the bundle does not hold."""
        if self.code:
            raise Rejected(name_of(self.code), self.reasons[-1].message_en, zh=self.reasons[-1].message_zh)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, the shape of `POST /v1/verify`."""
        return {
            "valid": self.valid,
            "code": self.code,
            "name": name_of(self.code),
            "reasons": [
                {
                    "passed": r.passed,
                    "code": r.code,
                    "name": r.name,
                    "message_zh": r.message_zh,
                    "message_en": r.message_en,
                }
                for r in self.reasons
            ],
            "chain_id": self.chain_id.hex(),
            "chain_name": self.chain_name,
            "headers": [
                {"height": height, "block_hash": block_hash.hex(), "time_ms": time_ms}
                for height, block_hash, time_ms in zip(self.heights, self.block_hashes, self.times_ms, strict=True)
            ],
            "signer_count": self.signer_count,
            "signer_power": self.signer_power,
            "total_power": self.total_power,
            "txs": [
                {
                    "tx_id": tx.tx_id.hex(),
                    "height": tx.height,
                    "tx_index": tx.tx_index,
                    "sender": tx.sender.hex(),
                    "application": tx.application,
                    "action": tx.action,
                    "payload_hex": tx.payload.hex(),
                }
                for tx in self.txs
            ],
            "receipts": [
                {
                    "tx_id": receipt.tx_id.hex(),
                    "height": receipt.height,
                    "tx_index": receipt.tx_index,
                    "code": receipt.code,
                    "name": name_of(receipt.code) if receipt.code in ERRORS or receipt.code == 0 else "",
                    "rule": receipt.rule,
                }
                for receipt in self.receipts
            ],
            "states": [
                {
                    "height": state.height,
                    "application": state.application,
                    "key_hex": state.key.hex(),
                    "present": state.value is not None,
                    "value_hex": None if state.value is None else state.value.hex(),
                }
                for state in self.states
            ],
        }

    def _pass(self, name: str, zh: str, en: str) -> None:
        self.reasons.append(Reason(0, name, zh, en))

    def _fail(self, name: str, zh: str, en: str) -> None:
        self.code = CODES[name]
        self.reasons.append(Reason(self.code, name, zh, en))


def judge(
    bundle: bytes,
    *,
    chain_id: bytes | None = None,
    file: Content | None = None,
    file_hashes: Mapping[str, bytes] | None = None,
) -> Verdict:
    """Check a bundle and, when `file` (or its hashes by algorithm) is given, that it proves this file's preservation.

    Args:
        chain_id: the chain one trusts; without it the verdict names the bundle's chain for the reader to compare.
    Never raises for a bad bundle: the verdict carries the code. OSError when the file cannot be read.
    """
    verdict = Verdict()
    try:
        report = verify_bundle(bundle, chain_id)
    except NativeError as e:
        code = e.code if e.code in ERRORS else CODES["PROOF_MALFORMED"]
        info = ERRORS[code]
        verdict._fail(info.name, info.zh, f"{info.en}: {e}")
        return verdict
    _take_facts(verdict, report)
    _explain(verdict, pinned=chain_id is not None)
    if file is not None or file_hashes is not None:
        _judge_file(verdict, file, file_hashes or {})
    return verdict


def _take_facts(verdict: Verdict, report: BundleReport) -> None:
    verdict.chain_id = report.chain_id
    verdict.chain_name = report.chain_name
    verdict.heights = report.heights
    verdict.block_hashes = report.block_hashes
    verdict.times_ms = report.times_ms
    verdict.signer_count = report.signer_count
    verdict.signer_power = report.signer_power
    verdict.total_power = report.total_power
    for height, tx_index, data in report.txs:
        tx = Tx.decode(data)
        facts = (tx.tx_id, tx.sender, tx.application, tx.action, tx.payload, tx.signature)
        verdict.txs.append(ProvenTx(height, tx_index, *facts))
    for height, tx_index, data in report.receipts:
        receipt = Receipt.decode(data)
        verdict.receipts.append(ProvenReceipt(height, tx_index, receipt.tx_id, receipt.code, receipt.rule))
    verdict.states = [ProvenState(*state) for state in report.states]


def _explain(verdict: Verdict, *, pinned: bool) -> None:
    name, chain = verdict.chain_name, verdict.chain_id.hex()
    if pinned:
        verdict._pass("CHAIN", f"属于可信链 {name}（{chain}）", f"belongs to the trusted chain {name} ({chain})")
    else:
        verdict._pass(
            "CHAIN_NOT_PINNED",
            f"属于链 {name}（{chain}）；未指定可信链标识，请核对",
            f"belongs to chain {name} ({chain}); no trusted chain id was given, compare it",
        )
    count, power, total, height = verdict.signer_count, verdict.signer_power, verdict.total_power, verdict.heights[-1]
    verdict._pass(
        "CERTIFICATE",
        f"高度 {height} 的区块由 {count} 个验证者签署，权重 {power}/{total}，达到法定权重",
        f"block {height} is signed by {count} validators with power {power} of {total}, a quorum",
    )
    for tx in verdict.txs:
        where_zh, where_en = f"高度 {tx.height} 第 {tx.tx_index} 笔", f"height {tx.height}, index {tx.tx_index}"
        verdict._pass(
            "TX", f"交易 {tx.tx_id.hex()} 位于{where_zh}", f"transaction {tx.tx_id.hex()} stands at {where_en}"
        )
    for receipt in verdict.receipts:
        tx_id = receipt.tx_id.hex()
        if receipt.code == 0:
            verdict._pass("RECEIPT", f"交易 {tx_id} 执行成功", f"transaction {tx_id} succeeded")
            continue
        info = ERRORS.get(receipt.code)
        rule = f" [{receipt.rule}]" if receipt.rule else ""
        zh, en = (info.zh, info.en) if info is not None else ("未知错误", "unknown error")
        verdict._pass(
            "RECEIPT_FAILED",
            f"交易 {tx_id} 已上链但执行失败：{receipt.code} {zh}{rule}",
            f"transaction {tx_id} is on the chain but failed: {receipt.code} {en}{rule}",
        )
    for state in verdict.states:
        zh, en = ("存在", "is present") if state.value is not None else ("不存在", "is absent")
        verdict._pass(
            "STATE",
            f"高度 {state.height} 之后，{state.application} 的键 {state.key.hex()} {zh}",
            f"after height {state.height} key {state.key.hex()} of {state.application} {en}",
        )


def _judge_file(verdict: Verdict, file: Content | None, file_hashes: Mapping[str, bytes]) -> None:
    claims = _claims(verdict)
    if not claims:
        verdict._fail(
            "PROOF_SUBJECT",
            "证明中没有成功的存证记录，无法与文件核对",
            "the bundle holds no successful evidence preservation to compare the file with",
        )
        return
    hashes = dict(file_hashes)
    if file is not None:
        hashes = hash_content(file, sorted({algorithm for algorithm, _ in claims}))[0]
    for algorithm, value in claims:
        if hashes.get(algorithm) == value:
            verdict._pass(
                "FILE", f"文件的 {algorithm} 摘要与存证一致", f"the file's {algorithm} hash is the preserved one"
            )
            return
    got = ", ".join(f"{name} {value.hex()}" for name, value in sorted(hashes.items()))
    want = ", ".join(f"{name} {value.hex()}" for name, value in claims)
    verdict._fail(
        "PROOF_SUBJECT", f"文件与存证不符：文件 {got}，存证 {want}", f"the file differs: got {got}, want {want}"
    )


def _claims(verdict: Verdict) -> list[tuple[str, bytes]]:
    """(algorithm, hash) of each preservation that is proven to have taken effect."""
    succeeded = {receipt.tx_id for receipt in verdict.receipts if receipt.code == 0}
    claims: list[tuple[str, bytes]] = []
    for tx in verdict.txs:
        if tx.application == "evidence" and tx.action in ("preserve", "collect") and tx.tx_id in succeeded:
            # The chain accepted this payload under its schema; anything else here would be a defect of the chain.
            payload = json.loads(tx.payload)
            claims.append((payload["algorithm"], bytes.fromhex(payload["hash"])))
    for state in verdict.states:
        key, value = state.key, state.value
        if state.application != "evidence" or value is None or len(key) != _RECORD_KEY_BYTES or key[:1] != b"r":
            continue
        if len(value) > _RECORD_ALGORITHM_AT and 1 <= value[_RECORD_ALGORITHM_AT] <= len(ALGORITHMS):
            claims.append((ALGORITHMS[value[_RECORD_ALGORITHM_AT] - 1], key[1:33]))
    return claims
