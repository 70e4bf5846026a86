"""The recorded state: all of it as a list, or everything about one resource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.model.manifest import Lifecycle, Manifest
from reconciler.model.recorded import Doubt, ExportRecord, ExportRun, Recorded, Resource
from reconciler.model.values import JSON, Address, JSONObject
from reconciler.render.escape import literal, plain
from reconciler.render.machine import json_text
from reconciler.render.words import count


def state_json(recorded: Recorded) -> JSONObject:
    """Return `reconciler.state/1`, everything by address.

    `in_doubt` holds mutations and export runs of which nobody knows whether they happened.
    """
    return {
        "format": "reconciler.state/1",
        "lineage": recorded.lineage,
        "position": recorded.position,
        "resources": [
            {
                "address": str(address),
                "id": resource.id,
                "protected": resource.lifecycle.protect,
                "applied_at": resource.applied_at,
            }
            for address, resource in sorted(recorded.resources.items())
        ],
        "in_doubt": _doubts(recorded),
        "exports": [_export(recorded.exports[address]) for address in sorted(recorded.exports)],
    }


def state_json_text(recorded: Recorded) -> str:
    """Return `state_json` as text."""
    return json_text(state_json(recorded))


def state_text(recorded: Recorded) -> str:
    """Return the state as tables for people."""
    document = state_json(recorded)
    tables = (
        ("RESOURCE", document["resources"], ("address", "id", "protected", "applied_at")),
        ("EXPORT", document["exports"], ("address", "state", "last_occurrence", "location", "bytes", "message")),
        ("IN DOUBT", document["in_doubt"], ("address", "action", "operation", "since", "reason")),
    )
    blocks = ["\n".join(_table(title, rows, columns)) for title, rows, columns in tables if rows]
    totals = [count(len(recorded.resources), "resource"), count(len(recorded.exports), "export")]
    totals.append(f"{len(document['in_doubt'])} in doubt")
    return "\n\n".join([*blocks, f"{', '.join(totals)}; log position {recorded.position}"]) + "\n"


def doubts_text(doubts: Sequence[JSONObject]) -> str:
    """Return, for people, each doubt with the commands that resolve it, as `open_doubts` gave them."""
    lines = ["", "To resolve what is in doubt, look in the service, and then say one of:"]
    for doubt in doubts:
        seen = f"; candidates: {', '.join(map(plain, doubt['candidates']))}" if doubt["candidates"] else ""
        lines.append(f"  the {plain(doubt['action'])} of {plain(doubt['address'])}, by run {plain(doubt['run'])}{seen}")
        width = max(len(plain(command)) for command, _ in doubt["commands"])
        lines += [f"    {plain(command).ljust(width)}  # {plain(says)}" for command, says in doubt["commands"]]
    return "\n".join(lines) + "\n"


def describe(recorded: Recorded, address: Address, manifest: Manifest | None = None) -> JSONObject:
    """Return `reconciler.resource/1`: everything recorded of one address, and what is declared if given.

    `declared`, `recorded` and `export` are null where there is nothing.
    """
    resource, export = recorded.resources.get(address), recorded.exports.get(address)
    return {
        "format": "reconciler.resource/1",
        "address": str(address),
        "declared": manifest and _declared(manifest),
        "recorded": resource and _resource(resource),
        "export": export and _export_in_full(export),
        "in_doubt": [doubt for doubt in _doubts(recorded) if doubt["address"] == str(address)],
    }


def resource_text(document: JSONObject) -> str:
    """Return what `describe` gave as an outline for people; nulls are left out, empty values are not."""
    told = {key: value for key, value in document.items() if key not in ("format", "address") and value != []}
    return "\n".join([plain(document["address"]), *_outline(told)]) + "\n"


def _outline(value: JSONObject, indent: str = "  ") -> Iterator[str]:
    for key, item in value.items():
        if item is None:
            continue
        if isinstance(item, dict) and item:
            yield f"{indent}{plain(key)}:"
            yield from _outline(item, indent + "  ")
        elif isinstance(item, list) and item and all(isinstance(entry, dict) for entry in item):
            yield f"{indent}{plain(key)}:"
            for index, entry in enumerate(item):
                yield f"{indent}  [{index}]"
                yield from _outline(entry, indent + "    ")
        else:
            yield f"{indent}{plain(key)}: {plain(item) if isinstance(item, str) and item else literal(item)}"


def _table(title: str, rows: Sequence[JSONObject], columns: Sequence[str]) -> Iterator[str]:
    head = [title, *(column.replace("_", " ").upper() for column in columns[1:])]
    cells = [head, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: JSON) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else plain(str(value))


def _doubts(recorded: Recorded) -> list[JSONObject]:
    doubts = sorted(recorded.in_doubt.values(), key=lambda doubt: (doubt.address, doubt.operation))
    runs = [(address, recorded.exports[address].run) for address in sorted(recorded.exports)]
    return [_doubt(doubt) for doubt in doubts] + [
        {
            "address": str(address),
            "operation": run.operation,
            "action": "export",
            "since": run.intended_at,
            "reason": run.message,
        }
        for address, run in runs
        if run is not None and run.unknown
    ]


def _doubt(doubt: Doubt) -> JSONObject:
    return {
        "address": str(doubt.address),
        "operation": doubt.operation,
        "action": doubt.action.value,
        "since": doubt.since,
        "reason": doubt.reason,
    }


def _export(record: ExportRecord) -> JSONObject:
    run = record.run
    return {
        "address": str(record.address),
        "last_occurrence": record.last_occurrence,
        "state": run and run.state.value,
        "location": run and run.location,
        "sha256": run and run.sha256,
        "bytes": run and run.bytes,
        "occurrence": run and run.occurrence,
        "message": run.message if run else "",
    }


def _declared(manifest: Manifest) -> JSONObject:
    return {
        "file": manifest.origin.file,
        "line": manifest.origin.line,
        "api_version": manifest.api_version,
        "labels": dict(manifest.labels),
        "lifecycle": _lifecycle(manifest.lifecycle),
        "spec": manifest.spec,
    }


def _resource(resource: Resource) -> JSONObject:
    return {
        "id": resource.id,
        "applied_at": resource.applied_at,
        "version": resource.version,
        "labels": dict(resource.labels),
        "lifecycle": _lifecycle(resource.lifecycle),
        "spec": resource.spec,
        "remote": resource.remote,
    }


def _export_in_full(record: ExportRecord) -> JSONObject:
    return {
        "due_from": record.due_from,
        "last_occurrence": record.last_occurrence,
        "labels": dict(record.labels),
        "lifecycle": _lifecycle(record.lifecycle),
        "spec": record.spec,
        "run": record.run and _run(record.run),
    }


def _run(run: ExportRun) -> JSONObject:
    return {
        "operation": run.operation,
        "state": run.state.value,
        "occurrence": run.occurrence,
        "content": run.content,
        "export_id": run.export_id,
        "intended_at": run.intended_at,
        "started_at": run.started_at,
        "location": run.location,
        "sha256": run.sha256,
        "bytes": run.bytes,
        "message": run.message,
        "ran": run.ran,
    }


def _lifecycle(lifecycle: Lifecycle) -> JSONObject:
    return {"protect": lifecycle.protect, "onRemove": lifecycle.on_remove.value}
