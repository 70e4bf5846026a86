"""Desired, recorded and observed become a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from reconciler.model.canonical import canonical
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.errors import InvalidManifests, Unavailable
from reconciler.model.manifest import Desired, Manifest
from reconciler.model.outcome import Observed
from reconciler.model.plan import Action, Drift, Due, Plan, Step, Target
from reconciler.model.ports import Kind
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address, path_text
from reconciler.planning import codec, exports, kept, order, selection

Kinds: TypeAlias = Mapping[tuple[str, str], Kind]
Live: TypeAlias = Mapping[Address, Observed | None]


def plan(
    *,
    desired: Desired,
    recorded: Recorded,
    kinds: Kinds,
    due: Mapping[Address, Due],
    observed: Live | None,
    targets: Mapping[str, Target],
    created: datetime,
    tool: str,
    commit: str | None,
    select: Sequence[str] = (),
    lifetime: timedelta = timedelta(hours=24),
) -> Plan:
    """Return the sealed plan that leads from what is recorded to what is desired.

    `kinds` is keyed by provider and lower-case kind; `due` holds every scheduled export of `desired`;
    `observed` the live objects, None when nobody looked (then there is no drift); `created` is an aware
    instant and `select` as in `selection.choose`.  Equal arguments give equal plans.  Raises
    InvalidManifests when a step would break a limit, Usage when a selector matches nothing, Unavailable
    when a live object cannot be compared.
    """
    chosen = selection.choose(desired, recorded, select)
    manifests = {manifest.address: manifest for manifest in desired.manifests if manifest.address in chosen}
    alone = _left_alone(manifests.values(), recorded) & chosen
    known = _Known(recorded, kinds, due, observed or {}, _drift(recorded, kinds, observed or {}, chosen - alone))
    wanted = [
        step for manifest in manifests.values() if manifest.address not in alone for step in known.declared(manifest)
    ]
    steps = order.arrange([*wanted, *known.removed(chosen - alone - manifests.keys())], manifests)
    _recheck(steps, manifests, kinds)
    in_doubt = alone | (exports.unknown(recorded) & chosen)
    forgotten = {step.address for step in steps if step.action is Action.FORGET}
    made = Plan(
        created=_instant(created),
        expires=_instant(created + lifetime),
        tool=tool,
        environment=desired.environment,
        targets=dict(targets),
        lineage=recorded.lineage,
        position=recorded.position,
        tree=desired.tree,
        commit=commit,
        steps=steps,
        drift=tuple(known.drift[address] for address in sorted(known.drift)),
        pending=exports.pending(recorded, chosen - forgotten),
        in_doubt=tuple(sorted(in_doubt)),
        unchanged=len(manifests.keys() - in_doubt - {step.address for step in steps}),
    )
    return _sealed(made, manifests)


@dataclass(frozen=True)
class _Known:
    """What a step depends on besides its manifest; `drift` holds only what differs."""

    recorded: Recorded
    kinds: Kinds
    due: Mapping[Address, Due]
    observed: Live
    drift: Mapping[Address, Drift]

    def declared(self, manifest: Manifest) -> list[Step]:
        address = manifest.address
        kind = self.kinds[(address.provider, address.kind)]
        if address.is_export:
            return exports.declared(manifest, kind, self.recorded.exports.get(address), self.due.get(address))
        resource = self.recorded.resources.get(address)
        return kept.declared(manifest, kind, resource, self.drift.get(address), self.observed.get(address))

    def removed(self, gone: Collection[Address]) -> Iterable[Step]:
        for address, resource in self.recorded.resources.items():
            if address in gone:
                yield kept.removed(resource, self.drift.get(address), self.observed.get(address))
        for address, record in self.recorded.exports.items():
            if address in gone:
                yield exports.removed(record)


def _left_alone(manifests: Iterable[Manifest], recorded: Recorded) -> set[Address]:
    """Addresses with an open doubt, and those that refer to one whose object may not exist."""
    doubts = recorded.in_doubt.values()
    alone = {doubt.address for doubt in doubts}
    missing = {
        doubt.address for doubt in doubts if doubt.action is Action.DELETE or doubt.address not in recorded.resources
    }
    declared = list(manifests)
    while missing:
        found = {
            manifest.address
            for manifest in declared
            if manifest.address not in alone and any(reference.target in missing for reference in manifest.references)
        }
        alone |= found
        missing = found - recorded.resources.keys()
    return alone


def _drift(recorded: Recorded, kinds: Kinds, observed: Live, chosen: Collection[Address]) -> dict[Address, Drift]:
    found: dict[Address, Drift] = {}
    for address in observed.keys() & recorded.resources.keys():
        if address not in chosen:
            continue
        kind = kinds.get((address.provider, address.kind))
        drifted = kept.drift(recorded.resources[address], kind, observed[address])
        if drifted is not None:
            _check_live(address, observed[address])
            found[address] = drifted
    return found


def _check_live(address: Address, live: Observed | None) -> None:
    """Raise Unavailable for a live object that cannot be put into a plan, because JSON cannot carry it."""
    try:
        canonical(live and live.content)
    except ValueError as error:
        raise Unavailable(
            f"{address} cannot be compared: its live object cannot be written as JSON: {error}",
            "correct it in the service, or --select other resources",
        ) from error


def _recheck(steps: Iterable[Step], manifests: Mapping[Address, Manifest], kinds: Kinds) -> None:
    """Raise InvalidManifests when what a step is about to send breaks a limit of its kind."""
    found: dict[Diagnostic, None] = {}
    for step in steps:
        if step.after is None:
            continue
        for broken in kinds[(step.address.provider, step.address.kind)].check(step.after):
            where = path_text(broken.path)
            message = f"{where}: {broken.message}" if where else broken.message
            origin = manifests[step.address].origin
            found[Diagnostic(broken.severity, broken.code, message, origin, step.address, broken.hint)] = None
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise InvalidManifests(list(found))


def _sealed(plan: Plan, manifests: Mapping[Address, Manifest]) -> Plan:
    """Seal a plan; raises InvalidManifests for steps with values that JSON cannot carry."""
    try:
        return codec.seal(plan)
    except ValueError as error:
        found = [
            Diagnostic(Severity.ERROR, "not-json", str(reason), manifests[step.address].origin, step.address)
            for step in plan.steps
            if step.address in manifests and (reason := _uncanonical(step)) is not None
        ]
        if not found:
            raise
        raise InvalidManifests(found) from error


def _uncanonical(step: Step) -> str | None:
    try:
        canonical(codec.step_json(step))
    except ValueError as error:
        return f"the spec cannot be written as JSON: {error}"
    return None


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
