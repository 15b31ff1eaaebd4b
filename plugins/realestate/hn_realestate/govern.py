"""Calendar and parameters; who speaks for a holder, and what holders let others ask."""

from __future__ import annotations

from collections.abc import Sequence

from hn_realestate.flows import CALENDAR
from hn_realestate.models import (
    BindHolder,
    Grant,
    Revoke,
    SetCalendar,
    SetParameters,
    UseGrant,
)
from hn_realestate.state import CONSENT, PARAMETERS, Parameters, binding_key, parameters
from hnnode.plugin_api import Context, TxInfo
from hnnode.plugin_api.std.consent import Grant as ConsentGrant

PURPOSES = ("", "loan", "purchase", "lawsuit", "inheritance", "service")
UNITS_FIELD = 1
"""The one thing a grant opens: the list of the holder's units."""


def set_calendar(tx: Context, payload: SetCalendar) -> None:
    CALENDAR.set_year(tx, payload.year, payload.free, payload.worked)
    tx.emit("realestate.calendar_set", "", {"year": payload.year, "free": payload.free, "worked": payload.worked})


def set_parameters(tx: Context, payload: SetParameters) -> None:
    tx.require("realestate.import_closed", parameters(tx).import_open or not payload.import_open)
    made = Parameters(payload.half_days, payload.objection_days, payload.use_blocks, payload.import_open)
    PARAMETERS.put(tx, b"", made)
    data = {"half_days": made.half_days, "objection_days": made.objection_days, "import_open": made.import_open}
    data["use_blocks"] = made.use_blocks
    tx.emit("realestate.parameters_set", "", data)


def bind_holder(tx: Context, payload: BindHolder) -> None:
    """公安 has seen who is behind an account; a later binding takes the place of the first."""
    tx.put(binding_key(bytes.fromhex(payload.holder)), bytes.fromhex(payload.account))
    tx.emit("realestate.holder_bound", payload.account, {})


def grant_keys(_: TxInfo, payload: Grant) -> Sequence[bytes]:
    return binding_key(bytes.fromhex(payload.holder)), CONSENT.grant_key(bytes.fromhex(payload.grant))


def grant(tx: Context, payload: Grant) -> None:
    holder = bytes.fromhex(payload.holder)
    tx.require("realestate.not_bound", tx.get(binding_key(holder)) == tx.sender)
    grantee, purpose = bytes.fromhex(payload.grantee), PURPOSES.index(payload.purpose)
    made = ConsentGrant(
        subject=holder,
        grantee=grantee,
        fields=UNITS_FIELD,
        purpose=purpose,
        not_before_ms=0,
        expires_at_ms=payload.until_ms,
        uses_max=payload.uses,
        by=tx.sender,
    )
    CONSENT.grant(tx, bytes.fromhex(payload.grant), made)
    tx.emit("realestate.granted", payload.grant, {"grantee": payload.grantee, "purpose": payload.purpose})


def revoke(tx: Context, payload: Revoke) -> None:
    CONSENT.revoke(tx, bytes.fromhex(payload.grant))
    tx.emit("realestate.revoked", payload.grant, {})


def use_grant(tx: Context, payload: UseGrant) -> None:
    """Log that the grantee asks now; the query opens only behind the log."""
    purpose = PURPOSES.index(payload.purpose)
    key, found = CONSENT.record_use(tx, bytes.fromhex(payload.grant), UNITS_FIELD, purpose, b"")
    tx.emit("realestate.used", payload.grant, {"use": key.hex(), "uses": found.uses})
