"""What a run has learned and could not record, as one line of JSON: format `reconciler.rescue/1`.

    {"format":"reconciler.rescue/1","sum":S,"body":{"log":N,"lineage":L,"position":P,"run":R,"tool":T,"entries":[...]}}

`sum` is the hexadecimal SHA-256 of the bytes of `body`; `log` and `lineage` say which log the entries belong to,
`position` up to where the run had read it; the entries are as in the log (see `codec`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.model.entry import (
    Applied,
    Doubted,
    Entry,
    ExportDelivered,
    ExportFailed,
    ExportFinished,
    ExportIntended,
    ExportStarted,
    Intended,
    Rejected,
    RunFinished,
    Settled,
)
from reconciler.model.errors import StateError
from reconciler.model.recorded import Doubt, ExportRun, Recorded
from reconciler.model.values import JSON, Address
from reconciler.state import codec, records
from reconciler.state.fold import Fold

FORMAT: Final = "reconciler.rescue/1"

_Outcome: TypeAlias = (
    Applied | Rejected | Doubted | Settled | ExportStarted | ExportFinished | ExportDelivered | ExportFailed
)
_Fact: TypeAlias = _Outcome | RunFinished

_HINT: Final = "Nothing was changed. Take the file as it was written."


@dataclass(frozen=True, slots=True)
class Rescue:
    """What one run could not record of the log with this name and lineage, up to `position` of which it knew."""

    log: str
    lineage: str
    position: int
    run: str
    tool: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Body:
    log: str
    lineage: str
    position: int
    run: str
    tool: str
    entries: JSON


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a rescue: the entries that are `news`, and for each other one a sentence in `skipped`."""

    news: tuple[Entry, ...]
    skipped: tuple[str, ...]


