"""The fold: what the entries of a log, in order, say is the state.

- Outcomes are joined to intentions by their operation.  `Applied` needs an open intention.  Any other outcome
  whose operation is not open changes nothing: it was settled, forgotten or superseded by a later run meanwhile.
- A registration (`Intended` for an export address) stands in `in_doubt` until its outcome, like any intention.
- `last_occurrence` counts an occurrence as handled from its intention on.  When that run provably never
  started, it falls back to `previous_occurrence`, unless something later was handled in between.
- An export run never goes back: an entry about a stage that it has left behind changes nothing.
- Names lead to ids in one place: they are forgotten when a run says that the objects are somewhere else.
- A name that leads to another id than before, or to none any more because another name has its id, may change
  what was planned; one that is new changes nothing.
- `Imported` and `Forgotten` are a person's word on an address: they end whatever is in doubt there.
- Nothing follows `Migrated`.  `Archived` begins its batch and agrees with the state, or is where the log begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from reconciler.model.entry import (
    Applied,
    Archived,
    Doubted,
    Entry,
    ExportDelivered,
    ExportFailed,
    ExportFinished,
    ExportIntended,
    ExportSkipped,
    ExportStarted,
    Forgotten,
    Imported,
    Intended,
    LeaseBroken,
    LeaseReleased,
    LeaseRenewed,
    LeaseTaken,
    Migrated,
    Moved,
    Rejected,
    Resolved,
    RunFinished,
    RunStarted,
    Settled,
)
from reconciler.model.errors import StateError
from reconciler.model.naming import disproved
from reconciler.model.plan import Action
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Lease, Recorded, Resource, RunState
from reconciler.model.values import Address
from reconciler.state import snapshot
from reconciler.state.records import damaged
from reconciler.state.trial import Trial

_STAGE: Final = {
    RunState.INTENDED: 0,
    RunState.IN_DOUBT: 1,
    RunState.STARTED: 2,
    RunState.FINISHED: 3,
    RunState.FAILED: 4,
    RunState.DELIVERED: 5,  # last: a file that is there stays there, whatever a slower process says of it
}
_CHANGES_NOTHING: Final = frozenset(
    {
        *(RunStarted, RunFinished, LeaseTaken, LeaseRenewed, LeaseReleased, LeaseBroken),
        Resolved,  # unless it says otherwise itself
        *(Migrated, Archived),
    }
)
_NO_LONGER: Final = (Action.DELETE, Action.FORGET)


def fold(recorded: Recorded, entries: Iterable[Entry]) -> None:
    """Fold one batch into the state, in place: one position more, and what its entries say.

    Raises StateError when an entry contradicts the state; then `recorded` is as it was.
    `lineage` is left alone: it is the digest of bytes that entries do not know.
    """
    folded = Fold(recorded)
    folded.add(entries)
    folded.commit()


class Fold(Trial):
    """A state with what is needed to go on folding: which export each running operation belongs to."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self.recorded = recorded
        self._runs = _running(recorded)
        self._begun = False  # whether the batch that is being folded holds an entry already

    def add(self, entries: Iterable[Entry]) -> None:
        """Fold entries of the batch that follows `position`.

        Raises StateError when one contradicts the state; then none of them is folded.
        """
        mark = self._mark()
        try:
            for entry in entries:
                if self.recorded.moved_to is not None:
                    raise damaged(f"it goes on although it was moved to {self.recorded.moved_to}")
                _HANDLERS[type(entry)](self, entry)
                if type(entry) not in _CHANGES_NOTHING:
                    self._changed()
                if not self._begun:
                    self._set(self, "_begun", value=True)
        except StateError:
            self._back_to(mark)
            raise

    def commit(self) -> None:
        """End the batch: all that was added stays, and the position is one more."""
        self.recorded.position += 1
        self._begun = False
        self._keep_all()

    def exporting(self, operation: str) -> Address | None:
        """The export whose last run has this operation, None when there is none."""
        return self._runs.get(operation)

    def _changed(self) -> None:
        if self.recorded.changed <= self.recorded.position:
            self._set(self.recorded, "changed", self.recorded.position + 1)

    def _run_started(self, entry: RunStarted) -> None:
        for provider, place in entry.places.items():
            if self.recorded.places.get(provider, place) != place:
                self._drop(self.recorded.names, provider)
            self._put(self.recorded.places, provider, place)
        if entry.plan is not None:
            self._include(self.recorded.plans, entry.plan)

    def _run_finished(self, entry: RunFinished) -> None:
        """The end of a run says nothing about the state."""

    def _lease_taken(self, entry: LeaseTaken) -> None:
        if self.recorded.lease is not None:
            raise damaged(f"run {entry.run} took the lease that run {self.recorded.lease.run} held")
        self._set(self.recorded, "lease", Lease(entry.run, entry.holder, entry.at, entry.until))

    def _lease_renewed(self, entry: LeaseRenewed) -> None:
        lease = self.recorded.lease
        if lease is None or lease.run != entry.run:
            raise damaged(f"run {entry.run} renewed a lease that it did not hold")
        self._set(self.recorded, "lease", replace(lease, until=entry.until))

    def _lease_ended(self, entry: LeaseReleased | LeaseBroken) -> None:
        """Until now the run may have sent what it intended.  One that gave the lease back has dated itself
        what it gave a reason for; of one that was broken not even the clock is trusted."""
        held = self.recorded.lease is not None and self.recorded.lease.run == entry.run
        if held:
            self._set(self.recorded, "lease", None)
        broken = isinstance(entry, LeaseBroken)
        for doubt in list(self.recorded.in_doubt.values()):
            if doubt.run == entry.run and (broken or (held and not doubt.reason)):
                self._put(self.recorded.in_doubt, doubt.operation, replace(doubt, since=entry.at))

    def _intended(self, entry: Intended) -> None:
        self._new(entry.operation)
        doubt = Doubt(
            operation=entry.operation,
            run=entry.run,
            address=entry.address,
            action=entry.action,
            id=entry.id,
            after=entry.after,
            since=entry.at,
            intended_at=entry.at,
            lifecycle=entry.lifecycle,
            labels=entry.labels,
            due_from=entry.due_from,
        )
        self._put(self.recorded.in_doubt, entry.operation, doubt)

    def _new(self, operation: str) -> None:
        if operation in self.recorded.in_doubt or operation in self._runs:
            raise damaged(f"operation {operation} was intended twice")

    def _applied(self, entry: Applied | Settled) -> None:
        doubt = self._drop(self.recorded.in_doubt, entry.operation)
        if doubt is None:
            raise damaged(f"operation {entry.operation} was applied, but never intended")
        if doubt.action in _NO_LONGER:
            self._remove(doubt.address)
        elif doubt.after is None:
            raise damaged(f"operation {entry.operation} made {doubt.address} of nothing")
        elif doubt.address.is_export:
            self._register(doubt.address, doubt.after, doubt, doubt.intended_at)
        else:
            found = entry.id or doubt.id
            if found is None:
                raise damaged(f"operation {entry.operation} was applied to {doubt.address}, but no id is known")
            self._keep(found, doubt.after, doubt, entry)

    def _keep(
        self, id_: str, spec: dict[str, Any], said: Doubt | Imported, found: Applied | Settled | Imported
    ) -> None:
        made = Resource(
            said.address, id_, spec, found.at, said.lifecycle, said.labels, remote=found.remote, version=found.version
        )
        self._put(self.recorded.resources, said.address, made)

    def _register(
        self, address: Address, spec: dict[str, Any], said: Doubt | ExportIntended, default: str
    ) -> ExportRecord:
        """Make or update the record of an export; what is known of its runs stays."""
        before = self.recorded.exports.get(address)
        due_from = said.due_from or (before.due_from if before else default)
        if before is None:
            record = ExportRecord(address, spec, due_from, said.lifecycle, said.labels)
        else:
            record = replace(before, spec=spec, due_from=due_from, lifecycle=said.lifecycle, labels=said.labels)
        self._put(self.recorded.exports, address, record)
        return record

    def _remove(self, address: Address) -> None:
        self._drop(self.recorded.resources, address)
        record = self._drop(self.recorded.exports, address)
        if record is not None and record.run is not None:
            self._drop(self._runs, record.run.operation)

    def _doubted(self, entry: Doubted) -> None:
        doubt = self.recorded.in_doubt.get(entry.operation)
        if doubt is None:
            self._advance(entry.operation, RunState.IN_DOUBT, message=entry.reason)
        else:
            self._put(self.recorded.in_doubt, entry.operation, replace(doubt, since=entry.at, reason=entry.reason))

    def _rejected(self, entry: Rejected) -> None:
        self._never_happened(entry.operation, entry.message)

    def _settled(self, entry: Settled) -> None:
        if not entry.applied:
            self._never_happened(entry.operation, "it had never started")
        elif entry.operation in self.recorded.in_doubt:
            self._applied(entry)
        elif entry.id is not None:
            self._advance(entry.operation, RunState.STARTED, export_id=entry.id, started_at=entry.at)
        else:
            self._advance(entry.operation, RunState.DELIVERED, message="it had run; there is nothing left to fetch")

    def _never_happened(self, operation: str, message: str) -> None:
        if self._drop(self.recorded.in_doubt, operation) is None:
            self._advance(operation, RunState.FAILED, ran=False, message=message)

    def _imported(self, entry: Imported) -> None:
        self._end_doubts(entry.address)
        self._keep(entry.id, entry.after, entry, entry)

    def _moved(self, entry: Moved) -> None:
        resources, exports = self.recorded.resources, self.recorded.exports
        if entry.target in resources or entry.target in exports:
            raise damaged(f"{entry.source} was moved to {entry.target}, which is there already")
        resource = self._drop(resources, entry.source)
        export = self._drop(exports, entry.source)
        if resource is not None:
            self._put(resources, entry.target, replace(resource, address=entry.target))
        elif export is not None:
            self._put(exports, entry.target, replace(export, address=entry.target))
            if export.run is not None:
                self._put(self._runs, export.run.operation, entry.target)
        else:
            raise damaged(f"{entry.source} was moved, but is not recorded")
        for doubt in self._doubts(entry.source):
            self._put(self.recorded.in_doubt, doubt.operation, replace(doubt, address=entry.target))

    def _forgotten(self, entry: Forgotten) -> None:
        self._end_doubts(entry.address)
        self._remove(entry.address)

    def _end_doubts(self, address: Address) -> None:
        for doubt in self._doubts(address):
            self._drop(self.recorded.in_doubt, doubt.operation)

    def _doubts(self, address: Address) -> list[Doubt]:
        return [doubt for doubt in self.recorded.in_doubt.values() if doubt.address == address]

    def _export_intended(self, entry: ExportIntended) -> None:
        self._new(entry.operation)
        record = self._register(entry.address, entry.after, entry, entry.at)
        if record.run is not None:
            self._drop(self._runs, record.run.operation)
        run = ExportRun(entry.operation, entry.run, entry.occurrence, entry.content, entry.at)
        self._put(
            self.recorded.exports,
            entry.address,
            replace(
                record,
                run=run,
                last_occurrence=_later(record.last_occurrence, entry.occurrence),
                previous_occurrence=record.last_occurrence,
            ),
        )
        self._put(self._runs, entry.operation, entry.address)

    def _export_started(self, entry: ExportStarted) -> None:
        self._advance(entry.operation, RunState.STARTED, export_id=entry.export_id, started_at=entry.at)

    def _export_finished(self, entry: ExportFinished) -> None:
        self._advance(entry.operation, RunState.FINISHED)

    def _export_delivered(self, entry: ExportDelivered) -> None:
        self._advance(
            entry.operation, RunState.DELIVERED, location=entry.location, sha256=entry.sha256, bytes=entry.bytes
        )

    def _export_failed(self, entry: ExportFailed) -> None:
        self._advance(entry.operation, RunState.FAILED, ran=entry.ran, message=entry.message)

    def _advance(self, operation: str, state: RunState, **known: Any) -> None:
        """Bring the run of an export to a later stage; one that never ran leaves its occurrence due."""
        address = self._runs.get(operation)
        if address is None:
            return
        record = self.recorded.exports[address]
        run = record.run
        if run is None or _STAGE[run.state] >= _STAGE[state]:
            return
        last = record.last_occurrence
        if not known.get("ran", True) and last == run.occurrence:
            last = record.previous_occurrence
        run = replace(run, state=state, **known)
        self._put(self.recorded.exports, address, replace(record, run=run, last_occurrence=last))

    def _export_skipped(self, entry: ExportSkipped) -> None:
        record = self.recorded.exports.get(entry.address)
        if record is not None:
            last = _later(record.last_occurrence, entry.occurrence)
            self._put(self.recorded.exports, entry.address, replace(record, last_occurrence=last))

    def _resolved(self, entry: Resolved) -> None:
        known = self.recorded.names.get(entry.provider, {})
        wrong = disproved(known, entry.names)
        if wrong or any(known.get(name, id_) != id_ for name, id_ in entry.names.items()):
            self._changed()
        kept = {name: id_ for name, id_ in known.items() if name not in wrong}
        self._put(self.recorded.names, entry.provider, {**kept, **entry.names})

    def _migrated(self, entry: Migrated) -> None:
        self._set(self.recorded, "moved_to", entry.target)
        self._set(self.recorded, "lease", None)

    def _archived(self, entry: Archived) -> None:
        """The state so far, in full: where the log begins it is taken from there, else it must agree."""
        if self._begun:
            raise damaged("it was archived in the middle of a batch")
        said = snapshot.decode(entry.state)
        if said.lineage is None or said.moved_to is not None or said.position != entry.position:
            raise damaged(f"what was archived up to position {entry.position} is the state of something else")
        if not self.recorded.position:
            for field in fields(said):
                self._set(self.recorded, field.name, getattr(said, field.name))
            self._set(self, "_runs", _running(said))
        elif said != self.recorded:
            raise damaged("what was archived is not what the log says")


