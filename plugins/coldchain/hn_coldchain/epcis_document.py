"""The frame of an EPCIS document: what it says it is, its master data, its list of events."""

from __future__ import annotations

from hn_coldchain.epcis_reader import Node

EVENTS_MAX = 10_000
CONTEXT = "https://ref.gs1.org/standards/epcis/"


def events_of(document: Node) -> list[Node]:
    """The events of an EPCIS 2 document. Raises EpcisError when it is another document, or holds none or too many."""
    context = document.need("@context")
    named = context.items() if isinstance(context.value, list) else [context]
    if not any(isinstance(item.value, str) and item.value.startswith(CONTEXT) for item in named):
        raise context.fail(f"want the EPCIS context {CONTEXT}…")
    kind, version = document.need("type"), document.need("schemaVersion")
    if kind.text() != "EPCISDocument":
        raise kind.fail(f"got {kind.text()[:40]!r}, want EPCISDocument")
    if version.text().partition(".")[0] != "2":
        raise version.fail(f"got {version.text()[:20]!r}, want 2.0")
    document.need("creationDate").time_ms()
    listed = document.need("epcisBody").need("eventList")
    events = listed.items()
    if not 1 <= len(events) <= EVENTS_MAX:
        raise listed.fail(f"got {len(events)} events, want 1 to {EVENTS_MAX}")
    return events


def roles_of(document: Node) -> dict[str, str]:
    """Role of each location in the document's master data: vocabulary elements with a `coldchain:role` attribute."""
    found: dict[str, str] = {}
    header = document.maybe("epcisHeader")
    master = header.maybe("epcisMasterData") if header else None
    for vocabulary in master.need("vocabularyList").items() if master else []:
        for element in vocabulary.need("vocabularyElementList").items():
            for attribute in element.need("attributes").items():
                if attribute.need("id").text() == "coldchain:role":
                    found[element.need("id").text()] = attribute.need("attribute").text()
    return found


def time_of(node: Node) -> int:
    """When the event happened, in Unix milliseconds."""
    node.need("eventTimeZoneOffset").offset()
    return node.need("eventTime").time_ms()
