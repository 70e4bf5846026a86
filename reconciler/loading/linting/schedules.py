"""Lint of schedules: whether they keep to quotas, and out of each other's way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from reconciler.loading.linting.rules import Linter
from reconciler.loading.manifests import Declared
from reconciler.model.diagnostic import Violation
from reconciler.model.values import JSONObject

DOCUMENTED_QUOTAS: Final[Mapping[str, int]] = MappingProxyType({"pipefy": 25})
"""Exports of one pipe in 24 hours: of the numbers on editions of the page 'Pipe Reports', the smaller one."""

Say: TypeAlias = Callable[[Declared, Violation], None]

_OVER: Final = "schedule-over-quota"
_TOGETHER: Final = "same-minute-exports"
_PATH: Final = ("spec", "schedule")
_SORT: Final = "pipe"
_EVERY: Final = "every pipe"
_DAY: Final = 1440  # minutes
_MOST: Final = 1_000_000
"""Steps of the comparison of schedules; what would take more is not compared to its end."""


class Calendar(Protocol):
    """What schedules do in one year that stands for all; they are valid ones."""

    def busiest(self, cron: str, timezone: str) -> int:
        """The most occurrences in any 24 hours."""
        ...

    def minutes(self, cron: str, timezone: str) -> Mapping[int, int]:
        """The days, as bits of a number, by the minute of the day: both in UTC and counted from 0."""
        ...

    def instant(self, minute: int) -> datetime:
        """A minute of the year, counted from 0, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class _Export:
    """A scheduled export; no `pipes` means all of them."""

    declared: Declared
    cron: str
    timezone: str
    pipes: frozenset[str]


class Schedules:
    """Checks of all exports that have a schedule."""

    def __init__(self, declared: Sequence[Declared], linter: Linter, say: Say) -> None:
        self._by_address = {each.manifest.address: each for each in declared}
        self._linter = linter
        self._say = say
        self._left = _MOST
        self._exports = [found for each in declared if (found := self._export(each)) is not None]

    def check(self, quotas: Mapping[str, int], calendar: Calendar) -> None:
        """Say what is wrong; `quotas` are the project's own, by provider."""
        if self._linter.severity(_OVER) is not None:
            for export in self._exports:
                self._quota(export, quotas, calendar)
        if self._linter.severity(_TOGETHER) is not None:
            self._collisions(calendar)

    def _export(self, declared: Declared) -> _Export | None:
        if not declared.manifest.address.is_export:
            return None
        spec = declared.kind.normalise(declared.manifest.spec)
        schedule = spec.get("schedule")
        if not isinstance(schedule, dict):
            return None
        return _Export(declared, schedule["cron"], schedule["timezone"], self._pipes(declared, spec))

    def _pipes(self, declared: Declared, spec: JSONObject) -> frozenset[str]:
        """The pipes an export names, or those of the report it starts from; what is not known is that report's."""
        own = _named(declared, spec)
        if own:
            return own
        for reference in declared.manifest.references:
            target = self._by_address.get(reference.target)
            if target is not None:
                return _named(target, target.kind.normalise(target.manifest.spec))
            return frozenset({f"the pipes of {reference.target}"})  # which is not sound
        return frozenset(f"the pipes of report {report}" for report in declared.kind.mentions(spec).get("report", ()))

    def _quota(self, export: _Export, quotas: Mapping[str, int], calendar: Calendar) -> None:
        provider = export.declared.kind.provider
        quota = quotas.get(provider) or DOCUMENTED_QUOTAS.get(provider)
        often = 0 if quota is None else calendar.busiest(export.cron, export.timezone)
        if quota is None or often <= quota:
            return
        if quotas.get(provider):
            limit = f"the project file gives a quota of {quota}"
        else:
            limit = f"{quota} per pipe are documented for exports of pipe reports, and nothing for organization exports"
        message = f"the schedule fires up to {often:,} times in 24 hours; {limit}"
        hint = f"let it fire less often, or set spec.providers.{provider}.quota in the project file"
        self._say(export.declared, Violation(_PATH, _OVER, message, hint))

    def _collisions(self, calendar: Calendar) -> None:
        said: set[tuple[int, int]] = set()
        for pipe, group in self._groups():
            for later, earlier, at in self._meetings(group, calendar):
                pair = (id(later.declared), id(earlier.declared))
                if self._linter.need(_TOGETHER, later.declared.ignored, earlier.declared.ignored) or pair in said:
                    continue
                said.add(pair)
                when = f"{calendar.instant(at):%Y-%m-%dT%H:%MZ}"
                message = f"fires in the same minute as {shown(earlier.declared)}, for example at {when}"
                hint = "let one of them fire a few minutes later"
                self._say(later.declared, Violation(_PATH, _TOGETHER, f"{message}, and both read {pipe}", hint))
            if self._left <= 0:  # what was not compared may be what opt-outs are for
                self._linter.need(_TOGETHER, *(export.declared.ignored for export in self._exports))
                return

    def _groups(self) -> Iterator[tuple[str, list[_Export]]]:
        """Yield the exports of every pipe, each set of them once; those that opt out last: of them nothing is said."""
        ordered = sorted(self._exports, key=lambda export: _TOGETHER in export.declared.ignored)
        members: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for index, export in enumerate(ordered):
            for pipe in export.pipes or (_EVERY,):
                members[export.declared.kind.provider, pipe].append(index)
        seen: set[tuple[int, ...]] = set()
        for (provider, pipe), own in sorted(members.items()):
            reached = own if pipe == _EVERY else sorted([*own, *members.get((provider, _EVERY), ())])
            group = tuple(reached)
            self._left -= len(group)
            if len(group) > 1 and group not in seen:
                seen.add(group)
                yield pipe, [ordered[index] for index in group]

    def _meetings(self, group: Sequence[_Export], calendar: Calendar) -> Iterator[tuple[_Export, _Export, int]]:
        """Yield each export that fires in the same minute as an earlier one, with that and a minute of the year."""
        taken: dict[int, tuple[int, list[tuple[int, _Export]]]] = {}
        for export in group:
            met: tuple[_Export, int] | None = None
            minutes = calendar.minutes(export.cron, export.timezone)
            for at, days in minutes.items():
                union, owners = taken.get(at, (0, []))
                if met is None and union & days:
                    both, owner = next((mask & days, owner) for mask, owner in owners if mask & days)
                    met = owner, ((both & -both).bit_length() - 1) * _DAY + at
                if fresh := days & ~union:
                    owners.append((fresh, export))
                    taken[at] = (union | days, owners)
            if met is not None:
                yield export, *met
            self._left -= len(minutes)
            if self._left <= 0:
                return


def shown(declared: Declared) -> str:
    """A resource and where it stands, for use inside a sentence."""
    manifest = declared.manifest
    made = f", forEach {manifest.entry}" if manifest.entry else ""
    return f"{manifest.address} ({manifest.origin.file}:{manifest.origin.line}{made})"


def _named(declared: Declared, spec: JSONObject) -> frozenset[str]:
    """The pipes of a normalised spec."""
    names = {f"pipe {each.name.value}" for each in declared.kind.named(spec) if each.name.sort == _SORT}
    return frozenset(names | {f"pipe {pipe}" for pipe in declared.kind.mentions(spec).get(_SORT, ())})
