"""What of a history is asked for."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from reconciler.app.state.reading import parse_address
from reconciler.model.errors import Usage
from reconciler.model.values import Address

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_GLOB: Final = frozenset("*?[")
_LATEST: Final = 5
_KNOWN: Final = 1_000
"""Addresses that are kept for a message."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs, and what of them.

    `addresses` are addresses or patterns of them, `runs` whole names of runs or how they begin; empty means all.  Runs
    that went on between `since` and `until` are told, both included; `limit` keeps the newest.
    """

    addresses: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    reverse: bool = False


def moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """Read an instant (RFC 3339), a day in UTC (its beginning, or its `end`), or how long ago: `90m`, `2h`, `7d`.

    Raises Usage for anything else.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _DAY.fullmatch(text):
            day = datetime.combine(date.fromisoformat(text), time(), UTC)
            return day + timedelta(days=1, microseconds=-1) if end else day
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Usage(
        f"{text!r} is not a time",
        "write an instant with its zone (2026-11-23T06:00:00Z), a day in UTC (2026-11-23), or how long ago (2h, 7d)",
    )


@dataclass(slots=True)
class Wanted:
    """A query while a log is walked: what is wanted, and which parts of the query have met something.

    `beginning` is as of `which_run`.
    """

    query: Query
    found: dict[str, set[str]] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    latest: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_LATEST))
    known: set[str] = field(default_factory=set)
    beginning: str = ""

    def __post_init__(self) -> None:
        for text in self.query.addresses:
            if not _GLOB & set(text):
                parse_address(text)

    def run(self, name: str) -> bool:
        """Whether a run is wanted by its name; it is asked once for each."""
        begun = [text for text in self.query.runs if name.startswith(text)]
        for text in begun:
            self.found.setdefault(text, set()).add(name)
        return bool(begun) or not self.query.runs

    def about(self, addresses: Collection[Address]) -> bool:
        """Whether something that concerns these addresses is wanted."""
        if not self.query.addresses:
            return True
        names = [str(address) for address in addresses]
        if len(self.known) < _KNOWN:
            self.known.update(names)
        hit = {text for text in self.query.addresses if any(fnmatchcase(name, text) for name in names)}
        self.met |= hit
        return bool(hit)

    def during(self, first: str, last: str) -> bool:
        """Whether a run that went on from `first` to `last` is wanted."""
        since, until = self.query.since, self.query.until
        early = until is None or datetime.fromisoformat(first) <= until
        return early and (since is None or datetime.fromisoformat(last) >= since)

    def check(self) -> frozenset[str]:
        """The names of the runs that were asked for, once all of the log was seen; raises Usage for a part of the
        query that met nothing, or several runs."""
        for text in self.query.addresses:
            if text not in self.met:
                near = get_close_matches(text, sorted(self.known), n=3, cutoff=0.5)
                raise Usage(
                    f"nothing in the log is about {text}",
                    f"the nearest: {', '.join(near)}" if near else "`history` without --address shows everything",
                )
        return frozenset(
            which_run(text, self.found.get(text, ()), self.latest, self.beginning) for text in self.query.runs
        )


def which_run(text: str, found: Collection[str], latest: Sequence[tuple[str, str]], beginning: str = "") -> str:
    """The one run of those found that `text` means; raises Usage, naming the `latest` (name and instant).

    `beginning` says what comes before the log, for whoever looks for something older.
    """
    if text and (len(found) == 1 or text in found):
        return text if text in found else next(iter(found))
    if text and found:
        raise Usage(f"several runs begin with {text}", f"they are: {', '.join(sorted(found)[:_LATEST])}")
    shown = ", ".join(f"{name} ({at})" for name, at in reversed(latest))
    hint = f"the latest are: {shown}" if shown else "no run is recorded yet"
    what = f"no run in the log is called {text}" if text else "every run has a name, and none is said"
    raise Usage(what + beginning, hint)
