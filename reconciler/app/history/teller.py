"""What each entry of a log tells: which run did what, what that changed, and what the service answered.

An item holds `type` (`step`, `export`, `settled`, `imported`, `moved`, `forgotten`, `skipped`, `resolved`, `lease`,
`lease_broken`, `migrated` or `archived`), `at`, mostly `address`, and what else is known.

- `step`: `operation action id sent changes state` (applied, rejected, in_doubt), and `ended_at code message reason
  settled`.
- `export`: the same, `state` being how far the run came (`model.recorded.RunState`), and `occurrence location sha256
  bytes ran`; `of_run` when another run had started it.
- `settled`, on both: how a doubt was resolved: `{run at how applied id}`, `how` being lookup, person, import or forget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from reconciler.app.history.story import Block, Item, Story
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
    Holder,
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
from reconciler.model.manifest import Lifecycle
from reconciler.model.values import Address, JSONObject, path_text

if TYPE_CHECKING:
    from reconciler.state.fold import Fold


class Teller:
    """Turns the entries of a log into a story; `fold` is the state that each of them follows."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._open: dict[str, Item] = {}
        self._leases: dict[str, Item | None] = {}

    def hear(self, position: int, entry: Entry, fold: Fold) -> None:
        """Take an entry of the batch at a position."""
        self._position, self._fold = position, fold
        block = self._story.block(entry.run, entry.at, position)
        if block is not None:
            block.spoke(entry.at)
        _HANDLERS[type(entry)](self, block, entry)
        if block is not None:
            self._story.leave(block)

    def end(self) -> None:
        """The log is over: what is open stays as it is."""
        for item in (*self._open.values(), *self._leases.values()):
            self._story.close(item)
        self._open.clear()
        self._leases.clear()

    def _run_started(self, block: Block | None, entry: RunStarted) -> None:
        if block is not None:
            self._by(block, entry.holder)
            said = {"tool": entry.tool, "commit": entry.commit, "plan": entry.plan}
            block.about.update({name: value for name, value in said.items() if value is not None})

    def _by(self, block: Block, holder: Holder) -> None:
        block.about.update(command=holder.command, user=holder.user, host=holder.host, ci=holder.ci)

    def _run_finished(self, block: Block | None, entry: RunFinished) -> None:
        if block is not None:
            block.about.update(state="finished", exit_code=entry.exit_code, counts=dict(entry.counts))

    def _lease_taken(self, block: Block | None, entry: LeaseTaken) -> None:
        if block is not None:
            self._by(block, entry.holder)
            block.about.update(state="running", until=entry.until)
            if not self._story.wanted.query.addresses:
                self._leases[entry.run] = self._story.add(
                    block, "lease", entry.at, until=entry.until, released_at=None, broken=None
                )

    def _lease_renewed(self, block: Block | None, entry: LeaseRenewed) -> None:
        if block is not None:
            block.about["until"] = entry.until
            if (lease := self._leases.get(entry.run)) is not None:
                lease.about["until"] = entry.until

    def _lease_released(self, block: Block | None, entry: LeaseReleased) -> None:
        self._lease_ended(block, entry.run, "released", released_at=entry.at)

    def _lease_broken(self, block: Block | None, entry: LeaseBroken) -> None:
        broken = {"at": entry.at, "by": entry.by, "reason": entry.reason}
        self._lease_ended(block, entry.run, "broken", broken=broken)
        if not self._story.wanted.query.addresses:
            by = self._story.block(entry.by, entry.at, self._position)
            self._now(by, "lease_broken", entry.at, of_run=entry.run, reason=entry.reason)

    def _lease_ended(self, block: Block | None, run: str, state: str, **known: Any) -> None:
        if block is not None and block.about["state"] != "finished":
            block.about["state"] = state
        if (lease := self._leases.pop(run, None)) is not None:
            lease.about.update(known)
            self._story.close(lease)

    def _intended(self, block: Block | None, entry: Intended) -> None:
        changes = self._changes(block, entry.address, entry.after, entry.lifecycle)
        item = self._story.add(
            block,
            "step",
            entry.at,
            entry.address,
            operation=entry.operation,
            action=entry.action.value,
            id=entry.id,
            sent=bool(entry.request),
            changes=changes,
            state="in_doubt",
            **_OPEN,
        )
        if item is not None:
            self._open[entry.operation] = item

    def _applied(self, block: Block | None, entry: Applied) -> None:
        self._over(entry.operation, state="applied", ended_at=entry.at, **({"id": entry.id} if entry.id else {}))

    def _rejected(self, block: Block | None, entry: Rejected) -> None:
        self._over(entry.operation, state="rejected", ended_at=entry.at, code=entry.code, message=entry.message)

    def _doubted(self, block: Block | None, entry: Doubted) -> None:
        if (item := self._open.get(entry.operation)) is not None:
            item.about.update(state="in_doubt", ended_at=entry.at, reason=entry.reason)

    def _settled(self, block: Block | None, entry: Settled) -> None:
        said = {"run": entry.run, "at": entry.at, "how": entry.how, "applied": entry.applied, "id": entry.id}
        address, about = self._subject(entry.operation)
        if address is not None:
            finding = {"applied": entry.applied, "how": entry.how, "id": entry.id}
            self._now(block, "settled", entry.at, address, **about, **finding)
        item = self._open.get(entry.operation)
        if item is None:
            return
        item.about["settled"] = said
        if item.about["type"] == "step":
            if entry.applied:
                item.about["id"] = entry.id or item.about["id"]
            self._over(entry.operation)
        elif entry.applied and entry.id:
            item.about.update(state="started", id=entry.id)
        else:
            self._over(entry.operation, state="delivered" if entry.applied else "failed", ran=entry.applied)

    def _subject(self, operation: str) -> tuple[Address | None, JSONObject]:
        """What an operation is about, also where its intention was not wanted or is no longer in the log."""
        recorded = self._fold.recorded
        doubt = recorded.in_doubt.get(operation)
        if doubt is not None:
            return doubt.address, {"operation": operation, "action": doubt.action.value, "of_run": doubt.run}
        address = self._fold.exporting(operation)
        run = None if address is None else recorded.exports[address].run
        if run is None:
            return None, {}
        return address, {"operation": operation, "action": "export", "of_run": run.run, "occurrence": run.occurrence}

    def _imported(self, block: Block | None, entry: Imported) -> None:
        changes = self._changes(block, entry.address, entry.after, entry.lifecycle)
        self._now(block, "imported", entry.at, entry.address, id=entry.id, changes=changes)
        self._end_at(entry.address, entry.run, entry.at, "import", entry.id)

    def _moved(self, block: Block | None, entry: Moved) -> None:
        item = self._story.add(block, "moved", entry.at, entry.source, entry.target, target=str(entry.target))
        self._story.close(item)
        for open_ in self._open.values():
            if open_.address == entry.source:
                open_.address = entry.target

    def _forgotten(self, block: Block | None, entry: Forgotten) -> None:
        resource = self._fold.recorded.resources.get(entry.address)
        self._now(block, "forgotten", entry.at, entry.address, id=resource and resource.id)
        self._end_at(entry.address, entry.run, entry.at, "forget", None)

    def _end_at(self, address: Address, run: str, at: str, how: str, id_: str | None) -> None:
        """A person's word on an address ends what is open there."""
        for operation, item in list(self._open.items()):
            if item.address == address:
                if item.about["state"] == "in_doubt":
                    item.about["settled"] = {"run": run, "at": at, "how": how, "applied": None, "id": id_}
                self._over(operation)

    def _export_intended(self, block: Block | None, entry: ExportIntended) -> None:
        before = self._fold.recorded.exports.get(entry.address)
        if before is not None and before.run is not None:
            self._over(before.run.operation)
        changes = self._changes(block, entry.address, entry.after, entry.lifecycle)
        known = {"operation": entry.operation, "changes": changes, "occurrence": entry.occurrence}
        item = self._story.add(block, "export", entry.at, entry.address, **{**_EXPORT, **known})
        if item is not None:
            self._open[entry.operation] = item

    def _export_started(self, block: Block | None, entry: ExportStarted) -> None:
        if (item := self._open.get(entry.operation)) is not None:
            item.about.update(state="started", id=entry.export_id)

    def _export_finished(self, block: Block | None, entry: ExportFinished) -> None:
        if (item := self._open.get(entry.operation)) is not None:
            item.about.update(state="finished")

    def _export_delivered(self, block: Block | None, entry: ExportDelivered) -> None:
        known = {"state": "delivered", "location": entry.location, "sha256": entry.sha256, "bytes": entry.bytes}
        self._export_ended(block, entry, known)
        self._over(entry.operation)

    def _export_failed(self, block: Block | None, entry: ExportFailed) -> None:
        # it stays open: the file of a run that somebody gave up may still arrive
        known = {"state": "failed", "ran": entry.ran, "code": entry.code, "message": entry.message}
        self._export_ended(block, entry, known)

    def _export_ended(self, block: Block | None, entry: ExportDelivered | ExportFailed, known: JSONObject) -> None:
        item = self._open.get(entry.operation)
        if item is not None:
            item.about.update(known, ended_at=entry.at)
        address, about = self._subject(entry.operation)
        if address is not None and about["of_run"] != entry.run:
            self._now(block, "export", entry.at, address, **{**_EXPORT, **about, **known, "ended_at": entry.at})

    def _export_skipped(self, block: Block | None, entry: ExportSkipped) -> None:
        self._now(block, "skipped", entry.at, entry.address, occurrence=entry.occurrence, reason=entry.reason)

    def _resolved(self, block: Block | None, entry: Resolved) -> None:
        self._unaddressed(block, "resolved", entry.at, provider=entry.provider, names=dict(entry.names))

    def _migrated(self, block: Block | None, entry: Migrated) -> None:
        self._lease_ended(block, entry.run, "moved", released_at=entry.at)
        self._unaddressed(block, "migrated", entry.at, target=entry.target)

    def _archived(self, block: Block | None, entry: Archived) -> None:
        lease = entry.state["lease"]
        if block is not None and block.about["user"] is None and lease is not None and lease["run"] == entry.run:
            self._by(block, Holder(**lease["holder"]))  # it was taken in what is archived
        self._unaddressed(block, "archived", entry.at, position=entry.position)

    def _unaddressed(self, block: Block | None, type_: str, at: str, **about: object) -> None:
        if not self._story.wanted.query.addresses:
            self._now(block, type_, at, **about)

    def _now(self, block: Block | None, type_: str, at: str, *addresses: Address, **about: object) -> None:
        """Tell what is over at once."""
        self._story.close(self._story.add(block, type_, at, *addresses, **about))

    def _over(self, operation: str, **known: Any) -> None:
        item = self._open.pop(operation, None)
        if item is not None:
            item.about.update(known)
            self._story.close(item)

    def _changes(
        self, block: Block | None, address: Address, after: JSONObject | None, lifecycle: Lifecycle
    ) -> list[JSONObject]:
        """What becomes of the recorded spec and rules, as a plan shows it."""
        from reconciler.planning.diff import diff
        from reconciler.planning.kept import lifecycle_changes

        if block is None:
            return []
        recorded = self._fold.recorded
        held = recorded.resources.get(address) or recorded.exports.get(address)
        changes = [*diff({} if held is None else held.spec, after or {})]
        if after is not None:
            changes += lifecycle_changes(None if held is None else held.lifecycle, lifecycle)
        return [{"path": path_text(change.path), "before": change.before, "after": change.after} for change in changes]


