"""Steps for what is run: exports, on a schedule or once for each content."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from reconciler.model.canonical import digest
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Action, Due, Pending, Step
from reconciler.model.ports import Kind
from reconciler.model.recorded import ExportRecord, ExportRun, Recorded, RunState
from reconciler.model.values import Address, JSONObject
from reconciler.planning.diff import diff
from reconciler.planning.kept import lifecycle_changes


def declared(manifest: Manifest, kind: Kind, record: ExportRecord | None, due: Due | None) -> list[Step]:
    """Return the step that a declared export needs now, none when it needs none.

    `due` says where its schedule stands, None for an export without one.  An `export` step runs it; a
    `create` or `update` step is recorded only.
    """
    spec = kind.normalise(manifest.spec)
    before = kind.normalise(record.spec) if record else {}
    changes = (
        *diff(before, spec),
        *lifecycle_changes(record.lifecycle if record else None, manifest.lifecycle),
    )
    action, occurrence = Action.EXPORT, None
    moved = record is not None and before.get("schedule") != spec.get("schedule")
    reason = _by_content(kind, spec, record) if due is None else None if moved else _by_schedule(spec, record, due)
    if record is not None and record.run is not None and record.run.in_flight:
        reason = None
    warnings = list(kind.widens(before, spec)) if record else []
    if reason is not None:
        occurrence = due.occurrence if due and record else None
        warnings += _passed_over(due.missed) if due and occurrence else []
    elif record is None:
        action, reason = Action.CREATE, f"new; {_first(due.next if due else None)}"
    elif changes:
        action, reason = Action.UPDATE, "changed; recorded only"
        if due is not None and moved:
            reason = f"{reason}; {_first(due.next)}"
    else:
        return []
    return [
        Step(
            address=manifest.address,
            action=action,
            reason=reason,
            after=spec,
            changes=changes,
            lifecycle=manifest.lifecycle,
            labels=manifest.labels,
            occurrence=occurrence,
            warnings=tuple(warnings),
        )
    ]


def removed(record: ExportRecord) -> Step:
    """Return the step for a recorded export that no manifest declares any more."""
    in_flight = record.run is not None and record.run.in_flight
    return Step(
        address=record.address,
        action=Action.FORGET,
        reason="its manifest is gone",
        lifecycle=record.lifecycle,
        labels=record.labels,
        warnings=("a run of it is in flight; its file will not be fetched",) if in_flight else (),
    )


def pending(recorded: Recorded, chosen: Collection[Address]) -> tuple[Pending, ...]:
    """Return the runs of chosen exports that a service has and whose file is not yet here, by address."""
    return tuple(
        Pending(address, record.run.occurrence, record.run.export_id or "")
        for address, record in sorted(recorded.exports.items(), key=lambda item: item[0])
        if address in chosen and record.run is not None and record.run.in_flight
    )


def unknown(recorded: Recorded) -> set[Address]:
    """Return the exports of whose last run nobody knows whether the service got it."""
    return {address for address, record in recorded.exports.items() if record.run is not None and record.run.unknown}


def counts_from(record: ExportRecord) -> str:
    """Return the instant after which an occurrence of a recorded export is due."""
    return max(record.due_from, record.last_occurrence or "")


def warnings(recorded: Recorded, now: datetime) -> tuple[str, ...]:
    """Return a sentence for each schedule that stands still, because a clock was ahead when it was recorded."""
    return tuple(
        f"{address}: its schedule counts from {counts_from(record)}, which is still to come; no run is due before."
        " To count from now, remove its manifest, apply that, and declare it again"
        for address, record in sorted(recorded.exports.items(), key=lambda item: item[0])
        if record.spec.get("schedule") and datetime.fromisoformat(counts_from(record)) > now
    )


def _by_schedule(spec: JSONObject, record: ExportRecord | None, due: Due) -> str | None:
    at_once = spec.get("runOnCreate") is True
    if record is None:
        return "new" if at_once else None
    run = record.run
    if due.occurrence is not None and not (run and run.occurrence == due.occurrence and not _never_ran(run)):
        return f"scheduled for {due.occurrence}"
    if at_once and run is not None and run.occurrence is None and _never_ran(run):
        return "its first run never started"
    return None


def _by_content(kind: Kind, spec: JSONObject, record: ExportRecord | None) -> str | None:
    if record is None:
        return "new"
    if record.run is None:
        return "never run"
    if record.run.content != digest(kind.content(spec)):
        return "changed"
    return "last run failed" if record.run.state is RunState.FAILED else None


def _never_ran(run: ExportRun) -> bool:
    return run.state is RunState.FAILED and not run.ran


def _passed_over(missed: int) -> list[str]:
    return [f"{missed} earlier {'occurrence is' if missed == 1 else 'occurrences are'} passed over"] if missed else []


def _first(occurrence: str | None) -> str:
    return f"first run at {occurrence}" if occurrence else "its schedule has no occurrence to come"