def facts(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """What of the entries of one caller is lost for good unless it is recorded.

    What was intended only now is not, nor what came of it: then nothing was sent.  That a lease is given back is
    not either: it ends by itself.
    """
    new = {entry.operation for entry in entries if isinstance(entry, Intended | ExportIntended)}
    return tuple(
        entry for entry in entries if isinstance(entry, _Fact) and getattr(entry, "operation", None) not in new
    )


def never_sent(entries: Iterable[Entry], at: str) -> tuple[Entry, ...]:
    """That nothing came of what was intended here: the state was lost before it could be sent."""
    message = "the state was lost before this was sent"
    return tuple(
        Rejected(entry.run, entry.operation, at, "UNSENT", message)
        for entry in entries
        if isinstance(entry, Intended | ExportIntended)
    )


def dump(rescue: Rescue) -> bytes:
    """Return the one line, ASCII, without an end of line."""
    entries = [codec.parse(codec.encode(entry)) for entry in rescue.entries]
    said = _Body(rescue.log, rescue.lineage, rescue.position, rescue.run, rescue.tool, entries)
    body = codec.compact(records.encode(said))
    return _head(body) + body + b"}"


def load(data: bytes) -> Rescue:
    """Return what `dump` was given, also with blanks around it; raises StateError for anything else."""
    data = data.strip()
    body = data[len(_head(b"")) : -1]
    try:
        found = codec.parse(data)
    except ValueError as error:
        raise StateError("This is no rescue file: it is not JSON.", _HINT) from error
    form = found.get("format") if type(found) is dict else None
    if type(form) is not str or not form.startswith("reconciler.rescue/"):
        raise StateError("This is no rescue file.", _HINT)
    if form != FORMAT:
        raise StateError(
            f"The rescue file was written by a newer version of the program: its format is {form!r}.",
            "Nothing was changed. Install the version that wrote it, or a later one.",
        )
    if data != _head(body) + body + b"}":
        raise StateError("The rescue file is not as it was written: its content does not match its checksum.", _HINT)
    try:
        return _read(records.decode(_Body, found["body"]))
    except StateError as error:
        raise StateError(f"In the rescue file: {error.message}", error.hint) from error


def judge(rescue: Rescue, recorded: Recorded, *, finished: bool) -> Verdict:
    """Return what of a rescue is still news in this state; `finished` says whether the log knows how the run ended.

    What is open is told its outcome; what was settled, decided by a person or superseded meanwhile stays as it is.
    Raises StateError when the entries do not fit the log.
    """
    if recorded.lineage != rescue.lineage:
        raise StateError(
            f"The rescue file belongs to another log: {rescue.log}, lineage {rescue.lineage}.",
            "Nothing was changed. Use the --dir, --env, --state and --sandbox of the run that wrote it.",
        )
    news: list[Entry] = []
    skipped: list[str] = []
    fold = Fold(recorded)
    with fold.trial():
        for entry in rescue.entries:
            try:
                why = _known(fold, entry, finished)
            except StateError as error:
                raise StateError(f"The rescue file does not fit this log. {error.message}", _HINT) from error
            if why:
                skipped.append(why)
            else:
                news.append(entry)
    return Verdict(tuple(news), tuple(skipped))


def _known(fold: Fold, entry: Entry, finished: bool) -> str:
    """Why an entry is no news; empty when it is, and then it is folded."""
    if not isinstance(entry, _Outcome):
        return f"the end of run {entry.run} is recorded already, or was archived" if finished else ""
    before = _about(fold, entry.operation)
    if before is None:
        return f"{_operation(entry)} is not open: it was recorded, settled or superseded meanwhile{_loose(fold, entry)}"
    address, known = before
    if isinstance(entry, Doubted) and isinstance(known, Doubt) and known.since >= entry.at:
        return f"{_operation(entry)}, {address}, is in doubt already"
    if (other := _owner(fold, entry, known)) is not None:
        return f"{_operation(entry)}, {address}: what it made is recorded as {other} meanwhile"
    fold.add([entry])
    return f"{_operation(entry)}, {address}, has come as far already" if _about(fold, entry.operation) == before else ""


def _operation(entry: _Outcome) -> str:
    return f"operation {entry.operation} ({type(entry).__name__.lower()})"


def _loose(fold: Fold, entry: _Outcome) -> str:
    """What to say of an object that was made and that nothing is recorded of."""
    made = entry.id if isinstance(entry, Applied | Settled) else None
    if made is None or any(resource.id == made for resource in fold.recorded.resources.values()):
        return ""
    return f"; {made}, which it made or changed, is not recorded: see whether it is still there"


def _owner(fold: Fold, entry: _Outcome, known: Doubt | ExportRun) -> Address | None:
    """Which other address has the object that an entry speaks of."""
    made = entry.id if isinstance(entry, Applied | Settled) else None
    if made is None or not isinstance(known, Doubt):
        return None
    mine, resources = known.address, fold.recorded.resources.values()
    same = (each.address for each in resources if each.id == made and each.address.provider == mine.provider)
    return next((address for address in same if address != mine), None)


def _about(fold: Fold, operation: str) -> tuple[object, Doubt | ExportRun] | None:
    """What an open operation is about, and what is known of it; None for one that is not open."""
    doubt = fold.recorded.in_doubt.get(operation)
    if doubt is not None:
        return doubt.address, doubt
    address = fold.exporting(operation)
    run = None if address is None else fold.recorded.exports[address].run
    return None if run is None or not (run.unknown or run.in_flight) else (address, run)


def _read(body: _Body) -> Rescue:
    entries = tuple(map(codec.decode, body.entries if type(body.entries) is list else [body.entries]))
    if not all(isinstance(entry, _Fact) and entry.run == body.run for entry in entries):
        raise StateError("It holds what no run rescues.", _HINT)
    return Rescue(body.log, body.lineage, body.position, body.run, body.tool, entries)


def _head(body: bytes) -> bytes:
    return f'{{"format":"{FORMAT}","sum":"{codec.sha256(body)}","body":'.encode("ascii")
