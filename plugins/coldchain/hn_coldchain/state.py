"""What the application keeps: records and their keys.

b ‖ batch                        Batch            g ‖ gtin                  Product
k ‖ code                         batch id         p                         Parameters
h ‖ holder20 ‖ batch             in hand          x ‖ hold16                Hold
c ‖ city6 ‖ batch                in stock there   w ‖ hold16                hold with work left
o ‖ receiver20 ‖ batch           Offer            f ‖ batch ‖ / ‖ hold16    the hold has reached the batch
m ‖ batch ‖ / ‖ from_ms8 ‖ root32   Segment
a ‖ batch ‖ / ‖ hash32 of a reading   the reading has raised an alarm
t ‖ batch ‖ / ‖ number4  Custody          d ‖ late_ms8 ‖ batch   receiver of an offer, by when it is late: the due index
                                          u ‖ late_ms8 ‖ batch   the same, known to be late
"""

from __future__ import annotations

import msgspec

from hnnode.plugin_api import Context, Reader, Records

GENERATIONS_MAX = 32
"""Longest chain of splits and merges; bounds the stack of a hold's walk to GENERATIONS_MAX × OUTPUTS_MAX ids."""

DECLARED, ARRIVED, TESTED, DISINFECTED, CODED, RELEASED = 1, 2, 3, 4, 5, 6
IN_STOCK, IN_TRANSIT, SOLD, SPLIT, MERGED, DISPOSED, PROCESSED = 7, 8, 9, 10, 11, 12, 13
STATUS_NAMES = (
    "",
    "declared",
    "arrived",
    "tested",
    "disinfected",
    "coded",
    "released",
    "in_stock",
    "in_transit",
    "sold",
    "split",
    "merged",
    "disposed",
    "processed",
)
ENDED = SOLD
"""Statuses from here on are final: nothing is in hand any more."""
BATCH_MOVES = {
    "declared": ("arrived", "disposed"),
    "arrived": ("tested", "disinfected", "coded", "disposed"),
    "tested": ("disinfected", "coded", "disposed"),
    "disinfected": ("coded", "disposed"),
    "coded": ("released", "disposed"),
    "released": ("in_stock", "disposed"),
    "in_stock": ("in_transit", "sold", "split", "merged", "processed", "disposed"),
    "in_transit": ("in_stock", "disposed"),
    "sold": (),
    "split": (),
    "merged": (),
    "disposed": (),
    "processed": (),
}
"""Which status may follow which, for the reader: each handler checks its own step."""
BATCH_STARTS = ("declared", "in_stock")
"""Declared by an importer, or made from other batches."""

TEST_DUTY, DISINFECT_DUTY = 1, 2
BANDS = {"frozen": (-600, -180), "chilled": (0, 100), "ambient": (-200, 450)}
"""Lower and upper bound in 0.1 °C by storage class, where no product record says otherwise."""

FREEZE, RECALL = 1, 2
SPREADING, SPREAD, LIFTING, LIFTED = 1, 2, 3, 4
PHASE_NAMES = ("", "spreading", "spread", "lifting", "lifted")


class Origin(msgspec.Struct, array_like=True):
    """The first fields of a batch: where it comes from."""

    status: int
    holder: bytes
    importer: bytes
    station: bytes
    uscc: str
    gtin: str
    country: str
    duties: int
    band_min: int
    band_max: int
    declared_grams: int
    initial_grams: int = 0
    grams: int = 0
    sold_grams: int = 0
    moved_grams: int = 0
    lost_grams: int = 0
    disposed_grams: int = 0
    code: str = ""
    city: str = ""
    generation: int = 0
    parents: list[str] = []


class Batch(Origin, array_like=True):
    """Some grams of one product in one hand. Hashes and accounts are empty where there is none yet."""

    children: list[str] = []
    holds: int = 0
    recalls: int = 0
    receiver: bytes = b""
    carrier: bytes = b""
    declaration: bytes = b""
    report: bytes = b""
    disinfection: bytes = b""
    certificate: bytes = b""
    temperature_min: int = 0
    temperature_max: int = 0
    segments: int = 0
    excursions: int = 0
    changed_ms: int = 0
    custodies: int = 0
    alarms: int = 0


class Offer(msgspec.Struct, array_like=True):
    """A hand-over that waits for the receiver."""

    sender: bytes
    carrier: bytes
    grams: int
    made_ms: int
    expires_ms: int
    overdue: bool = False
    """It is known on the chain that it expired."""


class Product(msgspec.Struct, array_like=True):
    duties: int
    band_min: int
    band_max: int


