"""A year of a schedule, minute by minute, against the occurrences one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.schedule import cron, year

START, END = datetime(year.YEAR, 1, 1, tzinfo=UTC), datetime(year.YEAR + 1, 1, 1, tzinfo=UTC)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Africa/Cairo",  # at midnight
    "America/Havana",  # at midnight, back to the day before
    "Africa/Casablanca",  # twice around Ramadan
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """One field with few values, so that a year of them can be listed."""
    one = st.integers(low, high).map(str)
    return st.one_of(one, st.lists(one, min_size=1, max_size=3).map(",".join))


times = st.one_of(
    st.tuples(field(0, 59), field(0, 23)),
    st.tuples(st.sampled_from(["*/30", "*/20"]), field(0, 4)),
    st.tuples(field(0, 59), st.sampled_from(["*/6", "*", "0-3"])),
)
days = st.sampled_from(
    [
        "* * *",
        "* * MON",
        "* * SUN",
        "1 * *",
        "L * *",
        "LW * *",
        "29 2 *",
        "* 3,10 *",
        "1-7 * */7",
        "13 * FRI",
        "* * 7L",
        "* * 1#2",
    ]
)
crons = st.tuples(times, days).map(lambda parts: f"{parts[0][0]} {parts[0][1]} {parts[1]}")


@lru_cache
def listed(expression: str, zone: str) -> list[int]:
    """The minutes of the year at which it fires, one by one."""
    found, after = [], START - timedelta(minutes=1)
    while True:
        some = cron.upcoming(expression, zone, after, 2_000)
        found += [int((at - START).total_seconds()) // 60 for at in some if at < END]
        if len(some) < 2_000 or some[-1] >= END:
            return found
        after = some[-1]


def unpacked(expression: str, zone: str) -> Iterator[int]:
    for at, bits in year.minutes(expression, zone).items():
        assert 0 <= at < 1440
        assert 0 < bits < 1 << 366
        yield from (day * 1440 + at for day in range(366) if bits >> day & 1)


def peak(minutes: list[int]) -> int:
    most, first = 0, 0
    for index, minute in enumerate(minutes):
        while minute - minutes[first] >= 1440:
            first += 1
        most = max(most, index - first + 1)
    return most


@given(crons, st.sampled_from(ZONES))
@settings(max_examples=25, deadline=None)
def test_a_year_is_the_sum_of_its_occurrences(expression: str, zone: str) -> None:
    assert sorted(unpacked(expression, zone)) == listed(expression, zone)
    assert year.busiest(expression, zone) == peak(listed(expression, zone))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Africa/Casablanca"])
def test_every_minute_is_every_minute(zone: str) -> None:
    assert year.minutes("* * * * *", zone) == dict.fromkeys(range(1440), (1 << 366) - 1)
    assert year.busiest("* * * * *", zone) == 1440


@pytest.mark.parametrize(
    ("expression", "zone", "most"),
    [
        ("0 6 * * *", "UTC", 1),
        ("0 6 * * *", "Europe/Berlin", 2),  # 23 hours apart in spring
        ("0 6 * * 1", "Europe/Berlin", 1),  # the clocks change on Sundays
        ("*/30 2 * * *", "Europe/Berlin", 4),  # the hour that autumn repeats
        ("30 2 * * *", "Europe/Berlin", 2),  # at the end of the gap
        ("0 * * * *", "Europe/Berlin", 24),
        ("0 0 29 2 *", "UTC", 1),
    ],
)
def test_the_busiest_day_knows_of_clock_changes(expression: str, zone: str, most: int) -> None:
    assert year.busiest(expression, zone) == most


def test_the_same_minute_in_two_zones() -> None:
    berlin, utc = year.minutes("0 6 * * *", "Europe/Berlin"), year.minutes("0 5 * * *", "UTC")
    assert berlin.keys() == {4 * 60, 5 * 60}
    assert utc.keys() == {5 * 60}
    assert berlin[5 * 60] & utc[5 * 60]
    assert berlin[4 * 60] & berlin[5 * 60] == 0


def test_minutes_count_from_the_years_first() -> None:
    assert [year.instant(minute) for minute in (0, 366 * 1440)] == [START, END]


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("30 2 * * *", "Europe/Berlin"),
        ("15,45 2 26 3 *", "Europe/Berlin"),
        ("0 0 * * *", "Africa/Cairo"),
        ("15 2 * * *", "Australia/Lord_Howe"),
    ],
)
def test_a_time_that_a_clock_change_skips_fires_when_the_clock_has_changed(expression: str, zone: str) -> None:
    assert sorted(unpacked(expression, zone)) == listed(expression, zone)
