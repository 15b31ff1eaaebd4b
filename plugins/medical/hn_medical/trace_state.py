"""What the drug trace keeps: records and their keys.

t ‖ code20 or "@" ‖ root32      Pack; an activation is a lot too     z ‖ …                      holds (std.holds)
l ‖ account20                   Holder                               p                          TraceParameters
g ‖ product14                   Product                              s ‖ shipment               Shipment
j ‖ drug code7                  product14                            o ‖ receiver20 ‖ shipment  waits for the receiver
b ‖ product14 ‖ batch           Batch                                d ‖ code ‖ height8 ‖ tx12  Alarm
a ‖ product14 ‖ batch ‖ / ‖ root32   root of the batch
k ‖ late_ms8 ‖ shipment         an open shipment is late from then on: the due index
"""

from __future__ import annotations

import msgspec

from hn_medical.rules import HOLD_RULES, TRACE_RULES
from hnnode.plugin_api import Context, Records
from hnnode.plugin_api.std.holds import Holds
from hnnode.plugin_api.std.trace import Lot, Trace

COMMISSIONED, SHIPPED, RECEIVED, DISPENSED, RETURNED, DESTROYED = 1, 2, 3, 4, 5, 6
STATE_NAMES = ("", "commissioned", "shipped", "received", "dispensed", "returned", "destroyed")
GENERATIONS_MAX = 8

PACK_MOVES = {
    "commissioned": ("shipped", "destroyed"),
    "shipped": ("received", "returned", "commissioned", "destroyed"),
    "received": ("shipped", "dispensed", "destroyed"),
    "returned": ("shipped", "destroyed"),
    "dispensed": (),
    "destroyed": (),
}
"""Which state of a pack may follow which, for the reader: each handler checks its own step."""

OPEN, DONE, TAKEN_BACK = 1, 2, 3
SHIPMENT_NAMES = ("", "open", "received", "taken_back")
SHIPMENT_MOVES = {"open": ("received", "taken_back"), "received": (), "taken_back": ()}

SCANNED_TWICE, SETTLED_TWICE = 1, 2
ALARM_NAMES = ("", "duplicate_scan", "duplicate_settlement")


class PackLot(Lot, array_like=True):
    """A pack, or an activation. `batch` is its key without prefix; of a pack that is inside another, `state` is that of
    the outermost. `rx`: hash of the prescription; `settlement`: hash of the first claim.
    """

    batch: bytes = b""
    root: bytes = b""
    state: int = COMMISSIONED
    changed_ms: int = 0
    rx: bytes = b""
    settlement: bytes = b""
    alarms: int = 0


class Holder(msgspec.Struct, array_like=True):
    uscc: str


class Product(msgspec.Struct, array_like=True):
    approval: str
    holder: bytes
    drug_codes: list[str]


class Batch(msgspec.Struct, array_like=True):
    """`drug_codes` as of the first activation. `recall`: level, 0 while not recalled."""

    made_ms: int
    expires_ms: int
    drug_codes: list[str]
    units: int = 0
    codes: int = 0
    activations: int = 0
    recall: int = 0
    recalled_ms: int = 0
    recalled_by: bytes = b""
    document: bytes = b""


class Shipment(msgspec.Struct, array_like=True):
    """`states`: of the packs before they were sent. `overdue`: nobody had received it in time."""

    sender: bytes
    receiver: bytes
    packs: list[bytes]
    states: list[int]
    made_ms: int
    ends_ms: int
    status: int = OPEN
    returning: bool = False
    reason: str = ""
    ended_ms: int = 0
    overdue: bool = False


class Alarm(msgspec.Struct, array_like=True):
    """A scan that should not have happened. `document`: hash of the prescription or claim it named."""

    kind: int
    by: bytes
    document: bytes
    at_ms: int


class TraceParameters(msgspec.Struct, array_like=True):
    offer_minutes: int = 4_320


PACKS: Trace[PackLot] = Trace(b"t", PackLot, TRACE_RULES, generations_max=GENERATIONS_MAX)
HOLDS: Holds[PackLot] = Holds(b"z", PACKS, HOLD_RULES)
HOLDERS = Records(b"l", Holder)
PRODUCTS = Records(b"g", Product)
BATCHES = Records(b"b", Batch)
SHIPMENTS = Records(b"s", Shipment)
ALARMS = Records(b"d", Alarm)
TRACE_PARAMETERS = Records(b"p", TraceParameters)


def activation_id(root: bytes) -> bytes:
    """Lot id of an activation."""
    return b"@" + root


def batch_id(product: str, batch: str) -> bytes:
    return (product + batch).encode()


def drug_code_key(code: str) -> bytes:
    return b"j" + code.encode()


def activation_key(batch: bytes, root: bytes) -> bytes:
    return b"a%b/%b" % (batch, root)


def waiting_key(receiver: bytes, shipment: bytes) -> bytes:
    return b"o" + receiver + shipment


DUE = b"k"


def late_key(shipment: Shipment, key: bytes) -> bytes:
    """One millisecond behind its end an open shipment is late."""
    return DUE + (shipment.ends_ms + 1).to_bytes(8, "big") + key


def load_batch(tx: Context, key: bytes) -> Batch:
    """The batch of a lot, or refusal."""
    found = BATCHES.get(tx, key)
    if found is None:
        tx.fail("medical.batch_unknown")
    return found


def require_saleable(tx: Context, batch: Batch) -> None:
    """Refuse what is recalled or expired at the time of the block."""
    if batch.recall:
        tx.fail("medical.recalled")
    if tx.block_time_ms >= batch.expires_ms:
        tx.fail("medical.expired")
