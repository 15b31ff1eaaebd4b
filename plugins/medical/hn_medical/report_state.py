"""What the recognition keeps: records and their keys. A patient reference is 34 bytes, a report id 16.

i ‖ item                        Item                    c ‖ …                           grants and uses (std.consent)
q ‖ account20 ‖ item            Quality                 y ‖ report ‖ account20          Seen, the latest access
v                               ReviewParameters        e ‖ report ‖ organisation20     Decision
u ‖ patient                     Patient                 n ‖ item ‖ / ‖ issuer20         Counts
r ‖ report                      Report                  x ‖ patient ‖ performed8 ‖ report   report of a patient
"""

from __future__ import annotations

import msgspec

from hn_medical.report_models import DECLINE_REASONS, PATIENT_BYTES
from hn_medical.rules import CONSENT_RULES
from hnnode.plugin_api import Context, Records
from hnnode.plugin_api.hashes import sm3
from hnnode.plugin_api.std.consent import Consent

ACTIVE, SUPERSEDED, WITHDRAWN = 1, 2, 3
REPORT_NAMES = ("", "active", "superseded", "withdrawn")
REPORT_MOVES = {"active": ("superseded", "withdrawn"), "superseded": (), "withdrawn": ()}
RECOGNISED, DECLINED = 1, 2
DECISION_NAMES = ("", "recognised", "declined")
DAY_MS = 86_400_000


class Item(msgspec.Struct, array_like=True):
    kind: str
    valid_days: int
    active: bool


class Quality(msgspec.Struct, array_like=True):
    from_ms: int
    until_ms: int
    certificate: bytes


class ReviewParameters(msgspec.Struct, array_like=True):
    review_blocks: int = 86_400


class Patient(msgspec.Struct, array_like=True):
    """`account` speaks for the patient, `by` bound it."""

    account: bytes
    by: bytes
    bound_ms: int


class Report(msgspec.Struct, array_like=True):
    """`organisation`: whose account `issuer` was."""

    patient: bytes
    item: str
    issuer: bytes
    digest: bytes
    performed_ms: int
    indexed_ms: int
    scope: str
    status: int = ACTIVE
    corrected: bytes = b""
    corrects: bytes = b""
    document: bytes = b""
    organisation: str = ""


class Seen(msgspec.Struct, array_like=True):
    """The latest access of an account to a report; `key` is its row of the log, `organisation` whose account it was."""

    key: bytes
    fields: int
    emergency: bool
    organisation: str


class Decision(msgspec.Struct, array_like=True):
    """Of an organisation, by its account `by`."""

    kind: int
    reason: str
    at_ms: int
    by: bytes
    organisation: str


class Counts(msgspec.Struct, array_like=True):
    """Decisions on an issuer's reports of one item; `declined` by reason, in the order of DECLINE_REASONS."""

    recognised: int
    declined: list[int]


ITEMS = Records(b"i", Item)
QUALITIES = Records(b"q", Quality)
REVIEW_PARAMETERS = Records(b"v", ReviewParameters)
PATIENTS = Records(b"u", Patient)
REPORTS = Records(b"r", Report)
SEEN = Records(b"y", Seen)
DECISIONS = Records(b"e", Decision)
COUNTS = Records(b"n", Counts)
CONSENT = Consent(b"c", PATIENT_BYTES, CONSENT_RULES)


def patient_report_key(patient: bytes, performed_ms: int, report: bytes) -> bytes:
    return b"x%b%b%b" % (patient, performed_ms.to_bytes(8, "big"), report)


def organisation_id(organisation: str) -> bytes:
    """What stands in keys for an organisation's name, 20 bytes."""
    return sm3(organisation.encode())[:20]


def no_counts() -> Counts:
    return Counts(0, [0] * len(DECLINE_REASONS))


def counts_key(item: str, issuer: bytes) -> bytes:
    return item.encode() + b"/" + issuer


def load_report(tx: Context, report: str) -> tuple[bytes, Report]:
    """(id, report), or refusal by `report_unknown`."""
    key = bytes.fromhex(report)
    found = REPORTS.get(tx, key)
    if found is None:
        tx.fail("medical.report_unknown")
    return key, found
