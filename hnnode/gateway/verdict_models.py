"""Shape of a verdict on a proof bundle: what was checked, and what the bundle proves."""

from __future__ import annotations

from hnnode.gateway.models import Model


class Reason(Model):
    passed: bool
    code: int
    name: str
    message_zh: str
    message_en: str


class HeaderFacts(Model):
    height: int
    block_hash: str
    time_ms: int


class ProvenTx(Model):
    tx_id: str
    height: int
    tx_index: int
    sender: str
    application: str
    action: str
    payload_hex: str


class ProvenReceipt(Model):
    tx_id: str
    height: int
    tx_index: int
    code: int
    name: str
    rule: str


class ProvenState(Model):
    height: int
    application: str
    key_hex: str
    present: bool
    value_hex: str | None


class Verdict(Model):
    valid: bool
    code: int
    name: str
    reasons: list[Reason]
    chain_id: str
    chain_name: str
    headers: list[HeaderFacts]
    signer_count: int
    signer_power: int
    total_power: int
    txs: list[ProvenTx]
    receipts: list[ProvenReceipt]
    states: list[ProvenState]
