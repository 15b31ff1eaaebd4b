"""Strategies for the checked identifiers of `plugin_api.ids`, by the name behind `is_`; none of them is anybody's on purpose."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hnnode.plugin_api import ids

_DIGITS = "0123456789"
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _some(alphabet: str, count: int, count_max: int | None = None) -> SearchStrategy[str]:
    return st.text(alphabet, min_size=count, max_size=count_max or count)


def _joined(*parts: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def _checked(body: SearchStrategy[str], check: Callable[[str], str]) -> SearchStrategy[str]:
    return body.map(lambda text: text + check(text))


_REGION = _joined(st.sampled_from(sorted(ids.PROVINCES)), _some(_DIGITS, 4))
_DATE = st.dates().filter(lambda day: 1900 <= day.year <= 2099).map(lambda day: f"{day:%Y%m%d}")
_YEAR = st.integers(1950, 2099).map(str)
_GTIN = st.sampled_from((7, 11, 12, 13)).flatmap(lambda count: _some(_DIGITS, count))
_CODE = _checked(_some(_USCC, 8), ids.organisation_check_character)
_ORGANISATION = _checked(_some(_LETTERS, 8), ids.organisation_check_character)
_CREDIT = _checked(_joined(_some(_USCC, 2), _some(_DIGITS, 6), _CODE), ids.uscc_check_character)
_FIXTURE = st.one_of(st.just("W00000000"), _joined(st.sampled_from("FLQ"), _some(_DIGITS, 8)))


def _licence() -> SearchStrategy[str]:
    parts = st.tuples(_joined(_CREDIT, _some(_LETTERS, 3)), _CREDIT, _some(_LETTERS, 1, 12), _some(_DIGITS, 3))
    return parts.map(lambda each: f"{'.'.join(each)}.{ids.mod_37_36_check_character(''.join(each))}")


IDENTIFIERS: dict[str, SearchStrategy[str]] = {
    "citizen_number": _checked(_joined(_REGION, _DATE, _some(_DIGITS, 3)), ids.citizen_check_character),
    "degree_number": _joined(_some(_DIGITS, 5), st.sampled_from("234"), _YEAR, _some(_DIGITS, 6)),
    "diploma_number": _joined(
        _some(_DIGITS, 5),
        st.sampled_from("1567"),
        _YEAR,
        st.sampled_from(("01", "02", "04", "05", "06")),
        _some(_DIGITS, 6),
    ),
    "drug_code": _checked(_joined(st.just("869"), _some(_DIGITS, 10)), ids.gtin_check_digit),
    "drug_trace_code": _some(_DIGITS, 20),
    "estate_unit": _joined(
        _REGION, _some(_DIGITS, 6), st.sampled_from("GJZ"), st.sampled_from("ABSXCDEFHGWY"), _some(_DIGITS, 5), _FIXTURE
    ),
    "gln": _checked(_some(_DIGITS, 12), ids.gtin_check_digit),
    "gtin": _checked(_GTIN, ids.gtin_check_digit),
    "licence_id": _licence(),
    "organisation_code": _ORGANISATION,
    "project_code": st.tuples(
        st.integers(2000, 2099).map(str), _REGION, _some(_DIGITS, 2), _some(_DIGITS, 2), _some(_DIGITS, 6)
    ).map("-".join),
    "region": _REGION,
    "sscc": _checked(_some(_DIGITS, 17), ids.gtin_check_digit),
    "uscc": _CREDIT,
}
CHECKS: dict[str, Callable[[str], bool]] = {scheme: getattr(ids, f"is_{scheme}") for scheme in IDENTIFIERS}


def near_identifier(scheme: str) -> SearchStrategy[str]:
    """Texts that differ from an identifier in a character or two and that its check refuses."""
    return IDENTIFIERS[scheme].flatmap(bent_text).filter(lambda text: not CHECKS[scheme](text))


def bent_text(text: str) -> SearchStrategy[str]:
    """One character more, less, other or elsewhere; a newline at the end; a long tail."""
    character = st.sampled_from("0aZ-/ \n\x00é０中")
    place = st.integers(0, max(0, len(text) - 1))
    return st.one_of(
        st.tuples(place, character).map(lambda at: text[: at[0]] + at[1] + text[at[0] + 1 :]),
        st.tuples(place, character).map(lambda at: text[: at[0]] + at[1] + text[at[0] :]),
        place.map(lambda at: text[:at] + text[at + 1 :]),
        place.map(lambda at: text[:at] + text[at : at + 2][::-1] + text[at + 2 :]),
        st.sampled_from([text + "\n", " " + text, text.lower(), text.upper(), text * 40]),
    )
