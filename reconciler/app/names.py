"""Ids in the places of names: those that the log knows, or that a service says when it is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Generic, TypeVar

from reconciler.app.wiring import Wiring
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.errors import CredentialError, InvalidManifests, Unavailable
from reconciler.model.manifest import Desired, Manifest
from reconciler.model.naming import Found, Name, Named, Names, Place, Resolution, Unfound, disproved
from reconciler.model.plan import Action, Change, Plan, Step, Target
from reconciler.model.recorded import Recorded, RunState
from reconciler.model.values import Address, JSONObject, lookup, path_text

T = TypeVar("T")

_READERS: Final = 10
"""Reads in flight at a time."""

_WORDS: Final = {"email": "e-mail address"}


class Look(Enum):
    """Which names a service is asked about: none, those that the log does not know, or all."""

    NEVER = "never"
    UNKNOWN = "unknown"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Use:
    """A name in use: in whose spec, where in it, and where in a file (None for what was read from a plan)."""

    address: Address
    named: Named
    place: Place | None = None

    @property
    def name(self) -> Name:
        """The name itself."""
        return self.named.name


@dataclass(frozen=True, slots=True, repr=False)  # as long as all manifests; asyncio writes out what a task returns
class Filled(Generic[T]):
    """What has ids in the places of its names now, and the names that were looked up for it."""

    value: T
    asked: dict[Name, str]


@dataclass(frozen=True, slots=True)
class Service:
    """Whom to ask: where each provider is, which of them were somewhere else when the log last heard of
    their objects, and how many seconds a request may take."""

    targets: Mapping[str, Target]
    elsewhere: Collection[str]
    timeout: float


async def declared(
    wiring: Wiring, desired: Desired, recorded: Recorded, service: Service, *, look: Look, select: Sequence[str] = ()
) -> Filled[Desired]:
    """Return what is declared, with ids in the places of names.

    Names that nobody knows stay; only those of selected resources are looked up.  Raises InvalidManifests for
    names that lead nowhere, to several things, or where two must not lead to the same; Unavailable or CredentialError.
    """
    from reconciler.planning import selection

    uses = _in_manifests(wiring, desired.manifests)
    if not uses:
        return Filled(desired, {})
    ids, asked = _known(recorded, service, uses), {}
    if look is not Look.NEVER:
        chosen = selection.choose(desired, recorded, select)
        mine = [use for use in uses if use.address in chosen]
        wanted = [use for use in mine if look is Look.ALWAYS or use.name not in ids]
        asked = await _learnt(wiring, service, desired, wanted, mine, ids)
    return Filled(_substituted(wiring, desired, uses, ids), asked)


async def saved(
    wiring: Wiring, plan: Plan, recorded: Recorded, service: Service, desired: Desired | None
) -> Filled[Plan]:
    """Return a saved plan with ids in the places of names.

    What else was made from names is looked up too: the plan may hold ids already, also others than the log
    knows, and the log should learn what they stand for.  Raises as `declared` does.
    """
    uses = {index: _in_step(wiring, step) for index, step in enumerate(plan.steps)}
    others = _in_manifests(wiring, desired.manifests) if desired and desired.tree == plan.tree else []
    listed = [use for found in uses.values() for use in found]
    ids = _known(recorded, service, [*listed, *others])
    wanted = [use for use in listed if use.name not in ids]
    asked = await _learnt(wiring, service, desired, wanted, listed, ids)
    steps = [_filled(wiring, step, ids, recorded) if uses[index] else step for index, step in enumerate(plan.steps)]
    _refuse(
        diagnostic
        for index, step in enumerate(steps)
        if uses[index]
        for diagnostic in _broken(wiring, step.address, step.after or {}, uses[index], ids)
    )
    if desired and others:
        kept = {address: one.spec for address, one in recorded.resources.items()}
        kept |= {address: one.spec for address, one in recorded.exports.items()}
        led = {step.address: step.after for step in steps}  # the last of each address
        differing = _otherwise(wiring, desired, {**kept, **led}, ids)
        asked |= await _stood_for(wiring, service, desired, others, ids, differing & led.keys(), differing)
    return Filled(replace(plan, steps=tuple(steps)), asked)


async def _stood_for(
    wiring: Wiring,
    service: Service,
    desired: Desired,
    uses: Sequence[Use],
    ids: Names,
    sent: Collection[Address],
    differing: Collection[Address],
) -> dict[Name, str]:
    """The ids of names that stand in a saved plan as ids already, or that nobody knows.

    Where it leads to other ids than the log knows (`differing`), the log must not be left with those: the next
    apply would send them.  Raises Unavailable or CredentialError when that cannot be helped for what is `sent`.
    """
    known, tried = dict(ids), set[Name]()
    wanted = [use for use in uses if use.address in sent and use.name in ids]
    found = _ids(await _ask(wiring, service, wanted, desired))
    while True:
        known = {name: known[name] for name in known.keys() - _disproved(known, found)}
        left = [use for use in uses if use.name not in known or use.address in differing]
        left = [use for use in left if use.name not in found.keys() | tried]
        if not left:
            return found
        tried |= {use.name for use in left}
        for provider in sorted({use.name.provider for use in left}):
            with suppress(CredentialError, Unavailable):
                mine = [use for use in left if use.name.provider == provider]
                found |= _ids(await _ask(wiring, service, mine, desired))


def _otherwise(wiring: Wiring, desired: Desired, last: Mapping[Address, JSONObject | None], ids: Names) -> set[Address]:
    """The addresses whose last spec is not what these ids make of their manifests."""
    found = set()
    for manifest in desired.manifests:
        kind = wiring.kind(manifest.address)
        if manifest.address in last and kind.normalise(kind.resolved(manifest.spec, ids)) != last[manifest.address]:
            found.add(manifest.address)
    return found


def news(recorded: Recorded, service: Service, asked: Names) -> dict[str, dict[str, str]]:
    """Return what the log has to learn, by provider and key, of names that were looked up."""
    found: dict[str, dict[str, str]] = {}
    for name, id_ in asked.items():
        if name.provider in service.elsewhere or recorded.names.get(name.provider, {}).get(name.key) != id_:
            found.setdefault(name.provider, {})[name.key] = id_
    return {provider: dict(sorted(names.items())) for provider, names in sorted(found.items())}


def told(wiring: Wiring, plan: Plan) -> Plan:
    """Return a plan whose steps say which of their names nobody has looked up yet."""
    from reconciler.planning.codec import seal

    steps = tuple(_told(wiring, step) for step in plan.steps)
    return plan if steps == plan.steps else seal(replace(plan, steps=steps))


def _told(wiring: Wiring, step: Step) -> Step:
    said = _unknown(wiring, step)
    return replace(step, warnings=(*step.warnings, *said)) if said else step


def _unknown(wiring: Wiring, step: Step) -> list[str]:
    """A sentence for each name that a step is about."""
    changed = {change.path[0] for change in step.changes if change.path}
    left = dict.fromkeys(use.name for use in _in_step(wiring, step) if use.named.path[0] in changed)
    return [
        f"the id of the {_what(name)} is not known yet: it is looked up when this is applied, or by plan --refresh"
        for name in left
    ]


def _in_step(wiring: Wiring, step: Step) -> list[Use]:
    kind = wiring.kind_table.get((step.address.provider, step.address.kind))
    if step.after is None or kind is None:
        return []
    return [Use(step.address, named) for named in kind.named(step.after)]


def _in_manifests(wiring: Wiring, manifests: Iterable[Manifest]) -> list[Use]:
    return [
        Use(manifest.address, named, manifest.places.get(named.path, Place(manifest.origin)))
        for manifest in manifests
        for named in wiring.kind(manifest.address).named(manifest.spec)
    ]


def _known(recorded: Recorded, service: Service, uses: Iterable[Use]) -> dict[Name, str]:
    """The ids that the log knows; those of another place mean nothing here."""
    found = {}
    for name in {use.name for use in uses}:
        id_ = recorded.names.get(name.provider, {}).get(name.key)
        if id_ is not None and name.provider not in service.elsewhere:
            found[name] = id_
    return found


async def _ask(
    wiring: Wiring, service: Service, uses: Iterable[Use], desired: Desired | None
) -> dict[Name, Resolution]:
    """What the services say of names; the clients cannot send a mutation.  Nothing is sent when there are none."""
    wanted: dict[str, set[Name]] = {}
    for use in uses:
        wanted.setdefault(use.name.provider, set()).add(use.name)
    found: dict[Name, Resolution] = {}
    async with AsyncExitStack() as stack:
        connected = await wiring.connect(
            stack,
            {provider: service.targets[provider] for provider in sorted(wanted)},
            timeout=service.timeout,
            concurrency=_READERS,
            desired=desired,
            read_only=True,
        )
        for provider, port in connected.items():
            found.update(await port.resolve(wanted[provider]))
    return found


async def _learnt(
    wiring: Wiring,
    service: Service,
    desired: Desired | None,
    wanted: Sequence[Use],
    uses: Sequence[Use],
    ids: dict[Name, str],
) -> dict[Name, str]:
    """What the wanted names lead to, and those of `uses` that turn out to be wrong in `ids`, which is put right."""
    asked: dict[Name, str] = {}
    while wanted:
        asked |= _found(wanted, await _ask(wiring, service, wanted, desired))
        wrong = _disproved(ids, asked)
        for name in wrong:
            del ids[name]
        wanted = [use for use in uses if use.name in wrong]
    ids |= asked
    return asked


def _disproved(ids: Names, asked: Names) -> set[Name]:
    """The names that cannot lead to these ids any more, by what others lead to now."""
    by_provider: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for at, names in enumerate((ids, asked)):
        for name, id_ in names.items():
            by_provider.setdefault(name.provider, ({}, {}))[at][name.key] = id_
    wrong = {provider: disproved(*both) for provider, both in by_provider.items()}
    return {name for name in ids if name.key in wrong[name.provider]}


def _ids(said: Mapping[Name, Resolution]) -> dict[Name, str]:
    return {name: answer.id for name, answer in said.items() if isinstance(answer, Found)}


def _found(uses: Iterable[Use], said: Mapping[Name, Resolution]) -> dict[Name, str]:
    """The ids, or InvalidManifests with a diagnostic for each place of a name that leads to none."""
    _refuse(_unfound(use, answer) for use in uses if isinstance(answer := said[use.name], Unfound))
    return _ids(said)


def _unfound(use: Use, answer: Unfound) -> Diagnostic:
    from reconciler import providers

    name, listed = use.name, ", ".join(answer.candidates)
    by_id = f"write {providers.id_field(name.provider, name.sort)} instead"
    if answer.ambiguous:
        return _diagnostic(use, "name-ambiguous", f"several {name.sort}s have {_by(name)}: {listed}", by_id)
    near = f"the nearest: {listed}; " if listed else ""
    if answer.hidden:
        message = f"it cannot be told whether there is a {_what(name)}: some are hidden from this account"
        return _diagnostic(use, "name-hidden", message, f"{near}{by_id}, or use the token of an owner")
    message = f"there is no {_what(name)}, or this account cannot see it"
    return _diagnostic(use, "name-not-found", message, f"{near}or {by_id}" if near else f"check it, or {by_id}")


def _diagnostic(use: Use, code: str, message: str, hint: str) -> Diagnostic:
    if use.place is None:
        message = f"{use.address}, {path_text(use.named.path)}: {message}"
        return Diagnostic(Severity.ERROR, code, message, None, use.address, hint)
    return Diagnostic(Severity.ERROR, code, message, use.place.span, use.address, hint, use.place.source)


def _what(name: Name) -> str:
    return f"{name.sort} with {_by(name)}"


def _by(name: Name) -> str:
    return f"the {_WORDS.get(name.by, name.by)} {name.value!r}"


def _substituted(wiring: Wiring, desired: Desired, uses: Iterable[Use], ids: Names) -> Desired:
    by_address: dict[Address, list[Use]] = {}
    for use in uses:
        by_address.setdefault(use.address, []).append(use)
    manifests = tuple(
        replace(manifest, spec=wiring.kind(manifest.address).resolved(manifest.spec, ids))
        if manifest.address in by_address
        else manifest
        for manifest in desired.manifests
    )
    _refuse(
        diagnostic
        for manifest in manifests
        if manifest.address in by_address
        for diagnostic in _broken(wiring, manifest.address, manifest.spec, by_address[manifest.address], ids)
    )
    return replace(desired, manifests=manifests)


def _refuse(found: Iterable[Diagnostic]) -> None:
    """Raise InvalidManifests when anything was found."""
    if wrong := dict.fromkeys(found):  # two steps of one resource hold the same names
        raise InvalidManifests(list(wrong))


def _broken(
    wiring: Wiring, address: Address, spec: JSONObject, uses: Sequence[Use], ids: Names
) -> Iterator[Diagnostic]:
    """The rules that a spec breaks now that it holds ids, at the names that lead to the id in question."""
    for rule in [rule for rule in wiring.kind(address).check(spec) if rule.severity is Severity.ERROR]:
        id_ = str(lookup(spec, rule.path))
        guilty = [use for use in uses if ids.get(use.name) == id_]
        for use in guilty or uses[:1]:
            because = f"; {_by(use.name)} leads to {id_}" if guilty else ""
            yield _diagnostic(use, rule.code, rule.message + because, rule.hint)


def _filled(wiring: Wiring, step: Step, ids: Names, recorded: Recorded) -> Step:
    """A planned step with ids in the places of names, changed from what it was planned to be changed from."""
    from reconciler.planning.diff import apply, diff

    kind = wiring.kind(step.address)
    planned = step.after or {}
    after = kind.normalise(kind.resolved(planned, ids))
    rules = tuple(change for change in step.changes if change.path[:1] == ("lifecycle",))
    fields = [change for change in step.changes if change not in rules]
    before = apply(map(_undone, fields), planned)
    said = _unknown(wiring, step)
    warnings = tuple(warning for warning in step.warnings if warning not in said)
    filled = replace(step, after=after, changes=(*diff(before, after), *rules), warnings=warnings)
    export = recorded.exports.get(step.address)
    if step.action is not Action.EXPORT or step.occurrence is not None or export is None or export.run is None:
        return filled
    run = export.run
    if run.state is RunState.FAILED or run.content != wiring.content(step.address, after):
        return filled
    return replace(filled, action=Action.UPDATE, reason="its names lead to what was exported already; recorded only")


def _undone(change: Change) -> Change:
    """The way back; all those of a difference, in their order, lead back from what it led to."""
    return Change(change.path, change.after, change.before)
