"""EPCIS 2.0 JSON-LD import: events of a document become actions ready to sign.

    document → checked events → (role, party, action, payload) in the order of event time

| event | bizStep | action | from the event |
|---|---|---|---|
| ObjectEvent ADD | creating_class_instance | pre_declare | lot, quantity, destination = station, origin, uscc,
declaration | | ObjectEvent | arriving | arrive | quantity, city |
| ObjectEvent | inspecting, sampling | test | disposition conformant / non_conformant, report |
| ObjectEvent | coldchain:disinfecting | disinfect | certificate |
| ObjectEvent | commissioning | assign_code | code |
| ObjectEvent | coldchain:releasing | release | destination = consignee, certificate |
| ObjectEvent | storing, stocking | stock_in | city |
| ObjectEvent | shipping | ship_out | destination = receiver, carrier, minutes |
| ObjectEvent | receiving | confirm_in | city |
| ObjectEvent | void_shipping | take_back | city |
| ObjectEvent | retail_selling | sell | quantity |
| ObjectEvent | destroying | dispose | certificate |
| ObjectEvent | holding | freeze; recall with disposition recalled | reason, document |
| TransformationEvent | any | split (1 → n), merge (n → 1) | quantities and codes; the difference is the loss |
| any with sensorElementList | also sensor_reporting | commit_temperatures | temperature reports |

The event's party is its bizLocation, else its readPoint. Master data of the document may give each party its role
(`coldchain:role`); otherwise the action's usual role is assumed. Fields that EPCIS has no word for carry the prefix
`coldchain:`. Readings are committed after the event's own action, by the same party, who then has the goods; before
it when the action ends the batch. An AggregationEvent changes nothing that the chain keeps, so it counts for its
readings only. Known business steps outside the table are skipped and listed; unknown ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hn_coldchain import models
from hn_coldchain.epcis_document import events_of, roles_of, time_of
from hn_coldchain.epcis_reader import EpcisError, Node, lot, read_document, word
from hn_coldchain.epcis_sensors import Root, Segment, segment

PROBLEMS_MAX = 50
ACCOUNT = "urn:hnnode:account:"
"""Prefix of a party that is named by its account at once."""

_UNITS = {"KGM": 3, "GRM": 0, "TNE": 6}
_SKIPPED_STEPS = frozenset(
    (
        "accepting",
        "assembling",
        "collecting",
        "consigning",
        "cycle_counting",
        "decommissioning",
        "departing",
        "disassembling",
        "dispensing",
        "encoding",
        "entering_exiting",
        "installing",
        "killing",
        "loading",
        "other",
        "packing",
        "picking",
        "removing",
        "repackaging",
        "repairing",
        "replacing",
        "reserving",
        "sensor_reporting",
        "staging_outbound",
        "stock_taking",
        "transporting",
        "unloading",
        "unpacking",
    )
)
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction to sign. `party` is the location or party of the event; its account needs `role`."""

    role: str
    party: str
    action: str
    payload: bytes
    pointer: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Import:
    """`skipped`: (pointer, reason) of events without an action. `leaves`: readings by the hexadecimal root they were
    committed under.
    """

    calls: list[Call]
    skipped: list[tuple[str, str]]
    leaves: dict[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class _People:
    """Accounts by party or role, and what the document's master data says of the parties' roles."""

    accounts: Mapping[str, str]
    roles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Event:
    node: Node
    time_ms: int
    step: str
    disposition: str
    people: _People

    def extension(self, name: str) -> Any:
        """A `coldchain:` member: text as it is, a number as an integer, None when absent."""
        found = self.node.maybe(f"coldchain:{name}")
        if found is None:
            return None
        return found.value if type(found.value) is str else found.scaled(0)

    def party(self) -> str:
        for name in ("bizLocation", "readPoint"):
            if found := self.node.maybe(name):
                return found.need("id").text()
        return ""

    def account(self, node: Node) -> str:
        text = node.text()
        if text.startswith(ACCOUNT):
            return text.removeprefix(ACCOUNT)
        found = self.people.accounts.get(text) or self.people.accounts.get(self.people.roles.get(text, ""))
        if found is None:
            raise node.fail(f"no account is given for party {text[:80]!r}")
        return found

    def destination(self) -> str:
        """Account of the one possessing party that the goods go to."""
        targets = self.node.need("destinationList")
        found = [
            item.need("destination")
            for item in targets.items()
            if word(item.need("type").text(), "SDT") == "possessing_party"
        ]
        if len(found) != 1:
            raise targets.fail(f"got {len(found)} possessing parties, want 1")
        return self.account(found[0])

    def carrier(self) -> str | None:
        found = self.node.maybe("coldchain:carrier")
        return self.account(found) if found else None


def import_document(document: bytes, accounts: Mapping[str, str], root: Root) -> Import:
    """Read a document into actions.

    Args:
        document: EPCISDocument as JSON-LD, version 2.0.
        accounts: account (40 hexadecimal digits) of each party that goods are sent to, or of its role;
            `urn:hnnode:account:…` needs none.
        root: block tree root over leaves, `hnnode.plugin_api.hashes.block_root`.
    Raises: EpcisError: every faulty event (at most 50) with its JSON pointer; nothing is imported then.
    """
    whole = read_document(document)
    events = events_of(whole)
    people = _People(accounts, roles_of(whole))
    made = Import([], [], {})
    problems: list[tuple[str, str]] = []
    timed: list[tuple[int, int, Node]] = []
    for place, node in enumerate(events):
        try:
            timed.append((time_of(node), place, node))
        except EpcisError as e:
            problems += e.problems
    for time_ms, _, node in sorted(timed, key=lambda item: item[:2]):
        try:
            _import_event(node, time_ms, people, root, made)
        except EpcisError as e:
            problems += e.problems
        if len(problems) >= PROBLEMS_MAX:
            break
    if problems:
        raise EpcisError(problems[:PROBLEMS_MAX])
    return made


def _import_event(node: Node, time_ms: int, people: _People, root: Root, made: Import) -> None:
    kind = node.need("type").text()
    if node.maybe("errorDeclaration"):
        raise node.fail("an error declaration cannot be imported: the chain is corrected by a new action")
    step = node.maybe("bizStep")
    disposition = node.maybe("disposition")
    event = _Event(
        node,
        time_ms,
        word(step.text(), "BizStep") if step else "",
        word(disposition.text(), "Disp") if disposition else "",
        people,
    )
    if kind == "ObjectEvent":
        calls, batches = _object_event(event)
    elif kind == "TransformationEvent":
        calls, batches = [_transformation(event)], _lots(node.need("inputQuantityList"))
    elif kind in ("AggregationEvent", "AssociationEvent", "TransactionEvent"):
        listed = node.maybe("childQuantityList") or node.maybe("quantityList")
        calls, batches = [], _lots(listed) if listed else []
    else:
        raise node.need("type").fail(f"got {kind[:40]!r}, want an EPCIS event type")
    readings = segment(node, time_ms, root)
    measured = [_temperatures(event, name, readings) for name, _, _ in batches] if readings else []
    if readings:
        made.leaves[readings.root.hex()] = readings.leaves
    if not calls and not measured:
        made.skipped.append((node.pointer, f"{kind} {event.step} changes nothing that the chain keeps"))
    ends = kind == "TransformationEvent" or event.step in ("retail_selling", "destroying")
    made.calls.extend(measured + calls if ends else calls + measured)


_Lot = tuple[str, str, Node]
"""(batch id, GTIN, quantity element)"""


def _lots(listed: Node) -> list[_Lot]:
    found = []
    for item in listed.items():
        gtin, name = lot(item.need("epcClass"))
        found.append((name, gtin, item))
    if not found:
        raise listed.fail("want at least one quantity element")
    return found


def _grams(item: Node) -> int:
    uom = item.need("uom")
    decimals = _UNITS.get(uom.text())
    if decimals is None:
        raise uom.fail(f"got {uom.text()[:20]!r}, want KGM, GRM or TNE")
    return item.need("quantity").scaled(decimals)


def _call(event: _Event, role: str, action: str, model: type[models.Payload], at: Node, fields: dict[str, Any]) -> Call:
    """Check the fields against the action's model; absent ones are left out, so that a missing one is named."""
    try:
        payload = msgspec.convert({name: value for name, value in fields.items() if value is not None}, model)
    except msgspec.ValidationError as e:
        raise at.fail(f"{action}: {e}") from e
    party = event.party()
    return Call(event.people.roles.get(party, role), party, action, _encode(payload), at.pointer, event.time_ms)


def _temperatures(event: _Event, name: str, readings: Segment) -> Call:
    role = {
        "creating_class_instance": "importer",
        "sensor_reporting": "carrier" if event.disposition == "in_transit" else "warehouse",
        "retail_selling": "retailer",
    }.get(event.step, _STATION_STEPS.get(event.step, "warehouse"))
    fields = {
        "batch": name,
        "root": readings.root.hex(),
        "count": readings.count,
        "min": readings.low_decidegrees,
        "max": readings.high_decidegrees,
        "from_ms": readings.from_ms,
        "to_ms": readings.to_ms,
    }
    return _call(event, role, "commit_temperatures", models.CommitTemperatures, event.node, fields)


_STATION_STEPS = dict.fromkeys(
    ("arriving", "inspecting", "sampling", "coldchain:disinfecting", "commissioning", "coldchain:releasing"),
    "first_station",
)

_Fields = Callable[[_Event, _Lot], dict[str, Any]]


def _declared(event: _Event, entry: _Lot) -> dict[str, Any]:
    _, gtin, item = entry
    master = event.node.need("ilmd")
    return {
        "station": event.destination(),
        "uscc": event.extension("uscc"),
        "gtin": gtin,
        "country": master.need("cbvmda:countryOfOrigin").text(),
        "grams": _grams(item),
        "declaration": event.extension("declaration"),
        "band": event.extension("band"),
    }


def _tested(event: _Event, _: _Lot) -> dict[str, Any]:
    if event.disposition not in ("conformant", "non_conformant"):
        raise event.node.fail(f"disposition: got {event.disposition[:40]!r}, want conformant or non_conformant")
    return {"passed": event.disposition == "conformant", "report": event.extension("report")}


def _shipped(event: _Event, _: _Lot) -> dict[str, Any]:
    return {"to": event.destination(), "carrier": event.carrier(), "minutes": event.extension("minutes")}


def _city(event: _Event, _: _Lot) -> dict[str, Any]:
    return {"city": event.extension("city")}


def _certified(event: _Event, _: _Lot) -> dict[str, Any]:
    return {"certificate": event.extension("certificate")}


def _held(event: _Event, _: _Lot) -> dict[str, Any]:
    return {"reason": event.extension("reason"), "document": event.extension("document")}


_STEPS: dict[str, tuple[str, str, type[models.Payload], _Fields]] = {
    "creating_class_instance": ("importer", "pre_declare", models.PreDeclare, _declared),
    "arriving": ("first_station", "arrive", models.Arrive, lambda e, b: {"grams": _grams(b[2]), **_city(e, b)}),
    "inspecting": ("first_station", "test", models.RecordTest, _tested),
    "sampling": ("first_station", "test", models.RecordTest, _tested),
    "coldchain:disinfecting": ("first_station", "disinfect", models.Disinfect, _certified),
    "commissioning": ("first_station", "assign_code", models.AssignCode, lambda e, _: {"code": e.extension("code")}),
    "coldchain:releasing": (
        "first_station",
        "release",
        models.Release,
        lambda e, b: {"consignee": e.destination(), **_certified(e, b)},
    ),
    "storing": ("warehouse", "stock_in", models.StockIn, _city),
    "stocking": ("retailer", "stock_in", models.StockIn, _city),
    "shipping": ("warehouse", "ship_out", models.ShipOut, _shipped),
    "receiving": ("warehouse", "confirm_in", models.ConfirmIn, _city),
    "void_shipping": ("warehouse", "take_back", models.TakeBack, _city),
    "retail_selling": ("retailer", "sell", models.Sell, lambda _, b: {"grams": _grams(b[2])}),
    "destroying": ("warehouse", "dispose", models.Dispose, _certified),
    "holding": ("regulator", "freeze", models.Freeze, _held),
}


def _object_event(event: _Event) -> tuple[list[Call], list[_Lot]]:
    node = event.node
    action = node.need("action")
    if action.text() not in ("ADD", "OBSERVE", "DELETE"):
        raise action.fail(f"got {action.text()[:20]!r}, want ADD, OBSERVE or DELETE")
    entry = _STEPS.get(event.step)
    if entry is None:
        if event.step and event.step not in _SKIPPED_STEPS:
            raise node.need("bizStep").fail(f"unknown business step {event.step[:40]!r}")
        listed = node.maybe("quantityList")
        return [], _lots(listed) if listed else []
    role, name, model, fields = entry
    if event.step == "creating_class_instance" and action.text() != "ADD":
        raise action.fail(f"got {action.text()}, want ADD: the lot begins here")
    if event.step == "holding" and event.disposition == "recalled":
        name, model = "recall", models.Recall
    batches = _lots(node.need("quantityList"))
    if name == "assign_code" and len(batches) != 1:
        raise node.need("quantityList").fail(f"got {len(batches)} lots, want 1: a trace code belongs to one")
    calls = [_call(event, role, name, model, item[2], {"batch": item[0], **fields(event, item)}) for item in batches]
    return calls, batches


def _transformation(event: _Event) -> Call:
    node = event.node
    inputs, outputs = _lots(node.need("inputQuantityList")), _lots(node.need("outputQuantityList"))
    loss = sum(_grams(item) for _, _, item in inputs) - sum(_grams(item) for _, _, item in outputs)
    if loss < 0:
        raise node.need("outputQuantityList").fail(f"{-loss} grams more come out than go in")
    if len({gtin for _, gtin, _ in inputs + outputs}) != 1:
        raise node.fail("a split or merge keeps the product: every lot needs the same GTIN")
    if len(inputs) == 1:
        made = [
            {"batch": name, "code": item.need("coldchain:code").text(), "grams": _grams(item)}
            for name, _, item in outputs
        ]
        split = {"batch": inputs[0][0], "outputs": made, "loss_grams": loss}
        return _call(event, "warehouse", "split", models.Split, node, split)
    if len(outputs) != 1:
        raise node.fail(f"got {len(inputs)} lots in and {len(outputs)} out, want one on either side")
    name, _, item = outputs[0]
    code = item.need("coldchain:code").text()
    merged = {"inputs": [lot_in for lot_in, _, _ in inputs], "batch": name, "code": code, "loss_grams": loss}
    return _call(event, "warehouse", "merge", models.Merge, node, merged)
