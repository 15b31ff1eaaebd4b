"""From layout 1 to layout 2 and back: open shipments by when they are late, the due index. What is late already becomes known at
the end of the first block behind the migration.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import DecodeError

from hn_medical.trace_state import OPEN, SHIPMENTS, late_key
from hnnode.plugin_api import Migration, MigrationRefused
from hnnode.plugin_api.migration import Delete, Put, Row


def add_lateness(rows: Sequence[Row], put: Put, _: Delete) -> None:
    """An entry for each open shipment."""
    for key, value in rows:
        if key[:1] == SHIPMENTS.prefix:
            shipment = SHIPMENTS.decode(value)
            if shipment.status == OPEN and not shipment.overdue:
                put(late_key(shipment, key[1:]), b"")


def drop_lateness(rows: Sequence[Row], put: Put, delete: Delete) -> None:
    """No entry, and no shipment that is known to be late."""
    for key, value in rows:
        if key[:1] == SHIPMENTS.prefix:
            shipment = SHIPMENTS.decode(value)
            delete(late_key(shipment, key[1:]))
            if shipment.overdue:
                shipment.overdue = False
                put(key, SHIPMENTS.encode(shipment))


def check_readable(rows: Sequence[Row]) -> None:
    """Every shipment can be read."""
    for key, value in rows:
        try:
            if key[:1] == SHIPMENTS.prefix:
                SHIPMENTS.decode(value)
        except DecodeError as e:
            raise MigrationRefused(f"row {key.hex()[:80]} cannot be read") from e


MIGRATIONS = [Migration(1, 2, add_lateness, check_readable), Migration(2, 1, drop_lateness, check_readable)]
