"""How each field of the payloads stands on the chain; `hnplugin.toml` states the same."""

from __future__ import annotations

CLEAR = (
    "band",
    "batch",
    "carrier",
    "city",
    "code",
    "consignee",
    "count",
    "country",
    "excursion_minutes",
    "from_ms",
    "grams",
    "gtin",
    "hold",
    "inputs",
    "disinfect_required",
    "loss_grams",
    "max",
    "min",
    "minutes",
    "offer_minutes",
    "outputs",
    "outside_minutes",
    "passed",
    "proof",
    "reading",
    "reason",
    "station",
    "test_required",
    "to",
    "to_ms",
    "uscc",
)
COMMITTED = ("certificate", "declaration", "document", "report", "root")
"""SM3 of `16 random bytes || file`, and roots of readings."""
UNGUARDED = ("city", "gtin", "proof", "reading", "uscc")
"""Codes that the handlers check, and hexadecimal."""

TABLE = dict.fromkeys(CLEAR, "clear") | dict.fromkeys(COMMITTED, "committed")
