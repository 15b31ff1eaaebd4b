"""Skip records: validators sign that a transaction whose handler never answers is passed over (formats §18).

A record names one transaction of one decided block, an item of due work, the page of a migration, or, with `EVERY_TX`, all that
the block has of one application. The same JSON is the
file that an operator signs, the one with a quorum of signatures, and what travels with the block to nodes that catch up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from hnnode_native import SecretKey, ValidatorSet, tagged_hash, verify
from msgspec import Meta

from hnnode.errors import Rejected

DOMAIN = b"hn/skip/v1"
EVERY_TX = bytes(32)
"""In the place of a transaction's id: every transaction, every due item and the page of the application in that block."""
RECORD_BYTES_MAX = 256 * 1024
"""Of one record; 1,000 signatures."""
BLOCK_RECORDS_MAX = 16
BLOCK_BYTES_MAX = 128 * 1024
"""Of all records of one block: they travel with it in one frame."""
_SIGNATURES_MAX = 1_000
_END = r"(?![\s\S])"
"""`$` would let a line feed pass."""

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}" + _END, max_length=64)]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}" + _END, max_length=32)]


def page_id(height: int, application: str) -> bytes:
    """In the place of a transaction's id: the page that this block takes of a migration of the application's data."""
    name = application.encode("ascii")
    return tagged_hash("hn/page/v1", height.to_bytes(8, "big") + bytes((len(name),)) + name)


class SkipSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`validator`: account; `signature`: SM2 over `Skip.message`."""

    validator: Annotated[str, Meta(pattern="^[0-9a-f]{40}" + _END, max_length=40)]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}" + _END, max_length=128)]


class Subject(NamedTuple):
    """What a record is about."""

    height: int
    block_hash: bytes
    application: str
    tx_id: bytes


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record with the signatures that were gathered so far, ascending by validator."""

    version: Literal[1]
    chain_id: Hash
    height: Annotated[int, Meta(ge=1, le=2**62)]
    block_hash: Hash
    tx_id: Hash
    application: Name
    signatures: Annotated[tuple[SkipSignature, ...], Meta(max_length=_SIGNATURES_MAX)] = ()

    @property
    def subject(self) -> Subject:
        return Subject(self.height, bytes.fromhex(self.block_hash), self.application, bytes.fromhex(self.tx_id))

    def message(self) -> bytes:
        """What is signed: domain ‖ chain id ‖ u64 height ‖ block hash ‖ transaction id ‖ u8 length ‖ application."""
        name = self.application.encode("ascii")
        head = DOMAIN + bytes.fromhex(self.chain_id) + self.height.to_bytes(8, "big")
        return head + bytes.fromhex(self.block_hash) + bytes.fromhex(self.tx_id) + bytes((len(name),)) + name

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def signed(self, key: SecretKey) -> Skip:
        """With the signature of this key alone."""
        signature = SkipSignature(key.account().hex(), key.sign(self.message()).hex())
        return msgspec.structs.replace(self, signatures=(signature,))

    def power(self, validators: ValidatorSet, chain_id: bytes) -> int:
        """Power of the validators that signed.

        Raises: Rejected: WRONG_CHAIN; CERTIFICATE_SIGNER (no validator, or one twice); CERTIFICATE_SIGNATURE: one bad signature
        refuses all.
        """
        if self.chain_id != chain_id.hex():
            raise Rejected("WRONG_CHAIN", f"skip record: got chain {self.chain_id}, want {chain_id.hex()}")
        message, power, seen = self.message(), 0, set()
        for each in self.signatures:
            index = validators.index_of(bytes.fromhex(each.validator))
            if index is None or index in seen:
                raise Rejected(
                    "CERTIFICATE_SIGNER", f"skip record: {each.validator} is no validator, or stands there twice"
                )
            seen.add(index)
            _, public_key, weight = validators.validators[index]
            if not verify(public_key, message, bytes.fromhex(each.signature)):
                raise Rejected("CERTIFICATE_SIGNATURE", f"skip record: signature of {each.validator}")
            power += weight
        return power

    def check(self, validators: ValidatorSet, chain_id: bytes) -> None:
        """Whether it is signed by a quorum. Raises: Rejected, as `power`, and CERTIFICATE_QUORUM."""
        power = self.power(validators, chain_id)
        if power < validators.quorum:
            raise Rejected("CERTIFICATE_QUORUM", f"skip record: got power {power}, want at least {validators.quorum}")


def unsigned(chain_id: bytes, subject: Subject) -> Skip:
    """A record that nobody signed yet."""
    height, block_hash, application, tx_id = subject
    return Skip(1, chain_id.hex(), height, block_hash.hex(), tx_id.hex(), application)


def decode_skip(data: bytes) -> Skip:
    """Raises: Rejected REQUEST_MALFORMED: no record, or longer than `RECORD_BYTES_MAX`."""
    if len(data) > RECORD_BYTES_MAX:
        raise Rejected("REQUEST_MALFORMED", f"skip record: got {len(data)} bytes, want at most {RECORD_BYTES_MAX}")
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise Rejected("REQUEST_MALFORMED", f"skip record: {e}") from e


def merge(skips: Sequence[Skip]) -> Skip:
    """One record with the signatures of all, each validator once. Raises: Rejected PARAMETER_INVALID: none, or not about the same."""
    if not skips or len({(each.chain_id, each.subject) for each in skips}) != 1:
        raise Rejected("PARAMETER_INVALID", "skip records: they are not about one transaction of one block and chain")
    every = {each.validator: each for skip in skips for each in skip.signatures}
    return msgspec.structs.replace(skips[0], signatures=tuple(every[name] for name in sorted(every))[:_SIGNATURES_MAX])


def encode_skips(skips: Sequence[Skip]) -> bytes:
    """The records of a block as they travel with it; nothing when there is none."""
    return msgspec.json.encode(list(skips)) if skips else b""


def decode_skips(data: bytes) -> list[Skip]:
    """Raises: Rejected REQUEST_MALFORMED: no records of one block, or too many."""
    if not data:
        return []
    if len(data) > BLOCK_BYTES_MAX:
        raise Rejected("REQUEST_MALFORMED", f"skip records: got {len(data)} bytes, want at most {BLOCK_BYTES_MAX}")
    try:
        found = _LIST_DECODER.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise Rejected("REQUEST_MALFORMED", f"skip records: {e}") from e
    if len(found) > BLOCK_RECORDS_MAX:
        raise Rejected("REQUEST_MALFORMED", f"skip records: got {len(found)}, want at most {BLOCK_RECORDS_MAX}")
    return found


Skipped = Mapping[str, frozenset[bytes]]
"""Application → ids of what is passed over in a block; `EVERY_TX` stands for all of it."""


def skipped(skips: Sequence[Skip]) -> Skipped:
    found: dict[str, set[bytes]] = {}
    for each in skips:
        found.setdefault(each.application, set()).add(each.subject.tx_id)
    return {name: frozenset(ids) for name, ids in found.items()}


_DECODER = msgspec.json.Decoder(Skip)
_LIST_DECODER = msgspec.json.Decoder(list[Skip])
