"""Any history of a log: numbers are turned into entries that are possible where they stand."""

from __future__ import annotations

from hypothesis import strategies as st

from reconciler.model.entry import (
    Applied,
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
    Moved,
    Rejected,
    Resolved,
    RunFinished,
    RunStarted,
    Settled,
)
from reconciler.model.plan import Action
from reconciler.model.recorded import Recorded
from reconciler.model.values import Address
from reconciler.state.fold import fold

REPORT = Address.parse("blue/report/a")
OTHER = Address.parse("blue/report/b")
EXPORT = Address.parse("pipefy/export/e")
RENAMED = Address.parse("pipefy/export/f")
ME = Holder("ann", "host", "", "apply")


def at(number: int) -> str:
    return f"2026-11-23T06:{number // 60:02}:{number % 60:02}Z"


moves = st.lists(st.tuples(st.integers(0, 21), st.integers(0, 5)), max_size=40)
cuts = st.lists(st.integers(1, 4), max_size=30)
ADDRESSES = (REPORT, OTHER, EXPORT, RENAMED)


def possible(recorded: Recorded, number: int, kind: int, pick: int) -> Entry | None:
    """An entry that may follow, or None when this one may not."""
    address = ADDRESSES[pick % 4]
    operations = [*recorded.in_doubt, *(e.run.operation for e in recorded.exports.values() if e.run)]
    operation = operations[pick % len(operations)] if operations else "none"
    now, run, lease = at(number), f"r{pick}", recorded.lease
    known = address in recorded.resources or address in recorded.exports
    free = [one for one in ADDRESSES if one not in recorded.resources and one not in recorded.exports]
    action = list(Action)[pick] if known else Action.CREATE
    due = at(number + pick)
    content = {"n": number}
    options: list[Entry | None] = [
        RunStarted(run, now, ME, "1", plan=f"sha256:{pick}" if pick else None),
        RunFinished(run, now, 0),
        LeaseTaken(run, now, ME, due) if lease is None else None,
        LeaseRenewed(lease.run, now, due) if lease else None,
        LeaseReleased(run, now),
        LeaseBroken(run, now, "r9", "expired"),
        Intended(run, f"o{number}", now, address, action, f"id{pick}", content, ""),
        Applied(run, operation, now, "7") if operation in recorded.in_doubt else None,
        Rejected(run, operation, now, "", "no"),
        Doubted(run, operation, now, "timed out"),
        Settled(run, operation, now, applied=pick % 2 == 0, how="lookup", id=f"id{pick}" if pick > 2 else None),
        Imported(run, now, address, f"id{pick}", content) if not address.is_export else None,
        Moved(run, now, address, free[0]) if known and free and free[0].is_export == address.is_export else None,
        Forgotten(run, now, address),
        ExportIntended(run, f"o{number}", now, EXPORT, due if pick else None, "c", content, ""),
        ExportStarted(run, operation, now, f"x{number}"),
        ExportFinished(run, operation, now),
        ExportDelivered(run, operation, now, "exports/x", "ab", pick),
        ExportFailed(run, operation, now, pick % 2 == 0, "", "failed"),
        ExportSkipped(run, now, address, due, "by hand"),
        Resolved(run, now, "blue", {f"workspace:slug:{pick % 2}": f"id{number}"}),
        RunStarted(run, now, ME, "1", places={"blue": f"place {pick % 2}"}),
    ]
    return options[kind]


def history(choices: list[tuple[int, int]], sizes: list[int]) -> list[list[Entry]]:
    recorded, batches = Recorded(), []
    batch: list[Entry] = []
    size = iter(sizes)
    left = next(size, 1)
    for number, (kind, pick) in enumerate(choices):
        entry = possible(recorded, number, kind, pick)
        if entry is None:
            continue
        fold(recorded, [entry])
        batch.append(entry)
        left -= 1
        if left <= 0:
            batches.append(batch)
            batch, left = [], next(size, 1)
    return [*batches, batch] if batch else batches
