"""The log as a whole, for operators: checked, exported, archived or moved to another place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.values import JSON, JSONObject
from reconciler.render.escape import plain
from reconciler.render.words import count


def verification_text(document: JSONObject) -> str:
    """Return `reconciler.verification/1` as a table of facts, what to know about them, and the verdict."""
    return _lines(
        [
            *_facts(document),
            *(f"warning: {warning}" for warning in document["warnings"]),
            _verdict(document),
        ]
    )


def exported_text(document: JSONObject) -> str:
    """Return `reconciler.exported/1` as a sentence."""
    return _lines([f"exported {_extent(document)} of {document['log']} to {document['file']}"])


def archive_text(document: JSONObject) -> str:
    """Return `reconciler.archive/1` as sentences."""
    done = "archived already, nothing was left to do:" if document["already"] else "archived"
    return _lines(
        [
            f"{done} {_extent(document)} of {document['log']} to {document['file']}",
            f"the log begins at position {document['last'] + 1} now, with the state that they made",
            f"keep the file: nothing else holds them; `state verify --archive {document['file']}` checks both",
        ]
    )


def migration_text(document: JSONObject) -> str:
    """Return `reconciler.migration/1` as sentences: what is where now, and what to set so that it is found."""
    copied, url = document["copied"], document["to"]
    lines = [
        f"the log {document['log']} is in {url}, up to position {document['position']}"
        f" ({_many(copied['batches'], 'batch', 'batches')} copied just now, {copied['bytes']:,} bytes)"
    ]
    if document["file"] is not None:
        lines.append(
            f"it was made of {document['file']}: if the log that this was exported from is still used, stop that"
        )
    if document["from"] != document["log"]:
        lines.append(f"it was the log {document['from']}")
    if document["ended"] is not None:
        lines.append(f"warning: what was exported ends with a move to {document['ended']}; that mark was left out")
    if document["moved_to"] is not None:
        lines.append(f"warning: it was moved on from there, to {document['moved_to']}")
    lines += [f"  {way}" for way in _settings(url, sandbox=document["sandbox"])]
    if document["hidden"]:
        lines.append("  (complete the URL: user, password and parameters are never shown)")
    return _lines(lines)


def _settings(url: str, *, sandbox: bool) -> Iterator[str]:
    if sandbox:
        yield f"from now on say: --sandbox --state {url}"
    else:
        yield f"from now on set: RECONCILER_STATE={url}"
        yield f"or in the project file: spec.state: {url}"


def _facts(document: JSONObject) -> Iterator[str]:
    first, last = document["first"], document["last"]
    facts: list[tuple[str, JSON]] = [
        ("file" if document["file"] else "log", document["file"] or document["log"]),
        *((("log", document["log"]),) if document["file"] else ()),
        *(("archive", archive) for archive in document["archives"]),
        ("batches", f"{document['batches']:,} with {_many(document['entries'], 'entry', 'entries')}"),
        ("positions", None if first is None else f"{first} to {last}"),
        ("time", document["first_at"] and f"{document['first_at']} to {document['last_at']}"),
        ("runs", f"{document['runs']:,}"),
        ("archived until", document["archived_until"]),
        ("lineage", document["lineage"]),
        ("head", document["head"]),
        ("checkpoint", document["checkpoint"] and _checkpoint(document["checkpoint"])),
        ("state", _state(document)),
        ("moved to", document["moved_to"]),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        if value is not None:
            yield f"{name:<{width}}  {value}"


def _checkpoint(checkpoint: JSONObject) -> str:
    return f"position {checkpoint['position']}, {checkpoint['state']}"


def _state(document: JSONObject) -> str:
    resources, exports = count(document["resources"], "resource"), count(document["exports"], "export")
    return f"{resources}, {exports}, {document['in_doubt']} in doubt"


def _verdict(document: JSONObject) -> str:
    damage = document["damage"]
    if damage is None:
        return "every batch follows the one before it, and all of them fold"
    return f"damaged: {damage['message']}"


def _extent(document: JSONObject) -> str:
    many = _many(document["batches"], "batch", "batches")
    return f"{many} (positions {document['first']} to {document['last']}, {document['bytes']:,} bytes)"


def _many(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{plain(line)}\n" for line in lines)
