"""Payloads of the actions. Weights are grams, temperatures tenths of a degree Celsius, times Unix milliseconds, all
integers.

No field is free text: reasons are enumerations, documents are SM3 hashes of `salt16 || file`, parties are accounts.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END

GRAMS_MAX = 10**12
PROCESS_INPUTS_MAX, PROCESS_OUTPUTS_MAX = 6, 8
OUTPUTS_MAX = 12
"""Outputs of a split and inputs of a merge: with their index entries they stay within the writes of one transaction."""

BatchId = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9-]{5,31}" + END, max_length=32)]
"""Chosen by whoever creates the batch; never used again."""
Code = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9-]{5,31}" + END, max_length=32)]
"""What is printed on the package and scanned."""
Document = Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
AccountId = Annotated[str, Meta(pattern="^[0-9a-f]{40}" + END)]
HoldId = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
Gtin = Annotated[str, Meta(pattern="^[0-9]{8,14}" + END)]
City = Annotated[str, Meta(pattern="^[0-9]{6}" + END)]
"""Administrative division code, GB/T 2260."""
Grams = Annotated[int, Meta(ge=1, le=GRAMS_MAX)]
Loss = Annotated[int, Meta(ge=0, le=GRAMS_MAX)]
Decidegrees = Annotated[int, Meta(ge=-2_000, le=2_000)]
Millis = Annotated[int, Meta(ge=0, le=2**53)]
Band = Literal["frozen", "chilled", "ambient"]
Reason = Literal["order", "test_failed", "excursion", "document", "complaint", "other"]


class Payload(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every payload."""


class PreDeclare(Payload):
    """Announce a shipment before it arrives. `declaration` is the hash of customs and quarantine papers."""

    batch: BatchId
    station: AccountId
    uscc: Annotated[str, Meta(pattern="^[0-9A-Z]{18}" + END)]
    gtin: Gtin
    country: Annotated[str, Meta(pattern="^[A-Z]{2}" + END)]
    grams: Grams
    declaration: Document
    band: Band = "frozen"


class Arrive(Payload):
    """The first station has the goods and weighs them."""

    batch: BatchId
    grams: Grams
    city: City


class RecordTest(Payload):
    """Result of the sampling; a failed one freezes the batch."""

    batch: BatchId
    passed: bool
    report: Document


class Disinfect(Payload):
    batch: BatchId
    certificate: Document


class AssignCode(Payload):
    """Give the trace code that stays with the goods."""

    batch: BatchId
    code: Code


class Release(Payload):
    """Release certificate (出仓证明) for the consignee, who stocks the goods in with an own signature."""

    batch: BatchId
    consignee: AccountId
    certificate: Document


class StockIn(Payload):
    batch: BatchId
    city: City


class ShipOut(Payload):
    """Offer the goods to `to`; they stay the sender's until confirmed. `minutes` shortens the time for confirming."""

    batch: BatchId
    to: AccountId
    carrier: AccountId | None = None
    minutes: Annotated[int, Meta(ge=1, le=43_200)] | None = None


class ConfirmIn(Payload):
    batch: BatchId
    city: City


class TakeBack(Payload):
    """Put an expired, unconfirmed hand-over back into the sender's stock."""

    batch: BatchId
    city: City


class Output(Payload):
    batch: BatchId
    code: Code
    grams: Grams


class Split(Payload):
    batch: BatchId
    outputs: Annotated[list[Output], Meta(min_length=1, max_length=OUTPUTS_MAX)]
    loss_grams: Loss = 0


class Merge(Payload):
    inputs: Annotated[list[BatchId], Meta(min_length=2, max_length=OUTPUTS_MAX)]
    batch: BatchId
    code: Code
    loss_grams: Loss = 0


class Process(Payload):
    """Make another product of one or more batches. `band` is its storage class where no product record says otherwise."""

    inputs: Annotated[list[BatchId], Meta(min_length=1, max_length=PROCESS_INPUTS_MAX)]
    gtin: Gtin
    outputs: Annotated[list[Output], Meta(min_length=1, max_length=PROCESS_OUTPUTS_MAX)]
    loss_grams: Loss = 0
    band: Band = "frozen"


class ReportOverdue(Payload):
    """Name a hand-over that was not confirmed in time."""

    batch: BatchId


class Sell(Payload):
    batch: BatchId
    grams: Grams


class Dispose(Payload):
    """Destroy everything that is left of the batch."""

    batch: BatchId
    certificate: Document


class Freeze(Payload):
    batch: BatchId
    reason: Reason
    document: Document


class Recall(Payload):
    batch: BatchId
    reason: Reason
    document: Document


class Unfreeze(Payload):
    hold: HoldId
    document: Document


class Propagate(Payload):
    """Continue a hold, or its lifting, that reached its bound of batches in one transaction."""

    hold: HoldId


class CommitTemperatures(Payload):
    """Root of `count` sensor readings with their extremes; the readings stay off chain and can be proved one by one.

    `outside_minutes`: the longest time outside the band, where it is known; without it any is taken for an excursion.
    """

    batch: BatchId
    root: Document
    count: Annotated[int, Meta(ge=1, le=1_000_000)]
    min: Decidegrees
    max: Decidegrees
    from_ms: Millis
    to_ms: Millis
    outside_minutes: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None


class Alarm(Payload):
    """One reading outside the band, with its proof under a committed root; both in hexadecimal."""

    batch: BatchId
    root: Document
    from_ms: Millis
    reading: Annotated[str, Meta(pattern="^([0-9a-f]{2}){26,281}" + END, max_length=562)]
    proof: Annotated[str, Meta(pattern="^([0-9a-f]{2}){17,1024}" + END, max_length=2_048)]


class SetProduct(Payload):
    """Duties and temperature band of one product, for batches declared from now on."""

    gtin: Gtin
    test_required: bool
    disinfect_required: bool
    min: Decidegrees
    max: Decidegrees


class SetParameters(Payload):
    """`offer_minutes`: longest time for confirming a hand-over. `excursion_minutes`: time outside the band that is let
    pass."""

    offer_minutes: Annotated[int, Meta(ge=1, le=43_200)]
    excursion_minutes: Annotated[int, Meta(ge=0, le=43_200)] = 0
