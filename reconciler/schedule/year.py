"""What a schedule does in one leap year: the same answer on every day, for whoever has no clock.

2028 stands for any year: it has every date, and each day of the month falls on many days of the week.
Occurrences are those of `cron`, counted in whole minutes from the year's first in UTC, and never listed one by one:
a year of some schedules has half a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, reduce
from operator import or_
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.schedule.cron import is_fixed, segments

YEAR: Final = 2028

_START: Final = datetime(YEAR, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = 1440
_MARGIN: Final = 3
_DATES: Final = tuple(date(YEAR, 1, 1) + timedelta(days=number) for number in range(-_MARGIN, 366 + _MARGIN))
"""The year's dates and a few more on each side, for those who are ahead of UTC or behind."""
_ALL: Final = (1 << 366) - 1
_FULL: Final = (1 << _DAY) - 1


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The local times of a schedule: on each of these days (bits, as in `_DATES`) at each of these minutes.

    `times` are the minutes as bits, `fixed` whether each happens once whatever the clock does.
    """

    days: int
    minutes: tuple[int, ...]
    times: int
    fixed: bool

    def on(self, day: int) -> bool:
        """Whether a local day of the year, counted from 0, is one of them."""
        return bool(self.days >> (day + _MARGIN) & 1)


@lru_cache(maxsize=128)  # one of many times a day takes a hundred kilobytes
def minutes(cron: str, timezone: str) -> Mapping[int, int]:
    """Return when a schedule that `cron.check` finds no fault with fires in the year 2028.

    Maps minutes of the day to days of the year, both in UTC and counted from 0; the days are the bits of a number.
    """
    pattern = _pattern(cron)
    changes = _changes(timezone)
    found: dict[int, int] = {}
    for begin, end, offset, before in changes:
        start = begin + max(0, before - offset) if pattern.fixed else begin  # the repeated times happened before it
        for minute in pattern.minutes:
            shift, at = divmod(minute - offset, _DAY)
            days = pattern.days << shift if shift > 0 else pattern.days >> -shift
            inside = (1 << -((at - end) // _DAY)) - (1 << -((at - start) // _DAY))  # rounded up
            if days := days >> _MARGIN & inside:
                found[at] = found.get(at, 0) | days
        if pattern.fixed and any(_skipped(pattern, begin + before, begin + offset)):
            day, at = divmod(begin, _DAY)
            found[at] = found.get(at, 0) | 1 << day
    return MappingProxyType(found)


@lru_cache(maxsize=4096)
def busiest(cron: str, timezone: str) -> int:
    """Return the most occurrences in any 24 hours of 2028, of a schedule that `cron.check` finds no fault with.

    A clock change can put one more into them than a day has: 6:00 comes 23 hours after 6:00.
    """
    pattern = _pattern(cron)
    most = len(pattern.minutes) if pattern.days >> _MARGIN & _ALL else 0
    for begin, _, offset, before in _changes(timezone):
        if offset != before:
            most = max(most, _around(pattern, begin, offset, before))
    return most


def instant(minute: int) -> datetime:
    """Return a minute of the year 2028, counted from 0, in UTC."""
    return _START + minute * _MINUTE


def _around(pattern: _Pattern, change: int, offset: int, before: int) -> int:
    """The most occurrences in any 24 hours with a clock change inside."""
    earlier = _shown(pattern, change + before - _DAY)
    later = _shown(pattern, change + offset)
    if pattern.fixed:
        later = later >> max(0, before - offset) << max(0, before - offset)
        later |= any(_skipped(pattern, change + before, change + offset))
    # Minute by minute, the window loses one of the day before the change and gains one of the day behind it.
    most = inside = earlier.bit_count()
    for minute in _places(earlier ^ later):
        inside += 1 if later >> minute & 1 else -1
        most = max(most, inside)
    return most


def _shown(pattern: _Pattern, start: int) -> int:
    """The occurrences in 24 hours of a clock on the wall, as bits, from a local minute of the year on."""
    day, minute = divmod(start, _DAY)
    shown = (pattern.times if pattern.on(day) else 0) | (pattern.times << _DAY if pattern.on(day + 1) else 0)
    return shown >> minute & _FULL


def _skipped(pattern: _Pattern, begin: int, end: int) -> Iterator[bool]:
    """Whether a schedule has local times from `begin` up to `end`, which no clock shows."""
    for minute in pattern.minutes if begin < end else ():
        day = -((minute - begin) // _DAY)
        yield day * _DAY + minute < end and pattern.on(day)


def _places(bits: int) -> Iterator[int]:
    """The positions of the bits that are set, in order."""
    text = format(bits, "b")[::-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)


@lru_cache(maxsize=1024)
def _changes(timezone: str) -> tuple[tuple[int, int, int, int], ...]:
    """The year in pieces of one offset: begin, end (not included), offset and the offset before it, in minutes."""
    found: list[tuple[int, int, int, int]] = []
    for begin, end, shift in segments(ZoneInfo(timezone), YEAR):
        offset = shift // _MINUTE
        before = found[-1][2] if found else offset
        found.append(((begin - _START) // _MINUTE, (end - _START) // _MINUTE, offset, before))
    return tuple(found)


@lru_cache(maxsize=256)
def _pattern(cron: str) -> _Pattern:
    parsed = CronSim(cron, _START)
    months, dates = _union(map(_of_month, parsed.months)), _union(map(_of_date, parsed.days))
    weekdays = _union(map(_of_weekday, parsed.weekdays))
    days = months & (dates & weekdays if parsed.day_and else dates | weekdays)
    minutes = sorted(hour * 60 + minute for hour in parsed.hours for minute in parsed.minutes)
    return _Pattern(days, tuple(minutes), _union(1 << minute for minute in minutes), is_fixed(cron))


@lru_cache(maxsize=64)
def _of_month(month: int) -> int:
    return _days(lambda day: day.month == month)


@lru_cache(maxsize=64)
def _of_date(item: int) -> int:
    alone = CronSim("0 0 * * *", _START)
    alone.days = {item}
    return _days(alone.match_dom)


@lru_cache(maxsize=64)
def _of_weekday(item: int | tuple[int, int]) -> int:
    alone = CronSim("0 0 * * *", _START)
    alone.weekdays = {item}
    return _days(alone.match_dow)


def _days(matches: Callable[[date], bool]) -> int:
    return sum(1 << number for number, day in enumerate(_DATES) if matches(day))


def _union(sets: Iterable[int]) -> int:
    return reduce(or_, sets, 0)
