"""From layout 1 to layout 3 and back.

1 → 2: custodies of batches, and hand-overs by when they expire (`d ‖ expires_ms8 ‖ batch`).
2 → 3: hand-overs by when they are late, those known to be so apart: the due index, which handles what is late at once.

Layout 1 knew who holds a batch and not since when, so a migrated batch starts with one custody, from its last change.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import DecodeError

from hn_coldchain.state import (
    ARRIVED,
    BATCHES,
    CUSTODIES,
    OFFERS,
    Custody,
    Offer,
    custody_key,
    waiting_key,
)
from hnnode.plugin_api import Migration, MigrationRefused
from hnnode.plugin_api.migration import Delete, Put, Row

RECEIVER_BYTES = 20


def add_custodies(rows: Sequence[Row], put: Put, _: Delete) -> None:
    """A custody for each batch that has arrived and has none, an entry by expiry for each hand-over."""
    for key, value in rows:
        kind, rest = key[:1], key[1:]
        if kind == b"b":
            batch = BATCHES.decode(value)
            if batch.status >= ARRIVED and not batch.custodies:
                batch.custodies = 1
                custody = Custody(batch.holder, batch.city, batch.changed_ms)
                put(CUSTODIES.key(custody_key(rest.decode(), 0)), CUSTODIES.encode(custody))
                put(key, BATCHES.encode(batch))
        elif kind == b"o":
            receiver, name = rest[:RECEIVER_BYTES], rest[RECEIVER_BYTES:].decode()
            put(expiry_key(OFFERS.decode(value), name), receiver)


def drop_custodies(rows: Sequence[Row], put: Put, delete: Delete) -> None:
    """Back to layout 1. Its code does not know processed batches: they must not be there."""
    for key, value in rows:
        if key[:1] in (b"t", b"d", b"a"):
            delete(key)
        elif key[:1] == b"b":
            batch = BATCHES.decode(value)
            if batch.custodies or batch.alarms:
                batch.custodies = batch.alarms = 0
                put(key, BATCHES.encode(batch))


def expiry_key(offer: Offer, name: str) -> bytes:
    """Where layout 2 has a hand-over by time."""
    return b"d" + offer.expires_ms.to_bytes(8, "big") + name.encode()


def add_lateness(rows: Sequence[Row], put: Put, delete: Delete) -> None:
    """Each hand-over by when it is late."""
    for key, value in rows:
        if key[:1] == b"o":
            receiver, name = key[1 : 1 + RECEIVER_BYTES], key[1 + RECEIVER_BYTES :].decode()
            offer = OFFERS.decode(value)
            delete(expiry_key(offer, name))
            put(waiting_key(offer, name), receiver)


def drop_lateness(rows: Sequence[Row], put: Put, delete: Delete) -> None:
    """Each hand-over by when it expires."""
    for key, value in rows:
        if key[:1] == b"o":
            receiver, name = key[1 : 1 + RECEIVER_BYTES], key[1 + RECEIVER_BYTES :].decode()
            offer = OFFERS.decode(value)
            delete(waiting_key(offer, name))
            put(expiry_key(offer, name), receiver)


def check_readable(rows: Sequence[Row]) -> None:
    """Every batch and hand-over can be read."""
    for key, value in rows:
        try:
            if key[:1] == b"b":
                BATCHES.decode(value)
            elif key[:1] == b"o":
                OFFERS.decode(value)
        except DecodeError as e:
            raise MigrationRefused(f"row {key.hex()[:80]} cannot be read") from e


def check_none_processed(rows: Sequence[Row]) -> None:
    """No batch has a status that layout 1 does not know."""
    check_readable(rows)
    for key, value in rows:
        if key[:1] == b"b" and BATCHES.decode(value).status > LAST_STATUS_OF_1:
            raise MigrationRefused(f"batch {key[1:].decode()} was processed")


def check_custodies(rows: Sequence[Row]) -> None:
    """Every batch that has arrived has a custody."""
    for key, value in rows:
        if key[:1] == b"b":
            batch = BATCHES.decode(value)
            if batch.status >= ARRIVED and not batch.custodies:
                raise MigrationRefused(f"batch {key[1:].decode()} has no custody")


LAST_STATUS_OF_1 = 12

MIGRATIONS = [
    Migration(1, 2, add_custodies, check_readable, check_custodies),
    Migration(2, 1, drop_custodies, check_none_processed, check_readable),
    Migration(2, 3, add_lateness, check_readable),
    Migration(3, 2, drop_lateness, check_readable),
]
