"""Steps for what a service keeps: reports are created, updated and deleted."""

from __future__ import annotations

from reconciler.model.canonical import digest
from reconciler.model.manifest import Lifecycle, Manifest, OnRemove
from reconciler.model.outcome import Observed
from reconciler.model.plan import Action, Change, Drift, Step
from reconciler.model.ports import Kind
from reconciler.model.recorded import Resource
from reconciler.model.values import JSONObject
from reconciler.planning.diff import diff, same


def drift(resource: Resource, kind: Kind | None, observed: Observed | None) -> Drift | None:
    """Return how a live object differs from what was last seen of it, None when it does not.

    `observed` None means that the object is gone; `kind` None that the kind is no longer known.
    """
    if observed is None:
        return Drift(resource.address, resource.id, missing=True)
    known, live = resource.content, observed.content
    if kind is not None:
        known, live = kind.normalise(known), kind.normalise(live)
    changes = diff(known, live)
    return Drift(resource.address, resource.id, missing=False, changes=changes) if changes else None


def declared(
    manifest: Manifest, kind: Kind, resource: Resource | None, drifted: Drift | None, observed: Observed | None
) -> list[Step]:
    """Return the steps that make the service keep what the manifest declares, none when it does.

    `resource` is what is recorded and `drifted` how the live object differs from that, None each
    when there is nothing; `observed` is the live object, None when nobody looked.
    """
    spec = kind.normalise(manifest.spec)
    if resource is None:
        return _create(manifest, kind, spec, "new")
    if drifted is not None and drifted.missing:
        return [_gone(resource), *_create(manifest, kind, spec, "gone from the service")]
    recorded = spec if same(resource.spec, spec) else kind.normalise(resource.spec)
    seen = (kind.normalise(resource.content), kind.normalise(observed.content)) if drifted and observed else None
    before, changes, reason = _difference(recorded, spec, seen)
    rules = lifecycle_changes(resource.lifecycle, manifest.lifecycle)
    if not changes and not rules:
        return []
    return [
        Step(
            address=manifest.address,
            action=Action.UPDATE,
            reason=reason if changes else "only its lifecycle changes; nothing is sent",
            id=resource.id,
            after=spec,
            changes=(*changes, *rules),
            lifecycle=manifest.lifecycle,
            labels=manifest.labels,
            remote_digest=digest(resource.content if observed is None else observed.content),
            warnings=tuple(kind.widens(before, spec)),
        )
    ]


def _gone(resource: Resource) -> Step:
    """What is recorded of an object that is no longer there makes room for a new one."""
    return Step(
        address=resource.address,
        action=Action.FORGET,
        reason="its object is gone from the service",
        id=resource.id,
        lifecycle=resource.lifecycle,
        labels=resource.labels,
        warnings=("an object that may no longer be seen looks just as gone: if that is it, stop here",),
    )


def removed(resource: Resource, drifted: Drift | None, observed: Observed | None) -> Step:
    """Return the step for a recorded resource that no manifest declares any more."""
    gone = drifted is not None and drifted.missing
    if gone or resource.lifecycle.on_remove is OnRemove.DETACH:
        why = "so is its object" if gone else "onRemove: detach leaves its object as it is"
        return Step(
            address=resource.address,
            action=Action.FORGET,
            reason=f"its manifest is gone, and {why}" if gone else f"its manifest is gone; {why}",
            id=resource.id,
            lifecycle=resource.lifecycle,
            labels=resource.labels,
        )
    warning = (
        "protected: apply refuses to delete it; declare it again with lifecycle.protect: false and apply that first"
    )
    return Step(
        address=resource.address,
        action=Action.DELETE,
        reason="its manifest is gone",
        id=resource.id,
        changes=diff(resource.spec, {}),
        lifecycle=resource.lifecycle,
        labels=resource.labels,
        remote_digest=digest(resource.content if observed is None else observed.content),
        warnings=(warning,) if resource.lifecycle.protect else (),
    )


def lifecycle_changes(before: Lifecycle | None, after: Lifecycle) -> tuple[Change, ...]:
    """Return the changes of the recorded rules; for a new resource (None), the rules that are not the default."""
    old = before or Lifecycle()
    pairs = (("protect", old.protect, after.protect), ("onRemove", old.on_remove.value, after.on_remove.value))
    return tuple(
        Change(("lifecycle", name), None if before is None else was, now) for name, was, now in pairs if was != now
    )


def _difference(
    recorded: JSONObject, spec: JSONObject, seen: tuple[JSONObject, JSONObject] | None
) -> tuple[JSONObject, tuple[Change, ...], str]:
    """What an update starts from, what it changes and why; `seen` is what was last seen and what is
    there now, None without drift."""
    changes = diff(recorded, spec)
    if seen is None:
        return recorded, changes, "changed"
    known, live = seen
    restored = diff(live, spec)
    if restored:
        return live, restored, "changed, here and in the service" if changes else "changed in the service; restored"
    # The log must learn that the service has the declared state already, or every later plan would
    # be computed from what is no longer there.
    if changes:
        return recorded, changes, "changed; the service has it already"
    return known, diff(known, spec), "corrected in the service"


def _create(manifest: Manifest, kind: Kind, spec: JSONObject, reason: str) -> list[Step]:
    first = kind.creation(spec)
    create = Step(
        address=manifest.address,
        action=Action.CREATE,
        reason=reason,
        after=first,
        changes=(*diff({}, first), *lifecycle_changes(None, manifest.lifecycle)),
        lifecycle=manifest.lifecycle,
        labels=manifest.labels,
    )
    if same(first, spec):
        return [create]
    update = Step(
        address=manifest.address,
        action=Action.UPDATE,
        reason="sets what a create cannot carry",
        after=spec,
        changes=diff(first, spec),
        lifecycle=manifest.lifecycle,
        labels=manifest.labels,
    )
    return [create, update]
