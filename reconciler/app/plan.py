"""Compare what is declared with what is recorded (and, when asked, with what is live)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from reconciler.app import names
from reconciler.app.settings import TOOL
from reconciler.app.state.exporting import refuse_moved
from reconciler.app.wiring import Wiring
from reconciler.model.errors import Broken, StateError
from reconciler.model.manifest import Desired, Project
from reconciler.model.outcome import Observed
from reconciler.model.plan import Due, Plan, Target
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address

_READERS: Final = 10
"""Reads in flight at a time."""


@dataclass(frozen=True, slots=True, repr=False)  # asyncio writes out what a task returns, in an error it swallows
class Planned:
    """A plan, what it was made from, and what the safety rails say about performing it."""

    plan: Plan
    desired: Desired
    recorded: Recorded
    warnings: tuple[str, ...]


async def plan(
    wiring: Wiring,
    *,
    refresh: bool = False,
    select: Sequence[str] = (),
    timeout: float = 30.0,
    retarget: bool = False,
) -> Planned:
    """Return the plan; nothing is written and nothing sent, but for reads when `refresh` is set.

    Raises StateError for a log that goes on elsewhere, and when the recorded objects are somewhere else, unless
    `retarget` says they are not.
    """
    from reconciler.state.log import read

    desired = wiring.desired()
    with closing(wiring.backend(desired.project)) as backend:
        recorded = read(backend)
    refuse_moved(recorded)
    targets = targets_of(wiring, desired, recorded)
    if not retarget:
        check_places(recorded, targets)
    filled = await names.declared(
        wiring,
        desired,
        recorded,
        names.Service(targets, elsewhere(recorded, targets), timeout),
        look=names.Look.ALWAYS if refresh else names.Look.NEVER,
        select=select,
    )
    observed = None
    if refresh:
        observed = await observe(wiring, desired, recorded, targets, timeout=timeout)
    return make(wiring, filled.value, recorded, targets, observed=observed, select=select)


def make(
    wiring: Wiring,
    desired: Desired,
    recorded: Recorded,
    targets: Mapping[str, Target],
    *,
    observed: Mapping[Address, Observed | None] | None = None,
    select: Sequence[str] = (),
) -> Planned:
    """Plan from values; no effects but reading which git commit the manifests belong to."""
    from reconciler.planning.plan import plan as make_plan

    now = wiring.clock.now()
    made = make_plan(
        desired=desired,
        recorded=recorded,
        kinds=wiring.kind_table,
        due=due_exports(wiring, desired, recorded, now),
        observed=observed,
        targets=targets,
        created=now,
        tool=TOOL,
        commit=git_commit(wiring.settings.folder),
        select=select,
    )
    made = names.told(wiring, made)
    return Planned(made, desired, recorded, warnings(wiring, made, recorded, desired.project))


def warnings(
    wiring: Wiring, made: Plan, recorded: Recorded, project: Project, *, allow_deletes: int | None = None
) -> tuple[str, ...]:
    """What to say beside a plan: why the rails would refuse it, which schedules stand still, that manifests differ."""
    from reconciler.planning import exports, safety

    refused = safety.warnings(made, recorded, project.safety, allow_deletes)
    return (*refused, *exports.warnings(recorded, wiring.clock.now()), *_rollback(made))


def _rollback(made: Plan) -> Iterator[str]:
    if made.rollback_to is not None:
        known = f" (its commit was {made.commit})" if made.commit else ""
        yield (
            f"this goes back to run {made.rollback_to}{known}, but the manifests do not: unless they are reverted too,"
            " the next plain apply undoes it"
        )


def targets_of(wiring: Wiring, desired: Desired, recorded: Recorded) -> dict[str, Target]:
    """The target of every provider that the manifests or the state know."""
    names = {manifest.address.provider for manifest in desired.manifests}
    names |= {address.provider for address in (*recorded.resources, *recorded.exports)}
    names |= {doubt.address.provider for doubt in recorded.in_doubt.values()}
    return wiring.targets(desired.project, names, desired)


def places_of(targets: Mapping[str, Target]) -> dict[str, str]:
    """Where the objects of each target are."""
    from reconciler import providers

    return {name: providers.place(name, target) for name, target in targets.items()}


def known_places(targets: Mapping[str, Target]) -> dict[str, str]:
    """Where the objects of each target are, for the log: a run without a provider's organization learns nothing
    about it, and must not make the log forget."""
    return places_of({name: target for name, target in targets.items() if target.organization})


def check_places(recorded: Recorded, targets: Mapping[str, Target]) -> None:
    """Raise StateError when what is recorded is somewhere else than where requests would go."""
    known = {address.provider for address in (*recorded.resources, *recorded.exports)}
    known |= {doubt.address.provider for doubt in recorded.in_doubt.values()}
    for name, kept in sorted(elsewhere(recorded, targets).items()):
        if name in known:
            place = places_of(targets)[name]
            raise StateError(
                f"the state holds {name} objects of {kept}; requests would go to {targets[name].endpoint}: {place}",
                "use another --env or --state for another place; or say --retarget if it is the same under a new name",
            )


def elsewhere(recorded: Recorded, targets: Mapping[str, Target]) -> dict[str, str]:
    """Where the state says that the objects of providers are, for those whose requests would go somewhere else."""
    found = {}
    for name, place in places_of(targets).items():
        kept = recorded.places.get(name, place)
        # an organization that nobody has named yet contradicts nothing: without one nothing can be sent either
        same = kept == place if targets[name].organization else kept.startswith(place)
        if not same:
            found[name] = kept
    return found


def due_exports(wiring: Wiring, desired: Desired, recorded: Recorded, now: datetime) -> dict[Address, Due]:
    """Where the schedule of every scheduled export stands."""
    from reconciler.planning.exports import counts_from
    from reconciler.schedule import cron

    found = {}
    for manifest in desired.manifests:
        if not manifest.address.is_export:
            continue
        schedule = wiring.kind(manifest.address).normalise(manifest.spec).get("schedule")
        if schedule is None:
            continue
        known = recorded.exports.get(manifest.address)
        since = now if known is None else datetime.fromisoformat(counts_from(known))
        found[manifest.address] = cron.due(schedule["cron"], schedule["timezone"], since, now)
    return found


async def observe(
    wiring: Wiring, desired: Desired, recorded: Recorded, targets: Mapping[str, Target], *, timeout: float
) -> dict[Address, Observed | None]:
    """Every recorded object as it is now, None for those that are gone; the clients cannot send a mutation."""
    names = {address.provider for address in recorded.resources}
    observed: dict[Address, Observed | None] = {}
    async with AsyncExitStack() as stack:
        connected = await wiring.connect(
            stack,
            {name: targets[name] for name in names},
            timeout=timeout,
            concurrency=_READERS,
            desired=desired,
            read_only=True,
        )
        for name, provider in connected.items():
            of_provider = [kept for kept in recorded.resources.values() if kept.address.provider == name]
            observed.update(await provider.observe(of_provider))
    return observed


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out where the manifests are, None outside git."""
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command; only the folder is an argument
            ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"],  # noqa: S607 - git is wherever PATH says
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def save(wiring: Wiring, made: Plan, file: Path) -> None:
    """Write a plan to a file, signed when there is a key; the file appears whole or not at all."""
    from reconciler.planning.codec import dump

    beside = file.with_name(file.name + ".part")
    try:
        beside.write_bytes(dump(made, wiring.plan_key))
        beside.replace(file)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise Broken(f"cannot write the plan to {file}: {error.strerror}") from error
