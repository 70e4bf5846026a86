"""Looks up what became of doubtful mutations."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.engine import timing
from reconciler.engine.scene import divergent
from reconciler.model.entry import Settled
from reconciler.model.errors import CredentialError, Unavailable
from reconciler.model.outcome import Done, Settlement, Unclear
from reconciler.model.ports import Clock, Provider
from reconciler.model.recorded import Doubt, Recorded


async def look_up(name: str, provider: Provider, recorded: Recorded) -> Mapping[str, Settlement]:
    """Ask one service about all its doubtful mutations at once, by operation; nothing may be in flight to it.

    All at once, because two equal creates in doubt can only be told apart together.  A look-up that
    fails leaves everything unclear.
    """
    doubts = [doubt for doubt in recorded.in_doubt.values() if doubt.address.provider == name]
    resources = [resource for resource in recorded.resources.values() if resource.address.provider == name]
    try:
        return await provider.settle(doubts, resources)
    except (CredentialError, Unavailable) as error:
        unclear = Unclear(f"it could not be looked up: {error.message}")
        return {doubt.operation: unclear for doubt in doubts}


def happened(run: str, clock: Clock, doubt: Doubt, done: Done) -> Settled:
    """The entry that turns a doubt into what it was meant to be."""
    return Settled(
        run=run,
        operation=doubt.operation,
        at=timing.wall(clock),
        applied=True,
        how="lookup",
        id=doubt.id if done.id is None else done.id,
        remote=divergent(done.content, doubt.after),
        version=done.version,
    )


def sentence(doubt: Doubt, finding: Settlement) -> str:
    """What a look-up found of a doubt, for people."""
    said = f"{doubt.address}: the {doubt.action.value} of run {doubt.run}"
    if isinstance(finding, Unclear):
        return f"{said} stays in doubt: {explain(finding)}"
    if isinstance(finding, Done):
        return "; ".join((f"{said} had happened", *finding.notes))
    return f"{said} had not happened"


def explain(unclear: Unclear) -> str:
    """What a person has to know to judge for themselves."""
    if not unclear.candidates:
        return unclear.reason
    return f"{unclear.reason} (candidates: {', '.join(unclear.candidates)})"