_OPEN: Final[Mapping[str, Any]] = {
    "ended_at": None,
    "code": None,
    "message": None,
    "reason": "",
    "settled": None,
}
_EXPORT: Final[Mapping[str, Any]] = {
    "operation": None,
    "action": "export",
    "id": None,
    "sent": True,
    "changes": (),
    "state": "intended",
    **_OPEN,
    **dict.fromkeys(("occurrence", "location", "sha256", "bytes", "ran")),
}

_HANDLERS: Final[Mapping[type, Callable[[Teller, Block | None, Any], None]]] = {
    RunStarted: Teller._run_started,
    RunFinished: Teller._run_finished,
    LeaseTaken: Teller._lease_taken,
    LeaseRenewed: Teller._lease_renewed,
    LeaseReleased: Teller._lease_released,
    LeaseBroken: Teller._lease_broken,
    Intended: Teller._intended,
    Applied: Teller._applied,
    Rejected: Teller._rejected,
    Doubted: Teller._doubted,
    Settled: Teller._settled,
    Imported: Teller._imported,
    Moved: Teller._moved,
    Forgotten: Teller._forgotten,
    ExportIntended: Teller._export_intended,
    ExportStarted: Teller._export_started,
    ExportFinished: Teller._export_finished,
    ExportDelivered: Teller._export_delivered,
    ExportFailed: Teller._export_failed,
    ExportSkipped: Teller._export_skipped,
    Resolved: Teller._resolved,
    Migrated: Teller._migrated,
    Archived: Teller._archived,
}
