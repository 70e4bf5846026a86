"""Starts an export, at most once per occurrence."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine import timing
from reconciler.engine.scene import Scene
from reconciler.model.entry import Doubted, ExportFailed, ExportIntended, ExportStarted
from reconciler.model.event import EventType
from reconciler.model.outcome import Done, Refused, Request
from reconciler.model.plan import Step
from reconciler.model.ports import Provider, Require
from reconciler.model.recorded import ExportRecord, Recorded, RunState
from reconciler.model.values import Address


@dataclass(frozen=True, slots=True)
class Running:
    """An export that the service has; `since` is when it was intended.  `earlier` is True when
    another run started it, `finished` when the service has already said that the file is there."""

    address: Address
    operation: str
    export_id: str
    occurrence: str | None
    since: str
    finished: bool = False
    earlier: bool = False

    @property
    def stamp(self) -> str:
        """Tells the file of this run from those of others, however often it is fetched."""
        return self.occurrence or self.since


class Handled(Exception):
    """Somebody else has taken care of this export meanwhile; the sentence says how far."""


async def start(scene: Scene, index: int, step: Step, provider: Provider, request: Request) -> Running | None:
    """Start one export, and never again when nobody knows whether that worked.

    Returns it when the service has it.  Raises what the journal raises.
    """
    operation, record = scene.operation(index), scene.journal.record
    intention = _intention(scene, operation, step, request)
    try:
        await record([intention], _require(intention))
    except Handled as handled:
        scene.board.failed(index, EventType.STEP_SKIPPED, reason=str(handled))
        return None
    scene.board.intended(index)
    outcome = await scene.send(provider, request)
    if isinstance(outcome, Done) and outcome.id is not None:
        await record([ExportStarted(scene.run, operation, scene.at(), outcome.id)])
        scene.board.running(index, export_id=outcome.id)
        return Running(step.address, operation, outcome.id, step.occurrence, intention.at)
    if isinstance(outcome, Refused):
        code, message = outcome.code, outcome.message
        await record([ExportFailed(scene.run, operation, scene.at(), ran=False, code=code, message=message)])
        scene.board.rejected(index, outcome)
        return None
    reason = "the service gave no id to ask about it" if isinstance(outcome, Done) else outcome.reason
    await record([Doubted(scene.run, operation, scene.at(), reason)])
    scene.board.failed(index, EventType.STEP_DOUBTED, reason=reason)
    return None


def _intention(scene: Scene, operation: str, step: Step, request: Request) -> ExportIntended:
    after = step.after or {}
    return ExportIntended(
        run=scene.run,
        operation=operation,
        at=scene.at(),
        address=step.address,
        occurrence=step.occurrence,
        content=scene.content(step.address, after),
        after=after,
        request=request.digest,
        lifecycle=step.lifecycle,
        labels=step.labels,
        due_from=scene.due_from(step),
    )


def _require(intention: ExportIntended) -> Require:
    """The precondition of an intention: nobody has intended this occurrence (or content) yet."""

    def require(recorded: Recorded) -> None:
        record = recorded.exports.get(intention.address)
        if record is None:
            return
        if record.run is not None and record.run.in_flight:
            raise Handled("another run has started this export meanwhile, and it is still in flight")
        if intention.occurrence is not None and _passed(record, intention.occurrence):
            raise Handled("another run has taken this occurrence meanwhile")
        if intention.occurrence is None and _handled(record, intention.content):
            raise Handled("another run has exported this content meanwhile")

    return require


def _passed(record: ExportRecord, occurrence: str) -> bool:
    last = record.last_occurrence
    return last is not None and timing.parse(last) >= timing.parse(occurrence)


def _handled(record: ExportRecord, content: str) -> bool:
    run = record.run
    return run is not None and run.content == content and run.state is not RunState.FAILED
