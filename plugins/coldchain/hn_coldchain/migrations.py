"""From layout 1 to layout 2 and back: custodies of batches, and hand-overs by when they expire.

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
    custody_key,
    due_key,
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
            put(due_key(OFFERS.decode(value), name), receiver)


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
]
