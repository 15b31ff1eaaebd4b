"""What a query that anybody may ask says of a patient: how much there is, and hashes of it.

Whoever has the list from where it belongs, the hospital that made the reference and the patient who was told it, makes the same
hash from it and sees that nothing is missing or was changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from hn_medical.report_state import Report
from hnnode.plugin_api.hashes import sm3
from hnnode.plugin_api.std.consent import Use


def index_commitment(reports: Iterable[tuple[bytes, Report]]) -> str:
    """Hash over reports by the time of their examination, then id: `id16 ‖ digest32 ‖ u8 status` of each, in hexadecimal.
    Status: 1 active, 2 superseded, 3 withdrawn."""
    return sm3(b"".join([key + report.digest + report.status.to_bytes(1, "big") for key, report in reports])).hex()


def footprint_commitment(uses: Iterable[tuple[bytes, Use]]) -> str:
    """Hash over accesses as they happened: `u64 height ‖ id16 of the report ‖ account20 ‖ u8 fields ‖ u8 purpose ‖ u8 verdict`
    of each, in hexadecimal. Fields: bits in the order of the payload's `fields`."""
    return sm3(b"".join([key[-21:-13] + use.entity + use.grantee + _numbers(use) for key, use in uses])).hex()


def _numbers(use: Use) -> bytes:
    return b"".join([number.to_bytes(1, "big") for number in (use.fields, use.purpose, use.verdict)])