def _running(recorded: Recorded) -> dict[str, Address]:
    """Which export each running operation belongs to."""
    return {record.run.operation: address for address, record in recorded.exports.items() if record.run is not None}


def _later(one: str | None, other: str | None) -> str | None:
    """The later of two scheduled instants; whole seconds in UTC, so their text sorts as they do."""
    return max(one or "", other or "") or None


_HANDLERS: Final[Mapping[type, Callable[[Fold, Any], None]]] = {
    RunStarted: Fold._run_started,
    RunFinished: Fold._run_finished,
    LeaseTaken: Fold._lease_taken,
    LeaseRenewed: Fold._lease_renewed,
    LeaseReleased: Fold._lease_ended,
    LeaseBroken: Fold._lease_ended,
    Intended: Fold._intended,
    Applied: Fold._applied,
    Rejected: Fold._rejected,
    Doubted: Fold._doubted,
    Settled: Fold._settled,
    Imported: Fold._imported,
    Moved: Fold._moved,
    Forgotten: Fold._forgotten,
    ExportIntended: Fold._export_intended,
    ExportStarted: Fold._export_started,
    ExportFinished: Fold._export_finished,
    ExportDelivered: Fold._export_delivered,
    ExportFailed: Fold._export_failed,
    ExportSkipped: Fold._export_skipped,
    Resolved: Fold._resolved,
    Migrated: Fold._migrated,
    Archived: Fold._archived,
}
