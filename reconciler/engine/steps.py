"""Performs one step: look, write down, send, write down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.engine import exports
from reconciler.engine.exports import Running
from reconciler.engine.scene import Ids, Scene, divergent, has_digest
from reconciler.model.entry import Applied, Doubted, Entry, Forgotten, Intended, Rejected
from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.outcome import Cause, Done, Observed, Outcome, Refused, Request
from reconciler.model.plan import Action, Step
from reconciler.model.ports import Provider
from reconciler.model.values import JSON

_GONE = "it was gone already"


async def perform(scene: Scene, index: int, step: Step) -> Running | None:
    """Carry one step as far as it goes now; the board knows how far that is.

    Returns an export that the service now runs.  Raises what the journal raises: then the outcome,
    if there is one, is not recorded.
    """
    provider = scene.providers.get(step.address.provider)
    if provider is None:
        message = f"there are no credentials for {step.address.provider}"
        scene.board.rejected(index, Refused(Cause.CREDENTIALS, "CREDENTIALS", message))
        return None
    ids = Ids(scene.journal.recorded.resources)
    if step.id is None:
        step = replace(step, id=ids.get(step.address))
    try:
        request = provider.request(step, ids)
    except LookupError as error:
        message = f"it refers to something that is not there or is in doubt: {error}"
        scene.board.rejected(index, Refused(Cause.UNSENT, "UNRESOLVED", message))
        return None
    if request is None:
        await _record_only(scene, index, step, provider)
        return None
    if step.action is Action.EXPORT:
        return await exports.start(scene, index, step, provider, request)
    await _mutate(scene, index, step, provider, request)
    return None


async def _record_only(scene: Scene, index: int, step: Step, provider: Provider, notes: Sequence[str] = ()) -> None:
    entries: list[Entry]
    if step.action is Action.FORGET:
        refused = await _returned(scene, step, provider)
        if refused is not None:
            scene.board.rejected(index, refused)
            return
        entries = [Forgotten(scene.run, scene.at(), step.address)]
    else:
        entries = [_intended(scene, index, step, request=""), _kept(scene, index, step)]
    await scene.journal.record(entries)
    scene.board.applied(index, id=step.id, notes=list(notes) or None)


async def _mutate(scene: Scene, index: int, step: Step, provider: Provider, request: Request) -> None:
    refused = await _compare(scene, step, provider)
    if refused is not None and _already(step, refused):
        await _record_only(scene, index, step, provider, notes=[_GONE])
    elif refused is not None:
        scene.board.rejected(index, refused)
    else:
        await scene.journal.record([_intended(scene, index, step, request.digest)])
        scene.board.intended(index)
        outcome = await scene.send(provider, request)
        if isinstance(outcome, Refused) and _already(step, outcome):
            # A service also says so of what it will not let us touch: only what cannot be seen either is gone.
            seen = await _look(scene, step, provider)
            outcome = Done(step.id, notes=(_GONE,)) if seen is None else outcome
        await _conclude(scene, index, step, outcome)


async def _conclude(scene: Scene, index: int, step: Step, outcome: Outcome) -> None:
    operation, record = scene.operation(index), scene.journal.record
    if isinstance(outcome, Done):
        identity = step.id if outcome.id is None else outcome.id
        remote = divergent(_learned(scene, step, outcome.content), step.after)
        await record([Applied(scene.run, operation, scene.at(), identity, remote, outcome.version)])
        scene.board.applied(index, id=identity, notes=list(outcome.notes) or None)
    elif isinstance(outcome, Refused):
        await record([Rejected(scene.run, operation, scene.at(), outcome.code, outcome.message)])
        scene.board.rejected(index, outcome)
    else:
        await record([Doubted(scene.run, operation, scene.at(), outcome.reason)])
        scene.board.doubtful(index, operation, outcome.reason)


def _learned(scene: Scene, step: Step, content: JSON) -> JSON:
    """The live content to record: of an update only what it changed.

    What somebody else did to the other fields is left for a refresh to find, or it would pass for what
    the service made of this update.
    """
    resource = scene.journal.recorded.resources.get(step.address)
    before = None if resource is None or step.action is not Action.UPDATE else resource.content
    if not isinstance(content, dict) or not isinstance(before, dict):
        return content
    changed = {change.path[0] for change in step.changes if change.path}
    ours = {key: value for key, value in content.items() if key in changed}
    return {**{key: value for key, value in before.items() if key not in changed}, **ours}


async def _returned(scene: Scene, step: Step, provider: Provider) -> Refused | None:
    """Why what is gone must not be forgotten and made again; None when it may."""
    if step.address not in scene.creates or step.address not in scene.journal.recorded.resources:
        return None
    seen = await _look(scene, step, provider)
    if isinstance(seen, Observed):
        return Refused(Cause.CHANGED, "CHANGED", f"{step.id} is there again; plan anew")
    return seen


async def _compare(scene: Scene, step: Step, provider: Provider) -> Refused | None:
    """Look whether the object still is what the step was computed from; None when it may go on."""
    if step.action is Action.CREATE and step.address in scene.journal.recorded.resources:
        return _otherwise(step)
    if scene.options.accept_drift or step.remote_digest is None:
        return None
    seen = await _look(scene, step, provider)
    return seen if isinstance(seen, Refused) else _judge(step, step.remote_digest, seen)


async def _look(scene: Scene, step: Step, provider: Provider) -> Observed | Refused | None:
    """The live object, None when it is not there, or why that cannot be known."""
    resource = scene.journal.recorded.resources.get(step.address)
    if resource is None or resource.id != step.id:
        return _otherwise(step)
    try:
        return (await provider.observe([resource])).get(step.address)
    except CredentialError as error:
        return Refused(Cause.CREDENTIALS, "CREDENTIALS", error.message)
    except Unavailable as error:
        message = f"nothing was sent, because the live object could not be read first: {error.message}"
        return Refused(Cause.UNSENT, "UNAVAILABLE", message)


def _judge(step: Step, expected: str, observed: Observed | None) -> Refused | None:
    if observed is None:
        return Refused(Cause.GONE, "GONE", f"{step.id} is gone from the service; plan --refresh shows it")
    if has_digest(observed.content, expected):
        return None
    message = (
        f"{step.id} was changed in the service meanwhile; plan --refresh shows how, apply --accept-drift overrules"
    )
    return Refused(Cause.CHANGED, "CHANGED", message)


def _otherwise(step: Step) -> Refused:
    return Refused(Cause.CHANGED, "CHANGED", f"{step.address} is recorded otherwise than planned; plan again")


def _already(step: Step, refused: Refused) -> bool:
    return refused.cause is Cause.GONE and step.action is Action.DELETE


def _intended(scene: Scene, index: int, step: Step, request: str) -> Intended:
    return Intended(
        run=scene.run,
        operation=scene.operation(index),
        at=scene.at(),
        address=step.address,
        action=step.action,
        id=step.id,
        after=step.after,
        request=request,
        lifecycle=step.lifecycle,
        labels=step.labels,
        due_from=scene.due_from(step),
    )


def _kept(scene: Scene, index: int, step: Step) -> Applied:
    """Nothing was sent, so the live content and its version stay what they were."""
    resource = scene.journal.recorded.resources.get(step.address)
    applied = Applied(scene.run, scene.operation(index), scene.at(), step.id)
    if resource is None or step.after is None:
        return applied
    return replace(applied, remote=divergent(resource.content, step.after), version=resource.version)
