"""Scenes of the register: units, rights, shares, certificates and the calendar."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hn_realestate.state import RIGHTS_MAX

from realestate_scenes.scene import DOC, HOUR_MS, OTHER_UNIT, UNIT, parts, person, scene


@scene
def calendar_day(w: Any) -> None:
    for free, worked in (([365 + 1], []), ([10], []), ([12, 12], []), ([], [12])):  # 10 January 2026 is a Saturday
        w.refused("calendar_day", w.governor, "set_calendar", year=2026, free=free, worked=worked)


@scene
def calendar_past(w: Any) -> None:
    w.refused("calendar_past", w.governor, "set_calendar", year=2026, free=[5])
    w.ok(w.governor, "set_calendar", year=2026, free=[6])


@scene
def calendar_span(w: Any) -> None:
    w.submit("CASE-001", "first")
    with patch("hnnode.plugin_api.std.calendar.SPAN_DAYS_MAX", 0):
        w.refused("calendar_span", w.registrar, "accept", case="CASE-001")


@scene
def certificate_exists(w: Any) -> None:
    for case, unit in (("CASE-001", UNIT), ("CASE-002", OTHER_UNIT)):
        w.booked(case, "first", unit)
    w.ok(w.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")
    w.refused("certificate_exists", w.registrar, "issue_cert", case="CASE-002", certificate="CERT-001")
    holders = parts(li=(1, 1))
    w.refused(
        "certificate_exists", w.chief, "correct", unit=UNIT, document=DOC, certificate="CERT-001", holders=holders
    )


@scene
def entry_changed(w: Any) -> None:
    w.title()
    w.booked("CASE-001")
    w.booked("CASE-002", givers=[person("li")], takers=parts(zhao=(1, 1)))
    w.refused("entry_changed", w.registrar, "issue_cert", case="CASE-001", certificate="CERT-001")
    w.ok(w.registrar, "issue_cert", case="CASE-002", certificate="CERT-001")


@scene
def history_full(w: Any) -> None:
    w.title()
    with patch("hnnode.plugin_api.std.registry.VERSIONS_MAX", 1):
        w.refused("history_full", w.court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)


@scene
def import_closed(w: Any) -> None:
    terms = {"half_days": 1, "objection_days": 15, "use_blocks": 1}
    w.ok(w.governor, "set_parameters", import_open=False, **terms)
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 1))}
    w.refused("import_closed", w.registrar, "import_titles", titles=[entry])
    w.refused("import_closed", w.governor, "set_parameters", import_open=True, **terms)
    w.ok(w.governor, "set_parameters", import_open=False, **terms)


@scene
def no_certificate(w: Any) -> None:
    w.title()
    w.booked("LOAN-001", "mortgage")
    w.refused("no_certificate", w.registrar, "issue_cert", case="LOAN-001", certificate="CERT-001")


@scene
def not_court(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("not_court", w.other_court, "unseize", unit=UNIT, right="SEIZE-1", document=DOC)


@scene
def not_mortgagee(w: Any) -> None:
    w.title()
    w.booked("LOAN-001", "mortgage")
    w.submit("CASE-001")
    w.refused("not_mortgagee", w.other_bank, "agree", case="CASE-001", right="LOAN-001")
    w.refused("not_mortgagee", w.other_bank, "release", unit=UNIT, right="LOAN-001", document=DOC)


@scene
def nothing_expired(w: Any) -> None:
    w.title()
    w.seize(days=1)
    w.refused("nothing_expired", w.nobody, "lapse", unit=UNIT)


@scene
def objected(w: Any) -> None:
    w.title()
    w.ok(w.registrar, "objection", unit=UNIT, right="OBJ-001", objector=person("wang"), document=DOC)
    w.reviewed("CASE-001")
    w.refused("objected", w.registrar, "book", case="CASE-001")
    w.chain.advance(15 * 24 * HOUR_MS)
    w.ok(w.registrar, "book", case="CASE-001")  # the objection has lapsed


@scene
def pre_noticed(w: Any) -> None:
    w.title()
    w.booked("NOTE-001", "pre_notice")
    for case, kind, more in (
        ("CASE-001", "transfer", {"takers": parts(zhao=(1, 1))}),
        ("CASE-002", "mortgage", {}),
        ("CASE-003", "pre_notice", {}),
        ("CASE-004", "cancel", {}),
    ):
        w.reviewed(case, kind, **more)
        w.refused("pre_noticed", w.registrar, "book", case=case)
        w.ok(w.agent, "withdraw", case=case)
    w.booked("CASE-005")
    assert w.unit()["entries"] == []


@scene
def right_exists(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("right_exists", w.other_court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)


@scene
def right_unknown(w: Any) -> None:
    w.title()
    w.seize()
    w.refused("right_unknown", w.court, "unseize", unit=UNIT, right="SEIZE-2", document=DOC)
    w.refused("right_unknown", w.bank, "release", unit=UNIT, right="SEIZE-1", document=DOC)
    w.refused("right_unknown", w.reviewer, "cancel", unit=UNIT, right="SEIZE-1", document=DOC)
    w.submit("CASE-001")
    w.refused("right_unknown", w.bank, "agree", case="CASE-001", right="SEIZE-1")


@scene
def rights_full(w: Any) -> None:
    w.title()
    for n in range(RIGHTS_MAX):
        w.seize(f"SEIZE-{n:02}")
    w.refused("rights_full", w.court, "seize", unit=UNIT, right="SEIZE-99", document=DOC, days=1)


@scene
def seized(w: Any) -> None:
    w.title()
    for case, kind in (("CASE-001", "transfer"), ("CASE-002", "mortgage"), ("CASE-003", "pre_notice")):
        w.submit(case, kind)
    w.reviewed("CASE-004", "cancel")
    w.seize()
    for case in ("CASE-001", "CASE-002", "CASE-003"):
        w.refused("seized", w.registrar, "accept", case=case)
    w.refused("seized", w.registrar, "book", case="CASE-004")
    w.ok(w.court, "unseize", unit=UNIT, right="SEIZE-1", document=DOC)
    w.ok(w.registrar, "book", case="CASE-004")


@scene
def shares_unbalanced(w: Any) -> None:
    for takers in ([], parts(a=(1, 2)), parts(a=(1, 2), b=(1, 2), c=(1, 9)), parts(a=(2, 1))):
        w.refused("shares_unbalanced", w.agent, "submit", **w.request("CASE-001", "first", takers=takers))
    given = {"givers": [person("zhang")]}
    w.refused("shares_unbalanced", w.agent, "submit", **w.request("CASE-001", "first", **given))
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 2))}
    w.refused("shares_unbalanced", w.registrar, "import_titles", titles=[entry])
    w.title(zhang=(1, 2), wang=(1, 2))
    for n, (givers, takers) in enumerate(
        (
            ([person("zhang")], parts(li=(1, 1))),
            ([person("zhang")], parts(li=(1, 3))),
            ([person("zhao")], parts(li=(1, 2))),
            ([person("zhang"), person("zhang")], parts(li=(1, 1))),
        )
    ):
        w.submit(f"CASE-{n:03}", givers=givers, takers=takers)
        w.refused("shares_unbalanced", w.registrar, "accept", case=f"CASE-{n:03}")
    wrong = {"unit": UNIT, "document": DOC, "certificate": "CERT-001", "holders": parts(li=(2, 3))}
    w.refused("shares_unbalanced", w.reviewer, "correct", **wrong)
    w.reviewed("SALE-001", givers=[person("zhang")], takers=parts(li=(1, 2)))
    w.reviewed("SALE-002", givers=[person("zhang")], takers=parts(li=(1, 2)))
    w.ok(w.registrar, "book", case="SALE-001")
    w.refused("shares_unbalanced", w.registrar, "book", case="SALE-002")  # zhang has nothing any more


@scene
def unit_exists(w: Any) -> None:
    w.submit("CASE-001", "first")
    w.reviewed("CASE-002", "first")
    w.title()
    w.refused("unit_exists", w.registrar, "accept", case="CASE-001")
    w.refused("unit_exists", w.registrar, "book", case="CASE-002")
    entry = {"unit": UNIT, "document": DOC, "holders": parts(zhang=(1, 1))}
    w.refused("unit_exists", w.registrar, "import_titles", titles=[entry])
    twice = [{**entry, "unit": OTHER_UNIT}] * 2
    w.refused("unit_exists", w.registrar, "import_titles", titles=twice)


@scene
def unit_invalid(w: Any) -> None:
    for unit in ("411502001003GB00001W00010101", "991502001003GB00001F00010101"):
        w.refused("unit_invalid", w.agent, "submit", **w.request("CASE-001", "first", unit))
        entry = {"unit": unit, "document": DOC, "holders": parts(zhang=(1, 1))}
        w.refused("unit_invalid", w.registrar, "import_titles", titles=[entry])


@scene
def unit_status(w: Any) -> None:
    w.title()
    w.reviewed("CASE-001", "cancel")
    w.submit("CASE-002")
    w.accepted("CASE-003")
    w.ok(w.registrar, "book", case="CASE-001")
    w.refused("unit_status", w.registrar, "accept", case="CASE-002")
    w.attest("CASE-003")
    w.ok(w.reviewer, "review", case="CASE-003")
    w.refused("unit_status", w.registrar, "book", case="CASE-003")
    w.refused("unit_status", w.court, "seize", unit=UNIT, right="SEIZE-1", document=DOC, days=1)
    w.refused("unit_status", w.registrar, "objection", unit=UNIT, right="OBJ-001", objector=person("a"), document=DOC)
    wrong = {"unit": UNIT, "document": DOC, "certificate": "CERT-001", "holders": parts(li=(1, 1))}
    w.refused("unit_status", w.reviewer, "correct", **wrong)


@scene
def unit_unknown(w: Any) -> None:
    w.submit("CASE-001")
    w.refused("unit_unknown", w.registrar, "accept", case="CASE-001")
    right = {"unit": UNIT, "right": "RIGHT-1", "document": DOC}
    w.refused("unit_unknown", w.bank, "release", **right)
    w.refused("unit_unknown", w.court, "seize", days=1, **right)
    w.refused("unit_unknown", w.court, "unseize", **right)
    w.refused("unit_unknown", w.registrar, "objection", objector=person("a"), **right)
    w.refused("unit_unknown", w.reviewer, "cancel", **right)
    w.refused("unit_unknown", w.nobody, "lapse", unit=UNIT)
    w.refused("unit_unknown", w.reviewer, "correct", unit=UNIT, document=DOC, certificate="CERT-001",
              holders=parts(a=(1, 1)))  # fmt: skip
    w.refused("unit_unknown", w.bank, "agree", case="CASE-001", right="RIGHT-1")
