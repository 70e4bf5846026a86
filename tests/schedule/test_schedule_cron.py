"""Occurrences: none lost, none twice, and a clock change never makes a difference to that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.schedule import cron

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight
    "Africa/Cairo",  # at midnight
    "America/Havana",  # at midnight, back to the day before
    "Pacific/Apia",  # a whole day was left out in 2011
    "Africa/Casablanca",  # twice around Ramadan
    "Asia/Kathmandu",
)
CRONS = (
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0 2,3 * * *",
    "15,45 0-4 * * *",
    "*/20 2 * * *",
    "0 */2 * * *",
    "59 23 * * SUN",
    "0 0 * * *",
    "5 0 1 * *",
    "0 6 * * 1-5",
    "0 9 L * *",
    "*/5 0 * * 7L",
    "0 12 1 JAN *",
    "30 1 15 * MON",
    "0 0 29 2 *",
)

# Days around changes of many zones, and any others.
CHANGES = (
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2024, 3, 31, 1, tzinfo=UTC),
    datetime(2024, 10, 27, 1, tzinfo=UTC),
    datetime(2024, 11, 3, 6, tzinfo=UTC),
    datetime(2025, 4, 5, 15, tzinfo=UTC),
    datetime(2025, 4, 6, 3, tzinfo=UTC),
    datetime(2025, 9, 7, 4, tzinfo=UTC),
    datetime(2025, 10, 4, 15, 30, tzinfo=UTC),
    datetime(2025, 10, 30, 21, tzinfo=UTC),
    datetime(2025, 11, 2, 5, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
)
crons = st.sampled_from(CRONS)
zones = st.sampled_from(ZONES)
instants = st.one_of(
    st.builds(
        lambda at, seconds: at + timedelta(seconds=seconds), st.sampled_from(CHANGES), st.integers(-200_000, 200_000)
    ),
    st.builds(lambda days: CHANGES[0] + timedelta(hours=days), st.integers(0, 170_000)),
)
steps = st.lists(st.integers(0, 86_400), min_size=1, max_size=4)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def between(expression: str, zone: str, since: datetime, until: datetime) -> list[datetime]:
    count = 2
    while (found := cron.upcoming(expression, zone, since, count))[-1] <= until:
        count *= 4
    return [moment for moment in found if moment <= until]


@given(crons, zones, instants, steps)
def test_over_any_ticks_nothing_is_lost_or_run_twice(
    expression: str, zone: str, start: datetime, gaps: list[int]
) -> None:
    ran: list[str] = []
    passed_over: list[int] = []
    handled, now = start, start
    for gap in gaps:
        now += timedelta(seconds=gap)
        found = cron.due(expression, zone, handled, now)
        if found.occurrence is not None:
            ran.append(found.occurrence)
            passed_over.append(found.missed)
            handled = at(found.occurrence)
    every = [text(moment) for moment in between(expression, zone, start, now)]
    assert ran == sorted(set(ran))
    assert set(ran) <= set(every)
    assert ran[-1:] == every[-1:]
    if max(passed_over, default=0) < cron.MISSED_CAP:
        assert len(ran) + sum(passed_over) == len(every)


@given(crons, zones, instants, steps, steps)
def test_both_halves_of_an_interval_make_the_whole(
    expression: str, zone: str, begin: datetime, first: list[int], second: list[int]
) -> None:
    middle = begin + timedelta(seconds=sum(first) % 86_400)
    end = middle + timedelta(seconds=sum(second) % 86_400)
    whole = cron.due(expression, zone, begin, end)
    left, right = cron.due(expression, zone, begin, middle), cron.due(expression, zone, middle, end)
    assert whole.occurrence == (right.occurrence or left.occurrence)
    assert whole.next == right.next
    counted = [found.missed + (found.occurrence is not None) for found in (left, right, whole)]
    if counted[2] < cron.MISSED_CAP:
        assert counted[0] + counted[1] == counted[2]


@given(crons, zones, instants)
def test_occurrences_come_in_order_and_are_the_same_from_everywhere(
    expression: str, zone: str, start: datetime
) -> None:
    found = cron.upcoming(expression, zone, start, 12)
    assert all(one < other for one, other in pairwise(found))
    assert all(moment.tzinfo is UTC and moment > start and moment.second == 0 for moment in found)
    for index, moment in enumerate(found):
        assert cron.upcoming(expression, zone, moment, 12 - index - 1) == found[index + 1 :]
        seen = cron.due(expression, zone, start, moment)
        assert (seen.occurrence, seen.missed) == (text(moment), index)


@given(crons, zones, instants)
def test_what_the_wall_shows_is_what_was_asked(expression: str, zone: str, start: datetime) -> None:
    for moment in cron.upcoming(expression, zone, start, 10):
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        shown = next(CronSim(expression, local - timedelta(minutes=1))) == local
        before = (moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
        gap_ended = before.utcoffset() != moment.astimezone(ZoneInfo(zone)).utcoffset()
        assert shown or gap_ended


@given(crons, instants)
def test_in_utc_it_is_what_cronsim_says(expression: str, start: datetime) -> None:
    simulated = CronSim(expression, start)
    assert cron.upcoming(expression, "UTC", start, 10) == [next(simulated) for _ in range(10)]


@pytest.mark.parametrize(
    ("expression", "since", "expected"),
    [
        # Spring, Berlin: 02:00-03:00 local is left out on 2026-03-29.
        ("30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("15,45 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"]),
        ("30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]),
        ("*/30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"]),
        # Autumn, Berlin: 02:00-03:00 local comes twice on 2026-10-25.
        ("30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ("30 2 * * *", "2026-10-25T01:15:00Z", ["2026-10-26T01:30:00Z"]),
        ("30 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
    ],
)
def test_clock_changes_in_berlin(expression: str, since: str, expected: list[str]) -> None:
    found = cron.upcoming(expression, "Europe/Berlin", at(since), len(expected))
    assert [text(moment) for moment in found] == expected


def test_in_the_second_of_two_equal_hours_the_first_is_still_found() -> None:
    found = cron.due("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00:00Z"), at("2026-10-25T01:10:00Z"))
    assert (found.occurrence, found.missed, found.next) == ("2026-10-25T00:30:00Z", 0, "2026-10-26T01:30:00Z")


def test_due_says_what_passed_what_was_missed_and_what_comes() -> None:
    found = cron.due("0 6 * * MON", "Europe/Berlin", at("2026-11-01T00:00:00Z"), at("2026-11-23T06:00:00Z"))
    assert found.occurrence == "2026-11-23T05:00:00Z"
    assert found.missed == 3
    assert found.next == "2026-11-30T05:00:00Z"


def test_the_interval_is_open_below_and_closed_above() -> None:
    noon = at("2026-11-23T12:00:00Z")
    assert cron.due("0 12 * * *", "UTC", noon, noon + timedelta(hours=1)).occurrence is None
    assert cron.due("0 12 * * *", "UTC", noon - timedelta(hours=1), noon).occurrence == "2026-11-23T12:00:00Z"


def test_a_clock_that_goes_back_makes_nothing_due_and_nothing_come_twice() -> None:
    found = cron.due("0 12 * * *", "UTC", at("2026-11-23T12:00:00Z"), at("2026-11-20T00:00:00Z"))
    assert (found.occurrence, found.missed, found.next) == (None, 0, "2026-11-24T12:00:00Z")


def test_years_of_minutes_are_not_counted_to_the_end() -> None:
    found = cron.due("* * * * *", "Europe/Berlin", at("1990-01-01T00:00:00Z"), at("2026-11-23T06:00:30Z"))
    assert (found.occurrence, found.missed) == ("2026-11-23T06:00:00Z", cron.MISSED_CAP)


@pytest.mark.parametrize(
    "expression", [*CRONS, "0 0 * * mon-fri", "0 0 1 jan,JUL *", "0 0 LW * *", "0 0 * * 1#2", " 0  6\t* * 1 "]
)
def test_good_schedules_have_no_fault(expression: str) -> None:
    assert cron.check(expression, "Europe/Berlin") == ""


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("60 0 * * *", "UTC", "'60' is no minute (0-59) in the cron expression '60 0 * * *'."),
        ("0 24 * * *", "UTC", "'24' is no hour (0-23) in the cron expression '0 24 * * *'."),
        ("0 0 ? * *", "UTC", "'?' is no day of the month (1-31 or L) in the cron expression '0 0 ? * *'."),
        ("0 0 * FOO *", "UTC", "'FOO' is no month (1-12 or JAN-DEC) in the cron expression '0 0 * FOO *'."),
        (
            "0 0 * * FRI-MON",
            "UTC",
            "'FRI-MON' is no day of the week (0-7 or SUN-SAT) in the cron expression '0 0 * * FRI-MON'.",
        ),
        (
            "0 0 * *",
            "UTC",
            "The cron expression '0 0 * *' has 4 fields instead of five: minute, hour, day of the month, month, day of",
        ),
        (
            "0 0 0 * * *",
            "UTC",
            "The cron expression '0 0 0 * * *' has 6 fields instead of five: minute, hour, day of the month, month,",
        ),
        (
            "@daily",
            "UTC",
            "'@daily' is a nickname, which is not supported; write five fields, for example '0 0 * * *'.",
        ),
        ("0," * 200, "UTC", "The cron expression is longer than 200 characters."),
        ("0 0 31 2 *", "UTC", "The cron expression '0 0 31 2 *' never happens in UTC: there is no such day and time."),
        (
            "0 0 */30 * 1#2",
            "UTC",
            "The cron expression '0 0 */30 * 1#2' never happens in UTC: there is no such day and time.",
        ),
        (
            "*/5 2 * 3 7L",  # always the hour that the spring leaves out
            "Europe/Berlin",
            "The cron expression '*/5 2 * 3 7L' never happens in Europe/Berlin: there is no such day and time.",
        ),
        ("0 0 * * *", "Berlin", "'Berlin' is no time zone; did you mean 'Europe/Berlin'?"),
        ("0 0 * * *", "Europe/Berlni", "'Europe/Berlni' is no time zone; did you mean 'Europe/Berlin'?"),
        ("0 0 * * *", "CEST", "'CEST' is no time zone; write a place such as 'Europe/Berlin'."),
        ("0", "UTC", "The cron expression '0' has 1 field instead of five: "),
        ("0 0 * * *", "Europe", "'Europe' is no time zone; "),
        ("0 0 * * *", "", "'' is no time zone; write an IANA name such as 'Europe/Berlin'."),
        ("0 0 * * *", "+02:00", "'+02:00' is no time zone; write an IANA name such as 'Europe/Berlin'."),
        ("0 0 * * *", "../etc/passwd", "'../etc/passwd' is no time zone; write an IANA name such as 'Europe/Berlin'."),
        ("0 0 * * *", "localtime", "'localtime' is no time zone; "),
        ("0 0 * * *", "right/Europe/Berlin", "'right/Europe/Berlin' is no time zone; did you mean 'Europe/Berlin'?"),
    ],
)
def test_faults_say_which_part_is_wrong(expression: str, zone: str, said: str) -> None:
    assert cron.check(expression, zone).startswith(said)


def test_names_of_zones_are_spelled_as_the_zones_are() -> None:
    assert cron.check("0 0 * * *", "EUROPE/BERLIN") == "'EUROPE/BERLIN' is no time zone; did you mean 'Europe/Berlin'?"


def test_what_check_refuses_is_refused_everywhere() -> None:
    with pytest.raises(ValueError, match="'61' is no minute"):
        cron.upcoming("61 * * * *", "UTC", CHANGES[0], 1)
    with pytest.raises(ValueError, match="'Mars/Base' is no time zone"):
        cron.due("1 * * * *", "Mars/Base", CHANGES[0], CHANGES[1])


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789*/,-LW#?MONJA .@"), max_size=30), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_any_text_is_judged(expression: str, zone: str) -> None:
    fault = cron.check(expression, zone)
    assert "\n" not in fault
    if not fault:
        assert len(cron.upcoming(expression, zone, CHANGES[1], 1)) == 1


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["*", "1", "*/7", "5-9", "2,4", "L", "7L", "MON#2", "30", "31/2", "0"]), min_size=5, max_size=5
    )
)
def test_any_fields_are_judged(parts: list[str]) -> None:
    expression = " ".join(parts)
    if not cron.check(expression, "America/New_York"):
        first = cron.upcoming(expression, "America/New_York", CHANGES[1], 2)
        assert cron.due(expression, "America/New_York", CHANGES[1], first[-1]).occurrence == text(first[-1])


def test_the_calendar_ends_and_so_do_the_occurrences() -> None:
    some = cron.upcoming("0 0 29 2 *", "UTC", datetime(2028, 1, 1, tzinfo=UTC), 3_000)
    assert len(some) < 3_000
    assert some[-1].year == 9996
