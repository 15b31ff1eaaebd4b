"""Working time on chain: which days are worked is state, and a working day has fixed sessions.

    block time → local day and minute → sessions of working days → deadlines and elapsed working time, in milliseconds

A year without an entry is worked from Monday to Friday. An entry says where the year departs from that, as the yearly
notice on public holidays does: weekdays that are free, weekend days that are worked. Local time is UTC+8 all year.

    prefix ‖ year2       366 bits, bit n = day n of the year (from 0) is worked

Invariants:
1. `add(start, between(start, end))` is never after `end`, and equal to it inside a session or at its end.
2. `between` is additive: a stretch of time is the sum of its parts.
3. A day that has begun never changes, so what has elapsed stays what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnnode.plugin_api.context import Context, Reader
from hnnode.plugin_api.model import ModelError

DAY_MS = 86_400_000
MINUTE_MS = 60_000
OFFSET_MS = 8 * 3_600_000
YEAR_MIN, YEAR_MAX = 1970, 2999
SPAN_DAYS_MAX = 1_500
"""Days one call walks at most; longer stretches are refused by `span`."""

OFFICE_HOURS = ((510, 720), (840, 1050))
"""08:30–12:00 and 14:00–17:30: two half days of three and a half hours."""

_YEAR_BYTES = 46
_COMMON = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """Rule ids of the application. `day`: an entry names a day that the year does not have, or that is free or worked
    anyway; `past`: an entry changes a day that has begun; `span`: a stretch of time beyond what one call may walk.
    """

    day: str
    past: str
    span: str


class WorkCalendar:
    """The calendar under `prefix`. `sessions`: (from, to) in minutes of the local day, ascending."""

    __slots__ = ("_prefix", "_sessions", "day_work_ms", "half_day_ms", "rules")

    def __init__(self, prefix: bytes, rules: CalendarRules, sessions: Sequence[tuple[int, int]] = OFFICE_HOURS) -> None:
        ends = [minute for session in sessions for minute in session]
        if not ends or ends != sorted(set(ends)) or ends[0] < 0 or ends[-1] > 1440:
            raise ModelError("calendar: sessions are ascending and within a day")
        self._prefix = prefix
        self._sessions = tuple((low * MINUTE_MS, high * MINUTE_MS) for low, high in sessions)
        self.rules = rules
        self.day_work_ms = sum(high - low for low, high in self._sessions)
        """Working time of one day."""
        self.half_day_ms = self.day_work_ms // 2

    def key(self, time_ms: int) -> bytes:
        """Key of the year that a time falls in, for key functions."""
        return self._year_key(year_of(day_of(time_ms)))

    def is_worked(self, reader: Reader, day: int) -> bool:
        """Whether a local day, counted from 1970-01-01, is worked."""
        year = year_of(day)
        return bool(self._worked(reader, year) >> (day - first_day(year)) & 1)

    def year(self, reader: Reader, year: int) -> tuple[list[int], list[int]]:
        """(free weekdays, worked weekend days) of a year, as days of the year from 1."""
        worked = self._worked(reader, year)
        usual = _usual(year)
        days = range(first_day(year + 1) - first_day(year))
        free = [n + 1 for n in days if usual >> n & 1 and not worked >> n & 1]
        extra = [n + 1 for n in days if worked >> n & 1 and not usual >> n & 1]
        return free, extra

    def set_year(self, tx: Context, year: int, free: Sequence[int], worked: Sequence[int]) -> None:
        """Enter where a year departs from Monday to Friday; takes the place of an entry before.

        Args:
            free, worked: days of the year, from 1. Who may call this is the action's role.
        """
        count = first_day(year + 1) - first_day(year)
        bits = usual = _usual(year)
        for day in free:
            tx.require(self.rules.day, 1 <= day <= count and bits >> (day - 1) & 1 == 1)
            bits ^= 1 << (day - 1)
        for day in worked:
            tx.require(self.rules.day, 1 <= day <= count and usual >> (day - 1) & 1 == 0 and bits >> (day - 1) & 1 == 0)
            bits ^= 1 << (day - 1)
        begun = min(max(day_of(tx.block_time_ms) + 1 - first_day(year), 0), count)
        changed = bits ^ self._worked(tx, year)
        tx.require(self.rules.past, changed & ((1 << begun) - 1) == 0)
        tx.put(self._year_key(year), bits.to_bytes(_YEAR_BYTES, "big"))

    def add(self, tx: Context, start_ms: int, work_ms: int) -> int:
        """The first moment at which `work_ms` of working time have passed since `start_ms`."""
        day = day_of(start_ms)
        left, since = work_ms, start_ms + OFFSET_MS - day * DAY_MS
        if left <= 0:
            return start_ms
        year = year_of(day)
        first, after, worked = first_day(year), first_day(year + 1), self._worked(tx, year)
        for _ in range(SPAN_DAYS_MAX):
            if worked >> (day - first) & 1:
                for low, high in self._sessions:
                    room = high - max(low, since)
                    if room >= left:
                        return day * DAY_MS - OFFSET_MS + high - room + left
                    if room > 0:
                        left -= room
            day, since = day + 1, 0
            if day == after:
                year += 1
                first, after, worked = after, first_day(year + 1), self._worked(tx, year)
        tx.fail(self.rules.span)
        return 0  # not reached: `fail` ends the transaction

    def between(self, tx: Context, start_ms: int, end_ms: int, most_ms: int) -> int:
        """Working time from `start_ms` to `end_ms`, at most `most_ms`: nothing beyond it is looked at."""
        day, last = day_of(start_ms), day_of(end_ms)
        since, total = start_ms + OFFSET_MS - day * DAY_MS, 0
        year = year_of(day)
        first, after, worked = first_day(year), first_day(year + 1), self._worked(tx, year)
        for _ in range(SPAN_DAYS_MAX):
            until = DAY_MS if day < last else end_ms + OFFSET_MS - day * DAY_MS
            if worked >> (day - first) & 1:
                for low, high in self._sessions:
                    total += max(0, min(high, until) - max(low, since))
            if day >= last or total >= most_ms:
                return min(total, most_ms)
            day, since = day + 1, 0
            if day == after:
                year += 1
                first, after, worked = after, first_day(year + 1), self._worked(tx, year)
        tx.fail(self.rules.span)
        return 0  # not reached: `fail` ends the transaction

    def _worked(self, reader: Reader, year: int) -> int:
        value = reader.get(self._year_key(year))
        return _usual(year) if value is None else int.from_bytes(value, "big")

    def _year_key(self, year: int) -> bytes:
        return self._prefix + year.to_bytes(2, "big")


def day_of(time_ms: int) -> int:
    """Local day of a time in Unix milliseconds, counted from 1970-01-01."""
    return (time_ms + OFFSET_MS) // DAY_MS


def year_of(day: int) -> int:
    """Year of a day counted from 1970-01-01."""
    year = 1970 + day * 400 // 146_097
    return year - 1 if day < first_day(year) else year + 1 if day >= first_day(year + 1) else year


def first_day(year: int) -> int:
    """The first of January, counted from 1970-01-01."""
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400 - 719_162


def day_of_year(year: int, month: int, day: int) -> int:
    """Day of the year from 1, of a date that exists."""
    leap = month > 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _COMMON[month - 1] + leap + day


def _usual(year: int) -> int:
    """Monday to Friday of a year, bit n = day n from 0. 1970-01-01 was a Thursday."""
    first = first_day(year)
    count, weekday = first_day(year + 1) - first, (first + 3) % 7
    week = 0b0011111
    pattern = (week >> weekday | week << (7 - weekday)) & 0x7F
    return pattern * _EVERY_SEVENTH & ((1 << count) - 1)


_EVERY_SEVENTH = sum(1 << (7 * n) for n in range(53))
