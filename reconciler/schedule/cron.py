"""Cron expressions in IANA time zones, as instants in UTC.

Expressions are those of Debian's cron, as cronsim reads them: five fields, names such as MON and JAN, `L` for
the last day, `5L` for the last Friday, `1#2` for the second Monday.  At a clock change, also as Debian's cron does:

- Fixed times (neither the minute nor the hour begins with `*`) happen once.  One that the spring skips happens
  at the end of the gap, one that the autumn repeats happens the first time.
- All others happen whenever the clock on the wall shows them: not in the gap, and both times in the repeated hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import groupby, islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from reconciler.model.plan import Due

MISSED_CAP: Final = 1_000
"""`Due.missed` counts no further than this."""

_FIELDS: Final = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31 or L"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT"),
)
_LENGTH: Final = 200
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_YEARS: Final = 50  # what does not happen for so long never happens; cronsim searches as far
_ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)


def check(cron: str, timezone: str) -> str:
    """Return one sentence on what is wrong with a schedule, "" when nothing is."""
    return _cron_fault(cron) or _zone_fault(timezone) or _never(cron, timezone)


@lru_cache(maxsize=4096)  # exports that share a schedule ask the same question
def due(cron: str, timezone: str, since: datetime, now: datetime) -> Due:
    """Return where a schedule stands at `now` when everything up to `since` is handled.

    `occurrence` is the last one in (since, now]; `missed` counts those before it, up to `MISSED_CAP`; `next` is
    the first one after both instants.  Raises ValueError for what `check` finds fault with.
    """
    zone = _checked(cron, timezone)
    since, now = since.astimezone(UTC), now.astimezone(UTC)
    passed = list(islice(_backward(cron, zone, since, now), MISSED_CAP + 1))
    following = next(_forward(cron, zone, max(since, now)), None)
    return Due(
        occurrence=_text(passed[0]) if passed else None,
        missed=max(len(passed) - 1, 0),
        next=_text(following) if following else None,
    )


def upcoming(cron: str, timezone: str, after: datetime, count: int) -> list[datetime]:
    """Return the first `count` occurrences after an instant, in UTC; raises ValueError as `due` does."""
    return list(islice(_forward(cron, _checked(cron, timezone), after.astimezone(UTC)), count))


def _cron_fault(cron: str) -> str:
    if len(cron) > _LENGTH:
        return f"The cron expression is longer than {_LENGTH} characters."
    if cron.startswith("@"):
        return f"{cron!r} is a nickname, which is not supported; write five fields, for example '0 0 * * *'."
    parts = cron.split()
    if len(parts) != len(_FIELDS):
        names = ", ".join(name for name, _ in _FIELDS)
        counted = f"{len(parts)} field{'' if len(parts) == 1 else 's'}"
        return f"The cron expression {cron!r} has {counted} instead of five: {names}."
    for place, (part, (name, values)) in enumerate(zip(parts, _FIELDS, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[place] = part
        try:
            CronSim(" ".join(alone), _ORIGIN)
        except CronSimError:
            return f"{part!r} is no {name} ({values}) in the cron expression {cron!r}."
    return ""


def _zone_fault(timezone: str) -> str:
    if _zone(timezone) is not None:
        return ""
    names = {name.lower(): name for name in sorted(available_timezones())}
    wanted = timezone.lower()
    if wanted not in names:
        ends = {name.rpartition("/")[2]: name for name in names}
        near = [] if _is_abbreviation(timezone) else get_close_matches(wanted, names, 1)
        wanted = ends.get(wanted, next(iter(near), ""))
    what = "a place" if _is_abbreviation(timezone) else "an IANA name"
    advice = f"did you mean {names[wanted]!r}?" if wanted else f"write {what} such as 'Europe/Berlin'."
    return f"{timezone!r} is no time zone; {advice}"


def _is_abbreviation(timezone: str) -> bool:
    """Whether it is like CEST, which says an offset and no place: zones of a similar spelling lie elsewhere."""
    return timezone.isascii() and timezone.isalpha() and timezone.isupper() and len(timezone) <= 5


def _never(cron: str, timezone: str) -> str:
    try:
        dates = next(_naive(cron, _ORIGIN), None)
    except CronSimError:  # what cronsim says to a day that none of the months has
        dates = None
    if dates is None or next(_forward(cron, ZoneInfo(timezone), _ORIGIN), None) is None:
        return f"The cron expression {cron!r} never happens in {timezone}: there is no such day and time."
    return ""


def _zone(timezone: str) -> ZoneInfo | None:
    """The zone of an IANA name; None also for names that mean another zone elsewhere, or count leap seconds."""
    if timezone == "localtime" or timezone.startswith(("posix", "right/")):
        return None
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or the name of a folder
        return None


@lru_cache(maxsize=1024)
def _checked(cron: str, timezone: str) -> ZoneInfo:
    """The zone of a schedule that `check` finds no fault with; raises ValueError otherwise."""
    fault = check(cron, timezone)
    if fault:
        raise ValueError(fault)
    return ZoneInfo(timezone)


def _forward(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The occurrences behind an instant, in order."""
    if is_fixed(cron):
        # Local times up to this one happened up to this instant: on the wall, later is never earlier.
        found = (_instant(local, zone) for local in _naive(cron, _local(after, zone)))
        yield from (at for at, _ in groupby(found) if at > after)
    else:
        yield from _shown(cron, zone, after)