class Parameters(msgspec.Struct, array_like=True):
    offer_minutes: int = 1_440
    excursion_minutes: int = 0
    """Readings outside the band for no longer than this are no excursion."""


class Hold(msgspec.Struct, array_like=True):
    """A freeze or recall. `stack`: batches still to be reached, walked depth first."""

    kind: int
    phase: int
    batch: str
    reason: str
    by: bytes
    document: bytes
    height: int
    reached: int = 0
    stack: list[str] = []
    lifted_by: bytes = b""
    lift_document: bytes = b""


class Segment(msgspec.Struct, array_like=True):
    """Committed temperature readings of one stretch of time."""

    sender: bytes
    count: int
    min: int
    max: int
    to_ms: int


class Custody(msgspec.Struct, array_like=True):
    """Whose hands a batch came into, where and when; the next one, or the batch's end, ends it."""

    holder: bytes
    city: str
    from_ms: int


BATCHES = Records(b"b", Batch)
ORIGINS = Records(b"b", Origin)
"""The same rows, to be read only: less of each is decoded."""
OFFERS = Records(b"o", Offer)
PRODUCTS = Records(b"g", Product)
PARAMETERS = Records(b"p", Parameters)
HOLDS = Records(b"x", Hold)
SEGMENTS = Records(b"m", Segment)
CUSTODIES = Records(b"t", Custody)


def batch_key(batch: str) -> bytes:
    return b"b" + batch.encode()


def code_key(code: str) -> bytes:
    return b"k" + code.encode()


def parent_keys(batch: str, rows: Reader) -> list[bytes]:
    """Keys of a batch's direct parents, as far as its row was fetched: what `require_movable` reads."""
    origin = ORIGINS.get(rows, batch.encode())
    return [] if origin is None else [b"b" + parent.encode() for parent in origin.parents]


def offer_keys(batch: str, rows: Reader) -> list[bytes]:
    """Key of a batch's open offer."""
    found = BATCHES.get(rows, batch.encode())
    return [] if found is None or not found.receiver else [b"o" + found.receiver + batch.encode()]


def holder_key(holder: bytes, batch: str) -> bytes:
    return b"h" + holder + batch.encode()


def city_key(city: str, batch: str) -> bytes:
    return b"c" + city.encode() + batch.encode()


def mark_key(batch: str, hold: bytes) -> bytes:
    return b"f" + batch.encode() + b"/" + hold


def custody_key(batch: str, number: int) -> bytes:
    return batch.encode() + b"/" + number.to_bytes(4, "big")


DUE, OVERDUE = b"d", b"u"


def waiting_key(offer: Offer, batch: str) -> bytes:
    """Where an open offer stands by time: one millisecond behind its end it is late."""
    return (OVERDUE if offer.overdue else DUE) + (offer.expires_ms + 1).to_bytes(8, "big") + batch.encode()


def load(tx: Context, batch: str) -> Batch:
    """The batch, or refusal by `batch_unknown`."""
    found = BATCHES.get(tx, batch.encode())
    if found is None:
        tx.fail("coldchain.batch_unknown")
    return found


def store(tx: Context, name: str, batch: Batch) -> None:
    batch.changed_ms = tx.block_time_ms
    BATCHES.put(tx, name.encode(), batch)


def require_movable(tx: Context, batch: Batch) -> None:
    """Refuse while the batch or one of its direct parents is held; what lies further up reaches it by the hold's own
    walk.
    """
    if batch.holds:
        tx.fail("coldchain.held")
    for parent in batch.parents:
        if load(tx, parent).holds:
            tx.fail("coldchain.parent_held")


def leave(tx: Context, name: str, batch: Batch) -> None:
    """Take a batch out of its holder's hands and its city's stock: it has ended."""
    tx.delete(holder_key(batch.holder, name))
    if batch.status == IN_STOCK:
        tx.delete(city_key(batch.city, name))
    elif batch.status == IN_TRANSIT:
        end_offer(tx, batch.receiver, name)
        batch.receiver = batch.carrier = b""


def take_custody(tx: Context, name: str, batch: Batch) -> None:
    """Note whose hands the batch is in from now on."""
    CUSTODIES.put(tx, custody_key(name, batch.custodies), Custody(batch.holder, batch.city, tx.block_time_ms))
    batch.custodies += 1


def end_offer(tx: Context, receiver: bytes, name: str) -> Offer | None:
    """Remove a hand-over that was confirmed, taken back or overtaken by the batch's end."""
    key = receiver + name.encode()
    offer = OFFERS.get(tx, key)
    if offer is not None:
        OFFERS.delete(tx, key)
        tx.delete(waiting_key(offer, name))
    return offer
