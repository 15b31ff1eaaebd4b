"""Payloads of the recognition of reports. Times are Unix milliseconds; hashes, references and ids hexadecimal.

A patient is known by a reference that the hospital makes for itself: two hospitals have different ones for the same
person (`key epoch2 || HMAC-SM3(key, kind || number)`). Nothing clinical and nothing personal is in a payload.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hn_medical.trace_models import AccountId, Hash, Millis, Payload
from hnnode.plugin_api import END

PATIENT_BYTES = 34

PatientRef = Annotated[str, Meta(pattern="^[0-9a-f]{68}" + END)]
Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
"""16 random bytes, chosen by whoever creates the report or grant."""
Item = Annotated[str, Meta(pattern="^[A-Z0-9]{4,16}" + END)]
"""Code of an examination in the catalogue."""
AccessId = Annotated[str, Meta(pattern="^[0-9a-f]{110}" + END)]
"""Row of the use log: patient, block, transaction."""
Field = Literal["index", "report", "image"]
Fields = Annotated[list[Field], Meta(min_length=1, max_length=3)]
Purpose = Literal["treatment", "referral", "second_opinion", "insurance"]
DeclineReason = Literal["quality", "changed", "mismatch", "time", "emergency", "forensic", "other"]
"""Why a result is not taken over: quality of the report; the illness has changed; it does not fit the diagnosis; too
long ago for this illness; the rescue needs it; forensic or disability assessment; other.
"""
FIELDS = ("index", "report", "image")
PURPOSES = ("treatment", "referral", "second_opinion", "insurance")
EMERGENCY_PURPOSE = len(PURPOSES)
DECLINE_REASONS = ("quality", "changed", "mismatch", "time", "emergency", "forensic", "other")


class SetItem(Payload):
    """An examination of the catalogue; `valid_days`: how long its result may be taken over."""

    item: Item
    kind: Literal["laboratory", "imaging", "other"]
    valid_days: Annotated[int, Meta(ge=1, le=3_650)]
    active: bool = True


class SetQuality(Payload):
    """From when until when an organisation's quality control covers an item."""

    organisation: AccountId
    item: Item
    from_ms: Millis
    until_ms: Millis
    certificate: Hash


class SetReviewParameters(Payload):
    """`review_blocks`: how many blocks after it an emergency access must be reviewed at the latest."""

    review_blocks: Annotated[int, Meta(ge=1, le=10_000_000)]


class BindPatient(Payload):
    """The hospital has seen the patient's papers: this account grants for this reference."""

    patient: PatientRef
    account: AccountId


class RegisterIndex(Payload):
    """A report's index. `hash`: SM3 of `salt16 || file`; `scope`: how far its mark of recognition reaches."""

    report: Id
    patient: PatientRef
    item: Item
    hash: Hash
    performed_ms: Millis
    scope: Literal["none", "city", "province", "nation"] = "province"


class Amend(Payload):
    """A corrected report under an id of its own; the old one stays readable and counts no more."""

    report: Id
    corrected: Id
    hash: Hash


class Withdraw(Payload):
    report: Id
    document: Hash


class GrantAccess(Payload, kw_only=True):
    grant: Id
    patient: PatientRef
    grantee: AccountId
    fields: Fields
    purpose: Purpose
    not_before_ms: Millis = 0
    expires_at_ms: Millis
    uses_max: Annotated[int, Meta(ge=1, le=1_000)] = 1


class RevokeAccess(Payload):
    grant: Id


class Access(Payload):
    """Log the use of a grant for one report; the report's keeper releases it when this is final."""

    report: Id
    grant: Id
    fields: Fields
    purpose: Purpose


class EmergencyAccess(Payload):
    """Without a grant, to save a life. `document`: hash of the written reason."""

    report: Id
    fields: Fields
    document: Hash


class ReviewEmergency(Payload):
    access: AccessId
    verdict: Literal["justified", "unjustified"]
    document: Hash


class Recognise(Payload):
    """Take the result over instead of repeating the examination."""

    report: Id


class Decline(Payload):
    report: Id
    reason: DeclineReason
