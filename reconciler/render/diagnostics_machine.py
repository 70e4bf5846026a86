"""Diagnostics for machines: our own JSON, SARIF 2.1.0, and GitHub's workflow commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.values import JSONObject, Span
from reconciler.render.diagnostics_text import summary
from reconciler.render.escape import plain
from reconciler.render.machine import json_text

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def diagnostics_json(diagnostics: Sequence[Diagnostic], *, resources: int | None = None) -> str:
    """Return `reconciler.diagnostics/1`; what has no place has null for its file, lines and columns."""
    return json_text(diagnostics_object(diagnostics, resources))


def diagnostics_object(diagnostics: Sequence[Diagnostic], resources: int | None) -> JSONObject:
    """Return what `diagnostics_json` writes."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    return {
        "format": "reconciler.diagnostics/1",
        "diagnostics": [_plain_json(diagnostic) for diagnostic in diagnostics],
        "summary": {"errors": errors, "warnings": len(diagnostics) - errors, "resources": resources},
    }


def diagnostics_sarif(diagnostics: Sequence[Diagnostic], *, resources: int | None = None) -> str:
    """Return a SARIF 2.1.0 log with one run; columns count code points, as ours do."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "reconciler", "version": __version__, "rules": [{"id": code} for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(diagnostic, codes) for diagnostic in diagnostics],
        "properties": {"resources": resources},
    }
    return json_text({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def diagnostics_github(diagnostics: Sequence[Diagnostic], *, resources: int | None = None) -> str:
    """Return one workflow command a line, which GitHub shows beside the source, then a plain summary.

    From "Workflow commands for GitHub Actions": `::error file=,line=,col=,endLine=,endColumn=,title=::message`.
    """
    return "\n".join([*map(_command, diagnostics), summary(diagnostics, resources)]) + "\n"


def _plain_json(diagnostic: Diagnostic) -> JSONObject:
    span = diagnostic.span
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": span and span.file,
        "line": span and span.line,
        "column": span and span.column,
        "end_line": span and span.end_line,
        "end_column": span and span.end_column,
        "address": diagnostic.address and str(diagnostic.address),
        "hint": diagnostic.hint,
    }


def _sarif_result(diagnostic: Diagnostic, codes: Sequence[str]) -> JSONObject:
    text = plain(diagnostic.message)
    if diagnostic.hint:
        text = f"{text}\n{plain(diagnostic.hint)}"
    location: JSONObject = {}
    if diagnostic.span:
        location["physicalLocation"] = _sarif_place(diagnostic.span)
    if diagnostic.address:
        location["logicalLocations"] = [{"fullyQualifiedName": str(diagnostic.address), "kind": "resource"}]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": codes.index(diagnostic.code),
        "level": diagnostic.severity.value,
        "message": {"text": text},
        "locations": [location] if location else [],
    }


def _sarif_place(span: Span) -> JSONObject:
    path = PurePath(span.file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="replace")
    return {
        "artifactLocation": {"uri": uri},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }


def _command(diagnostic: Diagnostic) -> str:
    properties: list[tuple[str, object]] = []
    span = diagnostic.span
    if span:
        properties += [("file", span.file), ("line", span.line)]
        if span.line == span.end_line:
            properties += [("endLine", span.end_line), ("col", span.column), ("endColumn", span.end_column)]
        else:  # beside another last line the column would be ignored
            properties.append(("col", span.column))
    properties.append(("title", diagnostic.code))
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties)
    hint = f"%0Ahint: {_data(diagnostic.hint)}" if diagnostic.hint else ""
    return f"::{diagnostic.severity.value} {listed}::{_data(diagnostic.message)}{hint}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
