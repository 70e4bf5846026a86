"""The values that templates see: those of an environment, and what the command line sets on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler.loading.environment.files import Environment
from reconciler.loading.single import note
from reconciler.loading.text.budget import MAX_DEPTH
from reconciler.loading.text.marked import Document
from reconciler.loading.text.scalars import UnsafeNumber, resolve
from reconciler.loading.text.sources import Findings, clipped, did_you_mean
from reconciler.model.diagnostic import Severity, Violation
from reconciler.model.lint import Rule
from reconciler.model.values import JSON, JSONObject, Path, lookup

RULES: Final = (
    Rule(
        "override-unknown",
        "--set names a value that no environment has",
        "A misspelt key sets a value that no template reads, and the one that was meant stays as it was. Add the key "
        "to an environment file, or declare spec.valuesSchema in the project file: then the schema says which keys "
        "there are.",
    ),
)
"""The lint rules that reading values may report."""

_PLACE: Path = ("spec", "values")
_SCHEMA: Path = ("spec", "valuesSchema")


@dataclass(frozen=True, slots=True)
class Values:
    """The merged values of an environment, and where each of them comes from.

    `documents` are the files they were merged from, nearest first; `given` maps the paths that the command line
    set to what was typed.
    """

    data: JSONObject
    documents: Sequence[Document] = ()
    given: Mapping[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> tuple[Document, Path] | None:
        """Return the document that a value comes from, and the way to it there; None for what the command line set."""
        if any(path[: len(key)] == key for key in self.given):
            return None
        for document in self.documents:
            holder = lookup(document.data, (*_PLACE, *path[:-1]))
            if not path or _has(holder, path[-1]):
                return document, (*_PLACE, *path)
        return None

    def override(self, path: Path) -> str | None:
        """Return what was typed to set the value at a path or a part of it; None when nothing was."""
        keys = (key for key in self.given if path[: len(key)] == key or key[: len(path)] == path)
        return next((self.given[key] for key in keys), None)


def values_of(
    environment: Environment,
    overrides: Mapping[str, str],
    project: Document | None,
    findings: Findings,
    unknown: Severity | None = Severity.WARNING,
) -> Values | None:
    """Return the values of an environment; None, with diagnostics, when they cannot be told.

    Mappings of an environment are merged into those of the one it extends, key by key; anything else replaces.
    `overrides` maps dotted keys to YAML 1.2 scalars and comes last.  `project` is the project file, which may
    declare a schema for the values.  `unknown` is how bad it is to set what no environment has, None for not at all.
    """
    errors = findings.errors
    files: JSONObject = {}
    for document in reversed(environment.documents):
        files = _merged(files, lookup(document.data, _PLACE) or {})
    data = _merged({}, files)
    given: dict[Path, str] = {}
    for key, text in overrides.items():
        path = _override(findings, data, key, text)
        if path is not None:
            given[path] = clipped(f"--set {key}={text}")
    values = Values(data, environment.documents, given)
    schema = None if project is None else lookup(project.data, _SCHEMA)
    if project is not None and schema is not None:
        _check_schema(findings, values if environment.known else None, project, schema)
    elif environment.known and unknown is not None:
        _check_overrides(findings, values, files, unknown)
    return values if environment.known and findings.errors == errors else None


def _has(holder: JSON, key: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and key < len(holder)
    return isinstance(holder, dict) and key in holder


def _merged(below: JSONObject, above: JSONObject) -> JSONObject:
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        merged[key] = _merged(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return merged


def _override(findings: Findings, values: JSONObject, key: str, text: str) -> Path | None:
    """Set one value, making the mappings on the way to it; return the way, None when it cannot be."""
    path = key.split(".")
    shown = clipped(f"--set {key}={text}")
    if not all(path) or len(path) > MAX_DEPTH:
        findings.add("override", f"{shown}: {clipped(key)!r} is not a key", hint="write --set key=value")
        return None
    try:
        value: JSON = resolve(text)
    except UnsafeNumber as error:
        findings.add("override", f"{shown}: {error}", hint="quote it inside the value: --set key='\"…\"'")
        return None
    inner: JSON = values
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            findings.add("override", f"{shown}: {name} is no mapping in the environment")
            return None
    inner[path[-1]] = _unquoted(text) if isinstance(value, str) else value
    return tuple(path)


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _check_overrides(findings: Findings, values: Values, files: JSONObject, severity: Severity) -> None:
    """Note keys that only the command line knows: with no schema, a misspelt one would pass silently."""
    for path, typed in values.given.items():
        holder: JSON = files
        for depth, name in enumerate(path):
            if not isinstance(holder, dict) or name not in holder:
                known = [".".join(map(str, (*path[:depth], key))) for key in holder] if isinstance(holder, dict) else []
                here = ".".join(map(str, path[: depth + 1]))
                message = f"{typed}: no environment file has the value {clipped(here)}"
                hint = _without_holder(path) if depth == 0 else ""
                hint = hint or did_you_mean(here, known)
                findings.add("override-unknown", message, hint=hint, severity=severity)
                break
            holder = holder[name]


def _without_holder(path: Path) -> str:
    """What to do about a key that was written as templates write it; empty when it was not."""
    return "leave out `values.`" if len(path) > 1 and path[0] == "values" else ""


def _check_schema(findings: Findings, values: Values | None, project: Document, schema: JSONObject) -> None:
    """Note what is wrong with the schema of the project file, else what is wrong with the values by it."""
    from reconciler.loading.environment.schema import checks, declared

    wrong = list(declared.problems(schema, _SCHEMA))
    note(findings, project, wrong)
    if wrong or values is None:
        return
    try:
        violations = checks.check(schema, values.data, ("values",))
    except checks.TooMuch as error:
        note(findings, project, [Violation(_SCHEMA, "values-schema", str(error), error.hint)])
        return
    for violation in violations:
        _note_value(findings, values, violation)


def _note_value(findings: Findings, values: Values, violation: Violation) -> None:
    """Note a violation at what gave the value, be it a file or the command line; what is missing, where it would be."""
    path: Path = violation.path
    rest: Path = ()
    if violation.code == "missing-field":
        path, rest = path[:-1], path[-1:]
    origin = values.origin(path)
    if origin is not None:
        document, way = origin
        note(findings, document, [replace(violation, path=(*way, *rest))])
    else:
        typed = values.override(path) if path else None
        message = violation.message if typed is None else f"{typed}: {violation.message}"
        hint = "add it to the environment, or give it with --set" if typed is None else violation.hint
        if typed is not None and violation.code == "unknown-field" and len(path) == 1:
            hint = next((_without_holder(key) for key in values.given if key[:1] == path), "") or hint
        findings.add(violation.code, message, hint=hint)
