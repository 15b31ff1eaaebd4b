"""Application `pyevidence`: records, batches and co-signatures as `evidence` has them, on the shared piece for plugins."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hnnode.execution.table import Application
from hnnode.plugin_api import END, Context, Registry
from hnnode.plugin_api.std.evidence import ALGORITHMS, Evidence, EvidenceRules

NAME = "pyevidence"
Hash = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=64, max_length=64)]
Account = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, min_length=40, max_length=40)]
Algorithm = Annotated[str, Meta(pattern="^(sm3|sha256)" + END)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]

RULES = EvidenceRules(
    malformed="pyevidence.malformed",
    previous="pyevidence.previous_unknown",
    unknown="pyevidence.record_unknown",
    own="pyevidence.own_record",
    twice="pyevidence.already_cosigned",
    missing="pyevidence.cosignatures_missing",
)
EVIDENCE = Evidence(b"e", RULES)


class Preserve(msgspec.Struct, forbid_unknown_fields=True):
    hash: Hash
    algorithm: Algorithm
    size: Size = 0
    previous: Hash | None = None


class PreserveBatch(msgspec.Struct, forbid_unknown_fields=True):
    root: Hash
    leaf_count: Size


class Cosign(msgspec.Struct, forbid_unknown_fields=True):
    hash: Hash
    algorithm: Algorithm
    owner: Account


class Close(msgspec.Struct, forbid_unknown_fields=True):
    """Refused unless `needed` of `signers` co-signed."""

    hash: Hash
    algorithm: Algorithm
    signers: Annotated[list[Account], Meta(max_length=8)]
    needed: Annotated[int, Meta(ge=1, le=8)]


def preserve(tx: Context, payload: Preserve) -> None:
    previous = b""
    algorithm = ALGORITHMS[payload.algorithm]
    if payload.previous is not None:
        previous = EVIDENCE.key(tx.sender, algorithm, bytes.fromhex(payload.previous))
    made = EVIDENCE.preserve(tx, tx.sender, algorithm, bytes.fromhex(payload.hash), payload.size, previous)
    if made.tx_id == tx.tx_id:
        tx.emit("pyevidence.preserved", payload.hash, {"owner": tx.sender.hex(), "size": payload.size})


def preserve_batch(tx: Context, payload: PreserveBatch) -> None:
    EVIDENCE.preserve_batch(tx, tx.sender, bytes.fromhex(payload.root), payload.leaf_count)


def cosign(tx: Context, payload: Cosign) -> None:
    owner, algorithm = bytes.fromhex(payload.owner), ALGORITHMS[payload.algorithm]
    EVIDENCE.cosign(tx, EVIDENCE.key(owner, algorithm, bytes.fromhex(payload.hash)))


def close(tx: Context, payload: Close) -> None:
    ident = EVIDENCE.key(tx.sender, ALGORITHMS[payload.algorithm], bytes.fromhex(payload.hash))
    EVIDENCE.require(tx, ident)
    signers = [bytes.fromhex(signer) for signer in payload.signers]
    EVIDENCE.require_cosigned(tx, ident, signers, payload.needed)
    tx.emit("pyevidence.closed", payload.hash, {"needed": payload.needed})


def application() -> Application:
    registry = Registry(NAME)
    registry.describe("存证（插件）", "Evidence as a plugin")
    registry.action("preserve", Preserve, preserve, title_zh="存证", title_en="Preserve")
    registry.action("preserve_batch", PreserveBatch, preserve_batch, title_zh="批量存证", title_en="Preserve a batch")
    registry.action("cosign", Cosign, cosign, title_zh="会签", title_en="Co-sign")
    registry.action("close", Close, close, title_zh="结", title_en="Close")
    for name in ("malformed", "previous", "unknown", "own", "twice", "missing"):
        registry.rule(getattr(RULES, name), name, name)
    return Application.freeze(registry, "1", bytes(32))
