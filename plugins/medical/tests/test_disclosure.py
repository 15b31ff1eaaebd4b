"""What anybody may ask about a patient says how much there is, and nothing of what."""

from __future__ import annotations

from typing import Any

from hn_medical.commitments import footprint_commitment, index_commitment

DOC = "ab" * 32
PATIENT, OTHER_PATIENT = "0001" + "5e" * 32, "0001" + "6f" * 32


def numbers(value: Any) -> bool:
    return value is None or type(value) is int


def test_an_index_is_counts_and_a_hash_that_its_owner_can_make(world: Any) -> None:
    world.bound()
    empty = world.query("patient_index", patient=PATIENT)
    for n in range(1, 4):
        world.ok(world.clinic, "register_index", **world.index(n))
    world.ok(world.clinic, "amend", report=f"{1:032x}", corrected=f"{9:032x}", digest=DOC)
    found = world.query("patient_index", patient=PATIENT)
    listed = [(bytes.fromhex(name), report) for name, report in world.index_of(PATIENT)]
    assert {name: found[name] for name in ("reports", "active", "commitment")} == {
        "reports": 4,
        "active": 3,
        "commitment": index_commitment(listed),
    }
    assert empty["commitment"] != found["commitment"] != index_commitment(listed[1:])
    said = {name: value for name, value in found.items() if name not in ("as_of_height", "commitment")}
    assert all(numbers(value) for value in said.values())
    assert not any(name in str(found) for name in (f"{1:032x}", PATIENT[4:], world.clinic.hex(), "CT0001"))


def test_a_footprint_is_counts_and_a_hash_that_its_owner_can_make(world: Any) -> None:
    report = world.granted()
    before = world.query("footprint", patient=PATIENT)
    assert (before["accesses"], before["last_height"]) == (0, None)
    world.ok(world.other_clinic, "access", **world.look(report))
    world.ok(world.doctor, "emergency_access", report=report, fields=["report"], document=DOC)
    found = world.query("footprint", patient=PATIENT)
    assert (found["accesses"], found["accounts"], found["emergencies"]) == (2, 2, 1)
    assert found["last_height"] == world.chain.state.height
    assert found["commitment"] == footprint_commitment(world.looks_of(PATIENT))
    assert not any(name in str(found) for name in (report, world.other_clinic.hex(), world.doctor.hex()))


def test_no_query_names_a_patient(world: Any) -> None:
    report = world.granted()
    world.ok(world.other_clinic, "access", **world.look(report))
    world.ok(world.other_clinic, "recognise", report=report)
    for name, arguments in (
        ("report", {"report": report}),
        ("grant", {"grant": f"{1:032x}"}),
        ("decisions", {"report": report}),
        ("recognition_rate", {"item": "CT0001"}),
        ("decline_reasons", {"item": "CT0001"}),
    ):
        assert PATIENT[4:] not in str(world.query(name, **arguments)), name


def test_references_of_others_are_counted_apart(world: Any) -> None:
    world.granted()
    world.ok(world.clinic, "bind_patient", patient=OTHER_PATIENT, account=world.other_patient.hex())
    assert world.query("patient_index", patient=OTHER_PATIENT)["reports"] == 0
    assert world.query("patient_index", patient=PATIENT)["reports"] == 1
