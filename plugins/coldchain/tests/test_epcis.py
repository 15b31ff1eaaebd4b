"""EPCIS import: the sample shipment runs through the chain, numbers stay exact, and bad documents say where and why."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import hn_coldchain
import pytest
from hn_coldchain.epcis import Import, import_document
from hn_coldchain.epcis_reader import EpcisError, Node, Number, lot, scale
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import Rejected

SAMPLE = Path(hn_coldchain.__file__).parent / "samples" / "frozen-shrimp.json"
LOT = "HN2025-SHRIMP-01"
PARTY = "https://id.gs1.org/417/69000010000"
PEOPLE = {"15": "importer", "22": "station", "39": "warehouse", "46": "shop", "53": "shop 2", "60": "carrier"}


def fake_root(leaves: Sequence[bytes]) -> bytes:
    """Stands for the block tree's root where only its being a function of the leaves matters."""
    return hashlib.sha256(b"".join(leaves)).digest()


def parties(accounts: dict[str, bytes] | None = None) -> dict[str, str]:
    known = accounts or {name: hashlib.sha256(name.encode()).digest()[:20] for name in PEOPLE.values()}
    return {PARTY + digits: known[name].hex() for digits, name in PEOPLE.items()}


def sample() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(SAMPLE.read_text("utf-8"))
    return made


def load(document: Any) -> Import:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return import_document(raw, parties(), fake_root)


def test_the_sample_runs_from_declaration_to_sale(world: Any) -> None:
    world.chain.time_ms = 1_750_000_000_000
    accounts = {"shop 2": world.chain.account("shop 2", "retailer")}
    for name in ("importer", "station", "warehouse", "shop", "carrier"):
        accounts[name] = getattr(world, name)
    known = parties(accounts)
    made = import_document(SAMPLE.read_bytes(), known, fake_root)
    assert len(sample()["epcisBody"]["eventList"]) >= 20
    for call in made.calls:
        outcome = world.chain.submit(bytes.fromhex(known[call.party]), call.action, call.payload)
        assert outcome.ok, (call, outcome)
        world.check()
    whole = world.batch(LOT)
    assert (whole["status"], whole["declared_grams"], whole["initial_grams"]) == ("split", 12_000_000, 11_985_500)
    assert (whole["moved_grams"], whole["lost_grams"]) == (11_980_000, 5_500)
    assert (whole["temperature_min"], whole["temperature_max"], whole["segments"]) == (-224, -184, 4)
    assert world.batch(f"{LOT}-A")["status"] == "sold"
    assert world.batch(f"{LOT}-B")["excursions"] == 1  # -17.4 °C on the van
    assert world.batch(f"{LOT}-A")["excursions"] == 0  # -18.05 °C is within
    assert world.batch(f"{LOT}-F")["disposed_grams"] == 2_979_500
    seen = world.query("scan", code="ZLL410100-2025-000002")
    assert [origin["country"] for origin in seen["origins"]] == ["EC"]
    assert [pointer for pointer, _ in made.skipped] == ["/epcisBody/eventList/4", "/epcisBody/eventList/12"]


def test_calls_name_role_party_and_place() -> None:
    made = load(sample())
    by_action = {call.action: call for call in made.calls}
    assert by_action["pre_declare"].role == "importer"
    assert by_action["release"].role == "first_station"
    assert by_action["ship_out"].party == PARTY + "39"
    assert by_action["pre_declare"].pointer == "/epcisBody/eventList/0/quantityList/0"
    times = [call.time_ms for call in made.calls]
    assert times == sorted(times)
    on_the_van = [call for call in made.calls if call.action == "commit_temperatures" and call.role == "carrier"]
    assert [call.party for call in on_the_van] == [PARTY + "60"] * 2
    confirmed = [call.role for call in made.calls if call.action == "confirm_in"]
    assert confirmed == ["retailer"] * 2
    anonymous = sample()
    del anonymous["epcisHeader"]
    assert [call.role for call in load(anonymous).calls if call.action == "confirm_in"] == ["warehouse"] * 2


