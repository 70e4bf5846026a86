"""What is in doubt, with the commands by which a person resolves it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from reconciler.app.settings import Settings
from reconciler.model.errors import Conflict
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, ExportRun, Lease, Recorded
from reconciler.model.values import Address, JSONObject

Candidates: TypeAlias = Mapping[Address, Sequence[str]]
"""Ids of live objects that a look-up could not tell apart."""

ATTEMPTS: Final = 50
"""How often to begin anew when others were quicker, before that is told instead."""


def doubtful_providers(recorded: Recorded) -> set[str]:
    """The services about which something is in doubt that can be looked up."""
    return {doubt.address.provider for doubt in recorded.in_doubt.values()}


def check_doubtful(recorded: Recorded, known: Collection[str]) -> None:
    """Raise Conflict when something is in doubt about services that are not known to be, and so not connected to."""
    more = doubtful_providers(recorded) - set(known)
    if more:
        raise Conflict(
            f"While the state was waited for, something came in doubt in {' and '.join(sorted(more))} as well.",
            "Run it again.",
        )


def at_work(recorded: Recorded, now: datetime) -> Lease | None:
    """The lease of a run that is not known to be over: what it does now is open, and not in doubt."""
    from reconciler.state.holder import is_dead

    lease = recorded.lease
    if lease is None or datetime.fromisoformat(lease.until) <= now or is_dead(lease.holder):
        return None
    return lease


def open_doubts(recorded: Recorded, settings: Settings, candidates: Candidates) -> list[JSONObject]:
    """Return each doubt by address: `address operation action run since reason candidates commands`.

    `commands` are pairs of a command line, complete with the options this was started with, and what it says.
    """
    doubts = [_mutation(doubt, settings, candidates.get(doubt.address, ())) for doubt in recorded.in_doubt.values()]
    for address, record in recorded.exports.items():
        if record.run is not None and record.run.unknown:
            doubts.append(_export(address, record.run, settings))
    return sorted(doubts, key=lambda doubt: (doubt["address"], doubt["operation"]))


def _mutation(doubt: Doubt, settings: Settings, candidates: Sequence[str]) -> JSONObject:
    makes = doubt.action is Action.CREATE and not doubt.address.is_export
    return {
        "address": str(doubt.address),
        "operation": doubt.operation,
        "action": doubt.action.value,
        "run": doubt.run,
        "since": doubt.since,
        "reason": doubt.reason,
        "candidates": list(candidates),
        "commands": list(_commands(settings, doubt.address, _created(candidates) if makes else _happened())),
    }


def _export(address: Address, run: ExportRun, settings: Settings) -> JSONObject:
    return {
        "address": str(address),
        "operation": run.operation,
        "action": "export",
        "run": run.run,
        "since": run.intended_at,
        "reason": run.message,
        "candidates": [],
        "commands": list(_commands(settings, address, _exported())),
    }


def _created(candidates: Sequence[str]) -> Iterator[tuple[str, str]]:
    for found in candidates:
        yield found, f"it made {found}"
    if not candidates:
        yield "ID", "it made the object with this id"
    yield "absent", "it made nothing; the next apply makes it"


def _happened() -> Iterator[tuple[str, str]]:
    yield "applied", "it happened"
    yield "absent", "it did not happen; the next apply does it"


def _exported() -> Iterator[tuple[str, str]]:
    yield "ID", "it was started as the export with this id; the next apply fetches its file"
    yield "applied", "it ran, and there is nothing to fetch"
    yield "absent", "it never started; the next apply starts it"


def _commands(settings: Settings, address: Address, verdicts: Iterator[tuple[str, str]]) -> Iterator[list[str]]:
    start = ["reconciler", "state"]
    end = options(settings)
    for verdict, meaning in verdicts:
        yield [shlex.join([*start, "settle", str(address), "--as", verdict, *end]), meaning]
    yield [shlex.join([*start, "rm", str(address), *end]), "forget it; what it did, if anything, stays"]


def options(settings: Settings) -> list[str]:
    """What has to be said again to reach the same log; credentials in a state URL are left to whoever knows them."""
    from reconciler.state.backends import shown

    default, said = Settings(), []
    if settings.folder != default.folder:
        said += ["--dir", str(settings.folder)]
    if settings.environment != default.environment:
        said += ["--env", settings.environment]
    if settings.sandbox:
        said.append("--sandbox")
    if settings.state and settings.state != settings.environ.get("RECONCILER_STATE"):
        said += ["--state", shown(settings.state)]
    return said
