"""Proof bundle of `docs/reference/formats.md` §13: encode, and parse with everything verified, signatures through gmssl."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.vectors.formats_twin import HEADER_BYTES, Certificate, Genesis, Header, Receipt, Tx, ValidatorSet
from tests.vectors.trees_twin import Inclusion, Reader, StateProof, require, sized, state_key_hash, text, u

MAGIC = b"HNPROOF1"
TX, RECEIPT, STATE = 1, 2, 3


@dataclass
class Report:
    """What a bundle proves."""

    chain_id: bytes
    heights: list[int]
    block_hashes: list[bytes]
    signer_count: int
    validator_count: int
    signer_power: int
    total_power: int
    txs: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(height, index, signed transaction)"""
    receipts: list[tuple[int, int, bytes]] = field(default_factory=list)
    """(height of the transaction, index, receipt)"""
    states: list[tuple[int, str, bytes, bytes | None]] = field(default_factory=list)
    """(height after which it holds, application, key, value or None)"""


def tx_item(header_index: int, tx: bytes, proof: bytes) -> bytes:
    return u(1, TX) + u(1, header_index) + sized(4, tx) + sized(4, proof)


def receipt_item(header_index: int, receipt: bytes, proof: bytes) -> bytes:
    return u(1, RECEIPT) + u(1, header_index) + sized(4, receipt) + sized(4, proof)


def state_item(header_index: int, application: str, key: bytes, value: bytes | None, proof: bytes) -> bytes:
    entry = text(1, application) + sized(4, key) + u(1, value is not None) + sized(4, value or b"")
    return u(1, STATE) + u(1, header_index) + entry + sized(4, proof)


def encode_bundle(
    genesis: bytes,
    validators: bytes,
    handoffs: Sequence[tuple[bytes, bytes, bytes]],
    headers: Sequence[bytes],
    certificate: bytes,
    items: Sequence[bytes],
) -> bytes:
    """handoffs: (header, certificate, next validator set)."""
    parts = [MAGIC, sized(4, genesis), sized(4, validators), u(2, len(handoffs))]
    parts += [header + sized(4, signed) + sized(4, following) for header, signed, following in handoffs]
    parts += [u(1, len(headers)), *headers, sized(4, certificate), u(1, len(items)), *items]
    return b"".join(parts)


def verify_bundle(data: bytes, trusted_chain_id: bytes | None = None) -> Report:
    """FormatError unless every claim holds."""
    r = Reader(data)
    require(r.take(8) == MAGIC, "magic")
    genesis = Genesis.decode(r.sized(4))
    chain_id = genesis.chain_id()
    require(trusted_chain_id in (None, chain_id), "another chain")
    validators = ValidatorSet.decode(r.sized(4))
    require(validators.hash() == genesis.validators_hash, "not the genesis set")
    handoffs = []
    for _ in range(r.u(2)):
        handoff = Header.decode(r.take(HEADER_BYTES))
        _decided(handoff, Certificate.decode(r.sized(4)), validators, chain_id)
        validators = ValidatorSet.decode(r.sized(4))
        require(validators.hash() == handoff.next_validators_hash, "not the set that was handed to")
        handoffs.append(handoff)
    headers = [Header.decode(r.take(HEADER_BYTES)) for _ in range(r.u(1))]
    _consecutive(headers, genesis)
    _before(handoffs, headers)
    certificate = Certificate.decode(r.sized(4))
    _decided(headers[-1], certificate, validators, chain_id)
    signers = [validators.validators[index][1] for index, _ in certificate.signatures]
    report = Report(
        chain_id,
        [header.height for header in headers],
        [header.hash() for header in headers],
        len(signers),
        len(validators.validators),
        sum(signers),
        validators.total_power(),
    )
    item_count = r.u(1)
    require(1 <= item_count <= 64, "item count")
    places: dict[bytes, dict[int, set[tuple[int, int]]]] = {}
    for _ in range(item_count):
        _item(r, headers, report, places)
    r.end()
    for place in places.values():
        for header_index, index in place.get(TX, ()):
            require(place.get(RECEIPT, set()) <= {(header_index + 1, index)}, "receipt of another place")
    return report


def _consecutive(headers: Sequence[Header], genesis: Genesis) -> None:
    require(1 <= len(headers) <= 8, "header count")
    for header in headers:
        require(header.chain_id == genesis.chain_id(), "header of another chain")
        require(header.height >= 1, "height 0")
        if header.height == 1:
            require(header.parent_hash == header.chain_id, "block 1 does not follow the genesis")
            require(header.validators_hash == genesis.validators_hash, "block 1 of another set")
    for parent, child in itertools.pairwise(headers):
        follows = child.height == parent.height + 1 and child.parent_hash == parent.hash()
        require(follows, "not consecutive")
        require(child.time_ms > parent.time_ms, "time does not rise")
        require(child.validators_hash == parent.next_validators_hash, "a set that its parent does not name")


def _before(handoffs: Sequence[Header], headers: Sequence[Header]) -> None:
    heights = [handoff.height for handoff in handoffs]
    require(heights == sorted(set(heights)), "hand-offs do not rise")
    require(0 not in heights, "height 0")
    require(all(height < headers[-1].height for height in heights), "hand-off is not before the last header")
    for handoff in handoffs:
        same = all(header == handoff for header in headers if header.height == handoff.height)
        require(same, "hand-off contradicts a header")


def _decided(header: Header, certificate: Certificate, validators: ValidatorSet, chain_id: bytes) -> None:
    require(header.chain_id == chain_id, "header of another chain")
    require(header.validators_hash == validators.hash(), "header of another set")
    certificate.check(validators, chain_id, header.height, header.hash())


def _item(
    r: Reader, headers: Sequence[Header], report: Report, places: dict[bytes, dict[int, set[tuple[int, int]]]]
) -> None:
    kind, header_index = r.u(1), r.u(1)
    require(header_index < len(headers), "header index")
    header = headers[header_index]
    if kind == STATE:
        application, key, present, value = r.name(), r.sized(4), r.flag(), r.sized(4)
        require(present or not value, "an absent value")
        found = value if present else None
        proof = StateProof.decode(r.sized(4))
        require(proof.holds(header.state_root, state_key_hash(application, key), found), "state path")
        report.states.append((header.height - 1, application, key, found))
        return
    require(kind in (TX, RECEIPT), "kind")
    data, inclusion = r.sized(4), Inclusion.decode(r.sized(4))
    if kind == TX:
        tx = Tx.decode(data)
        require(tx.chain_id == header.chain_id, "transaction of another chain")
        tx_id = tx.tx_id()
        require(inclusion.root(tx_id) == header.tx_root, "transaction path")
        report.txs.append((header.height, inclusion.index, data))
    else:
        tx_id = Receipt.decode(data).tx_id
        require(inclusion.root(data) == header.receipts_root, "receipt path")
        report.receipts.append((header.height - 1, inclusion.index, data))
    places.setdefault(tx_id, {}).setdefault(kind, set()).add((header_index, inclusion.index))
