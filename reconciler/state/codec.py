"""Batches of entries as bytes: format `reconciler.log/1`.

A batch is one line of ASCII JSON without blanks, exactly

    {"format":"reconciler.log/1","prev":P,"sum":S,"entries":[{"type":T,...},...]}

- `prev`: hexadecimal SHA-256 of all bytes of the batch before it, null in the first batch;
- `sum`: hexadecimal SHA-256 of the bytes of the `entries` array, so that damage to the last batch,
  which no other batch vouches for yet, is found as well;
- `entries`: at least one; `type` first, then the fields below.  A field that equals its default is left out.

Instants are RFC 3339 in UTC, addresses `<provider>/<kind>/<name>`.  What the fields mean stands at the
classes of `model.entry` (and `model.manifest.Lifecycle` for `lifecycle`); `?` marks those with a default.

    run_started       run at holder tool commit? plan? places?
    run_finished      run at exit_code counts?
    lease_taken       run at holder until
    lease_renewed     run at until
    lease_released    run at
    lease_broken      run at by reason
    intended          run operation at address action id after request lifecycle? labels? due_from?
    applied           run operation at id? remote? version?
    rejected          run operation at code message
    doubted           run operation at reason
    settled           run operation at applied how id? remote? version?
    imported          run at address id after lifecycle? labels? remote? version?
    moved             run at source target
    forgotten         run at address
    export_intended   run operation at address occurrence content after request lifecycle? labels? due_from?
    export_started    run operation at export_id
    export_finished   run operation at finished_at?
    export_delivered  run operation at location sha256 bytes
    export_failed     run operation at ran code message
    export_skipped    run at address occurrence reason
    resolved          run at provider names
    migrated          run at target
    archived          run at position head state

What stands in some of these fields has fields of its own; `state` is the fold up to there, tables as lists of what
they hold, as `snapshot` writes it and as `model.recorded` explains it.

    holder            user host process command ci?
    lifecycle         protect? on_remove?
    state             lineage position changed resources exports in_doubt plans places names lease moved_to?
    resource          address id spec applied_at lifecycle? labels? remote? version?
    export            address spec due_from lifecycle? labels? last_occurrence? run? previous_occurrence?
    export_run        operation run occurrence content intended_at state? export_id?
                      started_at? location? sha256? bytes? message? ran?
    doubt             operation run address action id after since intended_at lifecycle? labels? due_from? reason?
    lease             run holder since until
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.model import entry as entries_of
from reconciler.model.entry import Entry
from reconciler.model.errors import StateError
from reconciler.model.values import JSON
from reconciler.state import records
from reconciler.state.records import damaged, newer

FORMAT: Final = "reconciler.log/1"

TYPES: Final[Mapping[str, type[Entry]]] = {
    "run_started": entries_of.RunStarted,
    "run_finished": entries_of.RunFinished,
    "lease_taken": entries_of.LeaseTaken,
    "lease_renewed": entries_of.LeaseRenewed,
    "lease_released": entries_of.LeaseReleased,
    "lease_broken": entries_of.LeaseBroken,
    "intended": entries_of.Intended,
    "applied": entries_of.Applied,
    "rejected": entries_of.Rejected,
    "doubted": entries_of.Doubted,
    "settled": entries_of.Settled,
    "imported": entries_of.Imported,
    "moved": entries_of.Moved,
    "forgotten": entries_of.Forgotten,
    "export_intended": entries_of.ExportIntended,
    "export_started": entries_of.ExportStarted,
    "export_finished": entries_of.ExportFinished,
    "export_delivered": entries_of.ExportDelivered,
    "export_failed": entries_of.ExportFailed,
    "export_skipped": entries_of.ExportSkipped,
    "resolved": entries_of.Resolved,
    "migrated": entries_of.Migrated,
    "archived": entries_of.Archived,
}
"""What each entry is called in the log; these names outlive the names of the classes."""

_NAMES: Final = {kind: name for name, kind in TYPES.items()}


def sha256(data: bytes | memoryview) -> str:
    """Return the hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def compact(value: JSON) -> bytes:
    """Return ASCII JSON without blanks, keys in the order they have; StateError for what JSON cannot hold."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(f"This cannot be written to the log: {error}.", "Nothing was written.") from error


def parse(data: bytes | str) -> JSON:
    """Return the JSON value that `data` holds; raises ValueError when it holds none."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def encode(entry: Entry) -> bytes:
    """Return one entry as it stands inside a batch."""
    return compact({"type": _NAMES[type(entry)], **records.encode(entry)})


def decode(data: JSON) -> Entry:
    """Return the entry that `encode` wrote, from its parsed JSON; raises StateError for anything else."""
    if type(data) is not dict or type(data.get("type")) is not str:
        raise damaged(f"{data!r:.80} stands where an entry belongs")
    values = dict(data)
    name = values.pop("type")
    if name not in TYPES:
        raise newer(f"it holds an entry {name!r} that this version does not know")
    return records.decode(TYPES[name], values)


def seal(prev: str | None, entries: Iterable[bytes]) -> bytes:
    """Return the batch of encoded entries that follows the batch whose SHA-256 is `prev`."""
    body = b"[" + b",".join(entries) + b"]"
    return _head(prev, body) + body + b"}"


def unseal(prev: str | None, batch: bytes) -> list[Entry]:
    """Return the entries of the batch that follows `prev`.

    Raises StateError when it is not, to the last byte, what `seal` wrote there.
    """
    start = len(_head(prev, b""))
    body = batch[start:-1]
    if batch != _head(prev, body) + body + b"}":
        raise _refusal(prev, batch)
    try:
        found = parse(body)
    except ValueError as error:
        raise damaged("the entries are not JSON") from error
    if not found:
        raise damaged("a batch holds no entry")
    return [decode(item) for item in found]


def link(batch: bytes) -> str | None:
    """Return which batch this one says it follows, None for none; raises StateError for what is no batch."""
    try:
        found = parse(batch)
    except ValueError:
        found = None
    if type(found) is not dict or type(found.get("prev")) not in (str, type(None)):
        raise _refusal(None, batch)
    prev: str | None = found.get("prev")
    return prev


def _head(prev: str | None, body: bytes) -> bytes:
    link = "null" if prev is None else f'"{prev}"'
    return f'{{"format":"{FORMAT}","prev":{link},"sum":"{sha256(body)}","entries":'.encode("ascii")


def _refusal(prev: str | None, batch: bytes) -> StateError:
    """Why a batch is not what `seal` wrote: another format, another place, or damage."""
    try:
        found = parse(batch)
    except ValueError:
        found = None
    if type(found) is not dict:
        return damaged("this is no batch of entries")
    form = found.get("format")
    if type(form) is str and form != FORMAT and form.startswith("reconciler.log/"):
        return newer(f"its format is {form!r}, this version reads {FORMAT!r}")
    if found.get("prev") != prev:
        return damaged("it does not follow the batch before it; something was changed, removed or put in between")
    return damaged("its content does not match its checksum")