def test_master_data_names_roles_so_that_one_account_a_role_is_enough(world: Any) -> None:
    world.chain.time_ms = 1_750_000_000_000
    people = {
        "importer": world.importer,
        "first_station": world.station,
        "warehouse": world.warehouse,
        "retailer": world.shop,
        "carrier": world.carrier,
    }
    accounts = {role: account.hex() for role, account in people.items()}
    items = world.host.import_document("coldchain", "epcis", SAMPLE.read_bytes(), accounts)
    assert len(items) >= 20
    for item in items:
        outcome = world.chain.submit(people[item.actor], item.action, item.payload)
        assert outcome.ok, (item, outcome)
    world.check()
    with pytest.raises(Rejected, match="no account"):
        world.host.import_document("coldchain", "epcis", SAMPLE.read_bytes(), {})
    with pytest.raises(Rejected, match="does not read"):
        world.host.import_document("coldchain", "csv", b"", accounts)
    with pytest.raises(Rejected, match="does not read"):
        world.host.import_document("evidence", "epcis", b"", accounts)


def test_readings_are_exact_sorted_and_provable() -> None:
    made = load(sample())
    calls = [json.loads(call.payload) for call in made.calls if call.action == "commit_temperatures"]
    first = calls[0]
    assert (first["min"], first["max"], first["count"]) == (-204, -196, 4)
    leaves = made.leaves[first["root"]]
    assert fake_root(leaves).hex() == first["root"]
    assert int.from_bytes(leaves[1][16:20], "big", signed=True) == -19_850
    extremes = next(call for call in calls if call["count"] == 1)
    assert (extremes["min"], extremes["max"]) == (-224, -199)  # -22.35 and -19.95, rounded outwards
    backwards = sample()
    for event in backwards["epcisBody"]["eventList"]:
        for element in event.get("sensorElementList", []):
            element["sensorReport"].reverse()
    backwards["epcisBody"]["eventList"].reverse()
    again = load(backwards)
    assert again.leaves == made.leaves
    assert [(call.action, call.payload) for call in again.calls] == [(call.action, call.payload) for call in made.calls]


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6), st.integers(0, 6))
def test_scale_is_exact_or_none(number: Decimal, decimals: int) -> None:
    text = format(number, "f")
    want = number * 10**decimals
    assert scale(text, decimals) == (int(want) if want == int(want) else None)


@pytest.mark.parametrize(
    ("text", "decimals", "want"),
    [
        ("0", 3, 0),
        ("-0.0", 3, 0),
        ("1e3", 0, 1_000),
        ("1.5E+3", 0, 1_500),
        ("25e-1", 1, 25),
        ("25e-2", 1, None),
        ("0.1", 0, None),
        ("1e19", 0, None),
        ("1e9999", 0, None),
        ("01", 0, None),
        ("1.", 0, None),
        ("+1", 0, None),
        ("١", 0, None),
        ("9" * 41, 0, None),
    ],
)
def test_scale_of_odd_numbers(text: str, decimals: int, want: int | None) -> None:
    assert scale(text, decimals) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("urn:epc:class:lgtin:6900001.012345.LOT-1", "06900001123453"),
        ("https://id.gs1.org/01/06900001123453/10/LOT-1", "06900001123453"),
        ("https://example.com/01/6900001123453/10/LOT-1", "06900001123453"),
    ],
)
def test_lots_by_urn_and_by_link(text: str, want: str) -> None:
    assert lot(Node(text, "")) == (want, "LOT-1")


@pytest.mark.parametrize("zone", ["2025-03-01T09:30:00+08:00", "2025-03-01T01:30:00Z", "2025-02-28T20:00:00.000-05:30"])
def test_times_are_one_moment_in_every_zone(zone: str) -> None:
    assert Node(zone, "").time_ms() == 1_740_792_600_000


def test_vocabulary_words_may_be_urns_and_addresses() -> None:
    plain, long = sample(), sample()
    for event in long["epcisBody"]["eventList"]:
        if "bizStep" in event and ":" not in event["bizStep"]:
            event["bizStep"] = f"https://ref.gs1.org/cbv/BizStep-{event['bizStep']}"
        if "disposition" in event:
            event["disposition"] = f"urn:epcglobal:cbv:disp:{event['disposition']}"
    assert load(long).calls == load(plain).calls


def test_a_hold_may_be_a_freeze_or_a_recall() -> None:
    for disposition, action in (("on_hold", "freeze"), ("recalled", "recall")):
        document = sample()
        event = copy.deepcopy(document["epcisBody"]["eventList"][2])
        event |= {"bizStep": "holding", "disposition": disposition}
        event |= {"coldchain:reason": "complaint", "coldchain:document": "ab" * 32}
        document["epcisBody"]["eventList"] = [event]
        assert [call.action for call in load(document).calls] == [action]


def event(document: Any, place: int) -> Any:
    return document["epcisBody"]["eventList"][place]


