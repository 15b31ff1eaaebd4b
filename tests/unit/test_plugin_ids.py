"""Identifier checks against public examples and against what one wrong character does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnnode.plugin_api import ids

USCC = "11430000006122244L"
GTIN = "6924561884074"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CITIZEN = "11010519491231002X"  # the worked example of GB 11643


def test_known_identifiers_pass() -> None:
    assert ids.is_uscc(USCC)
    assert ids.is_gtin(GTIN)
    assert ids.is_gtin("86904879000126")
    assert ids.is_citizen_number(CITIZEN)


@given(st.integers(0, 17), st.sampled_from(ALPHABET))
def test_uscc_catches_every_single_error(place: int, char: str) -> None:
    changed = USCC[:place] + char + USCC[place + 1 :]
    assert ids.is_uscc(changed) == (changed == USCC)


@given(st.integers(0, 16))
def test_uscc_catches_adjacent_swaps(place: int) -> None:
    swapped = USCC[:place] + USCC[place + 1] + USCC[place] + USCC[place + 2 :]
    assert ids.is_uscc(swapped) == (swapped == USCC)


@pytest.mark.parametrize("bad", ["", USCC[:-1], USCC + "0", USCC.lower(), "I" + USCC[1:], "１" + USCC[1:]])
def test_uscc_refuses_other_shapes(bad: str) -> None:
    assert not ids.is_uscc(bad)


@given(st.integers(0, 12), st.integers(0, 9))
def test_gtin_catches_every_single_error(place: int, digit: int) -> None:
    changed = GTIN[:place] + str(digit) + GTIN[place + 1 :]
    assert ids.is_gtin(changed) == (changed == GTIN)


@pytest.mark.parametrize("bad", ["", "123", "692456188407X", "６924561884074", GTIN + "0"])
def test_gtin_refuses_other_shapes(bad: str) -> None:
    assert not ids.is_gtin(bad)


@pytest.mark.parametrize(
    "bad",
    ["110105194913310021", "11010519490230002X", "110105190002290020", CITIZEN[:-1] + "1", CITIZEN[:-1], "1" * 18],
)
def test_citizen_number_needs_a_real_date_and_its_check(bad: str) -> None:
    assert not ids.is_citizen_number(bad)


@pytest.mark.parametrize(
    "text",
    [
        CITIZEN,
        CITIZEN.lower(),
        f"BATCH-{CITIZEN}",
        "13812345678",
        "TEL13812345678",
        "8613812345678",
        "a+8619912345678-b",
    ],
)
def test_looks_personal_finds_numbers_of_people(text: str) -> None:
    assert ids.looks_personal(text)


@pytest.mark.parametrize("text", ["", "HN20240001", "138123456789", "12812345678", GTIN, "9" * 18, USCC, f"1{CITIZEN}"])
def test_looks_personal_lets_codes_of_goods_through(text: str) -> None:
    assert not ids.looks_personal(text)


def test_ascii_upper_touches_only_ascii() -> None:
    assert ids.ascii_upper("abzAZ09-é中ßı") == "ABZAZ09-é中ßı"
