"""Every rule of the recognition of reports refuses what it is for, and every action asks for its role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

DOC = "ab" * 32
DAY_MS = 86_400_000
PATIENT = "0001" + "5e" * 32
OTHER_PATIENT = "0001" + "6f" * 32
SCENES: dict[str, Callable[[Any], None]] = {}


def scene(check: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[check.__name__] = check
    return check


def emergency(report: str) -> dict[str, Any]:
    return {"report": report, "fields": ["report"], "document": DOC}


def access_id(w: Any, sender: bytes, report: str) -> str:
    return str(w.ok(sender, "emergency_access", **emergency(report)).events[0][2]["access"])


@scene
def access_missing(w: Any) -> None:
    report = w.granted()
    w.refused("access_missing", w.other_clinic, "recognise", report=report)
    w.refused("access_missing", w.other_clinic, "decline", report=report, reason="quality")
    w.ok(w.other_clinic, "access", **w.look(report))
    w.chain.account("other clinic", "hospital", organisation="elsewhere")  # it was another organisation that looked
    w.refused("access_missing", w.other_clinic, "recognise", report=report)
    w.refused("access_missing", w.other_clinic, "decline", report=report, reason="quality")


@scene
def decided(w: Any) -> None:
    report = w.accessed()
    w.ok(w.other_clinic, "decline", report=report, reason="changed")
    w.refused("decided", w.other_clinic, "recognise", report=report)
    w.refused("decided", w.other_clinic, "decline", report=report, reason="changed")
    colleague = w.chain.account("a doctor of the other clinic", "doctor", organisation="other clinic")
    w.ok(colleague, "emergency_access", report=report, fields=["report"], document=DOC)
    w.refused("decided", colleague, "recognise", report=report)
    w.refused("decided", colleague, "decline", report=report, reason="changed")


@scene
def emergency_reviewed(w: Any) -> None:
    key = access_id(w, w.other_clinic, w.indexed())
    review = {"access": key, "verdict": "justified", "document": DOC}
    w.ok(w.commission, "review_emergency", **review)
    w.refused("emergency_reviewed", w.commission, "review_emergency", **review)


@scene
def emergency_unknown(w: Any) -> None:
    report = w.granted()
    key = w.ok(w.other_clinic, "access", **w.look(report)).events[0][2]["access"]
    for access in (key, "00" * 55):  # one under a grant needs no review
        review = {"access": access, "verdict": "justified", "document": DOC}
        w.refused("emergency_unknown", w.commission, "review_emergency", **review)


@scene
def grant_early(w: Any) -> None:
    report = w.indexed()
    start_ms = w.chain.time_ms + 3_600_000
    w.ok(w.patient, "grant", **w.grant(not_before_ms=start_ms))
    w.refused("grant_early", w.other_clinic, "access", **w.look(report))
    w.chain.advance(3_600_000)
    w.ok(w.other_clinic, "access", **w.look(report))


@scene
def grant_exists(w: Any) -> None:
    w.granted()
    w.refused("grant_exists", w.patient, "grant", **w.grant())


@scene
def grant_expired(w: Any) -> None:
    report = w.granted()
    w.chain.advance(DAY_MS)
    w.refused("grant_expired", w.other_clinic, "access", **w.look(report))


@scene
def grant_fields(w: Any) -> None:
    report = w.granted()
    w.refused("grant_fields", w.other_clinic, "access", **w.look(report, fields=["report", "image"]))
    w.ok(w.other_clinic, "access", **w.look(report, fields=["report", "index"]))


@scene
def grant_foreign(w: Any) -> None:
    w.granted()
    w.ok(w.clinic, "bind_patient", patient=OTHER_PATIENT, account=w.other_patient.hex())
    w.ok(w.clinic, "register_index", **w.index(2, patient=OTHER_PATIENT))
    w.refused("grant_foreign", w.other_clinic, "access", **w.look(f"{2:032x}"))


@scene
def grant_period(w: Any) -> None:
    w.indexed()
    now_ms = w.chain.time_ms
    w.refused("grant_period", w.patient, "grant", **w.grant(expires_at_ms=now_ms))
    w.refused("grant_period", w.patient, "grant", **w.grant(not_before_ms=now_ms + 9_000, expires_at_ms=now_ms + 9_000))


@scene
def grant_purpose(w: Any) -> None:
    report = w.granted()
    w.refused("grant_purpose", w.other_clinic, "access", **w.look(report, purpose="insurance"))


@scene
def grant_revoked(w: Any) -> None:
    report = w.granted()
    w.ok(w.patient, "revoke", grant=f"{1:032x}")
    w.refused("grant_revoked", w.other_clinic, "access", **w.look(report))
    w.refused("grant_revoked", w.patient, "revoke", grant=f"{1:032x}")


@scene
def grant_unknown(w: Any) -> None:
    report = w.indexed()
    w.refused("grant_unknown", w.other_clinic, "access", **w.look(report))
    w.refused("grant_unknown", w.patient, "revoke", grant=f"{1:032x}")


@scene
def grant_used_up(w: Any) -> None:
    report = w.granted()
    for _ in range(2):
        w.ok(w.other_clinic, "access", **w.look(report))
    w.refused("grant_used_up", w.other_clinic, "access", **w.look(report))


@scene
def item_closed(w: Any) -> None:
    report = w.accessed()
    w.ok(w.commission, "set_item", item="CT0001", kind="imaging", valid_days=30, active=False)
    w.refused("item_closed", w.clinic, "register_index", **w.index(2))
    w.refused("item_closed", w.other_clinic, "recognise", report=report)


@scene
def item_unknown(w: Any) -> None:
    w.bound()
    w.refused("item_unknown", w.clinic, "register_index", **w.index(item="MR0001"))
    quality = {"organisation": w.clinic.hex(), "item": "MR0001", "from_ms": 0, "until_ms": 1, "certificate": DOC}
    w.refused("item_unknown", w.commission, "set_quality", **quality)


@scene
def not_grantee(w: Any) -> None:
    report = w.granted()
    w.refused("not_grantee", w.doctor, "access", **w.look(report))


@scene
def not_issuer(w: Any) -> None:
    report = w.indexed()
    w.refused("not_issuer", w.other_clinic, "amend", report=report, corrected=f"{2:032x}", digest=DOC)
    w.refused("not_issuer", w.other_clinic, "withdraw", report=report, document=DOC)


@scene
def not_patient(w: Any) -> None:
    w.granted()
    w.refused("not_patient", w.other_patient, "grant", **w.grant(2))
    w.refused("not_patient", w.patient, "grant", **w.grant(2, patient=OTHER_PATIENT))
    w.refused("not_patient", w.other_patient, "revoke", grant=f"{1:032x}")


@scene
def own_report(w: Any) -> None:
    report = w.indexed()
    w.refused("own_report", w.clinic, "recognise", report=report)
    w.refused("own_report", w.clinic, "decline", report=report, reason="quality")
    colleague = w.chain.account("a doctor of the clinic", "doctor", organisation="clinic")
    w.ok(colleague, "emergency_access", report=report, fields=["report"], document=DOC)
    w.refused("own_report", colleague, "recognise", report=report)
    w.refused("own_report", colleague, "decline", report=report, reason="quality")


@scene
def patient_bound(w: Any) -> None:
    w.bound()
    again = {"patient": PATIENT, "account": w.other_patient.hex()}
    w.refused("patient_bound", w.other_clinic, "bind_patient", **again)
    w.ok(w.clinic, "bind_patient", **again)  # the hospital that bound it: a lost wallet
    w.refused("not_patient", w.patient, "grant", **w.grant())
    w.ok(w.other_patient, "grant", **w.grant())


@scene
def patient_unknown(w: Any) -> None:
    w.bound()
    w.refused("patient_unknown", w.clinic, "register_index", **w.index(patient=OTHER_PATIENT))
    w.refused("patient_unknown", w.other_clinic, "register_index", **w.index())


@scene
def period_invalid(w: Any) -> None:
    w.catalogue()
    quality = {"organisation": w.clinic.hex(), "item": "CT0001", "from_ms": 5, "until_ms": 5, "certificate": DOC}
    w.refused("period_invalid", w.commission, "set_quality", **quality)


@scene
def quality_invalid(w: Any) -> None:
    w.catalogue()
    w.ok(w.other_clinic, "bind_patient", patient=PATIENT, account=w.patient.hex())
    w.ok(w.other_clinic, "register_index", **w.index())
    w.ok(w.patient, "grant", **w.grant(grantee=w.clinic.hex()))
    report = f"{1:032x}"
    w.ok(w.clinic, "access", **w.look(report))
    w.refused("quality_invalid", w.clinic, "recognise", report=report)
    performed_ms = w.query("report", report=report)["performed_ms"]
    quality = {"organisation": w.other_clinic.hex(), "item": "CT0001", "certificate": DOC}
    w.ok(w.commission, "set_quality", **quality, from_ms=0, until_ms=performed_ms)
    w.refused("quality_invalid", w.clinic, "recognise", report=report)
    w.ok(w.commission, "set_quality", **quality, from_ms=0, until_ms=performed_ms + 1)
    w.ok(w.clinic, "recognise", report=report)


@scene
def report_exists(w: Any) -> None:
    report = w.indexed()
    w.refused("report_exists", w.clinic, "register_index", **w.index())
    w.refused("report_exists", w.clinic, "amend", report=report, corrected=report, digest=DOC)


@scene
def report_inactive(w: Any) -> None:
    report = w.accessed()
    w.ok(w.clinic, "amend", report=report, corrected=f"{2:032x}", digest=DOC)
    w.refused("report_inactive", w.other_clinic, "recognise", report=report)
    w.refused("report_inactive", w.clinic, "amend", report=report, corrected=f"{3:032x}", digest=DOC)
    w.ok(w.clinic, "withdraw", report=f"{2:032x}", document=DOC)
    w.refused("report_inactive", w.other_clinic, "access", **w.look(f"{2:032x}"))
    w.refused("report_inactive", w.other_clinic, "emergency_access", **emergency(f"{2:032x}"))


@scene
def report_old(w: Any) -> None:
    report = w.accessed()
    w.chain.advance(29 * DAY_MS)
    w.refused("report_old", w.other_clinic, "recognise", report=report)
    w.ok(w.other_clinic, "decline", report=report, reason="time")


@scene
def report_unknown(w: Any) -> None:
    report = "9" * 32
    w.refused("report_unknown", w.other_clinic, "access", **w.look(report))
    w.refused("report_unknown", w.other_clinic, "emergency_access", **emergency(report))
    w.refused("report_unknown", w.other_clinic, "recognise", report=report)
    w.refused("report_unknown", w.clinic, "amend", report=report, corrected=f"{2:032x}", digest=DOC)


@scene
def review_overdue(w: Any) -> None:
    report = w.indexed()
    w.ok(w.commission, "set_review_parameters", review_blocks=3)
    key = access_id(w, w.doctor, report)
    for _ in range(2):
        w.ok(w.doctor, "emergency_access", **emergency(report))
    w.chain.block([])
    w.refused("review_overdue", w.doctor, "emergency_access", **emergency(report))
    w.ok(w.other_clinic, "emergency_access", **emergency(report))
    assert [row["overdue"] for row in w.query("emergencies", organisation=w.doctor.hex())["items"]] == [
        True,
        True,
        False,
    ]
    late = w.ok(w.commission, "review_emergency", access=key, verdict="unjustified", document=DOC)
    assert late.events[0][2]["late"] is True


@scene
def reviews_open(w: Any) -> None:
    report = w.indexed()
    for _ in range(32):
        w.ok(w.doctor, "emergency_access", **emergency(report))
    w.refused("reviews_open", w.doctor, "emergency_access", **emergency(report))


@scene
def time_future(w: Any) -> None:
    w.bound()
    w.refused("time_future", w.clinic, "register_index", **w.index(performed_ms=w.chain.time_ms + 700_000))


@pytest.mark.parametrize("rule", sorted(SCENES))
def test_rule(rule: str, world: Any) -> None:
    SCENES[rule](world)
    world.check()


def test_every_action_of_the_recognition_asks_for_its_role(world: Any) -> None:
    report = world.granted()
    quality = {"organisation": world.clinic.hex(), "item": "CT0001", "from_ms": 0, "until_ms": 1, "certificate": DOC}
    calls: dict[str, dict[str, Any]] = {
        "set_item": {"item": "CT0001", "kind": "imaging", "valid_days": 30},
        "set_quality": quality,
        "set_review_parameters": {"review_blocks": 3},
        "bind_patient": {"patient": PATIENT, "account": world.patient.hex()},
        "register_index": world.index(2),
        "amend": {"report": report, "corrected": f"{2:032x}", "digest": DOC},
        "withdraw": {"report": report, "document": DOC},
        "grant": world.grant(2),
        "revoke": {"grant": f"{1:032x}"},
        "access": world.look(report),
        "emergency_access": emergency(report),
        "review_emergency": {"access": "00" * 55, "verdict": "justified", "document": DOC},
        "recognise": {"report": report},
        "decline": {"report": report, "reason": "quality"},
    }
    for action, payload in calls.items():
        for sender in (world.nobody, world.maker):
            assert world.do(sender, action, **payload).code == 4007, action