def put(place: int, *path: Any, value: Any = None, drop: bool = False) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        at = event(document, place)
        for step in path[:-1]:
            at = at[step]
        if drop:
            del at[path[-1]]
        else:
            at[path[-1]] = value

    return change


def top(name: str, value: Any) -> Callable[[Any], None]:
    return lambda document: document.__setitem__(name, value)


REPORT = ("sensorElementList", 0, "sensorReport", 0)
BAD: list[tuple[Callable[[Any], None], str, str]] = [
    (top("type", "EPCISQueryDocument"), "/type", "want EPCISDocument"),
    (top("schemaVersion", "1.2"), "/schemaVersion", "want 2.0"),
    (top("@context", "https://schema.org/"), "/@context", "EPCIS context"),
    (top("creationDate", "yesterday"), "/creationDate", "date and time"),
    (top("epcisHeader", {"epcisMasterData": {}}), "/epcisHeader/epcisMasterData", "vocabularyList is missing"),
    (top("epcisBody", []), "/epcisBody", "want an object"),
    (top("epcisBody", {"eventList": []}), "/epcisBody/eventList", "got 0 events"),
    (top("epcisBody", {"eventList": {}}), "/epcisBody/eventList", "want a list"),
    (put(1, "eventTime", drop=True), "/epcisBody/eventList/1", "eventTime is missing"),
    (put(1, "eventTime", value="2025-02-30T00:00:00Z"), "/epcisBody/eventList/1/eventTime", "day"),
    (put(1, "eventTime", value="2025-03-01T00:00:00"), "/epcisBody/eventList/1/eventTime", "offset"),
    (put(1, "eventTime", value="1969-12-31T23:59:59Z"), "/epcisBody/eventList/1/eventTime", "1970"),
    (put(1, "eventTimeZoneOffset", value="Beijing"), "/epcisBody/eventList/1/eventTimeZoneOffset", "offset"),
    (put(1, "type", value="MagicEvent"), "/epcisBody/eventList/1/type", "event type"),
    (put(1, "action", value="GUESS"), "/epcisBody/eventList/1/action", "ADD"),
    (put(0, "action", value="OBSERVE"), "/epcisBody/eventList/0/action", "want ADD"),
    (put(1, "bizStep", value="teleporting"), "/epcisBody/eventList/1/bizStep", "unknown business step"),
    (put(2, "disposition", value="fine"), "/epcisBody/eventList/2", "conformant"),
    (put(1, "quantityList", value=[]), "/epcisBody/eventList/1/quantityList", "at least one"),
    (put(1, "quantityList", 0, "uom", value="LBR"), "/epcisBody/eventList/1/quantityList/0/uom", "KGM"),
    (put(1, "quantityList", 0, "quantity", value=0.0001), "/epcisBody/eventList/1/quantityList/0/quantity", "decimals"),
    (
        put(1, "quantityList", 0, "quantity", value="12"),
        "/epcisBody/eventList/1/quantityList/0/quantity",
        "want a number",
    ),
    (put(1, "quantityList", 0, "quantity", value=-5), "/epcisBody/eventList/1/quantityList/0", "arrive"),
    (
        put(1, "quantityList", 0, "epcClass", value="urn:epc:id:sgtin:1"),
        "/epcisBody/eventList/1/quantityList/0/epcClass",
        "lgtin",
    ),
    (
        put(1, "quantityList", 0, "epcClass", value="https://id.gs1.org/01/06900001123458/10/A"),
        "/epcisBody/eventList/1/quantityList/0/epcClass",
        "valid GTIN",
    ),
    (put(0, "ilmd", drop=True), "/epcisBody/eventList/0", "ilmd is missing"),
    (put(0, "coldchain:uscc", drop=True), "/epcisBody/eventList/0/quantityList/0", "uscc"),
    (put(0, "coldchain:declaration", value="secret"), "/epcisBody/eventList/0/quantityList/0", "declaration"),
    (put(0, "destinationList", value=[]), "/epcisBody/eventList/0/destinationList", "possessing"),
    (
        put(0, "destinationList", 0, "destination", value="https://id.gs1.org/417/1"),
        "/epcisBody/eventList/0/destinationList/0/destination",
        "no account",
    ),
    (put(1, "coldchain:city", value="Zhengzhou"), "/epcisBody/eventList/1/quantityList/0", "city"),
    (put(1, "coldchain:city", value=None), "/epcisBody/eventList/1/coldchain:city", "got null"),
    (
        put(5, "quantityList", value=[{"epcClass": "urn:epc:class:lgtin:6900001.012345.LOT-11"}] * 2),
        "/epcisBody/eventList/5/quantityList",
        "1",
    ),
    (
        put(1, *REPORT, "value", value=-20.0004),
        "/epcisBody/eventList/1/sensorElementList/0/sensorReport/0/value",
        "decimals",
    ),
    (
        put(1, *REPORT, "value", value="cold"),
        "/epcisBody/eventList/1/sensorElementList/0/sensorReport/0/value",
        "number",
    ),
    (put(1, *REPORT, "value", value=-274), "/epcisBody/eventList/1/sensorElementList/0/sensorReport/0/value", "-200"),
    (put(1, *REPORT, "value", drop=True), "/epcisBody/eventList/1/sensorElementList/0/sensorReport/0", "minValue"),
    (put(1, *REPORT, "uom", value="FAH"), "/epcisBody/eventList/1/sensorElementList/0/sensorReport/0/uom", "CEL"),
    (put(1, *REPORT, "minValue", value=5), "/epcisBody/eventList/1", "minValue"),
    (put(9, *REPORT, "minValue", value=-1), "/epcisBody/eventList/9/sensorElementList/0/sensorReport/0", "above"),
    (
        put(9, "sensorElementList", 0, "sensorMetadata", "endTime", value="2025-03-04T00:00:00Z"),
        "/epcisBody/eventList/9/sensorElementList/0/sensorMetadata",
        "before",
    ),
    (
        put(1, "sensorElementList", 0, "sensorReport", drop=True),
        "/epcisBody/eventList/1/sensorElementList/0",
        "sensorReport",
    ),
    (
        put(10, "outputQuantityList", 0, "quantity", value=9_000),
        "/epcisBody/eventList/10/outputQuantityList",
        "more come out",
    ),
    (
        put(10, "outputQuantityList", 0, "coldchain:code", drop=True),
        "/epcisBody/eventList/10/outputQuantityList/0",
        "code",
    ),
    (
        put(10, "outputQuantityList", 0, "epcClass", value="urn:epc:class:lgtin:6900001.012346.LOT-9"),
        "/epcisBody/eventList/10",
        "same GTIN",
    ),
    (put(11, "coldchain:minutes", value=0.5), "/epcisBody/eventList/11/coldchain:minutes", "decimals"),
    (put(11, "coldchain:carrier", value="nobody"), "/epcisBody/eventList/11/coldchain:carrier", "no account"),
    (put(1, "errorDeclaration", value={}), "/epcisBody/eventList/1", "error declaration"),
    (put(1, "bizLocation", value="here"), "/epcisBody/eventList/1/bizLocation", "want an object"),
]