def _shown(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The instants behind another at which the clock on the wall shows a matching time."""
    for year in range(after.year, after.year + _YEARS):
        for begin, end, offset in segments(zone, year):
            if end > after:
                start = max(begin - _SECOND, after).replace(tzinfo=None) + offset
                yield from _before(end, (_utc(local - offset) for local in _naive(cron, start)))


def _backward(cron: str, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """The occurrences in (since, until], the last one first."""
    if is_fixed(cron):
        local = until.astimezone(zone)
        repeated = _offset(local.replace(fold=0)) - _offset(local)  # the second time, the wall has shown more already
        start = _local(until, zone) + repeated + _SECOND
        found = (_instant(time, zone) for time in _naive(cron, start, reverse=True))
        yield from _after(since, (at for at, _ in groupby(found) if at <= until))
    else:
        yield from _shown_before(cron, zone, since, until)


def _shown_before(cron: str, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """As `_shown`, in (since, until], the last one first."""
    for year in range(until.year, since.year - 1, -1):
        for begin, end, offset in reversed(segments(zone, year)):
            if begin <= until and end > since:
                start = min(end, until.replace(microsecond=0) + _SECOND).replace(tzinfo=None) + offset
                found = (_utc(local - offset) for local in _naive(cron, start, reverse=True))
                yield from _after(max(begin - _SECOND, since), found)


def _before(end: datetime, found: Iterator[datetime]) -> Iterator[datetime]:
    return takewhile(lambda at: at < end, found)


def _after(begin: datetime, found: Iterator[datetime]) -> Iterator[datetime]:
    return takewhile(lambda at: at > begin, found)


def _naive(cron: str, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """The local times that match, behind `start` or (reverse) before it, without a thought of clock changes."""
    return _to_the_end(CronSim(cron, start.replace(microsecond=0), reverse=reverse))


def _to_the_end(times: Iterator[datetime]) -> Iterator[datetime]:
    with suppress(OverflowError):  # of the calendar: there are no years behind 9999
        yield from times


def is_fixed(cron: str) -> bool:
    """Whether a valid expression has fixed times, each of which happens once, whatever the clock does."""
    return not any(part.startswith("*") for part in cron.split()[:2])


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """When a local time happens first; for one in a gap, when the gap ends."""
    first = local.replace(tzinfo=zone).astimezone(UTC)
    if _local(first, zone) == local:
        return first
    return _change(zone, local.replace(tzinfo=zone, fold=1).astimezone(UTC), first)


@lru_cache(maxsize=4096)
def segments(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """A year in UTC, cut where the offset of the zone changes: begin, end (not included) and offset."""
    begin, close = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    pieces = []
    at = begin
    while at < close:
        later = min(at + _DAY, close)
        if _offset(later.astimezone(zone)) != _offset(at.astimezone(zone)):
            change = _change(zone, at, later)
            pieces.append((begin, change, _offset(at.astimezone(zone))))
            begin = change
        at = later
    return (*pieces, (begin, close, _offset(begin.astimezone(zone))))


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second in (before, after] from which the offset of the zone is the one at `after`."""
    new = _offset(after.astimezone(zone))
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        if _offset(middle.astimezone(zone)) == new:
            after = middle
        else:
            before = middle
    return after


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)


def _offset(aware: datetime) -> timedelta:
    return aware.utcoffset() or timedelta()


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
