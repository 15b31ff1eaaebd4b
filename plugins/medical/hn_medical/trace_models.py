"""Payloads of the drug trace. Times are Unix milliseconds, quantities pieces of the smallest pack; all integers.

No field is free text: reasons are enumerations, documents are SM3 hashes of `salt16 || file`, parties are accounts,
a prescription is a hash. Nothing of a patient is in a payload.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END

CODES_MAX = 100_000
"""Codes under one root."""
PACKS_MAX = 10
"""Packs of one transaction: with all their containers new they stay within the writes of one."""
CHAIN_MAX = 5
"""Packs one inside the other, from the smallest to the outermost, as a relation file has them."""
LINK_CHARS = 27
"""A pack in a chain: one digit layer, six digits pieces, twenty digits code."""
PATH_CHARS_MAX = 2 * (17 + 32 * 17)
"""A proof in a tree of CODES_MAX leaves."""

Code = Annotated[str, Meta(pattern="^[0-9]{20}" + END)]
ProductCode = Annotated[str, Meta(pattern="^[0-9]{14}" + END)]
DrugCode = Annotated[str, Meta(pattern="^[0-9]{7}" + END)]
BatchNo = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9-]{0,19}" + END)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
AccountId = Annotated[str, Meta(pattern="^[0-9a-f]{40}" + END)]
ShipmentId = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9-]{5,31}" + END)]
HoldId = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
Uscc = Annotated[str, Meta(pattern="^[0-9A-Z]{18}" + END)]
Millis = Annotated[int, Meta(ge=0, le=2**53)]
Minutes = Annotated[int, Meta(ge=1, le=43_200)]
Target = Annotated[str, Meta(pattern="^[0-9a-f]{20,64}" + END)]
"""A pack's code, or the root of an activation."""
ChainText = Annotated[str, Meta(pattern="^[0-9]*" + END, max_length=CHAIN_MAX * LINK_CHARS)]
PathText = Annotated[str, Meta(pattern="^[0-9a-f]*" + END, max_length=PATH_CHARS_MAX)]


class Payload(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every payload."""


class Proof(Payload):
    """That a pack is under an activation's root. `chain`: the leaf, the pack and the packs it came in, nearest first;
    `path`: inclusion proof of the leaf (formats §4) in hexadecimal.
    """

    root: Hash
    chain: ChainText
    path: PathText


class Pack(Payload):
    """A pack by its code; the proof is needed as long as the chain has not seen it."""

    code: Code
    proof: Proof | None = None


Packs = Annotated[list[Pack], Meta(min_length=1, max_length=PACKS_MAX)]


class RegisterHolder(Payload):
    """A marketing authorisation holder (MAH) and the account it acts with."""

    holder: AccountId
    uscc: Uscc


class RegisterProduct(Payload):
    """A drug: 本位码, approval number, holder, and the drug codes its trace codes begin with."""

    product: ProductCode
    approval: Annotated[str, Meta(pattern="^[A-Z][0-9]{8}" + END)]
    holder: AccountId
    drug_codes: Annotated[list[DrugCode], Meta(min_length=1, max_length=8)]


class Activate(Payload):
    """Root over the packs of a relation file: `codes` leaves, `units` pieces in all."""

    product: ProductCode
    batch: BatchNo
    root: Hash
    codes: Annotated[int, Meta(ge=1, le=CODES_MAX)]
    units: Annotated[int, Meta(ge=1, le=CODES_MAX)]
    made_ms: Millis
    expires_ms: Millis


class Aggregate(Payload):
    """Put packs of one batch into a container, a new one or one in the sender's hands."""

    container: Code
    layer: Annotated[int, Meta(ge=2, le=8)]
    packs: Packs


class Ship(Payload):
    """Offer packs to `to`; they stay the sender's until received. `minutes` shortens the time for receiving."""

    shipment: ShipmentId
    to: AccountId
    packs: Packs
    minutes: Minutes | None = None


class ReturnPacks(Payload):
    """Send packs back for good: they may go further back or be destroyed, and are sold no more."""

    shipment: ShipmentId
    to: AccountId
    packs: Packs
    reason: Literal["recalled", "expired", "damaged", "unsold", "other"]
    minutes: Minutes | None = None


class Receive(Payload):
    shipment: ShipmentId


class TakeBack(Payload):
    """Put a shipment that was not received in time back into the sender's hands."""

    shipment: ShipmentId


class Dispense(Payload):
    """Hand one smallest pack to a patient. `rx`: hash of the prescription or sales record."""

    code: Code
    rx: Hash
    proof: Proof | None = None


class Settle(Payload):
    """The insurer checks a dispensed pack for settlement. `settlement`: hash of the claim."""

    code: Code
    settlement: Hash


class Recall(Payload):
    """Recall a batch; `level` 1 is the most urgent. Never lifted."""

    product: ProductCode
    batch: BatchNo
    level: Annotated[int, Meta(ge=1, le=3)]
    document: Hash


class Destroy(Payload):
    packs: Packs
    document: Hash


class Freeze(Payload):
    """Hold a pack or a whole activation and everything taken from it."""

    target: Target
    reason: Literal["order", "counterfeit", "quality", "document", "other"]
    document: Hash


class Unfreeze(Payload):
    hold: HoldId
    document: Hash


class Propagate(Payload):
    """Continue a freeze that had more packs to reach than one transaction may."""

    hold: HoldId


class SetTraceParameters(Payload):
    """`offer_minutes`: longest time for receiving a shipment."""

    offer_minutes: Minutes
