"""Bounds of one transaction and one query. They are part of the chain's rules: changing one changes results."""

from __future__ import annotations

WRITES_MAX = 64
"""Keys one transaction may write or delete."""
KEY_BYTES_MAX = 256
"""Key of the application's state; at least one byte to write."""
VALUE_BYTES_MAX = 64 * 1024
"""Value of one key."""
EVENTS_MAX = 64
"""Events of one transaction."""
EVENT_KINDS_MAX = 256
"""Events that one application may declare."""
EVENT_DATA_BYTES_MAX = 16 * 1024
"""Encoded data of one event."""
EVENT_NAME_BYTES_MAX = 64
"""Name of an event, in UTF-8."""
EVENT_ENTITY_BYTES_MAX = 256
"""What an event is about, in UTF-8."""
STEPS_MAX = 4_096
"""Steps of one transaction: a call of get, put, delete, emit, scan or foreign is one, and so is each key that a scan looks
at: the rows it gives and the keys under its prefix that the block deleted.
"""
PREFETCH_KEYS_MAX = 256
"""Hinted keys of one function and transaction; more are read one by one."""
PREFETCH_ROUNDS_MAX = 4
"""Functions of one action for keys that follow from rows."""
MODEL_DEPTH_MAX = 8
"""Nesting of a payload model; with unknown fields refused it bounds the JSON's depth too."""
FOREIGN_MAX = 16
"""Other applications that one may read."""
ACTIONS_MAX = 128
"""Actions of one application: so that whatever plugins a chain may have, the table of all actions holds them."""
PAGE_LIMIT_MAX = 200
"""Rows of one scan, of a handler or a query."""
SCAN_ROWS_MAX = 5_000
"""Rows and keys one query may read in all; a query that needs more is refused with QUERY_TOO_BROAD."""
DUE_ITEMS_MAX = 64
"""Due items of one application in one block."""
TICKS_MAX = 400_000
"""Ticks one transaction of metered code may take: a loop's turn, a call and a comprehension's turn are one; work inside a
built-in counts by the size of what it works on. More ends the transaction with STEPS_EXCEEDED.
"""
BLOCK_TICKS_MAX = 40_000_000
"""Ticks of all transactions of an application in one block; those behind get STEPS_EXCEEDED."""
STEP_TICKS = 100
"""Ticks that a step takes of those of the block: where it is a question to the node it takes 60 µs."""
DEPTH_MAX = 64
"""Calls of metered code that may nest; values in one another that it compares, hashes or puts in order."""
TEXT_BYTES_MAX = 1024 * 1024
"""Length of one text or byte string that metered code makes."""
ITEMS_MAX = 65_536
"""Items of one list, tuple or set that a built-in makes for metered code."""
INTEGER_BITS_MAX = 4_096
"""Size of one integer that metered code makes."""
BLOCK_RESULT_BYTES_MAX = 64 * 1024 * 1024
"""Writes and events of an application in one block; transactions behind get WRITE_LIMIT_EXCEEDED."""
LOAD_TICKS_MAX = 10_000_000
"""Ticks of loading metered code and filling its table."""
QUERY_TICKS_MAX = 5_000_000
"""Ticks of one query of metered code; more is refused with QUERY_TOO_BROAD."""
