"""Plan from what a run left behind, instead of from the manifests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.app import plan as planner
from reconciler.app.history.query import which_run
from reconciler.app.history.reading import links
from reconciler.app.plan import Planned
from reconciler.app.state.exporting import refuse_moved
from reconciler.app.wiring import Wiring
from reconciler.model.entry import Archived, Entry, Imported, LeaseBroken, Moved, RunFinished, RunStarted
from reconciler.model.errors import StateError
from reconciler.model.manifest import Desired, Lifecycle, Manifest, OnRemove, Project
from reconciler.model.plan import Action, Change, Plan, Step
from reconciler.model.ports import Backend
from reconciler.model.recorded import ExportRecord, Recorded, Resource
from reconciler.model.values import Address, Span

_LATEST: Final = 5


async def plan(
    wiring: Wiring,
    text: str,
    *,
    refresh: bool = False,
    select: Sequence[str] = (),
    timeout: float = 30.0,
    retarget: bool = False,
) -> Planned:
    """Return the plan that makes what is recorded what it was when the run `text` had ended; nothing is sent but reads.

    `text` is the name of a run or how it begins.  It ended with its `RunFinished`, or with the last thing it said.
    Specs and rules go back, and labels with them, under the names that resources have now; what is recorded since
    goes, what was adopted since is forgotten; what was in doubt then stays as it is now.  The manifests need not be
    valid.  Raises Usage for a run that the log does not hold, StateError for a log that goes on elsewhere, and when
    the objects of then were somewhere else, unless `retarget` says that they were not.
    """
    project = wiring.project()
    with closing(wiring.backend(project)) as backend:
        found, now = _find(backend, text)
        refuse_moved(now)
        then = _folded(backend, found.position)
    declared = wiring.load().desired  # only for an organization that is named nowhere but in manifests
    desired = _desired(wiring, project, found, then, now)
    targets = wiring.targets(project, _providers(desired, now), declared)
    if not retarget:
        _check_places(found, then, now)
        planner.check_places(now, targets)
    observed = None
    if refresh:
        observed = await planner.observe(wiring, desired, now, targets, timeout=timeout)
    kept = _keeping(found, now, desired)
    made = planner.make(wiring, desired, kept, targets, observed=observed, select=select).plan
    made = _reworded(made, found, now, desired)
    said = (*planner.warnings(wiring, made, now, project), *_warnings(found, then))
    return Planned(made, desired, now, said)


@dataclass(slots=True)
class _Run:
    """What the log says of one run; `moved` and `imported` is what happened to addresses since it ended."""

    name: str
    last: int = 0
    finished: int | None = None
    commit: str | None = None
    moved: Sequence[Moved] = ()
    imported: frozenset[Address] = frozenset()

    @property
    def position(self) -> int:
        """The last batch that belongs to it."""
        return self.last if self.finished is None else self.finished


@dataclass(slots=True)
class _Search:
    """A walk that looks for one run."""

    text: str
    found: dict[str, _Run] = field(default_factory=dict)
    latest: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_LATEST))
    since: list[tuple[int, Moved | Imported]] = field(default_factory=list)
    beginning: str = ""

    def see(self, position: int, entry: Entry) -> None:
        if isinstance(entry, LeaseBroken):  # said of a run, not by it
            return
        if entry.run not in {name for name, _ in self.latest}:
            self.latest.append((entry.run, entry.at))
        if isinstance(entry, Moved | Imported):
            self.since.append((position, entry))
        if entry.run.startswith(self.text):
            run = self.found.setdefault(entry.run, _Run(entry.run))
            run.last = position
            if isinstance(entry, RunFinished):
                run.finished = position
            elif isinstance(entry, RunStarted):
                run.commit = entry.commit or run.commit

    def run(self) -> _Run:
        """The one that is meant, with what happened since; raises Usage."""
        run = self.found[which_run(self.text, self.found, self.latest, self.beginning)]
        since = [entry for position, entry in self.since if position > run.position]
        run.moved = [entry for entry in since if isinstance(entry, Moved)]
        run.imported = frozenset(_imported(since))
        return run


def _find(backend: Backend, text: str) -> tuple[_Run, Recorded]:
    """The run, and the state now."""
    from reconciler.state.chain import Chain

    chain, search = Chain(), _Search(text)
    for link in links([backend], chain):
        first = link.entries[0]
        if chain.head is None and isinstance(first, Archived):
            search.beginning = (
                f"; it begins with the archive that run {first.run} made at {first.at} of everything up to position"
                f" {first.position}, and what was before cannot be gone back to"
            )
        for entry in link.entries:
            search.see(link.position, entry)
    return search.run(), chain.recorded


def _imported(since: Iterable[Moved | Imported]) -> set[Address]:
    """The addresses, as they are now, whose objects were adopted."""
    found: set[Address] = set()
    for entry in since:
        if isinstance(entry, Imported):
            found.add(entry.address)
        elif entry.source in found:
            found = found - {entry.source} | {entry.target}
    return found


def _folded(backend: Backend, position: int) -> Recorded:
    """The state up to a position."""
    from reconciler.state.chain import Chain

    chain = Chain()
    for link in links([backend], chain):
        if link.position > position:
            break
    return chain.recorded


def _desired(wiring: Wiring, project: Project, run: _Run, then: Recorded, now: Recorded) -> Desired:
    """What was recorded then, as if it was declared."""
    from reconciler.model.canonical import digest

    doubtful = {doubt.address for doubt in then.in_doubt.values()}
    names = _names_now(run.moved)
    kept = {_now(names, held.address): held for held in _held(then) if held.address not in doubtful}
    for address in (_now(names, doubt) for doubt in doubtful):
        held = now.resources.get(address) or now.exports.get(address)
        if held is not None:
            kept[address] = held
    manifests = tuple(_manifest(wiring, run, address, held, names) for address, held in sorted(kept.items()))
    tree = digest([[str(one.address), one.spec, one.lifecycle.protect, dict(one.labels)] for one in manifests])
    return Desired(project, wiring.settings.environment, manifests, tree)


def _held(recorded: Recorded) -> Iterator[Resource | ExportRecord]:
    yield from recorded.resources.values()
    yield from recorded.exports.values()


def _names_now(moved: Sequence[Moved]) -> Mapping[Address, Address]:
    """What addresses of then are called now."""
    names: dict[Address, Address] = {}
    for entry in moved:
        origin = next((then for then, target in names.items() if target == entry.source), entry.source)
        names[origin] = entry.target
    return names


def _now(names: Mapping[Address, Address], address: Address) -> Address:
    return names.get(address, address)


def _manifest(
    wiring: Wiring, run: _Run, address: Address, held: Resource | ExportRecord, names: Mapping[Address, Address]
) -> Manifest:
    from reconciler.planning.diff import apply

    kind = wiring.kind(address)
    led = [(reference, _now(names, reference.target)) for reference in kind.references(held.spec)]
    changes = [Change((*one.path, "ref"), str(one.target), str(target)) for one, target in led if one.target != target]
    spec = apply(changes, held.spec)
    return Manifest(
        address=address,
        api_version=kind.api_version,
        spec=spec,
        origin=Span(f"run {run.name}", 1, 1, 1, 1),
        labels=held.labels,
        lifecycle=held.lifecycle,
        references=tuple(kind.references(spec)),
    )


def _providers(desired: Desired, now: Recorded) -> set[str]:
    names = {manifest.address.provider for manifest in desired.manifests}
    names |= {address.provider for address in (*now.resources, *now.exports)}
    return names | {doubt.address.provider for doubt in now.in_doubt.values()}


def _check_places(run: _Run, then: Recorded, now: Recorded) -> None:
    """Raise StateError when the objects of then are somewhere else than those of now."""
    for name in sorted({held.address.provider for held in _held(then)}):
        before, place = then.places.get(name), now.places.get(name)
        if before is not None and before != place:
            raise StateError(
                f"run {run.name} left {name} objects of {before} behind; the state now holds those of {place}",
                "what was there cannot be gone back to here; say --retarget if it is the same under a new name",
            )


def _keeping(run: _Run, now: Recorded, desired: Desired) -> Recorded:
    """The state now, in which what was adopted since is left alone when it goes."""
    going = run.imported - {manifest.address for manifest in desired.manifests}
    adopted = {
        address: replace(held, lifecycle=replace(held.lifecycle, on_remove=OnRemove.DETACH))
        for address, held in now.resources.items()
        if address in going
    }
    return replace(now, resources={**now.resources, **adopted})


def _reworded(made: Plan, run: _Run, now: Recorded, desired: Desired) -> Plan:
    """The plan, saying where it came from; its steps are not about manifests."""
    from reconciler.planning.codec import seal

    wanted = {manifest.address for manifest in desired.manifests}
    steps = tuple(_step(step, run, now, wanted=step.address in wanted) for step in made.steps)
    return seal(replace(made, steps=steps, commit=run.commit, rollback_to=run.name))


def _step(step: Step, run: _Run, now: Recorded, *, wanted: bool) -> Step:
    if step.address in run.imported and not wanted:
        return replace(step, reason=f"adopted since run {run.name}; its object stays", lifecycle=_rules(step, now))
    if not wanted:
        reason = step.reason.replace("its manifest is gone", f"not there when run {run.name} had ended")
        return replace(step, reason=reason)
    if step.action is Action.CREATE and not step.address.is_export and step.address not in now.resources:
        return replace(step, reason="deleted since; it is made anew, with another id")
    return step


def _rules(step: Step, now: Recorded) -> Lifecycle:
    """The rules of what is forgotten as they are recorded, not as they were bent for the planner."""
    return now.resources[step.address].lifecycle


def _warnings(run: _Run, then: Recorded) -> Iterator[str]:
    if run.finished is None:
        yield f"run {run.name} never said that it was over: this goes back to what the last thing it said left behind"
    doubtful = sorted({str(doubt.address) for doubt in then.in_doubt.values()})
    if doubtful:
        yield f"in doubt when run {run.name} had ended, and left as it is now: {', '.join(doubtful)}"
