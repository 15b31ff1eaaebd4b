"""Index of reports from FHIR R4 JSON: a Bundle of DiagnosticReport resources becomes index transactions.

Off chain. Of a resource only these are read; names, findings and conclusions stay in the file:

| member | becomes |
|---|---|
| `identifier` with system `urn:hnnode:report` | report |
| `subject.identifier` with system `urn:hnnode:patient` | patient |
| `code.coding` with system `urn:hnnode:item` | item |
| `effectiveDateTime` | performed_ms |
| `meta.tag` with system `urn:hnnode:scope` | scope |
| `presentedForm[0].extension` with url `urn:hnnode:sm3` | hash |
| `status` | final: register_index · amended, corrected: amend · cancelled, entered-in-error: withdraw |
| `extension` with url `urn:hnnode:corrects` | the report that an amended one takes the place of |
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hn_medical.report_models import Amend, RegisterIndex, Withdraw
from hn_medical.trace_models import Payload

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
ENTRIES_MAX = 10_000
PROBLEMS_MAX = 20
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FhirError(ValueError):
    """A document that cannot be imported: place and reason of each fault."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems[:PROBLEMS_MAX]
        super().__init__("; ".join(self.problems))


def read_bundle(document: bytes) -> list[tuple[str, bytes]]:
    """(action, payload) of each report, in the order of the bundle. Raises FhirError."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise FhirError([f"got {len(document)} bytes, want at most {DOCUMENT_BYTES_MAX}"])
    try:
        bundle = json.loads(document.decode("utf-8"))
    except (ValueError, RecursionError) as e:
        raise FhirError([f"not JSON: {e}"[:200]]) from e
    entries = bundle.get("entry") if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list) or not 0 < len(entries) <= ENTRIES_MAX:
        raise FhirError([f"want a Bundle with 1 to {ENTRIES_MAX} entries"])
    made: list[tuple[str, bytes]] = []
    problems: list[str] = []
    for place, entry in enumerate(entries):
        try:
            made.append(_report(entry))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
            missing = f"{e} is missing" if isinstance(e, KeyError) else str(e)
            problems.append(f"/entry/{place}: {missing}"[:200])
    if problems:
        raise FhirError(problems)
    return made


def _report(entry: Any) -> tuple[str, bytes]:
    resource = entry["resource"]
    if resource.get("resourceType") != "DiagnosticReport":
        raise ValueError(f"got {str(resource.get('resourceType'))[:40]}, want DiagnosticReport")
    status = resource["status"]
    report = _of_system(resource["identifier"], "urn:hnnode:report", "value")
    form = resource["presentedForm"][0]
    digest = _extension(form, "urn:hnnode:sm3")
    if status == "final":
        found = RegisterIndex(
            report=report,
            patient=_of_system([resource["subject"]["identifier"]], "urn:hnnode:patient", "value"),
            item=_of_system(resource["code"]["coding"], "urn:hnnode:item", "code"),
            hash=digest,
            performed_ms=_time_ms(resource["effectiveDateTime"]),
            scope=_of_system(resource["meta"]["tag"], "urn:hnnode:scope", "code"),  # type: ignore[arg-type]
        )
        return "register_index", _checked(found)
    if status in ("amended", "corrected"):
        before = _extension(resource, "urn:hnnode:corrects")
        return "amend", _checked(Amend(report=before, corrected=report, hash=digest))
    if status in ("cancelled", "entered-in-error"):
        return "withdraw", _checked(Withdraw(report=report, document=digest))
    raise ValueError(f"status: got {str(status)[:40]!r}, want final, amended, corrected, cancelled or entered-in-error")


def _checked(payload: Payload) -> bytes:
    """The JSON of a payload that its own model takes."""
    raw = msgspec.json.encode(payload)
    try:
        msgspec.json.decode(raw, type=type(payload))
    except msgspec.ValidationError as e:
        raise ValueError(str(e)) from e
    return raw


def _of_system(listed: Any, system: str, member: str) -> str:
    for each in listed:
        if each.get("system") == system:
            return str(each[member])
    raise ValueError(f"nothing of the system {system}")


def _extension(owner: Any, url: str) -> str:
    for each in owner.get("extension", []):
        if each.get("url") == url:
            return str(each["valueString"])
    raise ValueError(f"no extension {url}")


def _time_ms(text: Any) -> int:
    if not isinstance(text, str) or _TIME.fullmatch(text) is None:
        raise ValueError(f"effectiveDateTime: got {str(text)[:40]!r}, want a time with an offset")
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