@pytest.mark.parametrize(("change", "pointer", "text"), BAD, ids=[f"{i}-{b[2]}" for i, b in enumerate(BAD)])
def test_a_bad_document_says_where_and_why(change: Callable[[Any], None], pointer: str, text: str) -> None:
    document = sample()
    change(document)
    with pytest.raises(EpcisError) as caught:
        load(document)
    assert any(where.startswith(pointer) and text in why for where, why in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "not JSON at line 1, column 1"),
        (b"{", "not JSON at line 1, column 2"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b"[" * 100 + b"]" * 100, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b"[]", "want an object"),
        (b"7", "want an object"),
        (b" " * (16 * 1024 * 1024 + 1), "at most"),
    ],
)
def test_what_is_no_document_at_all(raw: bytes, text: str) -> None:
    with pytest.raises(EpcisError, match=text):
        load(raw)


def test_all_faulty_events_are_named_up_to_a_bound() -> None:
    document = sample()
    for place in (1, 3, 7):
        event(document, place)["quantityList"] = []
    with pytest.raises(EpcisError) as caught:
        load(document)
    assert [where.split("/")[3] for where, _ in caught.value.problems] == ["1", "3", "7"]
    document["epcisBody"]["eventList"] = [{"type": "ObjectEvent"}] * 200
    with pytest.raises(EpcisError) as caught:
        load(document)
    assert len(caught.value.problems) == 50


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "eventTime", "quantityList", "epcClass", "sensorElementList", "bizStep", "action", "x/y~z"]
                ),
                x,
                max_size=4,
            )
        ),
    )
)
def test_no_event_raises_anything_else(value: Any) -> None:
    document = sample()
    event(document, 1).update(value if isinstance(value, dict) else {"quantityList": value})
    with contextlib.suppress(EpcisError):
        load(document)


def test_numbers_are_not_text() -> None:
    with pytest.raises(EpcisError, match="want text"):
        Node(Number("5"), "").text()
