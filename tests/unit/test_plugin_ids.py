"""Identifiers against public examples, and against what one wrong character does where the scheme promises to see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.plugin_api import ids
from hnnode.plugin_api.ids import Fault

USCC = "11430000006122244L"
GTIN = "6924561884074"
DRUG = "86904879000126"
TRACE = "83857930000879766660"
LICENCE = "11100000000013338W011.11430000006122244L.20230000403.001.U"
ESTATE = "410105001001GB00001F00010001"
PROJECT = "2101-410100-04-01-123456"
DIPLOMA = "104591201905001234"
DEGREE = "1045942019001234"
CITIZEN = "11010519491231002X"  # the worked example of GB 11643
DIGITS = "0123456789"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Check = Callable[[str], bool]
SCHEMES: dict[str, tuple[str, Check, Callable[[str], Any]]] = {
    "uscc": (USCC, ids.is_uscc, ids.parse_uscc),
    "organisation": ("000013338", ids.is_organisation_code, ids.parse_organisation_code),
    "citizen": (CITIZEN, ids.is_citizen_number, ids.parse_citizen_number),
    "gtin": (GTIN, ids.is_gtin, ids.parse_gtin),
    "sscc": ("106141411234567897", ids.is_sscc, ids.parse_sscc),
    "drug": (DRUG, ids.is_drug_code, ids.parse_drug_code),
    "trace": (TRACE, ids.is_drug_trace_code, ids.parse_drug_trace_code),
    "licence": (LICENCE, ids.is_licence_id, ids.parse_licence_id),
    "estate": (ESTATE, ids.is_estate_unit, ids.parse_estate_unit),
    "project": (PROJECT, ids.is_project_code, ids.parse_project_code),
    "diploma": (DIPLOMA, ids.is_diploma_number, ids.parse_diploma_number),
    "degree": (DEGREE, ids.is_degree_number, ids.parse_degree_number),
    "region": ("410105", ids.is_region, ids.parse_region),
}
schemes = pytest.mark.parametrize(("valid", "check", "parse"), SCHEMES.values(), ids=SCHEMES)


@schemes
def test_public_samples_pass_and_parse(valid: str, check: Check, parse: Callable[[str], Any]) -> None:
    assert check(valid)
    assert parse(valid) == parse(valid)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (ids.is_uscc, "11100000000013338W"),
        (ids.is_organisation_code, "00612224-4"),
        (ids.is_gtin, DRUG),
        (ids.is_gtin, "96385074"),
        (ids.is_gtin, "614141000036"),
        (ids.is_gln, "9506000134352"),
        (ids.is_licence_id, "1.2.156.3005.2." + LICENCE),
        (ids.is_estate_unit, "110108002004GB00001W00000000"),
        (ids.is_citizen_number, CITIZEN.lower()),
        (ids.is_project_code, "2017-410000-65-03-012345"),
    ],
)
def test_other_public_samples_pass(check: Check, text: str) -> None:
    assert check(text)


@schemes
@given(text=st.text(st.sampled_from("019AXWZ.-x１ \n中"), max_size=30))
def test_whatever_the_text_both_answers_agree(valid: str, check: Check, parse: Callable[[str], Any], text: str) -> None:
    for tried in (text, text + valid, valid + text, valid[:10] + text + valid[10 + len(text) :]):
        try:
            parse(tried)
            parsed = True
        except ids.IdentifierError as e:
            parsed = False
            shown = e.text_zh + str(e)
        assert check(tried) == parsed
        assert parsed or len(tried) < 10 or tried not in shown


@schemes
@pytest.mark.parametrize("bad", ["", "1", "１２３"])
def test_other_shapes_are_refused(valid: str, check: Check, parse: Callable[[str], Any], bad: str) -> None:
    for text in (bad, valid[:-1], valid + "0", valid + "\n", " " + valid):
        assert not check(text)


@pytest.mark.parametrize(
    ("name", "alphabet"),
    [
        ("uscc", USCC_ALPHABET),
        ("citizen", DIGITS),
        ("gtin", DIGITS),
        ("sscc", DIGITS),
        ("drug", DIGITS),
        ("organisation", DIGITS),
        ("licence", LETTERS),
    ],
)
@given(data=st.data())
def test_every_single_wrong_character_is_caught(name: str, alphabet: str, data: st.DataObject) -> None:
    valid, check, _ = SCHEMES[name]
    place = data.draw(st.integers(0, len(valid) - 1))
    char = data.draw(st.sampled_from(alphabet))
    if valid[place] == ".":
        return
    changed = valid[:place] + char + valid[place + 1 :]
    assert check(changed) == (changed == valid)


@given(st.integers(0, 16))
def test_swaps_of_neighbours_are_caught(place: int) -> None:
    for valid, check in ((USCC, ids.is_uscc), (CITIZEN, ids.is_citizen_number)):
        swapped = valid[:place] + valid[place + 1] + valid[place] + valid[place + 2 :]
        assert check(swapped) == (swapped == valid)


@given(st.text(DIGITS, min_size=17, max_size=17))
def test_check_characters_fit_their_checks(body: str) -> None:
    made = body[:6] + "20000229" + body[14:]
    assert ids.is_citizen_number(made + ids.citizen_check_character(made))
    for length in (7, 11, 12, 13):
        assert ids.is_gtin(body[:length] + ids.gtin_check_digit(body[:length]))
    organisation = body[:8] + ids.organisation_check_character(body[:8])
    assert ids.is_organisation_code(organisation)
    code = "9141" + body[:4] + organisation
    assert ids.is_uscc(code + ids.uscc_check_character(code))


def test_an_uscc_with_a_wrong_organisation_code_inside_is_refused() -> None:
    body = USCC[:16] + str(9 - int(USCC[16]))
    with pytest.raises(ids.IdentifierError) as failed:
        ids.parse_uscc(body + ids.uscc_check_character(body))
    assert failed.value.fault is Fault.CHECK


def test_the_parts_of_each_scheme() -> None:
    uscc = ids.parse_uscc(USCC)
    assert (uscc.department, uscc.kind, uscc.region, uscc.organisation) == ("1", "1", "430000", "006122244")
    assert ids.parse_organisation_code(uscc.organisation).printed == "00612224-4"
    person = ids.parse_citizen_number(CITIZEN.lower())
    assert (person.number, person.year, person.month, person.day) == (CITIZEN, 1949, 12, 31)
    assert not person.is_male
    assert repr(person) == "CitizenNumber(110105***********X)"
    assert ids.parse_gtin("96385074").gtin14 == "00000096385074"
    assert ids.parse_gtin(GTIN).is_from_china
    assert ids.parse_drug_code(DRUG) == ids.DrugCode(DRUG, "04879", "00012")
    assert ids.parse_drug_trace_code(TRACE).product == "8385793"
    unit = ids.parse_estate_unit(ESTATE)
    assert (unit.region, unit.ownership, unit.parcel_kind, unit.parcel_serial) == ("410105", "G", "B", "00001")
    assert (unit.parcel, unit.fixture) == ("410105001001GB00001", "F")
    assert unit.printed == "410105 001001 GB00001 F00010001"
    licence = ids.parse_licence_id(ids.licence.ROOT + LICENCE)
    assert (licence.type, licence.issuer, licence.version) == ("11100000000013338W011", USCC, "001")
    assert licence.full == ids.licence.ROOT + licence.code
    assert ids.parse_project_code(PROJECT).region == "410100"
    assert ids.parse_diploma_number(DIPLOMA) == ids.DiplomaNumber(DIPLOMA, "10459", "1", 2019, "05", "001234")
    assert ids.parse_degree_number(DEGREE) == ids.DegreeNumber(DEGREE, "10459", "4", 2019, "001234")
    region = ids.parse_region("410105")
    assert (region.province, region.city, region.province_zh) == ("410000", "410100", "河南省")


@pytest.mark.parametrize(
    ("parse", "text", "fault"),
    [
        (ids.parse_uscc, USCC.lower(), Fault.CHARACTER),
        (ids.parse_uscc, "I" + USCC[1:], Fault.CHARACTER),
        (ids.parse_uscc, USCC[:2] + "A" + USCC[3:], Fault.FIELD),
        (ids.parse_citizen_number, "110105194913310021", Fault.DATE),
        (ids.parse_citizen_number, "11010519490230002X", Fault.DATE),
        (ids.parse_citizen_number, "110105190002290020", Fault.DATE),
        (ids.parse_citizen_number, CITIZEN[:-1] + "1", Fault.CHECK),
        (ids.parse_gtin, "123", Fault.LENGTH),
        (ids.parse_gtin, "692456188407X", Fault.CHARACTER),
        (ids.parse_drug_code, "0" + GTIN, Fault.FIELD),
        (ids.parse_estate_unit, ESTATE[:19] + "W00000001", Fault.FIELD),
        (ids.parse_estate_unit, ESTATE[:12] + "GI" + ESTATE[14:], Fault.FIELD),
        (ids.parse_estate_unit, "99" + ESTATE[2:], Fault.FIELD),
        (ids.parse_estate_unit, ESTATE.lower(), Fault.CHARACTER),
        (ids.parse_licence_id, LICENCE[:-1] + "V", Fault.CHECK),
        (ids.parse_licence_id, LICENCE.replace(".001.", ".1."), Fault.LENGTH),
        (ids.parse_licence_id, LICENCE.replace("L", "l"), Fault.CHARACTER),
        (ids.parse_project_code, "2113-410100-04-01-123456", Fault.FIELD),
        (ids.parse_project_code, "2101-990100-04-01-123456", Fault.FIELD),
        (ids.parse_project_code, PROJECT.replace("-", "_"), Fault.CHARACTER),
        (ids.parse_diploma_number, "104592201905001234", Fault.FIELD),
        (ids.parse_diploma_number, "104591201903001234", Fault.FIELD),
        (ids.parse_degree_number, "1045992019001234", Fault.FIELD),
        (ids.parse_region, "990000", Fault.FIELD),
    ],
)
def test_the_fault_is_named(parse: Callable[[str], Any], text: str, fault: Fault) -> None:
    with pytest.raises(ids.IdentifierError) as failed:
        parse(text)
    assert failed.value.fault is fault


def test_a_licence_with_a_wrong_issuer_inside_is_refused() -> None:
    body = "11100000000013338W011" + USCC[:-1] + "M" + "1" + "001"
    check = ids.mod_37_36_check_character(body)
    with pytest.raises(ids.IdentifierError) as failed:
        ids.parse_licence_id(f"11100000000013338W011.{USCC[:-1]}M.1.001.{check}")
    assert failed.value.fault is Fault.FIELD


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (CITIZEN, "citizen_number"),
        (CITIZEN.lower(), "citizen_number"),
        (f"BATCH-{CITIZEN}", "citizen_number"),
        ("１１０１０５１９４９１２３１００２Ｘ", "citizen_number"),
        ("13812345678", "mobile"),
        ("TEL13812345678", "mobile"),
        ("8613812345678", "mobile"),
        ("a+8619912345678-b", "mobile"),
        ("电话138 1234 5678", "mobile"),
        ("138-1234-5678", "mobile"),
        ("１３８１２３４５６７８", "mobile"),
        ("6222020200112231", None),
        ("6222021234567890128", "bank_card"),
        ("4111111111111111", "bank_card"),
        ("card 4111 1111 1111 1111.", "bank_card"),
        ("4111-1111-1111-1111", "bank_card"),
        ("378282246310005", "bank_card"),
        ("3782 822463 10005", "bank_card"),
        ("4111111111111112", None),
        ("1111111111111117", None),
    ],
)
def test_numbers_of_people_are_found(text: str, kind: str | None) -> None:
    assert ids.find_personal(text) == kind
    assert ids.looks_personal(text) == (kind is not None)


def test_a_number_of_a_person_alone() -> None:
    assert ids.is_mobile("13812345678")
    assert not ids.is_mobile("8613812345678")
    assert ids.is_bank_card("4111111111111111")
    assert not ids.is_bank_card("4111 1111 1111 1111")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HN20240001",
        "138123456789",
        "12812345678",
        GTIN,
        DRUG,
        TRACE,
        ESTATE,
        LICENCE,
        PROJECT,
        DIPLOMA,
        DEGREE,
        "106141411234567897",
        "9" * 18,
        USCC,
        f"1{CITIZEN}",
        "2026-11-22 05:14:28",
    ],
)
def test_codes_of_goods_and_papers_are_not_personal(text: str) -> None:
    assert not ids.looks_personal(text)


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text: str) -> None:
    assert ids.looks_personal(text) == (ids.find_personal(text) is not None)


def test_ascii_helpers_touch_only_ascii() -> None:
    assert ids.ascii_upper("abzAZ09-é中ßı") == "ABZAZ09-é中ßı"
    assert ids.half_width("ＡＢ１２　－é中") == "AB12 -é中"
    assert not ids.is_digits("１２")
    assert not ids.is_digits("")
