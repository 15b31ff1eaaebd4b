"""`std.calendar` against a twin that walks minute by minute through Python's own dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.plugin_api import ModelError
from hnnode.plugin_api.std import calendar
from hnnode.plugin_api.std.calendar import CalendarRules, WorkCalendar, day_of, day_of_year, first_day, year_of
from tests.kit.std_probe import Probe

RULES = CalendarRules("probe.day", "probe.past", "probe.span")
EPOCH = date(1970, 1, 1)
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SPRING_2026 = [day_of_year(2026, 2, day) for day in (16, 17, 18, 19, 20, 23)]
WORKED_2026 = [day_of_year(2026, 2, day) for day in (14, 28)]


def local(text: str) -> int:
    """Unix milliseconds of a local time."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=8)
    return int(at.timestamp() * 1000)


def open_calendar() -> tuple[Probe, WorkCalendar, bytes]:
    probe, kept = Probe(), WorkCalendar(b"n", RULES)
    probe.chain.time_ms = local("2026-01-05T09:00") - probe.chain.block_ms
    governor = probe.account("governor")
    assert probe.do(governor, lambda tx: kept.set_year(tx, 2026, SPRING_2026, WORKED_2026)) == ""
    return probe, kept, governor


PROBE, KEPT, GOVERNOR = open_calendar()


def ask(run: Any) -> Any:
    assert PROBE.do(GOVERNOR, run) == ""
    return PROBE.answer


def works(day: date) -> bool:
    if day.year == 2026 and day.timetuple().tm_yday in SPRING_2026:
        return False
    return day.weekday() < 5 or (day.year == 2026 and day.timetuple().tm_yday in WORKED_2026)


def naive_between(start: int, end: int) -> int:
    """Milliseconds of working time, minute by minute."""
    total, at = 0, start
    while at < end:
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=at, hours=8)
        after = min(end, at - at % MINUTE_MS + MINUTE_MS)
        minute = moment.hour * 60 + moment.minute
        if works(moment.date()) and (510 <= minute < 720 or 840 <= minute < 1050):
            total += after - at
        at = after
    return total


TIMES = st.integers(local("2026-02-10T00:00"), local("2026-03-05T00:00"))


@settings(max_examples=40, deadline=None)
@given(TIMES, st.integers(0, 4 * 86_400_000), st.integers(0, 86_400_000))
def test_elapsed_time_is_that_of_the_twin_and_additive(start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    most = 10**12
    one, two, whole = ask(
        lambda tx: [KEPT.between(tx, *span, most) for span in ((start, middle), (middle, end), (start, end))]
    )
    assert one == naive_between(start, middle)
    assert one + two == whole
    assert ask(lambda tx: KEPT.between(tx, start, end, 60_000)) == min(whole, 60_000)


@settings(max_examples=60, deadline=None)
@given(TIMES, st.integers(1, 5 * 25_200_000))
def test_a_deadline_is_the_first_moment_at_which_the_work_is_done(start: int, work: int) -> None:
    end = ask(lambda tx: KEPT.add(tx, start, work))
    assert naive_between(start, end) == work
    assert naive_between(start, end - 1) == work - 1
    done = ask(lambda tx: KEPT.between(tx, start, end, 10**12))
    assert done == work
    again = ask(lambda tx: KEPT.add(tx, start, done))
    assert again == end


def test_a_half_day_over_lunch_weekend_and_holiday() -> None:
    assert KEPT.half_day_ms == 3.5 * HOUR_MS
    for start, end in (
        ("2026-01-06T08:30", "2026-01-06T12:00"),
        ("2026-01-06T11:00", "2026-01-06T16:30"),
        ("2026-01-06T13:00", "2026-01-06T17:30"),
        ("2026-01-09T16:30", "2026-01-12T11:00"),  # Friday to Monday
        ("2026-02-13T17:00", "2026-02-14T11:30"),  # a worked Saturday
        ("2026-02-14T15:00", "2026-02-24T09:30"),  # over the Spring Festival
        ("2026-12-31T17:00", "2027-01-01T11:30"),  # into a year without an entry
    ):
        assert ask(lambda tx, at=start: KEPT.add(tx, local(at), KEPT.half_day_ms)) == local(end), start
    assert ask(lambda tx: KEPT.add(tx, local("2026-01-06T03:00"), 0)) == local("2026-01-06T03:00")


@given(st.dates(date(1970, 1, 1), date(2999, 12, 31)))
def test_dates_are_those_of_python(day: date) -> None:
    number = (day - EPOCH).days
    assert year_of(number) == day.year
    assert number == first_day(day.year) + day_of_year(day.year, day.month, day.day) - 1
    assert day_of(number * 86_400_000 - 8 * HOUR_MS) == number


@given(st.integers(1970, 2998))
def test_a_year_without_entry_is_worked_monday_to_friday(year: int) -> None:
    free, worked = KEPT.year(Probe().view(), year)
    assert (free, worked) == ([], [])
    bits = calendar._usual(year)
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    assert [bits >> n & 1 == 1 for n in range(days)] == [
        (date(year, 1, 1) + timedelta(days=n)).weekday() < 5 for n in range(days)
    ]


def test_an_entry_is_read_back_and_replaced_but_never_for_a_day_that_has_begun() -> None:
    probe, kept, governor = open_calendar()
    assert kept.year(probe.view(), 2026) == (SPRING_2026, WORKED_2026)
    today = day_of_year(2026, 1, 5)
    for free, worked, rule in (
        ([today + 1], [], ""),
        (SPRING_2026, WORKED_2026, ""),
        ([today], [], "past"),
        ([today - 3], [], "past"),
        ([366], [], "day"),
        ([0], [], "day"),
        ([day_of_year(2026, 2, 14)], [], "day"),  # free anyway
        ([today + 1, today + 1], [], "day"),
        ([], [today + 1], "day"),  # worked anyway
        ([], [day_of_year(2026, 2, 14)] * 2, "day"),
    ):
        got = probe.do(governor, lambda tx, f=free, w=worked: kept.set_year(tx, 2026, f, w))
        assert got == rule, (free, worked)
    assert probe.do(governor, lambda tx: kept.set_year(tx, 2025, [300], [])) == "past"
    assert probe.do(governor, lambda tx: kept.set_year(tx, 2028, [366], [])) == "day"  # a Sunday
    assert probe.do(governor, lambda tx: kept.set_year(tx, 2027, [365], [])) == ""


def test_walks_are_bounded() -> None:
    start = local("2026-01-06T09:00")
    long = 4_000 * KEPT.day_work_ms
    assert PROBE.do(GOVERNOR, lambda tx: KEPT.add(tx, start, long)) == "span"
    late = start + 2_000 * 86_400_000
    assert PROBE.do(GOVERNOR, lambda tx: KEPT.between(tx, start, late, 10**12)) == "span"
    assert ask(lambda tx: KEPT.between(tx, start, late, 5 * KEPT.day_work_ms)) == 5 * KEPT.day_work_ms


@pytest.mark.parametrize("sessions", [(), ((600, 500),), ((500, 600), (590, 700)), ((0, 1441),)])
def test_sessions_ascend_within_a_day(sessions: Any) -> None:
    with pytest.raises(ModelError):
        WorkCalendar(b"n", RULES, sessions)
