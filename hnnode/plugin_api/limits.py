"""Bounds of one transaction and one query. They are part of the chain's rules: changing one changes results."""

from __future__ import annotations

WRITES_MAX = 64
"""Keys one transaction may write or delete."""
KEY_BYTES_MAX = 256
VALUE_BYTES_MAX = 64 * 1024
EVENTS_MAX = 64
EVENT_DATA_BYTES_MAX = 16 * 1024
EVENT_NAME_BYTES_MAX = 64
EVENT_ENTITY_BYTES_MAX = 256
STEPS_MAX = 4_096
"""Steps of one transaction: a call of get, put, delete, emit, scan or foreign is one, and so is each key that a scan looks
at: the rows it gives and the keys under its prefix that the block deleted.
"""
PREFETCH_KEYS_MAX = 256
"""Hinted keys of one transaction; more are read one by one."""
MODEL_DEPTH_MAX = 8
"""Nesting of a payload model; with unknown fields refused it bounds the JSON's depth too."""
FOREIGN_MAX = 16
"""Other applications that one may read."""
PAGE_LIMIT_MAX = 200
"""Rows of one scan, of a handler or a query."""
SCAN_ROWS_MAX = 5_000
"""Rows and keys one query may read in all; a query that needs more is refused with QUERY_TOO_BROAD."""
